package fast

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"math/big"
)

// generatorP256 is the table of the generator of P-256.
//
//go:embed p256.table
var generatorP256 p256Table

// es256 verifies ECDSA signatures on P-256 with SHA-256 (FIPS 186-5 section
// 6.4.2): r is the x coordinate, modulo the order n, of (e/s)·G + (r/s)·Q.
type es256 struct {
	key   p256Table
	order *big.Int
}

func newES256(key *ecdsa.PublicKey) (*es256, error) {
	point, err := key.Bytes() // 4‖x‖y; fails for what is not on the curve
	if err != nil {
		return nil, err
	}
	var q affine
	q.x.setInteger(words(point[1:33]))
	q.y.setInteger(words(point[33:]))
	return &es256{key: newP256Table(q), order: elliptic.P256().Params().N}, nil
}

func (v *es256) verify(message, signature []byte) bool {
	if len(signature) != 64 {
		return false
	}
	hash := sha256.Sum256(message)
	return v.verifyHash(hash[:], signature)
}

func (v *es256) verifyHash(hash, signature []byte) bool {
	r := new(big.Int).SetBytes(signature[:32])
	s := new(big.Int).SetBytes(signature[32:])
	if r.Sign() == 0 || s.Sign() == 0 || r.Cmp(v.order) >= 0 || s.Cmp(v.order) >= 0 {
		return false
	}
	var sum jacobian
	w := s.ModInverse(s, v.order)
	generatorP256.addMultiple(&sum, v.product(new(big.Int).SetBytes(hash), w))
	v.key.addMultiple(&sum, v.product(r, w))
	if sum.hasX(words(signature[:32])) {
		return true
	}
	// An x coordinate of n or more, of which one in 2³² is, was reduced to r.
	r.Add(r, v.order)
	return r.Cmp(elliptic.P256().Params().P) < 0 && sum.hasX(words(r.FillBytes(make([]byte, 32))))
}

// product returns x·y modulo the order.
func (v *es256) product(x, y *big.Int) *[4]uint64 {
	var b [32]byte
	z := new(big.Int).Mul(x, y)
	return words(z.Mod(z, v.order).FillBytes(b[:]))
}

// words reads 32 bytes as an integer, whose words it returns from the least
// significant on.
func words(b []byte) *[4]uint64 {
	return &[4]uint64{
		binary.BigEndian.Uint64(b[24:]), binary.BigEndian.Uint64(b[16:]),
		binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b),
	}
}
