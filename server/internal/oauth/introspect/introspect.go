// Package introspect is the door /oauth/introspect (RFC 7662): an API, or the
// client that holds a token, asks whether it is good at this moment.
//
// For everything else the answer is {"active":false} and no more: whether a
// token was forged, has expired, was revoked or is simply somebody else's.
package introspect

import (
	"context"
	"net/http"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/clientauth"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/client"
	"github.com/writ-auth/writ/server/internal/introspection"
)

// Path is where the endpoint is.
const Path = "/oauth/introspect"

// Options are what a Door is made of; every field is required.
type Options struct {
	Issuer  string
	Clients client.Authenticator
	Tokens  Tokens
}

// Tokens judges tokens.
type Tokens interface {
	Active(ctx context.Context, who clientauth.Client, raw string) (*introspection.Token, error)
}

// Door is the introspection endpoint.
type Door struct {
	Options
	endpoint client.Endpoint
}

// New makes the door.
func New(opts Options) *Door {
	d := &Door{Options: opts}
	d.endpoint = client.Endpoint{Path: Path, Clients: opts.Clients, Serve: d.serve}
	return d
}

// Register adds the door's route to mux.
func (d *Door) Register(mux *http.ServeMux) { d.endpoint.Register(mux) }

// Routes lists the door's patterns, for the documents that describe them.
func Routes() []string { return []string{client.Endpoint{Path: Path}.Route()} }

func (d *Door) serve(w http.ResponseWriter, r *http.Request, req client.Request) error {
	if req.Client.Public() {
		return auth.Errorf(auth.CodeInvalidCredentials, "Client authentication failed.") // anybody may say that name
	}
	raw := req.Form["token"]
	if raw == "" {
		return auth.Invalid("token", "token is missing")
	}
	token, err := d.Tokens.Active(r.Context(), req.Client, raw)
	if err != nil {
		return err
	}
	switch {
	case token == nil:
		return edge.WriteJSON(w, http.StatusOK, inactive{})
	case token.Grant != nil:
		return edge.WriteJSON(w, http.StatusOK, d.viewGrant(*token.Grant))
	}
	edge.SendJSON(w, http.StatusOK, token.Answer)
	return nil
}

type inactive struct {
	Active bool `json:"active"`
}

// refreshView is the answer for a refresh token.
type refreshView struct {
	Active    bool   `json:"active"`
	Issuer    string `json:"iss"`
	Subject   string `json:"sub"`
	ClientID  string `json:"client_id"`
	SessionID string `json:"sid"`
	IssuedAt  int64  `json:"iat"`
	Expiry    int64  `json:"exp"`
}

func (d *Door) viewGrant(g auth.Grant) refreshView {
	expiry := g.IdleExpiry
	if g.AbsoluteExpiry.Before(expiry) {
		expiry = g.AbsoluteExpiry
	}
	return refreshView{Active: true, Issuer: d.Issuer, Subject: g.UserID, ClientID: g.ClientID, SessionID: g.ID,
		IssuedAt: g.Rotation.IssuedAt.Truncate(time.Second).Unix(), Expiry: expiry.Unix()}
}
