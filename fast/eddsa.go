package fast

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	_ "embed"
	"encoding/binary"

	"filippo.io/edwards25519"
)

// generatorEd25519 is the table of the generator B of Ed25519.
//
//go:embed ed25519.table
var generatorEd25519 edwardsTable

// eddsa verifies Ed25519 signatures (RFC 8032 section 5.1.7) as the standard
// library does: R must be the canonical encoding of S·B - k·A, without
// multiplication by the cofactor.
type eddsa struct {
	public   [ed25519.PublicKeySize]byte
	negative edwardsTable // of -A
}

func newEdDSA(key ed25519.PublicKey) (*eddsa, error) {
	a, err := new(edwards25519.Point).SetBytes(key)
	if err != nil {
		return nil, err
	}
	v := &eddsa{negative: newEdwardsTable(a.Negate(a))}
	copy(v.public[:], key)
	return v, nil
}

func (v *eddsa) verify(message, signature []byte) bool {
	if len(signature) != ed25519.SignatureSize {
		return false
	}
	var s, k edwards25519.Scalar
	if _, err := s.SetCanonicalBytes(signature[32:]); err != nil {
		return false // S of the order or more would be a second signature
	}
	challenge := v.challenge(message, signature[:32])
	if _, err := k.SetUniformBytes(challenge[:]); err != nil {
		panic("fast: SHA-512 is not 64 bytes")
	}
	var sum extended
	sum.identity()
	generatorEd25519.addMultiple(&sum, littleWords(signature[32:]))
	v.negative.addMultiple(&sum, littleWords(k.Bytes()))
	r := sum.encoding()
	return bytes.Equal(r[:], signature[:32])
}

// challenge is SHA-512(R ‖ A ‖ M), which modulo the order is what A is
// multiplied by.
func (v *eddsa) challenge(message, r []byte) (sum [sha512.Size]byte) {
	h := sha512.New()
	h.Write(r)
	h.Write(v.public[:])
	h.Write(message)
	h.Sum(sum[:0])
	return sum
}

// littleWords reads 32 bytes, of which the first is the least significant.
func littleWords(b []byte) *[4]uint64 {
	return &[4]uint64{
		binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]),
		binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:]),
	}
}
