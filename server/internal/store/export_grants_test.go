package store

import (
	"context"

	"github.com/writ-auth/writ/server/internal/auth"
)

// InsertGrant stores a grant and asks nothing.
func (s *Store) InsertGrant(ctx context.Context, g auth.Grant) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error { return t.insertGrant(ctx, g) })
}

// SweepPlan is how the engine finds the grants that are over, a step a line.
func (s *Store) SweepPlan(ctx context.Context) (steps []string, err error) {
	conn, err := s.pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	explain, args := "EXPLAIN QUERY PLAN "+overGrants, []any{0, "", "", 10}
	if s.fleet() {
		if _, err := conn.ExecContext(ctx, "PREPARE over (BIGINT, TEXT, TEXT, BIGINT) AS "+overGrants); err != nil {
			return nil, err
		}
		explain, args = "EXPLAIN EXECUTE over(0, '', '', 10)", nil
	}
	rows, err := conn.QueryContext(ctx, explain, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var step string
		dest := []any{new(any), new(any), new(any), &step}
		if s.fleet() {
			dest = []any{&step}
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	return steps, rows.Err()
}
