// Package revoke is the door /oauth/revoke (RFC 7009): a client ends a token of
// its own. A refresh token takes its grant with it, an access token goes alone.
//
// Whoever authenticates gets the same empty 200 for every token, ended or not:
// an unknown token has nothing to be ended, and whether somebody else's exists
// is nobody's business.
package revoke

import (
	"context"
	"net/http"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/clientauth"
	"github.com/writ-auth/writ/server/internal/edge/client"
	"github.com/writ-auth/writ/server/internal/introspection"
)

// Path is where the endpoint is.
const Path = "/oauth/revoke"

// Options are what a Door is made of; every field is required.
type Options struct {
	Clients     client.Authenticator
	Tokens      Tokens
	Revocations Revocations
}

// Tokens judges tokens.
type Tokens interface {
	Own(ctx context.Context, who clientauth.Client, raw string) (*introspection.Token, error)
}

// Revocations ends what tokens stand for.
type Revocations interface {
	RevokeGrant(ctx context.Context, grantID string, ev auth.Event) error
	RevokeOwnToken(ctx context.Context, jti string, expiry time.Time, ev auth.Event) error
}

// Door is the revocation endpoint.
type Door struct {
	Options
	endpoint client.Endpoint
}

// New makes the door.
func New(opts Options) *Door {
	d := &Door{Options: opts}
	d.endpoint = client.Endpoint{Path: Path, Clients: opts.Clients, Serve: d.serve, Pages: true}
	return d
}

// Register adds the door's route to mux.
func (d *Door) Register(mux *http.ServeMux) { d.endpoint.Register(mux) }

// Routes lists the door's patterns, for the documents that describe them.
func Routes() []string { return []string{client.Endpoint{Path: Path}.Route()} }

// serve looks at the token itself and never at token_type_hint, which may be
// wrong (RFC 7009, section 2.1).
func (d *Door) serve(w http.ResponseWriter, r *http.Request, req client.Request) error {
	raw := req.Form["token"]
	if raw == "" {
		return auth.Invalid("token", "token is missing")
	}
	token, err := d.Tokens.Own(r.Context(), req.Client, raw)
	if err != nil {
		return err
	}
	if token != nil {
		if err := d.end(r.Context(), token, auth.Event{Actor: req.Client.ID(), Address: req.Address}); err != nil {
			return err
		}
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

func (d *Door) end(ctx context.Context, token *introspection.Token, ev auth.Event) error {
	if token.Grant != nil {
		return d.Revocations.RevokeGrant(ctx, token.Grant.ID, ev)
	}
	return d.Revocations.RevokeOwnToken(ctx, token.Claims.ID, token.Claims.Expiry.Time(), ev)
}
