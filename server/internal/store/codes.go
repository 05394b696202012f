package store

import (
	"context"
	"errors"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

const codeColumns = `hash, client_id, session_id, sign_in_id, redirect_uri, challenge, nonce, scope, audience,
	created_at, expires_at, forget_at, grant_id, dpop_thumbprint`

func codeDest(c *auth.AuthorizationCode) []any {
	return []any{toArray(c.Hash[:]), &c.ClientID, &c.SessionID, &c.SignInID, &c.RedirectURI, &c.Challenge, &c.Nonce,
		toJSON(&c.Scope), &c.Audience, toTime(&c.CreatedAt), toTime(&c.ExpiresAt), toTime(&c.ForgetAt), &c.GrantID, &c.DPoPThumbprint}
}

// AddCode implements auth.Codes.
func (s *Store) AddCode(ctx context.Context, c auth.AuthorizationCode) error {
	add := s.single
	if c.ConsentOf != "" {
		add = s.hot
	}
	return add(ctx, func(ctx context.Context, t *tx) error { return t.insertCode(ctx, c) })
}

// AddCodeOnce implements auth.Codes.
func (s *Store) AddCodeOnce(ctx context.Context, c auth.AuthorizationCode, once [32]byte, until time.Time) (first bool, err error) {
	err = s.hot(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, useOnce, c.ClientID, once[:], micros(until))
		if first = n > 0; err != nil || !first {
			return err
		}
		return t.insertCode(ctx, c)
	})
	return first && err == nil, err
}

// insertCode keeps the consent, if there is to be one, until the code is there: who
// takes it back waits, and then finds the code. See takeBack.
func (t *tx) insertCode(ctx context.Context, c auth.AuthorizationCode) error {
	const consent = `SELECT 1 FROM consents WHERE user_id = $1 AND client_id = $2 AND audience = $3`
	const insert = `INSERT INTO codes (` + codeColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, '', $13)`
	if c.ConsentOf != "" {
		switch stands, err := t.exists(ctx, consent+t.engine.stays, c.ConsentOf, c.ClientID, c.Audience); {
		case err != nil:
			return err
		case !stands:
			return auth.ErrMoved
		}
	}
	_, err := t.exec(ctx, insert, c.Hash[:], c.ClientID, c.SessionID, c.SignInID, c.RedirectURI, c.Challenge, c.Nonce,
		encoded(c.Scope), c.Audience, t.since(c.CreatedAt), micros(c.ExpiresAt), micros(c.ForgetAt), c.DPoPThumbprint)
	return err
}

// CodeByHash implements auth.Codes.
func (s *Store) CodeByHash(ctx context.Context, hash [32]byte) (c auth.AuthorizationCode, err error) {
	err = s.sql.get(ctx, codeDest(&c), `SELECT `+codeColumns+` FROM codes WHERE hash = $1`, hash[:])
	return c, err
}

// errRedeemed rolls back what a code that is used up would have begun.
var errRedeemed = errors.New("store: what is redeemed is used up")

// Redeem implements auth.Codes. It goes through the writer, as everything does
// that ends a session: so a grant is either begun before its session ends, and
// logged with the others, or not at all.
func (s *Store) Redeem(ctx context.Context, hash [32]byte, g auth.Grant, forget time.Time, marks auth.Marks, ev auth.Event) (bool, error) {
	const use = `UPDATE codes SET grant_id = $1, forget_at = $2 WHERE hash = $3 AND grant_id = '' AND expires_at > $4`
	return s.redeem(ctx, g, marks, ev, func(ctx context.Context, t *tx) (int64, error) {
		return t.exec(ctx, use, g.ID, micros(forget), hash[:], micros(t.now))
	})
}

// redeem begins a further grant of a session for what use uses up; false if that
// is used up already, when use changes no row.
func (s *Store) redeem(ctx context.Context, g auth.Grant, marks auth.Marks, ev auth.Event, use func(context.Context, *tx) (int64, error)) (bool, error) {
	marks.GrantID, marks.ClientEpoch = "", g.ClientEpoch
	if marks.Expiry.After(g.Mark) {
		g.Mark = marks.Expiry
	}
	err := s.write(ctx, func(ctx context.Context, t *tx) error {
		if err := t.mayBegin(ctx, g, marks); err != nil {
			return err
		}
		n, err := use(ctx, t)
		if err != nil {
			return err
		}
		if n == 0 {
			return errRedeemed
		}
		if err := t.makeRoom(ctx, g, ev); err != nil {
			return err
		}
		if err := t.insertGrant(ctx, g); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
	if errors.Is(err, errRedeemed) {
		return false, nil
	}
	return err == nil, err
}

// mayBegin wants a further grant of a session to be one that may live.
func (t *tx) mayBegin(ctx context.Context, g auth.Grant, marks auth.Marks) error {
	if err := t.epochsHold(ctx, g, marks.UserID != ""); err != nil {
		return err
	}
	lives, err := t.exists(ctx, `SELECT 1 FROM sessions WHERE id = $1 AND user_id = $2 AND ended_at = 0`, g.SessionID, g.UserID)
	if err != nil {
		return err
	}
	if !lives {
		return auth.ErrEpochChanged
	}
	return t.raise(ctx, marks, "")
}

// Reauthenticate implements auth.Browsers.
func (s *Store) Reauthenticate(ctx context.Context, session auth.Session, ev auth.Event) error {
	const (
		again = `UPDATE sessions SET cookie_hash = $1, auth_time = $2, amr = $3, acr = $4, device = $5, address = $6,
			last_seen_at = $7, idle_expiry = $8 WHERE id = $9 AND ended_at = 0`
		follow = `UPDATE grants SET idle_expiry = $1 WHERE session_id = $2 AND mode = 'session' AND ended_at = 0`
	)
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, follow, micros(session.IdleExpiry), session.ID); err != nil {
			return err
		}
		n, err := t.exec(ctx, again, blob(session.CookieHash), micros(session.AuthTime), encoded(session.AMR), session.ACR,
			session.Device, session.Address, t.since(session.LastSeenAt), micros(session.IdleExpiry), session.ID)
		if err == nil && n == 0 {
			err = auth.ErrEpochChanged
		}
		if err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}
