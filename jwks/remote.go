package jwks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/internal/fetch"
	"github.com/writ-auth/writ/jwk"
)

// maxKeyID bounds what is remembered of a token's header. An id that is longer
// is one that no set has.
const maxKeyID = 256

// ErrClosed says that the keys are needed and no fetch can bring them any more.
var ErrClosed = errors.New("jwks: closed")

// Remote is a key set that somebody else publishes. It is a jwt.KeySource, and
// safe for concurrent use. The zero value finds no key.
type Remote struct {
	cfg     Config
	client  *fetch.Client
	ctx     context.Context // of fetches: they serve many callers and end with the Remote, not with one caller
	cancel  context.CancelFunc
	current atomic.Pointer[snapshot] // nil until the first good answer

	mu        sync.Mutex // never held while a request is under way
	closed    bool
	flight    *flight   // the fetch under way, nil if none is
	failures  int       // in a row
	failed    error     // the last fetch's error, nil if it was good
	retryAt   time.Time // no fetch for freshness' sake before, after failures
	unknownAt time.Time // no fetch for an unknown key's sake before
	misses    misses

	// Used by the fetch under way alone.
	location location
	skipped  string // what was last logged of keys that were left out
}

// flight is a fetch that callers may wait for.
type flight struct {
	started     time.Time // real time, as waiting is
	revalidates bool      // no cache on the way answers it
	done        chan struct{}
	err         error // to be read when done is closed
}

// New returns a Remote for the configured set. It asks nobody yet; its errors
// name what is wrong with the configuration.
func New(cfg Config) (*Remote, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	r := &Remote{cfg: cfg, client: fetch.New(cfg.Client), location: location{url: cfg.URL}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r, nil
}

// FindKey returns the key for an algorithm and a key id, which may be empty if
// just one key has the algorithm. A key that a refresh brings again keeps its
// pointer. The error is [jwk.ErrNotFound] where the issuer has no such key, and
// another one where that isn't known: no set could be fetched, it is too old,
// or the fetch that an unknown id caused has failed or takes longer than MaxWait.
func (r *Remote) FindKey(ctx context.Context, alg jwk.Algorithm, kid string) (jwk.VerifyingKey, error) {
	if r.ctx == nil || len(kid) > maxKeyID {
		return nil, jwk.ErrNotFound
	}
	now := r.cfg.Now()
	if s := r.current.Load(); s != nil && now.Before(s.refresh) {
		if key, err := s.set.FindKey(ctx, alg, kid); err == nil {
			return key, nil
		}
	}
	return r.findOrFetch(ctx, now, alg, kid)
}

// findOrFetch is FindKey where the keys at hand are due for a refresh or don't
// have the one that is wanted.
func (r *Remote) findOrFetch(ctx context.Context, now time.Time, alg jwk.Algorithm, kid string) (jwk.VerifyingKey, error) {
	f := r.refreshIfDue(now)
	waited := f != nil && !r.current.Load().fresh(now) && r.wait(ctx, f)
	s := r.current.Load()
	if !s.usable(now) {
		return nil, r.unavailable()
	}
	if key, err := s.set.FindKey(ctx, alg, kid); err == nil {
		return key, nil
	}
	if waited {
		return nil, r.missing()
	}
	return r.findUnknown(ctx, now, alg, kid)
}

// findUnknown looks for a key that the set at hand hasn't got. If a refresh was
// under way that brings no such key, that means little: a cache on the way may
// have answered it. Then there is a fetch for the key's own sake, in the same
// time.
func (r *Remote) findUnknown(ctx context.Context, now time.Time, alg jwk.Algorithm, kid string) (jwk.VerifyingKey, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.MaxWait)
	defer cancel()
	id := keyID{alg, kid}
	for range 2 {
		f := r.fetchFor(id, now)
		if f == nil {
			break
		}
		if !r.wait(ctx, f) {
			return nil, fmt.Errorf("jwks: asking for an unknown key: %w", errSlow)
		}
		if key, err := r.current.Load().set.FindKey(ctx, alg, kid); err == nil {
			return key, nil
		}
		if f.err != nil {
			break
		}
		if f.revalidates {
			r.note(id, now)
			break
		}
	}
	return nil, r.missing()
}

var errSlow = errors.New("the issuer takes its time")

// refreshIfDue returns the fetch under way or, if the set at hand should be
// fetched anew, starts one. nil: neither.
func (r *Remote) refreshIfDue(now time.Time) *flight {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.current.Load()
	due := s == nil || !now.Before(s.refresh)
	switch {
	case r.flight != nil:
		return r.flight
	case r.closed || !due || now.Before(r.retryAt):
		return nil
	}
	return r.start(false)
}

