package jwk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"

	"github.com/writ-auth/writ/jwk"
)

// Make a key pair, sign with the one half and verify with the other.
func ExampleGenerate() {
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		log.Fatal(err)
	}
	signature, err := key.Sign([]byte("header.payload"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(signature), key.Public().Verify([]byte("header.payload"), signature))
	// Output: 64 true
}

// Read a public key from a file that "openssl pkey -pubout" wrote.
func ExampleParsePublicPEM() {
	file := []byte(`-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAFwDfp6XwCMtN+c1AcCa89jsPESCugUboBJM6agxPmrk=
-----END PUBLIC KEY-----
`)
	key, err := jwk.ParsePublicPEM(jwk.EdDSA, file)
	if err != nil {
		log.Fatal(err)
	}
	text, err := json.Marshal(key.WithKeyID("2026-01"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
	// Output: {"kty":"OKP","alg":"EdDSA","use":"sig","kid":"2026-01","crv":"Ed25519","x":"FwDfp6XwCMtN-c1AcCa89jsPESCugUboBJM6agxPmrk"}
}

// A public key is no HMAC secret, in whatever form it comes.
func ExampleNewSecret() {
	_, err := jwk.NewSecret(jwk.HS256, []byte("a-string-secret-at-least-256-bits-long"))
	fmt.Println(errors.Is(err, jwk.ErrWeak), err)
	_, err = jwk.NewSecret(jwk.HS256, []byte("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2Vw…"))
	fmt.Println(errors.Is(err, jwk.ErrWeak), err)
	// Output:
	// true jwk: weak key: secret is publicly known
	// true jwk: weak key: this is a key file, not a secret
}

// A set as an issuer publishes it. What can't verify signatures is left out; a
// key is found by algorithm and key ID together.
func ExampleParseSet() {
	set, err := jwk.ParseSet([]byte(`{"keys":[
		{"kty":"OKP","crv":"Ed25519","kid":"sign","x":"FwDfp6XwCMtN-c1AcCa89jsPESCugUboBJM6agxPmrk"},
		{"kty":"OKP","crv":"X25519","kid":"encrypt","x":"FwDfp6XwCMtN-c1AcCa89jsPESCugUboBJM6agxPmrk"}
	]}`))
	if err != nil {
		log.Fatal(err)
	}
	key, err := set.FindKey(context.Background(), jwk.EdDSA, "sign")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(key.Algorithm(), key.KeyID(), set.Skipped())
	_, err = set.FindKey(context.Background(), jwk.HS256, "sign")
	fmt.Println(errors.Is(err, jwk.ErrNotFound))
	// Output:
	// EdDSA sign [key 1 of the set: jwk: unsupported key: kty "OKP", crv "X25519"]
	// true
}

// Two secrets are valid while one replaces the other.
func ExampleRing() {
	before, err := jwk.GenerateSecret(jwk.HS256)
	if err != nil {
		log.Fatal(err)
	}
	now, err := jwk.GenerateSecret(jwk.HS256)
	if err != nil {
		log.Fatal(err)
	}
	ring, err := jwk.NewRing(now.WithKeyID("2026"), before.WithKeyID("2025"))
	if err != nil {
		log.Fatal(err)
	}
	key, err := ring.FindKey(context.Background(), jwk.HS256, "2025")
	fmt.Println(key, err)
	// Output: jwk.Secret(alg=HS256 kid="2025") <nil>
}

// Keys don't show themselves, however they are printed.
func ExamplePrivateKey_Format() {
	key, err := jwk.Generate(jwk.EdDSA)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%v %+v\n", key.WithKeyID("k1"), key.WithKeyID("k1"))
	_, err = json.Marshal(key)
	fmt.Println(err != nil)
	// Output:
	// jwk.PrivateKey(alg=EdDSA kid="k1") jwk.PrivateKey(alg=EdDSA kid="k1")
	// true
}
