package fast

import (
	"encoding/binary"
	"math/bits"
)

// element is an element of the field of P-256 in Montgomery form: x·2²⁵⁶ modulo
// p = 2²⁵⁶ - 2²²⁴ + 2¹⁹² + 2⁹⁶ - 1, below p, least significant word first. So
// two elements are equal if their words are. Methods set z and may be called
// with z among the arguments.
type element [4]uint64

// The words of p. The third is zero.
const (
	p0 = 0xffffffffffffffff
	p1 = 0x00000000ffffffff
	p3 = 0xffffffff00000001
)

// one is 1 in Montgomery form: 2²⁵⁶ - p.
func (z *element) one() { *z = element{1, 0xffffffff00000000, 0xffffffffffffffff, 0x00000000fffffffe} }

// setInteger takes an integer below p.
func (z *element) setInteger(x *[4]uint64) {
	// 2⁵¹² modulo p, which brings x into Montgomery form.
	square := element{3, 0xfffffffbffffffff, 0xfffffffffffffffe, 0x00000004fffffffd}
	z.mul((*element)(x), &square)
}

func (z *element) isZero() bool { return *z == element{} }

func (z *element) add(x, y *element) {
	t0, c := bits.Add64(x[0], y[0], 0)
	t1, c := bits.Add64(x[1], y[1], c)
	t2, c := bits.Add64(x[2], y[2], c)
	t3, c := bits.Add64(x[3], y[3], c)
	z.subtractP(t0, t1, t2, t3, c)
}

func (z *element) sub(x, y *element) {
	t0, b := bits.Sub64(x[0], y[0], 0)
	t1, b := bits.Sub64(x[1], y[1], b)
	t2, b := bits.Sub64(x[2], y[2], b)
	t3, b := bits.Sub64(x[3], y[3], b)
	mask := -b // add p if the difference is negative
	t0, c := bits.Add64(t0, p0&mask, 0)
	t1, c = bits.Add64(t1, p1&mask, c)
	t2, c = bits.Add64(t2, 0, c)
	t3, _ = bits.Add64(t3, p3&mask, c)
	*z = element{t0, t1, t2, t3}
}

// subtractP sets z to t modulo p, for t below 2p. Without branches, as there is
// no pattern to predict.
func (z *element) subtractP(t0, t1, t2, t3, t4 uint64) {
	s0, b := bits.Sub64(t0, p0, 0)
	s1, b := bits.Sub64(t1, p1, b)
	s2, b := bits.Sub64(t2, 0, b)
	s3, b := bits.Sub64(t3, p3, b)
	_, b = bits.Sub64(t4, 0, b)
	mask := -b // keep t if it was below p
	z[0] = s0 ^ mask&(s0^t0)
	z[1] = s1 ^ mask&(s1^t1)
	z[2] = s2 ^ mask&(s2^t2)
	z[3] = s3 ^ mask&(s3^t3)
}

// reduce sets z to t/2²⁵⁶ modulo p, for t below 2²⁵⁶·p: Montgomery reduction,
// where in each of four steps a multiple of p clears the lowest word. That
// multiple is the word itself, because p is -1 modulo 2⁶⁴, and shifts multiply
// it by p.
func (z *element) reduce(t0, t1, t2, t3, t4, t5, t6, t7 uint64) {
	var c, b, low, high, carry uint64

	low, b = bits.Sub64(t0, t0<<32, 0)
	high = t0 - t0>>32 - b
	t1, c = bits.Add64(t1, t0<<32, 0)
	t2, c = bits.Add64(t2, t0>>32, c)
	t3, c = bits.Add64(t3, low, c)
	t4, carry = bits.Add64(t4, high, c)

	low, b = bits.Sub64(t1, t1<<32, 0)
	high = t1 - t1>>32 - b + carry
	t2, c = bits.Add64(t2, t1<<32, 0)
	t3, c = bits.Add64(t3, t1>>32, c)
	t4, c = bits.Add64(t4, low, c)
	t5, carry = bits.Add64(t5, high, c)

	low, b = bits.Sub64(t2, t2<<32, 0)
	high = t2 - t2>>32 - b + carry
	t3, c = bits.Add64(t3, t2<<32, 0)
	t4, c = bits.Add64(t4, t2>>32, c)
	t5, c = bits.Add64(t5, low, c)
	t6, carry = bits.Add64(t6, high, c)

	low, b = bits.Sub64(t3, t3<<32, 0)
	high = t3 - t3>>32 - b + carry
	t4, c = bits.Add64(t4, t3<<32, 0)
	t5, c = bits.Add64(t5, t3>>32, c)
	t6, c = bits.Add64(t6, low, c)
	t7, carry = bits.Add64(t7, high, c)

	z.subtractP(t4, t5, t6, t7, carry)
}

