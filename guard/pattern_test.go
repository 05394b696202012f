package guard_test

import (
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/guardtest"
	"github.com/writ-auth/writ/jwt"
)

// publicPatterns are sets of patterns, some of which only ServeMux could love.
func publicPatterns() [][]string {
	return [][]string{
		{"GET /healthz", "/assets/", "/user/{name}/avatar", "GET docs.example.com/", "/{$}"},
		{"/"},
		{"/{$}"},
		{"/", "/assets/"}, // "/assets" is redirected, though "/" would match it
		{"/assets/", "POST /assets/secret", "GET /assets/{$}"},
		{"/{a}/b", "/a/b", "/{a}/b/{c}"},
		{"GET  \t /two-spaces", "HEAD /head", "POST example.com/form", "example.com/{$}"},
		{"/a/%2F", "/a%2Fb", "/%41/c", "/bad%zz/x", "/a%20b", "/ä/%C3%A4"}, // %2F alone means {$}
		{"/{x}/", "GET /{x}/{y...}"},
		{"/a/./b", "/a/../b", "CONNECT /tunnel/../x", "CONNECT host.example/"},
		{"[::1]/v6", "::1/v6", "example.com:8080/port", "EXAMPLE.com/case"},
		{"/{p...}"}, {"GET /{p...}", "GET /x/{$}", "GET /x/y/"},
		{"OPTIONS /*", "/*"},
	}
}

func publicTargets() []string {
	return []string{
		"/", "//", "/healthz", "/healthz/", "/healthz/x", "/HEALTHZ", "/%68ealthz", "/assets", "/assets/", "/assets/secret",
		"/assets/a/b", "/user/ann/avatar", "/user//avatar", "/user/ann/avatar/", "/user/a%2Fb/avatar", "/a", "/a/", "/a/b",
		"/a/b/", "/a//b", "/a/../b", "/a/%2F", "/a%2Fb", "/A/c", "/%41/c", "/bad%25zz/x", "/a%20b", "/ä/ä", "/%C3%A4/%c3%a4",
		"/x", "/x/", "/x/y", "/x/y/", "/x/y/z", "/two-spaces", "/head", "/form", "/tunnel//x", "/v6", "/port", "/case", "/*",
		"/%2a", "/{x}", "/%7Bx%7D", "/...", "/..", "/.", "/a;b", "/a?b=/c",
	}
}

func publicHosts() []string {
	return []string{
		"", "example.com", "docs.example.com", "docs.example.com:8080", "EXAMPLE.com", "example.com:8080", "example.com:",
		"[::1]", "[::1]:80", "::1", "evil-docs.example.com", "docs.example.com.evil", "host.example",
	}
}

// TestPublicAsServeMux: the short cut that most requests take says what ServeMux
// says.
func TestPublicAsServeMux(t *testing.T) {
	public := 0
	for _, patterns := range publicPatterns() {
		twice, err := guard.PublicTwice(patterns)
		if err != nil {
			t.Fatal(err)
		}
		for r := range publicRequests() {
			got, want := twice(r)
			if got != want {
				t.Errorf("%q, %s %q %+v: public is %v, ServeMux says %v", patterns, r.Method, r.Host, r.URL, got, want)
			}
			if got {
				public++
			}
		}
	}
	if public < 1000 {
		t.Errorf("only %d requests were public: that shows little", public)
	}
}

func publicRequests() iter.Seq[*http.Request] {
	return func(yield func(*http.Request) bool) {
		for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "CONNECT", "get", ""} {
			for _, host := range publicHosts() {
				for _, target := range publicTargets() {
					u, err := url.Parse(target)
					if err != nil {
						u = &url.URL{Path: target}
					}
					if !yield(&http.Request{Method: method, Host: host, URL: u}) {
						return
					}
				}
			}
		}
	}
}

