package directory

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// UserFields is what an administrator says of a user; what is nil isn't said.
type UserFields struct {
	Email         *string         `json:"email"`
	Username      *string         `json:"username"`
	Name          *string         `json:"name"`
	Password      *string         `json:"password"`
	EmailVerified *bool           `json:"email_verified"` // of a new address; not said: yes, the administrator vouches for it
	MustChange    *bool           `json:"must_change_password"`
	Disabled      *bool           `json:"disabled"`
	Roles         *[]string       `json:"roles"`
	Claims        json.RawMessage `json:"claims"` // the whole object; {} removes it
}

// CreateUser makes a user. Without a password nobody can sign in as them.
func (s *Service) CreateUser(ctx context.Context, actor Actor, in UserFields) (auth.User, error) {
	now := s.Now()
	u := auth.User{ID: auth.NewID(auth.PrefixUser), Epoch: auth.Random128(), CreatedAt: now, UpdatedAt: now}
	a := act{actor, "user.create", u.ID}
	if err := s.apply(ctx, &u, in); err != nil {
		return u, err
	}
	if err := s.checkRoles(ctx, a, "roles", u.Roles); err != nil {
		return u, err
	}
	set(&u.MustChange, in.MustChange)
	if in.Password != nil {
		hash, err := s.hash(ctx, *in.Password, u)
		if err != nil {
			return u, err
		}
		u.PasswordHash = hash
	}
	return u, failed(s.Users.CreateUser(ctx, u, s.changed(a, gains("roles", nil, u.Roles))), "user")
}

// hash checks and hashes a new password of u.
func (s *Service) hash(ctx context.Context, password string, u auth.User) (string, error) {
	if err := s.Passwords.Check("password", password, u.Email, u.Username, u.Name); err != nil {
		return "", err
	}
	return s.Passwords.Hash(ctx, password)
}

// apply writes what in says into u, checked, but for password and must-change.
func (s *Service) apply(ctx context.Context, u *auth.User, in UserFields) error {
	if in.Email != nil && *in.Email != u.Email {
		u.Email, u.VerifiedAt = *in.Email, s.Now()
	}
	if in.EmailVerified != nil {
		u.VerifiedAt = verified(u.VerifiedAt, *in.EmailVerified, s.Now())
	}
	if u.Email == "" {
		u.VerifiedAt = time.Time{}
	}
	set(&u.Username, in.Username)
	set(&u.Name, in.Name)
	set(&u.Disabled, in.Disabled)
	if in.Roles != nil {
		u.Roles = sorted(*in.Roles)
	}
	u.UpdatedAt = s.Now()
	if in.Claims != nil {
		var err error
		if u.Claims, err = checkClaims("claims", in.Claims); err != nil {
			return err
		}
		if err := s.checkRenamed(ctx, "claims", u.Claims); err != nil {
			return err
		}
	}
	return checkUser(*u)
}

func verified(at time.Time, yes bool, now time.Time) time.Time {
	switch {
	case !yes:
		return time.Time{}
	case at.IsZero():
		return now
	}
	return at
}

func checkUser(u auth.User) error {
	if u.Email == "" && u.Username == "" {
		return auth.Invalid("email", "a user needs an email or a username")
	}
	if u.Email != "" {
		if err := checkEmail("email", u.Email); err != nil {
			return err
		}
	}
	if u.Username != "" {
		if err := checkUsername("username", u.Username); err != nil {
			return err
		}
	}
	return checkText("name", u.Name, maxName)
}

// checkRoles wants roles that exist and that the actor may grant.
func (s *Service) checkRoles(ctx context.Context, a act, field string, roles []string) error {
	if err := checkSet(field, roles); err != nil {
		return err
	}
	for _, name := range roles {
		role, err := s.Directory.RoleByName(ctx, name)
		if errors.Is(err, auth.ErrNotFound) || err == nil && role.Name != name {
			return auth.Invalid(field, "there is no role %.128q", name)
		}
		if err != nil {
			return err
		}
	}
	return s.withinRoles(ctx, a, field, roles)
}

// UpdateUser changes what in says of a user. Who is disabled or gets another
// password loses every session; who loses a role every token that is out, since
// roles are in those. seq is the revocation log's number of that, 0 if nothing
// ended.
func (s *Service) UpdateUser(ctx context.Context, actor Actor, id string, in UserFields) (u auth.User, seq uint64, err error) {
	hash, a := "", act{actor, "user.update", id}
	if in.Password != nil {
		if hash, err = s.hashAnother(ctx, a, in); err != nil {
			return u, 0, err
		}
	}
	s.edit.Lock()
	defer s.edit.Unlock()
	err = settled("user", func() error {
		u, seq, err = s.updateUser(ctx, a, in, hash)
		if errors.Is(err, auth.ErrMoved) && actor.ID == id { // the rights by which this was allowed may be gone
			return overtaken("user")
		}
		return err
	})
	return u, seq, err
}

