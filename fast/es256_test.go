//lint:file-ignore SA1019 crypto/elliptic is the one other implementation of points that shows its arithmetic

package fast

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/asn1"
	"math/big"
	"math/rand/v2"
	"testing"
)

// order is n of P-256.
func order() *big.Int { return elliptic.P256().Params().N }

// forge makes the hash and the signature at whose verification u1·G and u2·Q are
// added, for the key Q = d·G: the way to choose what the verifier computes. valid
// is whether they are good, which is so unless the sum is infinity.
func forge(d, u1, u2 *big.Int) (hash, signature []byte, valid bool) {
	sum := new(big.Int).Mul(u2, d)
	r := new(big.Int).Mod(times(sum.Add(sum, u1)).x, order())
	valid = r.Sign() != 0
	if !valid {
		r = small(1)
	}
	s := new(big.Int).ModInverse(u2, order())
	s.Mod(s.Mul(s, r), order())
	e := new(big.Int).Mul(u1, s)
	e.Mod(e, order())
	return e.FillBytes(make([]byte, 32)), joined(r, s), valid
}

func joined(r, s *big.Int) []byte {
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return sig
}

// pairOf returns the key Q = q as the standard library has it, and prepared.
func pairOf(t testing.TB, q point) (*ecdsa.PublicKey, *es256) {
	t.Helper()
	key := &ecdsa.PublicKey{Curve: elliptic.P256(), X: q.x, Y: q.y}
	v, err := newES256(key)
	if err != nil {
		t.Fatal(err)
	}
	return key, v
}

// standard is the verdict of the standard library.
func standard(t testing.TB, key *ecdsa.PublicKey, hash, sig []byte) bool {
	t.Helper()
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
	der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		t.Fatal(err)
	}
	return ecdsa.VerifyASN1(key, hash, der)
}

// TestES256Exceptions signs with keys that are small multiples of the generator,
// and scalars that are special, so that both tables hold the same points and
// the sums meet themselves, their opposites, and infinity.
func TestES256Exceptions(t *testing.T) {
	infinite := 0
	for _, d := range []*big.Int{small(1), small(-1), small(2 * half)} {
		key, v := pairOf(t, times(d))
		for _, u1 := range edgeScalars() {
			opposite := new(big.Int).ModInverse(d, order())
			opposite.Mod(opposite.Mul(opposite, new(big.Int).Neg(u1)), order())
			for _, u2 := range append(edgeScalars(), opposite) {
				if u2.Sign() == 0 {
					continue
				}
				hash, sig, valid := forge(new(big.Int).Mod(d, order()), u1, u2)
				got, want := v.verifyHash(hash, sig), standard(t, key, hash, sig)
				if got != want || got != valid {
					t.Errorf("key %d·G, %x·G + %x·Q: accepted: %v, want %v, and %v of the standard library", d, u1, u2, got, valid, want)
				}
				if !valid {
					infinite++
				}
			}
		}
	}
	if infinite < 20 {
		t.Errorf("%d sums were infinity, want more", infinite)
	}
}

// TestES256Differential forges signatures for random keys and scalars, of which
// some are special, and compares the verdicts on them and on mutations.
func TestES256Differential(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	edges := edgeScalars()
	scalar := func() *big.Int {
		if i := random.IntN(4 * len(edges)); i < len(edges) && edges[i].Sign() != 0 {
			return edges[i]
		}
		return randomBelow(random, order())
	}
	for range rounds(10, 1000) {
		d := scalar()
		key, v := pairOf(t, times(d))
		for range rounds(10, 100) {
			hash, sig, valid := forge(d, scalar(), scalar())
			if got := v.verifyHash(hash, sig); got != valid || got != standard(t, key, hash, sig) {
				t.Fatalf("key %x, hash %x, signature %x: accepted: %v, want %v", d, hash, sig, got, valid)
			}
			for range 3 {
				mutateES256(random, hash, sig)
				if got, want := v.verifyHash(hash, sig), standard(t, key, hash, sig); got != want {
					t.Fatalf("key %x, hash %x, signature %x: accepted: %v, want %v", d, hash, sig, got, want)
				}
			}
		}
	}
}

// mutateES256 changes hash or signature, at times such that a good one stays
// good.
func mutateES256(random *rand.Rand, hash, sig []byte) {
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
	bound := new(big.Int).Lsh(small(1), 256)
	mod := func(x *big.Int) *big.Int { return x.Mod(x, bound) }
	switch random.IntN(7) {
	case 0:
		hash[random.IntN(32)] ^= 1 << random.IntN(8)
	case 1:
		sig[random.IntN(64)] ^= 1 << random.IntN(8)
	case 2:
		copy(sig, joined(r, mod(s.Sub(order(), s)))) // the other good one
	case 3:
		copy(sig, joined(mod(r.Add(r, order())), s)) // at times r + n fits, and must be refused
	case 4:
		copy(sig, joined(r, mod(s.Add(s, order()))))
	case 5:
		copy(sig[32*random.IntN(2):][:32], edgeBytes(random))
	case 6:
		e := new(big.Int).SetBytes(hash)
		mod(e.Add(e, order())).FillBytes(hash) // a hash of n or more is as good
	}
}

