package es256k_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/writ-auth/writ/es256k"
	"github.com/writ-auth/writ/jwk"
)

// TestWycheproof runs the vectors for signatures r‖s. Keys come as JWK and as
// PEM, which must be one.
func TestWycheproof(t *testing.T) {
	var file struct {
		TestGroups []struct {
			PublicKeyPem string
			PublicKeyJwk json.RawMessage
			Tests        []struct {
				TcID                      int
				Comment, Result, Msg, Sig string
			}
		}
	}
	check(t, json.Unmarshal(read(t, "ecdsa_secp256k1_sha256_p1363_test.json"), &file))
	accepted, refused, jwks := 0, 0, 0
	for _, g := range file.TestGroups {
		key := must(parser().PublicPEM(es256k.ES256K, []byte(g.PublicKeyPem)))(t)
		if g.PublicKeyJwk != nil {
			jwks++
			if same := must(parser().Public(g.PublicKeyJwk))(t); same.Thumbprint() != key.Thumbprint() {
				t.Errorf("JWK and PEM are two keys: %s", g.PublicKeyJwk)
			}
		}
		for _, tt := range g.Tests {
			got := key.Verify(must(hex.DecodeString(tt.Msg))(t), must(hex.DecodeString(tt.Sig))(t))
			if got != (tt.Result == "valid") {
				t.Errorf("%d (%s): accepted: %v, want %s", tt.TcID, tt.Comment, got, tt.Result)
			}
			if got {
				accepted++
			} else {
				refused++
			}
		}
	}
	if accepted != 167 || refused != 85 || jwks != 99 {
		t.Errorf("%d accepted, %d refused, %d JWKs; want 167, 85 and 99", accepted, refused, jwks)
	}
}

// TestJosekit reads keys that another library and OpenSSL wrote, in every form.
func TestJosekit(t *testing.T) {
	pair := func(private *jwk.PrivateKey, public *jwk.PublicKey) {
		t.Helper()
		if sig := must(private.Sign([]byte("m")))(t); !public.Verify([]byte("m"), sig) {
			t.Error("private and public key are no pair")
		}
	}
	pair(must(parser().Private(read(t, "josekit/EC_secp256k1_private.jwk")))(t),
		must(parser().Public(read(t, "josekit/EC_secp256k1_public.jwk")))(t))
	pair(must(parser().PrivatePEM(es256k.ES256K, read(t, "josekit/EC_secp256k1_private.pem")))(t),
		must(parser().PublicPEM(es256k.ES256K, read(t, "josekit/EC_secp256k1_public.pem")))(t))
	pair(must(parser().PrivatePEM(es256k.ES256K, block("PRIVATE KEY", read(t, "josekit/EC_secp256k1_pkcs8_private.der"))))(t),
		must(parser().PublicPEM(es256k.ES256K, block("PUBLIC KEY", read(t, "josekit/EC_secp256k1_spki_public.der"))))(t))

	traditional := read(t, "josekit/EC_secp256k1_traditional_private.pem")
	if _, err := parser().PrivatePEM(es256k.ES256K, traditional); !errors.Is(err, jwk.ErrUnsupported) {
		t.Errorf("EC PRIVATE KEY: %v, want ErrUnsupported", err)
	}
	for _, name := range []string{"private", "traditional_private"} {
		if _, err := jwk.ParsePrivatePEM(jwk.ES256, read(t, "josekit/EC_secp256k1_"+name+".pem")); !errors.Is(err, jwk.ErrUnsupported) {
			t.Errorf("%s as ES256: %v, want ErrUnsupported", name, err)
		}
	}
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	return must(os.ReadFile("testdata/" + name))(t)
}
