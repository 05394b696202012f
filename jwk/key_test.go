//lint:file-ignore SA1019 keys that the newer functions would refuse to make are what is tested here

package jwk_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"sync"
	"testing"

	"github.com/writ-auth/writ/jwk"
)

var keyPairAlgorithms = []jwk.Algorithm{
	jwk.RS256, jwk.RS384, jwk.RS512, jwk.PS256, jwk.PS384, jwk.PS512,
	jwk.ES256, jwk.ES384, jwk.ES512, jwk.EdDSA, jwk.Ed25519,
}

// rsaKey is one RSA key for all tests: to make one takes half a second.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// pair returns a key for alg.
func pair(t testing.TB, alg jwk.Algorithm) *jwk.PrivateKey {
	t.Helper()
	if alg[0] == 'R' || alg[0] == 'P' {
		return must(jwk.NewPrivateKey(alg, rsaKey()))(t)
	}
	return must(jwk.Generate(alg))(t)
}

// must is for what can't fail in a sound test: must(f())(t).
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestSignAndVerify(t *testing.T) {
	sizes := map[jwk.Algorithm]int{jwk.ES256: 64, jwk.ES384: 96, jwk.ES512: 132, jwk.EdDSA: 64, jwk.Ed25519: 64}
	message := []byte("header.payload")
	for _, alg := range keyPairAlgorithms {
		key := pair(t, alg)
		sig := must(key.Sign(message))(t)
		want, ok := sizes[alg]
		if !ok {
			want = 256
		}
		if len(sig) != want {
			t.Errorf("%s: signature of %d bytes, want %d", alg, len(sig), want)
		}
		pub := key.Public()
		if !pub.Verify(message, sig) {
			t.Errorf("%s: own signature is refused", alg)
		}
		for i := range sig {
			bad := slices.Clone(sig)
			bad[i] ^= 1
			if i%16 == 0 && pub.Verify(message, bad) {
				t.Errorf("%s: accepted with byte %d changed", alg, i)
			}
		}
		for name, bad := range map[string][]byte{
			"nothing": nil, "one byte less": sig[:len(sig)-1], "one byte more": append(slices.Clone(sig), 0),
			"a zero before": append([]byte{0}, sig...), "zeros": make([]byte, len(sig)), "ones": bytes.Repeat([]byte{0xff}, len(sig)),
		} {
			if pub.Verify(message, bad) {
				t.Errorf("%s: signature accepted: %s", alg, name)
			}
		}
		if pub.Verify([]byte("header.payloae"), sig) {
			t.Errorf("%s: accepted for another message", alg)
		}
		if pub.Algorithm() != alg || key.Algorithm() != alg {
			t.Errorf("Algorithm = %s and %s, want %s", key.Algorithm(), pub.Algorithm(), alg)
		}
		if key.KeyID() == "" || key.KeyID() != pub.KeyID() || key.KeyID() != pub.Thumbprint() {
			t.Errorf("%s: key IDs %q, %q and thumbprint %q differ", alg, key.KeyID(), pub.KeyID(), pub.Thumbprint())
		}
	}
}

// The signature of one algorithm is none of another under the same key.
func TestAlgorithmsAreApart(t *testing.T) {
	message := []byte("m")
	for _, signAlg := range keyPairAlgorithms[:6] {
		sig := must(pair(t, signAlg).Sign(message))(t)
		for _, alg := range keyPairAlgorithms[:6] {
			if got := pair(t, alg).Public().Verify(message, sig); got != (alg == signAlg) {
				t.Errorf("a signature of %s verifies as %s: %v", signAlg, alg, got)
			}
		}
	}
}

// The salt of RSASSA-PSS must be as long as the hash (RFC 7518 section 3.5).
func TestSaltLength(t *testing.T) {
	key := pair(t, jwk.PS256).Public()
	h := crypto.SHA256.New()
	h.Write([]byte("m"))
	for salt, want := range map[int]bool{rsa.PSSSaltLengthAuto: false, 1: false, 20: false, 31: false, 32: true, 33: false} {
		sig := must(rsa.SignPSS(rand.Reader, rsaKey(), crypto.SHA256, h.Sum(nil), &rsa.PSSOptions{SaltLength: salt}))(t)
		if got := key.Verify([]byte("m"), sig); got != want {
			t.Errorf("salt of %d bytes: Verify = %v, want %v", salt, got, want)
		}
	}
}

