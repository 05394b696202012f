// Package client is what the endpoints of OAuth that clients call have in
// common: a form in the body of a POST, strictly read, and the client that sent
// it, authenticated before anything else is looked at. Its errors are those of
// RFC 6749, section 5.2.
package client

import (
	"context"
	"net/http"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/clientauth"
	"github.com/writ-auth/writ/server/internal/edge"
)

// Request is a request of a client.
type Request struct {
	Client  clientauth.Client
	Form    edge.Form // credentials included: don't hand it on
	Address string    // where the request comes from
	// Thumbprint is that of a key which the client has shown to have (RFC 9449):
	// what it gets is to be bound to it. "": none. Endpoints that take proofs set
	// it.
	Thumbprint string
}

// Authenticator knows clients.
type Authenticator interface {
	Authenticate(ctx context.Context, c clientauth.Credentials) (clientauth.Client, error)
}

// Endpoint is one address, such as /oauth/token. The first three fields are
// required.
type Endpoint struct {
	Path    string
	Clients Authenticator
	// Serve answers an authenticated client. Whether a public one is enough is
	// for Serve to say.
	Serve func(w http.ResponseWriter, r *http.Request, req Request) error
	// Pages lets the pages of any origin call: applications in a browser are
	// public clients. Nothing that a browser sends by itself counts here.
	Pages bool
	// Bearer lets a grant that the client has signed tell who it is (RFC 7523,
	// section 3.1), where the request has nothing else.
	Bearer bool
}

// Route is the endpoint's pattern for package net/http.
func (e Endpoint) Route() string { return http.MethodPost + " " + e.Path }

// Register adds the endpoint to mux. Other methods are answered as OAuth has
// it, too.
func (e Endpoint) Register(mux *http.ServeMux) {
	mux.Handle(e.Route(), edge.OAuthHandler(e.serve))
	mux.Handle(e.Path, edge.OAuthHandler(notPost))
	if e.Pages {
		mux.Handle(http.MethodOptions+" "+e.Path, edge.OAuthHandler(edge.PublicPreflight(http.MethodPost)))
	}
}

func notPost(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Allow", http.MethodPost)
	return auth.Errorf(auth.CodeMethodNotAllowed, "This address takes POST.")
}

func (e Endpoint) serve(w http.ResponseWriter, r *http.Request) error {
	if e.Pages {
		edge.PublicAnswer(w)
	}
	form, err := edge.ReadForm(w, r)
	if err != nil {
		return err
	}
	req := Request{Form: form}
	if addr := edge.ClientAddress(r); addr.IsValid() {
		req.Address = addr.String()
	}
	grant := ""
	if e.Bearer && form["grant_type"] == auth.GrantJWTBearer {
		grant = form["assertion"]
	}
	req.Client, err = e.Clients.Authenticate(r.Context(), clientauth.Credentials{
		Authorization: r.Header.Values("Authorization"), ID: form["client_id"], Secret: form["client_secret"],
		AssertionType: form["client_assertion_type"], Assertion: form["client_assertion"], Grant: grant, Address: req.Address,
	})
	if err != nil {
		return err
	}
	return e.Serve(w, r, req)
}