// mul multiplies column by column of x, as on paper.
func (z *element) mul(x, y *element) {
	var c, h0, h1, h2, h3, l1, l2, l3 uint64
	y0, y1, y2, y3 := y[0], y[1], y[2], y[3]

	a := x[0]
	h0, t0 := bits.Mul64(a, y0)
	h1, t1 := bits.Mul64(a, y1)
	h2, t2 := bits.Mul64(a, y2)
	t4, t3 := bits.Mul64(a, y3)
	t1, c = bits.Add64(t1, h0, 0)
	t2, c = bits.Add64(t2, h1, c)
	t3, c = bits.Add64(t3, h2, c)
	t4 += c

	a = x[1]
	h0, l0 := bits.Mul64(a, y0)
	h1, l1 = bits.Mul64(a, y1)
	h2, l2 = bits.Mul64(a, y2)
	h3, l3 = bits.Mul64(a, y3)
	l1, c = bits.Add64(l1, h0, 0)
	l2, c = bits.Add64(l2, h1, c)
	l3, c = bits.Add64(l3, h2, c)
	h3 += c
	t1, c = bits.Add64(t1, l0, 0)
	t2, c = bits.Add64(t2, l1, c)
	t3, c = bits.Add64(t3, l2, c)
	t4, c = bits.Add64(t4, l3, c)
	t5 := h3 + c

	a = x[2]
	h0, l0 = bits.Mul64(a, y0)
	h1, l1 = bits.Mul64(a, y1)
	h2, l2 = bits.Mul64(a, y2)
	h3, l3 = bits.Mul64(a, y3)
	l1, c = bits.Add64(l1, h0, 0)
	l2, c = bits.Add64(l2, h1, c)
	l3, c = bits.Add64(l3, h2, c)
	h3 += c
	t2, c = bits.Add64(t2, l0, 0)
	t3, c = bits.Add64(t3, l1, c)
	t4, c = bits.Add64(t4, l2, c)
	t5, c = bits.Add64(t5, l3, c)
	t6 := h3 + c

	a = x[3]
	h0, l0 = bits.Mul64(a, y0)
	h1, l1 = bits.Mul64(a, y1)
	h2, l2 = bits.Mul64(a, y2)
	h3, l3 = bits.Mul64(a, y3)
	l1, c = bits.Add64(l1, h0, 0)
	l2, c = bits.Add64(l2, h1, c)
	l3, c = bits.Add64(l3, h2, c)
	h3 += c
	t3, c = bits.Add64(t3, l0, 0)
	t4, c = bits.Add64(t4, l1, c)
	t5, c = bits.Add64(t5, l2, c)
	t6, c = bits.Add64(t6, l3, c)
	t7 := h3 + c

	z.reduce(t0, t1, t2, t3, t4, t5, t6, t7)
}

// square is mul with itself, where products of unlike words are made once and
// doubled.
func (z *element) square(x *element) {
	var c uint64
	x0, x1, x2, x3 := x[0], x[1], x[2], x[3]

	h01, t1 := bits.Mul64(x0, x1)
	h02, t2 := bits.Mul64(x0, x2)
	h03, t3 := bits.Mul64(x0, x3)
	t2, c = bits.Add64(t2, h01, 0)
	t3, c = bits.Add64(t3, h02, c)
	t4 := h03 + c
	h12, l12 := bits.Mul64(x1, x2)
	h13, l13 := bits.Mul64(x1, x3)
	l13, c = bits.Add64(l13, h12, 0)
	h13 += c
	t3, c = bits.Add64(t3, l12, 0)
	t4, c = bits.Add64(t4, l13, c)
	t5 := h13 + c
	t6, l23 := bits.Mul64(x2, x3)
	t5, c = bits.Add64(t5, l23, 0)
	t6 += c

	t7 := t6 >> 63
	t6 = t6<<1 | t5>>63
	t5 = t5<<1 | t4>>63
	t4 = t4<<1 | t3>>63
	t3 = t3<<1 | t2>>63
	t2 = t2<<1 | t1>>63
	t1 <<= 1

	h0, t0 := bits.Mul64(x0, x0)
	h1, l1 := bits.Mul64(x1, x1)
	h2, l2 := bits.Mul64(x2, x2)
	h3, l3 := bits.Mul64(x3, x3)
	t1, c = bits.Add64(t1, h0, 0)
	t2, c = bits.Add64(t2, l1, c)
	t3, c = bits.Add64(t3, h1, c)
	t4, c = bits.Add64(t4, l2, c)
	t5, c = bits.Add64(t5, h2, c)
	t6, c = bits.Add64(t6, l3, c)
	t7 += h3 + c

	z.reduce(t0, t1, t2, t3, t4, t5, t6, t7)
}

// invert sets z to 1/x, by Fermat x to the power of p-2; to 0 for 0. It is for
// tables, not for verification, which needs no inverse in this field.
func (z *element) invert(x *element) {
	exponent := [4]uint64{p0 - 2, p1, 0, p3}
	base := *x
	z.one()
	for i := 255; i >= 0; i-- {
		z.square(z)
		if exponent[i/64]>>(i%64)&1 == 1 {
			z.mul(z, &base)
		}
	}
}

const elementSize = 32

func (z *element) load(b []byte) {
	_ = b[elementSize-1]
	z[0] = binary.LittleEndian.Uint64(b)
	z[1] = binary.LittleEndian.Uint64(b[8:])
	z[2] = binary.LittleEndian.Uint64(b[16:])
	z[3] = binary.LittleEndian.Uint64(b[24:])
}

func (z *element) append(b []byte) []byte {
	for _, word := range z {
		b = binary.LittleEndian.AppendUint64(b, word)
	}
	return b
}
