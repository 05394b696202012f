package jwk_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/writ-auth/writ/jwk"
)

func readPEM(t testing.TB, name string) []byte {
	t.Helper()
	return must(os.ReadFile("testdata/josekit/pem/" + name))(t)
}

func TestPEMRoundTrip(t *testing.T) {
	for _, alg := range []jwk.Algorithm{jwk.RS256, jwk.PS512, jwk.ES256, jwk.ES384, jwk.ES512, jwk.EdDSA} {
		key := pair(t, alg)
		private := must(jwk.ParsePrivatePEM(alg, must(key.ExportPEM())(t)))(t)
		public := must(jwk.ParsePublicPEM(alg, must(key.Public().ExportPEM())(t)))(t)
		sig := must(private.Sign([]byte("m")))(t)
		if !key.Public().Verify([]byte("m"), sig) || !public.Verify([]byte("m"), sig) || public.KeyID() != key.KeyID() {
			t.Errorf("%s: read back as another key", alg)
		}
	}
}

func TestParsePrivatePEM(t *testing.T) {
	p256, rs := readPEM(t, "EC_P-256_private.pem"), readPEM(t, "RSA_2048bit_private.pem")
	sec1 := readPEM(t, "EC_P-256_traditional_private.pem")
	params := []byte("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n")
	weak := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(must(rsa.GenerateKey(rand.Reader, 1024))(t))})
	header := func(h string) []byte {
		return bytes.Replace(rs, []byte("KEY-----\n"), []byte("KEY-----\n"+h+"\n\n"), 1)
	}
	for _, tt := range []struct {
		name string
		alg  jwk.Algorithm
		data []byte
		want error
	}{
		{"PKCS#8", jwk.ES256, p256, nil},
		{"PKCS#8 after white space", jwk.ES256, append([]byte("\n  "), p256...), nil},
		{"PKCS#8 with CR LF", jwk.ES256, bytes.ReplaceAll(p256, []byte("\n"), []byte("\r\n")), nil},
		{"SEC 1", jwk.ES256, sec1, nil},
		{"SEC 1 after parameters", jwk.ES256, append(bytes.Clone(params), sec1...), nil},
		{"PKCS#1", jwk.RS256, readPEM(t, "RSA_2048bit_traditional_private.pem"), nil},
		{"RSA for PS384", jwk.PS384, rs, nil},
		{"Ed25519", jwk.Ed25519, readPEM(t, "ED25519_private.pem"), nil},
		{"RSA-PSS for SHA-256", jwk.PS256, readPEM(t, "RSA-PSS_2048bit_SHA-256_private.pem"), nil},
		{"RSA-PSS for SHA-384", jwk.PS384, readPEM(t, "RSA-PSS_2048bit_SHA-384_private.pem"), nil},
		{"RSA-PSS for another hash", jwk.PS384, readPEM(t, "RSA-PSS_2048bit_SHA-256_private.pem"), jwk.ErrMismatch},
		{"RSA-PSS for RS256", jwk.RS256, readPEM(t, "RSA-PSS_2048bit_SHA-256_private.pem"), jwk.ErrMismatch},

		{"nothing", jwk.ES256, nil, jwk.ErrMalformed},
		{"text", jwk.ES256, []byte("hello"), jwk.ErrMalformed},
		{"text before", jwk.ES256, append([]byte("Bag Attributes\n"), p256...), jwk.ErrMalformed},
		{"text after", jwk.ES256, append(bytes.Clone(p256), "x"...), jwk.ErrMalformed},
		{"two keys", jwk.ES256, append(bytes.Clone(p256), p256...), jwk.ErrMalformed},
		{"private and public", jwk.ES256, append(bytes.Clone(p256), readPEM(t, "EC_P-256_public.pem")...), jwk.ErrMalformed},
		{"parameters after", jwk.ES256, append(bytes.Clone(sec1), params...), jwk.ErrMalformed},
		{"parameters before PKCS#8", jwk.ES256, append(bytes.Clone(params), p256...), jwk.ErrMalformed},
		{"parameters twice", jwk.ES256, append(append(bytes.Clone(params), params...), sec1...), jwk.ErrMalformed},
		{"parameters alone", jwk.ES256, params, jwk.ErrUnsupported},
		{"a damaged block before", jwk.ES256, append([]byte("-----BEGIN PRIVATE KEY-----\n*\n-----END PRIVATE KEY-----\n"), p256...), jwk.ErrMalformed},
		{"no end", jwk.ES256, p256[:len(p256)-20], jwk.ErrMalformed},
		{"cut content", jwk.ES256, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{0x30, 3, 2, 1, 0}}), jwk.ErrMalformed},
		{"wrong label", jwk.ES256, bytes.ReplaceAll(p256, []byte("PRIVATE KEY"), []byte("EC PRIVATE KEY")), jwk.ErrMalformed},
		{"too large", jwk.ES256, append(bytes.Clone(p256), bytes.Repeat([]byte("\n"), 64<<10)...), jwk.ErrMalformed},

		{"public", jwk.ES256, readPEM(t, "EC_P-256_public.pem"), jwk.ErrMismatch},
		{"public PKCS#1", jwk.RS256, readPEM(t, "RSA_2048bit_traditional_public.pem"), jwk.ErrMismatch},
		{"another curve", jwk.ES384, p256, jwk.ErrMismatch},
		{"another type", jwk.RS256, p256, jwk.ErrMismatch},
		{"HMAC", jwk.HS256, p256, jwk.ErrMismatch},
		{"none", "none", p256, jwk.ErrUnsupported},
		{"secp256k1", jwk.ES256, readPEM(t, "EC_secp256k1_private.pem"), jwk.ErrUnsupported},
		{"secp256k1 in SEC 1", jwk.ES256, readPEM(t, "EC_secp256k1_traditional_private.pem"), jwk.ErrUnsupported},
		{"X25519", jwk.EdDSA, readPEM(t, "X25519_private.pem"), jwk.ErrUnsupported},
		{"a label that nobody uses", jwk.EdDSA, readPEM(t, "ED25519_traditional_private.pem"), jwk.ErrUnsupported},
		{"1024 bits", jwk.RS256, weak, jwk.ErrWeak},
		{"encrypted", jwk.RS256, []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"), jwk.ErrUnsupported},
		{"encrypted the old way", jwk.RS256, header("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00"), jwk.ErrUnsupported},
	} {
		if key, err := jwk.ParsePrivatePEM(tt.alg, tt.data); !errors.Is(err, tt.want) || (key == nil) != (err != nil) {
			t.Errorf("%s: ParsePrivatePEM = %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestParsePublicPEM(t *testing.T) {
	p256 := readPEM(t, "EC_P-256_public.pem")
	cert := []byte("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
	for _, tt := range []struct {
		name string
		alg  jwk.Algorithm
		data []byte
		want error
	}{
		{"SPKI", jwk.ES256, p256, nil},
		{"RSA", jwk.RS256, readPEM(t, "RSA_2048bit_public.pem"), nil},
		{"PKCS#1", jwk.PS256, readPEM(t, "RSA_2048bit_traditional_public.pem"), nil},
		{"Ed25519", jwk.EdDSA, readPEM(t, "ED25519_public.pem"), nil},
		{"RSA-PSS", jwk.PS512, readPEM(t, "RSA-PSS_2048bit_SHA-512_public.pem"), nil},
		{"RSA-PSS for another hash", jwk.PS256, readPEM(t, "RSA-PSS_2048bit_SHA-512_public.pem"), jwk.ErrMismatch},
		{"RSA-PSS for ES256", jwk.ES256, readPEM(t, "RSA-PSS_2048bit_SHA-512_public.pem"), jwk.ErrMismatch},

		{"private", jwk.ES256, readPEM(t, "EC_P-256_private.pem"), jwk.ErrMismatch},
		{"private SEC 1", jwk.ES256, readPEM(t, "EC_P-256_traditional_private.pem"), jwk.ErrMismatch},
		{"private PKCS#1", jwk.RS256, readPEM(t, "RSA_2048bit_traditional_private.pem"), jwk.ErrMismatch},
		{"certificate", jwk.ES256, cert, jwk.ErrUnsupported},
		{"key and certificate", jwk.ES256, append(bytes.Clone(p256), cert...), jwk.ErrMalformed},
		{"two keys", jwk.ES256, append(bytes.Clone(p256), p256...), jwk.ErrMalformed},
		{"HMAC", jwk.HS256, p256, jwk.ErrMismatch},
		{"another curve", jwk.ES512, p256, jwk.ErrMismatch},
		{"secp256k1", jwk.ES256, readPEM(t, "EC_secp256k1_public.pem"), jwk.ErrUnsupported},
		{"X25519", jwk.EdDSA, readPEM(t, "X25519_public.pem"), jwk.ErrUnsupported},
		{"cut content", jwk.ES256, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte{0x30, 0}}), jwk.ErrMalformed},
		{"DER", jwk.ES256, must(os.ReadFile("testdata/josekit/der/EC_P-256_spki_public.der"))(t), jwk.ErrMalformed},
		{"nothing", jwk.ES256, nil, jwk.ErrMalformed},
	} {
		if key, err := jwk.ParsePublicPEM(tt.alg, tt.data); !errors.Is(err, tt.want) || (key == nil) != (err != nil) {
			t.Errorf("%s: ParsePublicPEM = %v, want %v", tt.name, err, tt.want)
		}
	}
}

// Who meets a refusal should learn what to type.
func TestPEMHints(t *testing.T) {
	for label, hint := range map[string]string{
		"ENCRYPTED PRIVATE KEY": "openssl pkey -in key.pem -out plain.pem",
		"OPENSSH PRIVATE KEY":   "ssh-keygen -p",
		"CERTIFICATE":           "openssl x509 -in cert.pem -pubkey -noout",
	} {
		block := pem.EncodeToMemory(&pem.Block{Type: label, Bytes: []byte{0}})
		_, err := jwk.ParsePrivatePEM(jwk.RS256, block)
		if !errors.Is(err, jwk.ErrUnsupported) || !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: %v; want ErrUnsupported that names %q", label, err, hint)
		}
	}
}

