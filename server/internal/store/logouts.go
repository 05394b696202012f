package store

import (
	"context"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// Rows come into the table by a trigger on the one column that says that a grant
// is over: so no statement that ends grants, here or in an older program beside
// this one, can forget it.

// DueLogouts implements auth.Logouts.
func (s *Store) DueLogouts(ctx context.Context, now time.Time) (clientIDs []string, next time.Time, err error) {
	type row struct {
		client string
		first  time.Time
	}
	const query = `SELECT client_id, MIN(due_at) FROM logouts GROUP BY client_id ORDER BY client_id`
	rows, err := all(ctx, s.sql, func(r *row) []any { return []any{&r.client, toTime(&r.first)} }, query)
	for _, r := range rows {
		switch {
		case !r.first.After(now):
			clientIDs = append(clientIDs, r.client)
		case next.IsZero(), r.first.Before(next):
			next = r.first
		}
	}
	return clientIDs, next, err
}

// ClaimLogouts implements auth.Logouts.
func (s *Store) ClaimLogouts(ctx context.Context, clientID string, now, lease time.Time, limit int) (claimed []auth.Logout, err error) {
	claim := `UPDATE logouts SET due_at = $1, attempts = attempts + 1 WHERE grant_id IN (
			SELECT grant_id FROM logouts WHERE client_id = $2 AND due_at <= $3 ORDER BY due_at LIMIT $4` + s.engine.skipLocked + `)
		RETURNING grant_id, client_id, user_id, ended_at, attempts`
	err = s.hot(ctx, func(ctx context.Context, t *tx) (err error) {
		claimed, err = all(ctx, t.statements, func(l *auth.Logout) []any {
			return []any{&l.GrantID, &l.ClientID, &l.UserID, toTime(&l.EndedAt), &l.Attempts}
		}, claim, micros(lease), clientID, micros(now), limit)
		return err
	})
	return claimed, err
}

// SettleLogout implements auth.Logouts.
func (s *Store) SettleLogout(ctx context.Context, grantID string, again time.Time, ev *auth.Event) error {
	return s.hot(ctx, func(ctx context.Context, t *tx) (err error) {
		if again.IsZero() {
			_, err = t.exec(ctx, `DELETE FROM logouts WHERE grant_id = $1`, grantID)
		} else {
			_, err = t.exec(ctx, `UPDATE logouts SET due_at = $1 WHERE grant_id = $2`, micros(again), grantID)
		}
		if err != nil || ev == nil {
			return err
		}
		return t.record(ctx, *ev)
	})
}