func TestECDSARanges(t *testing.T) {
	message := []byte("m")
	for alg, curve := range map[jwk.Algorithm]elliptic.Curve{jwk.ES256: elliptic.P256(), jwk.ES384: elliptic.P384(), jwk.ES512: elliptic.P521()} {
		key := pair(t, alg)
		sig := must(key.Sign(message))(t)
		size := len(sig) / 2
		n := curve.Params().N.FillBytes(make([]byte, size))
		zero := make([]byte, size)
		r, s := sig[:size], sig[size:]
		for name, bad := range map[string][][]byte{
			"r = 0": {zero, s}, "s = 0": {r, zero}, "both 0": {zero, zero}, "r = n": {n, s}, "s = n": {r, n}, "both n": {n, n},
			// Two numbers as they should be, and a length as it should not.
			"a zero between": {r, {0}, s}, "zeros between": {r, zero, s}, "zeros before": {zero, zero, r, s}, "s twice": {r, s, s},
			"a zero after": {r, s, {0}}, "one byte less": {r, s[:size-1]},
		} {
			if key.Public().Verify(message, bytes.Join(bad, nil)) {
				t.Errorf("%s: accepted with %s", alg, name)
			}
		}
		// r + n is the same number modulo n, and still no signature.
		sum := new(big.Int).Add(new(big.Int).SetBytes(r), curve.Params().N)
		if sum.BitLen() <= 8*size && key.Public().Verify(message, append(sum.FillBytes(make([]byte, size)), s...)) {
			t.Errorf("%s: accepted with r + n", alg)
		}
		der := must(asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(r), new(big.Int).SetBytes(s)}))(t)
		if key.Public().Verify(message, der) {
			t.Errorf("%s: an ASN.1 signature is accepted", alg)
		}
	}
}

// Short r and s must be padded. Signing often enough meets them.
func TestECDSAPadding(t *testing.T) {
	key := pair(t, jwk.ES512)
	for range 20 { // a leading zero byte is the rule for P-521: 132 bytes hold 1056 bits
		sig := must(key.Sign([]byte("m")))(t)
		if len(sig) != 132 || !key.Public().Verify([]byte("m"), sig) {
			t.Fatalf("signature of %d bytes is refused", len(sig))
		}
	}
	key = pair(t, jwk.ES256)
	for i := range 2000 {
		message := []byte{byte(i), byte(i >> 8)}
		sig := must(key.Sign(message))(t)
		if sig[0] != 0 && sig[32] != 0 {
			continue
		}
		if len(sig) != 64 || !key.Public().Verify(message, sig) {
			t.Fatalf("signature %x with a leading zero is refused", sig)
		}
		return
	}
	t.Fatal("no signature with a leading zero among 2000")
}

func TestWrongAlgorithm(t *testing.T) {
	rsaPub := rsaKey().Public()
	ecPub := pair(t, jwk.ES256).Public().CryptoKey()
	edPub := pair(t, jwk.EdDSA).Public().CryptoKey()
	for _, tt := range []struct {
		name string
		alg  jwk.Algorithm
		key  crypto.PublicKey
		want error
	}{
		{"HMAC with an RSA key", jwk.HS256, rsaPub, jwk.ErrMismatch},
		{"HMAC with an EC key", jwk.HS256, ecPub, jwk.ErrMismatch},
		{"HMAC with an Ed25519 key", jwk.HS256, edPub, jwk.ErrMismatch},
		{"ES256 with an RSA key", jwk.ES256, rsaPub, jwk.ErrMismatch},
		{"RS256 with an EC key", jwk.RS256, ecPub, jwk.ErrMismatch},
		{"EdDSA with an EC key", jwk.EdDSA, ecPub, jwk.ErrMismatch},
		{"ES256 with an Ed25519 key", jwk.ES256, edPub, jwk.ErrMismatch},
		{"ES384 with a P-256 key", jwk.ES384, ecPub, jwk.ErrMismatch},
		{"none", "none", rsaPub, jwk.ErrUnsupported},
		{"no algorithm", "", rsaPub, jwk.ErrUnsupported},
		{"another case", "rs256", rsaPub, jwk.ErrUnsupported},
		{"encryption", "RSA-OAEP", rsaPub, jwk.ErrUnsupported},
		{"no key", jwk.RS256, nil, jwk.ErrUnsupported},
		{"bytes", jwk.RS256, []byte("secret"), jwk.ErrUnsupported},
		{"a value instead of a pointer", jwk.RS256, *rsaPub.(*rsa.PublicKey), jwk.ErrUnsupported},
		{"nil RSA key", jwk.RS256, (*rsa.PublicKey)(nil), jwk.ErrMalformed},
		{"empty RSA key", jwk.RS256, &rsa.PublicKey{}, jwk.ErrMalformed},
		{"nil EC key", jwk.ES256, (*ecdsa.PublicKey)(nil), jwk.ErrMalformed},
		{"empty EC key", jwk.ES256, &ecdsa.PublicKey{}, jwk.ErrMalformed},
		{"EC key without a point", jwk.ES256, &ecdsa.PublicKey{Curve: elliptic.P256()}, jwk.ErrMalformed},
		{"EC key off the curve", jwk.ES256, &ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1), Y: big.NewInt(1)}, jwk.ErrMalformed},
		{"EC key at infinity", jwk.ES256, &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int), Y: new(big.Int)}, jwk.ErrMalformed},
		{"P-224", jwk.ES256, &ecdsa.PublicKey{Curve: elliptic.P224(), X: elliptic.P224().Params().Gx, Y: elliptic.P224().Params().Gy}, jwk.ErrMismatch},
		{"short Ed25519 key", jwk.EdDSA, ed25519.PublicKey("short"), jwk.ErrMalformed},
		{"nil Ed25519 key", jwk.EdDSA, ed25519.PublicKey(nil), jwk.ErrMalformed},
	} {
		if key, err := jwk.NewPublicKey(tt.alg, tt.key); !errors.Is(err, tt.want) || key != nil {
			t.Errorf("%s: NewPublicKey = %v, %v; want %v", tt.name, key, err, tt.want)
		}
	}
}

