package browser

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// hostile serves the attacker's pages.
type hostile struct {
	sibling  string // another origin of Writ's own site: SameSite cookies travel
	stranger string // another site
}

func startHostile(t testing.TB) *hostile {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/", page)
	mux.HandleFunc("/sandboxed", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "sandbox allow-scripts allow-forms") // its origin is "null"
		page(w, r)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return &hostile{sibling: onLocalhost(s), stranger: s.URL}
}
