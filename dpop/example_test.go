package dpop_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/writ-auth/writ/dpop"
	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// A client makes a key, has its token bound to it, and shows the token with a
// proof for each request. The API needs nothing but a guard.
func Example() {
	// The authorization server: here a key is all of it.
	issuing := example(jwk.Generate(jwk.ES256))
	bound := func(jkt string) string {
		return example(jwt.Sign(issuing, jwt.AccessClaims{
			Claims: jwt.Claims{Subject: "ann", Audience: jwt.Audience{"https://api.example.com"}}, ClientID: "app",
			Confirmation: &jwt.Confirmation{JKT: jkt},
		}, jwt.SignOptions{Lifetime: 15 * time.Minute, Issuer: "https://auth.example.com", NewID: true, Type: "at+jwt"}))
	}

	// The API.
	g := example(guard.New(guard.Config{Issuers: []guard.Issuer{{
		URL: "https://auth.example.com", Audience: []string{"https://api.example.com"}, Keys: issuing.Public(),
	}}}))
	defer g.Close()
	api := httptest.NewServer(g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello, ", guard.From(r.Context()).Subject())
	})))
	defer api.Close()

	// The client.
	signer := example(dpop.NewSigner(example(jwk.Generate(jwk.ES256)), nil))
	token := bound(signer.Thumbprint()) // from the token endpoint, in life
	client := &http.Client{Transport: &dpop.Transport{
		Signer: signer,
		Token:  func(context.Context) (string, error) { return token, nil },
	}}
	res := example(client.Get(api.URL + "/orders"))
	defer res.Body.Close()
	fmt.Println(res.StatusCode, string(example(io.ReadAll(res.Body))))

	// Whoever steals the token has the wrong key, or none.
	request := example(http.NewRequest("GET", api.URL+"/orders", nil))
	request.Header.Set("Authorization", "Bearer "+token)
	stolen := example(http.DefaultClient.Do(request))
	defer stolen.Body.Close()
	fmt.Println(stolen.StatusCode)
	// Output:
	// 200 hello, ann
	// 401
}

func example[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
