package store

import (
	"context"
	"errors"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
)

// Keys implements auth.Keys, in order of creation.
func (s *Store) Keys(ctx context.Context) ([]auth.Key, error) {
	const query = `SELECT id, purpose, number, algorithm, state, public, sealed, created_at, signs_from, published_until, mark
		FROM keys ORDER BY created_at, id`
	return all(ctx, s.sql, keyDest, query)
}

func keyDest(k *auth.Key) []any {
	return []any{&k.ID, &k.Purpose, &k.Number, &k.Algorithm, &k.State, toBytes(&k.Public), toBytes(&k.Sealed),
		toTime(&k.CreatedAt), toTime(&k.SignsFrom), toTime(&k.PublishedUntil), toTime(&k.Mark)}
}

// AddKey implements auth.Keys.
func (s *Store) AddKey(ctx context.Context, k auth.Key, ev auth.Event) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if k.Purpose == auth.KeySign {
			if err := t.unrevoked(ctx, k.ID); err != nil {
				return err
			}
		}
		if err := t.insertKey(ctx, k); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// unrevoked refuses a kid that is in the log: every token that names it would be
// refused, and it may be the key that leaked. The log never forgets a key.
func (t *tx) unrevoked(ctx context.Context, kid string) error {
	hash := revlog.Hash(revlog.Key, kid)
	logged, err := t.exists(ctx, `SELECT 1 FROM log WHERE hash = $1`, hash[:])
	if err == nil && logged {
		return &auth.ConflictError{Field: auth.FieldRevokedKey}
	}
	return err
}

func (t *tx) insertKey(ctx context.Context, k auth.Key) error {
	const insert = `INSERT INTO keys
		(id, purpose, number, algorithm, state, public, sealed, created_at, signs_from, published_until, mark)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`
	t.keys = true
	_, err := t.exec(ctx, insert, k.ID, string(k.Purpose), int64(k.Number), string(k.Algorithm), string(k.State),
		blob(k.Public), blob(k.Sealed), t.since(k.CreatedAt), micros(k.SignsFrom), micros(k.PublishedUntil), micros(k.Mark))
	return err
}

// KeysChanged returns a channel that is closed when another node has changed a
// key, or may have. Take it before reading the keys.
func (s *Store) KeysChanged() <-chan struct{} { return s.keyNews.channel() }

// retire erases a key's private part and fixes the end of its publication.
const retire = `UPDATE keys SET state = 'retired', sealed = NULL, published_until = `

// TurnKey implements auth.Keys.
func (s *Store) TurnKey(ctx context.Context, id string, now time.Time, ev auth.Event) error {
	const (
		retireOld = retire + `CASE WHEN mark > $1 THEN mark ELSE $1 END + $2
			WHERE state = 'signing' AND (purpose, algorithm) = (SELECT purpose, algorithm FROM keys WHERE id = $3 AND purpose IN ('sign', 'log'))`
		turn = `UPDATE keys SET state = 'signing', signs_from = CASE WHEN signs_from > $2 THEN $2 ELSE signs_from END
			WHERE id = $1 AND purpose IN ('sign', 'log') AND state = 'next'`
	)
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, retireOld, micros(now), auth.LogMemory.Microseconds(), id); err != nil {
			return err
		}
		if err := found(t.exec(ctx, turn, id, micros(now))); err != nil {
			return err
		}
		t.keys = true
		return t.record(ctx, ev)
	})
}

// HastenKey implements auth.Keys.
func (s *Store) HastenKey(ctx context.Context, id string, signsFrom time.Time, ev auth.Event) error {
	const hasten = `UPDATE keys SET signs_from = $2
		WHERE id = $1 AND purpose IN ('sign', 'log') AND state IN ('next', 'signing') AND signs_from > $2`
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if err := found(t.exec(ctx, hasten, id, micros(signsFrom))); err != nil {
			return err
		}
		t.keys = true
		return t.record(ctx, ev)
	})
}

// revoked erases a key's private part and ends its publication. It has a state
// of its own: no clock that is set back publishes it again.
const revoked = `UPDATE keys SET state = 'revoked', sealed = NULL, published_until = $1 WHERE purpose = 'sign' AND `

