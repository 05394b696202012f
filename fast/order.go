package fast

import "math/bits"

// scalar is an integer below 2²⁵⁶, least significant word first. Its methods
// calculate modulo n, the order of P-256, without math/big, which would allocate
// for each number on the way. They set z and may be called with z among the
// arguments.
type scalar [4]uint64

// The words of n.
const (
	n0 = 0xf3b9cac2fc632551
	n1 = 0xbce6faada7179e84
	n2 = 0xffffffffffffffff
	n3 = 0xffffffff00000000
)

// valid reports whether x is what r and s of a signature may be: 1 to n-1.
func (x *scalar) valid() bool {
	var t scalar
	return *x != scalar{} && t.minus(x, &scalar{n0, n1, n2, n3}) != 0
}

// minus sets z to x - y, as integers, and returns what was borrowed.
func (z *scalar) minus(x, y *scalar) (borrow uint64) {
	z[0], borrow = bits.Sub64(x[0], y[0], 0)
	z[1], borrow = bits.Sub64(x[1], y[1], borrow)
	z[2], borrow = bits.Sub64(x[2], y[2], borrow)
	z[3], borrow = bits.Sub64(x[3], y[3], borrow)
	return borrow
}

// plus sets z to x + y, as integers, and returns the carry.
func (z *scalar) plus(x, y *scalar) (carry uint64) {
	z[0], carry = bits.Add64(x[0], y[0], 0)
	z[1], carry = bits.Add64(x[1], y[1], carry)
	z[2], carry = bits.Add64(x[2], y[2], carry)
	z[3], carry = bits.Add64(x[3], y[3], carry)
	return carry
}

// mul sets z to x·y/2²⁵⁶ modulo n, for x below n and any y: Montgomery
// multiplication, where after each word of y a multiple of n clears the lowest
// word. What is kept in between, t and top, stays below 2n.
func (z *scalar) mul(x, y *scalar) {
	const inverse = 0xccd1c8aaee00bc4f // -1/n modulo 2⁶⁴
	order := scalar{n0, n1, n2, n3}
	var t scalar
	var top, carry uint64
	for _, word := range y {
		top = t.addProduct(x, word, top)
		high := t.addProduct(&order, t[0]*inverse, 0)
		high, carry = bits.Add64(top, high, 0)
		t, top = scalar{t[1], t[2], t[3], high}, carry
	}
	var reduced scalar
	if reduced.minus(&t, &order) == 0 || top != 0 {
		t = reduced
	}
	*z = t
}

// addProduct adds x·word to z, and returns the word above z, to which top was
// added.
func (z *scalar) addProduct(x *scalar, word, top uint64) uint64 {
	var c uint64
	h0, l0 := bits.Mul64(x[0], word)
	h1, l1 := bits.Mul64(x[1], word)
	h2, l2 := bits.Mul64(x[2], word)
	h3, l3 := bits.Mul64(x[3], word)
	l1, c = bits.Add64(l1, h0, 0)
	l2, c = bits.Add64(l2, h1, c)
	l3, c = bits.Add64(l3, h2, c)
	h3, _ = bits.Add64(h3, 0, c)
	z[0], c = bits.Add64(z[0], l0, 0)
	z[1], c = bits.Add64(z[1], l1, c)
	z[2], c = bits.Add64(z[2], l2, c)
	z[3], c = bits.Add64(z[3], l3, c)
	top, _ = bits.Add64(top, h3, c)
	return top
}

// invert sets z to 2²⁵⁶/x modulo n, so that mul by it divides by x. x must be
// valid.
//
// It is the binary extended algorithm of Euclid, which leaves the halvings of
// the coefficients to the end (Kaliski, "The Montgomery inverse"). Throughout,
//
//	x·a = u·2ᵏ and x·b = -v·2ᵏ modulo n, and u·b + v·a = n,
//
// of which the last keeps a and b within n.
func (z *scalar) invert(x *scalar) {
	u, v := *x, scalar{n0, n1, n2, n3}
	a, b, one := scalar{1}, scalar{}, scalar{1}
	zeros := u.shiftOut()
	k := zeros
	for u != one && v != one {
		var difference scalar
		if difference.minus(&u, &v) == 0 {
			u = difference
			a.plus(&a, &b)
			zeros = u.shiftOut()
			b.shiftLeft(zeros)
		} else {
			v.minus(&v, &u)
			b.plus(&b, &a)
			zeros = v.shiftOut()
			a.shiftLeft(zeros)
		}
		k += zeros
	}
	if u != one {
		a.minus(&scalar{n0, n1, n2, n3}, &b)
	}
	a.divideByPower(k)
	*z = a
}

// divideByPower sets z to z·2²⁵⁶⁻ᵏ modulo n, for k up to 512.
func (z *scalar) divideByPower(k int) {
	for k <= 256 { // 2⁵¹²⁻ᵏ would be too large for what follows
		square := scalar{0x83244c95be79eea2, 0x4699799c49bd6fa6, 0x2845b2392b6bec59, 0x66e12d94f3d95620} // 2⁵¹²
		z.mul(&square, z)
		k += 256
	}
	var power scalar
	power[(512-k)/64] = 1 << ((512 - k) % 64)
	z.mul(z, &power)
}

// shiftOut shifts z, which is not zero, right until it is odd, and returns by
// how much.
func (z *scalar) shiftOut() (zeros int) {
	for z[0] == 0 {
		*z = scalar{z[1], z[2], z[3], 0}
		zeros += 64
	}
	n := bits.TrailingZeros64(z[0])
	z[0] = z[0]>>n | z[1]<<(64-n)
	z[1] = z[1]>>n | z[2]<<(64-n)
	z[2] = z[2]>>n | z[3]<<(64-n)
	z[3] >>= n
	return zeros + n
}

// shiftLeft multiplies z by 2ⁿ, which must leave it below 2²⁵⁶.
func (z *scalar) shiftLeft(n int) {
	for ; n >= 64; n -= 64 {
		*z = scalar{0, z[0], z[1], z[2]}
	}
	z[3] = z[3]<<n | z[2]>>(64-n)
	z[2] = z[2]<<n | z[1]>>(64-n)
	z[1] = z[1]<<n | z[0]>>(64-n)
	z[0] <<= n
}
