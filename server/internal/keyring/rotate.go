package keyring

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
)

// A key that signs, tokens or heads of the log, lives through four states: next (published, not signing),
// signing, retired (published for as long as its tokens live), gone. What is
// due is read off the rows and the clock, so that any node may do it, late or
// twice, with the same outcome.

// pollEvery is how long Run waits at most: clocks jump.
const pollEvery = time.Minute

// Announced is a key and the time at which it begins to sign.
type Announced struct {
	KID       string
	Algorithm jwk.Algorithm
	SignsFrom time.Time
}

// Rotate announces the next key of an algorithm ("": the default), which signs
// after the time of announcement; an algorithm's first signs at once. If one is
// announced already, that is the answer: who asks twice gets one rotation.
func (r *Ring) Rotate(ctx context.Context, alg jwk.Algorithm, ev auth.Event) (Announced, error) {
	if alg == "" {
		alg = r.opts.Algorithm
	}
	r.change.Lock()
	defer r.change.Unlock()
	if _, ok := r.state.Load().signing[alg]; !ok {
		if err := r.first(ctx, auth.KeySign, alg); err != nil {
			return Announced{}, err
		}
		return Announced{r.state.Load().signing[alg].KeyID(), alg, r.opts.Now()}, nil
	}
	key, err := jwk.Generate(alg)
	if err != nil {
		return Announced{}, err
	}
	ev.At = r.opts.Now()
	from := ev.At.Add(r.opts.Announce)
	out, err := r.announce(ctx, auth.KeySign, key, from, ev)
	if err == nil && odd(out.SignsFrom, from) {
		out.SignsFrom, err = from, r.hasten(ctx, out.KID, from, ev.At)
	}
	return out, err
}

// Import announces a private key that was made elsewhere; the first of its
// algorithm signs at once. A *auth.ConflictError if another one is announced
// already, or this one is here.
func (r *Ring) Import(ctx context.Context, key *jwk.PrivateKey, ev auth.Event) (Announced, error) {
	r.change.Lock()
	defer r.change.Unlock()
	ev.At = r.opts.Now()
	if _, ok := r.state.Load().signing[key.Algorithm()]; !ok {
		if err := r.add(ctx, auth.KeySign, key, auth.KeySigning, ev.At, ev); err != nil {
			return Announced{}, err
		}
		return Announced{key.KeyID(), key.Algorithm(), ev.At}, r.settle(ctx)
	}
	out, err := r.announce(ctx, auth.KeySign, key, ev.At.Add(r.opts.Announce), ev)
	if err == nil && out.KID != key.KeyID() {
		err = &auth.ConflictError{Field: "algorithm"}
	}
	return out, err
}

// announce publishes key as its algorithm's next, or answers the one that is
// announced already. It is called with change held.
func (r *Ring) announce(ctx context.Context, purpose auth.KeyPurpose, key *jwk.PrivateKey, signsFrom time.Time, ev auth.Event) (Announced, error) {
	err := r.add(ctx, purpose, key, auth.KeyNext, signsFrom, ev)
	if err != nil && !errors.Is(err, auth.ErrConflict) {
		return Announced{}, err
	}
	rows, listErr := r.opts.Keys.Keys(ctx)
	if listErr != nil {
		return Announced{}, listErr
	}
	for _, row := range rows {
		if row.Purpose == purpose && row.State == auth.KeyNext && row.Algorithm == key.Algorithm() {
			r.poke()
			return Announced{row.ID, row.Algorithm, row.SignsFrom}, r.settle(ctx)
		}
	}
	return Announced{}, err // the conflict was about its kid
}

// poke lets Run look again at what is due.
func (r *Ring) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Advance reads the keys, as others may have changed them, and carries out what
// is due now: announced keys begin to sign, old ones get a successor announced,
// retired ones whose tokens are over go, and what this node can't work without
// is made where it is missing. It answers when something will be due next; zero
// if nothing is in sight.
func (r *Ring) Advance(ctx context.Context) (next time.Time, err error) {
	r.change.Lock()
	defer r.change.Unlock()
	rows, err := r.opts.Keys.Keys(ctx)
	if err != nil {
		return next, err
	}
	if err := r.use(rows); err != nil {
		return next, err
	}
	a := advance{r: r, now: r.opts.Now(), odd: map[string]time.Time{}}
	for _, purpose := range []auth.KeyPurpose{auth.KeySign, auth.KeyLog} {
		for _, keys := range byAlgorithm(rows, purpose) {
			err = errors.Join(err, a.line(ctx, keys))
		}
	}
	r.odd = a.odd
	if a.changed {
		err = errors.Join(err, r.settle(ctx))
	}
	return a.next, errors.Join(err, r.repair(ctx))
}

