package store

import (
	"context"
	"errors"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
)

// End implements auth.Sessions. Nothing is audited where nothing ended.
func (s *Store) End(ctx context.Context, e auth.Ending, now time.Time, ev auth.Event) (seq uint64, err error) {
	return s.finishing(ctx, now, func(ctx context.Context, t *tx) (ended, error) {
		out, err := t.end(ctx, e, now)
		if err != nil || !out.any {
			return out, err
		}
		return out, t.record(ctx, ev)
	})
}

// ending is write for what answers a number in the log.
func (s *Store) ending(ctx context.Context, fn func(context.Context, *tx) (uint64, error)) (seq uint64, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) (err error) {
		seq, err = fn(ctx, t)
		return err
	})
	if err != nil {
		return 0, err
	}
	return seq, nil
}

// finishing is ending for what may leave something to be done afterwards.
func (s *Store) finishing(ctx context.Context, now time.Time, fn func(context.Context, *tx) (ended, error)) (seq uint64, err error) {
	var out ended
	err = s.write(ctx, func(ctx context.Context, t *tx) (err error) {
		out, err = fn(ctx, t)
		return err
	})
	if err == nil && out.left.id != "" {
		seq, err = s.finish(context.WithoutCancel(ctx), out.left, now)
	}
	if err != nil {
		return 0, err
	}
	return max(out.seq, seq), nil
}

// ended is what an ending did.
type ended struct {
	any  bool      // false: it had ended already
	seq  uint64    // of the last entry in the log; 0: none was made
	mark time.Time // the latest of what ended; now if there is none
	left unfinished
}

// end ends and logs what e names.
func (t *tx) end(ctx context.Context, e auth.Ending, now time.Time) (ended, error) {
	named := 0
	for _, id := range []string{e.GrantID, e.SessionID, e.UserID, e.ClientID} {
		if id != "" {
			named++
		}
	}
	switch {
	case named != 1:
		return ended{}, errors.New("store: an ending names exactly one thing")
	case e.NewEpoch == "" && (e.UserID != "" || e.ClientID != ""):
		return ended{}, errors.New("store: ending everything of a user or client needs a new epoch")
	case e.GrantID != "":
		return t.endGrant(ctx, e, now)
	case e.SessionID != "":
		return t.endSession(ctx, e, now)
	case e.UserID != "" && e.Tokens:
		return t.renew(ctx, e, now)
	case e.UserID != "":
		return t.endUser(ctx, e, now)
	}
	return t.endClient(ctx, e, now)
}

// What has ended may be forgotten when the last of its tokens has expired:
// forget_at says when (see Sweep).

func (t *tx) endGrant(ctx context.Context, e auth.Ending, now time.Time) (out ended, err error) {
	const (
		end  = `UPDATE grants SET ended_at = $1, end_reason = $2 WHERE id = $3 AND ended_at = 0 RETURNING id, mark, status_index`
		last = `UPDATE sessions SET forget_at = $1 + (SELECT MAX(g.mark) FROM grants g WHERE g.session_id = sessions.id)
			WHERE id = (SELECT g.session_id FROM grants g WHERE g.id = $2)
				AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.session_id = sessions.id AND g.ended_at = 0)`
	)
	out, err = t.endGrants(ctx, now, end, micros(now), e.Reason, e.GrantID)
	if err != nil {
		return ended{}, err
	}
	if !out.any {
		return out, t.needs(ctx, `SELECT 1 FROM grants WHERE id = $1`, e.GrantID)
	}
	_, err = t.exec(ctx, last, afterMark.Microseconds(), e.GrantID)
	return out, err
}

// endSession ends the session first, so that nothing can be had of it any more,
// and at once the grants that it has, or afterwards where these are too many.
func (t *tx) endSession(ctx context.Context, e auth.Ending, now time.Time) (out ended, err error) {
	const (
		many      = `SELECT 1 FROM grants WHERE session_id = $1 AND ended_at = 0 LIMIT 1 OFFSET $2`
		highest   = `SELECT COALESCE(MAX(mark), 0) FROM grants WHERE session_id = $1`
		endGrants = `UPDATE grants SET ended_at = $1, end_reason = $2 WHERE session_id = $3 AND ended_at = 0 RETURNING id, mark, status_index`
		end       = `UPDATE sessions SET ended_at = $1, end_reason = $2, forget_at = $4
			WHERE id = $3 AND ended_at = 0`
	)
	more, err := t.exists(ctx, many, e.SessionID, markAtOnce)
	if err != nil {
		return ended{}, err
	}
	if more {
		out = ended{any: true, left: unfinished{id: e.SessionID, reason: e.Reason}}
		if err = t.get(ctx, []any{toTime(&out.mark)}, highest, e.SessionID); err == nil {
			err = t.leaves(ctx, out.left)
		}
	} else {
		out, err = t.endGrants(ctx, now, endGrants, micros(now), e.Reason, e.SessionID)
	}
	if err != nil {
		return ended{}, err
	}
	n, err := t.exec(ctx, end, micros(now), e.Reason, e.SessionID, micros(latest(now, out.mark).Add(afterMark)))
	if err == nil && n == 0 {
		err = t.needs(ctx, `SELECT 1 FROM sessions WHERE id = $1`, e.SessionID)
	}
	out.any = out.any || n > 0
	return out, err
}

