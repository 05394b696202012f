package es256k_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/writ-auth/writ/es256k"
	"github.com/writ-auth/writ/jwk"
)

// seeds adds keys that others wrote.
func seeds(f *testing.F) {
	f.Helper()
	for _, name := range must(filepath.Glob("testdata/josekit/*.jwk"))(f) {
		f.Add(must(os.ReadFile(name))(f))
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
// public key has one form; a private one may leave out what follows from it.
func FuzzPEM(f *testing.F) {
	for _, name := range must(filepath.Glob("testdata/josekit/*.der"))(f) {
		f.Add(must(os.ReadFile(name))(f))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if k, err := parser().PrivatePEM(es256k.ES256K, block("PRIVATE KEY", data)); err != nil {
			assertReason(t, err)
		} else if back := must(parser().PrivatePEM(es256k.ES256K, must(k.ExportPEM())(t)))(t); back.KeyID() != k.KeyID() {
			t.Error("a private key was read back as another")
		}
		if k, err := parser().PublicPEM(es256k.ES256K, block("PUBLIC KEY", data)); err != nil {
			assertReason(t, err)
		} else if string(der(t, must(k.ExportPEM())(t))) != string(data) {
			t.Error("a public key is written in another way")
		}
	})
}

// FuzzVerify: no signature panics, and none is accepted by chance.
func FuzzVerify(f *testing.F) {
	k := generate(f)
	sig := must(k.Sign([]byte("m")))(f)
	f.Add([]byte("n"), sig)
	f.Add([]byte("m"), sig[:63])
	f.Add([]byte(""), make([]byte, 64))
	f.Fuzz(func(t *testing.T, message, signature []byte) {
		if k.Public().Verify(message, signature) {
			t.Errorf("%x is accepted for %x", signature, message)
		}
	})
}