// fetchFor returns the fetch that may bring an unknown key, nil if none is
// allowed now. The slot is taken here, under the lock, before the fetch begins:
// ten thousand callers at once find it taken.
func (r *Remote) fetchFor(id keyID, now time.Time) *flight {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.flight != nil:
		return r.flight
	case r.closed || now.Before(r.unknownAt) || r.misses.has(id, now):
		return nil
	}
	r.unknownAt = now.Add(r.cfg.Cooldown)
	return r.start(true)
}

// start begins a fetch. The caller holds the lock.
func (r *Remote) start(revalidate bool) *flight {
	f := &flight{started: time.Now(), revalidates: revalidate, done: make(chan struct{})}
	r.flight = f
	go r.run(f)
	return f
}

// run fetches once and takes over what came.
func (r *Remote) run(f *flight) {
	ctx, cancel := context.WithTimeout(r.ctx, fetch.Timeout)
	defer cancel()
	next, err := r.fetch(ctx, f.revalidates)

	r.mu.Lock()
	wasFailing := r.failures > 0
	r.failed = err
	if err == nil {
		if old := r.current.Load(); old == nil || old.set != next.set {
			r.misses.clear()
		}
		r.current.Store(next)
		r.failures, r.retryAt = 0, time.Time{}
	} else {
		r.failures++
		r.retryAt = r.cfg.Now().Add(backoff(r.failures, r.cfg.Cooldown))
	}
	r.flight = nil
	r.mu.Unlock()

	f.err = err
	close(f.done)
	r.report(err, wasFailing)
}

// report logs when fetching begins to fail and when it is over.
func (r *Remote) report(err error, wasFailing bool) {
	source := r.cfg.URL + r.cfg.Issuer // one of them is empty
	switch {
	case err != nil && !wasFailing && r.ctx.Err() == nil:
		r.cfg.Logger.Warn("keys can't be fetched", "source", source, "error", err)
	case err == nil && wasFailing:
		r.cfg.Logger.Info("keys can be fetched again", "source", source)
	}
}

// wait reports whether the fetch was over before MaxWait had passed since it
// began: counted from its beginning, so that an issuer which answers nothing
// for ten seconds delays few requests.
func (r *Remote) wait(ctx context.Context, f *flight) bool {
	left := r.cfg.MaxWait - time.Since(f.started)
	if left <= 0 {
		select {
		case <-f.done:
			return true
		default:
			return false
		}
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-f.done:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// unavailable is the error while there are no keys to use.
func (r *Remote) unavailable() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return ErrClosed
	case r.failed != nil:
		return fmt.Errorf("jwks: no keys: %w", r.failed)
	}
	return fmt.Errorf("jwks: no keys: %w", errSlow)
}

// missing is the error for a key that the set at hand hasn't got. If the last
// fetch failed, nobody knows whether the issuer has it by now.
func (r *Remote) missing() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed != nil {
		return fmt.Errorf("jwks: unknown key, and no newer set: %w", r.failed)
	}
	return jwk.ErrNotFound
}

// note remembers that a fetch didn't bring a key.
func (r *Remote) note(id keyID, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil {
		r.misses.add(id, now, r.cfg.Cooldown, r.cfg.MaxAge)
	}
}

// Refresh fetches the set, or waits for the fetch under way, until ctx is done.
// No cool-down applies: it is the program that asks, not a token.
func (r *Remote) Refresh(ctx context.Context) error {
	f, err := r.fetchNow()
	if err != nil {
		return err
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Remote) fetchNow() (*flight, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed || r.ctx == nil:
		return nil, ErrClosed
	case r.flight != nil:
		return r.flight, nil
	}
	return r.start(true), nil
}

// Set returns the keys of the last good answer, however old; nil if there was
// none.
func (r *Remote) Set() *jwk.Set {
	if s := r.current.Load(); s != nil {
		return s.set
	}
	return nil
}

// Fetched returns when the last good answer was asked for; the zero time if
// there was none.
func (r *Remote) Fetched() time.Time {
	if s := r.current.Load(); s != nil {
		return s.fetched
	}
	return time.Time{}
}

// Close cancels a fetch under way and waits for its end. Keys at hand can still
// be found for as long as they may be used; no more are fetched.
func (r *Remote) Close() error {
	if r.cancel == nil {
		return nil
	}
	r.mu.Lock()
	r.closed = true
	f := r.flight
	r.mu.Unlock()
	r.cancel()
	if f != nil {
		<-f.done
	}
	return nil
}
