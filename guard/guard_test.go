package guard_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/guardtest"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// whoami answers with the subject of whoever asks, "nobody" if nobody.
func whoami(w http.ResponseWriter, r *http.Request) {
	if a := guard.From(r.Context()); a != nil {
		fmt.Fprint(w, a.Subject())
		return
	}
	fmt.Fprint(w, "nobody")
}

var handler = http.HandlerFunc(whoami)

// newGuard makes a guard of a guardtest issuer.
func newGuard(t *testing.T, change func(*guard.Config)) (*guardtest.Issuer, *guard.Guard) {
	t.Helper()
	issuer := guardtest.NewIssuer(t)
	cfg := issuer.Config(audience)
	if change != nil {
		change(&cfg)
	}
	g, err := guard.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := g.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return issuer, g
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func get(path string) *http.Request { return httptest.NewRequest("GET", path, nil) }

func wantAnswer(t *testing.T, what string, w *httptest.ResponseRecorder, code int, body string) {
	t.Helper()
	if w.Code != code || body != "" && w.Body.String() != body {
		t.Errorf("%s: got %d %q, want %d %q", what, w.Code, w.Body, code, body)
	}
}

func TestOverHTTP(t *testing.T) {
	issuer, g := newGuard(t, func(cfg *guard.Config) { cfg.Public = []string{"GET /healthz"} })
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", whoami)
	mux.HandleFunc("GET /orders", whoami)
	mux.Handle("DELETE /orders/{id}", g.Handler(handler, guard.Role("admin")))
	server := httptest.NewServer(g.Handler(mux))
	defer server.Close()

	user := issuer.Token(audience, jwt.AccessClaims{Claims: jwt.Claims{Subject: "u1"}})
	admin := issuer.Token(audience, jwt.AccessClaims{Claims: jwt.Claims{Subject: "a1"}, Roles: []string{"admin"}})
	for _, c := range []struct {
		method, path, token string
		want                int
	}{
		{"GET", "/healthz", "", 200}, {"HEAD", "/healthz", "", 200}, {"POST", "/healthz", "", 401},
		{"GET", "/orders", "", 401}, {"GET", "/orders", user, 200}, {"GET", "/orders", user + "x", 401},
		{"DELETE", "/orders/1", "", 401}, {"DELETE", "/orders/1", user, 403}, {"DELETE", "/orders/1", admin, 200},
		{"GET", "/nowhere", "", 401}, {"GET", "/nowhere", user, 404},
		{"GET", "/healthz", "bad", 200}, // needs no token, so looks at none
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, server.URL+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.token != "" {
			guardtest.Bearer(req, c.token)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s %s with %.10q: got %d, want %d", c.method, c.path, c.token, resp.StatusCode, c.want)
		}
	}
}

func TestHostileTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a key that isn't known is waited for, but not long
		issuer, g := newGuard(t, nil)
		h := g.Handler(handler)
		for _, hostile := range issuer.Hostile(audience) {
			w := serve(h, guardtest.Bearer(get("/"), hostile.Token))
			wantAnswer(t, hostile.Name, w, 401, "")
			want := `Bearer realm="api", error="invalid_token"`
			if strings.ContainsAny(hostile.Token, " ,") || hostile.Token == "" {
				want = `Bearer realm="api", error="invalid_request"`
			}
			if got := w.Header().Get("WWW-Authenticate"); got != want {
				t.Errorf("%s: challenge is %s, want %s", hostile.Name, got, want)
			}
			if _, err := g.Verify(t.Context(), hostile.Token); status(err) != 401 {
				t.Errorf("%s: Verify gave %v, want a refusal of 401", hostile.Name, err)
			}
		}
		if n := g.Stats().CacheEntries; n != 0 {
			t.Errorf("%d hostile tokens are in the cache", n)
		}
	})
}

// Each bad token gets the same answer, to the byte.
func TestAnswerTellsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // a key that isn't known is waited for, but not long
		issuer, g := newGuard(t, nil)
		h := g.Handler(handler)
		want := ""
		for _, hostile := range issuer.Hostile(audience) {
			if strings.ContainsAny(hostile.Token, " ,") || hostile.Token == "" {
				continue // not sent as RFC 6750 has it
			}
			w := serve(h, guardtest.Bearer(get("/"), hostile.Token))
			got := fmt.Sprint(w.Code, w.Header(), w.Body)
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("%s: got\n%s\nothers got\n%s", hostile.Name, got, want)
			}
		}
	})
}