// endGrants ends grants by an update as markGrants wants it, and logs those of
// which a token may be alive: of the others an entry would say nothing to anybody,
// and everybody would read it.
func (t *tx) endGrants(ctx context.Context, now time.Time, text string, args ...any) (out ended, err error) {
	grants, err := t.markGrants(ctx, text, args...)
	if err != nil {
		return ended{}, err
	}
	out = ended{any: len(grants) > 0, mark: now}
	for _, g := range grants {
		if expired(g.mark, now) {
			continue
		}
		if out.seq, err = t.revokeUntil(ctx, revlog.Session, g.id, g.mark, now); err != nil {
			return ended{}, err
		}
		out.mark = latest(out.mark, g.mark)
	}
	return out, nil
}

// expired says that every token under a mark has expired, by the clock of every
// verifier. Without a mark nobody can say so.
func expired(mark, now time.Time) bool { return !mark.IsZero() && !mark.Add(afterMark).After(now) }

// marked is a grant that an update ended.
type marked struct {
	id     string
	mark   time.Time
	status auth.StatusIndex
}

// markGrants runs an update that answers id, mark and status index of the grants
// it ended, each as it is with its row locked, and sets their status bits.
func (t *tx) markGrants(ctx context.Context, text string, args ...any) ([]marked, error) {
	grants, err := all(ctx, t.statements, func(m *marked) []any { return []any{&m.id, toTime(&m.mark), &m.status} }, text, args...)
	for _, g := range grants {
		if err == nil {
			err = t.revokeStatus(ctx, g.status)
		}
	}
	return grants, err
}

// endUser replaces the epoch, which ends everything of the user at every
// verifier with one entry, and ends the rows, so that lists and the reasons
// in them are true; afterwards where these are too many.
func (t *tx) endUser(ctx context.Context, e auth.Ending, now time.Time) (out ended, err error) {
	const (
		many        = `SELECT 1 FROM grants WHERE user_id = $1 AND ended_at = 0 LIMIT 1 OFFSET $2`
		endGrants   = `UPDATE grants SET ended_at = $1, end_reason = $2 WHERE user_id = $3 AND ended_at = 0`
		endSessions = `UPDATE sessions SET ended_at = $1, end_reason = $2, forget_at = $4 WHERE user_id = $3 AND ended_at = 0`
	)
	out, err = t.endEpoch(ctx, e, now, e.UserID, `SELECT epoch FROM users WHERE id = $1`,
		`UPDATE users SET epoch = $1 WHERE id = $2 AND epoch = $3 RETURNING mark`)
	if err != nil {
		return ended{}, err
	}
	more, err := t.exists(ctx, many, e.UserID, markAtOnce)
	if err != nil {
		return ended{}, err
	}
	if more {
		out.left = unfinished{id: e.NewEpoch, userID: e.UserID, reason: e.Reason, mark: out.mark}
		return out, t.leaves(ctx, out.left)
	}
	if _, err := t.exec(ctx, endGrants, micros(now), e.Reason, e.UserID); err != nil {
		return ended{}, err
	}
	if err := t.revokeStatuses(ctx, e.UserID); err != nil {
		return ended{}, err
	}
	_, err = t.exec(ctx, endSessions, micros(now), e.Reason, e.UserID, micros(out.mark.Add(afterMark)))
	return out, err
}

// endClient replaces the epoch and leaves the grants' rows as they are: a
// client may have a million, and all other writers would wait. A grant with
// another epoch than its client's is over, whatever its row says.
func (t *tx) endClient(ctx context.Context, e auth.Ending, now time.Time) (ended, error) {
	t.concerns(e.ClientID)
	return t.endEpoch(ctx, e, now, e.ClientID, `SELECT epoch FROM clients WHERE id = $1`,
		`UPDATE clients SET epoch = $1 WHERE id = $2 AND epoch = $3 RETURNING mark`)
}

// endEpoch takes the mark from the row that it has just changed, and so locked:
// whoever raises it does so before, and is counted, or after, and finds another
// epoch. It answers the mark, no less than now.
func (t *tx) endEpoch(ctx context.Context, e auth.Ending, now time.Time, id, read, replace string) (out ended, err error) {
	var epoch string
	if err := t.get(ctx, []any{&epoch}, read, id); err != nil {
		return ended{}, err
	}
	out.any = true
	if err := t.get(ctx, []any{toTime(&out.mark)}, replace, e.NewEpoch, id, epoch); err != nil {
		return ended{}, err
	}
	out.seq, err = t.revokeUntil(ctx, revlog.Epoch, epoch, out.mark, now)
	out.mark = latest(now, out.mark)
	return out, err
}
