package jwk

import (
	"bytes"
	"crypto/ed25519"
	"crypto/subtle"
	"fmt"
	"math/big"
	"slices"

	"github.com/writ-auth/writ/internal/base64url"
)

// setEd25519 makes k verify under key, which must be a point of large order in
// its canonical form: under a point of small order signatures exist that fit
// many messages.
func (k *PublicKey) setEd25519(t traits, key ed25519.PublicKey) error {
	if t.family != familyEd25519 {
		return fmt.Errorf("%w: %s with an Ed25519 key", ErrMismatch, k.alg)
	}
	if len(key) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: Ed25519 key of %d bytes", ErrMalformed, len(key))
	}
	if err := checkEdwardsPoint(key); err != nil {
		return err
	}
	own := bytes.Clone(key)
	k.key = ed25519.PublicKey(own)
	k.required = Params{"kty": "OKP", "crv": "Ed25519", "x": base64url.Encode(own)}
	k.verify = func(message, signature []byte) bool { return ed25519.Verify(own, message, signature) }
	return nil
}

// checkEdwardsPoint checks the y coordinate of a point of edwards25519 (RFC 8032
// section 5.1.3): below the prime, with an x that belongs to it, and none of the
// five that points of order 1, 2, 4 and 8 have.
func checkEdwardsPoint(key []byte) error {
	le := bytes.Clone(key)
	le[31] &= 0x7f // the sign of x
	slices.Reverse(le)
	y := new(big.Int).SetBytes(le)
	one := big.NewInt(1)
	p := new(big.Int).Sub(new(big.Int).Lsh(one, 255), big.NewInt(19))
	if y.Cmp(p) >= 0 {
		return fmt.Errorf("%w: Ed25519 key is not canonical", ErrMalformed)
	}
	// x² = (y²-1) / (dy²+1) with d = -121665/121666: a square, if the product of
	// numerator and denominator is one.
	d := new(big.Int).ModInverse(big.NewInt(121666), p)
	d.Mul(d, big.NewInt(-121665)).Mod(d, p)
	y2 := new(big.Int).Mul(y, y)
	y2.Mod(y2, p)
	u := new(big.Int).Sub(y2, one)
	v := new(big.Int).Mul(d, y2)
	v.Add(v, one)
	if uv := u.Mul(u, v); big.Jacobi(uv.Mod(uv, p), p) < 0 {
		return fmt.Errorf("%w: no point of edwards25519", ErrMalformed)
	}
	// Points of order 8 have y⁴·d + 2y² = 1; 0, 1 and -1 belong to the others.
	e := new(big.Int).Mul(y2, y2)
	e.Mul(e, d).Add(e, y2).Add(e, y2).Sub(e, one).Mod(e, p)
	if e.Sign() == 0 || y.Sign() == 0 || y2.Cmp(one) == 0 {
		return fmt.Errorf("%w: Ed25519 key of small order", ErrWeak)
	}
	return nil
}

// copyEd25519 derives the key anew from its seed. Signing with a public half
// that is not the seed's own reveals the private key to whoever sees both
// signatures of one message.
func copyEd25519(key ed25519.PrivateKey) (ed25519.PrivateKey, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("%w: Ed25519 private key of %d bytes", ErrMalformed, len(key))
	}
	own := ed25519.NewKeyFromSeed(key.Seed())
	if subtle.ConstantTimeCompare(own, key) != 1 {
		return nil, fmt.Errorf("%w: public and private key are no pair", ErrMalformed)
	}
	return own, nil
}
