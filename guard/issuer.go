package guard

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/internal/discovery"
	"github.com/writ-auth/writ/internal/fetch"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwks"
	"github.com/writ-auth/writ/jwt"
)

// issuer is one configured issuer: its keys, its revocation log, and the way to
// ask it about a token.
type issuer struct {
	cfg    *Issuer
	keys   jwt.KeySource
	remote *jwks.Remote // keys, where they are fetched; else nil
	log    *follower    // nil: not followed
	client *fetch.Client
	now    func() time.Time

	credentials *Credentials
	verifierID  string
	asking      chan struct{} // a place for each introspection under way
	pause       pause         // after introspections that failed
	logger      *slog.Logger
	life        context.Context

	document  atomic.Pointer[discovery.Document] // as last fetched
	keysReady chan struct{}                      // closed when the first keys are there
	waitUntil time.Time                          // until then requests wait for the first keys and revocations; real time
}

func newIssuer(ctx context.Context, g *Guard, cfg *Issuer, client *fetch.Client) (*issuer, error) {
	i := &issuer{
		cfg: cfg, keys: cfg.Keys, client: client, now: g.cfg.Now, life: ctx,
		credentials: g.cfg.credentialsFor(cfg), verifierID: newVerifierID(),
		asking:    make(chan struct{}, maxIntrospections),
		logger:    g.cfg.Logger,
		keysReady: make(chan struct{}),
		waitUntil: g.started.Add(firstWait),
	}
	if cfg.Keys == nil {
		remote, err := jwks.New(jwks.Config{
			Issuer: cfg.URL, Parser: jwk.Parser{Extensions: g.cfg.Extensions}, Prepare: g.cfg.Prepare,
			Client: g.cfg.Client, Logger: g.cfg.Logger, Now: g.cfg.Now,
		})
		if err != nil {
			return nil, err
		}
		i.keys, i.remote = remote, remote
	}
	if cfg.follows() {
		i.log = newFollower(i, g.cfg)
	}
	return i, nil
}

// verifier verifies this issuer's tokens. Those that are bound to a key are
// refused unless the caller checks the proof.
func (i *issuer) verifier(g *Guard, bound bool) (*jwt.Verifier[jwt.AccessClaims], error) {
	expect := jwt.Expect{
		Issuer: i.cfg.URL, Audience: i.cfg.Audience, Type: i.cfg.Type, Leeway: g.cfg.Leeway, Now: g.cfg.Now,
		AllowConfirmation: bound, Ignore: i.cfg.ignored(),
	}
	if expect.Type == "" {
		expect.Type = "at+jwt"
	}
	return jwt.NewVerifier[jwt.AccessClaims](capturing{i}, expect)
}

// start begins what runs until ctx is done.
func (i *issuer) start(ctx context.Context, running *sync.WaitGroup) {
	if i.remote != nil {
		running.Go(func() { i.fetchFirstKeys(ctx) })
	} else {
		close(i.keysReady)
	}
	if i.log != nil {
		running.Go(func() { i.log.run(ctx) })
	}
}

func (i *issuer) close() error {
	if i.remote == nil {
		return nil
	}
	return i.remote.Close()
}

// fetchFirstKeys asks until the keys are there. Afterwards the key set looks
// after itself.
func (i *issuer) fetchFirstKeys(ctx context.Context) {
	for failures := 1; ; failures++ {
		if i.remote.Refresh(ctx) == nil {
			close(i.keysReady)
			return
		}
		if !sleep(ctx, backoff(failures, maxBackoff)) {
			return
		}
	}
}

func (i *issuer) ready(ctx context.Context) error {
	if err := receive(ctx, i.keysReady); err != nil {
		return err
	}
	if i.log == nil {
		return nil
	}
	return receive(ctx, i.log.ready)
}

// awaitFirst waits for what arrives once, for as long as the guard is new.
func (i *issuer) awaitFirst(ctx context.Context, arrived <-chan struct{}) {
	select {
	case <-arrived:
		return
	default:
	}
	left := time.Until(i.waitUntil)
	if left <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	_ = receive(ctx, arrived) // whoever asks looks for himself what is there
}

// discover fetches the discovery document.
func (i *issuer) discover(ctx context.Context) (*discovery.Document, error) {
	ctx, cancel := context.WithTimeout(ctx, fetch.Timeout)
	defer cancel()
	doc, err := discovery.Fetch(ctx, i.client, i.cfg.URL)
	if err != nil {
		return nil, err
	}
	i.document.Store(doc)
	return doc, nil
}

// capturing is the key source of an issuer's verifier. It tells whoever asks,
// through the context, which key of which issuer it gave: the cache has to hold
// the very key that verified a token, and the set may change meanwhile. It also
// tells the kid that was asked for, which of a verified token nobody knows else.
type capturing struct{ issuer *issuer }

type (
	captureKey struct{}
	capture    struct {
		issuer *issuer
		key    jwk.VerifyingKey
		kid    string
	}
)

func (c capturing) FindKey(ctx context.Context, alg jwk.Algorithm, kid string) (jwk.VerifyingKey, error) {
	c.issuer.awaitFirst(ctx, c.issuer.keysReady)
	key, err := c.issuer.keys.FindKey(ctx, alg, kid)
	if by, ok := ctx.Value(captureKey{}).(*capture); ok {
		by.issuer, by.key, by.kid = c.issuer, key, kid
	}
	return key, err
}

// receive waits for a channel to be closed.
func receive(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// sleep reports whether d passed before ctx was done.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

const (
	minBackoff = 250 * time.Millisecond
	maxBackoff = 8 * time.Second
)

// backoff is how long to wait after so many failures in a row: minBackoff,
// twice that, and so on up to most, less up to half of it by chance, so that a
// thousand verifiers don't come back to their issuer in step.
func backoff(failures int, most time.Duration) time.Duration {
	wait := min(minBackoff<<min(failures-1, 20), max(most, minBackoff))
	return wait - rand.N(wait/2)
}

var errNoEndpoint = errors.New("the discovery document names no such endpoint")
