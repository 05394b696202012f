package token

import (
	"context"
	"strings"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge/client"
	"github.com/writ-auth/writ/server/internal/issuance"
)

// Issuer makes tokens for clients.
type Issuer interface {
	ForClient(ctx context.Context, c auth.Client, api auth.API, scope []string, thumbprint string) (issuance.Token, error)
}

// clientCredentials is RFC 6749, section 4.4: the client asks for itself. There
// is no refresh token; the client can always ask again.
type clientCredentials struct{ issuer Issuer }

// Entitle implements Grant. A public client has nothing to ask with: anybody
// may say its name.
func (g clientCredentials) Entitle(_ context.Context, req client.Request) (Entitlement, error) {
	if req.Client.Public() {
		return Entitlement{}, unauthorized()
	}
	c := req.Client.Client
	return Entitlement{
		APIs: req.Client.APIs, Scope: strings.Fields(c.Scope),
		Issue: func(ctx context.Context, api auth.API, scope []string) (Issued, error) {
			token, err := g.issuer.ForClient(ctx, c, api, scope, req.Thumbprint)
			return Issued{AccessToken: token.AccessToken, ExpiresIn: token.ExpiresIn, Thumbprint: req.Thumbprint}, err
		},
	}, nil
}
