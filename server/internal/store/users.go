package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

const userColumns = `u.id, u.email, u.username, u.name, u.verified_at, u.password_hash, u.must_change, u.disabled,
	u.claims, u.epoch, u.mark, u.created_at, u.updated_at, (
		SELECT STRING_AGG(r.name, '` + separator + `') FROM user_roles x JOIN roles r ON r.id = x.role_id
		WHERE x.user_id = u.id)`

const selectUser = `SELECT ` + userColumns + ` FROM users u `

// userMatches is the condition of a Page's Query, parameter $2.
const userMatches = `(u.email_key LIKE $2 ESCAPE '\' OR u.username_key LIKE $2 ESCAPE '\' OR u.name_key LIKE $2 ESCAPE '\')`

func userDest(u *auth.User) []any {
	return []any{&u.ID, &u.Email, &u.Username, &u.Name, toTime(&u.VerifiedAt), &u.PasswordHash, toBool(&u.MustChange),
		toBool(&u.Disabled), toRaw(&u.Claims), &u.Epoch, toTime(&u.Mark), toTime(&u.CreatedAt), toTime(&u.UpdatedAt),
		toNames(&u.Roles)}
}

// CreateUser implements auth.Users.
func (s *Store) CreateUser(ctx context.Context, u auth.User, ev auth.Event) error {
	const insert = `INSERT INTO users (id, email, email_key, username, username_key, name, name_key, verified_at,
		password_hash, must_change, disabled, claims, epoch, mark, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`
	if u.Epoch == "" {
		return errors.New("store: a user needs an epoch")
	}
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, insert, u.ID, u.Email, key(u.Email), u.Username, key(u.Username), u.Name, fold(u.Name),
			micros(u.VerifiedAt), u.PasswordHash, bit(u.MustChange), bit(u.Disabled), raw(u.Claims), u.Epoch, micros(u.Mark),
			t.since(u.CreatedAt), t.since(u.UpdatedAt)); err != nil {
			return err
		}
		if err := t.giveRoles(ctx, u); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

func (t *tx) giveRoles(ctx context.Context, u auth.User) error {
	const give = `INSERT INTO user_roles (user_id, role_id) SELECT $2, r.id FROM roles r WHERE r.name = $1
		ON CONFLICT (user_id, role_id) DO NOTHING`
	return t.grantRoles(ctx, u.Roles, give, u.ID)
}

// UserByID implements auth.Users.
func (s *Store) UserByID(ctx context.Context, id string) (u auth.User, err error) {
	err = s.sql.get(ctx, userDest(&u), selectUser+`WHERE u.id = $1`, id)
	return u, err
}

// UserByLogin implements auth.Users.
func (s *Store) UserByLogin(ctx context.Context, login string) (u auth.User, err error) {
	text := selectUser + `WHERE u.username_key = $1`
	if strings.Contains(login, "@") {
		text = selectUser + `WHERE u.email_key = $1`
	}
	err = s.sql.get(ctx, userDest(&u), text, fold(login))
	return u, err
}

// Users implements auth.Users. Page.Query is a prefix of e-mail, user name or
// name.
func (s *Store) Users(ctx context.Context, p auth.Page) ([]auth.User, string, error) {
	return list(ctx, s.sql, p, userDest, func(u *auth.User) string { return u.ID }, selectUser+`
		WHERE u.id > $1 AND ($2 = '' OR `+userMatches+`) ORDER BY u.id LIMIT $3`)
}

// UpdateUser implements auth.Users.
func (s *Store) UpdateUser(ctx context.Context, u auth.User, read time.Time, end *auth.Ending, now time.Time, ev auth.Event) (seq uint64, err error) {
	const (
		update = `UPDATE users SET email = $1, email_key = $2, username = $3, username_key = $4, name = $5, name_key = $6,
			verified_at = $7, must_change = $8, disabled = $9, claims = $10, updated_at = $11
			WHERE id = $12 AND updated_at = $13`
		clear = `DELETE FROM user_roles WHERE user_id = $1`
	)
	return s.finishing(ctx, now, func(ctx context.Context, t *tx) (out ended, err error) {
		var before auth.User
		if err := t.get(ctx, userDest(&before), selectUser+`WHERE u.id = $1`, u.ID); err != nil {
			return out, err
		}
		if before.IsAdministrator() && !u.IsAdministrator() {
			if err := keepAdministrator(ctx, t.statements, u.ID); err != nil {
				return out, err
			}
		}
		n, err := t.exec(ctx, update, u.Email, key(u.Email), u.Username, key(u.Username), u.Name, fold(u.Name),
			micros(u.VerifiedAt), bit(u.MustChange), bit(u.Disabled), raw(u.Claims), micros(now), u.ID, micros(read))
		if err == nil && n == 0 {
			err = auth.ErrMoved // the row is there: it was read a moment ago
		}
		if err != nil {
			return out, err
		}
		if _, err := t.exec(ctx, clear, u.ID); err != nil {
			return out, err
		}
		if err := t.giveRoles(ctx, u); err != nil {
			return out, err
		}
		if changedClaims(before, u) {
			if err := t.claimsChanged(ctx, u.ID, now); err != nil {
				return out, err
			}
		}
		if end != nil {
			if out, err = t.end(ctx, *end, now); err != nil {
				return out, err
			}
		}
		return out, t.record(ctx, ev)
	})
}

