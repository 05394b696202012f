package api_test

import (
	"net/http"
	"strings"
	"testing"
)

// hostile are the ways in which a page of another site, or an attacker with an
// old browser, can make a request that carries our cookies.
func hostile() map[string]with {
	return map[string]with{
		"no header":      func(*http.Request) {},
		"cross-site":     header("Sec-Fetch-Site", "cross-site"),
		"same-site":      header("Sec-Fetch-Site", "same-site"),
		"none":           header("Sec-Fetch-Site", "none"),
		"foreign origin": header("Origin", "https://evil.example"),
		"null origin":    header("Origin", "null"),
		"prefix of ours": header("Origin", issuer+".evil.example"),
		"other port":     header("Origin", "http://localhost:8081"),
		"with a slash":   header("Origin", issuer+"/"),
		"upper case":     header("Origin", "HTTP://LOCALHOST:8080"),
		"Referer only":   header("Referer", issuer+"/account"),
		"forwarded host": func(r *http.Request) {
			r.Header.Set("X-Forwarded-Host", "evil.example")
			r.Header.Set("Origin", "https://evil.example")
		},
		"Host of the other": func(r *http.Request) { r.Host = "evil.example"; r.Header.Set("Origin", "http://evil.example") },
		"two origins": func(r *http.Request) {
			r.Header.Add("Origin", issuer)
			r.Header.Add("Origin", "https://evil.example")
		},
	}
}

func TestOtherSitesCannotUseCookies(t *testing.T) {
	s := start(t)
	login := encode(t, "email", adminMail, "password", password, "mode", "cookie")
	for _, mode := range []string{"cookie", "session"} {
		jar := s.browser(adminMail, mode)
		for name, site := range hostile() {
			for _, call := range []struct{ method, path, body string }{
				{"POST", "/v1/login", login},
				{"POST", "/v1/refresh", ""},
				{"POST", "/refresh-token", ""},
				{"POST", "/v1/logout", ""},
				{"POST", "/v1/logout-all", ""},
				{"POST", "/v1/signup", encode(t, "email", "evil@example.com", "password", password)},
				{"PATCH", "/v1/me", `{"name":"Mallory"}`},
				{"POST", "/v1/password/change", encode(t, "current_password", password, "new_password", "another long password")},
				{"DELETE", "/v1/sessions/" + jar.str("session_id"), ""},
				{"POST", "/v1/admin/users", encode(t, "email", "evil@example.com", "roles", []string{"writ:admin"})},
				{"POST", "/v1/admin/roles", `{"name":"evil"}`},
				{"DELETE", "/v1/admin/sessions/" + jar.str("session_id"), ""},
				{"POST", "/v1/admin/revocations", `{"kind":"session","id":"` + jar.str("session_id") + `"}`},
			} {
				a := s.do(call.method, call.path, call.body, cookies(jar), site)
				if a.status != 403 || a.body["code"] != "cross_site_request" {
					t.Errorf("%s, %s mode, %s: status %d, want 403 cross_site_request: %s", a.what, mode, name, a.status, a.text)
				}
				if len(a.cookies) != 0 {
					t.Errorf("%s, %s: sets cookies %v", a.what, name, a.cookies)
				}
				if a.header.Get("Access-Control-Allow-Origin") != "" {
					t.Errorf("%s, %s: lets the other site read the answer", a.what, name)
				}
			}
		}
		// Nothing of that had an effect.
		s.do("GET", "/v1/me", "", cookies(jar)).ok().has("name", "")
	}
}

func TestOurOwnPagesCan(t *testing.T) {
	s := start(t)
	const app = "https://app.example.com"
	s.admin("PATCH", "/v1/admin/clients/writ", `{"allowed_origins":["`+app+`"]}`).ok()
	for name, site := range map[string]with{
		"Sec-Fetch-Site": sameOrigin(),
		"issuer":         header("Origin", issuer),
		"allowed":        func(r *http.Request) { r.Header.Set("Origin", app); r.Header.Set("Sec-Fetch-Site", "cross-site") },
	} {
		a := s.do("POST", "/v1/login", encode(t, "email", adminMail, "password", password, "mode", "cookie"), site).ok()
		b := s.do("POST", "/v1/refresh", "", cookies(a), site).ok()
		s.do("PATCH", "/v1/me", `{"name":"`+name+`"}`, cookies(b), site).ok().has("name", name)
		s.do("POST", "/v1/logout", "", cookies(b), site).ok()
	}
}

func TestPagesOfAllowedOriginsReadAnswers(t *testing.T) {
	s := start(t)
	const app = "https://app.example.com"
	s.admin("PATCH", "/v1/admin/clients/writ", `{"allowed_origins":["`+app+`"]}`).ok()
	for origin, want := range map[string]string{app: app, "https://evil.example": "", "null": "", "https://app.example.com.evil.example": ""} {
		for _, a := range []*answer{
			s.do("OPTIONS", "/v1/login", "", header("Origin", origin), header("Access-Control-Request-Method", "POST")),
			s.do("GET", "/v1/me", "", header("Origin", origin)),
		} {
			if got := a.header.Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("%s from %s: Access-Control-Allow-Origin %q, want %q", a.what, origin, got, want)
			}
			if got := a.header.Get("Access-Control-Allow-Credentials") == "true"; got != (want != "") {
				t.Errorf("%s from %s: credentials allowed: %v", a.what, origin, got)
			}
			if got := strings.Contains(a.header.Get("Access-Control-Expose-Headers"), "WWW-Authenticate"); got != (want != "") {
				t.Errorf("%s from %s: the challenge can be read: %v", a.what, origin, got)
			}
			if a.header.Get("Vary") != "Origin" {
				t.Errorf("%s: Vary %q", a.what, a.header.Get("Vary"))
			}
		}
	}
	// The admin API is for our own origin.
	a := s.do("OPTIONS", "/v1/admin/users", "", header("Origin", app), header("Access-Control-Request-Method", "POST"))
	if a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("the admin API answers a preflight of another origin")
	}
}
