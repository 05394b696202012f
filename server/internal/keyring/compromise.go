package keyring

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
)

// Compromised ends one signing key at once: it leaves the set, and its kid is
// logged, so that verifiers that follow the log refuse its tokens. The
// announced key of its algorithm takes over, or a new one. The answer has the
// number of the log's entry. ErrNotFound if no such key is published.
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
	ev.At, ev.Target, ev.Verdict = r.opts.Now(), kid, "allowed"
	if seq, err = r.opts.Keys.RevokeKey(ctx, kid, ev.At, ev); err != nil {
		return 0, Announced{}, err
	}
	successor, err = r.succession(ctx, rows[i].Algorithm, byAlgorithm(rows, auth.KeySign)[rows[i].Algorithm], kid)
	return seq, successor, err
}

// succession makes sure that somebody signs after kid has gone.
func (r *Ring) succession(ctx context.Context, alg jwk.Algorithm, l *line, kid string) (Announced, error) {
	if l.signing != nil && l.signing.ID == kid && l.next != nil {
		now := r.opts.Now()
		err := r.opts.Keys.TurnKey(ctx, l.next.ID, now, auth.Event{At: now, Action: "key.sign", Target: l.next.ID,
			Verdict: "allowed", Reason: "its predecessor was compromised"})
		if err != nil && !errors.Is(err, auth.ErrNotFound) {
			return Announced{}, err
		}
	}
	if err := r.Reload(ctx); err != nil {
		return Announced{}, err
	}
	key, err := r.first(ctx, alg)
	if err != nil {
		return Announced{}, err
	}
	return Announced{key.KeyID(), alg, r.opts.Now()}, nil
}

// AllCompromised is for the day on which the master key or the database with it
// leaked: every signing key, announced and retired ones too, ends as in
// Compromised, the keys that sign the log's heads and that tag refresh tokens are
// replaced, so that whoever holds tokens signs in again, and the shared secrets of
// APIs end. Opaque session
// cookies rest on no key and stay: revoke the client "writ" to end them too. Each algorithm in use gets
// a new key at once; new API secrets are made by NewAPISecret.
func (r *Ring) AllCompromised(ctx context.Context, ev auth.Event) (seq uint64, successors []Announced, err error) {
	r.change.Lock()
	defer r.change.Unlock()
	algorithms := slices.Sorted(maps.Keys(r.state.Load().signing))
	ev.At, ev.Target, ev.Verdict = r.opts.Now(), "all", "allowed"
	if seq, err = r.opts.Keys.RevokeAllKeys(ctx, ev.At, ev); err != nil {
		return 0, nil, err
	}
	if err := r.Reload(ctx); err != nil {
		return 0, nil, err
	}
	if err := errors.Join(r.ensureLog(ctx), r.ensureTag(ctx)); err != nil {
		return 0, nil, err
	}
	for _, alg := range algorithms {
		key, err := r.first(ctx, alg)
		if err != nil {
			return 0, nil, err
		}
		successors = append(successors, Announced{key.KeyID(), alg, r.opts.Now()})
	}
	return seq, successors, nil
}
