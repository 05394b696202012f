package jwk_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"io"
	"log"

	"github.com/writ-auth/writ/jwk"
)

// vault stands for an HSM or a KMS: the key stays in it, it signs digests.
type vault struct{ key *ecdsa.PrivateKey }

func (v vault) Public() crypto.PublicKey { return v.key.Public() }

func (v vault) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return v.key.Sign(rand.Reader, digest, opts) // here: a request to the device
}

// A crypto.Signer keeps its key to itself; what comes back is put into the form
// of a JWS.
func ExampleNewPrivateKey() {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	key, err := jwk.NewPrivateKey(jwk.ES256, vault{own})
	if err != nil {
		log.Fatal(err)
	}
	signature, err := key.Sign([]byte("header.payload"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(key.Public().Verify([]byte("header.payload"), signature))
	_, err = key.ExportPEM()
	fmt.Println(err != nil)
	// Output:
	// true
	// true
}

// Some issuers publish RSA keys without "alg". Whoever verifies knows from the
// issuer's documentation which algorithm that is.
func ExampleParser() {
	const published = `{"keys":[{"kty":"RSA","kid":"2011-04-29","e":"AQAB","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}]}`
	for _, parser := range []jwk.Parser{{}, {RSA: jwk.PS256}} {
		set, err := parser.Set([]byte(published))
		if err != nil {
			log.Fatal(err)
		}
		for key := range set.All() {
			fmt.Println(key.KeyID(), key.Algorithm())
		}
	}
	// Output:
	// 2011-04-29 RS256
	// 2011-04-29 PS256
}
