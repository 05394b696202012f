package jwk_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/writ-auth/writ/jwk"
)

// seeds adds the files that match, and texts at which the parsers part ways.
func seeds(f *testing.F, patterns ...string) {
	f.Helper()
	for _, pattern := range patterns {
		files, err := filepath.Glob("testdata/" + pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no files match %s: %v", pattern, err)
		}
		for _, file := range files {
			f.Add(must(os.ReadFile(file))(f))
		}
	}
	f.Add([]byte(`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","key_ops":["verify"],"use":"sig"}`))
	f.Add([]byte(`{"kty":"RSA","n":"AQ","e":"AQAB","oth":[]}`))
}

// assertReason fails unless err is one of the package's own.
func assertReason(t *testing.T, err error) {
	t.Helper()
	for _, reason := range []error{jwk.ErrMalformed, jwk.ErrMismatch, jwk.ErrUnsupported, jwk.ErrWeak} {
		if errors.Is(err, reason) {
			return
		}
	}
	t.Errorf("refused with %v, which is none of the package's reasons", err)
}

func FuzzParseSet(f *testing.F) {
	seeds(f, "rfc7517/*.jwkset", "josekit/jwks/*")
	for _, odd := range []string{`{"kty":"NEW","alg":-48}`, `{"kty":"EC","kid":1,"d":2}`, `{"use":null,"key_ops":["verify",{"a":[]},"verify"]}`} {
		f.Add([]byte(`{"keys":[` + odd + `,{"kty":"OKP","crv":"Ed25519","x":"` + ed25519X + `"}]}`))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := jwk.ParseSet(data)
		if err != nil {
			assertReason(t, err)
			return
		}
		text := must(json.Marshal(set))(t)
		back := must(jwk.ParseSet(text))(t)
		if back.Len() != set.Len() || len(back.Skipped()) != 0 {
			t.Fatalf("%d keys became %d, skipped %v", set.Len(), back.Len(), back.Skipped())
		}
		for k := range set.All() {
			found, err := back.FindKey(t.Context(), k.Algorithm(), k.KeyID())
			if k.KeyID() != "" && (err != nil || found.(*jwk.PublicKey).Thumbprint() != k.Thumbprint()) {
				t.Fatalf("key %q is lost: %v", k.KeyID(), err)
			}
			k.Verify([]byte("m"), make([]byte, 64))
		}
	})
}

func FuzzParsePublicJWK(f *testing.F) {
	seeds(f, "josekit/jwk/*_public.jwk", "rfc7638/*.jwk")
	f.Fuzz(func(t *testing.T, data []byte) {
		key, err := jwk.ParsePublicJWK(data)
		if err != nil {
			assertReason(t, err)
			return
		}
		back := must(jwk.ParsePublicJWK(must(json.Marshal(key))(t)))(t)
		if back.Thumbprint() != key.Thumbprint() || back.Algorithm() != key.Algorithm() {
			t.Fatal("read back as another key")
		}
		pem := must(jwk.ParsePublicPEM(key.Algorithm(), must(key.ExportPEM())(t)))(t)
		if pem.Thumbprint() != key.Thumbprint() {
			t.Fatal("another key in PEM")
		}
	})
}

func FuzzParsePrivateJWK(f *testing.F) {
	seeds(f, "josekit/jwk/*_private.jwk")
	f.Fuzz(func(t *testing.T, data []byte) {
		key, err := jwk.ParsePrivateJWK(data)
		if err != nil {
			assertReason(t, err)
			return
		}
		sig := must(key.Sign([]byte("m")))(t)
		if !key.Public().Verify([]byte("m"), sig) {
			t.Fatal("the public key refuses the signature")
		}
		if _, err := jwk.ParsePublicJWK(data); err == nil {
			t.Fatal("a private key passes for a public one")
		}
	})
}

func FuzzParseSecretJWK(f *testing.F) {
	seeds(f, "josekit/jwk/oct*", "rfc7515/rfc7515_A.1.jwk")
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := jwk.ParseSecretJWK(data)
		if err != nil {
			assertReason(t, err)
			return
		}
		if len(s.ExportBytes()) < 32 {
			t.Fatalf("a secret of %d bytes", len(s.ExportBytes()))
		}
		if _, err := jwk.ParsePublicJWK(data); err == nil {
			t.Fatal("a secret passes for a public key")
		}
	})
}

func FuzzParsePrivatePEM(f *testing.F) {
	seeds(f, "josekit/pem/*")
	for _, file := range twoReadings(f) {
		f.Add(file.data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, alg := range []jwk.Algorithm{jwk.RS256, jwk.PS256, jwk.ES256, jwk.ES384, jwk.ES512, jwk.EdDSA} {
			key, err := jwk.ParsePrivatePEM(alg, data)
			if err != nil {
				assertReason(t, err)
				continue
			}
			sig := must(key.Sign([]byte("m")))(t)
			if !key.Public().Verify([]byte("m"), sig) {
				t.Fatal("the public key refuses the signature")
			}
			if _, err := jwk.ParsePublicPEM(alg, data); err == nil {
				t.Fatal("a private key passes for a public one")
			}
		}
	})
}

func FuzzParsePublicPEM(f *testing.F) {
	seeds(f, "josekit/pem/*")
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, alg := range []jwk.Algorithm{jwk.RS256, jwk.PS256, jwk.ES256, jwk.ES384, jwk.ES512, jwk.EdDSA} {
			key, err := jwk.ParsePublicPEM(alg, data)
			if err != nil {
				assertReason(t, err)
				continue
			}
			back := must(jwk.ParsePublicPEM(alg, must(key.ExportPEM())(t)))(t)
			if back.Thumbprint() != key.Thumbprint() {
				t.Fatal("read back as another key")
			}
		}
	})
}

// FuzzVerify: whatever the signature, Verify answers and does not panic, and
// accepts nothing by chance.
func FuzzVerify(f *testing.F) {
	f.Add([]byte("m"), make([]byte, 64))
	f.Add([]byte(""), []byte{0x30, 6, 2, 1, 1, 2, 1, 1})
	var keys []jwk.VerifyingKey
	for _, alg := range []jwk.Algorithm{jwk.RS256, jwk.PS256, jwk.ES256, jwk.ES384, jwk.ES512, jwk.EdDSA} {
		keys = append(keys, pair(f, alg).Public())
	}
	keys = append(keys, must(jwk.GenerateSecret(jwk.HS256))(f))
	f.Fuzz(func(t *testing.T, message, sig []byte) {
		for _, k := range keys {
			if k.Verify(message, sig) {
				t.Errorf("%s accepts %x", k.Algorithm(), sig)
			}
		}
	})
}
