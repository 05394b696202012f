package es256k_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"time"

	"github.com/writ-auth/writ/es256k"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// An issuer signs with ES256K; a service that knows the extension reads the
// issuer's key set and verifies.
func Example() {
	key, err := es256k.Generate(es256k.ES256K)
	if err != nil {
		log.Fatal(err)
	}
	published, err := json.Marshal(struct {
		Keys []*jwk.PublicKey `json:"keys"`
	}{[]*jwk.PublicKey{key.Public()}})
	if err != nil {
		log.Fatal(err)
	}
	claims := jwt.Claims{Issuer: "https://shop.example", Subject: "u1", Audience: jwt.Audience{"api"}}
	raw, err := jwt.Sign(key, claims, jwt.SignOptions{Lifetime: 15 * time.Minute})
	if err != nil {
		log.Fatal(err)
	}

	parser := jwk.Parser{Extensions: []jwk.Extension{es256k.Extension()}}
	keys, err := parser.Set(published)
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := jwt.NewVerifier[jwt.Claims](keys, jwt.Expect{
		Issuer: "https://shop.example", Audience: []string{"api"}, Type: "JWT",
	})
	if err != nil {
		log.Fatal(err)
	}
	token, err := verifier.Verify(context.Background(), raw)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Claims().Subject, token.Algorithm())
	// Output: u1 ES256K
}
