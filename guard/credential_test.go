package guard_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/guardtest"
	"github.com/writ-auth/writ/jwt"
)

func TestBearerHeader(t *testing.T) {
	for _, c := range []struct {
		lines []string
		token string
		want  error
	}{
		{[]string{"Bearer abc"}, "abc", nil},
		{[]string{"bearer abc"}, "abc", nil},
		{[]string{"BEARER   abc"}, "abc", nil},
		{nil, "", guard.ErrNoToken},
		{[]string{""}, "", guard.ErrNoToken},
		{[]string{"Basic abc"}, "", guard.ErrNoToken},
		{[]string{"Bearerabc"}, "", guard.ErrNoToken},
		{[]string{"DPoP abc"}, "", guard.ErrNoToken},
		{[]string{" Bearer abc"}, "", guard.ErrNoToken},
		{[]string{"Bearer"}, "", guard.ErrBadRequest},
		{[]string{"Bearer "}, "", guard.ErrBadRequest},
		{[]string{"Bearer abc def"}, "", guard.ErrBadRequest},
		{[]string{"Bearer abc,def"}, "", guard.ErrBadRequest},
		{[]string{"Bearer abc, Bearer def"}, "", guard.ErrBadRequest},
		{[]string{"Bearer \tabc"}, "", guard.ErrBadRequest},
		{[]string{"Bearer abc", "Bearer abc"}, "", guard.ErrBadRequest},
		{[]string{"Bearer abc", "Basic def"}, "", guard.ErrBadRequest},
		{[]string{"Basic def", "Bearer abc"}, "", guard.ErrBadRequest},
		{[]string{"", "Bearer abc"}, "", guard.ErrBadRequest},
	} {
		if token, err := guard.Bearer(c.lines); token != c.token || !errors.Is(err, c.want) {
			t.Errorf("%q: got %q, %v; want %q, %v", c.lines, token, err, c.token, c.want)
		}
	}
}

func FuzzBearerHeader(f *testing.F) {
	f.Add("Bearer abc")
	f.Add("bearer  a.b.c ")
	f.Add("Basic YTpi")
	f.Fuzz(func(t *testing.T, line string) {
		token, err := guard.Bearer([]string{line})
		if (err == nil) != (token != "") {
			t.Fatalf("%q: got %q with %v", line, token, err)
		}
		if err == nil && (!strings.HasSuffix(line, " "+token) || strings.ContainsAny(token, " \t,")) {
			t.Fatalf("%q: token is %q", line, token)
		}
		if _, err := guard.Bearer([]string{line, line}); !errors.Is(err, guard.ErrBadRequest) {
			t.Fatalf("%q twice: got %v", line, err)
		}
	})
}

func TestCookieValue(t *testing.T) {
	for _, c := range []struct {
		lines []string
		value string
		want  error
	}{
		{[]string{"at=abc"}, "abc", nil},
		{[]string{"x=1; at=abc; y=2"}, "abc", nil},
		{[]string{"x=1", "at=abc"}, "abc", nil},
		{[]string{"x=1;at=abc"}, "abc", nil},
		{[]string{"at=a=b"}, "a=b", nil},
		{nil, "", guard.ErrNoToken},
		{[]string{"x=1"}, "", guard.ErrNoToken},
		{[]string{"at="}, "", guard.ErrNoToken},
		{[]string{"at"}, "", guard.ErrNoToken},
		{[]string{"AT=abc"}, "", guard.ErrNoToken},
		{[]string{"xat=abc; at2=abc"}, "", guard.ErrNoToken},
		{[]string{"at=abc; at=abc"}, "", guard.ErrBadRequest},
		{[]string{"at=abc; at=def"}, "", guard.ErrBadRequest},
		{[]string{"at=; at=def"}, "", guard.ErrBadRequest},
		{[]string{"at; at=def"}, "", guard.ErrBadRequest},
		{[]string{"at=abc", "at=def"}, "", guard.ErrBadRequest},
		{[]string{"at=abc; at =def"}, "", guard.ErrBadRequest},
		{[]string{"at=abc", "at\r=def"}, "", guard.ErrBadRequest},
	} {
		if value, err := guard.CookieValue(c.lines, "at"); !errors.Is(err, c.want) || err == nil && value != c.value {
			t.Errorf("%q: got %q, %v; want %q, %v", c.lines, value, err, c.value, c.want)
		}
	}
}

