package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestLoginForTokens(t *testing.T) {
	s := start(t)
	id := s.user("ada@example.com", "username", "ada", "name", "Ada")
	a := s.login("ada@example.com").ok()
	want := []string{"access_token", "expires_in", "mode", "refresh_expires_in", "refresh_token", "session_id", "token_type", "user"}
	if got := a.members(); !slices.Equal(got, want) {
		t.Errorf("members %v, want %v", got, want)
	}
	a.has("token_type", "Bearer").has("expires_in", 900.0).has("refresh_expires_in", 604800.0).has("mode", "token")
	if len(a.cookies) != 0 {
		t.Errorf("token mode sets cookies: %v", a.cookies)
	}
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	u := a.body["user"].(map[string]any)
	if u["id"] != id || u["email"] != "ada@example.com" || u["email_verified"] != true || u["username"] != "ada" || u["name"] != "Ada" {
		t.Errorf("user %v", u)
	}
	s.do("GET", "/v1/me", "", bearer(a.str("access_token"))).ok().has("id", id).has("session_id", a.str("session_id"))
	s.do("POST", "/v1/login", encode(t, "username", "ADA", "password", password)).ok()
}

func TestLoginWithCookies(t *testing.T) {
	for _, test := range []struct {
		issuer, prefix string
		secure         bool
	}{{issuer, "", false}, {"https://auth.example.com", "__Host-", true}} {
		s := start(t, "issuer", test.issuer)
		a := s.browser(adminMail, "cookie")
		want := []string{"expires_in", "mode", "refresh_expires_in", "session_id", "token_type", "user"}
		if got := a.members(); !slices.Equal(got, want) {
			t.Errorf("members %v, want %v", got, want)
		}
		for name, site := range map[string]http.SameSite{"writ_at": http.SameSiteLaxMode, "writ_rt": http.SameSiteStrictMode} {
			c := a.cookie(test.prefix + name)
			if c == nil {
				t.Fatalf("no cookie %s%s", test.prefix, name)
			}
			if !c.HttpOnly || c.Secure != test.secure || c.SameSite != site || c.Path != "/" || c.Domain != "" {
				t.Errorf("cookie %+v", c)
			}
			if strings.Contains(a.text, c.Value) {
				t.Errorf("the value of %s is in the body", name)
			}
		}
		if c := a.cookie(test.prefix + "writ_rt"); c.MaxAge != 604800 {
			t.Errorf("the refresh cookie lives %d s, want 604800", c.MaxAge)
		}
		s.do("GET", "/v1/me", "", cookies(a)).ok().has("email", adminMail)
	}
}

func TestLoginForASession(t *testing.T) {
	s := start(t)
	a := s.browser(adminMail, "session")
	if got, want := a.members(), []string{"expires_in", "mode", "refresh_expires_in", "session_id", "user"}; !slices.Equal(got, want) {
		t.Errorf("members %v, want %v", got, want)
	}
	if len(a.cookies) != 1 || a.cookie("writ_s") == nil || strings.Contains(a.cookie("writ_s").Value, ".") {
		t.Fatalf("cookies %v, want one opaque writ_s", a.cookies)
	}
	s.do("GET", "/v1/me", "", cookies(a)).ok()
}

func TestModeWhereNoneIsNamed(t *testing.T) {
	s := start(t)
	body := encode(t, "email", adminMail, "password", password)
	if a := s.do("POST", "/v1/login", body).ok(); a.body["mode"] != "token" {
		t.Errorf("without Sec-Fetch-Site the mode is %v, want token", a.body["mode"])
	}
	if a := s.do("POST", "/v1/login", body, sameOrigin()).ok(); a.body["mode"] != "cookie" || a.body["access_token"] != nil {
		t.Errorf("with Sec-Fetch-Site the mode is %v, want cookie", a.body["mode"])
	}
	// A page of another site is refused, and doesn't get tokens instead.
	s.do("POST", "/v1/login", body, header("Sec-Fetch-Site", "cross-site")).is(403, "cross_site_request")
}

func TestLoginInAnotherModeReplacesTheCookies(t *testing.T) {
	s := start(t)
	s.user("ada@example.com")
	first := s.browser(adminMail, "session")
	body := encode(t, "email", "ada@example.com", "password", password, "mode", "cookie")
	second := s.do("POST", "/v1/login", body, cookies(first), sameOrigin()).ok()
	if c := second.cookie("writ_s"); c == nil || c.MaxAge >= 0 {
		t.Errorf("the session cookie of the other user stays: %v", c)
	}
	// What was there before doesn't become the new session.
	if second.str("session_id") == first.str("session_id") {
		t.Error("the sign-in took over a session that was there before")
	}
}

