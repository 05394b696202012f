package es256k

import (
	"bytes"
	"encoding/asn1"
	"fmt"

	"github.com/writ-auth/writ/jwk"
)

// algorithmID is the AlgorithmIdentifier of a key on a named curve (RFC 5480
// section 2.1.1).
type algorithmID struct {
	Algorithm, Curve asn1.ObjectIdentifier
}

func secp256k1ID() algorithmID {
	return algorithmID{
		Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}, // id-ecPublicKey
		Curve:     asn1.ObjectIdentifier{1, 3, 132, 0, 10},       // secp256k1
	}
}

// spki is a SubjectPublicKeyInfo.
type spki struct {
	Algorithm algorithmID
	Point     asn1.BitString
}

// pkcs8 is a OneAsymmetricKey (RFC 5958), whose key is an ecPrivateKey in DER.
type pkcs8 struct {
	Version   int
	Algorithm algorithmID
	Key       []byte
}

// ecPrivateKey is that of RFC 5915.
type ecPrivateKey struct {
	Version int
	D       []byte
	Curve   asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
	Public  asn1.BitString        `asn1:"optional,explicit,tag:1"`
}

func marshalPublic(point []byte) ([]byte, error) {
	return marshal(spki{secp256k1ID(), bits(point)})
}

func marshalPrivate(d, point []byte) ([]byte, error) {
	inner, err := marshal(ecPrivateKey{Version: 1, D: d, Public: bits(point)})
	if err != nil {
		return nil, err
	}
	return marshal(pkcs8{Algorithm: secp256k1ID(), Key: inner})
}

func marshal(v any) ([]byte, error) {
	der, err := asn1.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("es256k: writing a key: %w", err)
	}
	return der, nil
}

func bits(b []byte) asn1.BitString { return asn1.BitString{Bytes: b, BitLength: 8 * len(b)} }

// publicDER reads a SubjectPublicKeyInfo for alg.
func publicDER(alg jwk.Algorithm, der []byte) (*jwk.PublicKey, error) {
	if err := checkAlgorithm(alg); err != nil {
		return nil, err
	}
	var info spki
	if err := unmarshal(der, &info); err != nil {
		return nil, err
	}
	if err := info.Algorithm.check(); err != nil {
		return nil, err
	}
	return fromPoint(info.Point.RightAlign())
}

// fromPoint takes a point in its uncompressed form, 4‖x‖y.
func fromPoint(point []byte) (*jwk.PublicKey, error) {
	if len(point) != 1+2*scalarSize || point[0] != 4 {
		return nil, fmt.Errorf("%w: a point that is not in the uncompressed form", jwk.ErrMalformed)
	}
	return NewPublicKey(point[1:1+scalarSize], point[1+scalarSize:])
}

// privateDER reads a PKCS#8 key for alg. The public key in it, which is
// optional, must be the private one's own.
func privateDER(alg jwk.Algorithm, der []byte) (*jwk.PrivateKey, error) {
	if err := checkAlgorithm(alg); err != nil {
		return nil, err
	}
	var info pkcs8
	if err := unmarshal(der, &info); err != nil {
		return nil, err
	}
	if err := info.Algorithm.check(); err != nil {
		return nil, err
	}
	var key ecPrivateKey
	if err := unmarshal(info.Key, &key); err != nil {
		return nil, err
	}
	if info.Version != 0 || key.Version != 1 || key.Curve != nil && !key.Curve.Equal(info.Algorithm.Curve) {
		return nil, fmt.Errorf("%w: not the PKCS#8 of an elliptic-curve key", jwk.ErrMalformed)
	}
	k, err := NewPrivateKey(key.D)
	if err != nil || key.Public.BitLength == 0 {
		return k, err
	}
	pub, err := fromPoint(key.Public.RightAlign())
	if err != nil {
		return nil, err
	}
	if err := checkPair(k, pub.Thumbprint()); err != nil {
		return nil, err
	}
	return k, nil
}

// unmarshal reads DER that is written in the one way that this package writes
// it, so that nothing can hide in it.
func unmarshal[T any](der []byte, into *T) error {
	rest, err := asn1.Unmarshal(der, into)
	if err != nil || len(rest) != 0 {
		return fmt.Errorf("%w: not the ASN.1 of an elliptic-curve key", jwk.ErrMalformed)
	}
	if again, err := asn1.Marshal(*into); err != nil || !bytes.Equal(again, der) {
		return fmt.Errorf("%w: not the DER of an elliptic-curve key", jwk.ErrMalformed)
	}
	return nil
}

func (a algorithmID) check() error {
	if want := secp256k1ID(); !a.Algorithm.Equal(want.Algorithm) || !a.Curve.Equal(want.Curve) {
		return fmt.Errorf("%w: a key, but not on curve %s", jwk.ErrMismatch, curve)
	}
	return nil
}
