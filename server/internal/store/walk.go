package store

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// Sessions that nobody ended, and the grants in them, are looked at one after the
// other, some at each Sweep: an index by when they go idle would be written by
// every refresh.
const (
	walkStep  = 500   // sessions, as in overSessions
	walkSteps = 64    // at each Sweep: ten million sessions in a day and two hours
	walkMost  = 2_000 // grants that are listed at once
	walkEnd   = "\U0010FFFF"
)

// overSession is the condition of a session that nobody can use, and of which no
// token is alive; overSessions lists the next of them. The limit is a number in
// the text: both engines then look for the grants of so many sessions, and don't
// plan as if for all that there are.
const (
	overSession = `NOT EXISTS (SELECT 1 FROM grants g WHERE g.session_id = s.id AND g.mark > $2)
	AND (s.idle_expiry > 0 AND s.idle_expiry <= $1 OR NOT EXISTS (
		SELECT 1 FROM grants g JOIN clients c ON c.id = g.client_id
		WHERE g.session_id = s.id AND g.ended_at = 0 AND g.client_epoch = c.epoch
			AND g.user_epoch = (SELECT u.epoch FROM users u WHERE u.id = g.user_id)))`
	overSessions = `SELECT s.id FROM (SELECT id, idle_expiry FROM sessions WHERE id > $3 ORDER BY id LIMIT 500) s WHERE ` + overSession
)

// overGrant is the condition of a grant that nobody can use, and of which no
// token is alive, though its session may be: it has ended, has no refresh token,
// or one that went idle. A refresh with that is refused whether the row is there
// or not, and ends nothing: a grant that is over isn't looked at for theft.
//
// overGrants lists the next of them, but for those that still say something:
//   - that of the sign-in, which the session hangs on, and its cookie;
//   - the latest that a client has of the session: its ID token is good for a
//     log-out without a question, however old it is (see oauth/logout);
//   - those of a client that is told of log-outs, for it may keep people signed
//     in long after its tokens expired, each by the ID token that it got then.
//
// Of these there are no more than the caps allow (see room). How many others a
// session has doesn't matter: each is looked at once.
const (
	overGrant = `g.mark <= $1 AND (g.ended_at > 0 OR g.handle_hash IS NULL OR g.idle_expiry > 0 AND g.idle_expiry <= $1)`

	overGrants = `SELECT g.id FROM (
			SELECT i.id, i.mark, i.ended_at, i.handle_hash, i.idle_expiry, c.backchannel_logout_uri,
				LEAD(i.id) OVER (PARTITION BY i.session_id, i.client_id, i.ended_at = 0 ORDER BY i.created_at, i.id) AS later
			FROM grants i JOIN clients c ON c.id = i.client_id
			WHERE i.session_id > $2 AND i.session_id <= $3 AND i.client_id <> '` + auth.ClientWrit + `'
		) g
		WHERE ` + overGrant + ` AND (g.ended_at > 0 OR g.later IS NOT NULL AND g.backchannel_logout_uri = '') LIMIT $4`
)

// walk goes on where the last one stopped.
func (s *Store) walk(ctx context.Context, now time.Time) (removed int64, err error) {
	for range walkSteps {
		n, end, err := s.step(ctx, now)
		removed += n
		if err != nil || end {
			return removed, err
		}
	}
	return removed, ctx.Err()
}

func (s *Store) step(ctx context.Context, now time.Time) (removed int64, end bool, err error) {
	const last = `SELECT id FROM sessions WHERE id > $1 ORDER BY id LIMIT 1 OFFSET $2`
	var to string
	err = s.sql.get(ctx, []any{&to}, last, s.walked, walkStep-1)
	if end = errors.Is(err, auth.ErrNotFound); err != nil && !end {
		return 0, false, err
	}
	removed, err = s.removeSessions(ctx, micros(now), micros(now.Add(-afterMark)))
	if err == nil {
		var n int64
		n, err = s.removeGrants(ctx, micros(now.Add(-afterMark)), cmp.Or(to, walkEnd))
		removed += n
	}
	if err == nil {
		s.walked = to // "" begins anew
	}
	return removed, end, err
}

func (s *Store) removeSessions(ctx context.Context, at, alive int64) (removed int64, err error) {
	const remove = `DELETE FROM sessions WHERE id IN (SELECT s.id FROM sessions s WHERE s.id = $3 AND ` + overSession
	ids, err := all(ctx, s.sql, oneText, overSessions, at, alive, s.walked)
	if err != nil {
		return 0, err
	}
	return s.removeEach(ctx, ids, remove, at, alive)
}

func (s *Store) removeGrants(ctx context.Context, alive int64, to string) (removed int64, err error) {
	const remove = `DELETE FROM grants WHERE id IN (SELECT g.id FROM grants g WHERE g.id = $2 AND ` + overGrant
	for more := true; more; {
		ids, err := all(ctx, s.sql, oneText, overGrants, alive, s.walked, to, walkMost)
		if err != nil {
			return removed, err
		}
		n, err := s.removeEach(ctx, ids, remove, alive)
		if removed += n; err != nil {
			return removed, err
		}
		more = len(ids) == walkMost && n > 0
	}
	return removed, nil
}

// oneText are the places of a row of one text.
func oneText(s *string) []any { return []any{s} }

// removeEach removes rows by a statement whose last parameter is the id of one,
// and that looks once more whether it may go.
func (s *Store) removeEach(ctx context.Context, ids []string, text string, args ...any) (removed int64, err error) {
	text += s.engine.skipLocked + ")"
	for len(ids) > 0 {
		some := ids[:min(int(s.atOnce()), len(ids))]
		n, err := s.gently(ctx, func(ctx context.Context, t *tx) (n int64, err error) {
			for _, id := range some {
				gone, err := t.exec(ctx, text, append(slices.Clip(args), id)...)
				if err != nil {
					return 0, err
				}
				n += gone
			}
			return n, nil
		})
		if err != nil {
			return removed, err
		}
		removed += n
		ids = ids[len(some):]
	}
	return removed, ctx.Err()
}
