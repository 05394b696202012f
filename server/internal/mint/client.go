package mint

import (
	"context"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// ClientRequest says which client gets a token that speaks for itself and for
// no person, for which API, and until when.
type ClientRequest struct {
	Client auth.Client
	API    auth.API
	Scope  []string
	Now    time.Time
	Expiry time.Time

	Delegate   *Delegate // a service that acts for the client; nil: none
	Thumbprint string    // of the key that the token is bound to (RFC 9449, section 6.1); "": none
}

// ClientAccess makes the access token of a client: sub is the client (RFC 9068,
// section 2.2), whose id is never a user's, and there is no sid, since there is
// no session to end. It is over with the client's epoch.
func (m *Mint) ClientAccess(ctx context.Context, req ClientRequest) (Access, error) {
	c := req.Client
	return m.Access(ctx, Request{
		User:  auth.User{ID: c.ID, Claims: c.Claims},
		Grant: auth.Grant{ClientID: c.ID, Scope: req.Scope, ClientEpoch: c.Epoch, DPoPThumbprint: req.Thumbprint},
		API:   req.API, Now: req.Now, Expiry: req.Expiry, Delegate: req.Delegate,
	})
}

// epochs lists what ends the tokens of a grant.
func epochs(g auth.Grant) []string {
	if g.UserEpoch == "" {
		return []string{g.ClientEpoch}
	}
	return []string{g.UserEpoch, g.ClientEpoch}
}
