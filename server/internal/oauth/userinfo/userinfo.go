// Package userinfo is the door /oauth/userinfo (OpenID Connect Core, section
// 5.3): what a client may know of the person whose access token it holds. The
// token must be for Writ itself and have the scope openid; what else it says is
// decided by its other scopes.
package userinfo

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/writ-auth/writ/dpop"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/client"
	"github.com/writ-auth/writ/server/internal/mint"
	"github.com/writ-auth/writ/server/internal/possession"
)

// Path is where the endpoint is.
const Path = "/oauth/userinfo"

// Sessions knows whose access token it is.
type Sessions interface {
	ByClientToken(ctx context.Context, token, thumbprint string) (held auth.Held, scope []string, err error)
}

// Door is the userinfo endpoint.
type Door struct {
	sessions Sessions
	proofs   client.Proofs
}

// New makes the door.
func New(sessions Sessions, proofs client.Proofs) *Door { return &Door{sessions, proofs} }

// Register adds the door's routes to mux.
func (d *Door) Register(mux *http.ServeMux) {
	for _, pattern := range Routes() {
		mux.Handle(pattern, edge.Handler(d.serve))
	}
	mux.Handle("OPTIONS "+Path, edge.Handler(edge.PublicPreflight("GET, POST")))
}

// Routes lists the door's patterns, for the documents that describe them.
func Routes() []string { return []string{"GET " + Path, "POST " + Path} }

// serve takes the token from the Authorization header alone (RFC 6750, section
// 2.1): from a body or an address it would end up in logs.
func (d *Door) serve(w http.ResponseWriter, r *http.Request) error {
	edge.PublicAnswer(w)
	scheme, token, err := credential(r.Header)
	if err != nil {
		return err
	}
	held, scope, err := d.holder(w, r, scheme, token)
	if err != nil {
		return err
	}
	if !slices.Contains(scope, mint.ScopeOpenID) {
		w.Header().Set("WWW-Authenticate", scheme+` realm="writ", error="insufficient_scope", scope="openid"`)
		return auth.Errorf(auth.CodeForbidden, "The access token does not have the scope openid.")
	}
	claims := map[string]any{"sub": held.User.ID}
	for _, claim := range mint.Profile(held.User, scope) {
		claims[claim.Name] = claim.Value
	}
	w.Header().Set("Cache-Control", "no-store")
	return edge.WriteJSON(w, http.StatusOK, claims)
}

// holder answers whose token it is: as it is under the scheme Bearer, with the
// proof that it needs under DPoP (RFC 9449, section 7.1).
func (d *Door) holder(w http.ResponseWriter, r *http.Request, scheme, token string) (held auth.Held, scope []string, err error) {
	if scheme == schemeBearer {
		return d.sessions.ByClientToken(r.Context(), token, "")
	}
	w.Header().Set(dpop.HeaderNonce, d.proofs.Nonce())
	text, err := dpop.FromHeader(r.Header)
	if err != nil {
		return held, nil, possession.Invalid(err)
	}
	proof, err := d.proofs.Judge(r.Context(), possession.Request{Proof: text, Method: r.Method, Path: Path, AccessToken: token})
	if err != nil {
		return held, nil, err
	}
	if held, scope, err = d.sessions.ByClientToken(r.Context(), token, proof.Thumbprint()); err != nil {
		return held, nil, err
	}
	return held, scope, d.proofs.Use(r.Context(), proof, held.Grant.ClientID, address(r))
}

func address(r *http.Request) string {
	if a := edge.ClientAddress(r); a.IsValid() {
		return a.String()
	}
	return ""
}

// The schemes of a token.
const (
	schemeBearer = "Bearer"
	schemeDPoP   = "DPoP"
)

// credential reads the one token of a request, and its scheme.
func credential(h http.Header) (scheme, token string, err error) {
	values := h.Values("Authorization")
	if len(values) > 1 {
		return "", "", auth.Errorf(auth.CodeInvalid, "There are two Authorization headers.")
	}
	written, token, _ := strings.Cut(h.Get("Authorization"), " ")
	token = strings.Trim(token, " ")
	for _, scheme := range []string{schemeBearer, schemeDPoP} {
		if strings.EqualFold(written, scheme) && token != "" {
			return scheme, token, nil
		}
	}
	return "", "", auth.Errorf(auth.CodeUnauthenticated, "The request has no access token.")
}
