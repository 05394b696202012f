package store

import (
	"context"
	"math"
	"strconv"

	"github.com/writ-auth/writ/server/internal/auth"
)

// Record implements auth.Audit.
func (s *Store) Record(ctx context.Context, ev auth.Event) error {
	return s.single(ctx, func(ctx context.Context, t *tx) error { return t.record(ctx, ev) })
}

// record writes the event of the transaction that does what it tells of.
func (t *tx) record(ctx context.Context, ev auth.Event) error {
	const insert = `INSERT INTO audit (at, actor, action, target, address, verdict, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`
	if ev.At.IsZero() {
		ev.At = t.now
	}
	_, err := t.exec(ctx, insert, micros(ev.At), ev.Actor, ev.Action, ev.Target, ev.Address, ev.Verdict, ev.Reason)
	return err
}

// Events implements auth.Audit.
func (s *Store) Events(ctx context.Context, p auth.Page) (events []auth.Event, next string, err error) {
	const columns = `SELECT id, at, actor, action, target, address, verdict, reason FROM audit `
	before := int64(math.MaxInt64)
	if p.Cursor != "" {
		if before, err = strconv.ParseInt(p.Cursor, 10, 64); err != nil {
			return nil, "", auth.Invalid("cursor", "The cursor is none that this list gave out.")
		}
	}
	limit := limitOf(p)
	if p.Query == "" {
		events, err = all(ctx, s.sql, eventDest, columns+`WHERE id < $1 ORDER BY id DESC LIMIT $2`, before, limit+1)
	} else {
		events, err = all(ctx, s.sql, eventDest,
			columns+`WHERE id < $1 AND (action = $3 OR target = $3) ORDER BY id DESC LIMIT $2`, before, limit+1, p.Query)
	}
	if err != nil || len(events) <= limit {
		return events, "", err
	}
	events = events[:limit]
	return events, strconv.FormatInt(events[limit-1].ID, 10), nil
}

func eventDest(e *auth.Event) []any {
	return []any{&e.ID, toTime(&e.At), &e.Actor, &e.Action, &e.Target, &e.Address, &e.Verdict, &e.Reason}
}