func TestRefusals(t *testing.T) {
	issuer, g := newGuard(t, func(cfg *guard.Config) { cfg.Resource = "https://api.example.com/v2" })
	const start = `Bearer resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/v2"`
	good := func(c jwt.AccessClaims) *http.Request { return guardtest.Bearer(get("/"), issuer.Token(audience, c)) }
	old := jwt.AccessClaims{ACR: "pwd", AuthTime: jwt.NumericDate(issuer.Now().Add(-time.Hour))}
	for _, c := range []struct {
		name            string
		request         *http.Request
		rules           []guard.Rule
		status          int
		challenge, body string
	}{
		{"no token", get("/"), nil, 401, start, `{"title":"Unauthorized","status":401}`},
		{"bad token", guardtest.Bearer(get("/"), "x"), nil, 401, start + `, error="invalid_token"`,
			`{"title":"Unauthorized","status":401,"code":"invalid_token"}`},
		{"role", good(old), []guard.Rule{guard.Role("admin")}, 403, start + `, error="insufficient_scope"`,
			`{"title":"Forbidden","status":403,"code":"insufficient_scope"}`},
		{"scopes", good(old), []guard.Rule{guard.Scope("a"), guard.Role("x"), guard.Scope(`b"`)}, 403,
			start + `, error="insufficient_scope", scope="a b\""`, ""},
		{"zero rule", good(old), []guard.Rule{{}}, 403, start + `, error="insufficient_scope"`, ""},
		{"acr", good(old), []guard.Rule{guard.ACR("mfa", "hwk")}, 401,
			start + `, error="insufficient_user_authentication", acr_values="mfa hwk"`,
			`{"title":"Unauthorized","status":401,"code":"insufficient_user_authentication"}`},
		{"auth_time", good(old), []guard.Rule{guard.AuthenticatedWithin(5 * time.Minute)}, 401,
			start + `, error="insufficient_user_authentication", max_age="300"`, ""},
		{"acr and auth_time", good(old), []guard.Rule{guard.AuthenticatedWithin(time.Minute), guard.ACR("mfa")}, 401,
			start + `, error="insufficient_user_authentication", acr_values="mfa", max_age="60"`, ""},
	} {
		w := serve(g.Handler(handler, c.rules...), c.request)
		wantAnswer(t, c.name, w, c.status, "")
		if got := w.Header().Get("WWW-Authenticate"); got != c.challenge {
			t.Errorf("%s: challenge is\n%s, want\n%s", c.name, got, c.challenge)
		}
		if got := strings.TrimSpace(w.Body.String()); c.body != "" && got != c.body {
			t.Errorf("%s: body is %s, want %s", c.name, got, c.body)
		}
		for name, want := range map[string]string{
			"Content-Type": "application/problem+json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", c.name, name, got, want)
			}
		}
	}
}

