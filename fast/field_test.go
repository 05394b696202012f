package fast

import (
	"crypto/elliptic"
	"math/big"
	"math/rand/v2"
	"testing"
)

func small(x int) *big.Int { return big.NewInt(int64(x)) }

// integer is the number that words, least significant first, stand for.
func integer(words *[4]uint64) *big.Int {
	x := new(big.Int)
	for i := 3; i >= 0; i-- {
		x.Lsh(x, 64)
		x.Or(x, new(big.Int).SetUint64(words[i]))
	}
	return x
}

// wordsOf is integer backwards.
func wordsOf(x *big.Int) *[4]uint64 {
	var b [32]byte
	return words(x.FillBytes(b[:]))
}

func elementOf(x *big.Int) (z element) {
	z.setInteger(wordsOf(x))
	return z
}

// interesting yields words at which carries run through or stop short, with
// random ones between.
func interesting(random *rand.Rand) uint64 {
	switch random.IntN(8) {
	case 0:
		return 0
	case 1:
		return 1<<64 - 1
	case 2:
		return uint64(random.IntN(4))
	case 3:
		return -uint64(random.IntN(4))
	case 4:
		return 0xffffffff
	case 5:
		return 0xffffffff00000001 - uint64(random.IntN(3))
	}
	return random.Uint64()
}

// fieldElements yields n elements, first those at the bounds of the field.
func fieldElements(n int) []element {
	random := rand.New(rand.NewPCG(1, 2))
	out := []element{{}, {1}, {p0 - 1, p1, 0, p3}, {p0, p1 - 1, 0, p3}, {p0, p0, p0, p3 - 1}, {0, 0, 0, p3}, {0, p1, 0, p3}}
	for len(out) < n {
		e := element{interesting(random), interesting(random), interesting(random), interesting(random)}
		if integer((*[4]uint64)(&e)).Cmp(elliptic.P256().Params().P) < 0 {
			out = append(out, e)
		}
	}
	return out
}

// TestField holds each operation against math/big, for elements as they are,
// in Montgomery form or not: so x·y must be xy/2²⁵⁶.
func TestField(t *testing.T) {
	p := elliptic.P256().Params().P
	r := new(big.Int).ModInverse(new(big.Int).Lsh(small(1), 256), p)
	elements := fieldElements(rounds(120, 3000))
	for i := range elements {
		for j := range elements {
			x, y := elements[i], elements[j]
			bx, by := integer((*[4]uint64)(&x)), integer((*[4]uint64)(&y))
			assertElement(t, "+", x, y, (*element).add, new(big.Int).Add(bx, by))
			assertElement(t, "-", x, y, (*element).sub, new(big.Int).Sub(bx, by))
			product := new(big.Int).Mul(bx, by)
			assertElement(t, "·", x, y, (*element).mul, product.Mul(product, r))
			if t.Failed() {
				return
			}
		}
	}
	for _, x := range elements {
		bx := integer((*[4]uint64)(&x))
		squared := new(big.Int).Mul(bx, bx)
		assertElement(t, "²", x, x, func(z, x, _ *element) { z.square(x) }, squared.Mul(squared, r))
	}
}

// assertElement tries op with separate operands, and with the result in the
// place of either.
func assertElement(t *testing.T, name string, x, y element, op func(z, x, y *element), want *big.Int) {
	t.Helper()
	want.Mod(want, elliptic.P256().Params().P)
	var z element
	op(&z, &x, &y)
	first, second := x, y
	op(&first, &first, &y)
	op(&second, &x, &second)
	if got := integer((*[4]uint64)(&z)); got.Cmp(want) != 0 || first != z || second != z {
		t.Errorf("%x %s %x = %x (in place %x, %x), want %x", x, name, y, z, first, second, want)
	}
}

func TestFieldConversion(t *testing.T) {
	p := elliptic.P256().Params().P
	for _, words := range fieldElements(300) {
		z, bx := element{}, integer((*[4]uint64)(&words))
		z.setInteger((*[4]uint64)(&words))
		want := new(big.Int).Lsh(bx, 256)
		if integer((*[4]uint64)(&z)).Cmp(want.Mod(want, p)) != 0 {
			t.Errorf("Montgomery form of %x is %x, want %x", bx, z, want)
		}
		var back element
		back.load(z.append(nil))
		if back != z {
			t.Errorf("%x became %x in a table", z, back)
		}
		var one, product element
		one.one()
		product.invert(&z)
		product.mul(&product, &z)
		if z.isZero() != (bx.Sign() == 0) || product != one && !z.isZero() {
			t.Errorf("%x times its inverse is %x", z, product)
		}
	}
}
