package caller_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/caller"
)

// The rules for several credentials at once are tested through the doors; see
// package api.

func TestFrom(t *testing.T) {
	for _, test := range []struct{ agent, remote, device, address string }{
		{"curl/8", "192.0.2.1:1234", "curl/8", "192.0.2.1"},
		{"", "[2001:db8::1]:1", "", "2001:db8::1"},
		{"a\xffb", "@", "a?b", ""},
		{strings.Repeat("a", 300), "192.0.2.1:1", strings.Repeat("a", 256), "192.0.2.1"},
		{strings.Repeat("a", 255) + "é", "192.0.2.1:1", strings.Repeat("a", 255), "192.0.2.1"},
		{strings.Repeat("🦊", 80), "192.0.2.1:1", strings.Repeat("🦊", 64), "192.0.2.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("User-Agent", test.agent)
		r.RemoteAddr = test.remote
		if got := caller.From(r); got.Device != test.device || got.Address != test.address {
			t.Errorf("%q from %s gives %+v", test.agent, test.remote, got)
		}
	}
}

func FuzzFrom(f *testing.F) {
	f.Add("curl/8")
	f.Add(strings.Repeat("é", 200))
	f.Fuzz(func(t *testing.T, agent string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["User-Agent"] = []string{agent}
		if d := caller.From(r).Device; len(d) > 256 || !utf8.ValidString(d) {
			t.Fatalf("%q gives %q", agent, d)
		}
	})
}

func TestAuthorizationHeader(t *testing.T) {
	cookies, err := edge.NewCookies("https://auth.example.com", "", "")
	if err != nil {
		t.Fatal(err)
	}
	f := &caller.Finder{Issuer: "https://auth.example.com", Cookies: cookies}
	for _, test := range []struct {
		values []string
		token  string
		code   auth.Code
	}{
		{nil, "", ""},
		{[]string{"Bearer abc"}, "abc", ""},
		{[]string{"bearer abc"}, "abc", ""},
		{[]string{"BEARER  abc "}, "abc", ""},
		{[]string{""}, "", auth.CodeUnauthenticated},
		{[]string{"Bearer"}, "", auth.CodeUnauthenticated},
		{[]string{"Bearer "}, "", auth.CodeUnauthenticated},
		{[]string{"Basic YTpi"}, "", auth.CodeUnauthenticated},
		{[]string{"DPoP abc"}, "", auth.CodeUnauthenticated},
		{[]string{"abc"}, "", auth.CodeUnauthenticated},
		{[]string{"Bearer a", "Bearer a"}, "", auth.CodeInvalid},
		{[]string{"Bearer a", ""}, "", auth.CodeInvalid},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Authorization"] = test.values
		c, err := f.Read(r)
		var e *auth.Error
		if errors.As(err, &e); test.code == "" && (err != nil || c.Bearer != test.token) || test.code != "" && (e == nil || e.Code != test.code) {
			t.Errorf("%q gives %q, %v", test.values, c.Bearer, err)
		}
	}
}
