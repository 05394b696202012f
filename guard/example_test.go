package guard_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/guardtest"
	"github.com/writ-auth/writ/jwt"
)

// An API: everything needs a valid token but /healthz, one route an
// administrator.
func Example() {
	g, err := guard.New(guard.Config{
		Issuers: []guard.Issuer{{URL: "http://localhost:8080", Audience: []string{"https://api.example.com"}}},
		Public:  []string{"GET /healthz"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer g.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {})
	mux.HandleFunc("GET /orders", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, guard.From(r.Context()).Subject())
	})
	remove := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})
	mux.Handle("DELETE /orders/{id}", g.Handler(remove, guard.Role("admin")))
	log.Fatal(http.ListenAndServe("localhost:3000", g.Handler(mux)))
}

// Frameworks with middleware of their own call Check and Refuse. This is what a
// middleware of gin does with c.Request and c.Writer.
func ExampleGuard_Check() {
	var g *guard.Guard
	middleware := func(w http.ResponseWriter, r *http.Request, next func(*http.Request)) {
		access, err := g.Check(r, guard.Scope("orders"))
		if err != nil {
			g.Refuse(w, r, err)
			return
		}
		next(r.WithContext(guard.NewContext(r.Context(), access)))
	}
	_ = middleware
}

type ShopClaims struct {
	jwt.AccessClaims
	Plan string `json:"plan"`
}

// Claims of your own.
func ExampleAs() {
	t := new(testing.T) // in a test, the one it is given
	issuer := guardtest.NewIssuer(t)
	g := issuer.Guard("https://api.example.com")
	defer g.Close()
	h := g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shop, err := guard.As[ShopClaims](guard.From(r.Context()))
		if err != nil {
			g.Refuse(w, r, err)
			return
		}
		fmt.Fprintf(w, "%s has the plan %q", shop.Subject, shop.Plan)
	}))

	token := guardtest.Sign(issuer, ShopClaims{Plan: "pro", AccessClaims: jwt.AccessClaims{
		Claims:   jwt.Claims{Subject: "u1", Audience: jwt.Audience{"https://api.example.com"}},
		ClientID: "web",
	}})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, guardtest.Bearer(httptest.NewRequest("GET", "/", nil), token))
	fmt.Println(w.Body)
	// Output: u1 has the plan "pro"
}

// A response that stays open, such as a stream of events, asks again whether its
// token is still good: without the context of its handler, in which the answer of
// the beginning is kept. A token bound to a key can't be asked about so, since its
// proof counts once: end such streams after a while, and let the client come again.
func ExampleGuard_Check_stream() {
	t := new(testing.T) // in a test, the one it is given
	issuer := guardtest.NewIssuer(t)
	g := issuer.Guard("https://api.example.com")
	defer g.Close()
	token := issuer.Token("https://api.example.com", jwt.AccessClaims{})
	h := g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range 3 { // in real life: at each event, or each second
			if _, err := g.Check(r.WithContext(context.Background())); err != nil {
				fmt.Fprintln(w, "event: end")
				return
			}
			fmt.Fprintln(w, "data: 1")
			issuer.RevokeToken(token)
		}
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, guardtest.Bearer(httptest.NewRequest("GET", "/", nil), token))
	fmt.Print(w.Body)
	// Output:
	// data: 1
	// event: end
}

// What happens when the revocation log is out of reach, route by route.
func ExampleWhenStale() {
	var g *guard.Guard
	var prices, payments http.Handler
	mux := http.NewServeMux()
	mux.Handle("GET /prices", g.Handler(prices, guard.WhenStale(guard.AcceptUntilExpiry))) // public soon enough
	mux.Handle("POST /payments", g.Handler(payments, guard.WhenStale(guard.Reject), guard.AuthenticatedWithin(5*time.Minute)))
}
