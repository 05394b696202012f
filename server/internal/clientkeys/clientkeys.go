// Package clientkeys finds the public keys that clients have registered: the
// set itself (jwks), or where it is published (jwks_uri, RFC 7591, section 2).
//
// What a signed token says of its own keys (jwk, jku, x5u) is never looked at. A
// published set is fetched through the client for addresses that others chose,
// and kept; a key id that it lacks leads to a fetch once per cool-down, however
// many tokens name one: whoever makes tokens up must not be able to use us
// against the client's server.
package clientkeys

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwks"
	"github.com/writ-auth/writ/jwt"
	"github.com/writ-auth/writ/server/internal/auth"
)

const (
	// MaxStale is how long a published set counts while its address doesn't
	// answer: a key that the client has withdrawn must not live on because
	// somebody keeps us from seeing that.
	MaxStale = time.Hour
	// Cooldown is the least time between two fetches for keys that a set lacks.
	Cooldown = 30 * time.Second
	// maxWait is how long one look-up waits for a fetch.
	maxWait = 3 * time.Second
	// maxKept bounds the sets; they start anew when there are too many.
	maxKept = 4096
)

// Options are what a Service is made of; every field is required.
type Options struct {
	Outbound *http.Client // for addresses that others chose
	Logger   *slog.Logger
	Now      func() time.Time
}

// Service finds keys. It is safe for concurrent use.
type Service struct {
	Options
	mu   sync.Mutex
	kept map[string]*kept // by client
}

// kept are a client's keys, and what they were made of.
type kept struct {
	text   []byte
	uri    string
	set    *jwk.Set
	remote *jwks.Remote // nil: set is all
}

func (k *kept) fits(c auth.Client) bool {
	return k.uri == c.JWKSURI && bytes.Equal(k.text, c.JWKS)
}

func (k *kept) source() jwt.KeySource {
	if k.remote != nil {
		return k.remote
	}
	return k.set
}

// New makes the service. Close it when it is no longer used.
func New(opts Options) *Service { return &Service{Options: opts, kept: map[string]*kept{}} }

// Of answers what finds the keys of a client; nil if it has registered none.
func (s *Service) Of(c auth.Client) (jwt.KeySource, error) {
	k, err := s.of(c)
	if err != nil || k == nil {
		return nil, err
	}
	return k.source(), nil
}

// Set answers all keys of a client, among them the one with an algorithm and a
// key id, if the client has it: a published set that lacks it is fetched again
// first, within the cool-down. The set is nil if there are no keys, or none that
// could be fetched.
func (s *Service) Set(ctx context.Context, c auth.Client, alg jwk.Algorithm, kid string) (*jwk.Set, error) {
	k, err := s.of(c)
	if err != nil || k == nil {
		return nil, err
	}
	if k.remote == nil {
		return k.set, nil
	}
	if _, err := k.remote.FindKey(ctx, alg, kid); err != nil && s.Now().Sub(k.remote.Fetched()) > MaxStale {
		return nil, nil // its address doesn't answer, which is in the log already
	}
	return k.remote.Set(), nil
}

func (s *Service) of(c auth.Client) (*kept, error) {
	s.mu.Lock()
	before := s.kept[c.ID]
	s.mu.Unlock()
	if before != nil && before.fits(c) {
		return before, nil
	}
	k, err := s.make(c)
	if err != nil || k == nil {
		return nil, err
	}
	return s.keep(c, k), nil
}

// keep remembers the keys, or answers those that somebody else has remembered in
// the meantime: two would fetch twice.
func (s *Service) keep(c auth.Client, k *kept) *kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	if before := s.kept[c.ID]; before != nil {
		if before.fits(c) {
			k.close()
			return before
		}
		before.close()
		delete(s.kept, c.ID)
	}
	if len(s.kept) >= maxKept {
		s.forget()
	}
	s.kept[c.ID] = k
	return k
}

func (s *Service) make(c auth.Client) (*kept, error) {
	k := &kept{text: c.JWKS, uri: c.JWKSURI}
	var err error
	switch {
	case len(c.JWKS) > 0:
		k.set, err = jwk.ParseSet(c.JWKS)
	case c.JWKSURI != "":
		k.remote, err = jwks.New(jwks.Config{URL: c.JWKSURI, Client: s.Outbound, Logger: s.Logger, Now: s.Now,
			MaxStale: MaxStale, Cooldown: Cooldown, MaxWait: maxWait})
	default:
		return nil, nil
	}
	return k, err // it was checked when it was registered
}

// forget drops all sets. The caller holds the lock.
func (s *Service) forget() {
	for _, k := range s.kept {
		k.close()
	}
	clear(s.kept)
}

// close ends fetches. It doesn't wait for them: their contexts are over, and the
// caller holds a lock.
func (k *kept) close() {
	if k.remote != nil {
		go func() { _ = k.remote.Close() }() // has nothing to say
	}
}

// Close ends all fetches and waits for their end.
func (s *Service) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.kept {
		if k.remote != nil {
			if err := k.remote.Close(); err != nil {
				return err
			}
		}
	}
	clear(s.kept)
	return nil
}