func (s *Service) updateUser(ctx context.Context, a act, in UserFields, hash string) (u auth.User, seq uint64, err error) {
	before, err := s.reach(ctx, a)
	if err != nil {
		return u, 0, err
	}
	if a.actor.ID == a.target { // it may have waited behind a change that took rights from them
		if a.actor.Permissions, err = s.permissionsOf(ctx, before); err != nil {
			return u, 0, err
		}
	}
	u = before
	if err := s.apply(ctx, &u, in); err != nil {
		return u, 0, err
	}
	if err := s.checkRoles(ctx, a, "roles", u.Roles); err != nil {
		return u, 0, err
	}
	if hash == "" {
		set(&u.MustChange, in.MustChange)
	}
	seq, err = s.Users.UpdateUser(ctx, u, before.UpdatedAt, ending(before, u), u.UpdatedAt, s.changed(a, changes(before, u)...))
	if err != nil || hash == "" {
		return u, seq, s.keepsAdministrator(ctx, a, err)
	}
	return s.resetPassword(ctx, a, u, hash, in.MustChange != nil && *in.MustChange)
}

// hashAnother is hash for a user who is there, with the names that in says.
func (s *Service) hashAnother(ctx context.Context, a act, in UserFields) (string, error) {
	u, err := s.reach(ctx, a)
	if err != nil {
		return "", err
	}
	set(&u.Email, in.Email)
	set(&u.Username, in.Username)
	set(&u.Name, in.Name)
	return s.hash(ctx, *in.Password, u)
}

// permissionsOf are a user's permissions at this moment.
func (s *Service) permissionsOf(ctx context.Context, u auth.User) ([]string, error) {
	if u.Disabled {
		return nil, nil
	}
	return s.Users.Permissions(ctx, u.Roles)
}

// reach reads the user that an act is about, if the actor may touch them.
func (s *Service) reach(ctx context.Context, a act) (auth.User, error) {
	u, err := s.Users.UserByID(ctx, a.target)
	if err != nil {
		return u, failed(err, "user")
	}
	return u, s.withinUser(ctx, a, u)
}

// changes says for the audit what an administrator changed of a user: which
// roles, and for the rest the names of the fields alone.
func changes(before, after auth.User) []string {
	var out []string
	for _, c := range []struct {
		what    string
		changed bool
	}{
		{"email", before.Email != after.Email},
		{"email_verified", before.VerifiedAt.IsZero() != after.VerifiedAt.IsZero()},
		{"username", before.Username != after.Username},
		{"name", before.Name != after.Name},
		{"claims", string(before.Claims) != string(after.Claims)},
		{"must_change_password", before.MustChange != after.MustChange},
		{"disabled", after.Disabled && !before.Disabled},
		{"enabled", before.Disabled && !after.Disabled},
	} {
		if c.changed {
			out = append(out, c.what)
		}
	}
	return append(out, gains("roles", before.Roles, after.Roles))
}

// ending says what ends with a change of a user.
func ending(before, after auth.User) *auth.Ending {
	switch {
	case after.Disabled && !before.Disabled:
		return &auth.Ending{UserID: after.ID, NewEpoch: auth.Random128(), Reason: "disabled"}
	case len(lost(before.Roles, after.Roles)) > 0:
		return renewed(after.ID)
	}
	return nil
}

func (s *Service) resetPassword(ctx context.Context, a act, u auth.User, hash string, mustChange bool) (auth.User, uint64, error) {
	a.action = "user.password"
	seq, err := s.Users.SetPassword(ctx, u.ID, "", hash, mustChange, auth.Random128(), u.UpdatedAt, s.event(a))
	u.MustChange = mustChange
	return u, seq, failed(err, "user")
}

// DeleteUser ends everything of a user and removes them.
func (s *Service) DeleteUser(ctx context.Context, actor Actor, id string) (uint64, error) {
	s.edit.Lock()
	defer s.edit.Unlock()
	a := act{actor, "user.delete", id}
	if _, err := s.reach(ctx, a); err != nil {
		return 0, err
	}
	seq, err := s.Users.DeleteUser(ctx, id, s.Now(), s.event(a))
	return seq, s.keepsAdministrator(ctx, a, err)
}

// User answers one user.
func (s *Service) User(ctx context.Context, id string) (auth.User, error) {
	u, err := s.Users.UserByID(ctx, id)
	return u, failed(err, "user")
}

// keepsAdministrator refuses what would take the last administrator away: nobody
// could ever give the role back. The store has found that out, since another node
// may be taking the last but one away at this moment.
func (s *Service) keepsAdministrator(ctx context.Context, a act, err error) error {
	if errors.Is(err, auth.ErrLastAdministrator) {
		return s.forbid(ctx, a, "", "this is the last administrator")
	}
	return failed(err, "user")
}

// reserved says whether a name belongs to Writ itself, in whatever letter case.
func reserved(name string) bool {
	return len(name) >= len(auth.ReservedPrefix) && strings.EqualFold(name[:len(auth.ReservedPrefix)], auth.ReservedPrefix)
}
