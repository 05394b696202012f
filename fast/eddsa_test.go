package fast

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"filippo.io/edwards25519"
)

// mixed is a key pair whose public key a·B + i·T has a part of small order,
// which no honest generator makes but package jwk accepts.
type mixed struct {
	public ed25519.PublicKey
	a      *big.Int
	small  *edwards25519.Point // i·T
}

func newMixed(t testing.TB, a *big.Int, i int) mixed {
	t.Helper()
	m := mixed{a: a, small: slowMultiple(small(i), torsion(t))}
	m.public = new(edwards25519.Point).Add(slowMultiple(a, edwards25519.NewGeneratorPoint()), m.small).Bytes()
	return m
}

// sign signs with R = r·B + j·T and S = r + k·a. Without the cofactor that is
// good if, and only if, j·T + k·(i·T) = 0.
func (m mixed) sign(t testing.TB, v *eddsa, message []byte, r *big.Int, j int) (signature []byte, valid bool) {
	t.Helper()
	part := slowMultiple(small(j), torsion(t))
	encoded := new(edwards25519.Point).Add(slowMultiple(r, edwards25519.NewGeneratorPoint()), part).Bytes()
	k := challengeOf(t, v, message, encoded)
	s := new(big.Int).Mul(k, m.a)
	s.Mod(s.Add(s, r), orderEd25519())
	rest := part.Add(part, slowMultiple(k, m.small))
	return append(encoded, littleEndian(s)...), rest.Equal(edwards25519.NewIdentityPoint()) == 1
}

// challengeOf is the scalar that A is multiplied by, as an integer.
func challengeOf(t testing.TB, v *eddsa, message, r []byte) *big.Int {
	t.Helper()
	sum := v.challenge(message, r)
	k, err := new(edwards25519.Scalar).SetUniformBytes(sum[:])
	check(t, err)
	return integer(littleWords(k.Bytes()))
}

// littleEndian is x modulo 2²⁵⁶ as RFC 8032 writes integers.
func littleEndian(x *big.Int) []byte {
	b := new(big.Int).Mod(x, new(big.Int).Lsh(small(1), 256)).FillBytes(make([]byte, 32))
	slices.Reverse(b)
	return b
}

// TestEdDSAMixedOrder: keys and signatures with parts of small order, where
// implementations differ; the prepared key must be as strict as the standard
// library, no more and no less.
func TestEdDSAMixedOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	valid, invalid := 0, 0
	for i := range 8 {
		m := newMixed(t, randomBelow(random, orderEd25519()), i)
		v, err := newEdDSA(m.public)
		check(t, err)
		for n := range rounds(32, 10000) {
			message := binary.LittleEndian.AppendUint64(nil, random.Uint64())
			sig, want := m.sign(t, v, message, randomBelow(random, orderEd25519()), n%8)
			got, standard := v.verify(message, sig), ed25519.Verify(m.public, message, sig)
			if got != want || standard != want {
				t.Fatalf("key %x, message %x, signature %x: accepted: %v, want %v, and %v of the standard library", m.public, message, sig, got, want, standard)
			}
			if want {
				valid++
			} else {
				invalid++
			}
		}
	}
	if valid < 10 || invalid < 10 {
		t.Errorf("%d good and %d bad signatures, want more of both", valid, invalid)
	}
}

// TestEdDSAEncodings: a good signature in other words is no signature.
func TestEdDSAEncodings(t *testing.T) {
	m := newMixed(t, small(12345), 0)
	v, err := newEdDSA(m.public)
	check(t, err)
	message := []byte("message")
	good, valid := m.sign(t, v, message, small(67890), 0)
	if !valid || !v.verify(message, good) {
		t.Fatal("a good signature is refused")
	}
	s := slices.Clone(good[32:])
	slices.Reverse(s)
	bad := map[string][]byte{"empty": {}, "short": good[:63], "long": append(slices.Clip(good), 0)}
	for i := 1; i < 16; i++ {
		more := new(big.Int).Mul(small(i), orderEd25519())
		bad["S + "+small(i).String()+"·L"] = append(slices.Clip(good[:32]), littleEndian(more.Add(more, new(big.Int).SetBytes(s)))...)
	}
	for _, bit := range []int{255, 508, 509, 510, 511} {
		flipped := slices.Clone(good)
		flipped[bit/8] ^= 1 << (bit % 8)
		bad["bit "+small(bit).String()] = flipped
	}
	for name, sig := range bad {
		if v.verify(message, sig) || ed25519.Verify(m.public, message, sig) {
			t.Errorf("%s: %x is accepted", name, sig)
		}
	}
}

// TestEdDSAIdentity: R may be the identity, in its one canonical form.
func TestEdDSAIdentity(t *testing.T) {
	m := newMixed(t, small(3), 0)
	v, err := newEdDSA(m.public)
	check(t, err)
	p := new(big.Int).Sub(new(big.Int).Lsh(small(1), 255), small(19))
	top := new(big.Int).Lsh(small(1), 255)
	for name, tt := range map[string]struct {
		r    *big.Int
		want bool
	}{
		"1":             {small(1), true},
		"p + 1":         {new(big.Int).Add(p, small(1)), false},
		"1, with x < 0": {new(big.Int).Add(top, small(1)), false},
		"-1":            {new(big.Int).Sub(p, small(1)), false},
		"0":             {small(0), false},
	} {
		sig := littleEndian(tt.r)
		k := challengeOf(t, v, []byte("m"), sig)
		s := k.Mod(k.Mul(k, m.a), orderEd25519())
		sig = append(sig, littleEndian(s)...)
		got, standard := v.verify([]byte("m"), sig), ed25519.Verify(m.public, []byte("m"), sig)
		if got != tt.want || standard != tt.want {
			t.Errorf("R is %s: accepted: %v, want %v, and %v of the standard library", name, got, tt.want, standard)
		}
	}
}

// FuzzEdDSA signs with what the fuzzer chooses, mixed orders among it, and lets
// it change the result.
func FuzzEdDSA(f *testing.F) {
	f.Add([]byte("key"), []byte("r"), []byte("message"), byte(0), byte(0), []byte{})
	f.Add([]byte("key"), []byte("r"), []byte("message"), byte(1), byte(3), []byte{63: 0x20})
	f.Add([]byte{0}, []byte{0}, []byte{}, byte(1), byte(0), []byte{31: 0x80})
	f.Add([]byte{1}, []byte{0}, []byte{}, byte(0), byte(0), bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, key, nonce, message []byte, i, j byte, change []byte) {
		m := newMixed(t, new(big.Int).Mod(new(big.Int).SetBytes(key), orderEd25519()), int(i%8))
		v, err := newEdDSA(m.public)
		check(t, err)
		r := new(big.Int).Mod(new(big.Int).SetBytes(nonce), orderEd25519())
		sig, valid := m.sign(t, v, message, r, int(j%8))
		for i := range min(len(change), 64) {
			sig[i] ^= change[i]
			valid = valid && change[i] == 0
		}
		got, want := v.verify(message, sig), ed25519.Verify(m.public, message, sig)
		if got != want || valid && !got {
			t.Errorf("key %x, signature %x: accepted: %v, want %v", m.public, sig, got, want)
		}
	})
}