func TestUnavailable(t *testing.T) {
	g, err := guard.New(guard.Config{
		Issuers: []guard.Issuer{{URL: issuerURL, Audience: []string{audience}, Keys: failing{}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	w := serve(g.Handler(handler), guardtest.Bearer(get("/"), newWorld(t).token(nil)))
	wantAnswer(t, "keys out of reach", w, 503, "")
	if w.Header().Get("Retry-After") == "" || w.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("headers are %v, want Retry-After and no challenge", w.Header())
	}
}

type failing struct{}

func (failing) FindKey(context.Context, jwk.Algorithm, string) (jwk.VerifyingKey, error) {
	return nil, errors.New("the key store is on fire")
}

// The reason of a refusal is in the log for who asks for it, and nothing of the
// token.
func TestRefusalIsLogged(t *testing.T) {
	for level, want := range map[slog.Level]string{
		slog.LevelInfo:  "",
		slog.LevelDebug: `level=DEBUG msg="request refused" status=401 reason="guard: jwt: token is for another audience: aud: expected \"` + audience + `\""` + "\n",
	} {
		var log bytes.Buffer
		issuer, g := newGuard(t, func(cfg *guard.Config) {
			cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level, ReplaceAttr: withoutTime}))
		})
		token := issuer.Token("https://other.example", jwt.AccessClaims{Claims: jwt.Claims{Subject: "u1"}})
		wantAnswer(t, "another audience", serve(g.Handler(handler), guardtest.Bearer(get("/"), token)), 401, "")
		if got := log.String(); got != want {
			t.Errorf("%v: the log says %q, want %q", level, got, want)
		}
	}
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// A Render function draws the body and nothing else.
func TestRender(t *testing.T) {
	var seen error
	_, g := newGuard(t, func(cfg *guard.Config) {
		cfg.Render = func(w http.ResponseWriter, r *http.Request, refusal *guard.Refusal) {
			seen = refusal
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(200)
			fmt.Fprint(w, "sorry")
		}
	})
	w := serve(g.Handler(handler), guardtest.Bearer(get("/"), "x"))
	wantAnswer(t, "rendered", w, 401, "sorry")
	if got := w.Header().Get("WWW-Authenticate"); got != `Bearer realm="api", error="invalid_token"` {
		t.Errorf("challenge is %q", got)
	}
	if w.Header().Get("Content-Type") != "text/plain" || !errors.Is(seen, jwt.ErrMalformed) {
		t.Errorf("Content-Type %q, refusal %v; want text/plain, ErrMalformed", w.Header().Get("Content-Type"), seen)
	}
	_, g = newGuard(t, func(cfg *guard.Config) { cfg.Render = func(http.ResponseWriter, *http.Request, *guard.Refusal) {} })
	wantAnswer(t, "rendered nothing", serve(g.Handler(handler), get("/")), 401, "")
}

func TestRefuseAnotherError(t *testing.T) {
	_, g := newGuard(t, nil)
	w := httptest.NewRecorder()
	g.Refuse(w, get("/"), errors.New("secret detail"))
	if w.Code != 500 || w.Body.Len() != 0 {
		t.Errorf("got %d %q, want a bare 500", w.Code, w.Body)
	}
}

// Inside another handler of the same guard, rules are left to check; the token
// is not, so what revokes it in between has no effect on this one request.
func TestNested(t *testing.T) {
	issuer, g := newGuard(t, nil)
	_, other := newGuard(t, nil)
	token := issuer.Token(audience, jwt.AccessClaims{Roles: []string{"admin"}})
	for name, c := range map[string]struct {
		h    http.Handler
		want int
	}{
		"rule that holds":     {g.Handler(g.Handler(handler, guard.Role("admin"))), 200},
		"rule that doesn't":   {g.Handler(g.Handler(handler, guard.Role("root"))), 403},
		"outer rule":          {g.Handler(g.Handler(handler), guard.Role("root")), 403},
		"another guard":       {g.Handler(other.Handler(handler)), 401},
		"middleware":          {g.Middleware()(g.Middleware(guard.Role("root"))(handler)), 403},
		"optional outside":    {g.Optional(g.Handler(handler)), 200},
		"policy inside":       {g.Handler(g.Handler(handler, guard.WhenStale(guard.Reject))), 200},
		"no outer but a rule": {g.Handler(handler, guard.Role("root")), 403},
	} {
		wantAnswer(t, name, serve(c.h, guardtest.Bearer(get("/"), token)), c.want, "")
	}
}

func TestOptional(t *testing.T) {
	issuer, g := newGuard(t, func(cfg *guard.Config) { cfg.Cookie = "at"; cfg.Public = []string{"/public"} })
	h := g.Optional(handler)
	token := issuer.Token(audience, jwt.AccessClaims{Claims: jwt.Claims{Subject: "u1"}})
	wantAnswer(t, "no token", serve(h, get("/")), 200, "nobody")
	wantAnswer(t, "good token", serve(h, guardtest.Bearer(get("/"), token)), 200, "u1")
	wantAnswer(t, "bad token", serve(h, guardtest.Bearer(get("/"), "x")), 401, "")
	wantAnswer(t, "public path", serve(h, get("/public")), 200, "nobody")
	wantAnswer(t, "no token, then a rule", serve(g.Optional(g.Handler(handler)), get("/")), 401, "")
	basic := get("/")
	basic.SetBasicAuth("a", "b")
	wantAnswer(t, "another scheme", serve(h, basic), 200, "nobody")
	twice := guardtest.Bearer(get("/"), token)
	twice.Header.Add("Authorization", "Bearer "+token)
	wantAnswer(t, "two tokens", serve(h, twice), 401, "")
	cookie := get("/")
	cookie.Header.Set("Cookie", "at=x")
	wantAnswer(t, "bad cookie", serve(h, cookie), 401, "")
}

func TestCheck(t *testing.T) {
	issuer, g := newGuard(t, func(cfg *guard.Config) { cfg.Public = []string{"/public"} })
	a, err := g.Check(guardtest.Bearer(get("/"), issuer.Token(audience, jwt.AccessClaims{Claims: jwt.Claims{Subject: "u1"}})))
	if err != nil || a.Subject() != "u1" {
		t.Errorf("good token: got %q, %v", a.Subject(), err)
	}
	r := get("/").WithContext(guard.NewContext(t.Context(), a))
	if again, err := g.Check(r); err != nil || again != a {
		t.Errorf("access in the context: got %v, %v; want the same", again, err)
	}
	if a, err := g.Check(get("/public")); err != nil || a != nil || a.Subject() != "" || a.HasRole("x") || a.IsClient() {
		t.Errorf("public path: got %v, %v; want nobody", a, err)
	}
	if _, err := g.Check(get("/public"), guard.Role("admin")); status(err) != 401 {
		t.Errorf("public path with a rule: got %v, want 401: a rule is never waived", err)
	}
	if _, err := g.Check(get("/")); !errors.Is(err, guard.ErrNoToken) {
		t.Errorf("no token: got %v, want ErrNoToken", err)
	}
	bare := get("/")
	bare.Header.Set("Authorization", issuer.Token(audience, jwt.AccessClaims{Claims: jwt.Claims{Subject: "u1"}}))
	if _, err := g.Check(bare); !errors.Is(err, guard.ErrNoToken) || err.Error() != "guard: no token: the Authorization header has another scheme than Bearer" {
		t.Errorf("no scheme: got %v", err)
	}
}

func TestZeroGuard(t *testing.T) {
	var g guard.Guard
	wantAnswer(t, "zero guard", serve(g.Handler(handler), guardtest.Bearer(get("/"), newWorld(t).token(nil))), 401, "")
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	if err := g.Ready(t.Context()); err == nil {
		t.Error("a zero guard is ready")
	}
	g.Stats()
}

// An Access that no guard has made is nobody, and may do nothing.
func TestZeroAccess(t *testing.T) {
	for name, a := range map[string]*guard.Access{"nil": nil, "zero": new(guard.Access)} {
		if _, err := guard.As[jwt.AccessClaims](a); status(err) != 401 || !errors.Is(err, guard.ErrNoToken) {
			t.Errorf("%s: As gave %v, want ErrNoToken", name, err)
		}
		if a.IsClient() || a.HasRole("") || a.HasScope("") || a.HasPermission("") || a.SignedByClient() {
			t.Errorf("%s: it is something, or may do something", name)
		}
		if got := a.Claims(); a.Subject() != "" || got.Subject != "" || got.Roles != nil {
			t.Errorf("%s: got %q, %+v; want nobody", name, a.Subject(), got)
		}
	}
	_, g := newGuard(t, nil)
	r := get("/").WithContext(guard.NewContext(t.Context(), new(guard.Access)))
	wantAnswer(t, "zero in the context", serve(g.Handler(handler), r), 401, "")
	var zero guard.Guard
	wantAnswer(t, "zero in the context, zero guard", serve(zero.Handler(handler), r), 401, "")
}

// What a handler does to claims has no effect on the next request.
func TestClaimsAreTheCallersOwn(t *testing.T) {
	issuer, g := newGuard(t, nil)
	verified := true
	token := issuer.Token(audience, jwt.AccessClaims{
		Roles: []string{"user"}, Permissions: []string{"read"}, Scope: jwt.Scope{"a"}, AMR: []string{"pwd"}, EmailVerified: &verified,
	})
	spoil := func() {
		a, err := g.Verify(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		c := a.Claims()
		c.Roles[0], c.Permissions[0], c.Scope[0], c.AMR[0], c.Audience[0] = "admin", "admin", "admin", "admin", "admin"
		*c.EmailVerified = false
	}
	spoil()
	a, err := g.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	c := a.Claims()
	got := fmt.Sprint(c.Roles, c.Permissions, c.Scope, c.AMR, c.Audience, *c.EmailVerified)
	if want := "[user] [read] a [pwd] [" + audience + "] true"; got != want || a.HasRole("admin") {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAccessHidesTheToken(t *testing.T) {
	issuer, g := newGuard(t, nil)
	token := issuer.Token(audience, jwt.AccessClaims{})
	a, err := g.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	var text, lines strings.Builder
	slog.New(slog.NewJSONHandler(&lines, nil)).Info("asked", "by", a)
	slog.New(slog.NewTextHandler(&text, nil)).Info("asked", "by", a)
	for _, shown := range []string{fmt.Sprintf("%v %+v %#v %s %q %x", a, a, a, a, a, a), text.String(), lines.String()} {
		if strings.Contains(shown, token[:20]) || strings.Contains(shown, fmt.Sprintf("%x", token[:20])) {
			t.Errorf("the token is in %s", shown)
		}
	}
}

func TestConcurrency(t *testing.T) {
	issuer, g := newGuard(t, func(cfg *guard.Config) { cfg.CacheBytes = 64 << 10 })
	h := g.Handler(handler)
	tokens := make([]string, 100) // more than the cache holds
	for n := range tokens {
		tokens[n] = issuer.Token(audience, jwt.AccessClaims{Claims: jwt.Claims{Subject: fmt.Sprint("u", n)}})
	}
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for n := range 300 {
				who := (n*7 + worker) % len(tokens)
				if w := serve(h, guardtest.Bearer(get("/"), tokens[who])); w.Code != 200 || w.Body.String() != fmt.Sprint("u", who) {
					t.Errorf("got %d %q, want u%d", w.Code, w.Body, who)
					return
				}
				if w := serve(h, guardtest.Bearer(get("/"), tokens[who]+"x")); w.Code != 401 {
					t.Errorf("damaged: got %d, want 401", w.Code)
				}
				g.Stats()
			}
		})
	}
	all.Go(func() {
		for n := range 20 {
			issuer.RevokeSession(fmt.Sprint("nobody-", n))
			issuer.Rotate()
		}
	})
	all.Wait()
}