// UpdateProfile implements auth.Users. What stays is read under the lock under
// which every change of a profile is written.
func (s *Store) UpdateProfile(ctx context.Context, id string, name, username *string, now time.Time, ev auth.Event) (u auth.User, err error) {
	const update = `UPDATE users SET name = $1, name_key = $2, username = $3, username_key = $4, updated_at = $5 WHERE id = $6`
	err = s.write(ctx, func(ctx context.Context, t *tx) error {
		var before auth.User
		if err := t.get(ctx, userDest(&before), selectUser+`WHERE u.id = $1`, id); err != nil {
			return err
		}
		u = before
		u.UpdatedAt = now
		if name != nil {
			u.Name = *name
		}
		if username != nil {
			u.Username = *username
		}
		if err := found(t.exec(ctx, update, u.Name, fold(u.Name), u.Username, key(u.Username), micros(now), id)); err != nil {
			return err
		}
		if changedClaims(before, u) {
			if err := t.claimsChanged(ctx, id, now); err != nil {
				return err
			}
		}
		return t.record(ctx, ev)
	})
	return u, err
}

// SetPassword implements auth.Users.
func (s *Store) SetPassword(ctx context.Context, userID, oldHash, newHash string, mustChange bool, newEpoch string, now time.Time, ev auth.Event) (seq uint64, err error) {
	const set = `UPDATE users SET password_hash = $1, must_change = $2, updated_at = $3
		WHERE id = $4 AND ($5 = '' OR password_hash = $5)`
	return s.finishing(ctx, now, func(ctx context.Context, t *tx) (out ended, err error) {
		n, err := t.exec(ctx, set, newHash, bit(mustChange), micros(now), userID, oldHash)
		if err != nil {
			return out, err
		}
		if n == 0 {
			return out, t.passwordMoved(ctx, userID)
		}
		out, err = t.end(ctx, auth.Ending{UserID: userID, NewEpoch: newEpoch, Reason: "password_change"}, now)
		if err != nil {
			return out, err
		}
		return out, t.record(ctx, ev)
	})
}

// Rehash implements auth.Users. A *auth.ConflictError if the password is
// another meanwhile.
func (s *Store) Rehash(ctx context.Context, userID, oldHash, newHash string) error {
	const set = `UPDATE users SET password_hash = $1 WHERE id = $2 AND password_hash = $3`
	return s.single(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, set, newHash, userID, oldHash)
		if err == nil && n == 0 {
			return t.passwordMoved(ctx, userID)
		}
		return err
	})
}

// passwordMoved says why a password was not the one expected.
func (t *tx) passwordMoved(ctx context.Context, userID string) error {
	exists, err := t.exists(ctx, `SELECT 1 FROM users WHERE id = $1`, userID)
	switch {
	case err != nil:
		return err
	case !exists:
		return auth.ErrNotFound
	}
	return &auth.ConflictError{Field: "password"}
}

// DeleteUser implements auth.Users. Sessions, grants and memberships go with
// the row; the log and the audit stay. The client of each grant is told first.
func (s *Store) DeleteUser(ctx context.Context, id string, now time.Time, ev auth.Event) (seq uint64, err error) {
	over := auth.Ending{UserID: id, NewEpoch: auth.Random128(), Reason: "deleted"}
	if err := keepAdministrator(ctx, s.sql, id); err != nil { // whose sessions aren't to go either
		return 0, err
	}
	if err := s.dropSessions(ctx, over, now); err != nil {
		return 0, err
	}
	return s.finishing(ctx, now, func(ctx context.Context, t *tx) (ended, error) {
		if err := keepAdministrator(ctx, t.statements, id); err != nil {
			return ended{}, err
		}
		out, err := t.end(ctx, over, now)
		if err != nil {
			return out, err
		}
		if err := found(t.exec(ctx, `DELETE FROM users WHERE id = $1`, id)); err != nil {
			return out, err
		}
		return out, t.record(ctx, ev)
	})
}

// keepAdministrator answers ErrLastAdministrator for the one user who holds the
// reserved role and may sign in. It is asked under the writer's lock: of two nodes
// that take it from two users at once, the second finds that its one is the last.
func keepAdministrator(ctx context.Context, on *statements, userID string) error {
	const last = `SELECT 1 FROM roles r JOIN user_roles x ON x.role_id = r.id JOIN users u ON u.id = x.user_id
		WHERE r.name = '` + auth.RoleAdmin + `' AND u.id = $1 AND u.disabled = 0 AND NOT EXISTS (
			SELECT 1 FROM user_roles y JOIN users o ON o.id = y.user_id
			WHERE y.role_id = r.id AND o.id <> u.id AND o.disabled = 0)`
	only, err := on.exists(ctx, last, userID)
	if err == nil && only {
		err = auth.ErrLastAdministrator
	}
	return err
}

// dropSessions ends a user with very many grants and removes these before the
// user, some at a time, as dropGrants does for a client. What begins meanwhile is
// ended with the user.
func (s *Store) dropSessions(ctx context.Context, over auth.Ending, now time.Time) error {
	const many = `SELECT 1 FROM grants WHERE user_id = $1 LIMIT 1 OFFSET $2`
	if more, err := s.sql.exists(ctx, many, over.UserID, markAtOnce); err != nil || !more {
		return err
	}
	over.NewEpoch = auth.Random128()
	_, err := s.finishing(ctx, now, func(ctx context.Context, t *tx) (ended, error) { return t.end(ctx, over, now) })
	for _, drop := range []string{
		`DELETE FROM grants WHERE id IN (SELECT id FROM grants WHERE user_id = $1 LIMIT $2)`,
		`DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE user_id = $1 LIMIT $2)`,
	} {
		for n := int64(markAtOnce); n == markAtOnce && err == nil; {
			err = s.write(ctx, func(ctx context.Context, t *tx) (err error) {
				n, err = t.exec(ctx, drop, over.UserID, markAtOnce)
				return err
			})
		}
	}
	return err
}
