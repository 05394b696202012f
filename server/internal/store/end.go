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
	case e.UserID != "":
		return t.endUser(ctx, e, now)
	}
	return t.endClient(ctx, e, now)
}

func (t *tx) endGrant(ctx context.Context, e auth.Ending, now time.Time) (seq uint64, err error) {
	const end = `UPDATE grants SET ended_at = $1, end_reason = $2 WHERE id = $3 AND ended_at = 0 RETURNING id, mark`
	seq, ended, err := t.logGrants(ctx, now, end, micros(now), e.Reason, e.GrantID)
	if err == nil && ended == 0 {
		err = t.needs(ctx, `SELECT 1 FROM grants WHERE id = $1`, e.GrantID)
	}
	return seq, err
}

func (t *tx) endSession(ctx context.Context, e auth.Ending, now time.Time) (seq uint64, err error) {
	const (
		end       = `UPDATE sessions SET ended_at = $1, end_reason = $2 WHERE id = $3 AND ended_at = 0`
		endGrants = `UPDATE grants SET ended_at = $1, end_reason = $2 WHERE session_id = $3 AND ended_at = 0 RETURNING id, mark`
	)
	n, err := t.exec(ctx, end, micros(now), e.Reason, e.SessionID)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, t.needs(ctx, `SELECT 1 FROM sessions WHERE id = $1`, e.SessionID)
	}
	seq, _, err = t.logGrants(ctx, now, endGrants, micros(now), e.Reason, e.SessionID)
	return seq, err
}

// logGrants runs an update that answers id and mark of the grants it ended,
// and logs each.
func (t *tx) logGrants(ctx context.Context, now time.Time, text string, args ...any) (seq uint64, ended int, err error) {
	type row struct {
		id   string
		mark time.Time
	}
	grants, err := all(ctx, t.statements, func(r *row) []any { return []any{&r.id, toTime(&r.mark)} }, text, args...)
	if err != nil {
		return 0, 0, err
	}
	for _, g := range grants {
		if seq, err = t.revokeUntil(ctx, revlog.Session, g.id, g.mark, now); err != nil {
			return 0, 0, err
		}
	}
	return seq, len(grants), nil
}

// endUser replaces the epoch, which ends everything of the user at every
// verifier with one entry, and ends the rows, so that lists and the reasons
// in them are true.
func (t *tx) endUser(ctx context.Context, e auth.Ending, now time.Time) (seq uint64, err error) {
	const (
		endSessions = `UPDATE sessions SET ended_at = $1, end_reason = $2 WHERE user_id = $3 AND ended_at = 0`
		endGrants   = `UPDATE grants SET ended_at = $1, end_reason = $2 WHERE user_id = $3 AND ended_at = 0`
	)
	seq, err = t.endEpoch(ctx, e, now, e.UserID,
		`SELECT epoch, mark FROM users WHERE id = $1`, `UPDATE users SET epoch = $1 WHERE id = $2 AND epoch = $3`)
	if err != nil {
		return 0, err
	}
	if _, err := t.exec(ctx, endSessions, micros(now), e.Reason, e.UserID); err != nil {
		return 0, err
	}
	_, err = t.exec(ctx, endGrants, micros(now), e.Reason, e.UserID)
	return seq, err
}

// endClient replaces the epoch and leaves the grants' rows as they are: a
// client may have a million, and all other writers would wait. A grant with
// another epoch than its client's is over, whatever its row says.
func (t *tx) endClient(ctx context.Context, e auth.Ending, now time.Time) (seq uint64, err error) {
	t.concerns(e.ClientID)
	return t.endEpoch(ctx, e, now, e.ClientID,
		`SELECT epoch, mark FROM clients WHERE id = $1`, `UPDATE clients SET epoch = $1 WHERE id = $2 AND epoch = $3`)
}

func (t *tx) endEpoch(ctx context.Context, e auth.Ending, now time.Time, id, read, replace string) (seq uint64, err error) {
	var epoch string
	var mark time.Time
	if err := t.get(ctx, []any{&epoch, toTime(&mark)}, read, id); err != nil {
		return 0, err
	}
	if err := found(t.exec(ctx, replace, e.NewEpoch, id, epoch)); err != nil {
		return 0, err
	}
	return t.revokeUntil(ctx, revlog.Epoch, epoch, mark, now)
}
