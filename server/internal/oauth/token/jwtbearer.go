package token

import (
	"context"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/clientauth"
	"github.com/writ-auth/writ/server/internal/edge/client"
)

// Signers knows the keys of clients.
type Signers interface {
	Grant(ctx context.Context, client clientauth.Client, assertion, address string) error
}

// jwtBearer is RFC 7523, section 2.1: the client signs with its own key that it
// wants a token for itself, and gets what client_credentials would give it.
type jwtBearer struct {
	clientCredentials
	signers Signers
}

// Entitle implements Grant.
func (g jwtBearer) Entitle(ctx context.Context, req client.Request) (Entitlement, error) {
	assertion := req.Form["assertion"]
	if assertion == "" {
		return Entitlement{}, auth.Invalid("assertion", "assertion is missing")
	}
	if req.Client.Public() {
		return Entitlement{}, unauthorized()
	}
	if err := g.signers.Grant(ctx, req.Client, assertion, req.Address); err != nil {
		return Entitlement{}, err
	}
	return g.clientCredentials.Entitle(ctx, req)
}
