package jwk_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"math/big"
	"slices"
	"testing"

	"github.com/writ-auth/writ/jwk"
)

func TestPrivateKeyChecks(t *testing.T) {
	swapped := *must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	swapped.PublicKey = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t).PublicKey
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edSwapped := slices.Clone(ed)
	edSwapped[40] ^= 1
	badRSA := &rsa.PrivateKey{PublicKey: rsaKey().PublicKey, D: new(big.Int).Add(rsaKey().D, big.NewInt(2)), Primes: rsaKey().Primes}
	onePrime := &rsa.PrivateKey{PublicKey: rsaKey().PublicKey, D: rsaKey().D, Primes: rsaKey().Primes[:1]}
	for _, tt := range []struct {
		name string
		alg  jwk.Algorithm
		key  crypto.Signer
		want error
	}{
		{"nil", jwk.ES256, nil, jwk.ErrMalformed},
		{"nil RSA", jwk.RS256, (*rsa.PrivateKey)(nil), jwk.ErrMalformed},
		{"nil EC", jwk.ES256, (*ecdsa.PrivateKey)(nil), jwk.ErrMalformed},
		{"empty EC", jwk.ES256, &ecdsa.PrivateKey{}, jwk.ErrMalformed},
		{"EC without a scalar", jwk.ES256, &ecdsa.PrivateKey{PublicKey: swapped.PublicKey}, jwk.ErrMalformed},
		{"nil Ed25519", jwk.EdDSA, ed25519.PrivateKey(nil), jwk.ErrMalformed},
		{"nil pointer to Ed25519", jwk.EdDSA, (*ed25519.PrivateKey)(nil), jwk.ErrMalformed},
		{"short Ed25519", jwk.EdDSA, ed25519.PrivateKey("short"), jwk.ErrMalformed},
		{"EC with another public key", jwk.ES256, &swapped, jwk.ErrMalformed},
		{"Ed25519 with another public key", jwk.EdDSA, edSwapped, jwk.ErrMalformed},
		{"RSA with another exponent", jwk.RS256, badRSA, jwk.ErrMalformed},
		{"RSA without primes", jwk.RS256, onePrime, jwk.ErrUnsupported},
		{"RSA of 1024 bits", jwk.RS256, must(rsa.GenerateKey(rand.Reader, 1024))(t), jwk.ErrWeak},
		{"EC for RS256", jwk.RS256, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t), jwk.ErrMismatch},
		{"HMAC", jwk.HS256, rsaKey(), jwk.ErrMismatch},
		{"P-224", jwk.ES256, must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))(t), jwk.ErrUnsupported},
	} {
		if _, err := jwk.NewPrivateKey(tt.alg, tt.key); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	for _, alg := range []jwk.Algorithm{"none", "", "ES257"} {
		if _, err := jwk.Generate(alg); !errors.Is(err, jwk.ErrUnsupported) {
			t.Errorf("Generate(%q): %v, want ErrUnsupported", alg, err)
		}
	}
	if _, err := jwk.Generate(jwk.HS256); !errors.Is(err, jwk.ErrMismatch) {
		t.Errorf("Generate(HS256): %v, want ErrMismatch", err)
	}
}

// A caller who keeps the key that he gave, or changes the one he is given, must
// not change ours.
func TestKeysAreCopied(t *testing.T) {
	own := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	key := must(jwk.NewPrivateKey(jwk.ES256, own))(t)
	//lint:ignore SA1019 whoever still writes to these fields must not reach our copy
	own.D.SetInt64(1)
	own.X.SetInt64(1)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	edKey := must(jwk.NewPrivateKey(jwk.EdDSA, &ed))(t)
	clear(ed)
	clear(edKey.Public().CryptoKey().(ed25519.PublicKey))
	rsaPub := *rsaKey().Public().(*rsa.PublicKey)
	rsaPub.N = new(big.Int).Set(rsaPub.N)
	rsaVerify := must(jwk.NewPublicKey(jwk.RS256, &rsaPub))(t)
	rsaPub.N.SetInt64(1)
	rsaVerify.CryptoKey().(*rsa.PublicKey).E = 3
	sig := must(pair(t, jwk.RS256).Sign([]byte("m")))(t)
	if !rsaVerify.Verify([]byte("m"), sig) {
		t.Error("RS256: changing the caller's key changed ours")
	}
	for _, k := range []*jwk.PrivateKey{key, edKey} {
		if sig := must(k.Sign([]byte("m")))(t); !k.Public().Verify([]byte("m"), sig) {
			t.Errorf("%s: changing the caller's key changed ours", k.Algorithm())
		}
	}
}

