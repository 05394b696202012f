// Package par is the door /oauth/par (RFC 9126): a client leaves its
// authorization request here, and its browser brings but a reference to the
// authorization endpoint. So nobody on the way can change the request, and
// only the client can have made it.
package par

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/authorization"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/client"
)

// Path is where the endpoint is.
const Path = "/oauth/par"

// Requests takes pushed requests.
type Requests interface {
	Push(ctx context.Context, clientID string, params map[string]string) (requestURI string, err error)
}

// Door is the pushed authorization request endpoint.
type Door struct {
	endpoint client.Endpoint
	requests Requests
}

// New makes the door.
func New(clients client.Authenticator, requests Requests) *Door {
	d := &Door{requests: requests}
	d.endpoint = client.Endpoint{Path: Path, Clients: clients, Serve: d.serve, Pages: true}
	return d
}

// Register adds the door's route to mux.
func (d *Door) Register(mux *http.ServeMux) { d.endpoint.Register(mux) }

// Routes lists the door's patterns, for the documents that describe them.
func Routes() []string { return []string{client.Endpoint{Path: Path}.Route()} }

// response is RFC 9126, section 2.2.
type response struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int64  `json:"expires_in"`
}

func (d *Door) serve(w http.ResponseWriter, r *http.Request, req client.Request) error {
	uri, err := d.requests.Push(r.Context(), req.Client.ID(), req.Form)
	var refusal *authorization.Refusal
	if errors.As(err, &refusal) {
		return toClient(refusal)
	}
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-cache, no-store")
	return edge.WriteJSON(w, http.StatusCreated, response{uri, int64(authorization.PushedTTL / time.Second)})
}

// toClient is what the authorization endpoint would have told the client by way
// of the browser.
func toClient(r *authorization.Refusal) error {
	code := auth.Code(r.Code)
	if r.Code == "invalid_request" {
		code = auth.CodeInvalid
	}
	return auth.Errorf(code, "%s", r.Description)
}
