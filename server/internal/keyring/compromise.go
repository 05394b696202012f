package keyring

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
)

// What leaked ends in one transaction with the beginning of what takes its
// place: whoever goes away, and whatever fails or stops in between, there is no
// moment at which a key is revoked and another one missing.

// Compromised ends one signing key at once: it leaves the set, and its kid is
// logged, so that verifiers that follow the log refuse its tokens. The
// announced key of its algorithm takes over, or a new one. The answer has the
// number of the log's entry. ErrNotFound if no such key is known.
//
// Verifiers that only know the JWKS keep the key for as long as they cache the
// set, some for minutes after.
func (r *Ring) Compromised(ctx context.Context, kid string, ev auth.Event) (seq uint64, successor Announced, err error) {
	r.change.Lock()
	defer r.change.Unlock()
	rows, err := r.opts.Keys.Keys(ctx)
	if err != nil {
		return 0, Announced{}, err
	}
	i := slices.IndexFunc(rows, func(k auth.Key) bool { return k.Purpose == auth.KeySign && k.ID == kid })
	if i < 0 {
		return 0, Announced{}, auth.ErrNotFound
	}
	alg, now := rows[i].Algorithm, r.opts.Now()
	heir, began, err := r.newFirst(auth.KeySign, alg, now)
	if err != nil {
		return 0, Announced{}, err
	}
	began.Actor, began.Action, began.Reason = ev.Actor, "key.sign", "its predecessor was compromised"
	ev.At, ev.Target, ev.Verdict = now, kid, "allowed"
	seq, next, err := r.opts.Keys.RevokeKey(ctx, kid, heir, now, ev, began)
	if r.forget(ctx, err, func(k *jwk.PublicKey) bool { return k.KeyID() == kid }); err != nil {
		return 0, Announced{}, err
	}
	return seq, Announced{next, alg, now}, nil
}

// forget reads the keys after a revocation. If that fails, those that were
// revoked are gone from memory all the same: Run reads the others when it can.
func (r *Ring) forget(ctx context.Context, revocation error, gone func(*jwk.PublicKey) bool) {
	if r.settle(ctx) == nil || revocation != nil {
		return
	}
	old := r.state.Load()
	s := *old
	s.signing = maps.Clone(old.signing)
	maps.DeleteFunc(s.signing, func(_ jwk.Algorithm, k *jwk.PrivateKey) bool { return gone(k.Public()) })
	s.public = without(old.public, gone)
	s.logKeys = without(old.logKeys, gone)
	if s.log != nil && gone(s.log.Public()) {
		s.log, s.tag, s.tags = nil, 0, nil // all are gone
	}
	r.state.Store(&s)
}

// without is a set less some of its keys.
func without(set *jwk.Set, gone func(*jwk.PublicKey) bool) *jwk.Set {
	var left []*jwk.PublicKey
	for k := range set.All() {
		if !gone(k) {
			left = append(left, k)
		}
	}
	smaller, err := jwk.NewSet(left...)
	if err != nil { // a part of a set is one; should it not be, nothing is published
		return new(jwk.Set)
	}
	return smaller
}

// Replaced is what took the place of everything.
type Replaced struct {
	Seq     uint64 // the last number in the log
	Keys    []Announced
	Secrets []ReplacedSecret
}

// ReplacedSecret is a new shared secret of an API.
type ReplacedSecret struct {
	Audience  string
	Text      string // to show once
	KID       string
	SignsFrom time.Time
}

// attempts is how often AllCompromised begins anew where an API was made
// meanwhile.
const attempts = 5

// AllCompromised is for the day on which the master key or the database with it
// leaked: every signing key, announced and retired ones too, ends as in
// Compromised, the keys that sign the log's heads and that tag refresh tokens are
// replaced, so that whoever holds tokens signs in again, and the shared secrets of
// APIs are. Opaque session cookies rest on no key and stay: revoke the client
// "writ" to end them too. Each algorithm in use gets a new key at once.
func (r *Ring) AllCompromised(ctx context.Context, ev auth.Event) (out Replaced, err error) {
	r.change.Lock()
	defer r.change.Unlock()
	for range attempts {
		now := r.opts.Now()
		ev.At, ev.Target, ev.Verdict = now, "all", "allowed"
		var heirs auth.Heirs
		if out, heirs, err = r.heirs(ctx, now, ev.Actor); err != nil {
			return Replaced{}, err
		}
		out.Seq, err = r.opts.Keys.RevokeAllKeys(ctx, heirs, now, ev)
		if !errors.Is(err, auth.ErrConflict) {
			break
		}
	}
	if r.forget(ctx, err, func(*jwk.PublicKey) bool { return true }); err != nil {
		return Replaced{}, err
	}
	return out, nil
}

// heirs makes all keys and secrets anew.
func (r *Ring) heirs(ctx context.Context, now time.Time, actor string) (out Replaced, heirs auth.Heirs, err error) {
	rows, err := r.opts.Keys.Keys(ctx)
	if err != nil {
		return out, heirs, err
	}
	used := map[jwk.Algorithm]bool{r.opts.Algorithm: true}
	for _, row := range rows {
		if row.Purpose == auth.KeySign && row.State == auth.KeySigning {
			used[row.Algorithm] = true
		}
	}
	add := func(row auth.Key, ev auth.Event) {
		ev.Actor, ev.Reason = actor, "all others were compromised"
		heirs.Keys, heirs.Events = append(heirs.Keys, row), append(heirs.Events, ev)
	}
	for _, alg := range slices.Sorted(maps.Keys(used)) {
		row, ev, err := r.newFirst(auth.KeySign, alg, now)
		if err != nil {
			return out, heirs, err
		}
		add(row, ev)
		out.Keys = append(out.Keys, Announced{row.ID, alg, now})
	}
	row, began, err := r.newFirst(auth.KeyLog, logAlgorithm, now)
	if err != nil {
		return out, heirs, err
	}
	add(row, began)
	add(r.newTag(now))
	return out, heirs, r.newSecrets(ctx, actor, &out, &heirs)
}

// newSecrets makes a secret for every API whose tokens are signed with one.
func (r *Ring) newSecrets(ctx context.Context, actor string, out *Replaced, heirs *auth.Heirs) error {
	for page := (auth.Page{Limit: 200}); ; {
		apis, next, err := r.opts.Secrets.APIs(ctx, page)
		if err != nil {
			return err
		}
		for _, api := range apis {
			if _, err := secretSize(api.Algorithm); err != nil {
				continue // its tokens are signed with a key pair
			}
			text, row, err := r.NewAPISecret(api.ID, api.Algorithm)
			if err != nil {
				return err
			}
			heirs.Secrets = append(heirs.Secrets, row)
			heirs.Events = append(heirs.Events, auth.Event{At: row.CreatedAt, Actor: actor, Action: "api.secret", Target: api.ID,
				Verdict: "allowed", Reason: "all others were compromised"})
			out.Secrets = append(out.Secrets, ReplacedSecret{api.Audience, text, row.KID, row.SignsFrom})
		}
		if page.Cursor = next; next == "" {
			return nil
		}
	}
}
