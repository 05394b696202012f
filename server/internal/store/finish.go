package store

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Whoever can sign in can make grants, and some day somebody ends them all. That
// must not take longer the more there are: all other writers would wait, and past
// what a statement may take nothing would end at all. So where there are many,
// what refuses them comes first and alone: the user's new epoch with its one entry
// in the log, or the end of the session. Then come the rows, some at a time, so
// that others get their turn in between, and the answer when all of it is done.
//
// If that fails in between, or the process is killed, there is no answer, and
// nothing can be refreshed any more. A row says what is left: Sweep goes on with
// it, and so does who ends it again. Of a consent the grants come first, for
// nothing else refuses them; see RevokeConsent.
const (
	markAtOnce = 500  // grants that are ended together with what they are of
	markStep   = 100  // in a transaction, where there are more
	markList   = 2000 // that are listed at once
)

// unfinished is an ending of which rows are left, as the database keeps it.
type unfinished struct {
	id     string // the session's, or the new epoch of the user; "": nothing is left
	userID string // "": a session
	reason string
	mark   time.Time // of a user: what ends has no token that lives longer
}

// leaves keeps that an ending is unfinished, in the transaction that begins it.
func (t *tx) leaves(ctx context.Context, u unfinished) error {
	const put = `INSERT INTO endings (id, user_id, reason, mark) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`
	_, err := t.exec(ctx, put, u.id, u.userID, u.reason, micros(u.mark))
	return err
}

// finish does what an ending left. It answers a number in the log that no entry of
// the ending is above; 0: it needs none.
func (s *Store) finish(ctx context.Context, u unfinished, now time.Time) (seq uint64, err error) {
	left := u.unmarked()
	for n := 1; n > 0; {
		var last uint64
		if last, n, err = s.finishSome(ctx, left, now); err != nil {
			return 0, err
		}
		seq = max(seq, last)
	}
	if left.log { // some of it, also the last, may be the work of a Sweep, or of another node
		const head = `SELECT COALESCE(MAX(seq), 0) FROM log`
		if err := s.sql.get(ctx, []any{&seq}, head); err != nil {
			return 0, err
		}
	}
	return seq, s.single(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM endings WHERE id = $1`, u.id)
		return err
	})
}

// finishAll finishes what nobody may be at any more. Who still is finds it done.
func (s *Store) finishAll(ctx context.Context, now time.Time) error {
	dest := func(u *unfinished) []any { return []any{&u.id, &u.userID, &u.reason, toTime(&u.mark)} }
	list, err := all(ctx, s.sql, dest, `SELECT id, user_id, reason, mark FROM endings ORDER BY id`)
	for _, u := range list {
		if ctx.Err() == nil {
			_, failed := s.finish(ctx, u, now)
			err = errors.Join(err, failed)
		}
	}
	return err
}

// unmarked are the grants that an ending has ended, and whose rows don't say so.
type unmarked struct {
	list   string // a query for ids of grants and sessions
	of     []any  // its parameters but for the last, how many at most
	reason string
	log    bool      // they are refused by an entry each
	mark   time.Time // the sessions' own rows end too, with this mark; zero: they don't
}

func (u unfinished) unmarked() unmarked {
	if u.userID == "" {
		return unmarked{list: unmarkedOfSession, of: []any{u.id}, reason: u.reason, log: true}
	}
	return unmarked{list: unmarkedOfUser, of: []any{u.userID}, reason: u.reason, mark: u.mark}
}

// A grant that begins after its user's epoch was replaced has the new one.
const (
	unmarkedOfSession = `SELECT id, session_id FROM grants WHERE session_id = $1 AND ended_at = 0 LIMIT $2`
	unmarkedOfUser    = `SELECT g.id, g.session_id FROM grants g JOIN users u ON u.id = g.user_id
		WHERE g.user_id = $1 AND g.ended_at = 0 AND g.user_epoch <> u.epoch LIMIT $2`
	unmarkedOfConsent = `SELECT id, session_id FROM grants WHERE user_id = $1 AND client_id = $2 AND ended_at = 0 LIMIT $3`
)

// leftGrant is a grant that is yet to be marked.
type leftGrant struct{ id, session string }

// finishSome marks as many as are listed at once, and answers how many that were.
func (s *Store) finishSome(ctx context.Context, left unmarked, now time.Time) (seq uint64, n int, err error) {
	list, err := all(ctx, s.sql, func(g *leftGrant) []any { return []any{&g.id, &g.session} }, left.list, append(left.of, markList)...)
	if err != nil {
		return 0, 0, err
	}
	for some := range slices.Chunk(list, markStep) {
		err := s.write(ctx, func(ctx context.Context, t *tx) error {
			last, err := t.markLeft(ctx, left, some, now)
			seq = max(seq, last)
			return err
		})
		if err != nil {
			return seq, 0, err
		}
	}
	return seq, len(list), nil
}

func (t *tx) markLeft(ctx context.Context, left unmarked, grants []leftGrant, now time.Time) (seq uint64, err error) {
	const (
		end        = `UPDATE grants SET ended_at = $1, end_reason = $2 WHERE id = $3 AND ended_at = 0 RETURNING id, mark, status_index`
		endSession = `UPDATE sessions SET ended_at = $1, end_reason = $2, forget_at = $4 WHERE id = $3 AND ended_at = 0`
	)
	sessions := make([]string, 0, len(grants))
	for _, g := range grants {
		sessions = append(sessions, g.session)
		if !left.log {
			_, err = t.markGrants(ctx, end, micros(now), left.reason, g.id)
		} else if out, failed := t.endGrants(ctx, now, end, micros(now), left.reason, g.id); failed != nil {
			err = failed
		} else {
			seq = max(seq, out.seq)
		}
		if err != nil {
			return 0, err
		}
	}
	if left.mark.IsZero() {
		return seq, nil
	}
	slices.Sort(sessions)
	for _, id := range slices.Compact(sessions) {
		if _, err := t.exec(ctx, endSession, micros(now), left.reason, id, micros(left.mark.Add(afterMark))); err != nil {
			return 0, err
		}
	}
	return seq, nil
}
