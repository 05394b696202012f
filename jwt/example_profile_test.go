package jwt_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// An ID token is for the client that asked for it, and repeats the nonce of its
// request: that of another sign-in is refused, though it is genuine.
func ExampleIDToken() {
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		log.Fatal(err)
	}
	type idClaims struct {
		jwt.Claims
		Nonce string `json:"nonce"`
	}
	raw, err := jwt.Sign(key, idClaims{jwt.Claims{Subject: "u1", Audience: jwt.Audience{"web"}}, "n-0S6_WzA2Mj"},
		jwt.SignOptions{Issuer: "https://auth.example", Lifetime: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := jwt.NewVerifier[idClaims](key.Public(), jwt.IDToken("https://auth.example", "web"))
	if err != nil {
		log.Fatal(err)
	}
	_, err = verifier.VerifyNonce(context.Background(), raw, "n-0S6_WzA2Mj")
	fmt.Println(err)
	_, err = verifier.VerifyNonce(context.Background(), raw, "of another sign-in")
	fmt.Println(errors.Is(err, jwt.ErrNonce))
	// Output:
	// <nil>
	// true
}

// A Signer writes the header once and signs many tokens.
func ExampleNewSigner() {
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		log.Fatal(err)
	}
	signer, err := jwt.NewSigner[jwt.AccessClaims](key, jwt.SignOptions{
		Issuer: "https://auth.example", Type: "at+jwt", Lifetime: 15 * time.Minute, NewID: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	seen := map[string]bool{}
	for _, user := range []string{"ada", "bob"} {
		raw, err := signer.Sign(jwt.AccessClaims{
			Claims: jwt.Claims{Subject: user, Audience: jwt.Audience{"https://api.example"}}, ClientID: "web",
		})
		if err != nil {
			log.Fatal(err)
		}
		seen[raw] = true
	}
	fmt.Println(len(seen), "tokens")
	// Output: 2 tokens
}

// Client assertions: each client has its own key and calls itself the issuer. A
// verifier for one of thousands is a cheap copy of a template.
func ExampleVerifier_With() {
	template, err := jwt.NewVerifier[jwt.Claims](new(jwk.Set), jwt.Expect{
		Issuer: "-", Audience: []string{"https://auth.example"}, Type: "client-authentication+jwt", Required: []string{"jti"}, MaxAge: 5 * time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}
	key, err := jwk.Generate(jwk.ES256) // the client's: a server knows its public half
	if err != nil {
		log.Fatal(err)
	}
	raw, err := jwt.Sign(key, jwt.Claims{Subject: "client-7", Audience: jwt.Audience{"https://auth.example"}},
		jwt.SignOptions{Issuer: "client-7", Type: "client-authentication+jwt", Lifetime: time.Minute, NewID: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, client := range []string{"client-7", "client-8"} {
		_, err = template.With(client, key.Public()).Verify(context.Background(), raw)
		fmt.Println(client, err)
	}
	// Output:
	// client-7 <nil>
	// client-8 jwt: token is from another issuer: iss: expected "client-8"
}

// What a token says before anybody vouched for it: for a debugger, a log of
// refusals, or to find out who claims to have made it.
func ExampleDecodeUnverified() {
	token, err := jwt.DecodeUnverified("eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UifQ.")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s %s\n", token.Header(), token.Payload())
	// Output: {"alg":"none"} {"iss":"joe"}
}
