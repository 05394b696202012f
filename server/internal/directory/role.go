package directory

import (
	"context"
	"slices"
	"strings"

	"github.com/writ-auth/writ/server/internal/auth"
)

// RoleFields is what an administrator says of a role; what is nil isn't said.
type RoleFields struct {
	Name        *string   `json:"name"`
	Permissions *[]string `json:"permissions"`
}

// CreateRole makes a role.
func (s *Service) CreateRole(ctx context.Context, actor Actor, in RoleFields) (auth.Role, error) {
	r := auth.Role{ID: auth.NewID(auth.PrefixRole), Permissions: []string{}, CreatedAt: s.Now()}
	a := act{actor, "role.create", r.ID}
	if err := s.applyRole(ctx, a, &r, in); err != nil {
		return r, err
	}
	return r, failed(s.Directory.CreateRole(ctx, r, s.changed(a, gains("permissions", nil, r.Permissions))), "role")
}

// UpdateRole changes a role. Writ's own endpoints heed it at once; tokens that
// are out keep what they say until they expire.
func (s *Service) UpdateRole(ctx context.Context, actor Actor, nameOrID string, in RoleFields) (r auth.Role, err error) {
	s.edit.Lock()
	defer s.edit.Unlock()
	err = settled("role", func() error {
		r, err = s.updateRole(ctx, actor, nameOrID, in)
		return err
	})
	return r, err
}

func (s *Service) updateRole(ctx context.Context, actor Actor, nameOrID string, in RoleFields) (auth.Role, error) {
	r, a, err := s.reachRole(ctx, actor, "role.update", nameOrID)
	if err != nil {
		return r, err
	}
	before := r.Permissions
	if in.Name != nil && *in.Name != r.Name {
		return r, auth.Invalid("name", "a role can't be renamed: applications ask for it by its name")
	}
	if err := s.applyRole(ctx, a, &r, in); err != nil {
		return r, err
	}
	return r, failed(s.Directory.UpdateRole(ctx, r, before, s.changed(a, gains("permissions", before, r.Permissions))), "role")
}

// DeleteRole removes a role, also from everybody who has it.
func (s *Service) DeleteRole(ctx context.Context, actor Actor, nameOrID string) error {
	s.edit.Lock()
	defer s.edit.Unlock()
	r, a, err := s.reachRole(ctx, actor, "role.delete", nameOrID)
	if err != nil {
		return err
	}
	return failed(s.Directory.DeleteRole(ctx, r.ID, s.event(a)), "role")
}

// Role answers one role.
func (s *Service) Role(ctx context.Context, nameOrID string) (auth.Role, error) {
	r, err := s.Directory.RoleByName(ctx, nameOrID)
	return r, failed(err, "role")
}

// reachRole reads the role that an act is about, if the actor may touch it.
// Nobody may touch Writ's own: without it there are no administrators.
func (s *Service) reachRole(ctx context.Context, actor Actor, action, nameOrID string) (auth.Role, act, error) {
	r, err := s.Role(ctx, nameOrID)
	a := act{actor, action, r.ID}
	if err != nil {
		return r, a, err
	}
	if reserved(r.Name) {
		return r, a, s.forbid(ctx, a, "", "this role belongs to Writ itself")
	}
	return r, a, s.within(ctx, a, "", r.Permissions)
}

func (s *Service) applyRole(ctx context.Context, a act, r *auth.Role, in RoleFields) error {
	set(&r.Name, in.Name)
	if in.Permissions != nil {
		r.Permissions = sorted(*in.Permissions)
	}
	if err := checkRole(*r); err != nil {
		return err
	}
	return s.within(ctx, a, "permissions", r.Permissions)
}

func checkRole(r auth.Role) error {
	if err := checkWord("name", r.Name); err != nil {
		return err
	}
	switch {
	case reserved(r.Name):
		return auth.Invalid("name", "names that begin with %q belong to Writ itself", auth.ReservedPrefix)
	case strings.HasPrefix(r.Name, auth.PrefixRole):
		return auth.Invalid("name", "a name that begins with %q would look like an id", auth.PrefixRole)
	case strings.Contains(r.Name, ","): // gateways send lists of roles in one header
		return auth.Invalid("name", "a name can't contain a comma")
	}
	if err := checkWords("permissions", r.Permissions); err != nil {
		return err
	}
	if i := slices.IndexFunc(r.Permissions, func(p string) bool { return reserved(p) && !reservedPermission(p) }); i >= 0 {
		return auth.Invalid("permissions", "Writ has no permission %q", r.Permissions[i])
	}
	return nil
}