// RevokeKey implements auth.Keys.
func (s *Store) RevokeKey(ctx context.Context, id string, heir auth.Key, now time.Time, ev, began auth.Event) (seq uint64, successor string, err error) {
	seq, err = s.ending(ctx, func(ctx context.Context, t *tx) (uint64, error) {
		if err := found(t.exec(ctx, revoked+`id = $2`, micros(now), id)); err != nil {
			return 0, err
		}
		t.keys = true
		seq, err := t.revoke(ctx, revlog.Key, id, time.Time{})
		if err != nil {
			return 0, err
		}
		if err := t.record(ctx, ev); err != nil {
			return 0, err
		}
		successor, err = t.succeed(ctx, heir, now, began)
		return seq, err
	})
	return seq, successor, err
}

// succeed sees to it that somebody signs for heir's algorithm, and says who.
func (t *tx) succeed(ctx context.Context, heir auth.Key, now time.Time, began auth.Event) (successor string, err error) {
	const (
		signs = `SELECT id FROM keys WHERE purpose = 'sign' AND algorithm = $1 AND state = 'signing'`
		turn  = `UPDATE keys SET state = 'signing', signs_from = CASE WHEN signs_from > $2 THEN $2 ELSE signs_from END
			WHERE purpose = 'sign' AND algorithm = $1 AND state = 'next' RETURNING id`
	)
	err = t.get(ctx, []any{&successor}, signs, string(heir.Algorithm))
	if !errors.Is(err, auth.ErrNotFound) {
		return successor, err
	}
	err = t.get(ctx, []any{&successor}, turn, string(heir.Algorithm), micros(now))
	if errors.Is(err, auth.ErrNotFound) {
		successor, err = heir.ID, t.insertKey(ctx, heir)
	}
	if err != nil {
		return "", err
	}
	began.Target = successor
	return successor, t.record(ctx, began)
}

// RevokeAllKeys implements auth.Keys.
func (s *Store) RevokeAllKeys(ctx context.Context, heirs auth.Heirs, now time.Time, ev auth.Event) (uint64, error) {
	const (
		end        = revoked + `state <> 'revoked' RETURNING id`
		dropOthers = `DELETE FROM keys WHERE purpose IN ('tag', 'log')`
		// Not ended at a time: a clock that is set back would give them life again.
		dropSecrets = `DELETE FROM api_secrets RETURNING kid`
	)
	return s.ending(ctx, func(ctx context.Context, t *tx) (seq uint64, err error) {
		t.keys = true
		kids, err := all(ctx, t.statements, oneText, end, micros(now))
		if err != nil {
			return 0, err
		}
		secrets, err := all(ctx, t.statements, oneText, dropSecrets)
		if err != nil {
			return 0, err
		}
		for _, kid := range append(kids, secrets...) {
			if seq, err = t.revoke(ctx, revlog.Key, kid, time.Time{}); err != nil {
				return 0, err
			}
		}
		if _, err := t.exec(ctx, dropOthers); err != nil {
			return 0, err
		}
		if err := t.record(ctx, ev); err != nil {
			return 0, err
		}
		return seq, t.inherit(ctx, heirs)
	})
}

// inherit stores what takes the place of all that was revoked.
func (t *tx) inherit(ctx context.Context, heirs auth.Heirs) error {
	const (
		api  = `SELECT 1 FROM apis WHERE id = $1`
		bare = `SELECT 1 FROM apis a WHERE a.algorithm IN ('HS256', 'HS384', 'HS512')
			AND NOT EXISTS (SELECT 1 FROM api_secrets s WHERE s.api_id = a.id) LIMIT 1`
	)
	for _, k := range heirs.Keys {
		if err := t.insertKey(ctx, k); err != nil {
			return err
		}
	}
	for _, secret := range heirs.Secrets {
		there, err := t.exists(ctx, api, secret.APIID)
		if err == nil && there {
			err = t.insertAPISecret(ctx, secret)
		}
		if err != nil {
			return err
		}
	}
	lacking, err := t.exists(ctx, bare)
	if err != nil {
		return err
	}
	if lacking { // an API was made while the secrets were
		return &auth.ConflictError{Field: "secret"}
	}
	for _, ev := range heirs.Events {
		if err := t.record(ctx, ev); err != nil {
			return err
		}
	}
	return nil
}

// DropKeys implements auth.Keys.
func (s *Store) DropKeys(ctx context.Context, now time.Time) (n int64, err error) {
	const drop = `DELETE FROM keys WHERE purpose IN ('sign', 'log') AND published_until > 0 AND published_until <= $1`
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		n, err = t.exec(ctx, drop, micros(now))
		t.keys = n > 0
		return err
	})
	return n, err
}
