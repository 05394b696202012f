package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/writ-auth/writ/internal/fetch"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/internal/strictjson"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// Bounds of what the book asks the issuer, and keeps.
const (
	maxSigners      = 1024             // clients
	maxSignerBytes  = 1 << 20          // of an answer
	signerAge       = time.Minute      // of an answer that says nothing of its age
	signerStale     = 10 * time.Minute // how long an answer counts while the issuer gives no other
	signerCooldown  = 30 * time.Second // between two questions about a key that a client lacks
	signerPause     = time.Second      // between two about one client, whatever the reason
	signerWait      = 2 * time.Second  // how long a request waits for an answer
	strangers       = 20               // questions about clients that nobody has asked about yet, at once
	strangersSecond = 10               // and in a second from then on
)

// book holds what the issuer says of clients that sign for themselves. Tokens
// with made-up clients, and made-up keys of real ones, lead to few questions,
// whatever their number: those who ask for a client together share one.
type book struct {
	issuer     *issuer
	extensions []jwk.Extension
	asking     sync.WaitGroup // the questions under way

	mu      sync.Mutex // never held while a question is under way
	closed  bool       // no question begins any more
	signers map[claimant]*signer
	since   time.Time // JWTs that were made before are refused
	budget  float64   // questions about strangers that may be asked now
	filled  time.Time // when the budget was
}

// signer is a client, as far as it is known.
type signer struct {
	current *registration // nil: nothing is known yet
	flight  *flight       // the question under way
	retryAt time.Time     // no question before
	keyAt   time.Time     // none for a key that the client lacks
	failed  error         // of the last question
	misses  int           // questions in a row that failed
}

// registration is what the issuer has said of a client. It never changes.
type registration struct {
	keys  *jwk.Set
	scope jwt.Scope
	epoch string // "": the issuer knows no such client for this API

	since   time.Time // JWTs made before are refused
	refresh time.Time // to be asked for again
	dead    time.Time // of no use any more
}

type flight struct{ done chan struct{} }

func newBook(g *Guard, i *issuer) *book {
	now := g.cfg.Now()
	return &book{issuer: i, extensions: g.cfg.Extensions, signers: make(map[claimant]*signer), since: now, budget: strangers, filled: now}
}

// signerKeys is the key source of one JWT. It keeps the registration in which
// the key was found.
type signerKeys struct {
	book  *book
	who   claimant
	found *registration
}

// FindKey implements jwt.KeySource.
func (k *signerKeys) FindKey(ctx context.Context, alg jwk.Algorithm, kid string) (jwk.VerifyingKey, error) {
	reg, err := k.book.find(ctx, k.who, alg, kid)
	if err != nil {
		return nil, err
	}
	k.found = reg
	return reg.keys.FindKey(ctx, alg, kid)
}

var (
	errBusy       = errors.New("too many questions about unknown clients")
	errSlowIssuer = errors.New("the issuer takes its time")
)

// find answers what is known of a client, and asks for it if that is too old, or
// lacks the key.
func (b *book) find(ctx context.Context, who claimant, alg jwk.Algorithm, kid string) (*registration, error) {
	wanted := wanted{alg, kid}
	reg, f, err := b.look(who, wanted)
	if err != nil || f == nil {
		return reg, err
	}
	ctx, cancel := context.WithTimeout(ctx, signerWait)
	defer cancel()
	if receive(ctx, f.done) != nil {
		err = errSlowIssuer
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.signers[who]
	switch {
	case s != nil && s.usable(b.issuer.now()):
		return s.current, nil
	case s != nil && s.failed != nil:
		err = s.failed
	case err == nil:
		err = errSlowIssuer
	}
	return nil, err
}

// wanted is the key that a JWT names.
type wanted struct {
	alg jwk.Algorithm
	kid string
}

func (w wanted) in(r *registration) bool {
	_, err := r.keys.FindKey(context.Background(), w.alg, w.kid)
	return err == nil
}

func (s *signer) usable(now time.Time) bool { return s.current != nil && now.Before(s.current.dead) }

// look answers what is at hand, or the question to wait for. What is only a
// little old is good while somebody asks.
func (b *book) look(who claimant, w wanted) (*registration, *flight, error) {
	now := b.issuer.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.signers[who]
	if s == nil {
		if !b.admit(now) {
			return nil, nil, errBusy
		}
		s = b.add(who)
	}
	usable := s.usable(now)
	lacks := usable && !w.in(s.current)
	over := usable && b.revoked(s.current.epoch)
	old := !usable || over || !now.Before(s.current.refresh)
	if s.flight == nil && !b.closed && !now.Before(s.retryAt) && (old || lacks && !now.Before(s.keyAt)) {
		b.ask(who, s, w, lacks, now)
	}
	switch {
	case s.flight != nil && (!usable || lacks || over):
		return nil, s.flight, nil
	case usable:
		return s.current, nil, nil
	}
	if s.failed == nil {
		return nil, nil, errSlowIssuer
	}
	return nil, nil, s.failed
}

// admit bounds the questions about clients of whom nothing is known: anybody can
// make up a name.
func (b *book) admit(now time.Time) bool {
	if passed := now.Sub(b.filled); passed > 0 {
		b.budget = min(b.budget+passed.Seconds()*strangersSecond, strangers)
	}
	b.filled = now
	if b.budget < 1 {
		return false
	}
	b.budget--
	return true
}

// add makes room for a client, at the cost of one that the issuer doesn't know if
// there is one. JWTs that were refused because of their age stay refused.
func (b *book) add(who claimant) *signer {
	if len(b.signers) >= maxSigners {
		victim, found := claimant{}, false
		for other, s := range b.signers {
			if s.flight != nil {
				continue
			}
			victim, found = other, true
			if s.current == nil || s.current.epoch == "" {
				break
			}
		}
		if s := b.signers[victim]; found && s.current != nil && s.current.since.After(b.since) {
			b.since = s.current.since
		}
		delete(b.signers, victim)
	}
	s := new(signer)
	b.signers[who] = s
	return s
}

func (b *book) revoked(epoch string) bool {
	return epoch != "" && b.issuer.log.index.has([]hash{revlog.Hash(revlog.Epoch, epoch)})
}

// ask begins a question. It serves all who wait for it, so the context of none of
// them ends it. The caller holds the lock.
func (b *book) ask(who claimant, s *signer, w wanted, forKey bool, now time.Time) {
	f := &flight{done: make(chan struct{})}
	s.flight = f
	if forKey {
		s.keyAt = now.Add(signerCooldown)
	}
	b.asking.Go(func() {
		ctx, cancel := context.WithTimeout(b.issuer.life, fetch.Timeout)
		defer cancel()
		reg, err := b.fetch(ctx, who, w)
		b.mu.Lock()
		defer b.mu.Unlock()
		defer close(f.done)
		b.learn(s, reg, err)
		s.flight = nil
	})
}

// close waits for the questions under way, which the end of the issuer's life has
// ended; what is known stays good for as long as it would.
func (b *book) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.asking.Wait()
}