func TestCookie(t *testing.T) {
	issuer, g := newGuard(t, func(cfg *guard.Config) {
		cfg.Cookie = "__Host-writ_at"
		cfg.TrustedOrigins = []string{"https://app.example.com"}
	})
	h := g.Handler(handler)
	alice := issuer.Token(audience, jwt.AccessClaims{Claims: jwt.Claims{Subject: "alice"}})
	bob := issuer.Token(audience, jwt.AccessClaims{Claims: jwt.Claims{Subject: "bob"}})
	with := func(method string, header ...string) *http.Request {
		r := httptest.NewRequest(method, "/", nil)
		r.Header.Set("Cookie", "__Host-writ_at="+alice)
		for n := 0; n+1 < len(header); n += 2 {
			r.Header.Add(header[n], header[n+1])
		}
		return r
	}
	for _, c := range []struct {
		name string
		r    *http.Request
		want int
		body string
	}{
		{"GET", with("GET"), 200, "alice"},
		{"HEAD", with("HEAD"), 200, ""},
		{"OPTIONS", with("OPTIONS"), 200, "alice"},
		{"GET from another site", with("GET", "Sec-Fetch-Site", "cross-site"), 200, "alice"},
		{"POST, nobody vouches", with("POST"), 403, ""},
		{"DELETE, nobody vouches", with("DELETE"), 403, ""},
		{"an unknown method", with("PURGE"), 403, ""},
		{"method in lower case", with("get"), 403, ""},
		{"POST, same origin", with("POST", "Sec-Fetch-Site", "same-origin"), 200, "alice"},
		{"POST, same site", with("POST", "Sec-Fetch-Site", "same-site"), 403, ""},
		{"POST, cross site", with("POST", "Sec-Fetch-Site", "cross-site"), 403, ""},
		{"POST, typed by the user", with("POST", "Sec-Fetch-Site", "none"), 403, ""},
		{"POST, site said twice", with("POST", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Site", "cross-site"), 403, ""},
		{"POST, trusted origin", with("POST", "Origin", "https://app.example.com"), 200, "alice"},
		{"POST, trusted origin, cross site", with("POST", "Sec-Fetch-Site", "cross-site", "Origin", "https://app.example.com"), 200, "alice"},
		{"POST, another origin", with("POST", "Origin", "https://evil.example.com"), 403, ""},
		{"POST, origin with a longer name", with("POST", "Origin", "https://app.example.com.evil.example"), 403, ""},
		{"POST, origin over http", with("POST", "Origin", "http://app.example.com"), 403, ""},
		{"POST, origin null", with("POST", "Origin", "null"), 403, ""},
		{"POST, our own host as origin", with("POST", "Origin", "https://example.com"), 403, ""},
		{"POST, two origins", with("POST", "Origin", "https://app.example.com", "Origin", "https://app.example.com"), 403, ""},
		{"WebSocket, nobody vouches", with("GET", "Upgrade", "websocket", "Connection", "Upgrade"), 403, ""},
		{"WebSocket, trusted origin", with("GET", "Upgrade", "websocket", "Origin", "https://app.example.com"), 200, "alice"},
		{"cookie twice", with("GET", "Cookie", "__Host-writ_at="+bob), 401, ""},
		{"header besides the cookie", guardtest.Bearer(with("POST"), bob), 200, "bob"},
		{"bad header besides the cookie", guardtest.Bearer(with("GET"), "x"), 401, ""},
		{"empty header besides the cookie", with("GET", "Authorization", "Bearer"), 401, ""},
		{"another scheme besides the cookie", with("GET", "Authorization", "Basic YTpi"), 200, "alice"},
	} {
		wantAnswer(t, c.name, serve(h, c.r), c.want, c.body)
	}
	w := serve(h, with("POST"))
	if got := w.Header().Get("WWW-Authenticate"); got != "" {
		t.Errorf("a cross-site request gets the challenge %q, want none: another token would not help", got)
	}
}

// Without Config.Cookie no cookie counts.
func TestNoCookie(t *testing.T) {
	issuer, g := newGuard(t, nil)
	r := get("/")
	r.Header.Set("Cookie", "=x; at="+issuer.Token(audience, jwt.AccessClaims{}))
	wantAnswer(t, "cookie", serve(g.Handler(handler), r), 401, "")
}

// Tokens elsewhere are not looked for: in a query they would end up in logs.
func TestOtherPlaces(t *testing.T) {
	issuer, g := newGuard(t, nil)
	token := issuer.Token(audience, jwt.AccessClaims{})
	h := g.Handler(handler)
	wantAnswer(t, "query", serve(h, get("/?access_token="+token)), 401, "")
	form := httptest.NewRequest("POST", "/", strings.NewReader("access_token="+token))
	form.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	wantAnswer(t, "form", serve(h, form), 401, "")
	proxy := get("/")
	proxy.Header.Set("Proxy-Authorization", "Bearer "+token)
	wantAnswer(t, "proxy header", serve(h, proxy), 401, "")
}

// A header line is held against what is known as a whole, and one that isn't
// known is refused as it was before: for its form.
func TestHeaderWithAKnownToken(t *testing.T) {
	issuer, g := newGuard(t, nil)
	h := g.Handler(handler)
	token := issuer.Token(audience, jwt.AccessClaims{})
	const badRequest = `Bearer realm="api", error="invalid_request"`
	for range 2 { // the second time the token is known from the beginning
		for _, c := range []struct {
			line      string
			code      int
			challenge string
		}{
			{"Bearer " + token, 200, ""},
			{"bEARER   " + token, 200, ""},
			{"Bearer " + token + " ", 401, badRequest},
			{"Bearer " + token + "\t", 401, badRequest},
			{"Bearer " + token + ",", 401, badRequest},
			{"Bearer " + token + " " + token, 401, badRequest},
			{"Bearer " + token + ", Bearer " + token, 401, badRequest},
			{"Bearer \t" + token, 401, badRequest},
			{"Bearer ," + token, 401, badRequest},
			{"Bearer\t" + token, 401, `Bearer realm="api"`},
			{"Bearer" + token, 401, `Bearer realm="api"`},
			{"Bearer " + token + "=", 401, `Bearer realm="api", error="invalid_token"`},
			{"Bearer " + token + "\x00", 401, `Bearer realm="api", error="invalid_token"`},
		} {
			r := get("/")
			r.Header["Authorization"] = []string{c.line}
			w := serve(h, r)
			if w.Code != c.code || w.Header().Get("WWW-Authenticate") != c.challenge {
				t.Errorf("%q: got %d %q, want %d %q", strings.Replace(c.line, token, "TOKEN", 2),
					w.Code, w.Header().Get("WWW-Authenticate"), c.code, c.challenge)
			}
		}
	}
}
