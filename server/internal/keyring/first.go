package keyring

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
)

// logAlgorithm is what heads of the revocation log are signed with.
const logAlgorithm = jwk.EdDSA

// tagNumber is that of the key that tags refresh tokens: a new one takes the
// number over, so that a request under way finds a key of it, old or new.
const tagNumber = 1

// Lacks says which key this node needs for its work and hasn't got; nil if none.
// Run makes what is missing.
func (r *Ring) Lacks() error {
	s := r.state.Load()
	switch {
	case s.signing[r.opts.Algorithm] == nil:
		return fmt.Errorf("keyring: no %s key signs", r.opts.Algorithm)
	case s.log == nil:
		return errNoLogKey
	case s.tag == 0:
		return errors.New("keyring: there is no key for refresh tokens")
	}
	return nil
}

// repair makes the keys without which this node can't work: a signing key of the
// default algorithm, a log key and a tag key. Nodes that do so at once agree on
// whichever the store took. It is called with change held.
func (r *Ring) repair(ctx context.Context) error {
	return errors.Join(
		r.first(ctx, auth.KeySign, r.opts.Algorithm),
		r.first(ctx, auth.KeyLog, logAlgorithm),
		r.firstTag(ctx))
}

// first lets somebody sign for an algorithm: the key that is announced, which
// verifiers may know already, or else a new one, which signs at once: nobody can
// hold an older set that lacks it and yet expect its signatures. It is called
// with change held.
func (r *Ring) first(ctx context.Context, purpose auth.KeyPurpose, alg jwk.Algorithm) error {
	if r.state.Load().signer(purpose, alg) != nil {
		return nil
	}
	err := r.promote(ctx, purpose, alg)
	if errors.Is(err, auth.ErrNotFound) {
		err = r.addFirst(ctx, purpose, alg)
	}
	if err != nil && !errors.Is(err, auth.ErrConflict) { // another node was faster: take what it made
		return fmt.Errorf("make the first %s key: %w", alg, err)
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	if r.state.Load().signer(purpose, alg) == nil {
		return fmt.Errorf("keyring: no key signs with %s", alg)
	}
	return nil
}

// promote lets the announced key sign; ErrNotFound if there is none.
func (r *Ring) promote(ctx context.Context, purpose auth.KeyPurpose, alg jwk.Algorithm) error {
	rows, err := r.opts.Keys.Keys(ctx)
	if err != nil {
		return err
	}
	l := byAlgorithm(rows, purpose)[alg]
	if l == nil || l.next == nil || l.signing != nil {
		return auth.ErrNotFound
	}
	return r.turn(ctx, l.next.ID, r.opts.Now(), "nobody else signs")
}

func (r *Ring) addFirst(ctx context.Context, purpose auth.KeyPurpose, alg jwk.Algorithm) error {
	row, ev, err := r.newFirst(purpose, alg, r.opts.Now())
	if err != nil {
		return err
	}
	return r.opts.Keys.AddKey(ctx, row, ev)
}

// newFirst makes a key that signs at once, and what the audit says of it.
func (r *Ring) newFirst(purpose auth.KeyPurpose, alg jwk.Algorithm, now time.Time) (auth.Key, auth.Event, error) {
	key, err := jwk.Generate(alg)
	if err != nil {
		return auth.Key{}, auth.Event{}, err
	}
	reason := "first of its algorithm"
	if purpose == auth.KeyLog {
		reason = "first log key"
	}
	row, err := r.row(purpose, key, auth.KeySigning, now, now)
	return row, auth.Event{At: now, Action: "key.create", Target: row.ID, Verdict: "allowed", Reason: reason}, err
}

// firstTag makes the first tag key.
func (r *Ring) firstTag(ctx context.Context) error {
	if r.state.Load().tag != 0 {
		return nil
	}
	row, ev := r.newTag(r.opts.Now())
	if err := r.opts.Keys.AddKey(ctx, row, ev); err != nil && !errors.Is(err, auth.ErrConflict) {
		return err
	}
	return r.settle(ctx)
}

func (r *Ring) newTag(now time.Time) (auth.Key, auth.Event) {
	id := strconv.Itoa(tagNumber)
	return auth.Key{
		ID: id, Purpose: auth.KeyTag, Number: tagNumber, State: auth.KeySigning,
		Sealed: r.opts.Sealer.Seal(SealTagKey, "keys", id, random(32)), CreatedAt: now, SignsFrom: now,
	}, auth.Event{At: now, Action: "key.create", Target: "tag " + id, Verdict: "allowed"}
}
