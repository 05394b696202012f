package es256k_test

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"testing"

	"github.com/writ-auth/writ/es256k"
	"github.com/writ-auth/writ/jwk"
)

func block(blockType string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: blockType, Bytes: der})
}

func der(t testing.TB, data []byte) []byte {
	t.Helper()
	b, rest := pem.Decode(data)
	if b == nil || len(rest) != 0 {
		t.Fatalf("not one PEM block: %s", data)
	}
	return b.Bytes
}

// TestRoundTrips writes keys in every form and reads them back.
func TestRoundTrips(t *testing.T) {
	k := generate(t).WithKeyID("k1")
	sig := must(k.Sign([]byte("m")))(t)
	fromJWK := must(parser().Private(must(k.ExportJWK())(t)))(t)
	fromPEM := must(parser().PrivatePEM(es256k.ES256K, must(k.ExportPEM())(t)))(t)
	for _, b := range []*jwk.PrivateKey{fromJWK, fromPEM} {
		if again := must(b.Sign([]byte("n")))(t); !k.Public().Verify([]byte("n"), again) {
			t.Errorf("another private key came back: %v", b)
		}
	}
	if fromJWK.KeyID() != "k1" || fromPEM.KeyID() != k.Public().Thumbprint() {
		t.Errorf("key IDs %q and %q", fromJWK.KeyID(), fromPEM.KeyID())
	}
	for _, b := range []*jwk.PublicKey{
		must(parser().Public(must(json.Marshal(k.Public()))(t)))(t),
		must(parser().PublicPEM(es256k.ES256K, must(k.Public().ExportPEM())(t)))(t),
	} {
		if !b.Verify([]byte("m"), sig) || b.Thumbprint() != k.Public().Thumbprint() {
			t.Errorf("another public key came back: %v", b)
		}
	}
}

// Where things are in the DER of a PKCS#8 key with a public key in it.
const (
	versionAt = 5  // of PKCS#8
	curveAt   = 23 // the last byte of the curve's OID
	innerAt   = 30 // the version of ECPrivateKey
	scalarAt  = 33
	pointAt   = 70
)

func TestPEMRefuses(t *testing.T) {
	k, other := generate(t), generate(t)
	private, public := der(t, must(k.ExportPEM())(t)), der(t, must(k.Public().ExportPEM())(t))
	if private[scalarAt-2] != 4 || private[scalarAt-1] != 32 || private[pointAt-1] != 0 || private[pointAt] != 4 {
		t.Fatalf("the form is another: %x", private)
	}
	at := func(der []byte, i int, with ...byte) []byte {
		out := bytes.Clone(der)
		copy(out[i:], with)
		return out
	}
	foreign := der(t, must(other.ExportPEM())(t))
	for name, tt := range map[string]struct {
		der  []byte
		want error
	}{
		"version 1":              {at(private, versionAt, 1), jwk.ErrMalformed},
		"another curve":          {at(private, curveAt, 11), jwk.ErrMismatch},
		"inner version 0":        {at(private, innerAt, 0), jwk.ErrMalformed},
		"scalar zero":            {at(private, scalarAt, make([]byte, 32)...), jwk.ErrMalformed},
		"scalar n":               {at(private, scalarAt, bytes32(order())...), jwk.ErrMalformed},
		"another's scalar":       {at(private, scalarAt, foreign[scalarAt:scalarAt+32]...), jwk.ErrMalformed},
		"another's point":        {at(private, pointAt, foreign[pointAt:]...), jwk.ErrMalformed},
		"a point off the curve":  {at(private, pointAt+40, ^private[pointAt+40]), jwk.ErrMalformed},
		"a compressed point":     {at(private, pointAt, 2), jwk.ErrMalformed},
		"cut short":              {private[:60], jwk.ErrMalformed},
		"a byte behind":          {append(bytes.Clone(private), 0), jwk.ErrMalformed},
		"a public key":           {public, jwk.ErrMalformed},
		"a key on another curve": {der(t, must(must(jwk.Generate(jwk.ES256))(t).ExportPEM())(t)), jwk.ErrMismatch},
		"nothing":                {nil, jwk.ErrMalformed},
	} {
		if got, err := parser().PrivatePEM(es256k.ES256K, block("PRIVATE KEY", tt.der)); !errors.Is(err, tt.want) || got != nil {
			t.Errorf("private: %s: %v, %v, want %v", name, got, err, tt.want)
		}
	}
	for name, tt := range map[string]struct {
		der  []byte
		want error
	}{
		"off the curve":          {at(public, 40, ^public[40]), jwk.ErrMalformed},
		"compressed":             {at(public, len(public)-65, 2), jwk.ErrMalformed},
		"a byte behind":          {append(bytes.Clone(public), 0), jwk.ErrMalformed},
		"a private key":          {private, jwk.ErrMalformed},
		"a key on another curve": {der(t, must(must(jwk.Generate(jwk.ES256))(t).Public().ExportPEM())(t)), jwk.ErrMismatch},
	} {
		if got, err := parser().PublicPEM(es256k.ES256K, block("PUBLIC KEY", tt.der)); !errors.Is(err, tt.want) || got != nil {
			t.Errorf("public: %s: %v, %v, want %v", name, got, err, tt.want)
		}
	}
	for _, alg := range []jwk.Algorithm{jwk.ES256, "ES256k", ""} {
		if got, err := parser().PrivatePEM(alg, block("PRIVATE KEY", private)); !errors.Is(err, jwk.ErrUnsupported) || got != nil {
			t.Errorf("for %q: %v, %v, want ErrUnsupported", alg, got, err)
		}
	}
}
