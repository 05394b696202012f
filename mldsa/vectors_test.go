package mldsa_test

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/mldsa"
)

// TestExamples runs the examples of RFC 9964: key, thumbprint and signature.
func TestExamples(t *testing.T) {
	for alg := range sizes() {
		var example struct {
			Priv, JWS, Raw_to_be_signed, Raw_signature, Raw_public_key string
			JWK                                                        json.RawMessage
		}
		name := "testdata/" + strings.ReplaceAll(string(alg), "-", "_") + ".jose.json"
		check(t, json.Unmarshal(must(os.ReadFile(name))(t), &example))

		k := must(parser().Private(example.JWK))(t)
		if k.Algorithm() != alg || k.KeyID() != k.Public().Thumbprint() {
			t.Errorf("%s: kid %q, which should be the thumbprint %q", alg, k.KeyID(), k.Public().Thumbprint())
		}
		if seed := hex.EncodeToString(unbase64(t, member(t, k, "priv"))); seed != example.Priv {
			t.Errorf("%s: seed %s, want %s", alg, seed, example.Priv)
		}
		if pub := hex.EncodeToString(unbase64(t, member(t, k, "pub"))); pub != example.Raw_public_key {
			t.Errorf("%s: public key %s, want %s", alg, pub, example.Raw_public_key)
		}
		fromSeed := must(mldsa.NewPrivateKey(alg, must(hex.DecodeString(example.Priv))(t)))(t)
		message := must(hex.DecodeString(example.Raw_to_be_signed))(t)
		signature := must(hex.DecodeString(example.Raw_signature))(t)
		parts := strings.Split(example.JWS, ".")
		if parts[0]+"."+parts[1] != string(message) || string(unbase64(t, parts[2])) != string(signature) {
			t.Errorf("%s: the JWS is not what was signed", alg)
		}
		for _, key := range []*jwk.PrivateKey{k, fromSeed} {
			if !key.Public().Verify(message, signature) || key.Public().Verify(message[1:], signature) {
				t.Errorf("%s: the signature is refused, or is good for another message", alg)
			}
		}
	}
}

func unbase64(t testing.TB, text string) []byte {
	t.Helper()
	return must(base64.RawURLEncoding.DecodeString(text))(t)
}

// TestWycheproof runs the vectors for ML-DSA-44. Those with a context must be
// refused here, good or not: a token's signature has none.
func TestWycheproof(t *testing.T) {
	verifyFile(t, "testdata/mldsa_44_verify_test.json.gz", mldsa.MLDSA44, 75, 105)
}

func verifyFile(t *testing.T, name string, alg jwk.Algorithm, wantAccepted, wantRefused int) {
	t.Helper()
	var file struct {
		TestGroups []struct {
			PublicKey string
			Tests     []struct {
				TcID                           int
				Comment, Msg, Sig, Ctx, Result string
			}
		}
	}
	f := must(os.Open(name))(t)
	defer f.Close()
	check(t, json.NewDecoder(must(gzip.NewReader(f))(t)).Decode(&file))
	accepted, refused := 0, 0
	for _, g := range file.TestGroups {
		key, err := mldsa.NewPublicKey(alg, must(hex.DecodeString(g.PublicKey))(t))
		for _, tt := range g.Tests {
			sig := must(hex.DecodeString(tt.Sig))(t)
			got := err == nil && key.Verify(must(hex.DecodeString(tt.Msg))(t), sig)
			if want := tt.Result == "valid" && tt.Ctx == ""; got != want {
				t.Errorf("%d (%s): accepted: %v, want %v", tt.TcID, tt.Comment, got, want)
			}
			if got {
				accepted++
			} else {
				refused++
			}
		}
	}
	if accepted != wantAccepted || refused != wantRefused {
		t.Errorf("%d accepted and %d refused, want %d and %d", accepted, refused, wantAccepted, wantRefused)
	}
}
