package mldsa_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/mldsa"
)

// sizes are those of FIPS 204, table 2.
func sizes() map[jwk.Algorithm]struct{ public, signature int } {
	return map[jwk.Algorithm]struct{ public, signature int }{
		mldsa.MLDSA44: {1312, 2420}, mldsa.MLDSA65: {1952, 3309}, mldsa.MLDSA87: {2592, 4627},
	}
}

func parser() jwk.Parser {
	return jwk.Parser{Extensions: []jwk.Extension{mldsa.Extension()}}
}

func TestSignAndVerify(t *testing.T) {
	for alg, size := range sizes() {
		k, other := must(mldsa.Generate(alg))(t), must(mldsa.Generate(alg))(t)
		sig := must(k.Sign([]byte("m")))(t)
		if len(sig) != size.signature || k.Algorithm() != alg || k.KeyID() != k.Public().Thumbprint() {
			t.Errorf("%s: key %v, signature of %d bytes, want %d", alg, k, len(sig), size.signature)
		}
		flipped := bytes.Clone(sig)
		flipped[len(sig)/2] ^= 1
		for name, tt := range map[string]struct {
			key          jwk.VerifyingKey
			message, sig []byte
			want         bool
		}{
			"good":            {k.Public(), []byte("m"), sig, true},
			"another message": {k.Public(), []byte("n"), sig, false},
			"another key":     {other.Public(), []byte("m"), sig, false},
			"a changed bit":   {k.Public(), []byte("m"), flipped, false},
			"a byte less":     {k.Public(), []byte("m"), sig[:len(sig)-1], false},
			"a byte more":     {k.Public(), []byte("m"), append(bytes.Clone(sig), 0), false},
			"nothing":         {k.Public(), []byte("m"), nil, false},
		} {
			if got := tt.key.Verify(tt.message, tt.sig); got != tt.want {
				t.Errorf("%s: %s: accepted: %v, want %v", alg, name, got, tt.want)
			}
		}
		if again := must(k.Sign([]byte("m")))(t); bytes.Equal(again, sig) || !k.Public().Verify([]byte("m"), again) {
			t.Errorf("%s: signing is not randomised, or not well", alg)
		}
	}
}

// TestRoundTrips writes keys in every form and reads them back.
func TestRoundTrips(t *testing.T) {
	for alg, size := range sizes() {
		k := must(mldsa.Generate(alg))(t).WithKeyID("k1")
		sig := must(k.Sign([]byte("m")))(t)

		private := must(k.ExportJWK())(t)
		back := must(parser().Private(private))(t)
		fromPEM := must(parser().PrivatePEM(alg, must(k.ExportPEM())(t)))(t)
		for name, b := range map[string]*jwk.PrivateKey{"JWK": back, "PEM": fromPEM} {
			if again := must(b.Sign([]byte("n")))(t); !k.Public().Verify([]byte("n"), again) {
				t.Errorf("%s: another private key came back from %s", alg, name)
			}
		}
		public := must(json.Marshal(k.Public()))(t)
		for name, b := range map[string]*jwk.PublicKey{
			"JWK": must(parser().Public(public))(t),
			"PEM": must(parser().PublicPEM(alg, must(k.Public().ExportPEM())(t)))(t),
		} {
			if !b.Verify([]byte("m"), sig) || b.Thumbprint() != k.Public().Thumbprint() {
				t.Errorf("%s: another public key came back from %s", alg, name)
			}
		}
		if back.KeyID() != "k1" || fromPEM.KeyID() != k.Public().Thumbprint() {
			t.Errorf("%s: key IDs %q and %q", alg, back.KeyID(), fromPEM.KeyID())
		}
		var members map[string]string
		check(t, json.Unmarshal(public, &members))
		if len(members) != 5 || members["kty"] != "AKP" || members["alg"] != string(alg) || len(members["pub"]) != (size.public*8+5)/6 {
			t.Errorf("%s: public JWK %s", alg, public)
		}
	}
}

func TestNewPrivateKey(t *testing.T) {
	seed := bytes.Repeat([]byte{7}, mldsa.SeedSize)
	a, b := must(mldsa.NewPrivateKey(mldsa.MLDSA44, seed))(t), must(mldsa.NewPrivateKey(mldsa.MLDSA44, seed))(t)
	if a.KeyID() != b.KeyID() {
		t.Error("one seed makes two keys")
	}
	if c := must(mldsa.NewPrivateKey(mldsa.MLDSA65, seed))(t); c.KeyID() == a.KeyID() {
		t.Error("two algorithms make one key")
	}
	for name, tt := range map[string]struct {
		alg  jwk.Algorithm
		seed []byte
		want error
	}{
		"short":             {mldsa.MLDSA44, seed[1:], jwk.ErrMalformed},
		"long":              {mldsa.MLDSA44, append(seed, 7), jwk.ErrMalformed},
		"empty":             {mldsa.MLDSA87, nil, jwk.ErrMalformed},
		"another algorithm": {jwk.ES256, seed, jwk.ErrUnsupported},
		"no algorithm":      {"", seed, jwk.ErrUnsupported},
		"in small letters":  {"ml-dsa-44", seed, jwk.ErrUnsupported},
	} {
		if k, err := mldsa.NewPrivateKey(tt.alg, tt.seed); !errors.Is(err, tt.want) || k != nil {
			t.Errorf("%s: %v, %v, want %v", name, k, err, tt.want)
		}
	}
	if k, err := mldsa.Generate(jwk.EdDSA); !errors.Is(err, jwk.ErrUnsupported) || k != nil {
		t.Errorf("Generate(EdDSA) = %v, %v", k, err)
	}
	if k, err := mldsa.NewPublicKey("ML-DSA-99", make([]byte, 1312)); !errors.Is(err, jwk.ErrUnsupported) || k != nil {
		t.Errorf("NewPublicKey(ML-DSA-99) = %v, %v", k, err)
	}
}

