package guard_test

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// foreignClaims are claims that other issuers write in forms of their own.
type foreignClaims struct {
	jwt.Claims
	Scope json.RawMessage `json:"scope,omitzero"`
	Roles json.RawMessage `json:"roles,omitzero"`
	AMR   json.RawMessage `json:"amr,omitzero"`
	Name  json.RawMessage `json:"name,omitzero"`
}

const foreignURL = "https://sso.partner.example/"

func foreignGuard(t *testing.T, change func(*guard.Issuer)) (*guard.Guard, func(foreignClaims) string) {
	t.Helper()
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	issuer := guard.Issuer{URL: foreignURL, Audience: []string{audience}, Type: "JWT", Keys: key.Public()}
	change(&issuer)
	g, err := guard.New(guard.Config{Issuers: []guard.Issuer{issuer}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g, func(c foreignClaims) string {
		c.Subject, c.Audience = "p1", jwt.Audience{audience}
		token, err := jwt.Sign(key, c, jwt.SignOptions{Issuer: foreignURL, Lifetime: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
}

// A path may lead to the usual name: then it is for the path to say in which form
// the claim is, a scope that is an array or a role that is a string.
func TestPathToTheUsualName(t *testing.T) {
	g, sign := foreignGuard(t, func(i *guard.Issuer) {
		i.Paths = guard.Paths{Roles: []string{"roles"}, Scope: []string{"scope"}}
	})
	c := foreignClaims{Scope: json.RawMessage(`["read","write"]`), Roles: json.RawMessage(`"admin"`)}
	a, err := g.Verify(t.Context(), sign(c), guard.Scope("write"), guard.Role("admin"))
	wantStatus(t, "array and string", err, 200)
	if got := a.Claims(); !slices.Equal(got.Roles, []string{"admin"}) || got.Scope.String() != "read write" {
		t.Errorf("got %v and %v", got.Roles, got.Scope)
	}
	c.Roles = json.RawMessage(`["admin",1]`)
	_, err = g.Verify(t.Context(), sign(c))
	wantStatus(t, "half a list", err, 401)

	g, sign = foreignGuard(t, func(*guard.Issuer) {})
	_, err = g.Verify(t.Context(), sign(foreignClaims{Scope: json.RawMessage(`["read"]`)}))
	wantStatus(t, "without a path", err, 401)
}

// What is ignored opens nothing: it is taken for absent.
func TestIgnore(t *testing.T) {
	odd := foreignClaims{AMR: json.RawMessage(`[{"method":"password"}]`), Name: json.RawMessage(`null`)}
	g, sign := foreignGuard(t, func(*guard.Issuer) {})
	_, err := g.Verify(t.Context(), sign(odd))
	wantStatus(t, "read", err, 401)

	g, sign = foreignGuard(t, func(i *guard.Issuer) { i.Ignore = []string{"amr", "name", "roles"} })
	odd.Roles = json.RawMessage(`["admin"]`)
	a, err := g.Verify(t.Context(), sign(odd))
	wantStatus(t, "ignored", err, 200)
	if c := a.Claims(); c.AMR != nil || c.Name != "" || c.Roles != nil {
		t.Errorf("got %+v, want nothing of what is ignored", c)
	}
	_, err = g.Verify(t.Context(), sign(odd), guard.Role("admin"))
	wantStatus(t, "a rule about what is ignored", err, 403)
	own, err := guard.As[foreignClaims](a)
	if err != nil || string(own.AMR) != `[{"method":"password"}]` {
		t.Errorf("As: got %s, %v", own.AMR, err)
	}
}

type impossibleClaims struct {
	jwt.Claims
	Any any `json:"any"`
}

// A type that can't be read is the program's fault: a client that is told 401
// would sign in again, for ever.
func TestAsOfWhatIsNoClaimSet(t *testing.T) {
	g, sign := foreignGuard(t, func(*guard.Issuer) {})
	a, err := g.Verify(t.Context(), sign(foreignClaims{}))
	wantStatus(t, "token", err, 200)
	_, err = guard.As[impossibleClaims](a)
	if err == nil || errors.As(err, new(*guard.Refusal)) {
		t.Fatalf("got %v, want an error that is no refusal", err)
	}
	w := httptest.NewRecorder()
	g.Refuse(w, httptest.NewRequest("GET", "/", nil), err)
	if w.Code != 500 || w.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("got %d, %v", w.Code, w.Header())
	}
}
