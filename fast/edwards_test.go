package fast

import (
	"encoding/hex"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"filippo.io/edwards25519"
	"filippo.io/edwards25519/field"
)

// orderEd25519 is L of RFC 8032 section 5.1.
func orderEd25519() *big.Int {
	l, _ := new(big.Int).SetString("27742317777372353535851937790883648493", 10)
	return l.Add(l, new(big.Int).Lsh(small(1), 252))
}

// torsion returns a point of order 8; its multiples are those of small order.
func torsion(t testing.TB) *edwards25519.Point {
	t.Helper()
	b, err := hex.DecodeString("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
	if err != nil {
		t.Fatal(err)
	}
	p, err := new(edwards25519.Point).SetBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	four := new(edwards25519.Point).Double(new(edwards25519.Point).Double(p))
	if identity := edwards25519.NewIdentityPoint(); four.Equal(identity) == 1 || four.Double(four).Equal(identity) != 1 {
		t.Fatal("the point is not of order 8")
	}
	return p
}

// slowMultiple adds up q by the bits of k, an integer that is not reduced.
func slowMultiple(k *big.Int, q *edwards25519.Point) *edwards25519.Point {
	sum := edwards25519.NewIdentityPoint()
	for i := k.BitLen() - 1; i >= 0; i-- {
		sum.Double(sum)
		if k.Bit(i) == 1 {
			sum.Add(sum, q)
		}
	}
	return sum
}

func extendedOf(p *edwards25519.Point) extended {
	x, y, z, t := p.ExtendedCoordinates()
	return extended{*x, *y, *z, *t}
}

// TestEdwardsMultiples multiplies points of every kind, those of small and of
// mixed order too, onto sums of every kind.
func TestEdwardsMultiples(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	small8, b := torsion(t), edwards25519.NewGeneratorPoint()
	points := []*edwards25519.Point{
		b, new(edwards25519.Point).Negate(b), edwards25519.NewIdentityPoint(), small8,
		new(edwards25519.Point).Double(small8), new(edwards25519.Point).Add(b, small8),
	}
	scalars := []*big.Int{small(0), small(1), small(half), small(half + 1), new(big.Int).Sub(orderEd25519(), small(1))}
	for range rounds(5, 2000) {
		scalars = append(scalars, randomBelow(random, orderEd25519()))
	}
	for i, q := range points {
		table := newEdwardsTable(q)
		for _, k := range scalars {
			for j, begin := range append(slices.Clip(points), slowMultiple(k, points[i])) {
				sum := extendedOf(begin)
				table.addMultiple(&sum, wordsOf(k))
				want := new(edwards25519.Point).Add(begin, slowMultiple(k, q))
				if got := sum.encoding(); string(got[:]) != string(want.Bytes()) {
					t.Errorf("point %d + %x·point %d is %x, want %x", j, k, i, got, want.Bytes())
				}
				assertExtended(t, &sum)
			}
		}
	}
}

// assertExtended fails unless xy = zt, which encoding doesn't look at.
func assertExtended(t *testing.T, p *extended) {
	t.Helper()
	xy, zt := new(field.Element).Multiply(&p.x, &p.y), new(field.Element).Multiply(&p.z, &p.t)
	if xy.Equal(zt) != 1 {
		t.Error("xy is not zt")
	}
}
