package dpop_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
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

// A server that has no guard checks token and proof itself.
func ExampleVerifier() {
	issuing := example(jwk.Generate(jwk.ES256))
	expect := jwt.AccessToken("https://auth.example.com", "https://api.example.com")
	expect.AllowConfirmation = true // the proof is checked below
	tokens := example(jwt.NewVerifier[jwt.AccessClaims](issuing.Public(), expect))
	proofs := example(dpop.NewVerifier(dpop.Config{}))
	memory := dpop.NewMemory(0, nil)
	check := func(r *http.Request) error {
		raw, ok := strings.CutPrefix(r.Header.Get("Authorization"), "DPoP ")
		if !ok {
			return errors.New("not a token with a proof")
		}
		token, err := tokens.Verify(r.Context(), raw)
		if err != nil {
			return err
		}
		header, err := dpop.FromHeader(r.Header)
		if err != nil {
			return err
		}
		proof, err := proofs.Verify(r.Context(), header, dpop.Request{
			Method: r.Method, URL: "https://api.example.com" + r.URL.EscapedPath(), AccessToken: raw,
		})
		if err != nil {
			return err
		}
		if cnf := token.Claims().Confirmation; cnf == nil || cnf.JKT != proof.Thumbprint() {
			return errors.New("the token is bound to another key, or to none")
		}
		return memory.Use(proof)
	}

	signer := example(dpop.NewSigner(example(jwk.Generate(jwk.ES256)), nil))
	claims := jwt.AccessClaims{
		Claims: jwt.Claims{Subject: "ann", Audience: jwt.Audience{"https://api.example.com"}}, ClientID: "app",
		Confirmation: &jwt.Confirmation{JKT: signer.Thumbprint()},
	}
	options := jwt.SignOptions{Lifetime: 15 * time.Minute, Issuer: "https://auth.example.com", NewID: true, Type: "at+jwt"}
	bound := example(jwt.Sign(issuing, claims, options))
	claims.Confirmation = nil
	unbound := example(jwt.Sign(issuing, claims, options))
	try := func(path, token, proof string) {
		r := httptest.NewRequest("GET", "https://api.example.com"+path, nil)
		r.Header.Set("Authorization", "DPoP "+token)
		r.Header.Set("DPoP", proof)
		fmt.Println(check(r))
	}
	prove := func(path, token string) string {
		return example(signer.Sign(dpop.Request{Method: "GET", URL: "https://api.example.com" + path, AccessToken: token}, ""))
	}
	proof := prove("/files/a%2Fb", bound)
	try("/files/a%2Fb", bound, proof)
	try("/files/a%2Fb", bound, proof)
	try("/files%3F", bound, prove("/files", bound))
	try("/files", unbound, prove("/files", unbound))
	// Output:
	// <nil>
	// dpop: proof was used before
	// dpop: proof is missing or not valid: htu has another path than the request
	// the token is bound to another key, or to none
}

func example[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