// The keys of another library, in all its forms, are the same keys.
func TestJosekitForms(t *testing.T) {
	for _, tt := range []struct {
		alg                jwk.Algorithm
		jwk, private, publ string
		traditional        string
	}{
		{jwk.ES256, "EC_P-256", "EC_P-256_private.pem", "EC_P-256_public.pem", "EC_P-256_traditional_private.pem"},
		{jwk.ES384, "EC_P-384", "EC_P-384_private.pem", "EC_P-384_public.pem", "EC_P-384_traditional_private.pem"},
		{jwk.ES512, "EC_P-521", "EC_P-521_private.pem", "EC_P-521_public.pem", "EC_P-521_traditional_private.pem"},
		{jwk.RS256, "RSA", "RSA_2048bit_private.pem", "RSA_2048bit_public.pem", "RSA_2048bit_traditional_private.pem"},
		{jwk.EdDSA, "OKP_Ed25519", "ED25519_private.pem", "ED25519_public.pem", "ED25519_private.pem"},
	} {
		fromJWK := must(jwk.ParsePrivateJWK(must(os.ReadFile("testdata/josekit/jwk/" + tt.jwk + "_private.jwk"))(t)))(t)
		public := must(jwk.ParsePublicJWK(must(os.ReadFile("testdata/josekit/jwk/" + tt.jwk + "_public.jwk"))(t)))(t)
		if fromJWK.Public().Thumbprint() != public.Thumbprint() {
			t.Errorf("%s: private and public JWK differ", tt.jwk)
		}
		fromPEM := must(jwk.ParsePrivatePEM(tt.alg, readPEM(t, tt.private)))(t)
		traditional := must(jwk.ParsePrivatePEM(tt.alg, readPEM(t, tt.traditional)))(t)
		publicPEM := must(jwk.ParsePublicPEM(tt.alg, readPEM(t, tt.publ)))(t)
		if a, b, c := fromPEM.KeyID(), traditional.KeyID(), publicPEM.KeyID(); a != c || b != c {
			t.Errorf("%s: PEM files hold keys %s, %s, %s", tt.jwk, a, b, c)
		}
	}
}
