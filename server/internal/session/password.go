package session

import (
	"context"
	"errors"
	"slices"

	"github.com/writ-auth/writ/jwt"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/credential"
	"github.com/writ-auth/writ/server/internal/limit"
)

// changeClaims are those of a token that is good for a password change alone.
type changeClaims struct {
	jwt.Claims
	Epochs []string `json:"epochs"`
}

// PasswordChange changes a user's own password.
type PasswordChange struct {
	Request
	User    auth.User
	Current string
	New     string
}

// ByChangeToken answers the user of a token that a sign-in with a password
// that must be changed got.
func (s *Service) ByChangeToken(ctx context.Context, token string) (auth.User, error) {
	tok, err := s.change.Verify(ctx, token)
	if err != nil {
		return auth.User{}, tokenError(err)
	}
	c := tok.Claims()
	user, err := s.Users.UserByID(ctx, c.Subject)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return auth.User{}, err
	}
	if err != nil || user.Disabled || !slices.Equal(c.Epochs, []string{user.Epoch}) {
		return auth.User{}, errBearer(err)
	}
	return user, nil
}

// ChangePassword replaces the password and ends every session of the user:
// whoever knew the old one is out. It answers the revocation log's number.
func (s *Service) ChangePassword(ctx context.Context, in PasswordChange) (uint64, error) {
	if err := s.Passwords.Check("new_password", in.New, in.User.Email, in.User.Username, in.User.Name); err != nil {
		return 0, err
	}
	ctx = credential.Network(ctx, limit.Network(in.Address))
	if err := s.checkCurrent(ctx, in); err != nil {
		return 0, err
	}
	if in.New == in.Current {
		return 0, auth.Invalid("new_password", "must differ from the current one")
	}
	hash, err := s.Passwords.Hash(ctx, in.New)
	if err != nil {
		return 0, err
	}
	now := s.Now()
	seq, err := s.Users.SetPassword(ctx, in.User.ID, in.User.PasswordHash, hash, false, auth.Random128(), now, auth.Event{
		At: now, Actor: in.User.ID, Action: "user.password", Target: in.User.ID, Address: in.Address,
		Verdict: "allowed", Reason: "password_change"})
	if errors.Is(err, auth.ErrConflict) {
		return 0, auth.Errorf(auth.CodeConflict, "The password was changed in the meantime.")
	}
	return seq, err
}

// checkCurrent asks for the current password even of somebody signed in: a
// borrowed browser must not become a stolen account. Guesses count as failed
// sign-ins do.
func (s *Service) checkCurrent(ctx context.Context, in PasswordChange) error {
	attempt, err := s.Throttle.Attempt(ctx, guessOfPassword+in.User.ID, in.Address)
	if err != nil {
		return err
	}
	defer attempt.Release()
	ok, err := s.verify(ctx, in.User.PasswordHash, in.Current)
	if err != nil {
		return err
	}
	if !ok {
		attempt.Failed()
		e := errCredentials()
		return errors.Join(e, s.refused(ctx, "user.password", in.User.ID, in.Address, "credentials"))
	}
	attempt.Succeeded()
	return nil
}
