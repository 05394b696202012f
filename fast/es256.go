package fast

import (
	"crypto/ecdsa"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
)

// generatorP256 is the table of the generator of P-256.
//
//go:embed p256.table
var generatorP256 p256Table

// es256 verifies ECDSA signatures on P-256 with SHA-256 (FIPS 186-5 section
// 6.4.2): r is the x coordinate, modulo the order n, of (e/s)·G + (r/s)·Q.
type es256 struct{ key p256Table }

func newES256(key *ecdsa.PublicKey) (*es256, error) {
	point, err := key.Bytes() // 4‖x‖y; fails for what is not on the curve
	if err != nil {
		return nil, err
	}
	var q affine
	q.x.setInteger(words(point[1:33]))
	q.y.setInteger(words(point[33:]))
	return &es256{key: newP256Table(q)}, nil
}

func (v *es256) verify(message, signature []byte) bool {
	if len(signature) != 64 {
		return false
	}
	hash := sha256.Sum256(message)
	return v.verifyHash(hash[:], signature)
}

func (v *es256) verifyHash(hash, signature []byte) bool {
	r, s := scalar(*words(signature[:32])), scalar(*words(signature[32:]))
	if !r.valid() || !s.valid() {
		return false
	}
	var sum jacobian
	var w, u scalar
	w.invert(&s)
	u.mul(&w, (*scalar)(words(hash)))
	generatorP256.addMultiple(&sum, (*[4]uint64)(&u))
	u.mul(&w, &r)
	v.key.addMultiple(&sum, (*[4]uint64)(&u))
	if sum.hasX((*[4]uint64)(&r)) {
		return true
	}
	// An x coordinate of n or more, of which one in 2³² is, was reduced to r.
	carry := r.plus(&r, &scalar{n0, n1, n2, n3})
	return carry == 0 && belowP(&r) && sum.hasX((*[4]uint64)(&r))
}

// belowP reports whether x is a coordinate, and not only congruent to one.
func belowP(x *scalar) bool {
	var t scalar
	return t.minus(x, &scalar{p0, p1, 0, p3}) != 0
}

// words reads 32 bytes as an integer, whose words it returns from the least
// significant on.
func words(b []byte) *[4]uint64 {
	return &[4]uint64{
		binary.BigEndian.Uint64(b[24:]), binary.BigEndian.Uint64(b[16:]),
		binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b),
	}
}
