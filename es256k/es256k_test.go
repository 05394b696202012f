package es256k_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/writ-auth/writ/es256k"
	"github.com/writ-auth/writ/jwk"
)

func parser() jwk.Parser {
	return jwk.Parser{Extensions: []jwk.Extension{es256k.Extension()}}
}

// order is n of secp256k1 (SEC 2 section 2.4.1), prime its p.
func order() *big.Int {
	n, _ := new(big.Int).SetString("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16)
	return n
}

func prime() *big.Int {
	p, _ := new(big.Int).SetString("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f", 16)
	return p
}

func bytes32(x *big.Int) []byte { return x.FillBytes(make([]byte, 32)) }

func add(x *big.Int, d int64) *big.Int { return new(big.Int).Add(x, big.NewInt(d)) }

func TestSignAndVerify(t *testing.T) {
	k, other := generate(t), generate(t)
	for range 50 {
		sig := must(k.Sign([]byte("m")))(t)
		r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
		if len(sig) != 64 || !k.Public().Verify([]byte("m"), sig) {
			t.Fatalf("signature %x is refused", sig)
		}
		if s.Cmp(new(big.Int).Rsh(order(), 1)) > 0 {
			t.Errorf("s of %x is the larger one", sig)
		}
		second := append(bytes32(r), bytes32(new(big.Int).Sub(order(), s))...)
		flipped := bytes.Clone(sig)
		flipped[40] ^= 1
		for name, tt := range map[string]struct {
			key          jwk.VerifyingKey
			message, sig []byte
			want         bool
		}{
			"the larger s":    {k.Public(), []byte("m"), second, true},
			"another message": {k.Public(), []byte("n"), sig, false},
			"another key":     {other.Public(), []byte("m"), sig, false},
			"a changed bit":   {k.Public(), []byte("m"), flipped, false},
			"a byte less":     {k.Public(), []byte("m"), sig[:63], false},
			"a byte more":     {k.Public(), []byte("m"), append(bytes.Clone(sig), 0), false},
			"nothing":         {k.Public(), []byte("m"), nil, false},
			"r and s swapped": {k.Public(), []byte("m"), append(bytes.Clone(sig[32:]), sig[:32]...), false},
		} {
			if got := tt.key.Verify(tt.message, tt.sig); got != tt.want {
				t.Errorf("%s: accepted: %v, want %v", name, got, tt.want)
			}
		}
	}
	if a, b := must(k.Sign([]byte("m")))(t), must(k.Sign([]byte("m")))(t); bytes.Equal(a, b) {
		t.Error("two signatures of a message are the same: the nonce has nothing random")
	}
}

// TestRange: r and s must be from 1 to n-1, and r + n is not r.
func TestRange(t *testing.T) {
	k := generate(t)
	sig := must(k.Sign([]byte("m")))(t)
	good := [2]*big.Int{new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])}
	limit := add(new(big.Int).Lsh(big.NewInt(1), 256), -1)
	for part := range 2 {
		for _, bad := range []*big.Int{big.NewInt(0), order(), add(order(), 1), prime(), limit, new(big.Int).Add(good[part], order())} {
			if bad.Cmp(limit) > 0 {
				continue // good[part] + n has 257 bits nearly always
			}
			parts := good
			parts[part] = bad
			if k.Public().Verify([]byte("m"), append(bytes32(parts[0]), bytes32(parts[1])...)) {
				t.Errorf("part %d of %x is accepted", part, bad)
			}
		}
	}
	if k.Public().Verify([]byte("m"), make([]byte, 64)) {
		t.Error("zeros are accepted")
	}
}

// TestKnownKey: the key of the scalar 1 is the generator, that of n-1 its
// negative (SEC 2 section 2.4.1).
func TestKnownKey(t *testing.T) {
	const x = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
	y, _ := new(big.Int).SetString("483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8", 16)
	for d, want := range map[*big.Int]*big.Int{big.NewInt(1): y, add(order(), -1): new(big.Int).Sub(prime(), y)} {
		k := must(es256k.NewPrivateKey(bytes32(d)))(t)
		if fmt.Sprintf("%x", unbase64(t, member(t, k, "x"))) != x || new(big.Int).SetBytes(unbase64(t, member(t, k, "y"))).Cmp(want) != 0 {
			t.Errorf("%x has the key %s", d, must(json.Marshal(k.Public()))(t))
		}
		if sig := must(k.Sign([]byte("m")))(t); !k.Public().Verify([]byte("m"), sig) {
			t.Errorf("%x: the signature is refused", d)
		}
	}
}

