package clientauth

import (
	"context"
	"slices"

	"github.com/writ-auth/writ/server/internal/auth"
)

// errGrant is the one answer to a grant that the client hasn't signed, or not for
// us, or not lately, or that was used before (RFC 7523, section 3.1).
func errGrant() error { return auth.Errorf("invalid_grant", "The assertion is not valid.") }

// Grant checks a grant that a client has signed with its registered key (RFC
// 7523, section 2.1): it is made as an assertion of client authentication is, and
// used once, whichever of the two it was used as, but needs no jti. A shared secret signs nothing
// here: the server keeps a hash of it, which can't check a MAC. Its error is
// "invalid_grant" for everything that is wrong with it.
func (s *Service) Grant(ctx context.Context, client Client, assertion, address string) error {
	if client.Method == methodGrant {
		return nil // it is how the client came in
	}
	given := presented{method: methodGrant, id: client.ID(), assertion: assertion}
	if len(assertion) > maxAssertion || !MaySign(client.Client) {
		return s.refused(ctx, client.Registration, address, "grant", errGrant())
	}
	claims, err := s.checkAssertion(ctx, given, client.Client)
	if err != nil {
		return err
	}
	if claims == nil {
		return s.refused(ctx, client.Registration, address, "grant", errGrant())
	}
	return s.use(ctx, client, *claims, assertion, address, errGrant())
}

// MaySign says whether a client may ask for things with what it has signed, and
// nothing else: it keeps out who isn't registered for it, and public clients: a key
// in everybody's hands proves nothing.
func MaySign(c auth.Client) bool {
	return !c.Disabled && c.TokenEndpointAuthMethod != auth.AuthNone && slices.Contains(c.GrantTypes, auth.GrantJWTBearer)
}
