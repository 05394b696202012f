package oauth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// A token of one kind is taken nowhere for one of another (RFC 8725, section
// 3.11): of all kinds at all places, only those that belong together.
func TestKindsOfTokens(t *testing.T) {
	s := start(t)
	c, k := s.usual("svc"), s.keyed("keyed", jwk.ES256)
	expect := jwt.AccessToken(issuer, orders)
	expect.Now = s.clock
	api, err := jwt.NewVerifier[jwt.AccessClaims](s.keys(), expect)
	if err != nil {
		t.Fatal(err)
	}
	cookie := s.send("POST", "/v1/login", "application/json", `{"email":"`+adminMail+`","password":"`+password+`","mode":"session"}`,
		header("Sec-Fetch-Site", "same-origin")).is(200)
	opaque, _, _ := strings.Cut(strings.TrimPrefix(cookie.header.Get("Set-Cookie"), "writ_s="), ";")
	kinds := map[string]func() string{
		"a service's access token":          func() string { return s.token(c, orders) },
		"a person's access token":           func() string { return s.signIn(orders).str("access_token") },
		"a person's access token for Writ":  func() string { return s.signIn("").str("access_token") },
		"a refresh token":                   func() string { return s.signIn("").str("refresh_token") },
		"an assertion":                      func() string { return s.assertion(k, nil) },
		"an assertion that says what it is": func() string { return s.assertion(k, head("typ", "client-authentication+jwt")) },
		"a secret":                          func() string { return c.secret },
		"a session's cookie":                func() string { return s.hide(opaque) },
	}
	places := map[string]struct {
		takes   string // the kinds, each in brackets
		accepts func(token string) bool
	}{
		"Writ": {"[a person's access token for Writ]", func(token string) bool {
			return s.send("GET", "/v1/me", "", "", bearer(token)).status == 200
		}},
		"an API": {"[a service's access token][a person's access token]", func(token string) bool {
			_, err := api.Verify(t.Context(), token)
			return err == nil
		}},
		"refreshing": {"[a refresh token]", func(token string) bool {
			a := s.send("POST", "/v1/refresh", "application/json", `{"refresh_token":"`+token+`"}`)
			if a.status == 200 {
				s.hide(a.str("refresh_token"))
			}
			return a.status == 200
		}},
		"a client's assertion": {"[an assertion][an assertion that says what it is]", func(token string) bool {
			return s.assert(token).status == 200
		}},
		"a client's secret": {"[a secret]", func(token string) bool {
			return s.post("/oauth/token", request(), basic("svc", token)).status == 200
		}},
		"introspection": {"[a service's access token][a person's access token]", func(token string) bool {
			return s.introspect(c, token).body["active"] == true
		}},
	}
	for place, p := range places {
		for kind, made := range kinds {
			s.advance(time.Hour) // the throttles have forgotten
			if got, want := p.accepts(made()), strings.Contains(p.takes, "["+kind+"]"); got != want {
				t.Errorf("%s for %s: accepted %v, want %v", kind, place, got, want)
			}
		}
	}
}
