package guard_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/guardtest"
)

// An API that services may call with JWTs which they have signed themselves: no
// call to the issuer for a token, and a revoked service is refused at once.
func ExampleClientSigned() {
	t := new(testing.T) // in a test, the one it is given
	issuer := guardtest.NewIssuer(t)
	cfg := issuer.Config("https://reports.example.com") // in production: the issuer's URL, and Credentials
	cfg.Issuers[0].ClientSigned = &guard.ClientSigned{MaxLifetime: time.Minute}
	g, err := guard.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer g.Close()
	reports := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, guard.From(r.Context()).Subject())
	})
	api := g.Handler(reports, guard.Scope("reports.read"))

	// The service: its key is registered at the issuer, with what it may do.
	billing := issuer.Client("billing", "reports.read")
	token := billing.Token("https://reports.example.com") // jwt.Sign with Type: guard.TypeClientSigned
	for range 2 {
		w := httptest.NewRecorder()
		api.ServeHTTP(w, guardtest.Bearer(httptest.NewRequest("GET", "/", nil), token))
		fmt.Println(w.Code)
	}
	// Output:
	// 200
	// 401
}
