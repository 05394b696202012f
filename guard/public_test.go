package guard_test

import (
	"net/http/httptest"
	"testing"

	"github.com/writ-auth/writ/guard"
)

func TestPublic(t *testing.T) {
	_, g := newGuard(t, func(cfg *guard.Config) {
		cfg.Public = []string{"GET /healthz", "/assets/", "/user/{name}/avatar", "GET docs.example.com/", "/{$}"}
	})
	h := g.Handler(handler)
	for _, c := range []struct {
		method, target string
		want           int
	}{
		{"GET", "/healthz", 200},
		{"HEAD", "/healthz", 200},
		{"POST", "/healthz", 401},
		{"GET", "/healthz/", 401},
		{"GET", "/healthz/x", 401},
		{"GET", "/HEALTHZ", 401},
		{"GET", "/healthz?x=/../admin", 200},
		{"GET", "/", 200},
		{"GET", "/assets/", 200},
		{"DELETE", "/assets/a/b.css", 200},
		{"GET", "/assets", 401}, // ServeMux would redirect; a router behind us may not
		{"GET", "/assetsx/", 401},
		{"GET", "/user/ann/avatar", 200},
		{"GET", "/user/ann/secret", 401},
		{"GET", "http://docs.example.com/any", 200},
		{"GET", "http://docs.example.com:8080/any", 200},
		{"GET", "http://other.example.com/any", 401},

		{"GET", "//assets/x", 401},
		{"GET", "/assets//x", 401},
		{"GET", "/assets/./x", 401},
		{"GET", "/assets/../admin", 401},
		{"GET", "/assets/x/..", 401},
		{"GET", "/assets/.", 401},
		{"GET", "/assets/%2e%2e/admin", 401},
		{"GET", "/assets/%2E%2E/admin", 401},
		{"GET", "/assets/..%2fadmin", 401},
		{"GET", "/assets/..%2Fadmin", 401},
		{"GET", "/assets%2fx", 401},
		{"GET", "/assets/..%5cadmin", 401},
		{"GET", "/assets/%5cadmin", 401},
		{"GET", "/assets/%252e%252e/admin", 401},
		{"GET", "/assets/%00", 401},
		{"GET", "/assets/%0d%0a", 401},
		{"GET", "/user/%2e%2e/avatar", 401},
		{"GET", "/user/a%2fb/avatar", 401},
		{"GET", "/assets/a%20b", 200},
		{"GET", "/assets/a.b..c", 200},
		{"GET", "/assets/%C3%A4", 200},
	} {
		r := httptest.NewRequest(c.method, c.target, nil)
		if w := serve(h, r); w.Code != c.want {
			t.Errorf("%s %s: got %d, want %d", c.method, c.target, w.Code, c.want)
		}
	}
	r := get("/assets/x")
	r.URL.Path, r.URL.RawPath = "/assets/..\\admin", ""
	wantAnswer(t, "backslash", serve(h, r), 401, "")
	r.URL.Path = "assets/x"
	wantAnswer(t, "no slash at the start", serve(h, r), 401, "")
	r.URL.Path = ""
	wantAnswer(t, "empty path", serve(h, r), 401, "")
}

// A header that tells a router to take another method or path changes nothing.
func TestOverrides(t *testing.T) {
	_, g := newGuard(t, func(cfg *guard.Config) { cfg.Public = []string{"GET /healthz"} })
	r := httptest.NewRequest("POST", "/admin", nil)
	for _, name := range []string{"X-Http-Method-Override", "X-Method-Override"} {
		r.Header.Set(name, "GET")
	}
	for _, name := range []string{"X-Original-Url", "X-Rewrite-Url", "X-Forwarded-Uri"} {
		r.Header.Set(name, "/healthz")
	}
	wantAnswer(t, "overrides", serve(g.Handler(handler), r), 401, "")
}
