// Package clientkeys is the door /oauth/client-keys: an API that takes JWTs which
// its clients have signed themselves asks here for the public keys of one of
// them, and for what that client may do at the API.
//
// An API learns of the clients that may ask tokens for it and may sign grants,
// and of nobody else: for all others the answer is an empty set of keys. Secrets
// are no keys, and never leave the server.
package clientkeys

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/clientauth"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/client"
)

// Path is where the endpoint is.
const Path = "/oauth/client-keys"

// maxAge is how long an API may go on with an answer. What ends a client is in
// the revocation log, and counts at once; a key that was replaced counts until
// then.
const maxAge = time.Minute

// Options are what a Door is made of; every field is required.
type Options struct {
	Clients  client.Authenticator
	Registry auth.Registry
	Keys     Keys
}

// Keys finds the public keys of clients.
type Keys interface {
	Set(ctx context.Context, c auth.Client, alg jwk.Algorithm, kid string) (*jwk.Set, error)
}

// Door is the endpoint.
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

// signer is a JWK Set (RFC 7517, section 5) with further members.
type signer struct {
	Keys     []*jwk.PublicKey `json:"keys"`
	ClientID string           `json:"client_id,omitempty"`
	Audience string           `json:"audience,omitempty"`
	Scope    string           `json:"scope,omitempty"` // what the client may do at the API
	Epoch    string           `json:"epoch,omitempty"` // revoked with the client
	MaxAge   int64            `json:"max_age"`         // seconds
}

func (d *Door) serve(w http.ResponseWriter, r *http.Request, req client.Request) error {
	if req.Client.Public() {
		return auth.Errorf(auth.CodeInvalidCredentials, "Client authentication failed.") // anybody may say that name
	}
	for _, name := range []string{"client", "audience"} {
		if req.Form[name] == "" {
			return auth.Invalid(name, "%s is missing", name)
		}
	}
	answer := signer{Keys: []*jwk.PublicKey{}, MaxAge: int64(maxAge / time.Second)}
	if req.Client.Serves(req.Form["audience"]) {
		if err := d.find(r.Context(), req.Form, &answer); err != nil {
			return err
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	return edge.WriteJSON(w, http.StatusOK, answer)
}

// find fills in the answer about a client that may sign for the API.
func (d *Door) find(ctx context.Context, form edge.Form, answer *signer) error {
	known, err := d.Registry.Registration(ctx, form["client"])
	if errors.Is(err, auth.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	api := known.API(form["audience"])
	if api == nil || !clientauth.MaySign(known.Client) || known.Client.DPoPBound { // what it signs is a bearer token
		return nil
	}
	keys, err := d.Keys.Set(ctx, known.Client, jwk.Algorithm(form["alg"]), form["kid"])
	if err != nil {
		return err
	}
	for key := range keys.All() {
		answer.Keys = append(answer.Keys, key)
	}
	answer.ClientID, answer.Audience, answer.Epoch = known.Client.ID, api.Audience, known.Client.Epoch
	answer.Scope = strings.Join(api.ScopesOf(strings.Fields(known.Client.Scope)), " ")
	return nil
}