// line is the keys of one purpose and algorithm.
type line struct {
	next, signing *auth.Key
	retired       []*auth.Key
}

func byAlgorithm(rows []auth.Key, purpose auth.KeyPurpose) map[jwk.Algorithm]*line {
	out := map[jwk.Algorithm]*line{}
	for i := range rows {
		row := &rows[i]
		if row.Purpose != purpose {
			continue
		}
		l := out[row.Algorithm]
		if l == nil {
			l = &line{}
			out[row.Algorithm] = l
		}
		switch row.State {
		case auth.KeyNext:
			l.next = row
		case auth.KeySigning:
			l.signing = row
		default:
			l.retired = append(l.retired, row)
		}
	}
	return out
}

// advance is one call of Advance under way.
type advance struct {
	r       *Ring
	now     time.Time
	next    time.Time
	changed bool
	odd     map[string]time.Time // see Ring.odd
}

func (a *advance) line(ctx context.Context, l *line) error {
	if err := a.drop(ctx, l.retired); err != nil {
		return err
	}
	if l.signing != nil {
		if err := a.doubt(ctx, l.signing, a.now); err != nil {
			return err
		}
	}
	if l.next != nil {
		if err := a.doubt(ctx, l.next, a.now.Add(a.r.opts.Announce)); err != nil {
			return err
		}
		return a.turn(ctx, l.next)
	}
	if l.signing == nil || a.r.opts.Period <= 0 {
		return nil
	}
	// The successor is announced early enough to take over on time.
	due := l.signing.SignsFrom.Add(a.r.opts.Period - a.r.opts.Announce)
	if a.now.Before(due) {
		a.await(due)
		return nil
	}
	return a.succeed(ctx, *l.signing)
}

func (a *advance) turn(ctx context.Context, next *auth.Key) error {
	if a.now.Before(next.SignsFrom) {
		a.await(next.SignsFrom)
		return nil
	}
	err := a.r.turn(ctx, next.ID, a.now, "announced")
	a.changed = true
	a.await(a.now.Add(time.Second)) // its own successor may be due
	if errors.Is(err, auth.ErrNotFound) {
		return nil // another node has done it
	}
	return err
}

func (a *advance) succeed(ctx context.Context, old auth.Key) error {
	key, err := jwk.Generate(old.Algorithm)
	if err != nil {
		return err
	}
	from := a.now.Add(a.r.opts.Announce)
	if planned := old.SignsFrom.Add(a.r.opts.Period); planned.After(from) {
		from = planned
	}
	out, err := a.r.announce(ctx, old.Purpose, key, from, auth.Event{At: a.now, Action: "key.announce", Reason: "rotation"})
	a.await(out.SignsFrom)
	return err
}

func (a *advance) drop(ctx context.Context, retired []*auth.Key) error {
	for _, k := range retired {
		if a.now.Before(k.PublishedUntil) {
			a.await(k.PublishedUntil)
			continue
		}
		a.changed = true
		if _, err := a.r.opts.Keys.DropKeys(ctx, a.now); err != nil {
			return err
		}
	}
	return nil
}

func (a *advance) await(t time.Time) {
	if a.next.IsZero() || t.Before(a.next) {
		a.next = t
	}
}

// turn lets an announced key sign.
func (r *Ring) turn(ctx context.Context, kid string, now time.Time, reason string) error {
	return r.opts.Keys.TurnKey(ctx, kid, now, auth.Event{At: now, Action: "key.sign", Target: kid, Verdict: "allowed", Reason: reason})
}

// retryAfter is how long Run waits after a first failure; then twice as long.
const retryAfter = time.Second

// Run advances the keys, and follows what others do to them, until ctx ends.
func (r *Ring) Run(ctx context.Context, logger *slog.Logger) {
	var pause time.Duration
	for ctx.Err() == nil {
		var changed <-chan struct{} // taken before the keys are read
		if r.opts.Changed != nil {
			changed = r.opts.Changed()
		}
		next, err := r.Advance(ctx)
		wait := pollEvery
		switch {
		case err == nil && !next.IsZero():
			wait = min(wait, max(next.Sub(r.opts.Now()), time.Millisecond))
		case err != nil && ctx.Err() == nil:
			logger.Warn("signing keys can't be looked after", "error", err)
			pause = min(max(2*pause, retryAfter), pollEvery)
			wait = pause
		}
		if err == nil {
			pause = 0
		}
		r.rest(ctx, wait, changed)
	}
}

// rest waits, unless there is something to do before.
func (r *Ring) rest(ctx context.Context, wait time.Duration, changed <-chan struct{}) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-r.wake:
	case <-changed:
	case <-timer.C:
	}
}
