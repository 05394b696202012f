package directory

import (
	"context"
	"errors"

	"github.com/writ-auth/writ/server/internal/auth"
)

// EnsureAdmin makes the reserved role, if it isn't there, and, where there is
// no user at all, the first administrator. It runs before anybody can connect.
// mustChange makes the first sign-in demand another password: one that stood
// in a file or a log isn't secret enough. It reports whether it made a user.
func (s *Service) EnsureAdmin(ctx context.Context, email, password string, mustChange bool) (created bool, err error) {
	if err := s.ensureRole(ctx); err != nil {
		return false, err
	}
	users, _, err := s.Users.Users(ctx, auth.Page{Limit: 1})
	if err != nil || len(users) > 0 {
		return false, err
	}
	roles := []string{auth.RoleAdmin}
	_, err = s.CreateUser(ctx, Operator(), UserFields{Email: &email, Password: &password, MustChange: &mustChange, Roles: &roles})
	var e *auth.Error
	if errors.As(err, &e) && e.Code == auth.CodeConflict {
		return false, nil // another node was faster
	}
	return err == nil, err
}

func (s *Service) ensureRole(ctx context.Context) error {
	_, err := s.Directory.RoleByName(ctx, auth.RoleAdmin)
	if !errors.Is(err, auth.ErrNotFound) {
		return err
	}
	r := auth.Role{ID: auth.NewID(auth.PrefixRole), Name: auth.RoleAdmin, Permissions: []string{auth.PermissionAdmin}, CreatedAt: s.Now()}
	err = s.Directory.CreateRole(ctx, r, s.event(act{Operator(), "role.create", r.ID}))
	if errors.Is(err, auth.ErrConflict) {
		return nil
	}
	return err
}
