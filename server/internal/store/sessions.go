package store

import (
	"context"
	"errors"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

const sessionColumns = `s.id, s.user_id, s.cookie_hash, s.auth_time, s.amr, s.acr, s.device, s.address, s.created_at,
	s.last_seen_at, s.idle_expiry, s.absolute_expiry, s.ended_at, s.end_reason`

func sessionDest(s *auth.Session) []any {
	return []any{&s.ID, &s.UserID, toBytes(&s.CookieHash), toTime(&s.AuthTime), toJSON(&s.AMR), &s.ACR, &s.Device, &s.Address,
		toTime(&s.CreatedAt), toTime(&s.LastSeenAt), toTime(&s.IdleExpiry), toTime(&s.AbsoluteExpiry), toTime(&s.EndedAt), &s.EndReason}
}

const grantColumns = `g.id, g.session_id, g.client_id, g.user_id, g.audience, g.org_id, g.scope, g.mode, g.handle_hash,
	g.confirmed_gen, g.current_gen, g.issued_at, g.recoveries, g.tag_key, g.user_epoch, g.client_epoch, g.idle_expiry,
	g.absolute_expiry, g.dpop_thumbprint, g.status_index, g.mark, g.created_at, g.ended_at, g.end_reason`

func grantDest(g *auth.Grant) []any {
	r := &g.Rotation
	return []any{&g.ID, &g.SessionID, &g.ClientID, &g.UserID, &g.Audience, &g.OrgID, toJSON(&g.Scope), &g.Mode, toBytes(&g.HandleHash),
		&r.Confirmed, &r.Current, toTime(&r.IssuedAt), &r.Recoveries, &r.TagKey, &g.UserEpoch, &g.ClientEpoch, toTime(&g.IdleExpiry),
		toTime(&g.AbsoluteExpiry), &g.DPoPThumbprint, &g.StatusIndex, toTime(&g.Mark), toTime(&g.CreatedAt), toTime(&g.EndedAt), &g.EndReason}
}

// Begin implements auth.Sessions. The grant's mark is raised to marks.Expiry
// whether marks names the grant or not: its first token is about to be made.
func (s *Store) Begin(ctx context.Context, session auth.Session, g auth.Grant, marks auth.Marks, ev auth.Event) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if err := t.epochsHold(ctx, g); err != nil {
			return err
		}
		if marks.Expiry.After(g.Mark) {
			g.Mark = marks.Expiry
		}
		if err := t.insertSession(ctx, session); err != nil {
			return err
		}
		if err := t.insertGrant(ctx, g); err != nil {
			return err
		}
		marks.GrantID = ""
		if err := t.raise(ctx, marks); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// epochsHold answers ErrEpochChanged unless user and client may be signed in
// and have the epochs that the grant was prepared with.
func (t *tx) epochsHold(ctx context.Context, g auth.Grant) error {
	const query = `SELECT 1 FROM users u, clients c
		WHERE u.id = $1 AND u.epoch = $2 AND u.disabled = 0 AND c.id = $3 AND c.epoch = $4 AND c.disabled = 0`
	hold, err := t.exists(ctx, query, g.UserID, g.UserEpoch, g.ClientID, g.ClientEpoch)
	if err == nil && !hold {
		return auth.ErrEpochChanged
	}
	return err
}

func (t *tx) insertSession(ctx context.Context, s auth.Session) error {
	const insert = `INSERT INTO sessions (id, user_id, cookie_hash, auth_time, amr, acr, device, address, created_at,
		last_seen_at, idle_expiry, absolute_expiry, ended_at, end_reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`
	_, err := t.exec(ctx, insert, s.ID, s.UserID, blob(s.CookieHash), micros(s.AuthTime), encoded(s.AMR), s.ACR, s.Device, s.Address,
		t.since(s.CreatedAt), t.since(s.LastSeenAt), micros(s.IdleExpiry), micros(s.AbsoluteExpiry), micros(s.EndedAt), s.EndReason)
	return err
}

func (t *tx) insertGrant(ctx context.Context, g auth.Grant) error {
	const insert = `INSERT INTO grants (id, session_id, client_id, user_id, audience, org_id, scope, mode, handle_hash,
		confirmed_gen, current_gen, issued_at, recoveries, tag_key, user_epoch, client_epoch, idle_expiry,
		absolute_expiry, dpop_thumbprint, status_index, mark, created_at, ended_at, end_reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)`
	r := g.Rotation
	_, err := t.exec(ctx, insert, g.ID, g.SessionID, g.ClientID, g.UserID, g.Audience, g.OrgID, encoded(g.Scope), string(g.Mode), blob(g.HandleHash),
		clamp(r.Confirmed), clamp(r.Current), micros(r.IssuedAt), clamp(r.Recoveries), int64(r.TagKey), g.UserEpoch, g.ClientEpoch, micros(g.IdleExpiry),
		micros(g.AbsoluteExpiry), g.DPoPThumbprint, g.StatusIndex, micros(g.Mark), t.since(g.CreatedAt), micros(g.EndedAt), g.EndReason)
	return err
}

// alive is the condition that a row of grants may still be used.
const alive = `ended_at = 0 AND EXISTS (
		SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id JOIN clients c ON c.id = grants.client_id
		WHERE s.id = grants.session_id AND s.ended_at = 0 AND u.disabled = 0 AND c.disabled = 0
			AND u.epoch = grants.user_epoch AND c.epoch = grants.client_epoch)`

// Rotate implements auth.Sessions. A grant whose user or client is disabled or
// has another epoch counts as ended; false too if the key of marks has retired.
func (s *Store) Rotate(ctx context.Context, grantID string, from, to auth.Rotation, idle time.Time, marks auth.Marks, ev *auth.Event) (rotated bool, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		if rotated, err = t.swap(ctx, grantID, from, to, idle, marks); err != nil || !rotated {
			return err
		}
		if marks.GrantID == grantID {
			marks.GrantID = "" // swap raised it
		}
		if err := t.raise(ctx, marks); err != nil || ev == nil {
			return err
		}
		return t.record(ctx, *ev)
	})
	if errors.Is(err, auth.ErrEpochChanged) {
		return false, nil
	}
	return rotated && err == nil, err
}

