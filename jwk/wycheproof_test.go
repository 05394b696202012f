package jwk_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/writ-auth/writ/jwk"
)

// group is what the Wycheproof files have in common.
type group struct {
	Comment      string
	Private      json.RawMessage
	Public       json.RawMessage
	PublicKeyPem string
	SHA          string
	Tests        []struct {
		TcID            int
		Comment, Result string
		Msg, Sig        string
		JWS             string
		Flags           []string
	}
}

func readGroups(t *testing.T, name string) []group {
	t.Helper()
	var file struct{ TestGroups []group }
	if err := json.Unmarshal(must(os.ReadFile("testdata/wycheproof/"+name))(t), &file); err != nil {
		t.Fatal(err)
	}
	if len(file.TestGroups) == 0 {
		t.Fatalf("%s has no tests", name)
	}
	return file.TestGroups
}

// verifySignatures runs a file of plain signatures under alg.
func verifySignatures(t *testing.T, name string, alg jwk.Algorithm, sha string) {
	t.Helper()
	valid, invalid := 0, 0
	for _, g := range readGroups(t, name) {
		if g.SHA != "" && g.SHA != sha {
			t.Fatalf("group of %s, want %s", g.SHA, sha)
		}
		key, keyErr := jwk.ParsePublicPEM(alg, []byte(g.PublicKeyPem))
		for _, tt := range g.Tests {
			msg, sig := must(hex.DecodeString(tt.Msg))(t), must(hex.DecodeString(tt.Sig))(t)
			got := keyErr == nil && key.Verify(msg, sig)
			switch {
			case tt.Result == "acceptable": // a missing NULL in PKCS#1, which may be refused
			case got != (tt.Result == "valid"):
				t.Errorf("%s %d (%s): accepted: %v, want %s (key: %v)", name, tt.TcID, tt.Comment, got, tt.Result, keyErr)
			case got:
				valid++
			default:
				invalid++
			}
		}
	}
	if valid == 0 || invalid == 0 {
		t.Errorf("%s: %d valid and %d invalid, want some of each", name, valid, invalid)
	}
}

func TestWycheproofES256(t *testing.T) {
	verifySignatures(t, "ecdsa_secp256r1_sha256_p1363_test.json", jwk.ES256, "SHA-256")
}

func TestWycheproofES384(t *testing.T) {
	verifySignatures(t, "ecdsa_secp384r1_sha384_p1363_test.json", jwk.ES384, "SHA-384")
}

func TestWycheproofEd25519(t *testing.T) {
	verifySignatures(t, "ed25519_test.json", jwk.Ed25519, "")
}

func TestWycheproofRS256(t *testing.T) {
	verifySignatures(t, "rsa_signature_2048_sha256_test.json", jwk.RS256, "SHA-256")
}

// TestWycheproofKeys: what a key file says decides whether a token verifies.
// Keys with private or secret members are no Set; where the file has no public
// set, its keys are read one by one into a Ring.
func TestWycheproofKeys(t *testing.T) {
	valid, invalid := 0, 0
	for _, g := range readGroups(t, "json_web_key.json") {
		for _, tt := range g.Tests {
			got := acceptJWS(t, g, tt.JWS)
			if got != (tt.Result == "valid") {
				t.Errorf("%d (%s, %s): accepted: %v, want %s", tt.TcID, g.Comment, tt.Comment, got, tt.Result)
			}
			if got {
				valid++
			} else {
				invalid++
			}
		}
	}
	if valid != 4 || invalid != 14 {
		t.Errorf("%d accepted and %d refused, want 4 and 14", valid, invalid)
	}
}

func acceptJWS(t *testing.T, g group, jws string) bool {
	t.Helper()
	parts := strings.Split(jws, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts in %q", len(parts), jws)
	}
	var header struct {
		Alg jwk.Algorithm
		Kid string
	}
	if err := json.Unmarshal(unbase64(t, parts[0]), &header); err != nil {
		t.Fatal(err)
	}
	find := keysOf(t, g)
	if find == nil {
		return false
	}
	key := find(header.Alg, header.Kid)
	return key != nil && key.Verify([]byte(parts[0]+"."+parts[1]), unbase64(t, parts[2]))
}

func keysOf(t *testing.T, g group) func(jwk.Algorithm, string) jwk.VerifyingKey {
	if g.Public != nil {
		set, err := jwk.ParseSet(g.Public)
		if err != nil {
			return nil
		}
		return func(alg jwk.Algorithm, kid string) jwk.VerifyingKey {
			k, _ := set.FindKey(t.Context(), alg, kid)
			return k
		}
	}
	ring := ringOf(t, g.Private)
	if ring == nil {
		return nil
	}
	return func(alg jwk.Algorithm, kid string) jwk.VerifyingKey {
		k, _ := ring.FindKey(t.Context(), alg, kid)
		return k
	}
}

// ringOf reads secrets alone: a file that mixes them with public keys is
// refused, as ParseSet and ParseSecretJWK do.
func ringOf(t *testing.T, set json.RawMessage) *jwk.Ring {
	var file struct{ Keys []json.RawMessage }
	if err := json.Unmarshal(set, &file); err != nil {
		t.Fatal(err)
	}
	var keys []jwk.VerifyingKey
	for _, text := range file.Keys {
		s, err := jwk.ParseSecretJWK(text)
		if err != nil {
			return nil
		}
		keys = append(keys, s)
	}
	return must(jwk.NewRing(keys...))(t)
}