func TestNewKeyRefuses(t *testing.T) {
	for name, d := range map[string][]byte{
		"zero": make([]byte, 32), "n": bytes32(order()), "n + 1": bytes32(add(order(), 1)),
		"all ones": bytes.Repeat([]byte{255}, 32), "short": {1}, "long": append(make([]byte, 32), 1), "nothing": nil,
	} {
		if k, err := es256k.NewPrivateKey(d); !errors.Is(err, jwk.ErrMalformed) || k != nil {
			t.Errorf("private key of %s: %v, %v", name, k, err)
		}
	}
	k, classic := generate(t), must(jwk.Generate(jwk.ES256))(t)
	x, y := unbase64(t, member(t, k, "x")), unbase64(t, member(t, k, "y"))
	for name, point := range map[string][2][]byte{
		"not on the curve":   {x, x},
		"zero":               {make([]byte, 32), make([]byte, 32)},
		"x is p":             {bytes32(prime()), y},
		"x with a zero":      {append([]byte{0}, x...), y},
		"y is missing":       {x, nil},
		"y is cut":           {x, y[:31]},
		"a point of P-256":   {unbase64(t, member(t, classic, "x")), unbase64(t, member(t, classic, "y"))},
		"larger than p":      {bytes.Repeat([]byte{255}, 32), y},
		"swapped":            {y, x},
		"no point has x = 5": {bytes32(big.NewInt(5)), bytes32(big.NewInt(1))},
	} {
		if k, err := es256k.NewPublicKey(point[0], point[1]); !errors.Is(err, jwk.ErrMalformed) || k != nil {
			t.Errorf("point %s: %v, %v", name, k, err)
		}
	}
	for _, alg := range []jwk.Algorithm{jwk.ES256, "", "es256k", "none"} {
		if k, err := es256k.Generate(alg); !errors.Is(err, jwk.ErrUnsupported) || k != nil {
			t.Errorf("Generate(%q) = %v, %v", alg, k, err)
		}
	}
}

// TestJWKRefuses changes one member of a good JWK.
func TestJWKRefuses(t *testing.T) {
	k, other := generate(t), generate(t)
	x := member(t, k, "x")
	for _, tt := range []struct {
		name, member string
		value        any // nil removes the member
		want         error
	}{
		{"alg ES256", "alg", "ES256", jwk.ErrMismatch},
		{"alg ES512", "alg", "ES512", jwk.ErrMismatch},
		{"alg none", "alg", "none", jwk.ErrMismatch},
		{"alg in small letters", "alg", "es256k", jwk.ErrMismatch},
		{"curve P-256", "crv", "P-256", jwk.ErrUnsupported},
		{"curve P-256K", "crv", "P-256K", jwk.ErrUnsupported},
		{"curve in capitals", "crv", "SECP256K1", jwk.ErrUnsupported},
		{"no curve", "crv", nil, jwk.ErrUnsupported},
		{"kty OKP", "kty", "OKP", jwk.ErrUnsupported},
		{"no x", "x", nil, jwk.ErrMalformed},
		{"no y", "y", nil, jwk.ErrMalformed},
		{"x for y", "y", x, jwk.ErrMalformed},
		{"padding", "x", x + "=", jwk.ErrMalformed},
		{"a byte more", "x", "AA" + x, jwk.ErrMalformed},
		{"use enc", "use", "enc", jwk.ErrMismatch},
		{"key_ops for something else", "key_ops", []string{"deriveKey"}, jwk.ErrMismatch},
	} {
		private := changed(t, k, tt.member, tt.value)
		if got, err := parser().Private(private); !errors.Is(err, tt.want) || got != nil {
			t.Errorf("%s: private: %v, %v, want %v", tt.name, got, err, tt.want)
		}
		public := without(t, private, "d")
		if got, err := parser().Public(public); !errors.Is(err, tt.want) || got != nil {
			t.Errorf("%s: public: %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
	for name, d := range map[string]any{
		"no d": nil, "d of 33 bytes": "AAAA" + member(t, k, "d")[1:], "d of another key": member(t, other, "d"),
		"zero": strings.Repeat("A", 43), "n": base64.RawURLEncoding.EncodeToString(bytes32(order())),
	} {
		if got, err := parser().Private(changed(t, k, "d", d)); !errors.Is(err, jwk.ErrMalformed) || got != nil {
			t.Errorf("%s: %v, %v, want ErrMalformed", name, got, err)
		}
	}
	if _, err := parser().Public(must(k.ExportJWK())(t)); !errors.Is(err, jwk.ErrMismatch) {
		t.Errorf("a private key as a public one: %v, want ErrMismatch", err)
	}
	if _, err := jwk.ParsePublicJWK(must(json.Marshal(k.Public()))(t)); !errors.Is(err, jwk.ErrUnsupported) {
		t.Errorf("without the extension: %v, want ErrUnsupported", err)
	}
	if got := must(parser().Public(without(t, changed(t, k, "alg", nil), "d")))(t); got.Algorithm() != es256k.ES256K {
		t.Errorf("without alg the algorithm is %s", got.Algorithm())
	}
}

// TestKeyOps: "use" and "key_ops" bind keys of the extension, too.
func TestKeyOps(t *testing.T) {
	k := generate(t)
	for ops, want := range map[string][2]error{"sign": {nil, jwk.ErrMismatch}, "verify": {jwk.ErrMismatch, nil}} {
		data := changed(t, k, "key_ops", []string{ops})
		_, private := parser().Private(data)
		_, public := parser().Public(without(t, data, "d"))
		if !errors.Is(private, want[0]) || !errors.Is(public, want[1]) {
			t.Errorf("key_ops %s: private %v, public %v; want %v", ops, private, public, want)
		}
	}
}

func TestHidden(t *testing.T) {
	k := generate(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		text := fmt.Sprintf(verb, k)
		if strings.Contains(text, member(t, k, "d")) || strings.Contains(text, fmt.Sprintf("%x", unbase64(t, member(t, k, "d")))) || len(text) > 200 {
			t.Errorf("%s shows %s", verb, text)
		}
	}
	if text, err := json.Marshal(k); err == nil {
		t.Errorf("a private key marshals as %s", text)
	}
}

func generate(t testing.TB) *jwk.PrivateKey {
	t.Helper()
	return must(es256k.Generate(es256k.ES256K))(t)
}
