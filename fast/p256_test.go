//lint:file-ignore SA1019 crypto/elliptic is the one other implementation of points that shows its arithmetic

package fast

import (
	"crypto/elliptic"
	"math/big"
	"math/rand/v2"
	"testing"
)

// point is a point as crypto/elliptic has it: infinity is (0, 0).
type point struct{ x, y *big.Int }

func affineOf(x, y *big.Int) affine { return affine{elementOf(x), elementOf(y)} }

// times returns k·G.
func times(k *big.Int) point {
	k = new(big.Int).Mod(k, elliptic.P256().Params().N)
	if k.Sign() == 0 {
		return point{new(big.Int), new(big.Int)}
	}
	x, y := elliptic.P256().ScalarBaseMult(k.Bytes())
	return point{x, y}
}

// is reports whether p is q.
func (p *jacobian) is(q point) bool {
	if q.x.Sign() == 0 && q.y.Sign() == 0 {
		return p.z.isZero()
	}
	if p.z.isZero() {
		return false
	}
	var out [1]affine
	normalize(out[:], []jacobian{*p})
	return out[0] == affineOf(q.x, q.y)
}

// jacobianOf is q with a z that is not one.
func jacobianOf(q point, z uint64) (p jacobian) {
	if q.x.Sign() == 0 && q.y.Sign() == 0 {
		return jacobian{}
	}
	a := affineOf(q.x, q.y)
	p.z = elementOf(new(big.Int).SetUint64(z))
	p.x.square(&p.z)
	p.y.mul(&p.x, &p.z)
	p.x.mul(&p.x, &a.x)
	p.y.mul(&p.y, &a.y)
	return p
}

// TestPointAdd adds small multiples of the generator, positive and negative, so
// that all exceptions occur: infinity, a point to itself and to its opposite.
func TestPointAdd(t *testing.T) {
	for i := -6; i <= 6; i++ {
		for j := -6; j <= 6; j++ {
			if j == 0 {
				continue // no affine point
			}
			a, b := times(small(i)), times(small(j))
			for _, z := range []uint64{1, 2, 1<<63 + 5} {
				sum, q := jacobianOf(a, z), affineOf(b.x, b.y)
				sum.add(&q)
				if !sum.is(times(small(i + j))) {
					t.Errorf("%d·G + %d·G is wrong (z = %d)", i, j, z)
				}
			}
		}
		p := jacobianOf(times(small(i)), 7)
		p.double(&p)
		if !p.is(times(small(2 * i))) {
			t.Errorf("2·(%d·G) is wrong", i)
		}
	}
}

// edgeScalars are those at which digits and sums are special.
func edgeScalars() []*big.Int {
	n := elliptic.P256().Params().N
	var out []*big.Int
	for _, d := range []int{0, 1, 2, half - 1, half, half + 1, 2*half - 1, 2 * half} {
		out = append(out, small(d), new(big.Int).Sub(n, small(d+1)))
	}
	for _, shift := range []uint{64, 128, 192, 252, 255} {
		power := new(big.Int).Lsh(small(1), shift)
		out = append(out, power, new(big.Int).Sub(power, small(1)))
	}
	return append(out, new(big.Int).Rsh(n, 1))
}

// TestTableMultiples multiplies points by edge and random scalars, onto sums
// that meet the multiple on the way.
func TestTableMultiples(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	scalars := edgeScalars()
	for range rounds(10, 5000) {
		scalars = append(scalars, randomBelow(random, elliptic.P256().Params().N))
	}
	for _, d := range []*big.Int{small(1), small(-1), small(2), small(-64), randomBelow(random, elliptic.P256().Params().N)} {
		base := times(d)
		table := newP256Table(affineOf(base.x, base.y))
		for i, k := range scalars {
			// Begin with infinity, with the multiple itself, with its opposite, with
			// some other.
			for start, m := range []*big.Int{small(0), k, new(big.Int).Neg(k), scalars[(i+1)%len(scalars)]} {
				begin := new(big.Int).Mul(m, d)
				sum := jacobianOf(times(begin), 3)
				table.addMultiple(&sum, wordsOf(k))
				if want := times(begin.Add(begin, new(big.Int).Mul(k, d))); !sum.is(want) {
					t.Errorf("%x·(%x·G), start %d, is wrong", k, d, start)
				}
			}
		}
	}
}

// TestTableEntries looks at every entry of a table.
func TestTableEntries(t *testing.T) {
	sum := times(small(0))
	for row := range rows {
		base := times(new(big.Int).Lsh(small(1), uint(window*row)))
		sum = base
		for multiple := 1; multiple <= half; multiple++ {
			if generatorP256.at(row, multiple) != affineOf(sum.x, sum.y) {
				t.Fatalf("entry %d of row %d is wrong", multiple, row)
			}
			sum.x, sum.y = elliptic.P256().Add(sum.x, sum.y, base.x, base.y)
		}
	}
}

func TestHasX(t *testing.T) {
	for i := 1; i < 20; i++ {
		q := times(small(i))
		p := jacobianOf(q, uint64(i))
		other := new(big.Int).Xor(q.x, small(1))
		if !p.hasX(wordsOf(q.x)) || p.hasX(wordsOf(other)) {
			t.Errorf("%d·G: its x is refused, or another accepted", i)
		}
	}
	var infinity jacobian
	if infinity.hasX(&[4]uint64{}) {
		t.Error("infinity has an x coordinate")
	}
}

func randomBelow(random *rand.Rand, n *big.Int) *big.Int {
	x := integer(&[4]uint64{random.Uint64(), random.Uint64(), random.Uint64(), random.Uint64()})
	return x.Mod(x, n)
}
