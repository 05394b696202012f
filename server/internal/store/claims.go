package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
)

// claimsChanged logs that tokens of a user say something else than they would by
// now, where some may be out.
func (t *tx) claimsChanged(ctx context.Context, userID string, now time.Time) error {
	var mark time.Time
	err := t.get(ctx, []any{toTime(&mark)}, `SELECT mark FROM users WHERE id = $1`, userID)
	if err != nil || !mark.Add(afterMark).After(now) {
		return err
	}
	_, err = t.revoke(ctx, revlog.ClaimsChanged, userID, mark.Add(afterMark))
	return err
}

// changedClaims reports whether tokens made before and after a change differ.
func changedClaims(before, after auth.User) bool {
	roles := slices.Sorted(slices.Values(after.Roles))
	return before.Email != after.Email || before.Username != after.Username || before.Name != after.Name ||
		before.VerifiedAt.IsZero() != after.VerifiedAt.IsZero() || string(before.Claims) != string(after.Claims) ||
		!slices.Equal(before.Roles, slices.Compact(roles))
}

// mostHints bounds how many users are told of by one change of a role: all other
// writers wait for it. Tokens of the rest are renewed in their time.
const mostHints = 1000

// roleChanged logs that tokens of those who have a role say something else.
func (t *tx) roleChanged(ctx context.Context, roleID string) error {
	const holders = `SELECT u.id, u.mark FROM users u WHERE u.mark > $2 AND u.id IN (
			SELECT user_id FROM user_roles WHERE role_id = $1 UNION SELECT user_id FROM member_roles WHERE role_id = $1)
		ORDER BY u.id LIMIT $3`
	type holder struct {
		id   string
		mark time.Time
	}
	list, err := all(ctx, t.statements, func(h *holder) []any { return []any{&h.id, toTime(&h.mark)} },
		holders, roleID, micros(t.now.Add(-afterMark)), mostHints)
	if err != nil || len(list) == 0 {
		return err
	}
	end, err := t.logEnd(ctx)
	for _, h := range list {
		if err == nil {
			err = t.appendLog(ctx, &end, revlog.ClaimsChanged, revlog.Hash(revlog.ClaimsChanged, h.id), micros(h.mark.Add(afterMark)))
		}
	}
	return err
}

// renewAtOnce is how many live grants a user may have so that they outlive their
// tokens. It is one statement, since a grant with the old epoch is over: of more,
// all others would wait, and past what a statement may take nothing would end.
// Nobody signs in so often; a program may that never signs out.
const renewAtOnce = 10_000

// renew replaces a user's epoch, and that of the live grants with it: tokens that
// are out end, sessions don't. A grant with another epoch than the old one is
// over, and stays so. A user who has too many grants loses the sessions too.
func (t *tx) renew(ctx context.Context, e auth.Ending, now time.Time) (out ended, err error) {
	const (
		read = `SELECT epoch FROM users WHERE id = $1`
		many = `SELECT 1 FROM grants WHERE user_id = $1 AND ended_at = 0 LIMIT 1 OFFSET $2`
		move = `UPDATE grants SET user_epoch = $1 WHERE user_id = $2 AND user_epoch = $3 AND ended_at = 0`
	)
	if more, err := t.exists(ctx, many, e.UserID, renewAtOnce); err != nil || more {
		if err == nil {
			out, err = t.endUser(ctx, e, now)
		}
		return out, err
	}
	var old string
	if err := t.get(ctx, []any{&old}, read, e.UserID); err != nil {
		return out, err
	}
	out, err = t.endEpoch(ctx, e, now, e.UserID, read, `UPDATE users SET epoch = $1 WHERE id = $2 AND epoch = $3 RETURNING mark`)
	if err != nil {
		return out, err
	}
	if _, err := t.exec(ctx, move, e.NewEpoch, e.UserID, old); err != nil {
		return out, err
	}
	return out, t.moveStatuses(ctx, e.UserID)
}

// changing runs a change of what a user's tokens say, and what ends with it.
func (s *Store) changing(ctx context.Context, userID string, end *auth.Ending, now time.Time, ev auth.Event, change func(context.Context, *tx) error) (uint64, error) {
	return s.finishing(ctx, now, func(ctx context.Context, t *tx) (out ended, err error) {
		if err := change(ctx, t); err != nil {
			return out, err
		}
		// A user who is gone meanwhile has no tokens.
		if err := t.claimsChanged(ctx, userID, now); err != nil && !errors.Is(err, auth.ErrNotFound) {
			return out, err
		}
		if end != nil {
			if out, err = t.end(ctx, *end, now); err != nil {
				return out, err
			}
		}
		return out, t.record(ctx, ev)
	})
}