// learn takes an answer over. The caller holds the lock.
func (b *book) learn(s *signer, reg *registration, err error) {
	now := b.issuer.now()
	s.failed = err
	if err != nil {
		s.misses++
		s.retryAt = now.Add(backoff(s.misses, maxBackoff))
		return
	}
	s.misses, s.retryAt = 0, now.Add(signerPause)
	reg.since, reg.dead = b.since, now.Add(signerStale)
	if before := s.current; before != nil {
		reg.since = before.since
		if before.epoch != "" && before.epoch != reg.epoch {
			reg.since = now // what was made before is over with that epoch
		}
	}
	s.current = reg
}

// fetch asks the issuer about a client.
func (b *book) fetch(ctx context.Context, who claimant, w wanted) (*registration, error) {
	i := b.issuer
	doc := i.document.Load()
	if doc == nil || doc.ClientKeys == "" {
		var err error
		if doc, err = i.discover(ctx); err != nil {
			return nil, err
		}
	}
	if doc.ClientKeys == "" {
		return nil, fmt.Errorf("keys of clients: %w", errNoEndpoint)
	}
	req, err := newRequest(ctx, http.MethodPost, doc.ClientKeys, nil, i.credentials)
	if err != nil {
		return nil, err
	}
	form := url.Values{"client": {who.client}, "audience": {who.audience}}
	if len(w.kid) <= maxClientID {
		form.Set("alg", string(w.alg))
		form.Set("kid", w.kid)
	}
	text := form.Encode()
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Body, req.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	answer, err := i.client.Do(req, maxSignerBytes)
	if err != nil {
		return nil, fmt.Errorf("keys of clients: %w", err)
	}
	if answer.Status != http.StatusOK {
		return nil, fmt.Errorf("keys of clients: %w", answer.StatusError())
	}
	return b.read(answer.Body, who)
}

// read reads an answer: a JWK Set with more members.
func (b *book) read(body []byte, who claimant) (*registration, error) {
	keys, err := jwk.Parser{Extensions: b.extensions}.Set(body)
	if err != nil {
		return nil, fmt.Errorf("keys of clients: %w", err)
	}
	m, err := readSigner(string(body))
	if err != nil {
		return nil, fmt.Errorf("keys of clients: %w", err)
	}
	reg := &registration{keys: keys, refresh: b.issuer.now().Add(m.age)}
	if keys.Len() == 0 {
		return reg, nil
	}
	if m.client != who.client || m.audience != who.audience || m.epoch == "" {
		return nil, errors.New("keys of clients: the answer is about somebody else")
	}
	reg.epoch, reg.scope = m.epoch, strings.Fields(m.scope)
	return reg, nil
}

// signerMembers are the members besides the keys.
type signerMembers struct {
	client, audience, scope, epoch string
	age                            time.Duration
}

func readSigner(text string) (m signerMembers, err error) {
	m.age = signerAge
	r := strictjson.NewReader(text)
	if err := r.Members(func(name string) error { return m.member(r, name) }); err != nil {
		return m, err
	}
	return m, r.End()
}

func (m *signerMembers) member(r *strictjson.Reader, name string) (err error) {
	switch name {
	case "client_id":
		m.client, err = r.ReadString()
	case "audience":
		m.audience, err = r.ReadString()
	case "scope":
		m.scope, err = r.ReadString()
	case "epoch":
		m.epoch, err = r.ReadString()
	case "max_age":
		n, ok := r.ReadDigits()
		if !ok {
			return strictjson.ErrType
		}
		m.age = time.Duration(min(max(n, 1), int64(signerStale/time.Second))) * time.Second
	default:
		err = r.Skip()
	}
	return err
}
