package store

import (
	"context"
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
	const insert = `INSERT INTO keys
		(id, purpose, number, algorithm, state, public, sealed, created_at, signs_from, published_until, mark)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, insert, k.ID, string(k.Purpose), int64(k.Number), string(k.Algorithm), string(k.State),
			blob(k.Public), blob(k.Sealed), t.since(k.CreatedAt), micros(k.SignsFrom), micros(k.PublishedUntil), micros(k.Mark)); err != nil {
			return err
		}
		t.keys = true
		return t.record(ctx, ev)
	})
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

// RevokeKey implements auth.Keys.
func (s *Store) RevokeKey(ctx context.Context, id string, now time.Time, ev auth.Event) (uint64, error) {
	const end = retire + `$1 WHERE purpose = 'sign' AND id = $2`
	return s.ending(ctx, func(ctx context.Context, t *tx) (uint64, error) {
		if err := found(t.exec(ctx, end, micros(now), id)); err != nil {
			return 0, err
		}
		t.keys = true
		seq, err := t.revoke(ctx, revlog.Key, id, time.Time{})
		if err != nil {
			return 0, err
		}
		return seq, t.record(ctx, ev)
	})
}

// RevokeAllKeys implements auth.Keys.
func (s *Store) RevokeAllKeys(ctx context.Context, now time.Time, ev auth.Event) (uint64, error) {
	const (
		end        = retire + `$1 WHERE purpose = 'sign' RETURNING id`
		dropOthers = `DELETE FROM keys WHERE purpose IN ('tag', 'log')`
		endSecrets = `UPDATE api_secrets SET expires_at = $1 WHERE expires_at = 0 OR expires_at > $1`
	)
	return s.ending(ctx, func(ctx context.Context, t *tx) (seq uint64, err error) {
		t.keys = true
		kids, err := all(ctx, t.statements, func(kid *string) []any { return []any{kid} }, end, micros(now))
		if err != nil {
			return 0, err
		}
		for _, kid := range kids {
			if seq, err = t.revoke(ctx, revlog.Key, kid, time.Time{}); err != nil {
				return 0, err
			}
		}
		if _, err := t.exec(ctx, dropOthers); err != nil {
			return 0, err
		}
		if _, err := t.exec(ctx, endSecrets, micros(now)); err != nil {
			return 0, err
		}
		return seq, t.record(ctx, ev)
	})
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
