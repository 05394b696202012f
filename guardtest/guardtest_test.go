package guardtest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/guardtest"
	"github.com/writ-auth/writ/jwt"
)

const audience = "https://api.example.com"

func get(h http.Handler, token string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, guardtest.Bearer(httptest.NewRequest("GET", "/", nil), token))
	return w
}

// whoami answers with the subject of whoever asks.
func whoami(w http.ResponseWriter, r *http.Request) {
	fmt.Fprint(w, guard.From(r.Context()).Subject())
}

func protected(t *testing.T) (*guardtest.Issuer, http.Handler) {
	issuer := guardtest.NewIssuer(t)
	return issuer, issuer.Guard(audience).Handler(http.HandlerFunc(whoami))
}

func TestToken(t *testing.T) {
	issuer, h := protected(t)
	w := get(h, issuer.Token(audience, jwt.AccessClaims{Claims: jwt.Claims{Subject: "u1"}}))
	if w.Code != 200 || w.Body.String() != "u1" {
		t.Errorf("got %d %q, want 200 u1", w.Code, w.Body)
	}
}

func TestHostile(t *testing.T) {
	issuer, h := protected(t)
	seen := make(map[string]bool)
	for _, hostile := range issuer.Hostile(audience) {
		if seen[hostile.Name] {
			t.Errorf("two are called %q", hostile.Name)
		}
		seen[hostile.Name] = true
		if w := get(h, hostile.Token); w.Code != http.StatusUnauthorized {
			t.Errorf("%s: got %d %s, want 401", hostile.Name, w.Code, w.Body)
		}
	}
	if len(seen) < 150 {
		t.Errorf("%d hostile tokens, want at least 150", len(seen))
	}
}

func TestRevoke(t *testing.T) {
	person := jwt.AccessClaims{Claims: jwt.Claims{Subject: "u1"}, SessionID: "s1"}
	for name, revoke := range map[string]func(i *guardtest.Issuer, token string){
		"token":   func(i *guardtest.Issuer, token string) { i.RevokeToken(token) },
		"session": func(i *guardtest.Issuer, _ string) { i.RevokeSession("s1") },
		"user":    func(i *guardtest.Issuer, _ string) { i.RevokeUser("u1") },
		"key":     func(i *guardtest.Issuer, _ string) { i.RevokeKey(i.KeyID()) },
	} {
		t.Run(name, func(t *testing.T) {
			issuer, h := protected(t)
			token := issuer.Token(audience, person)
			other := issuer.Token(audience, jwt.AccessClaims{Claims: jwt.Claims{Subject: "u2"}})
			if w := get(h, token); w.Code != 200 {
				t.Fatalf("before: got %d, want 200", w.Code)
			}
			revoke(issuer, token)
			if w := get(h, token); w.Code != 401 {
				t.Errorf("after: got %d, want 401", w.Code)
			}
			want := 200
			if name == "key" {
				want = 401 // one key signed both
			}
			if w := get(h, other); w.Code != want {
				t.Errorf("another's token: got %d, want %d", w.Code, want)
			}
			person := person
			person.SessionID = "s2"
			if w := get(h, issuer.Token(audience, person)); w.Code != 200 {
				t.Errorf("a later token: got %d, want 200", w.Code)
			}
		})
	}
}

func TestRevokeUserEndsEveryClientOfTheirs(t *testing.T) {
	issuer, h := protected(t)
	at := func(client string) string {
		return issuer.Token(audience, jwt.AccessClaims{Claims: jwt.Claims{Subject: "u1"}, ClientID: client})
	}
	web, phone := at("web"), at("phone")
	issuer.RevokeUser("u1")
	if a, b := get(h, web).Code, get(h, phone).Code; a != 401 || b != 401 {
		t.Errorf("got %d and %d, want 401 for both", a, b)
	}
}

func TestRotate(t *testing.T) {
	issuer, h := protected(t)
	kids := make(map[string]bool)
	var tokens []string
	for range 6 {
		tokens = append(tokens, issuer.Token(audience, jwt.AccessClaims{}))
		kids[issuer.KeyID()] = true
		issuer.Rotate()
	}
	if len(kids) != 6 {
		t.Errorf("%d keys signed, want 6", len(kids))
	}
	for n, token := range tokens {
		if w := get(h, token); w.Code != 200 {
			t.Errorf("token of key %d: got %d, want 200", n, w.Code)
		}
	}
}

func TestAdvance(t *testing.T) {
	issuer, h := protected(t)
	old := issuer.Token(audience, jwt.AccessClaims{})
	issuer.Advance(time.Hour)
	if w := get(h, old); w.Code != 401 {
		t.Errorf("an hour later: got %d, want 401", w.Code)
	}
	if w := get(h, issuer.Token(audience, jwt.AccessClaims{})); w.Code != 200 {
		t.Errorf("a new token: got %d, want 200", w.Code)
	}
}

func TestRevokeDoesNotWaitForAClosedGuard(t *testing.T) {
	issuer := guardtest.NewIssuer(t)
	g := issuer.Guard(audience)
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	issuer.RevokeSession("s1") // fails the test if it waits
}

func TestService(t *testing.T) {
	issuer := guardtest.NewIssuer(t)
	g := issuer.Guard(audience)
	a, err := g.Verify(t.Context(), issuer.Token(audience, jwt.AccessClaims{Claims: jwt.Claims{Subject: "svc"}, ClientID: "svc"}))
	if err != nil {
		t.Fatal(err)
	}
	if !a.IsClient() || a.Claims().SessionID != "" {
		t.Errorf("IsClient is %v, sid %q; want true and none", a.IsClient(), a.Claims().SessionID)
	}
}

func TestContext(t *testing.T) {
	ctx := guardtest.Context(t, jwt.AccessClaims{Claims: jwt.Claims{Subject: "u1"}, Roles: []string{"admin"}})
	w := httptest.NewRecorder()
	whoami(w, httptest.NewRequest("GET", "/", nil).WithContext(ctx))
	if w.Body.String() != "u1" || !guard.From(ctx).HasRole("admin") {
		t.Errorf("got %q, %v; want u1, true", w.Body, guard.From(ctx).HasRole("admin"))
	}
}

type shopClaims struct {
	jwt.AccessClaims
	Plan string `json:"plan"`
}

func TestSign(t *testing.T) {
	issuer := guardtest.NewIssuer(t)
	claims := shopClaims{Plan: "pro", AccessClaims: jwt.AccessClaims{
		Claims: jwt.Claims{Subject: "u1", Audience: jwt.Audience{audience}}, ClientID: "web",
	}}
	a, err := issuer.Guard(audience).Verify(t.Context(), guardtest.Sign(issuer, claims))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := guard.As[shopClaims](a); err != nil || got.Plan != "pro" {
		t.Errorf("got %q, %v; want pro", got.Plan, err)
	}
}
