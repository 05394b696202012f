package fast_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"math/big"
	"sync"
	"testing"

	"github.com/writ-auth/writ/jwk"
)

// rsaKey returns one key of a size for all tests: to make one takes long.
func rsaKey(bits int) *rsa.PrivateKey {
	key, ok := rsaKeys.Load(bits)
	if !ok {
		made, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		key, _ = rsaKeys.LoadOrStore(bits, made)
	}
	return key.(*rsa.PrivateKey)
}

var rsaKeys sync.Map // of bits to key

// pair returns a key for alg.
func pair(t testing.TB, alg jwk.Algorithm) *jwk.PrivateKey {
	t.Helper()
	if alg[0] == 'R' || alg[0] == 'P' {
		return must(jwk.NewPrivateKey(alg, rsaKey(2048)))(t)
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

// asn1Signature is r‖s as the standard library has it.
func asn1Signature(t testing.TB, sig []byte) []byte {
	half := len(sig) / 2
	r, s := new(big.Int).SetBytes(sig[:half]), new(big.Int).SetBytes(sig[half:])
	return must(asn1.Marshal(struct{ R, S *big.Int }{r, s}))(t)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
