package jwk

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"fmt"

	"github.com/writ-auth/writ/internal/base64url"
)

// setEC makes k verify under key, which must be a point of the curve of t.
func (k *PublicKey) setEC(t traits, key *ecdsa.PublicKey) error {
	if t.family != familyEC {
		return fmt.Errorf("%w: %s with an elliptic-curve key", ErrMismatch, k.alg)
	}
	if key == nil || key.Curve == nil || !hasPoint(key) {
		return fmt.Errorf("%w: no key", ErrMalformed)
	}
	if name := curveName(key); name != t.crv {
		return fmt.Errorf("%w: %s needs curve %s", ErrMismatch, k.alg, t.crv)
	}
	point, err := key.Bytes() // fails for what is not on the curve
	if err != nil {
		return fmt.Errorf("%w: no point of curve %s", ErrMalformed, t.crv)
	}
	return k.setPoint(t, point)
}

// setPoint takes the point in its uncompressed form, 4‖x‖y.
func (k *PublicKey) setPoint(t traits, point []byte) error {
	key, err := ecdsa.ParseUncompressedPublicKey(curve(t.crv), point)
	if err != nil {
		return fmt.Errorf("%w: no point of curve %s", ErrMalformed, t.crv)
	}
	x, y := point[1:1+len(point)/2], point[1+len(point)/2:]
	k.key = key
	k.required = Params{"kty": "EC", "crv": t.crv, "x": base64url.Encode(x), "y": base64url.Encode(y)}
	k.verify = verifyEC(t, key)
	return nil
}

func verifyEC(t traits, key *ecdsa.PublicKey) func(message, signature []byte) bool {
	size := coordinateSize(key.Curve)
	return func(message, signature []byte) bool {
		var der [141]byte
		sig := splitDER(der[:0], signature, size)
		if sig == nil {
			return false
		}
		var sum [64]byte
		return ecdsa.VerifyASN1(key, digest(t.hash, message, &sum), sig)
	}
}

// copyEC copies a private key by its scalar, and makes sure that the public key
// is the scalar's own: signing with one and publishing another leaks the scalar
// under some faults, and never verifies.
func copyEC(key *ecdsa.PrivateKey) (*ecdsa.PrivateKey, error) {
	//lint:ignore SA1019 Bytes panics on a key without a scalar
	if key == nil || key.Curve == nil || key.D == nil || !hasPoint(&key.PublicKey) {
		return nil, fmt.Errorf("%w: no key", ErrMalformed)
	}
	if curveName(&key.PublicKey) == "" {
		return nil, fmt.Errorf("%w: curve", ErrUnsupported)
	}
	scalar, err := key.Bytes()
	if err != nil {
		return nil, fmt.Errorf("%w: private scalar", ErrMalformed)
	}
	own, err := ecdsa.ParseRawPrivateKey(key.Curve, scalar)
	if err != nil {
		return nil, fmt.Errorf("%w: private scalar", ErrMalformed)
	}
	if !own.PublicKey.Equal(&key.PublicKey) {
		return nil, fmt.Errorf("%w: public and private key are no pair", ErrMalformed)
	}
	return own, nil
}

// hasPoint reports whether key has coordinates, right or wrong.
func hasPoint(key *ecdsa.PublicKey) bool {
	//lint:ignore SA1019 Bytes panics on a key without coordinates
	return key.X != nil && key.Y != nil
}

// curveName is the JWK name of the key's curve; "" for curves without one here.
func curveName(key *ecdsa.PublicKey) string {
	if key == nil {
		return ""
	}
	switch key.Curve {
	case elliptic.P256():
		return "P-256"
	case elliptic.P384():
		return "P-384"
	case elliptic.P521():
		return "P-521"
	}
	return ""
}

// coordinateSize is the length of a coordinate, and of r and s, in bytes.
func coordinateSize(c elliptic.Curve) int { return (c.Params().BitSize + 7) / 8 }

// splitDER appends to dst the ASN.1 form of a JWS signature r‖s (RFC 7518
// section 3.4), which the standard library verifies. It returns nil unless the
// length is exact and neither is zero; that both are below the group's order is
// checked by the verification.
func splitDER(dst, sig []byte, size int) []byte {
	if len(sig) != 2*size {
		return nil
	}
	r, s := trimZeros(sig[:size]), trimZeros(sig[size:])
	if len(r) == 0 || len(s) == 0 {
		return nil
	}
	dst = append(dst, 0x30)
	if n := integerLen(r) + integerLen(s); n < 0x80 {
		dst = append(dst, byte(n))
	} else {
		dst = append(dst, 0x81, byte(n)) // P-521 alone
	}
	return appendInteger(appendInteger(dst, r), s)
}

// integerLen is the length of b's ASN.1 form: tag, length, and a zero byte where
// the first bit would be taken for a sign.
func integerLen(b []byte) int { return 2 + int(b[0]>>7) + len(b) }

func appendInteger(dst, b []byte) []byte {
	dst = append(dst, 0x02, byte(integerLen(b)-2))
	if b[0]&0x80 != 0 {
		dst = append(dst, 0)
	}
	return append(dst, b...)
}

func trimZeros(b []byte) []byte {
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	return b
}

var errSignerForm = errors.New("jwk: the signer returned no ASN.1 signature of this curve")

// joinDER is splitDER backwards, for what a signer returned.
func joinDER(der []byte, size int) ([]byte, error) {
	body, rest, ok := element(der, 0x30)
	if !ok || len(rest) != 0 {
		return nil, errSignerForm
	}
	sig := make([]byte, 2*size)
	r, body, okR := element(body, 0x02)
	s, body, okS := element(body, 0x02)
	if !okR || !okS || len(body) != 0 || !fill(sig[:size], r) || !fill(sig[size:], s) {
		return nil, errSignerForm
	}
	return sig, nil
}

// element reads one ASN.1 element of less than 256 bytes with the given tag.
func element(b []byte, tag byte) (content, rest []byte, ok bool) {
	if len(b) < 2 || b[0] != tag {
		return nil, nil, false
	}
	n, b := int(b[1]), b[2:]
	if n == 0x81 && len(b) > 0 {
		n, b = int(b[0]), b[1:]
	} else if n >= 0x80 {
		return nil, nil, false
	}
	if len(b) < n {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

// fill writes the positive integer v to dst, right-aligned.
func fill(dst, v []byte) bool {
	if len(v) == 0 || v[0]&0x80 != 0 {
		return false
	}
	v = trimZeros(v)
	if len(v) == 0 || len(v) > len(dst) {
		return false
	}
	copy(dst[len(dst)-len(v):], v)
	return true
}
