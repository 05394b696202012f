package store

import (
	"context"
	"math"
	"time"
)

// The audit has no index by time: its rows lie in the order in which they were
// written, so the oldest come first. But for those of a clock that ran ahead:
// they stay until their time has come, and sweepAudit passes them over. Only when
// the clock has come to where it once was by mistake do events that were written
// later wait for them, for as long as the audit is kept at most.

// passed are the rows up to an id, none of which is of a time before until.
type passed struct{ id, until int64 }

// eventTime is of an event what sweepAudit goes by.
type eventTime struct{ id, at int64 }

func (e *eventTime) dest() []any { return []any{&e.id, &e.at} }

// sweepAudit removes the events that are older than they are kept.
func (s *Store) sweepAudit(ctx context.Context, now time.Time) (removed int64, err error) {
	if s.retention <= 0 {
		return 0, nil
	}
	oldest := micros(now.Add(-s.retention))
	if s.ahead.until <= oldest {
		s.ahead = passed{until: math.MaxInt64} // from the beginning
	}
	for more := true; more && err == nil && ctx.Err() == nil; {
		var n int64
		n, more, err = s.sweepEvents(ctx, oldest, micros(now))
		removed += n
	}
	if err == nil {
		err = ctx.Err()
	}
	return removed, err
}

// sweepEvents looks at the next rows. There may be more to remove after them
// unless one of them is to be kept by what the clock says now.
func (s *Store) sweepEvents(ctx context.Context, oldest, now int64) (removed int64, more bool, err error) {
	const (
		next   = `SELECT id, at FROM audit WHERE id > $1 ORDER BY id LIMIT $2`
		remove = `DELETE FROM audit WHERE id > $1 AND id <= $2 AND at <= $3`
	)
	rows := s.atOnce()
	page, err := all(ctx, s.sql, (*eventTime).dest, next, s.ahead.id, rows)
	if err != nil || len(page) == 0 {
		return 0, false, err
	}
	seen, due, kept := s.ahead, 0, false
	for _, e := range page {
		switch {
		case e.at <= oldest:
			due++
		case e.at <= now:
			kept = true
		default:
			seen.until = min(seen.until, e.at)
		}
	}
	seen.id = page[len(page)-1].id
	if due > 0 {
		removed, err = s.gently(ctx, func(ctx context.Context, t *tx) (int64, error) {
			return t.exec(ctx, remove, s.ahead.id, seen.id, oldest)
		})
		if err != nil || removed == 0 { // or another node sweeps
			return removed, false, err
		}
	}
	if kept {
		return removed, false, nil
	}
	s.ahead = seen
	return removed, int64(len(page)) == rows, nil
}
