package fast

// affine is a point of P-256 by its coordinates; never the point at infinity.
type affine struct{ x, y element }

// jacobian is the point (x/z², y/z³) of P-256; infinity if z is zero, as in the
// zero value.
type jacobian struct{ x, y, z element }

func (p *jacobian) setAffine(q *affine) {
	p.x, p.y = q.x, q.y
	p.z.one()
}

// double sets p to 2q. As no point of P-256 has order two, it has no exceptions;
// infinity stays what it is.
func (p *jacobian) double(q *jacobian) {
	var alpha, beta, gamma, delta, t element
	delta.square(&q.z)
	gamma.square(&q.y)
	beta.mul(&q.x, &gamma)
	alpha.sub(&q.x, &delta)
	t.add(&q.x, &delta)
	alpha.mul(&alpha, &t)
	t.add(&alpha, &alpha)
	alpha.add(&alpha, &t) // 3(x-z²)(x+z²), the slope: the curve's a is -3

	p.z.add(&q.y, &q.z)
	p.z.square(&p.z)
	p.z.sub(&p.z, &gamma)
	p.z.sub(&p.z, &delta) // 2yz
	beta.add(&beta, &beta)
	beta.add(&beta, &beta)
	p.x.square(&alpha)
	p.x.sub(&p.x, &beta)
	p.x.sub(&p.x, &beta) // α² - 8xy²
	beta.sub(&beta, &p.x)
	gamma.add(&gamma, &gamma)
	gamma.square(&gamma)
	gamma.add(&gamma, &gamma)
	p.y.mul(&alpha, &beta)
	p.y.sub(&p.y, &gamma) // α(4xy² - x') - 8y⁴
}

// add adds q to p. Whoever owns a key can sign such that the sum on the way is
// infinity, q itself or its negative, where the formula for the others fails;
// so each of these has its branch.
func (p *jacobian) add(q *affine) {
	if p.z.isZero() {
		p.setAffine(q)
		return
	}
	var zz, h, r element
	zz.square(&p.z)
	h.mul(&q.x, &zz)
	h.sub(&h, &p.x) // the difference of the x coordinates, times z²
	r.mul(&zz, &p.z)
	r.mul(&r, &q.y)
	r.sub(&r, &p.y) // of the y coordinates, times z³
	if h.isZero() {
		p.addSameX(q, &r)
		return
	}
	var hh, hhh, v element
	hh.square(&h)
	hhh.mul(&hh, &h)
	v.mul(&hh, &p.x)
	p.z.mul(&p.z, &h)
	p.x.square(&r)
	p.x.sub(&p.x, &hhh)
	p.x.sub(&p.x, &v)
	p.x.sub(&p.x, &v)
	v.sub(&v, &p.x)
	hhh.mul(&hhh, &p.y)
	p.y.mul(&r, &v)
	p.y.sub(&p.y, &hhh)
}

// addSameX adds q to p where both have the same x coordinate, and y coordinates
// that differ by dy.
func (p *jacobian) addSameX(q *affine, dy *element) {
	if !dy.isZero() { // opposite points
		*p = jacobian{}
		return
	}
	p.setAffine(q)
	p.double(p)
}

// hasX reports whether x, an integer below p, is p's x coordinate, without the
// inversion that would compute that.
func (p *jacobian) hasX(x *[4]uint64) bool {
	if p.z.isZero() {
		return false
	}
	var want, zz element
	want.setInteger(x)
	zz.square(&p.z)
	want.mul(&want, &zz)
	return want == p.x
}

// affineSize is the length of a point in a table: x and y in Montgomery form.
const affineSize = 2 * elementSize

// p256TableSize is the length of a point's table, in bytes.
const p256TableSize = rows * half * affineSize

// p256Table has for each window of a scalar the multiples 1 to half of a fixed
// point times the window's place. It is a string so that the generator's can be
// embedded in the program, and none can be changed.
type p256Table string

// newP256Table makes the table of a point.
func newP256Table(point affine) p256Table {
	table := make([]byte, 0, p256TableSize)
	for range rows {
		var multiples [half + 1]jacobian
		multiples[0].setAffine(&point)
		multiples[1].double(&multiples[0])
		for i := 2; i < half; i++ {
			multiples[i] = multiples[i-1]
			multiples[i].add(&point)
		}
		multiples[half].double(&multiples[half-1]) // the next row begins here
		var row [half + 1]affine
		normalize(row[:], multiples[:])
		for i := range half {
			table = row[i].y.append(row[i].x.append(table))
		}
		point = row[half]
	}
	return p256Table(table)
}

// normalize makes points affine, none of which may be infinity, with a single
// inversion: of the product of all z, from which the single inverses are won
// back.
func normalize(out []affine, points []jacobian) {
	products := make([]element, len(points)+1)
	products[0].one()
	for i := range points {
		products[i+1].mul(&products[i], &points[i].z)
	}
	var rest, inverse, power element
	rest.invert(&products[len(points)])
	for i := len(points) - 1; i >= 0; i-- {
		inverse.mul(&rest, &products[i])
		rest.mul(&rest, &points[i].z)
		power.square(&inverse)
		out[i].x.mul(&points[i].x, &power)
		power.mul(&power, &inverse)
		out[i].y.mul(&points[i].y, &power)
	}
}

// addMultiple adds the table's point to sum as often as scalar says.
func (t p256Table) addMultiple(sum *jacobian, scalar *[4]uint64) {
	digit := digits(scalar)
	for row, d := range digit {
		if d == 0 {
			continue
		}
		var point affine
		if d > 0 {
			point = t.at(row, d)
		} else {
			point = t.at(row, -d)
			point.y.sub(&element{}, &point.y)
		}
		sum.add(&point)
	}
}

// at returns the multiple of a row, from 1 to half.
func (t p256Table) at(row, multiple int) (p affine) {
	i := (row*half + multiple - 1) * affineSize
	b := []byte(t[i : i+affineSize])
	p.x.load(b)
	p.y.load(b[elementSize:])
	return p
}
