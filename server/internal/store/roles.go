package store

import (
	"context"
	"slices"
	"strings"

	"github.com/writ-auth/writ/server/internal/auth"
)

const selectRole = `SELECT r.id, r.name, r.permissions, r.created_at FROM roles r `

func roleDest(r *auth.Role) []any {
	return []any{&r.ID, &r.Name, toJSON(&r.Permissions), toTime(&r.CreatedAt)}
}

// checkRole keeps the character that joins names out of them: a role of that
// name would be read as two, and one of the two may be the administrators'.
func checkRole(r auth.Role) error {
	if r.Name == "" || strings.Contains(r.Name, separator) {
		return auth.Invalid("name", "The name of a role is not empty and holds no control characters.")
	}
	return nil
}

// CreateRole implements auth.Directory.
func (s *Store) CreateRole(ctx context.Context, r auth.Role, ev auth.Event) error {
	const insert = `INSERT INTO roles (id, name, name_key, permissions, created_at) VALUES ($1, $2, $3, $4, $5)`
	if err := checkRole(r); err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, insert, r.ID, r.Name, fold(r.Name), encoded(r.Permissions), t.since(r.CreatedAt)); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// RoleByName implements auth.Directory.
func (s *Store) RoleByName(ctx context.Context, nameOrID string) (r auth.Role, err error) {
	err = s.sql.get(ctx, roleDest(&r), selectRole+`WHERE r.id = $1 OR r.name = $1
		ORDER BY CASE WHEN r.id = $1 THEN 0 ELSE 1 END LIMIT 1`, nameOrID)
	return r, err
}

// Roles implements auth.Directory. Page.Query is a prefix of the name.
func (s *Store) Roles(ctx context.Context, p auth.Page) ([]auth.Role, string, error) {
	return list(ctx, s.sql, p, roleDest, func(r *auth.Role) string { return r.ID }, selectRole+`
		WHERE r.id > $1 AND ($2 = '' OR r.name_key LIKE $2 ESCAPE '\') ORDER BY r.id LIMIT $3`)
}

// UpdateRole implements auth.Directory. Whoever has the role keeps it under a
// new name.
func (s *Store) UpdateRole(ctx context.Context, r auth.Role, read []string, ev auth.Event) error {
	const update = `UPDATE roles SET name = $1, name_key = $2, permissions = $3 WHERE id = $4`
	if err := checkRole(r); err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		var before auth.Role
		err := t.get(ctx, roleDest(&before), selectRole+`WHERE r.id = $1`, r.ID)
		if err == nil && !slices.Equal(before.Permissions, read) {
			err = auth.ErrMoved
		}
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, update, r.Name, fold(r.Name), encoded(r.Permissions), r.ID); err != nil {
			return err
		}
		if err := t.roleChanged(ctx, r.ID); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// DeleteRole implements auth.Directory.
func (s *Store) DeleteRole(ctx context.Context, id string, ev auth.Event) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if err := t.roleChanged(ctx, id); err != nil {
			return err
		}
		if err := found(t.exec(ctx, `DELETE FROM roles WHERE id = $1`, id)); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// remove deletes a row, and with it what refers to it.
func (s *Store) remove(ctx context.Context, ev auth.Event, text string, args ...any) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if err := found(t.exec(ctx, text, args...)); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// Permissions implements auth.Users. Names of no role are passed over.
func (s *Store) Permissions(ctx context.Context, roles []string) (permissions []string, err error) {
	const query = `SELECT permissions FROM roles WHERE name IN ($1, $2, $3, $4, $5, $6, $7, $8)`
	const size = 8 // as many names as the query has places
	for ; len(roles) > 0; roles = roles[min(size, len(roles)):] {
		args := make([]any, size)
		for i := range args {
			args[i] = roles[min(i, len(roles)-1)]
		}
		err := s.sql.each(ctx, func(scan func(...any) error) error {
			var some []string
			err := scan(toJSON(&some))
			permissions = append(permissions, some...)
			return err
		}, query, args...)
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(permissions)
	return slices.Compact(permissions), nil
}

// grantRoles gives roles by name, through a statement whose parameters are the
// name and then args, and that inserts nothing if there is no such role.
func (t *tx) grantRoles(ctx context.Context, roles []string, insert string, args ...any) error {
	for _, name := range roles {
		switch n, err := t.exec(ctx, insert, append([]any{name}, args...)...); {
		case err != nil:
			return err
		case n == 0:
			known, err := t.exists(ctx, `SELECT 1 FROM roles WHERE name = $1`, name)
			if err != nil {
				return err
			}
			if !known {
				return auth.Invalid("roles", "There is no role %q.", name)
			}
		}
	}
	return nil
}