// FuzzPublicAsServeMux does the same with whatever is thought of, path and raw
// path contradicting each other included.
func FuzzPublicAsServeMux(f *testing.F) {
	for n, patterns := range publicPatterns() {
		for m, target := range publicTargets() {
			if m%len(publicPatterns()) == n {
				f.Add(strings.Join(patterns, "\n"), "GET", publicHosts()[n%len(publicHosts())], target, "")
			}
		}
	}
	f.Fuzz(func(t *testing.T, patterns, method, host, path, rawPath string) {
		r := &http.Request{Method: method, Host: host, URL: &url.URL{Path: path, RawPath: rawPath}}
		twice, err := guard.PublicTwice(strings.Split(patterns, "\n"))
		if err != nil {
			return
		}
		if got, want := twice(r); got != want {
			t.Errorf("%q, %s %q %+v: public is %v, ServeMux says %v", patterns, method, host, r.URL, got, want)
		}
	})
}

// What the table of ServeMux's oddities says by hand.
func TestPublicOddities(t *testing.T) {
	for _, c := range []struct {
		pattern, method, target string
		want                    int
	}{
		{"/a/%2F", "GET", "/a/", 200}, // an escaped slash is the end of a path
		{"/a/%2F", "GET", "/a/x", 401},
		{"/a%2Fb", "GET", "/a/b", 401},
		{"/%68ealthz", "GET", "/healthz", 200},
		{"/healthz", "GET", "/%68ealthz", 200},
		{"/{$}", "GET", "/orders", 401},
		{"/{file}", "GET", "/", 401},
		{"/{file}", "GET", "/orders", 200},
		{"/{file}", "GET", "/orders/", 401},
		{"/{rest...}", "DELETE", "/orders/1", 200},
		{"GET /orders", "HEAD", "/orders", 200},
		{"HEAD /orders", "GET", "/orders", 401},
		{"docs.example.com/", "GET", "http://evil-docs.example.com/orders", 401},
		{"docs.example.com/", "GET", "http://docs.example.com.evil/orders", 401},
		{"docs.example.com/", "GET", "http://docs.example.com:1/orders", 200},
	} {
		_, g := newGuard(t, func(cfg *guard.Config) { cfg.Public = []string{c.pattern} })
		if w := serve(g.Handler(handler), httptest.NewRequest(c.method, c.target, nil)); w.Code != c.want {
			t.Errorf("%q: %s %s: got %d, want %d", c.pattern, c.method, c.target, w.Code, c.want)
		}
	}
}

// ServeMux would take an empty segment for a wildcard.
func TestPublicEmptySegment(t *testing.T) {
	for _, text := range []string{"//", "/a//b", "/a//", "CONNECT //a", "example.com//a", "/a//{$}"} {
		cfg := newWorld(t).config()
		cfg.Public = []string{"/healthz", text}
		if g, err := guard.New(cfg); err == nil || !strings.Contains(err.Error(), "empty segment") {
			t.Errorf("%q: got %v, %v; want an error about the empty segment", text, g, err)
		}
	}
}

// Patterns cost those who show a token next to nothing.
func TestPublicDoesNotAllocate(t *testing.T) {
	issuer, g := newGuard(t, func(cfg *guard.Config) { cfg.Public = publicPatterns()[0] })
	request := guardtest.Bearer(get("/orders/1"), issuer.Token(audience, jwt.AccessClaims{}))
	if _, err := g.Check(request); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { g.Check(request) }); n != 0 {
		t.Errorf("Check where there are public paths allocates %v times, want 0", n)
	}
}

// BenchmarkCheckPublic is BenchmarkCheck where there are public paths.
func BenchmarkCheckPublic(b *testing.B) {
	g, token := benchmarkGuard(b, "GET /healthz", "/assets/", "/user/{name}/avatar", "/{$}")
	request := guardtest.Bearer(get("/orders"), token)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Check(request); err != nil {
			b.Fatal(err)
		}
	}
}
