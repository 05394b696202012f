package store

import (
	"context"
	"errors"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
)

// Every code that is redeemed adds a grant to a session, and a browser that is
// signed in gets codes as fast as it asks. So there are bounds, on rows, whether
// what they say has ended or not: what a session costs to end, to sweep and to
// look through is bounded by them, and so are the entries that its end brings
// into the log.
//
// Beyond a bound nobody is refused: the new grant takes the place of the one that
// is least worth keeping. Refusing would lock out the wrong ones. An application
// in the browser that keeps nothing runs the flow again, silently, each time its
// page is loaded; one that keeps refresh tokens in memory leaves one behind in
// each tab that was closed. Both make hundreds of grants in a day of work, of
// which they use the last few. What goes is, in this order, what has ended; what
// has no refresh token and no token alive; and what was refreshed, or else begun,
// the longest ago. If somebody does use the fiftieth last still, the application
// hears what it hears at the end of any grant, and runs the flow once more.
//
// A client takes the places of its own grants, so that none can push another out
// of a session. Only where ten and more have filled it together one goes of
// whichever client. That of the sign-in never does.
//
// Nobody has logged out: applications aren't told, as they would be by a
// back-channel log-out, for they would sign the person out. What they aren't told
// of any more when the session does end is a sign-in of theirs with fifty later
// ones in the same browser.
const (
	mostOfClient  = 50
	mostOfSession = 500 // no more than markAtOnce, so that a session ends at once
	makeAtOnce    = 20  // places that one grant makes, where there are more to make
)

// makeRoom has a session hold no more grants than it may, with one that is about
// to begin.
func (t *tx) makeRoom(ctx context.Context, g auth.Grant, ev auth.Event) error {
	const (
		count = `SELECT COUNT(*), COUNT(CASE WHEN client_id = $2 THEN 1 END) FROM grants WHERE session_id = $1`
		worst = `SELECT id FROM grants WHERE session_id = $1 AND ($2 = '' OR client_id = $2) AND client_id <> '` + auth.ClientWrit + `'
			ORDER BY CASE WHEN ended_at > 0 THEN 0 WHEN handle_hash IS NULL AND mark <= $3 THEN 1 ELSE 2 END, issued_at, created_at, id
			LIMIT $4`
	)
	var all, own int
	if err := t.get(ctx, []any{&all, &own}, count, g.SessionID, g.ClientID); err != nil {
		return err
	}
	over, of := own+1-mostOfClient, g.ClientID
	if over <= 0 {
		over, of = all+1-mostOfSession, ""
	}
	if over <= 0 {
		return nil
	}
	return t.replace(ctx, ev, worst, g.SessionID, of, micros(t.now.Add(-afterMark)), min(over, makeAtOnce))
}

// replace ends and removes the grants that a query lists.
func (t *tx) replace(ctx context.Context, ev auth.Event, list string, args ...any) error {
	ids, err := all(ctx, t.statements, oneText, list, args...)
	for _, id := range ids {
		if err == nil {
			err = t.replaceGrant(ctx, id, ev)
		}
	}
	return err
}

// replaceGrant removes a grant. Of one that hasn't ended the log tells, if a token
// may be alive, and the audit.
func (t *tx) replaceGrant(ctx context.Context, id string, ev auth.Event) error {
	const remove = `DELETE FROM grants WHERE id = $1 RETURNING mark, status_index, ended_at`
	g := auth.Grant{ID: id}
	err := t.get(ctx, []any{toTime(&g.Mark), &g.StatusIndex, toTime(&g.EndedAt)}, remove, id)
	if errors.Is(err, auth.ErrNotFound) {
		return nil
	}
	if err != nil || !g.EndedAt.IsZero() || expired(g.Mark, t.now) {
		return err
	}
	if _, err := t.revokeUntil(ctx, revlog.Session, id, g.Mark, t.now); err != nil {
		return err
	}
	if err := t.revokeStatus(ctx, g.StatusIndex); err != nil {
		return err
	}
	ev.Action, ev.Target, ev.Reason = "grant.end", id, "replaced"
	return t.record(ctx, ev)
}
