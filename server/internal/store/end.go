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
	return s.ending(ctx, func(ctx context.Context, t *tx) (uint64, error) {
		seq, err := t.end(ctx, e, now)
		if err != nil || seq == 0 {
			return 0, err
		}
		return seq, t.record(ctx, ev)
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

// end ends and logs what e names. It answers 0 if that had ended already.
func (t *tx) end(ctx context.Context, e auth.Ending, now time.Time) (seq uint64, err error) {
	named := 0
	for _, id := range []string{e.GrantID, e.SessionID, e.UserID, e.ClientID} {
		if id != "" {
			named++
		}
	}
	switch {
	case named != 1:
		return 0, errors.New("store: an ending names exactly one thing")
	case e.NewEpoch == "" && (e.UserID != "" || e.ClientID != ""):
		return 0, errors.New("store: ending everything of a user or client needs a new epoch")
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

func (t *tx) endGrant(ctx context.Context, e auth.Ending, now time.Time) (seq uint64, err error) {
	const (
		end  = `UPDATE grants SET ended_at = $1, end_reason = $2 WHERE id = $3 AND ended_at = 0 RETURNING id, mark, status_index`
		last = `UPDATE sessions SET forget_at = $1 + (SELECT MAX(g.mark) FROM grants g WHERE g.session_id = sessions.id)
			WHERE id = (SELECT g.session_id FROM grants g WHERE g.id = $2)
				AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.session_id = sessions.id AND g.ended_at = 0)`
	)
	ended, err := t.endGrants(ctx, now, end, micros(now), e.Reason, e.GrantID)
	if err != nil {
		return 0, err
	}
	if ended.n == 0 {
		return 0, t.needs(ctx, `SELECT 1 FROM grants WHERE id = $1`, e.GrantID)
	}
	_, err = t.exec(ctx, last, afterMark.Microseconds(), e.GrantID)
	return ended.seq, err
}

func (t *tx) endSession(ctx context.Context, e auth.Ending, now time.Time) (seq uint64, err error) {
	const (
		endGrants = `UPDATE grants SET ended_at = $1, end_reason = $2 WHERE session_id = $3 AND ended_at = 0 RETURNING id, mark, status_index`
		end       = `UPDATE sessions SET ended_at = $1, end_reason = $2, forget_at = $4
			WHERE id = $3 AND ended_at = 0`
	)
	ended, err := t.endGrants(ctx, now, endGrants, micros(now), e.Reason, e.SessionID)
	if err != nil {
		return 0, err
	}
	n, err := t.exec(ctx, end, micros(now), e.Reason, e.SessionID, micros(ended.mark.Add(afterMark)))
	if err == nil && n == 0 {
		err = t.needs(ctx, `SELECT 1 FROM sessions WHERE id = $1`, e.SessionID)
	}
	return ended.seq, err
}

// ended is what endGrants did.
type ended struct {
	n    int
	seq  uint64    // of the last entry in the log
	mark time.Time // the latest; now if there is none
}

// endGrants runs an update that answers id, mark and status index of the grants
// it ended, each as it is with its row locked, and logs them.
func (t *tx) endGrants(ctx context.Context, now time.Time, text string, args ...any) (out ended, err error) {
	type row struct {
		id     string
		mark   time.Time
		status auth.StatusIndex
	}
	grants, err := all(ctx, t.statements, func(r *row) []any { return []any{&r.id, toTime(&r.mark), &r.status} }, text, args...)
	if err != nil {
		return ended{}, err
	}
	out = ended{n: len(grants), mark: now}
	for _, g := range grants {
		if out.seq, err = t.revokeUntil(ctx, revlog.Session, g.id, g.mark, now); err != nil {
			return ended{}, err
		}
		if err := t.revokeStatus(ctx, g.status); err != nil {
			return ended{}, err
		}
		if g.mark.After(out.mark) {
			out.mark = g.mark
		}
	}
	return out, nil
}

// endUser replaces the epoch, which ends everything of the user at every
// verifier with one entry, and ends the rows, so that lists and the reasons
// in them are true.
func (t *tx) endUser(ctx context.Context, e auth.Ending, now time.Time) (seq uint64, err error) {
	const (
		endGrants   = `UPDATE grants SET ended_at = $1, end_reason = $2 WHERE user_id = $3 AND ended_at = 0`
		endSessions = `UPDATE sessions SET ended_at = $1, end_reason = $2, forget_at = $4 WHERE user_id = $3 AND ended_at = 0`
	)
	seq, mark, err := t.endEpoch(ctx, e, now, e.UserID, `SELECT epoch FROM users WHERE id = $1`,
		`UPDATE users SET epoch = $1 WHERE id = $2 AND epoch = $3 RETURNING mark`)
	if err != nil {
		return 0, err
	}
	if _, err := t.exec(ctx, endGrants, micros(now), e.Reason, e.UserID); err != nil {
		return 0, err
	}
	if err := t.revokeStatuses(ctx, e.UserID); err != nil {
		return 0, err
	}
	_, err = t.exec(ctx, endSessions, micros(now), e.Reason, e.UserID, micros(mark.Add(afterMark)))
	return seq, err
}

// endClient replaces the epoch and leaves the grants' rows as they are: a
// client may have a million, and all other writers would wait. A grant with
// another epoch than its client's is over, whatever its row says.
func (t *tx) endClient(ctx context.Context, e auth.Ending, now time.Time) (seq uint64, err error) {
	t.concerns(e.ClientID)
	seq, _, err = t.endEpoch(ctx, e, now, e.ClientID, `SELECT epoch FROM clients WHERE id = $1`,
		`UPDATE clients SET epoch = $1 WHERE id = $2 AND epoch = $3 RETURNING mark`)
	return seq, err
}

// endEpoch takes the mark from the row that it has just changed, and so locked:
// whoever raises it does so before, and is counted, or after, and finds another
// epoch. It answers the mark, no less than now.
func (t *tx) endEpoch(ctx context.Context, e auth.Ending, now time.Time, id, read, replace string) (seq uint64, mark time.Time, err error) {
	var epoch string
	if err := t.get(ctx, []any{&epoch}, read, id); err != nil {
		return 0, mark, err
	}
	if err := t.get(ctx, []any{toTime(&mark)}, replace, e.NewEpoch, id, epoch); err != nil {
		return 0, mark, err
	}
	seq, err = t.revokeUntil(ctx, revlog.Epoch, epoch, mark, now)
	if mark.Before(now) {
		mark = now
	}
	return seq, mark, err
}