// edgeBytes are values at the bounds of what r and s may be.
func edgeBytes(random *rand.Rand) []byte {
	p, n := elliptic.P256().Params().P, order()
	base := []*big.Int{small(2), n, p, new(big.Int).Sub(p, n), new(big.Int).Lsh(small(1), 256), new(big.Int).Lsh(small(1), 255)}
	x := new(big.Int).Sub(base[random.IntN(len(base))], small(random.IntN(4)-1))
	return x.Mod(x, new(big.Int).Lsh(small(1), 256)).FillBytes(make([]byte, 32))
}

// TestES256LargeX signs with points whose x coordinate is n or more, where r is
// x - n: one in 2³² signatures is of this kind.
func TestES256LargeX(t *testing.T) {
	curve := elliptic.P256()
	p, random := curve.Params().P, rand.New(rand.NewPCG(9, 10))
	found := 0
	for x := new(big.Int).Set(order()); found < 10; x.Add(x, small(1)) {
		y := squareRoot(x)
		if y == nil {
			continue
		}
		found++
		// The key Q = (R - u1·G)/u2, for which u1·G + u2·Q is R = (x, y).
		u1, u2 := randomBelow(random, order()), randomBelow(random, order())
		minus := times(new(big.Int).Neg(u1))
		qx, qy := curve.Add(x, y, minus.x, minus.y)
		qx, qy = curve.ScalarMult(qx, qy, new(big.Int).ModInverse(u2, order()).Bytes())
		key, v := pairOf(t, point{qx, qy})
		r := new(big.Int).Sub(x, order())
		if r.Sign() == 0 {
			continue // no signature
		}
		s := new(big.Int).ModInverse(u2, order())
		s.Mod(s.Mul(s, r), order())
		e := new(big.Int).Mul(u1, s)
		hash := e.Mod(e, order()).FillBytes(make([]byte, 32))
		if sig := joined(r, s); !v.verifyHash(hash, sig) || !standard(t, key, hash, sig) {
			t.Errorf("x = n + %d: r = %d is refused", r, r)
		}
		if x.Cmp(p) < 0 && v.verifyHash(hash, joined(x, s)) {
			t.Errorf("x = n + %d: r = x is accepted", r)
		}
		for _, other := range []int{1, -1} {
			sig := joined(new(big.Int).Add(r, small(other)), s)
			if got, want := v.verifyHash(hash, sig), standard(t, key, hash, sig); got || want {
				t.Errorf("x = n + %d: r = %d%+d is accepted: %v, %v", r, r, other, got, want)
			}
		}
	}
}

// squareRoot returns the y of a point with the given x; nil if there is none.
func squareRoot(x *big.Int) *big.Int {
	params := elliptic.P256().Params()
	y2 := new(big.Int).Mul(x, x)
	y2.Sub(y2, small(3))
	y2.Mul(y2, x)
	y2.Add(y2, params.B)
	return new(big.Int).ModSqrt(y2.Mod(y2, params.P), params.P)
}

// FuzzES256 forges from what the fuzzer chooses, and lets it change the result.
func FuzzES256(f *testing.F) {
	f.Add([]byte{1}, []byte{1}, []byte{1}, []byte{})
	f.Add([]byte{1}, []byte{0}, []byte{1}, []byte{0})
	f.Add([]byte{2}, order().Bytes(), []byte{32}, make([]byte, 96))
	f.Add([]byte("key"), []byte("u1"), []byte("u2"), []byte{1})
	f.Add([]byte("key"), []byte("u1"), []byte("u2"), []byte{95: 1})
	f.Fuzz(func(t *testing.T, key, first, second, change []byte) {
		d, u1, u2 := reduced(key), reduced(first), reduced(second)
		if d.Sign() == 0 || u2.Sign() == 0 {
			return
		}
		hash, sig, valid := forge(d, u1, u2)
		for i := range min(len(change), 96) {
			if i < 64 {
				sig[i] ^= change[i]
			} else {
				hash[i-64] ^= change[i]
			}
			valid = valid && change[i] == 0
		}
		public, v := pairOf(t, times(d))
		got, want := v.verifyHash(hash, sig), standard(t, public, hash, sig)
		if got != want || valid && !got {
			t.Errorf("accepted: %v, want %v", got, want)
		}
	})
}

// reduced reads an integer modulo n.
func reduced(b []byte) *big.Int {
	x := new(big.Int).SetBytes(b)
	return x.Mod(x, order())
}
