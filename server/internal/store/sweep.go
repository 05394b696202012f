package store

import (
	"context"
	"time"
)

// Sweep removes what nobody can ask for any more: entries of the log that have
// expired, sessions, with their grants, that are past their absolute end, and
// assertions of clients that nobody could use again.
// It does so in small transactions, so that others need not wait, and answers
// how many rows it removed. Call it every few minutes; without it the database
// grows by a row or two a sign-in.
//
// The newest entry of the log stays, whatever its expiry: the next number is
// made from it.
func (s *Store) Sweep(ctx context.Context, now time.Time) (removed int64, err error) {
	const entries = `DELETE FROM log WHERE id IN (
			SELECT id FROM log WHERE expires_at > 0 AND expires_at <= $1 AND seq < (SELECT MAX(seq) FROM log)
			ORDER BY expires_at LIMIT $2)`
	const sessions = `DELETE FROM sessions WHERE id IN (
			SELECT id FROM sessions WHERE absolute_expiry > 0 AND absolute_expiry <= $1
			ORDER BY absolute_expiry LIMIT $2)`
	const assertions = `DELETE FROM used_assertions WHERE (client_id, hash) IN (
			SELECT client_id, hash FROM used_assertions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`
	const step = 200
	for _, text := range []string{entries, sessions, assertions} {
		for n := int64(step); n == step; removed += n {
			err := s.write(ctx, func(ctx context.Context, t *tx) (err error) {
				n, err = t.exec(ctx, text, micros(now), step)
				return err
			})
			if err != nil {
				return removed, err
			}
		}
	}
	return removed, nil
}
