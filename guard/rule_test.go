package guard_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/jwt"
)

func TestRules(t *testing.T) {
	issuer, g := newGuard(t, nil)
	mine := errors.New("not on a Sunday")
	person := jwt.AccessClaims{
		Claims: jwt.Claims{Subject: "u1"}, ClientID: "web", ACR: "mfa",
		Roles: []string{"editor"}, Permissions: []string{"orders:write"}, Scope: jwt.Scope{"read"},
		AuthTime: jwt.NumericDate(issuer.Now().Add(-5 * time.Minute)),
	}
	service := jwt.AccessClaims{Claims: jwt.Claims{Subject: "svc"}, ClientID: "svc"}
	for _, c := range []struct {
		name   string
		claims jwt.AccessClaims
		rule   guard.Rule
		want   int
	}{
		{"role", person, guard.Role("editor"), 200},
		{"role in another case", person, guard.Role("Editor"), 403},
		{"start of a role", person, guard.Role("edit"), 403},
		{"empty role", person, guard.Role(""), 403},
		{"a role as a scope", person, guard.Scope("editor"), 403},
		{"scope", person, guard.Scope("read"), 200},
		{"another scope", person, guard.Scope("write"), 403},
		{"permission", person, guard.Permission("orders:write"), 200},
		{"another permission", person, guard.Permission("orders"), 403},
		{"user", person, guard.User(), 200},
		{"user, a service", service, guard.User(), 403},
		{"acr", person, guard.ACR("hwk", "mfa"), 200},
		{"another acr", person, guard.ACR("hwk"), 401},
		{"no acr given", person, guard.ACR(), 401},
		{"no acr in the token", service, guard.ACR(""), 401},
		{"signed in 5 min ago, within 5 min", person, guard.AuthenticatedWithin(5 * time.Minute), 200},
		{"signed in 5 min ago, within 4:59", person, guard.AuthenticatedWithin(5*time.Minute - time.Second), 401},
		{"no auth_time", service, guard.AuthenticatedWithin(time.Hour), 401},
		{"func", person, guard.Func(func(_ context.Context, a *guard.Access) error {
			if a.Subject() != "u1" {
				return mine
			}
			return nil
		}), 200},
		{"func that refuses", person, guard.Func(func(context.Context, *guard.Access) error { return mine }), 403},
		{"no func", person, guard.Func(nil), 403},
		{"any of none", person, guard.Any(), 403},
		{"any, the second holds", person, guard.Any(guard.Role("admin"), guard.Scope("read")), 200},
		{"any, none holds", person, guard.Any(guard.Role("admin"), guard.Scope("write")), 403},
		{"any, the first is a step-up", person, guard.Any(guard.ACR("hwk"), guard.Role("admin")), 401},
		{"any with the zero rule", person, guard.Any(guard.Rule{}), 403},
		{"zero rule", person, guard.Rule{}, 403},
	} {
		_, err := g.Verify(t.Context(), issuer.Token(audience, c.claims), c.rule)
		wantStatus(t, c.name, err, c.want)
		if c.name == "func that refuses" && !errors.Is(err, mine) {
			t.Errorf("%s: got %v, want the function's error", c.name, err)
		}
	}
	_, err := g.Verify(t.Context(), issuer.Token(audience, person), guard.Role("editor"), guard.Scope("write"))
	wantStatus(t, "all must hold", err, 403)
}

func TestIsClient(t *testing.T) {
	issuer, g := newGuard(t, nil)
	for _, c := range []struct {
		name   string
		claims jwt.AccessClaims
		want   bool
	}{
		{"person", jwt.AccessClaims{Claims: jwt.Claims{Subject: "usr_1"}, ClientID: "writ"}, false},
		{"service", jwt.AccessClaims{Claims: jwt.Claims{Subject: "svc"}, ClientID: "svc"}, true},
		{"a person at a client of their name", jwt.AccessClaims{Claims: jwt.Claims{Subject: "x"}, ClientID: "x", SessionID: "s"}, false},
	} {
		a, err := g.Verify(t.Context(), issuer.Token(audience, c.claims))
		if err != nil {
			t.Fatal(err)
		}
		if got := a.IsClient(); got != c.want {
			t.Errorf("%s: IsClient is %v, want %v", c.name, got, c.want)
		}
	}
}

// The log says which of a route's rules it was; the answer doesn't.
func TestRefusalNamesTheRule(t *testing.T) {
	issuer, g := newGuard(t, nil)
	token := issuer.Token(audience, jwt.AccessClaims{Claims: jwt.Claims{Subject: "svc"}, ClientID: "svc", Roles: []string{"editor"}})
	for want, rule := range map[string]guard.Rule{
		`guard: token does not meet a rule: role "admin"`:        guard.Role("admin"),
		`guard: token does not meet a rule: permission "orders"`: guard.Permission("orders"),
		`guard: token does not meet a rule: scope "read"`:        guard.Scope("read"),
		`guard: token does not meet a rule: a person's token`:    guard.User(),
	} {
		_, err := g.Verify(t.Context(), token, guard.Role("editor"), rule)
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		wantStatus(t, want, err, 403)
	}
}