func (t *tx) swap(ctx context.Context, grantID string, from, to auth.Rotation, idle time.Time, marks auth.Marks) (bool, error) {
	const (
		swap = `UPDATE grants SET confirmed_gen = $1, current_gen = $2, issued_at = $3, recoveries = $4, tag_key = $5,
				idle_expiry = CASE WHEN $6 = 0 THEN idle_expiry ELSE $6 END,
				mark = CASE WHEN mark < $7 THEN $7 ELSE mark END
			WHERE id = $8 AND confirmed_gen = $9 AND current_gen = $10 AND issued_at = $11 AND recoveries = $12
				AND tag_key = $13 AND ` + alive
		seen = `UPDATE sessions SET idle_expiry = $1, last_seen_at = $2
			WHERE id = (SELECT session_id FROM grants WHERE id = $3)`
	)
	var mark int64
	if marks.GrantID == grantID {
		mark = micros(marks.Expiry)
	}
	n, err := t.exec(ctx, swap, clamp(to.Confirmed), clamp(to.Current), micros(to.IssuedAt), clamp(to.Recoveries), int64(to.TagKey),
		micros(idle), mark, grantID,
		clamp(from.Confirmed), clamp(from.Current), micros(from.IssuedAt), clamp(from.Recoveries), int64(from.TagKey))
	if err != nil || n == 0 || idle.IsZero() {
		return n > 0, err
	}
	_, err = t.exec(ctx, seen, micros(idle), micros(t.now), grantID)
	return true, err
}

// Raise implements auth.Sessions.
func (s *Store) Raise(ctx context.Context, marks auth.Marks) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error { return t.raise(ctx, marks) })
}

