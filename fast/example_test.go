package fast_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/writ-auth/writ/fast"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// A key that verifies many tokens is prepared once, where the verifier is made.
func ExamplePrepare() {
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := jwt.NewVerifier[jwt.Claims](fast.Prepare(key.Public()), jwt.Expect{
		Issuer: "https://shop.example", Audience: []string{"api"}, Type: "JWT",
	})
	if err != nil {
		log.Fatal(err)
	}
	claims := jwt.Claims{Issuer: "https://shop.example", Subject: "u1", Audience: jwt.Audience{"api"}}
	raw, err := jwt.Sign(key, claims, jwt.SignOptions{Lifetime: 15 * time.Minute})
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

// Where others decide how many keys there are, the memory of all is bounded.
func ExamplePreparer() {
	preparer := &fast.Preparer{MaxBytes: 100 << 10} // one key for ES256
	var keys []*jwk.PublicKey
	for range 3 {
		key, err := jwk.Generate(jwk.ES256)
		if err != nil {
			log.Fatal(err)
		}
		keys = append(keys, preparer.Prepare(key.Public()))
	}
	fmt.Println(preparer.Bytes()>>10, "KiB are in use")
	set, err := jwk.NewSet(keys...) // all three verify, the first faster than the others
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(set.Len(), "keys")
	// Output:
	// 86 KiB are in use
	// 3 keys
}
