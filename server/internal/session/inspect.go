package session

import (
	"context"
	"errors"

	"github.com/writ-auth/writ/jwt"
	"github.com/writ-auth/writ/server/internal/auth"
)

// HeldByToken answers the grant of an access token that was verified, for
// whichever API. CodeInvalidToken if the token was revoked or what it belongs
// to is over.
func (s *Service) HeldByToken(ctx context.Context, tok *jwt.Token[jwt.AccessClaims]) (auth.Held, error) {
	return s.heldBy(ctx, tok)
}

// HeldByRefresh answers the grant of a refresh token, and whether a refresh
// with it would be answered now. A used one belongs to its grant all the same.
// CodeInvalidToken for what is no refresh token of this server.
func (s *Service) HeldByRefresh(ctx context.Context, token string) (held auth.Held, live bool, err error) {
	h, generation, err := decodeToken(s.Keys, token)
	if err != nil {
		return held, false, errRefresh()
	}
	held, err = s.Sessions.HeldByHandle(ctx, h.hash())
	if errors.Is(err, auth.ErrNotFound) {
		return held, false, errRefresh()
	}
	if err != nil || alive(held) != nil {
		return held, false, err
	}
	number, _ := s.Keys.CurrentTag()
	verdict, _ := s.Rule.Decide(held.Grant.Rotation, generation, held.Now, number)
	live = verdict == VerdictRotate || verdict == VerdictRepeat || verdict == VerdictRecover
	return held, live, nil
}
