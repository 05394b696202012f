package fast

import (
	"crypto/elliptic"
	"math/big"
	"math/rand/v2"
	"testing"
)

// scalars yields n integers below 2²⁵⁶, first those at the bounds.
func scalars(n int) []*big.Int {
	random, limit := rand.New(rand.NewPCG(21, 22)), new(big.Int).Lsh(small(1), 256)
	var out []*big.Int
	for _, base := range []*big.Int{small(0), order(), new(big.Int).Rsh(order(), 1), limit, new(big.Int).Sub(limit, order())} {
		for d := -3; d <= 3; d++ {
			out = append(out, new(big.Int).Mod(new(big.Int).Add(base, small(d)), limit))
		}
	}
	for i := range uint(256) {
		power := new(big.Int).Lsh(small(1), i)
		out = append(out, power, new(big.Int).Sub(order(), power))
	}
	for len(out) < n {
		out = append(out, integer(&[4]uint64{interesting(random), interesting(random), interesting(random), interesting(random)}))
		out = append(out, randomBelow(random, limit))
	}
	return out
}

func scalarOf(x *big.Int) scalar { return scalar(*wordsOf(x)) }

func TestScalarMul(t *testing.T) {
	inverse := new(big.Int).ModInverse(new(big.Int).Lsh(small(1), 256), order())
	all := scalars(rounds(800, 4000))
	for i, x := range all {
		if x.Cmp(order()) >= 0 {
			continue
		}
		for j := i % 7; j < len(all); j += 7 {
			y := all[j]
			want := new(big.Int).Mul(x, y)
			want.Mod(want.Mul(want, inverse), order())
			a, b := scalarOf(x), scalarOf(y)
			var z scalar
			z.mul(&a, &b)
			a.mul(&a, &b)
			if got := integer((*[4]uint64)(&z)); got.Cmp(want) != 0 || a != z {
				t.Fatalf("%x·%x is %x, want %x", x, y, got, want)
			}
		}
	}
}

func TestScalarInvert(t *testing.T) {
	for _, x := range scalars(rounds(5000, 1_000_000)) {
		s := scalarOf(x)
		if want := x.Sign() > 0 && x.Cmp(order()) < 0; s.valid() != want {
			t.Fatalf("%x is valid: %v, want %v", x, s.valid(), want)
		}
		if !s.valid() {
			continue
		}
		s.invert(&s)
		want := new(big.Int).ModInverse(x, order())
		want.Mod(want.Lsh(want, 256), order())
		if got := integer((*[4]uint64)(&s)); got.Cmp(want) != 0 {
			t.Fatalf("2²⁵⁶/%x is %x, want %x", x, got, want)
		}
	}
}

// TestScalarConstants: the words of n are those of the standard library.
func TestScalarConstants(t *testing.T) {
	if n := integer(&[4]uint64{n0, n1, n2, n3}); n.Cmp(elliptic.P256().Params().N) != 0 {
		t.Errorf("n is %x", n)
	}
}
