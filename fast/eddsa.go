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
	s, err := edwards25519.NewScalar().SetCanonicalBytes(signature[32:])
	if err != nil { // S of the order or more would be a second signature
		return false
	}
	k := v.challenge(message, signature[:32])
	var sum extended
	sum.identity()
	generatorEd25519.addMultiple(&sum, scalarWords(s))
	v.negative.addMultiple(&sum, scalarWords(k))
	r := sum.encoding()
	return bytes.Equal(r[:], signature[:32])
}

// challenge is SHA-512(R ‖ A ‖ M) modulo the order.
func (v *eddsa) challenge(message, r []byte) *edwards25519.Scalar {
	h := sha512.New()
	h.Write(r)
	h.Write(v.public[:])
	h.Write(message)
	var sum [sha512.Size]byte
	k, err := edwards25519.NewScalar().SetUniformBytes(h.Sum(sum[:0]))
	if err != nil {
		panic("fast: SHA-512 is not 64 bytes")
	}
	return k
}

// scalarWords returns a scalar as an integer below the order.
func scalarWords(s *edwards25519.Scalar) (w *[4]uint64) {
	b := s.Bytes()
	return &[4]uint64{
		binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]),
		binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:]),
	}
}
