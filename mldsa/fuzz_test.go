package mldsa_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/mldsa"
)

// seeds adds the examples' private keys and their public halves.
func seeds(f *testing.F) {
	f.Helper()
	for _, name := range must(filepath.Glob("testdata/*.jose.json"))(f) {
		var example struct{ JWK json.RawMessage }
		check(f, json.Unmarshal(must(os.ReadFile(name))(f), &example))
		f.Add([]byte(example.JWK))
		f.Add(must(json.Marshal(must(parser().Private(example.JWK))(f).Public()))(f))
	}
}

func assertReason(t *testing.T, err error) {
	t.Helper()
	reasons := []error{jwk.ErrMalformed, jwk.ErrMismatch, jwk.ErrUnsupported, jwk.ErrWeak}
	if !slices.ContainsFunc(reasons, func(reason error) bool { return errors.Is(err, reason) }) {
		t.Errorf("%v has none of the reasons", err)
	}
}

// FuzzJWK: what is read comes back the same, and no private key is public.
func FuzzJWK(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		pub, err := parser().Public(data)
		if err == nil {
			back := must(parser().Public(must(json.Marshal(pub))(t)))(t)
			if back.Thumbprint() != pub.Thumbprint() {
				t.Error("read back as another key")
			}
		} else {
			assertReason(t, err)
		}
		k, privateErr := parser().Private(data)
		if privateErr != nil {
			assertReason(t, privateErr)
			return
		}
		if err == nil {
			t.Error("a private key passes for a public one")
		}
		back := must(parser().Private(must(k.ExportJWK())(t)))(t)
		if back.Public().Thumbprint() != k.Public().Thumbprint() {
			t.Error("read back as another key")
		}
	})
}

// FuzzPEM reads what is fuzzed as the DER in a PEM file, private and public. A
// file has one reading: what is read is written as it was.
func FuzzPEM(f *testing.F) {
	for alg := range sizes() {
		k := must(mldsa.NewPrivateKey(alg, make([]byte, mldsa.SeedSize)))(f)
		f.Add(der(f, must(k.ExportPEM())(f)))
		f.Add(der(f, must(k.Public().ExportPEM())(f)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for alg := range sizes() {
			if k, err := parser().PrivatePEM(alg, block("PRIVATE KEY", data)); err != nil {
				assertReason(t, err)
			} else if string(der(t, must(k.ExportPEM())(t))) != string(data) {
				t.Errorf("%s: a private key is written in another way", alg)
			}
			if k, err := parser().PublicPEM(alg, block("PUBLIC KEY", data)); err != nil {
				assertReason(t, err)
			} else if string(der(t, must(k.ExportPEM())(t))) != string(data) {
				t.Errorf("%s: a public key is written in another way", alg)
			}
		}
	})
}

// FuzzVerify: no signature panics, and none is accepted by chance.
func FuzzVerify(f *testing.F) {
	k := must(mldsa.NewPrivateKey(mldsa.MLDSA44, make([]byte, mldsa.SeedSize)))(f)
	sig := must(k.Sign([]byte("m")))(f)
	f.Add([]byte("n"), sig)
	f.Add([]byte("m"), sig[:len(sig)-1])
	f.Add([]byte(""), make([]byte, len(sig)))
	f.Fuzz(func(t *testing.T, message, signature []byte) {
		if string(message) != "m" && k.Public().Verify(message, signature) {
			t.Errorf("%x is accepted for %x", signature, message)
		}
	})
}
