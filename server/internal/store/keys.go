package store

import (
	"context"

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
		return t.record(ctx, ev)
	})
}

// UpdateKey implements auth.Keys. To make a key sign while another of its
// algorithm does is a *auth.ConflictError: retire that one first.
func (s *Store) UpdateKey(ctx context.Context, k auth.Key, ev auth.Event) error {
	const update = `UPDATE keys SET state = $1, signs_from = $2, published_until = $3 WHERE id = $4`
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if err := found(t.exec(ctx, update, string(k.State), micros(k.SignsFrom), micros(k.PublishedUntil), k.ID)); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}
