package directory

import (
	"cmp"
	"context"
	"errors"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/credential"
	"github.com/writ-auth/writ/server/internal/limit"
)

// SignupFields is what a stranger says of themselves.
type SignupFields struct {
	Email    string `json:"email"`
	Username string `json:"username"`
	Password string `json:"password"`
	Name     string `json:"name"`
}

// Signup makes an account for a stranger: no role, and an address that counts
// as unverified, so that nobody can claim another's by signing up with it.
// CodeSignupDisabled where the server doesn't allow it, CodeConflict for a
// taken address or name (until there is mail to answer differently), CodeTooMany
// where too many came from one address.
func (s *Service) Signup(ctx context.Context, in SignupFields, address string) (auth.User, error) {
	if !s.Options.Signup {
		return auth.User{}, auth.Errorf(auth.CodeSignupDisabled, "Signing up is turned off here; ask an administrator for an account.")
	}
	now := s.Now()
	u := auth.User{ID: auth.NewID(auth.PrefixUser), Email: in.Email, Username: in.Username, Name: in.Name,
		Epoch: auth.Random128(), CreatedAt: now, UpdatedAt: now}
	if err := checkUser(u); err != nil {
		return u, err
	}
	probe, err := s.Probes.Attempt(ctx, cmp.Or(in.Email, in.Username), address)
	if err != nil {
		return u, err
	}
	defer probe.Release()
	if err := s.Signups.Take(ctx, address); err != nil {
		return u, err
	}
	ctx = credential.Network(ctx, limit.Network(address))
	if u.PasswordHash, err = s.hash(ctx, in.Password, u); err != nil {
		return u, err
	}
	err = s.Users.CreateUser(ctx, u, s.event(act{Actor{ID: u.ID, Address: address}, "user.signup", u.ID}))
	if errors.Is(err, auth.ErrConflict) {
		probe.Failed()
	}
	return u, failed(err, "user")
}

// SelfFields is what users may change of themselves; what is nil stays. The
// e-mail isn't among it: until there is mail to prove a new one, whoever
// borrowed a browser could take the account with it.
type SelfFields struct {
	Name     *string `json:"name"`
	Username *string `json:"username"`
}

// UpdateSelf changes what a user may say of themselves. Whoever tries user names
// to learn which are taken is slowed down as at sign-up.
func (s *Service) UpdateSelf(ctx context.Context, id string, in SelfFields, address string) (auth.User, error) {
	if in.Username == nil {
		return s.updateSelf(ctx, id, in, address)
	}
	probe, err := s.Probes.Attempt(ctx, id, address)
	if err != nil {
		return auth.User{}, err
	}
	defer probe.Release()
	u, err := s.updateSelf(ctx, id, in, address)
	var e *auth.Error
	if errors.As(err, &e) && e.Code == auth.CodeConflict {
		probe.Failed()
	}
	return u, err
}

func (s *Service) updateSelf(ctx context.Context, id string, in SelfFields, address string) (auth.User, error) {
	s.edit.Lock()
	defer s.edit.Unlock()
	u, err := s.User(ctx, id)
	if err != nil {
		return u, err
	}
	set(&u.Name, in.Name)
	set(&u.Username, in.Username)
	if err := checkUser(u); err != nil {
		return u, err
	}
	// Nothing but these two is written: on another node the account may be disabled
	// at this moment, or lose its roles, and its owner must not undo that.
	u, err = s.Users.UpdateProfile(ctx, id, in.Name, in.Username, s.Now(), s.event(act{Actor{ID: id, Address: address}, "user.update", id}))
	return u, failed(err, "user")
}