// TestJWKRefuses changes one member of a good JWK.
func TestJWKRefuses(t *testing.T) {
	k, other := must(mldsa.Generate(mldsa.MLDSA44))(t), must(mldsa.Generate(mldsa.MLDSA44))(t)
	for _, tt := range []struct {
		name, member string
		value        any // nil removes the member
		want         error
	}{
		{"no alg", "alg", nil, jwk.ErrMalformed},
		{"an alg of AKP that nobody knows", "alg", "SLH-DSA-SHA2-128s", jwk.ErrUnsupported},
		{"the alg of another size", "alg", "ML-DSA-65", jwk.ErrMalformed},
		{"an alg that jwk knows", "alg", "ES256", jwk.ErrUnsupported},
		{"alg none", "alg", "none", jwk.ErrUnsupported},
		{"another kty", "kty", "OKP", jwk.ErrUnsupported},
		{"kty in small letters", "kty", "akp", jwk.ErrUnsupported},
		{"no pub", "pub", nil, jwk.ErrMalformed},
		{"pub is empty", "pub", "", jwk.ErrMalformed},
		{"pub with padding", "pub", member(t, k, "pub") + "=", jwk.ErrMalformed},
		{"pub is longer", "pub", member(t, k, "pub") + "AAAA", jwk.ErrMalformed},
		{"pub is shorter", "pub", member(t, k, "pub")[4:], jwk.ErrMalformed},
		{"use enc", "use", "enc", jwk.ErrMismatch},
		{"key_ops for something else", "key_ops", []string{"deriveBits"}, jwk.ErrMismatch},
	} {
		private := changed(t, k, tt.member, tt.value)
		if got, err := parser().Private(private); !errors.Is(err, tt.want) || got != nil {
			t.Errorf("%s: private: %v, %v, want %v", tt.name, got, err, tt.want)
		}
		public := without(t, private, "priv")
		if got, err := parser().Public(public); !errors.Is(err, tt.want) || got != nil {
			t.Errorf("%s: public: %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
	for _, tt := range []struct {
		name  string
		value any
	}{
		{"no seed", nil},
		{"a seed of 31 bytes", strings.Repeat("A", 42)},
		{"an expanded key", strings.Repeat("AAAA", 2560/3) + "AA"},
		{"another key's seed", member(t, other, "priv")},
	} {
		if got, err := parser().Private(changed(t, k, "priv", tt.value)); !errors.Is(err, jwk.ErrMalformed) || got != nil {
			t.Errorf("%s: %v, %v, want ErrMalformed", tt.name, got, err)
		}
	}
	if _, err := parser().Public(must(k.ExportJWK())(t)); !errors.Is(err, jwk.ErrMismatch) {
		t.Errorf("a private key as a public one: %v, want ErrMismatch", err)
	}
	if _, err := jwk.ParsePublicJWK(must(json.Marshal(k.Public()))(t)); !errors.Is(err, jwk.ErrUnsupported) {
		t.Errorf("without the extension: %v, want ErrUnsupported", err)
	}
}

// TestKeyOps: "use" and "key_ops" bind keys of the extension, too.
func TestKeyOps(t *testing.T) {
	k := must(mldsa.Generate(mldsa.MLDSA44))(t)
	signs := changed(t, k, "key_ops", []string{"sign"})
	if _, err := parser().Private(signs); err != nil {
		t.Errorf("a private key that may sign: %v", err)
	}
	if _, err := parser().Public(without(t, signs, "priv")); !errors.Is(err, jwk.ErrMismatch) {
		t.Errorf("a public key that may only sign: %v, want ErrMismatch", err)
	}
	verifies := changed(t, k, "key_ops", []string{"verify"})
	if _, err := parser().Public(without(t, verifies, "priv")); err != nil {
		t.Errorf("a public key that may verify: %v", err)
	}
	if _, err := parser().Private(verifies); !errors.Is(err, jwk.ErrMismatch) {
		t.Errorf("a private key that may only verify: %v, want ErrMismatch", err)
	}
}

func TestHidden(t *testing.T) {
	k := must(mldsa.Generate(mldsa.MLDSA44))(t)
	seed := member(t, k, "priv")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if text := fmt.Sprintf(verb, k); strings.Contains(text, seed) || len(text) > 200 {
			t.Errorf("%s shows %s", verb, text)
		}
	}
	if text, err := json.Marshal(k); err == nil {
		t.Errorf("a private key marshals as %s", text)
	}
}

// member is a member of k's private JWK.
func member(t testing.TB, k *jwk.PrivateKey, name string) string {
	t.Helper()
	var members map[string]string
	check(t, json.Unmarshal(must(k.ExportJWK())(t), &members))
	return members[name]
}

// changed is k's private JWK with another value of a member, or without it.
func changed(t testing.TB, k *jwk.PrivateKey, name string, value any) []byte {
	t.Helper()
	var members map[string]any
	check(t, json.Unmarshal(must(k.ExportJWK())(t), &members))
	delete(members, "kid")
	members[name] = value
	if value == nil {
		delete(members, name)
	}
	return must(json.Marshal(members))(t)
}

// without is a JWK less a member.
func without(t testing.TB, data []byte, name string) []byte {
	t.Helper()
	var members map[string]any
	check(t, json.Unmarshal(data, &members))
	delete(members, name)
	return must(json.Marshal(members))(t)
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
