package clientauth_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/clientauth"
)

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

func unsigned(payload string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + "."
}

func basicHeader(pair string) []string {
	return []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(pair))}
}

func TestPresented(t *testing.T) {
	for what, tt := range map[string]struct {
		credentials clientauth.Credentials
		method, id  string
		code        auth.Code
	}{
		"basic":                 {clientauth.Credentials{Authorization: basicHeader("a%2Fb:c%3Ad")}, auth.AuthSecretBasic, "a/b", ""},
		"basic, colons":         {clientauth.Credentials{Authorization: basicHeader("a:b:c")}, auth.AuthSecretBasic, "a", ""},
		"basic, plus":           {clientauth.Credentials{Authorization: basicHeader("a+b:c")}, auth.AuthSecretBasic, "a b", ""},
		"basic, no UTF-8":       {clientauth.Credentials{Authorization: basicHeader("%ff:c")}, "", "", auth.CodeInvalidCredentials},
		"post":                  {clientauth.Credentials{ID: "a", Secret: "s"}, auth.AuthSecretPost, "a", ""},
		"assertion":             {clientauth.Credentials{AssertionType: jwtBearer, Assertion: unsigned(`{"sub":"a"}`)}, auth.AuthPrivateKeyJWT, "a", ""},
		"assertion, no sub":     {clientauth.Credentials{AssertionType: jwtBearer, Assertion: unsigned(`{"iss":"a"}`)}, "", "", auth.CodeInvalidCredentials},
		"assertion, twice":      {clientauth.Credentials{AssertionType: jwtBearer, Assertion: unsigned(`{"sub":"a","sub":"b"}`)}, "", "", auth.CodeInvalidCredentials},
		"a grant":               {clientauth.Credentials{Grant: unsigned(`{"sub":"a"}`)}, "jwt-bearer", "a", ""},
		"a grant, and a secret": {clientauth.Credentials{ID: "a", Secret: "s", Grant: unsigned(`{"sub":"b"}`)}, auth.AuthSecretPost, "a", ""},
		"a grant, no sub":       {clientauth.Credentials{Grant: unsigned(`{}`)}, "", "", "invalid_grant"},
		"a grant of another":    {clientauth.Credentials{ID: "b", Grant: unsigned(`{"sub":"a"}`)}, "", "", auth.CodeInvalid},
		"none":                  {clientauth.Credentials{ID: "a"}, auth.AuthNone, "a", ""},
		"nothing":               {clientauth.Credentials{}, "", "", auth.CodeUnauthenticated},
		"a name of a megabyte":  {clientauth.Credentials{ID: strings.Repeat("a", 1<<20)}, auth.AuthNone, strings.Repeat("a", 129), ""},
	} {
		method, id, err := clientauth.Presented(tt.credentials)
		var e *auth.Error
		switch {
		case tt.code == "" && (err != nil || method != tt.method || id != tt.id):
			t.Errorf("%s: %s of %.200q, %v, want %s of %.200q", what, method, id, err, tt.method, tt.id)
		case tt.code != "" && (!errors.As(err, &e) || e.Code != tt.code):
			t.Errorf("%s: %v, want %s", what, err, tt.code)
		}
	}
}

// Nothing that can be sent makes more of one request than one method and one
// short name, or panics.
func FuzzPresented(f *testing.F) {
	f.Add("Basic YTpi", "", "", "", "", "")
	f.Add("Basic YTpi", "a", "s", jwtBearer, unsigned(`{"sub":"a"}`), "")
	f.Add("", "a", "", "", "", "")
	f.Add("", "", "", jwtBearer, unsigned(`{"sub":"\u0000"}`), "")
	f.Add("basic  ", "a", "s", "", "x.y.z", "")
	f.Add("", "", "", "", "", unsigned(`{"sub":"a"}`))
	f.Fuzz(func(t *testing.T, authorization, id, secret, kind, assertion, grant string) {
		c := clientauth.Credentials{ID: id, Secret: secret, AssertionType: kind, Assertion: assertion, Grant: grant}
		ways := 0
		if authorization != "" {
			c.Authorization = []string{authorization}
			ways++
		}
		if secret != "" {
			ways++
		}
		if kind != "" || assertion != "" {
			ways++
		}
		if ways == 0 && grant != "" {
			ways++
		}
		method, name, err := clientauth.Presented(c)
		if err != nil {
			var e *auth.Error
			if !errors.As(err, &e) {
				t.Errorf("error %v", err)
			}
			return
		}
		if ways > 1 || method == "" || name == "" && (ways == 0 || method != auth.AuthSecretPost) || len(name) > 129 {
			t.Errorf("%d ways: %q of %q", ways, method, name)
		}
		if method != auth.AuthSecretPost && method != auth.AuthNone && !utf8.ValidString(name) {
			t.Errorf("the name %q is not text", name)
		}
		if id != "" && len(id) <= 128 && name != id {
			t.Errorf("client_id %q, but %q authenticates", id, name)
		}
	})
}
