package api

import (
	"net/http"
	"slices"

	"github.com/writ-auth/writ/server/internal/edge"
)

// shared lets pages of other origins read the answer, as far as they may: those
// on the allow list with cookies, everybody else not at all. Without the
// headers a browser keeps the answer from the page (Fetch standard, CORS).
func (d *Door) shared(h edge.Handler) edge.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if _, err := d.share(w, r); err != nil {
			return err
		}
		return h(w, r)
	}
}

// share sets the headers, and reports whether the request's origin is allowed.
func (d *Door) share(w http.ResponseWriter, r *http.Request) (bool, error) {
	w.Header().Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || origin == "null" || origin == d.Callers.Issuer {
		return false, nil
	}
	allowed, err := d.Callers.Origins(r.Context())
	if err != nil || !slices.Contains(allowed, origin) {
		return false, err
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	w.Header().Set("Access-Control-Allow-Credentials", "true")
	w.Header().Set("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate, X-Request-Id")
	return true, nil
}

// preflight answers a browser that asks before it sends.
func (d *Door) preflight(w http.ResponseWriter, r *http.Request) error {
	allowed, err := d.share(w, r)
	if err != nil {
		return err
	}
	if allowed {
		w.Header().Set("Access-Control-Allow-Methods", "GET, POST, PATCH, DELETE")
		w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
		w.Header().Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
