package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

const selectOrg = `SELECT o.id, o.slug, o.name, o.created_at FROM orgs o `

func orgDest(o *auth.Org) []any { return []any{&o.ID, &o.Slug, &o.Name, toTime(&o.CreatedAt)} }

// CreateOrg implements auth.Directory.
func (s *Store) CreateOrg(ctx context.Context, o auth.Org, ev auth.Event) error {
	const insert = `INSERT INTO orgs (id, slug, name, name_key, created_at) VALUES ($1, $2, $3, $4, $5)`
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, insert, o.ID, o.Slug, o.Name, fold(o.Name), t.since(o.CreatedAt)); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// OrgByID implements auth.Directory.
func (s *Store) OrgByID(ctx context.Context, slugOrID string) (o auth.Org, err error) {
	err = s.sql.get(ctx, orgDest(&o), selectOrg+`WHERE o.id = $1 OR o.slug = $1
		ORDER BY CASE WHEN o.id = $1 THEN 0 ELSE 1 END LIMIT 1`, slugOrID)
	return o, err
}

// Orgs implements auth.Directory. Page.Query is a prefix of slug or name.
func (s *Store) Orgs(ctx context.Context, p auth.Page) ([]auth.Org, string, error) {
	return list(ctx, s.sql, p, orgDest, func(o *auth.Org) string { return o.ID }, selectOrg+`
		WHERE o.id > $1 AND ($2 = '' OR LOWER(o.slug) LIKE $2 ESCAPE '\' OR o.name_key LIKE $2 ESCAPE '\')
		ORDER BY o.id LIMIT $3`)
}

// UpdateOrg implements auth.Directory.
func (s *Store) UpdateOrg(ctx context.Context, o auth.Org, ev auth.Event) error {
	const update = `UPDATE orgs SET name = $1, name_key = $2 WHERE id = $3`
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if err := found(t.exec(ctx, update, o.Name, fold(o.Name), o.ID)); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// DeleteOrg implements auth.Directory. Its members are members no more.
func (s *Store) DeleteOrg(ctx context.Context, id string, ev auth.Event) error {
	return s.remove(ctx, ev, `DELETE FROM orgs WHERE id = $1`, id)
}

const selectMember = `SELECT m.org_id, m.user_id, (
		SELECT STRING_AGG(r.name, '` + separator + `') FROM member_roles x JOIN roles r ON r.id = x.role_id
		WHERE x.org_id = m.org_id AND x.user_id = m.user_id)
	FROM members m `

const oneMember = selectMember + `WHERE m.org_id = $1 AND m.user_id = $2`

func memberDest(m *auth.Member) []any { return []any{&m.OrgID, &m.UserID, toNames(&m.Roles)} }

// PutMember implements auth.Directory. ErrNotFound if there is no such
// organisation or user.
func (s *Store) PutMember(ctx context.Context, m auth.Member, read []string, end *auth.Ending, now time.Time, ev auth.Event) (uint64, error) {
	const (
		insert = `INSERT INTO members (org_id, user_id) VALUES ($1, $2) ON CONFLICT (org_id, user_id) DO NOTHING`
		clear  = `DELETE FROM member_roles WHERE org_id = $1 AND user_id = $2`
		give   = `INSERT INTO member_roles (org_id, user_id, role_id) SELECT $2, $3, r.id FROM roles r WHERE r.name = $1
			ON CONFLICT (org_id, user_id, role_id) DO NOTHING`
	)
	return s.changing(ctx, m.UserID, end, now, ev, func(ctx context.Context, t *tx) error {
		var before auth.Member
		err := t.get(ctx, memberDest(&before), oneMember, m.OrgID, m.UserID)
		switch {
		case err != nil && !errors.Is(err, auth.ErrNotFound):
			return err
		case !slices.Equal(before.Roles, read):
			return auth.ErrMoved
		}
		if _, err := t.exec(ctx, insert, m.OrgID, m.UserID); err != nil {
			return err
		}
		if _, err := t.exec(ctx, clear, m.OrgID, m.UserID); err != nil {
			return err
		}
		return t.grantRoles(ctx, m.Roles, give, m.OrgID, m.UserID)
	})
}

// RemoveMember implements auth.Directory.
func (s *Store) RemoveMember(ctx context.Context, orgID, userID string, end *auth.Ending, now time.Time, ev auth.Event) (uint64, error) {
	return s.changing(ctx, userID, end, now, ev, func(ctx context.Context, t *tx) error {
		return found(t.exec(ctx, `DELETE FROM members WHERE org_id = $1 AND user_id = $2`, orgID, userID))
	})
}

// Members implements auth.Directory, in order of the users' ids. Page.Query is
// a prefix of a user's e-mail, user name or name.
func (s *Store) Members(ctx context.Context, orgID string, p auth.Page) ([]auth.Member, string, error) {
	members, next, err := list(ctx, s.sql, p, memberDest, func(m *auth.Member) string { return m.UserID }, selectMember+`
		JOIN users u ON u.id = m.user_id
		WHERE m.org_id = $4 AND m.user_id > $1 AND ($2 = '' OR `+userMatches+`) ORDER BY m.user_id LIMIT $3`, orgID)
	if err == nil && len(members) == 0 {
		err = s.sql.needs(ctx, `SELECT 1 FROM orgs WHERE id = $1`, orgID)
	}
	return members, next, err
}

// MemberOf implements auth.Directory.
func (s *Store) MemberOf(ctx context.Context, orgID, userID string) (m auth.Member, err error) {
	err = s.sql.get(ctx, memberDest(&m), oneMember, orgID, userID)
	return m, err
}

// Memberships implements auth.Directory.
func (s *Store) Memberships(ctx context.Context, userID string) ([]auth.Member, error) {
	return all(ctx, s.sql, memberDest, selectMember+`WHERE m.user_id = $1 ORDER BY m.org_id`, userID)
}
