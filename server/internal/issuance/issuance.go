// Package issuance hands out access tokens that belong to no session: those of
// clients that act for themselves. Package session does so for people.
package issuance

import (
	"context"
	"errors"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/mint"
)

// Options are what a Service is made of; every field is required.
type Options struct {
	Mint      *mint.Mint
	Marks     Marks
	Keys      Keys
	AccessTTL time.Duration // of a token whose API says nothing
	Now       func() time.Time
}

// Marks is where it is kept until when tokens live.
type Marks interface {
	Raise(ctx context.Context, marks auth.Marks) error
}

// Keys knows what is kept of signing keys.
type Keys interface {
	// Marked says whether the store knows that a token of this key lives so long.
	Marked(kid string, expiry time.Time) bool
	// Mark notes that it does.
	Mark(kid string, expiry time.Time)
}

// Service makes tokens. It is safe for concurrent use.
type Service struct{ Options }

// New makes the service.
func New(opts Options) *Service { return &Service{opts} }

// Token is an access token and for how long it is good.
type Token struct {
	AccessToken string
	ExpiresIn   time.Duration
}

// ForClient makes a token for the client itself. What must be known to revoke
// the token is durable before it leaves, and most tokens need nothing written:
// the marks stand for an hour at least. CodeUnavailable if the client was ended
// or deleted in this very moment; the next attempt tells.
// A thumbprint, if it isn't "", is of the key that the token is bound to.
func (s *Service) ForClient(ctx context.Context, c auth.Client, api auth.API, scope []string, thumbprint string) (Token, error) {
	now := s.Now()
	access, err := s.Mint.ClientAccess(ctx, mint.ClientRequest{Client: c, API: api, Scope: scope, Now: now,
		Expiry: now.Add(s.Lifetime(api)), Thumbprint: thumbprint})
	if err != nil {
		return Token{}, err
	}
	return s.Release(ctx, c, access, now)
}

// Release makes durable what must be known to revoke a token that a client is
// about to get, with everything of the client, and answers it.
func (s *Service) Release(ctx context.Context, c auth.Client, access mint.Access, now time.Time) (Token, error) {
	if err := s.raise(ctx, c, access); err != nil {
		return Token{}, err
	}
	return Token{access.Token, access.Expiry.Sub(now.Truncate(time.Second))}, nil // as exp and iat have it
}

// Lifetime is that of an access token for an API.
func (s *Service) Lifetime(api auth.API) time.Duration {
	if api.AccessTTL != 0 {
		return api.AccessTTL
	}
	return s.AccessTTL
}

// raise raises the marks that are below the token's expiry, rounded up to the
// hour. The client's was read before the token was made; if everything of the
// client was ended since, the token has the old epoch, whose entry in the log
// outlives the mark, or is refused here.
func (s *Service) raise(ctx context.Context, c auth.Client, access mint.Access) error {
	m := auth.Marks{Expiry: access.Expiry.Add(time.Hour - 1).Truncate(time.Hour), ClientEpoch: c.Epoch}
	if c.Mark.Before(access.Expiry) {
		m.ClientID = c.ID
	}
	if access.KID != "" && !s.Keys.Marked(access.KID, access.Expiry) {
		m.KID = access.KID
	}
	if m.Empty() {
		return nil
	}
	if err := s.Marks.Raise(ctx, m); err != nil {
		if errors.Is(err, auth.ErrEpochChanged) || errors.Is(err, auth.ErrNotFound) {
			return &auth.Error{Code: auth.CodeUnavailable, Message: "The client or the signing key has just changed; try again.",
				RetryAfter: time.Second, Err: err}
		}
		return err
	}
	if m.KID != "" {
		s.Keys.Mark(m.KID, m.Expiry)
	}
	return nil
}
