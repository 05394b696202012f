package guard_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/guardtest"
	"github.com/writ-auth/writ/jwt"
)

// Rules say who may pass a route. All of them must hold; Any takes one of
// several, and Func asks your own code.
func ExampleRule() {
	t := new(testing.T) // in a test, the one it is given
	issuer := guardtest.NewIssuer(t)
	g := issuer.Guard("api")
	defer g.Close()
	own := guard.Func(func(_ context.Context, a *guard.Access) error {
		if a.Subject() != "ada" {
			return errors.New("not the owner")
		}
		return nil
	})
	h := g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}),
		guard.User(), guard.Any(guard.Role("admin"), own))

	for _, c := range []jwt.AccessClaims{
		{Claims: jwt.Claims{Subject: "ada"}},
		{Claims: jwt.Claims{Subject: "bob"}},
		{Claims: jwt.Claims{Subject: "bob"}, Roles: []string{"admin"}},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, guardtest.Bearer(httptest.NewRequest("GET", "/orders/7", nil), issuer.Token("api", c)))
		fmt.Println(c.Subject, c.Roles, w.Code)
	}
	// Output:
	// ada [] 200
	// bob [] 403
	// bob [admin] 200
}

// Queues and other protocols have no request: Verify takes the token itself.
func ExampleGuard_Verify() {
	t := new(testing.T)
	issuer := guardtest.NewIssuer(t)
	g := issuer.Guard("worker")
	defer g.Close()
	token := issuer.Token("worker", jwt.AccessClaims{Claims: jwt.Claims{Subject: "u1"}, Scope: jwt.Scope{"jobs:write"}})

	access, err := g.Verify(context.Background(), token, guard.Scope("jobs:write"))
	fmt.Println(access.Subject(), err)
	_, err = g.Verify(context.Background(), token, guard.Scope("jobs:delete"))
	var refusal *guard.Refusal
	fmt.Println(errors.As(err, &refusal) && refusal.Status == http.StatusForbidden)
	// Output:
	// u1 <nil>
	// true
}

// A page for everybody that knows who is there: without a token nobody is, and a
// bad token is refused.
func ExampleGuard_Optional() {
	t := new(testing.T)
	issuer := guardtest.NewIssuer(t)
	g := issuer.Guard("api")
	defer g.Close()
	h := g.Optional(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello %s", guard.From(r.Context()).Subject()) // "" for nobody
	}))

	for _, token := range []string{"", issuer.Token("api", jwt.AccessClaims{Claims: jwt.Claims{Subject: "ada"}}), "forged"} {
		r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
		if token != "" {
			guardtest.Bearer(r, token)
		}
		h.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body.Len() > 0)
	}
	// Output:
	// 200 true
	// 200 true
	// 401 true
}