// remoteSigner stands for an HSM: it knows a public key and returns what it
// likes.
type remoteSigner struct {
	key    crypto.Signer
	answer func([]byte, error) ([]byte, error)
}

func (s remoteSigner) Public() crypto.PublicKey { return s.key.Public() }
func (s remoteSigner) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.answer(s.key.Sign(r, digest, opts))
}

func TestRemoteSigner(t *testing.T) {
	asIs := func(sig []byte, err error) ([]byte, error) { return sig, err }
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	for alg, signer := range map[jwk.Algorithm]crypto.Signer{
		jwk.PS384: rsaKey(), jwk.RS512: rsaKey(), jwk.ES256: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t), jwk.Ed25519: ed,
	} {
		key := must(jwk.NewPrivateKey(alg, remoteSigner{signer, asIs}))(t)
		sig := must(key.Sign([]byte("m")))(t)
		if !key.Public().Verify([]byte("m"), sig) {
			t.Errorf("%s: signature by a remote signer is refused", alg)
		}
		if _, err := key.ExportPEM(); !errors.Is(err, jwk.ErrUnsupported) {
			t.Errorf("%s: ExportPEM of a remote signer: %v, want ErrUnsupported", alg, err)
		}
		if _, err := key.ExportJWK(); !errors.Is(err, jwk.ErrUnsupported) {
			t.Errorf("%s: ExportJWK of a remote signer: %v, want ErrUnsupported", alg, err)
		}
		for name, answer := range map[string]func([]byte, error) ([]byte, error){
			"short":   func(sig []byte, err error) ([]byte, error) { return sig[:len(sig)-1], err },
			"long":    func(sig []byte, err error) ([]byte, error) { return append(sig, 0), err },
			"nothing": func([]byte, error) ([]byte, error) { return nil, nil },
			"failing": func([]byte, error) ([]byte, error) { return nil, io.ErrUnexpectedEOF },
		} {
			key := must(jwk.NewPrivateKey(alg, remoteSigner{signer, answer}))(t)
			if sig, err := key.Sign([]byte("m")); err == nil {
				t.Errorf("%s: a %s answer became signature %x", alg, name, sig)
			}
		}
	}
}

// What is no ASN.1 signature of the curve must not become one in JWS form.
func TestRemoteSignerBadASN1(t *testing.T) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	long := bytes.Repeat([]byte{1}, 33)
	for name, der := range map[string][]byte{
		"raw r‖s":        bytes.Repeat([]byte{1}, 64),
		"negative":       {0x30, 6, 2, 1, 0x80, 2, 1, 1},
		"zero":           {0x30, 6, 2, 1, 0, 2, 1, 1},
		"empty integer":  {0x30, 5, 2, 0, 2, 1, 1},
		"one integer":    {0x30, 3, 2, 1, 1},
		"three integers": {0x30, 9, 2, 1, 1, 2, 1, 1, 2, 1, 1},
		"rest":           {0x30, 6, 2, 1, 1, 2, 1, 1, 0},
		"other tag":      {0x31, 6, 2, 1, 1, 2, 1, 1},
		"cut":            {0x30, 6, 2, 1, 1, 2, 1},
		"too long":       append([]byte{0x30, 38, 2, 33}, append(long, 2, 1, 1)...),
		"long length":    {0x30, 0x82, 0, 6, 2, 1, 1, 2, 1, 1},
	} {
		signer := remoteSigner{key, func([]byte, error) ([]byte, error) { return der, nil }}
		if sig, err := must(jwk.NewPrivateKey(jwk.ES256, signer))(t).Sign(nil); err == nil {
			t.Errorf("%s: became signature %x", name, sig)
		}
	}
	good := remoteSigner{key, func([]byte, error) ([]byte, error) { return []byte{0x30, 7, 2, 2, 0, 0x81, 2, 1, 5}, nil }}
	sig := must(must(jwk.NewPrivateKey(jwk.ES256, good))(t).Sign(nil))(t)
	want := make([]byte, 64)
	want[31], want[63] = 0x81, 5
	if !bytes.Equal(sig, want) {
		t.Errorf("r = 0x81, s = 5 became %x, want %x", sig, want)
	}
}
