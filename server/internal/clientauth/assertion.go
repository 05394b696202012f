package clientauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"time"

	"github.com/writ-auth/writ/jwt"
	"github.com/writ-auth/writ/server/internal/auth"
)

const (
	// typeAssertion is the typ of an assertion that says what it is (the
	// revision of RFC 7523).
	typeAssertion = "client-authentication+jwt"
	// typeGrant is that of one that is a grant.
	typeGrant = "authorization-grant+jwt"
	// MaxAssertionTTL is how far ahead an assertion's exp may be, and how long
	// ago its iat: one that is good for longer is one that waits to be stolen.
	MaxAssertionTTL = 5 * time.Minute
	// leeway is what clocks may differ.
	leeway = 10 * time.Second
)

// checkAssertion answers the claims of an assertion that the client signed for
// us; nil if it is not that.
func (s *Service) checkAssertion(ctx context.Context, given presented, c auth.Client) (*jwt.Claims, error) {
	keys, err := s.Keys.Of(c)
	if err != nil {
		return nil, err
	}
	if keys == nil {
		s.decoyed(ctx, given)
		return nil, nil
	}
	token, err := s.verify(ctx, given, keys)
	if errors.Is(err, jwt.ErrKey) {
		s.decoyed(ctx, given)
	}
	if err != nil || !s.acceptable(token, given.id) {
		return nil, nil
	}
	claims := token.Claims()
	return &claims, nil
}

// verify takes an assertion that says nothing of its kind, or the right one: one
// made for the other purpose is refused.
func (s *Service) verify(ctx context.Context, given presented, keys jwt.KeySource) (*jwt.Token[jwt.Claims], error) {
	of := s.authentication
	if given.method == methodGrant {
		of = s.grant
	}
	token, err := of.plain.With(given.id, keys).Verify(ctx, given.assertion)
	if errors.Is(err, jwt.ErrType) {
		return of.typed.With(given.id, keys).Verify(ctx, given.assertion)
	}
	return token, err
}

// decoyed costs what checking a signature costs: without it the time would
// tell for which clients there is a key to check with.
func (s *Service) decoyed(ctx context.Context, given presented) {
	_, _ = s.verify(ctx, given, s.decoy)
}

// acceptable checks what RFC 7523 and its revision demand beyond signature,
// iss, exp and nbf: sub is the client too; aud is the issuer as one string, for
// in a list another server could stand beside us and use the assertion here;
// and the assertion is short-lived.
func (s *Service) acceptable(token *jwt.Token[jwt.Claims], id string) bool {
	c := token.Claims()
	now := s.Now()
	audience, err := stringMember(string(token.Payload()), "aud")
	return err == nil && audience == s.Issuer && c.Subject == id &&
		!c.Expiry.Time().After(now.Add(MaxAssertionTTL+leeway)) &&
		(c.IssuedAt.IsZero() || !c.IssuedAt.Time().Before(now.Add(-MaxAssertionTTL-leeway)))
}

// use lets an assertion be used once, on any node and after any restart. One
// without a jti is known by what was signed, and not by its signature, of which
// whoever has seen one can make another that is as good (ECDSA).
func (s *Service) use(ctx context.Context, client Client, c jwt.Claims, assertion, address string, answer error) error {
	name := c.ID
	if name == "" {
		name = "\x00" + assertion[:strings.LastIndexByte(assertion, '.')]
	}
	until := c.Expiry.Time().Add(leeway + time.Second)
	fresh, err := s.Assertions.UseAssertion(ctx, client.ID(), sha256.Sum256([]byte(name)), until)
	if err != nil {
		return err
	}
	if !fresh {
		return s.refused(ctx, client.Registration, address, "assertion used before", answer)
	}
	return nil
}
