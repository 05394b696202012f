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

// One key pair, one kind of token: all that signing and verifying take.
func Example() {
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		log.Fatal(err)
	}
	raw, err := jwt.Sign(key, jwt.Claims{Subject: "u1", Audience: jwt.Audience{"api"}},
		jwt.SignOptions{Issuer: "https://shop.example", Lifetime: 15 * time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := jwt.NewVerifier[jwt.Claims](key.Public(),
		jwt.Expect{Issuer: "https://shop.example", Audience: []string{"api"}, Type: "JWT"})
	if err != nil {
		log.Fatal(err)
	}
	token, err := verifier.Verify(context.Background(), raw)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Claims().Subject)
	// Output: u1
}

// Shop is what the shop's tokens say.
type Shop struct {
	jwt.Claims
	Plan  string   `json:"plan"`
	Seats int      `json:"seats,omitzero"`
	Flags []string `json:"flags,omitzero"`
}

// Claims of your own are a struct that embeds jwt.Claims.
func ExampleClaims() {
	secret, err := jwk.GenerateSecret(jwk.HS256)
	if err != nil {
		log.Fatal(err)
	}
	raw, err := jwt.Sign(secret, Shop{jwt.Claims{Subject: "u1", Audience: jwt.Audience{"api"}}, "pro", 5, nil},
		jwt.SignOptions{Issuer: "https://shop.example", Lifetime: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := jwt.NewVerifier[Shop](secret,
		jwt.Expect{Issuer: "https://shop.example", Audience: []string{"api"}, Type: "JWT"})
	if err != nil {
		log.Fatal(err)
	}
	token, err := verifier.Verify(context.Background(), raw)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Claims().Plan, token.Claims().Seats)
	// Output: pro 5
}

// A profile says what a kind of token must be; its fields can be changed.
func ExampleAccessToken() {
	key, err := jwk.Generate(jwk.EdDSA)
	if err != nil {
		log.Fatal(err)
	}
	expect := jwt.AccessToken("https://auth.example", "https://api.example")
	expect.Leeway = 30 * time.Second
	verifier, err := jwt.NewVerifier[jwt.AccessClaims](key.Public(), expect)
	if err != nil {
		log.Fatal(err)
	}
	raw, err := jwt.Sign(key, jwt.AccessClaims{
		Claims:   jwt.Claims{Subject: "usr_1", Audience: jwt.Audience{"https://api.example"}},
		ClientID: "web", Scope: jwt.Scope{"orders:read"},
	}, jwt.SignOptions{Issuer: "https://auth.example", Type: "at+jwt", Lifetime: 15 * time.Minute, NewID: true})
	if err != nil {
		log.Fatal(err)
	}
	token, err := verifier.Verify(context.Background(), raw)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Claims().Subject, token.Claims().Scope.Has("orders:read"))
	// Output: usr_1 true
}

// Reasons are safe to act on: this token was good until yesterday.
func ExampleError() {
	secret, err := jwk.GenerateSecret(jwk.HS256)
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := jwt.NewVerifier[jwt.Claims](secret,
		jwt.Expect{Issuer: "https://shop.example", Audience: []string{"api"}, Type: "JWT"})
	if err != nil {
		log.Fatal(err)
	}
	raw, err := jwt.Sign(secret, jwt.Claims{
		Issuer: "https://shop.example", Audience: jwt.Audience{"api"}, Expiry: jwt.NumericDate(time.Now().AddDate(0, 0, -1)),
	}, jwt.SignOptions{})
	if err != nil {
		log.Fatal(err)
	}
	switch _, err := verifier.Verify(context.Background(), raw); {
	case errors.Is(err, jwt.ErrExpired):
		fmt.Println("please sign in again")
	case errors.Is(err, jwt.ErrUnavailable):
		fmt.Println("please try again")
	case err != nil:
		fmt.Println("no")
	}
	// Output: please sign in again
}

// A verifier that doesn't say who must have made the token can't be made.
func ExampleNewVerifier() {
	secret, err := jwk.GenerateSecret(jwk.HS256)
	if err != nil {
		log.Fatal(err)
	}
	_, err = jwt.NewVerifier[jwt.Claims](secret, jwt.Expect{Audience: []string{"api"}, Type: "JWT"})
	fmt.Println(err)
	// Output: jwt: Expect.Issuer is missing (if that is meant, set AnyIssuer)
}

// Two issuers, each with its own keys.
func ExampleOneOf() {
	old, err := jwk.GenerateSecret(jwk.HS256)
	if err != nil {
		log.Fatal(err)
	}
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		log.Fatal(err)
	}
	legacy, err := jwt.NewVerifier[jwt.Claims](old, jwt.Expect{Issuer: "urn:legacy", Audience: []string{"api"}, Type: "JWT"})
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := jwt.OneOf(legacy, legacy.With("https://auth.example", key.Public()))
	if err != nil {
		log.Fatal(err)
	}
	raw, err := jwt.Sign(key, jwt.Claims{Subject: "u1", Audience: jwt.Audience{"api"}},
		jwt.SignOptions{Issuer: "https://auth.example", Lifetime: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	token, err := verifier.Verify(context.Background(), raw)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Claims().Issuer, token.Algorithm())
	// Output: https://auth.example ES256
}

// What one struct leaves out, another may read.
func ExampleAs() {
	secret, err := jwk.GenerateSecret(jwk.HS256)
	if err != nil {
		log.Fatal(err)
	}
	raw, err := jwt.Sign(secret, Shop{jwt.Claims{Audience: jwt.Audience{"api"}}, "pro", 0, nil},
		jwt.SignOptions{Issuer: "https://shop.example", Lifetime: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := jwt.NewVerifier[jwt.Claims](secret,
		jwt.Expect{Issuer: "https://shop.example", Audience: []string{"api"}, Type: "JWT"})
	if err != nil {
		log.Fatal(err)
	}
	token, err := verifier.Verify(context.Background(), raw)
	if err != nil {
		log.Fatal(err)
	}
	shop, err := jwt.As[Shop](token)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(shop.Plan)
	// Output: pro
}
