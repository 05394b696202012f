package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

const selectConsent = `SELECT user_id, client_id, audience, scope, created_at, updated_at FROM consents `

func consentDest(c *auth.Consent) []any {
	return []any{&c.UserID, &c.ClientID, &c.Audience, toJSON(&c.Scope), toTime(&c.CreatedAt), toTime(&c.UpdatedAt)}
}

const oneConsent = selectConsent + `WHERE user_id = $1 AND client_id = $2 AND audience = $3`

// Consent implements auth.Consents.
func (s *Store) Consent(ctx context.Context, userID, clientID, audience string) (c auth.Consent, err error) {
	err = s.sql.get(ctx, consentDest(&c), oneConsent, userID, clientID, audience)
	return c, err
}

// AddConsent implements auth.Consents.
func (s *Store) AddConsent(ctx context.Context, c auth.Consent, ev auth.Event) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if err := t.addConsent(ctx, c); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// addConsent reads what it adds to under the writer's lock, so that two at once
// both count.
func (t *tx) addConsent(ctx context.Context, c auth.Consent) error {
	const put = `INSERT INTO consents (user_id, client_id, audience, scope, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $5)
		ON CONFLICT (user_id, client_id, audience) DO UPDATE SET scope = $4, updated_at = $5`
	var before auth.Consent
	err := t.get(ctx, consentDest(&before), oneConsent, c.UserID, c.ClientID, c.Audience)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return err
	}
	scope := slices.Concat(before.Scope, c.Scope)
	slices.Sort(scope)
	_, err = t.exec(ctx, put, c.UserID, c.ClientID, c.Audience, encoded(slices.Compact(scope)), t.since(c.UpdatedAt))
	return err
}

// Consents implements auth.Consents.
func (s *Store) Consents(ctx context.Context, userID string) ([]auth.Consent, error) {
	return all(ctx, s.sql, consentDest, selectConsent+`WHERE user_id = $1 ORDER BY client_id, audience`, userID)
}

// RevokeConsent implements auth.Consents. What was allowed and not fetched yet
// goes too: else whoever had a person allow a device of theirs would wait with
// fetching until the person has looked, and taken it back.
//
// Where there are many grants they end some at a time, and the consent goes with
// the last of them: if that fails in between the person still sees the
// application, and can take back the rest.
func (s *Store) RevokeConsent(ctx context.Context, userID, clientID string, now time.Time, ev auth.Event) (seq uint64, err error) {
	const (
		many   = `SELECT 1 FROM grants WHERE user_id = $1 AND client_id = $2 AND ended_at = 0 LIMIT 1 OFFSET $3`
		reason = "consent_revoked"
	)
	left := unmarked{list: unmarkedOfConsent, of: []any{userID, clientID}, reason: reason, log: true}
	for begun := false; ; begun = true {
		more := false
		last, err := s.ending(ctx, func(ctx context.Context, t *tx) (seq uint64, err error) {
			if more, err = t.exists(ctx, many, userID, clientID, markAtOnce); err != nil || more {
				return 0, err
			}
			out, err := t.revokeConsent(ctx, userID, clientID, reason, now)
			if err == nil && !out.any && !begun {
				err = auth.ErrNotFound
			}
			if err != nil {
				return 0, err
			}
			return out.seq, t.record(ctx, ev)
		})
		if err != nil {
			return 0, err
		}
		if seq = max(seq, last); !more {
			return seq, nil
		}
		ctx = context.WithoutCancel(ctx)
		if last, _, err = s.finishSome(ctx, left, now); err != nil {
			return 0, err
		}
		seq = max(seq, last)
	}
}

// revokeConsent takes back what a person allowed a client, and ends its grants.
func (t *tx) revokeConsent(ctx context.Context, userID, clientID, reason string, now time.Time) (ended, error) {
	const end = `UPDATE grants SET ended_at = $1, end_reason = $2
		WHERE user_id = $3 AND client_id = $4 AND ended_at = 0 RETURNING id, mark, status_index`
	n, err := t.takeBack(ctx, userID, clientID)
	if err != nil {
		return ended{}, err
	}
	out, err := t.endGrants(ctx, now, end, micros(now), reason, userID, clientID)
	out.any = out.any || n > 0
	return out, err
}

// takeBack undoes what a person allowed a client, but for its grants, and answers
// how much that was.
func (t *tx) takeBack(ctx context.Context, userID, clientID string) (n int64, err error) {
	for _, text := range []string{
		`DELETE FROM consents WHERE user_id = $1 AND client_id = $2`,
		`DELETE FROM codes WHERE client_id = $2 AND grant_id = '' AND session_id IN (SELECT id FROM sessions WHERE user_id = $1)`,
		`UPDATE devices SET state = 'denied' WHERE client_id = $2 AND state = 'allowed'
			AND EXISTS (SELECT 1 FROM grants WHERE grants.id = devices.sign_in_id AND grants.user_id = $1)`,
	} {
		changed, err := t.exec(ctx, text, userID, clientID)
		if err != nil {
			return 0, err
		}
		n += changed
	}
	return n, nil
}
