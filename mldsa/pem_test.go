package mldsa_test

import (
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/mldsa"
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

// TestPEMForm holds what is written against RFC 9881, written out by hand: the
// OID 2.16.840.1.101.3.4.3.17 without parameters, and the seed under tag [0].
func TestPEMForm(t *testing.T) {
	k := must(mldsa.NewPrivateKey(mldsa.MLDSA44, make([]byte, mldsa.SeedSize)))(t)
	private := string(der(t, must(k.ExportPEM())(t)))
	want := "\x30\x34\x02\x01\x00\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x11\x04\x22\x80\x20" + strings.Repeat("\x00", 32)
	if private != want {
		t.Errorf("PKCS#8 %x, want %x", private, want)
	}
	public := string(der(t, must(k.Public().ExportPEM())(t)))
	prefix := "\x30\x82\x05\x32\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x11\x03\x82\x05\x21\x00"
	if public != prefix+string(unbase64(t, member(t, k, "pub"))) {
		t.Errorf("SubjectPublicKeyInfo %x…, want %x…", public[:30], prefix)
	}
}

func TestPEMRefuses(t *testing.T) {
	k := must(mldsa.Generate(mldsa.MLDSA44))(t)
	private, public := der(t, must(k.ExportPEM())(t)), der(t, must(k.Public().ExportPEM())(t))
	classic := must(jwk.Generate(jwk.ES256))(t)
	for name, tt := range map[string]struct {
		alg                     jwk.Algorithm
		private, public         []byte
		wantPrivate, wantPublic error
	}{
		"another size":  {mldsa.MLDSA65, private, public, jwk.ErrMismatch, jwk.ErrMismatch},
		"another type":  {mldsa.MLDSA44, der(t, must(classic.ExportPEM())(t)), der(t, must(classic.Public().ExportPEM())(t)), jwk.ErrMismatch, jwk.ErrMismatch},
		"for ES256":     {jwk.ES256, private, public, jwk.ErrUnsupported, jwk.ErrUnsupported},
		"for nobody":    {"ML-DSA-99", private, public, jwk.ErrUnsupported, jwk.ErrUnsupported},
		"cut short":     {mldsa.MLDSA44, private[:20], public[:20], jwk.ErrMalformed, jwk.ErrMalformed},
		"a byte behind": {mldsa.MLDSA44, append(private[:len(private):len(private)], 0), append(public[:len(public):len(public)], 0), jwk.ErrMalformed, jwk.ErrMalformed},
		"each other":    {mldsa.MLDSA44, public, private, jwk.ErrMalformed, jwk.ErrMalformed},
		"expanded key":  {mldsa.MLDSA44, expanded(private), public[:len(public)-1], jwk.ErrMalformed, jwk.ErrMalformed},
	} {
		if got, err := parser().PrivatePEM(tt.alg, block("PRIVATE KEY", tt.private)); !errors.Is(err, tt.wantPrivate) || got != nil {
			t.Errorf("%s: private: %v, %v, want %v", name, got, err, tt.wantPrivate)
		}
		if got, err := parser().PublicPEM(tt.alg, block("PUBLIC KEY", tt.public)); !errors.Is(err, tt.wantPublic) || got != nil {
			t.Errorf("%s: public: %v, %v, want %v", name, got, err, tt.wantPublic)
		}
	}
}

// expanded says of a seed that it is the other form of a private key.
func expanded(private []byte) []byte {
	out := append([]byte(nil), private...)
	out[len(out)-34] = 0x04
	return out
}
