package es256k

import (
	"crypto/rand"
	"crypto/sha256"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// verify checks a signature r‖s (FIPS 186-5 section 6.4.2). Either of s and n-s
// is good.
func verify(key *secp256k1.PublicKey, message, signature []byte) bool {
	if len(signature) != 2*scalarSize {
		return false
	}
	var r, s secp256k1.ModNScalar
	if r.SetByteSlice(signature[:scalarSize]) || s.SetByteSlice(signature[scalarSize:]) || r.IsZero() || s.IsZero() {
		return false
	}
	hash := sha256.Sum256(message)
	return ecdsa.NewSignature(&r, &s).Verify(hash[:], key)
}

// sign makes a signature r‖s (FIPS 186-5 section 6.4.1) with the smaller s.
func sign(d *secp256k1.ModNScalar, message []byte) []byte {
	hash := sha256.Sum256(message)
	var extra [32]byte
	rand.Read(extra[:]) // never fails
	secret := d.Bytes()
	for attempt := uint32(0); ; attempt++ {
		k := secp256k1.NonceRFC6979(secret[:], hash[:], extra[:], nil, attempt)
		if signature := signWith(d, k, &hash); signature != nil {
			return signature
		}
	}
}

// signWith signs with the nonce k; nil if with that there is no signature, which
// nobody will ever see happen.
func signWith(d, k *secp256k1.ModNScalar, hash *[32]byte) []byte {
	point := multiple(k)
	var r, s, e secp256k1.ModNScalar
	r.SetBytes(point.X.Bytes())
	e.SetBytes(hash)
	s.Mul2(d, &r).Add(&e).Mul(inverse(k))
	if r.IsZero() || s.IsZero() {
		return nil
	}
	if s.IsOverHalfOrder() {
		s.Negate()
	}
	signature := make([]byte, 2*scalarSize)
	r.PutBytesUnchecked(signature)
	s.PutBytesUnchecked(signature[scalarSize:])
	return signature
}

// publicOf is the public key of d.
func publicOf(d *secp256k1.ModNScalar) *secp256k1.PublicKey {
	point := multiple(d)
	return secp256k1.NewPublicKey(&point.X, &point.Y)
}

// multiple returns k·G for a secret k that is not zero. The time of a
// multiplication depends on the scalar, so two random shares are multiplied
// whose sum is k, neither of which says anything about it.
func multiple(k *secp256k1.ModNScalar) *secp256k1.JacobianPoint {
	share := randomScalar()
	var rest secp256k1.ModNScalar
	rest.NegateVal(share).Add(k)
	var first, second, sum secp256k1.JacobianPoint
	secp256k1.ScalarBaseMultNonConst(share, &first)
	secp256k1.ScalarBaseMultNonConst(&rest, &second)
	secp256k1.AddNonConst(&first, &second, &sum)
	sum.ToAffine()
	return &sum
}

// inverse returns 1/k for a secret k that is not zero. The time of an inversion
// depends on the number, so what is inverted is a random multiple of k.
func inverse(k *secp256k1.ModNScalar) *secp256k1.ModNScalar {
	blind := randomScalar()
	var product secp256k1.ModNScalar
	product.Mul2(k, blind).InverseNonConst()
	return product.Mul(blind)
}

// randomScalar returns one from 1 to n-1, each as likely as any other.
func randomScalar() *secp256k1.ModNScalar {
	var b [scalarSize]byte
	for {
		rand.Read(b[:]) // never fails
		var k secp256k1.ModNScalar
		if overflow := k.SetBytes(&b); overflow == 0 && !k.IsZero() {
			return &k
		}
	}
}