// raise never lowers a mark. It refuses to raise one for a token that must not
// be made any more: what is over has its entry in the log, and that entry is
// forgotten by the mark it was made under.
func (t *tx) raise(ctx context.Context, m auth.Marks) error {
	const (
		higher = ` SET mark = CASE WHEN mark < $1 THEN $1 ELSE mark END WHERE id = $2`
		same   = ` AND ($3 = '' OR (epoch = $3 AND disabled = 0))`
	)
	expiry := micros(m.Expiry)
	if m.GrantID != "" {
		n, err := t.exec(ctx, `UPDATE grants`+higher+` AND `+alive, expiry, m.GrantID)
		if err := t.raised(ctx, n, err, `SELECT 1 FROM grants WHERE id = $1`, m.GrantID); err != nil {
			return err
		}
	}
	if m.UserID != "" {
		if err := found(t.exec(ctx, `UPDATE users`+higher, expiry, m.UserID)); err != nil {
			return err
		}
	}
	if m.ClientID != "" {
		t.concerns(m.ClientID)
		n, err := t.exec(ctx, `UPDATE clients`+higher+same, expiry, m.ClientID, m.ClientEpoch)
		if err := t.raised(ctx, n, err, `SELECT 1 FROM clients WHERE id = $1`, m.ClientID); err != nil {
			return err
		}
	}
	if m.KID == "" {
		return nil
	}
	n, err := t.exec(ctx, `UPDATE keys`+higher+` AND state = 'signing'`, expiry, m.KID)
	if err == nil && n == 0 {
		err = auth.ErrEpochChanged // retired, or gone
	}
	return err
}

// raised tells a row that is over from one that isn't there.
func (t *tx) raised(ctx context.Context, n int64, err error, check, id string) error {
	if err != nil || n > 0 {
		return err
	}
	if err := t.needs(ctx, check, id); err != nil {
		return err
	}
	return auth.ErrEpochChanged
}

// Touch implements auth.Sessions. A session that has ended stays as it is.
func (s *Store) Touch(ctx context.Context, sessionID string, seen, idle time.Time) error {
	const (
		touch = `UPDATE sessions SET last_seen_at = $1, idle_expiry = CASE WHEN $2 = 0 THEN idle_expiry ELSE $2 END
			WHERE id = $3 AND ended_at = 0`
		follow = `UPDATE grants SET idle_expiry = CASE WHEN $1 = 0 THEN idle_expiry ELSE $1 END
			WHERE session_id = $2 AND mode = 'session' AND ended_at = 0`
	)
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, touch, micros(seen), micros(idle), sessionID)
		if err != nil {
			return err
		}
		if n == 0 {
			return t.needs(ctx, `SELECT 1 FROM sessions WHERE id = $1`, sessionID)
		}
		_, err = t.exec(ctx, follow, micros(idle), sessionID)
		return err
	})
}

// liveSession is the condition of a session that somebody can still use: it
// has not ended or expired, and neither has one of its grants.
const liveSession = `s.ended_at = 0 AND s.idle_expiry > $4 AND s.absolute_expiry > $4 AND EXISTS (
		SELECT 1 FROM grants g JOIN clients c ON c.id = g.client_id
		WHERE g.session_id = s.id AND g.ended_at = 0 AND g.client_epoch = c.epoch)`

// Sessions implements auth.Sessions. Page.Query is a prefix of device or
// address.
func (s *Store) Sessions(ctx context.Context, userID string, p auth.Page) ([]auth.Session, string, error) {
	const (
		query = `SELECT ` + sessionColumns + ` FROM sessions s WHERE s.id > $1
			AND ($2 = '' OR LOWER(s.device) LIKE $2 ESCAPE '\' OR LOWER(s.address) LIKE $2 ESCAPE '\') AND ` + liveSession
		order = ` ORDER BY s.id LIMIT $3`
	)
	id := func(s *auth.Session) string { return s.ID }
	if userID == "" {
		return list(ctx, s.sql, p, sessionDest, id, query+order, micros(s.now()))
	}
	return list(ctx, s.sql, p, sessionDest, id, query+` AND s.user_id = $5`+order, micros(s.now()), userID)
}

// SessionOf implements auth.Sessions.
func (s *Store) SessionOf(ctx context.Context, id string) (session auth.Session, err error) {
	const query = `SELECT ` + sessionColumns + ` FROM sessions s
		WHERE s.id = COALESCE((SELECT g.session_id FROM grants g WHERE g.id = $1), $1)`
	err = s.sql.get(ctx, sessionDest(&session), query, id)
	return session, err
}
