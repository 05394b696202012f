package fast

import (
	"slices"

	"filippo.io/edwards25519"
	"filippo.io/edwards25519/field"
)

// extended is the point (x/z, y/z) of edwards25519, with t = xy/z.
type extended struct{ x, y, z, t field.Element }

// identity sets p to (0, 1).
func (p *extended) identity() {
	p.x.Zero()
	p.y.One()
	p.z.One()
	p.t.Zero()
}

// cached is a point of a table in the form that additions want: y+x, y-x, 2dxy.
type cached struct{ plus, minus, product field.Element }

// add adds q to p. The formula is complete: it holds for all points, those of
// small order among them (Hisil, Wong, Carter, Dawson, "Twisted Edwards curves
// revisited", section 3.1, with the second point's z = 1).
func (p *extended) add(q *cached) {
	var a, b, c, d, e, f, g, h field.Element
	a.Subtract(&p.y, &p.x)
	a.Multiply(&a, &q.minus)
	b.Add(&p.y, &p.x)
	b.Multiply(&b, &q.plus)
	c.Multiply(&p.t, &q.product)
	d.Add(&p.z, &p.z)
	e.Subtract(&b, &a)
	f.Subtract(&d, &c)
	g.Add(&d, &c)
	h.Add(&b, &a)
	p.x.Multiply(&e, &f)
	p.y.Multiply(&g, &h)
	p.z.Multiply(&f, &g)
	p.t.Multiply(&e, &h)
}

// negate sets q to -q.
func (q *cached) negate() {
	q.plus, q.minus = q.minus, q.plus
	q.product.Negate(&q.product)
}

// encoding is RFC 8032 section 5.1.2: y, and the lowest bit of x on top.
func (p *extended) encoding() (b [32]byte) {
	var inverse, x, y field.Element
	inverse.Invert(&p.z)
	x.Multiply(&p.x, &inverse)
	y.Multiply(&p.y, &inverse)
	copy(b[:], y.Bytes())
	b[31] |= byte(x.IsNegative()) << 7
	return b
}

const (
	cachedSize       = 3 * 32
	edwardsTableSize = rows * half * cachedSize
)

// edwardsTable is what p256Table is, for a point of edwards25519.
type edwardsTable string

func newEdwardsTable(point *edwards25519.Point) edwardsTable {
	table := make([]byte, 0, edwardsTableSize)
	base := new(edwards25519.Point).Set(point)
	for range rows {
		var multiples [half]*edwards25519.Point
		multiples[0] = base
		for i := 1; i < half; i++ {
			multiples[i] = new(edwards25519.Point).Add(multiples[i-1], base)
		}
		table = appendCached(table, multiples[:])
		base = new(edwards25519.Point).Double(multiples[half-1]) // the next row begins here
	}
	return edwardsTable(table)
}

// appendCached appends points in cached form. Like normalize it inverts but
// once.
func appendCached(table []byte, points []*edwards25519.Point) []byte {
	products := make([]field.Element, len(points)+1)
	products[0].One()
	for i, p := range points {
		_, _, z, _ := p.ExtendedCoordinates()
		products[i+1].Multiply(&products[i], z)
	}
	rest := new(field.Element).Invert(&products[len(points)])
	inverses := make([]field.Element, len(points))
	for i, p := range slices.Backward(points) {
		_, _, z, _ := p.ExtendedCoordinates()
		inverses[i].Multiply(rest, &products[i])
		rest.Multiply(rest, z)
	}
	d2 := twiceD()
	for i, p := range points {
		x, y, _, _ := p.ExtendedCoordinates()
		x.Multiply(x, &inverses[i])
		y.Multiply(y, &inverses[i])
		var c cached
		c.plus.Add(y, x)
		c.minus.Subtract(y, x)
		c.product.Multiply(x, y)
		c.product.Multiply(&c.product, d2)
		table = append(table, c.plus.Bytes()...)
		table = append(table, c.minus.Bytes()...)
		table = append(table, c.product.Bytes()...)
	}
	return table
}

// twiceD is 2d, where d = -121665/121666 is the constant of the curve.
func twiceD() *field.Element {
	one := new(field.Element).One()
	d := new(field.Element).Mult32(one, 121666)
	d.Invert(d)
	d.Mult32(d, 2*121665)
	return d.Negate(d)
}

// addMultiple adds the table's point to sum as often as scalar says. The scalar
// is taken as the integer it is, not modulo an order: a key may be of another.
func (t edwardsTable) addMultiple(sum *extended, scalar *[4]uint64) {
	digit := digits(scalar)
	var point cached
	for row, d := range digit {
		switch {
		case d > 0:
			t.load(&point, row, d)
			sum.add(&point)
		case d < 0:
			t.load(&point, row, -d)
			point.negate()
			sum.add(&point)
		}
	}
}

// load sets c to the multiple of a row, from 1 to half.
func (t edwardsTable) load(c *cached, row, multiple int) {
	i := (row*half + multiple - 1) * cachedSize
	b := []byte(t[i : i+cachedSize])
	c.plus.SetBytes(b[:32])
	c.minus.SetBytes(b[32:64])
	c.product.SetBytes(b[64:])
}