func TestRSABounds(t *testing.T) {
	odd := func(bits uint) *big.Int {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		n.Add(n, new(big.Int).Rsh(rsaKey().N, 8)) // no structure that other checks would meet first
		return n.SetBit(n, 0, 1)
	}
	for _, tt := range []struct {
		name string
		n    *big.Int
		e    int64
		want error
	}{
		{"1024 bits", must(rsa.GenerateKey(rand.Reader, 1024))(t).N, 65537, jwk.ErrWeak},
		{"2047 bits", new(big.Int).Or(new(big.Int).Rsh(rsaKey().N, 1), big.NewInt(1)), 65537, jwk.ErrWeak},
		{"8192 bits", odd(8192), 65537, nil},
		{"8193 bits", odd(8193), 65537, jwk.ErrUnsupported},
		{"even modulus", new(big.Int).Lsh(rsaKey().N, 1), 65537, jwk.ErrMalformed},
		{"negative modulus", new(big.Int).Neg(rsaKey().N), 65537, jwk.ErrMalformed},
		{"zero modulus", new(big.Int), 65537, jwk.ErrMalformed},
		{"exponent 1", rsaKey().N, 1, jwk.ErrWeak},
		{"exponent 2", rsaKey().N, 2, jwk.ErrWeak},
		{"exponent 3", rsaKey().N, 3, nil},
		{"even exponent", rsaKey().N, 65536, jwk.ErrWeak},
		{"negative exponent", rsaKey().N, -3, jwk.ErrWeak},
		{"largest exponent", rsaKey().N, 1<<31 - 1, nil},
		{"exponent of 32 bits", rsaKey().N, 1<<31 + 1, jwk.ErrUnsupported},
		{"ROCA", rocaModulus(), 65537, jwk.ErrWeak},
	} {
		if int64(int(tt.e)) != tt.e {
			continue // where an int has 32 bits there is no such key
		}
		if _, err := jwk.NewPublicKey(jwk.RS256, &rsa.PublicKey{N: tt.n, E: int(tt.e)}); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// rocaModulus has the form of CVE-2017-15361: two factors k·M + 65537^a mod M.
func rocaModulus() *big.Int {
	m := big.NewInt(2)
	for p := int64(3); p <= 167; p += 2 {
		if big.NewInt(p).ProbablyPrime(10) {
			m.Mul(m, big.NewInt(p))
		}
	}
	factor := func(k uint, a int64) *big.Int {
		f := new(big.Int).Exp(big.NewInt(65537), big.NewInt(a), m)
		return f.Add(f, new(big.Int).Mul(m, new(big.Int).Lsh(big.NewInt(1), k)))
	}
	n := new(big.Int).Mul(factor(805, 1234567), factor(806, 7654321))
	for n.BitLen() < 2048 {
		n.Mul(n, big.NewInt(65537))
	}
	return n
}

// Points of small order (RFC 8032 section 5.1.7 and others' lists) and texts
// that are no point in canonical form.
func TestEd25519Points(t *testing.T) {
	fill := func(first, middle, last byte) []byte {
		b := bytes.Repeat([]byte{middle}, 32)
		b[0], b[31] = first, last
		return b
	}
	order8 := []byte{
		0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
		0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
	}
	other8 := []byte{
		0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
		0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
	}
	for name, tt := range map[string]struct {
		key  []byte
		want error
	}{
		"order 1":                 {fill(1, 0, 0), jwk.ErrWeak},
		"order 1, x negative":     {fill(1, 0, 0x80), jwk.ErrWeak},
		"order 2":                 {fill(0xec, 0xff, 0x7f), jwk.ErrWeak},
		"order 4":                 {fill(0, 0, 0), jwk.ErrWeak},
		"order 4, x negative":     {fill(0, 0, 0x80), jwk.ErrWeak},
		"order 8":                 {order8, jwk.ErrWeak},
		"order 8, the other":      {other8, jwk.ErrWeak},
		"y = p":                   {fill(0xed, 0xff, 0x7f), jwk.ErrMalformed},
		"y = p + 1":               {fill(0xee, 0xff, 0x7f), jwk.ErrMalformed},
		"y = 2^255 - 1":           {fill(0xff, 0xff, 0xff), jwk.ErrMalformed},
		"y = 2, which has no x":   {fill(2, 0, 0), jwk.ErrMalformed},
		"the base point, y = 4/5": {fill(0x58, 0x66, 0x66), nil},
	} {
		if _, err := jwk.NewPublicKey(jwk.EdDSA, ed25519.PublicKey(tt.key)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func TestAlgorithmsFor(t *testing.T) {
	for _, tt := range []struct {
		key  crypto.PublicKey
		want []jwk.Algorithm
	}{
		{rsaKey().Public(), []jwk.Algorithm{jwk.RS256, jwk.PS256, jwk.RS384, jwk.PS384, jwk.RS512, jwk.PS512}},
		{pair(t, jwk.ES256).Public().CryptoKey(), []jwk.Algorithm{jwk.ES256}},
		{pair(t, jwk.ES384).Public().CryptoKey(), []jwk.Algorithm{jwk.ES384}},
		{pair(t, jwk.ES512).Public().CryptoKey(), []jwk.Algorithm{jwk.ES512}},
		{pair(t, jwk.EdDSA).Public().CryptoKey(), []jwk.Algorithm{jwk.EdDSA, jwk.Ed25519}},
		{(*ecdsa.PublicKey)(nil), nil},
		{&ecdsa.PublicKey{Curve: elliptic.P224()}, nil},
		{[]byte("secret"), nil},
		{nil, nil},
	} {
		if got := jwk.AlgorithmsFor(tt.key); !slices.Equal(got, tt.want) {
			t.Errorf("AlgorithmsFor(%T) = %v, want %v", tt.key, got, tt.want)
		}
	}
}

func TestFindKeyOfOneKey(t *testing.T) {
	key := pair(t, jwk.ES256).Public()
	secret := must(jwk.GenerateSecret(jwk.HS256))(t)
	type source interface {
		jwk.VerifyingKey
		FindKey(context.Context, jwk.Algorithm, string) (jwk.VerifyingKey, error)
	}
	for _, k := range []source{key, secret} {
		for _, kid := range []string{"", k.KeyID(), "another"} {
			if got, err := k.FindKey(t.Context(), k.Algorithm(), kid); err != nil || got != k {
				t.Errorf("%s: FindKey(%q) = %v, %v; want itself", k.Algorithm(), kid, got, err)
			}
		}
		for _, alg := range []jwk.Algorithm{"none", "", jwk.RS256, jwk.HS512} {
			if got, err := k.FindKey(t.Context(), alg, k.KeyID()); !errors.Is(err, jwk.ErrNotFound) || got != nil {
				t.Errorf("%s: FindKey for %q = %v, %v; want ErrNotFound", k.Algorithm(), alg, got, err)
			}
		}
	}
}

func TestWithVerify(t *testing.T) {
	key := pair(t, jwk.ES256).Public()
	calls := 0
	other := key.WithVerify(func(_, _ []byte) bool { calls++; return true })
	if !other.Verify(nil, nil) || calls != 1 {
		t.Errorf("the function was called %d times, want once", calls)
	}
	if other.Thumbprint() != key.Thumbprint() || other.KeyID() != key.KeyID() || other.Algorithm() != jwk.ES256 {
		t.Error("WithVerify changed more than the arithmetic")
	}
	if key.Verify(nil, nil) {
		t.Error("WithVerify changed the original")
	}
	if new(jwk.PublicKey).WithVerify(func(_, _ []byte) bool { return true }).Verify(nil, nil) {
		t.Error("the zero key accepts after WithVerify")
	}
	if key.WithVerify(nil).Verify(nil, nil) {
		t.Error("a key without arithmetic accepts")
	}
}
