package store

import (
	"context"
	"errors"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

const (
	sessionColumns = sessionBegun + `s.last_seen_at` + sessionEnds
	// sessionsShown is sessionColumns for people to read: most refreshes leave the
	// session's row as it is, and tell of themselves in the grant's alone.
	sessionsShown = sessionBegun + `CASE WHEN s.last_seen_at < ` + refreshedAt + ` THEN ` + refreshedAt + ` ELSE s.last_seen_at END` + sessionEnds

	sessionBegun = `s.id, s.user_id, s.cookie_hash, s.auth_time, s.amr, s.acr, s.device, s.address, s.created_at, `
	refreshedAt  = `(SELECT MAX(g.issued_at) FROM grants g WHERE g.session_id = s.id)`
	sessionEnds  = `, s.idle_expiry, s.absolute_expiry, s.ended_at, s.end_reason`
)

func sessionDest(s *auth.Session) []any {
	return []any{&s.ID, &s.UserID, toBytes(&s.CookieHash), toTime(&s.AuthTime), toTexts(&s.AMR), &s.ACR, &s.Device, &s.Address,
		toTime(&s.CreatedAt), toTime(&s.LastSeenAt), toTime(&s.IdleExpiry), toTime(&s.AbsoluteExpiry), toTime(&s.EndedAt), &s.EndReason}
}

const grantColumns = `g.id, g.session_id, g.client_id, g.user_id, g.audience, g.org_id, g.scope, g.mode, g.handle_hash,
	g.confirmed_gen, g.current_gen, g.issued_at, g.recoveries, g.tag_key, g.user_epoch, g.client_epoch, g.idle_expiry,
	g.absolute_expiry, g.dpop_thumbprint, g.status_index, g.mark, g.created_at, g.ended_at, g.end_reason, g.auth_time`

func grantDest(g *auth.Grant) []any {
	r := &g.Rotation
	return []any{&g.ID, &g.SessionID, &g.ClientID, &g.UserID, &g.Audience, &g.OrgID, toTexts(&g.Scope), &g.Mode, toBytes(&g.HandleHash),
		&r.Confirmed, &r.Current, toTime(&r.IssuedAt), &r.Recoveries, &r.TagKey, &g.UserEpoch, &g.ClientEpoch, toTime(&g.IdleExpiry),
		toTime(&g.AbsoluteExpiry), &g.DPoPThumbprint, &g.StatusIndex, toTime(&g.Mark), toTime(&g.CreatedAt), toTime(&g.EndedAt), &g.EndReason,
		toTime(&g.AuthTime)}
}

// Begin implements auth.Sessions. The grant's mark is raised to marks.Expiry
// whether marks names the grant or not: its first token is about to be made.
func (s *Store) Begin(ctx context.Context, session auth.Session, g auth.Grant, marks auth.Marks, ev auth.Event) error {
	marks.GrantID, marks.ClientEpoch = "", g.ClientEpoch
	if marks.Expiry.After(g.Mark) {
		g.Mark = marks.Expiry
	}
	return s.hot(ctx, func(ctx context.Context, t *tx) error {
		if err := t.epochsHold(ctx, g, marks.UserID != ""); err != nil {
			return err
		}
		if err := t.raise(ctx, marks, ""); err != nil {
			return err
		}
		if err := t.insertSession(ctx, session); err != nil {
			return err
		}
		if err := t.insertGrant(ctx, g); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// epochsHold answers ErrEpochChanged unless user and client may be signed in
// and have the epochs that the grant was prepared with. The user's row stays
// locked: whoever ends everything of the user waits, and then finds the new
// session. Of two sign-ins that lock it to read, neither could change it after;
// so raises says whether that is to come.
func (t *tx) epochsHold(ctx context.Context, g auth.Grant, raises bool) error {
	const query = `SELECT 1 FROM users u, clients c
		WHERE u.id = $1 AND u.epoch = $2 AND u.disabled = 0 AND c.id = $3 AND c.epoch = $4 AND c.disabled = 0`
	lock := t.engine.share
	if raises {
		lock = t.engine.update
	}
	hold, err := t.exists(ctx, query+lock, g.UserID, g.UserEpoch, g.ClientID, g.ClientEpoch)
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
		absolute_expiry, dpop_thumbprint, status_index, mark, created_at, ended_at, end_reason, auth_time)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)`
	r := g.Rotation
	_, err := t.exec(ctx, insert, g.ID, g.SessionID, g.ClientID, g.UserID, g.Audience, g.OrgID, encoded(g.Scope), string(g.Mode), blob(g.HandleHash),
		clamp(r.Confirmed), clamp(r.Current), micros(r.IssuedAt), clamp(r.Recoveries), int64(r.TagKey), g.UserEpoch, g.ClientEpoch, micros(g.IdleExpiry),
		micros(g.AbsoluteExpiry), g.DPoPThumbprint, int64(g.StatusIndex), micros(g.Mark), t.since(g.CreatedAt), micros(g.EndedAt), g.EndReason, micros(g.AuthTime))
	return err
}

// alive is the condition that a row of grants may still be used.
const (
	alive     = `ended_at = 0 AND EXISTS (` + aliveRows + `)`
	aliveRows = `
		SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id JOIN clients c ON c.id = grants.client_id
		WHERE s.id = grants.session_id AND s.ended_at = 0 AND u.disabled = 0 AND c.disabled = 0
			AND u.epoch = grants.user_epoch AND c.epoch = grants.client_epoch`
)

// Rotate implements auth.Sessions. A grant whose user or client is disabled or
// has another epoch counts as ended; false too if the key of marks has retired.
func (s *Store) Rotate(ctx context.Context, grantID string, from auth.Rotation, turn auth.Turn) (rotated bool, err error) {
	r := rotation{grantID: grantID, from: from, to: turn.To, idle: turn.Idle, sessionIdle: turn.SessionIdle}
	marks, ev := turn.Marks, turn.Event
	if marks.GrantID == grantID {
		r.mark, marks.GrantID = marks.Expiry, ""
	}
	if s.engine.rotate != "" && ev == nil && marks.Empty() {
		return s.rotateOnce(ctx, r)
	}
	err = s.hot(ctx, func(ctx context.Context, t *tx) error {
		if err := t.raise(ctx, marks, grantID); err != nil {
			return err
		}
		if err := t.swap(ctx, r); err != nil || ev == nil {
			return err
		}
		return t.record(ctx, *ev)
	})
	if errors.Is(err, auth.ErrEpochChanged) || errors.Is(err, auth.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// rotation is a change of a grant's state. Zero times change nothing.
type rotation struct {
	grantID     string
	from, to    auth.Rotation
	idle        time.Time
	sessionIdle time.Time
	mark        time.Time
}

// args are the parameters of swapGrant.
func (r rotation) args() []any {
	from, to := r.from, r.to
	return []any{clamp(to.Confirmed), clamp(to.Current), micros(to.IssuedAt), clamp(to.Recoveries), int64(to.TagKey),
		micros(r.idle), micros(r.mark), r.grantID,
		clamp(from.Confirmed), clamp(from.Current), micros(from.IssuedAt), clamp(from.Recoveries), int64(from.TagKey)}
}

// andSeen adds the parameters of andSeen.
func (r rotation) andSeen(now time.Time) []any {
	return append(r.args(), micros(now), micros(r.sessionIdle))
}

// swapGrant is the rotation itself: of all that start from one state, one finds
// it.
const swapGrant = `UPDATE grants SET confirmed_gen = $1, current_gen = $2, issued_at = $3, recoveries = $4, tag_key = $5,
		idle_expiry = CASE WHEN CAST($6 AS BIGINT) = 0 THEN idle_expiry ELSE $6 END,
		mark = CASE WHEN mark < $7 THEN $7 ELSE mark END
	WHERE id = $8 AND confirmed_gen = $9 AND current_gen = $10 AND issued_at = $11 AND recoveries = $12
		AND tag_key = $13 AND ` + alive

// rotateOnce rotates with one statement; see rotateOnce in engine.go.
func (s *Store) rotateOnce(ctx context.Context, r rotation) (rotated bool, err error) {
	err = s.single(ctx, func(ctx context.Context, t *tx) error {
		var n int64
		err := t.get(ctx, []any{&n}, s.engine.rotate, r.andSeen(t.now)...)
		rotated = n > 0
		return err
	})
	return rotated && err == nil, err
}

// swap answers ErrEpochChanged if there was nothing to swap.
func (t *tx) swap(ctx context.Context, r rotation) error {
	const seen = `UPDATE sessions SET idle_expiry = $1, last_seen_at = $2
		WHERE id = (SELECT session_id FROM grants WHERE id = $3)`
	n, err := t.exec(ctx, swapGrant, r.args()...)
	if err == nil && n == 0 {
		err = auth.ErrEpochChanged
	}
	if err != nil || r.sessionIdle.IsZero() {
		return err
	}
	_, err = t.exec(ctx, seen, micros(r.sessionIdle), micros(t.now), r.grantID)
	return err
}

// Raise implements auth.Sessions.
func (s *Store) Raise(ctx context.Context, marks auth.Marks) error {
	return s.hot(ctx, func(ctx context.Context, t *tx) error {
		if err := t.raise(ctx, marks, marks.GrantID); err != nil || marks.GrantID == "" {
			return err
		}
		const raise = `UPDATE grants SET mark = $1 WHERE id = $2 AND mark < $1 AND ` + alive
		const high = `SELECT 1 FROM grants WHERE id = $2 AND mark >= $1 AND ` + alive
		_, err := t.higher(ctx, raise, high, `SELECT 1 FROM grants WHERE id = $1`, marks.GrantID, marks.Expiry)
		return err
	})
}

// raise never lowers a mark. It refuses to raise one for a token that must not
// be made any more: what is over has its entry in the log, and that entry is
// forgotten by the mark it was made under. grantID, if not "", names the grant
// whose epochs the token carries. The grant's own mark is raised by its caller,
// after these: rows are locked in one order.
func (t *tx) raise(ctx context.Context, m auth.Marks, grantID string) error {
	const (
		user   = ` AND ($3 = '' OR epoch = (SELECT g.user_epoch FROM grants g WHERE g.id = $3))`
		client = ` AND ($3 = '' OR epoch = (SELECT g.client_epoch FROM grants g WHERE g.id = $3))
			AND ($4 = '' OR (epoch = $4 AND disabled = 0))`

		raiseUser   = `UPDATE users SET mark = $1 WHERE id = $2 AND mark < $1` + user
		highUser    = `SELECT 1 FROM users WHERE id = $2 AND mark >= $1` + user
		raiseClient = `UPDATE clients SET mark = $1 WHERE id = $2 AND mark < $1` + client
		highClient  = `SELECT 1 FROM clients WHERE id = $2 AND mark >= $1` + client
		raiseKey    = `UPDATE keys SET mark = $1 WHERE id = $2 AND mark < $1 AND state = 'signing'`
		highKey     = `SELECT 1 FROM keys WHERE id = $2 AND mark >= $1 AND state = 'signing'`
	)
	if m.UserID != "" {
		if _, err := t.higher(ctx, raiseUser, highUser, `SELECT 1 FROM users WHERE id = $1`, m.UserID, m.Expiry, grantID); err != nil {
			return err
		}
	}
	if m.ClientID != "" {
		raised, err := t.higher(ctx, raiseClient, highClient, `SELECT 1 FROM clients WHERE id = $1`, m.ClientID, m.Expiry, grantID, m.ClientEpoch)
		if err != nil {
			return err
		}
		if raised {
			t.concerns(m.ClientID)
		}
	}
	if m.KID == "" {
		return nil
	}
	_, err := t.higher(ctx, raiseKey, highKey, `SELECT 1 FROM keys WHERE id = $1`, m.KID, m.Expiry)
	if errors.Is(err, auth.ErrNotFound) {
		err = auth.ErrEpochChanged // it was retired, and is gone by now
	}
	return err
}

// higher raises one mark. A row that has it already is left alone: of all that
// come together when an hour begins one writes. ErrEpochChanged tells a row
// that is over from one that isn't there.
func (t *tx) higher(ctx context.Context, raise, high, check, id string, expiry time.Time, more ...any) (raised bool, err error) {
	args := append([]any{micros(expiry), id}, more...)
	n, err := t.exec(ctx, raise, args...)
	if err != nil || n > 0 {
		return n > 0, err
	}
	if enough, err := t.exists(ctx, high, args...); err != nil || enough {
		return false, err
	}
	if err := t.needs(ctx, check, id); err != nil {
		return false, err
	}
	return false, auth.ErrEpochChanged
}

// Touch implements auth.Sessions. A session that has ended stays as it is.
func (s *Store) Touch(ctx context.Context, sessionID string, seen, idle time.Time) error {
	const (
		follow = `UPDATE grants SET idle_expiry = $1 WHERE session_id = $2 AND mode = 'session' AND ended_at = 0`
		touch  = `UPDATE sessions SET last_seen_at = $1, idle_expiry = CASE WHEN CAST($2 AS BIGINT) = 0 THEN idle_expiry ELSE $2 END
			WHERE id = $3 AND ended_at = 0`
	)
	return s.hot(ctx, func(ctx context.Context, t *tx) error {
		if !idle.IsZero() {
			if _, err := t.exec(ctx, follow, micros(idle), sessionID); err != nil {
				return err
			}
		}
		n, err := t.exec(ctx, touch, micros(seen), micros(idle), sessionID)
		if err != nil || n > 0 {
			return err
		}
		return t.needs(ctx, `SELECT 1 FROM sessions WHERE id = $1`, sessionID)
	})
}

// liveSession is the condition of a session that somebody can still use: it
// has not ended or expired, and neither has one of its grants. Rows may not say
// yet what an epoch says already.
const liveSession = `s.ended_at = 0 AND s.idle_expiry > $4 AND s.absolute_expiry > $4 AND EXISTS (
		SELECT 1 FROM grants g JOIN clients c ON c.id = g.client_id
		WHERE g.session_id = s.id AND g.ended_at = 0 AND g.client_epoch = c.epoch
			AND g.user_epoch = (SELECT u.epoch FROM users u WHERE u.id = s.user_id))`

// Sessions implements auth.Sessions. Page.Query is a prefix of device or
// address.
func (s *Store) Sessions(ctx context.Context, userID string, p auth.Page) ([]auth.Session, string, error) {
	const (
		query = `SELECT ` + sessionsShown + ` FROM sessions s WHERE s.id > $1
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
	const query = `SELECT ` + sessionsShown + ` FROM sessions s
		WHERE s.id = COALESCE((SELECT g.session_id FROM grants g WHERE g.id = $1), $1)`
	err = s.sql.get(ctx, sessionDest(&session), query, id)
	return session, err
}
