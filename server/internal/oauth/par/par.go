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
	"github.com/writ-auth/writ/server/internal/possession"
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
	proofs   client.Proofs
}

// New makes the door.
func New(clients client.Authenticator, requests Requests, proofs client.Proofs) *Door {
	d := &Door{requests: requests, proofs: proofs}
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
	if err := d.bind(w, r, req); err != nil {
		return err
	}
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

// bind makes the key of a proof that comes with a request the one that its code
// is for, as the parameter dpop_jkt would (RFC 9449, section 10.1).
func (d *Door) bind(w http.ResponseWriter, r *http.Request, req client.Request) error {
	proof, err := client.Prove(w, r, d.proofs, Path)
	if err != nil || proof == nil {
		return err
	}
	if named := req.Form["dpop_jkt"]; named != "" && named != proof.Thumbprint() {
		return possession.Invalid(errOtherKey)
	}
	req.Form["dpop_jkt"] = proof.Thumbprint()
	return d.proofs.Use(r.Context(), proof, req.Client.ID(), req.Address)
}

var errOtherKey = errors.New("dpop_jkt names another key than the proof's")

// toClient is what the authorization endpoint would have told the client by way
// of the browser.
func toClient(r *authorization.Refusal) error {
	code := auth.Code(r.Code)
	if r.Code == "invalid_request" {
		code = auth.CodeInvalid
	}
	return auth.Errorf(code, "%s", r.Description)
}
