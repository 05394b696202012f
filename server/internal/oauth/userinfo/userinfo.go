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

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/mint"
)

// Path is where the endpoint is.
const Path = "/oauth/userinfo"

// Sessions knows whose access token it is.
type Sessions interface {
	ByClientToken(ctx context.Context, token string) (held auth.Held, scope []string, err error)
}

// Door is the userinfo endpoint.
type Door struct{ sessions Sessions }

// New makes the door.
func New(sessions Sessions) *Door { return &Door{sessions} }

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
	token, err := bearer(r.Header)
	if err != nil {
		return err
	}
	held, scope, err := d.sessions.ByClientToken(r.Context(), token)
	if err != nil {
		return err
	}
	if !slices.Contains(scope, mint.ScopeOpenID) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="writ", error="insufficient_scope", scope="openid"`)
		return auth.Errorf(auth.CodeForbidden, "The access token does not have the scope openid.")
	}
	claims := map[string]any{"sub": held.User.ID}
	for _, claim := range mint.Profile(held.User, scope) {
		claims[claim.Name] = claim.Value
	}
	w.Header().Set("Cache-Control", "no-store")
	return edge.WriteJSON(w, http.StatusOK, claims)
}

func bearer(h http.Header) (string, error) {
	values := h.Values("Authorization")
	if len(values) > 1 {
		return "", auth.Errorf(auth.CodeInvalid, "There are two Authorization headers.")
	}
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	if token = strings.Trim(token, " "); !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", auth.Errorf(auth.CodeUnauthenticated, "The request has no bearer token.")
	}
	return token, nil
}
