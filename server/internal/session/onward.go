package session

import (
	"context"
	"errors"
	"time"

	"github.com/writ-auth/writ/jwt"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/mint"
)

// Onward asks for an access token of somebody's session for a further API, in
// the hands of a service that was sent one (RFC 8693).
type Onward struct {
	Token    jwt.AccessClaims // what the service was sent, verified
	API      auth.API
	Scope    []string
	Expiry   time.Time // at the latest
	Delegate mint.Delegate
	// Thumbprint is of the key that the token is bound to; "": none.
	Thumbprint string
}

// Onward makes the token. It says nothing of the person that a token for the
// application which signed them in would not say, and is about the same sign-in.
// CodeInvalidToken if the session is over.
//
// The marks of user, grant and its client stand already as high as the token
// that the service was sent needs, and this one expires no later.
func (s *Service) Onward(ctx context.Context, in Onward) (mint.Access, error) {
	held, err := s.Sessions.HeldByGrant(ctx, in.Token.SessionID)
	if errors.Is(err, auth.ErrNotFound) {
		return mint.Access{}, errBearer(err)
	}
	if err != nil {
		return mint.Access{}, err
	}
	if err := aliveForToken(held); err != nil {
		return mint.Access{}, errBearer(err)
	}
	if err := s.place(ctx, &held.Grant, in.API); err != nil {
		return mint.Access{}, err
	}
	held.Grant.Scope, held.Grant.Mode, held.Grant.DPoPThumbprint = in.Scope, auth.ModeToken, in.Thumbprint
	// Of the sign-in as the token knew it: a later one, of which its bearer has
	// nothing, must not make it stronger.
	held.Session.AuthTime, held.Session.AMR, held.Session.ACR = in.Token.AuthTime.Time(), in.Token.AMR, in.Token.ACR
	held.Grant.AuthTime = held.Session.AuthTime
	req, err := s.request(ctx, held, in.API, held.Now)
	if err != nil {
		return mint.Access{}, err
	}
	req.Delegate, req.Expiry = &in.Delegate, earliest(req.Expiry, in.Expiry)
	return s.Mint.Access(ctx, req)
}