func TestLoginRefusals(t *testing.T) {
	s := start(t)
	s.user("off@example.com", "disabled", true)
	good := encode(t, "email", adminMail, "password", password)
	for _, test := range []struct {
		name, body string
		change     with
		status     int
		code       string
	}{
		{"wrong password", encode(t, "email", adminMail, "password", "wrong password"), nil, 401, "invalid_credentials"},
		{"unknown user", encode(t, "email", "nobody@example.com", "password", password), nil, 401, "invalid_credentials"},
		{"disabled user", encode(t, "email", "off@example.com", "password", password), nil, 401, "invalid_credentials"},
		{"SQL", encode(t, "username", "' OR 1=1 --", "password", password), nil, 401, "invalid_credentials"},
		{"no body", "", nil, 400, "invalid_request"},
		{"no password", encode(t, "email", adminMail), nil, 400, "invalid_request"},
		{"both names", encode(t, "email", adminMail, "username", "root", "password", password), nil, 400, "invalid_request"},
		{"neither name", encode(t, "password", password), nil, 400, "invalid_request"},
		{"huge name", encode(t, "email", strings.Repeat("a", 400)+"@example.com", "password", password), nil, 400, "invalid_request"},
		{"huge password", encode(t, "email", adminMail, "password", strings.Repeat("a", 60_000)), nil, 401, "invalid_credentials"},
		{"unknown mode", encode(t, "email", adminMail, "password", password, "mode", "implicit"), nil, 400, "invalid_request"},
		{"unknown audience", encode(t, "email", adminMail, "password", password, "audience", "https://nowhere.example"), nil, 400, "invalid_request"},
		{"unknown member", encode(t, "email", adminMail, "password", password, "roles", []string{"writ:admin"}), nil, 400, "invalid_request"},
		{"another letter case", strings.Replace(good, "email", "Email", 1), nil, 400, "invalid_request"},
		{"duplicate", `{"email":"` + adminMail + `","password":"x","password":"` + password + `"}`, nil, 400, "invalid_request"},
		{"duplicate by escape", `{"email":"` + adminMail + `","password":"x","p\u0061ssword":"` + password + `"}`, nil, 400, "invalid_request"},
		{"null", `{"email":"` + adminMail + `","password":null}`, nil, 400, "invalid_request"},
		{"number", `{"email":"` + adminMail + `","password":12345678}`, nil, 400, "invalid_request"},
		{"array", "[" + good + "]", nil, 400, "invalid_request"},
		{"trailing data", good + good, nil, 400, "invalid_request"},
		{"10 MB", `{"email":"` + strings.Repeat("a", 10<<20) + `"}`, nil, 413, "too_large"},
		{"deep", strings.Repeat(`{"email":`, 5_000), nil, 400, "invalid_request"},
		{"form", "email=a&password=b", contentType("application/x-www-form-urlencoded"), 415, "unsupported_media_type"},
		{"text/plain", good, contentType("text/plain"), 415, "unsupported_media_type"},
		{"other charset", good, contentType("application/json; charset=utf-16"), 415, "unsupported_media_type"},
		{"no content type", good, func(r *http.Request) { r.Header.Del("Content-Type") }, 415, "unsupported_media_type"},
	} {
		t.Run(test.name, func(t *testing.T) {
			change := test.change
			if change == nil {
				change = func(*http.Request) {}
			}
			a := serve(t, s.app.Handler(), "POST", "/v1/login", test.body, change).is(test.status, test.code)
			if got := a.header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("Content-Type %q", got)
			}
			if strings.Contains(a.text, password) {
				t.Errorf("the answer repeats the password: %s", a.text)
			}
		})
	}
}

func contentType(value string) with {
	return func(r *http.Request) { r.Header.Set("Content-Type", value) }
}

// The answers to a wrong password, an unknown and a disabled user are the same
// but for the request's id.
func TestLoginTellsNobodyWhoExists(t *testing.T) {
	s := start(t)
	s.user("off@example.com", "disabled", true)
	var details []string
	for _, email := range []string{adminMail, "nobody@example.com", "off@example.com"} {
		a := s.do("POST", "/v1/login", encode(t, "email", email, "password", "wrong password"))
		delete(a.body, "instance")
		details = append(details, encode(t, "body", a.body))
	}
	if details[0] != details[1] || details[0] != details[2] {
		t.Errorf("the answers differ: %v", details)
	}
}

func TestMethodsAndPaths(t *testing.T) {
	s := start(t)
	s.do("GET", "/v1/login", "").is(405, "method_not_allowed")
	s.do("DELETE", "/v1/me", "").is(405, "method_not_allowed")
	s.do("GET", "/v1/nothing", "").is(404, "not_found")
	s.do("GET", "/v1/me", "").is(401, "unauthenticated")
	if got := s.do("GET", "/v1/me", "").header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer") {
		t.Errorf("WWW-Authenticate %q", got)
	}
}
