package fast_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/writ-auth/writ/fast"
	"github.com/writ-auth/writ/jwk"
)

// TestWycheproof runs files of signatures: a prepared key must decide as the
// file says, and as the key that was not prepared.
func TestWycheproof(t *testing.T) {
	for _, tt := range []struct {
		file           string
		alg            jwk.Algorithm
		valid, invalid int
	}{
		{"ecdsa_secp256r1_sha256_p1363_test.json", jwk.ES256, 173, 89},
		{"ed25519_test.json", jwk.EdDSA, 88, 63},
		{"rsa_signature_2048_sha256_test.json", jwk.RS256, 9, 250},
	} {
		t.Run(string(tt.alg), func(t *testing.T) {
			valid, invalid := verifyFile(t, tt.file, tt.alg)
			if valid != tt.valid || invalid != tt.invalid {
				t.Errorf("%d signatures accepted and %d refused, want %d and %d", valid, invalid, tt.valid, tt.invalid)
			}
		})
	}
}

func verifyFile(t *testing.T, name string, alg jwk.Algorithm) (valid, invalid int) {
	t.Helper()
	var file struct {
		TestGroups []struct {
			PublicKeyPem string
			Tests        []struct {
				TcID                      int
				Comment, Result, Msg, Sig string
			}
		}
	}
	check(t, json.Unmarshal(must(os.ReadFile("testdata/wycheproof/"+name))(t), &file))
	for _, g := range file.TestGroups {
		key := must(jwk.ParsePublicPEM(alg, []byte(g.PublicKeyPem)))(t)
		prepared := mustPrepare(t, key)
		for _, tt := range g.Tests {
			msg, sig := must(hex.DecodeString(tt.Msg))(t), must(hex.DecodeString(tt.Sig))(t)
			got := prepared.Verify(msg, sig)
			if got != key.Verify(msg, sig) || tt.Result != "acceptable" && got != (tt.Result == "valid") {
				t.Errorf("%d (%s): accepted: %v, want %s, and %v of the standard library", tt.TcID, tt.Comment, got, tt.Result, key.Verify(msg, sig))
			}
			if got {
				valid++
			} else {
				invalid++
			}
		}
	}
	return valid, invalid
}

// mustPrepare fails the test if there is nothing that prepares k.
func mustPrepare(t testing.TB, k *jwk.PublicKey) *jwk.PublicKey {
	t.Helper()
	prepared := fast.Prepare(k)
	if prepared == k {
		t.Fatalf("a key for %s was not prepared", k.Algorithm())
	}
	return prepared
}
