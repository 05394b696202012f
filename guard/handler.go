package guard

import (
	"errors"
	"net/http"
	"slices"

	"github.com/writ-auth/writ/dpop"
)

// Handler protects h: a request reaches it with a good token for which all
// rules hold, and with From giving who asks, or if Config.Public lets it pass.
// Everything else is refused. Inside another Handler of the same guard only the
// rules are left to check:
//
//	mux.Handle("DELETE /orders/{id}", g.Handler(remove, guard.Role("admin")))
//	http.ListenAndServe(address, g.Handler(mux))
//
// A Handler with rules of its own needs a token even where Config.Public says
// otherwise.
func (g *Guard) Handler(h http.Handler, rules ...Rule) http.Handler {
	rules = slices.Clone(rules)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.serve(h, w, r, rules)
	})
}

// serve serves a request for which all rules hold.
func (g *Guard) serve(h http.Handler, w http.ResponseWriter, r *http.Request, rules []Rule) {
	a, inside, err := g.check(r, rules)
	if err != nil {
		g.Refuse(w, r, err)
		return
	}
	if !inside && a != nil && a.jkt != "" {
		if nonce := g.nextNonce(); nonce != "" {
			w.Header().Set(dpop.HeaderNonce, nonce) // the one that was used goes out of date
		}
	}
	if !inside && (a != nil || From(r.Context()) != nil) { // another guard's is not ours to hand on
		r = r.WithContext(NewContext(r.Context(), a))
	}
	h.ServeHTTP(w, r)
}

// Middleware is Handler for routers that take it in this form: chi, and echo
// by echo.WrapMiddleware.
func (g *Guard) Middleware(rules ...Rule) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler { return g.Handler(h, rules...) }
}

// Optional serves those who show no token as well, without Access. A token that
// is there has to be good: an expired one is refused, not taken for none, so
// that a client notices.
func (g *Guard) Optional(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.knows(r) && !g.public.match(r) {
			if _, err := g.credential(r); errors.Is(err, ErrNoToken) {
				h.ServeHTTP(w, r)
				return
			}
		}
		g.serve(h, w, r, nil)
	})
}

// knows reports whether an outer handler of this guard has let the request in.
func (g *Guard) knows(r *http.Request) bool {
	a := From(r.Context())
	return a != nil && a.guard == g
}
