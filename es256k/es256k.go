package es256k

import (
	"encoding/base64"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/writ-auth/writ/jwk"
)

// ES256K is the algorithm of RFC 8812 section 3.2.
const ES256K jwk.Algorithm = "ES256K"

// curve is the name of secp256k1 in a JWK.
const curve = "secp256k1"

// scalarSize is the length of a coordinate and of a private key in bytes.
const scalarSize = 32

// Extension makes a jwk.Parser read keys on secp256k1, from JWKs and PEM files.
func Extension() jwk.Extension {
	return jwk.Extension{Public: publicJWK, Private: privateJWK, SPKI: publicDER, PKCS8: privateDER}
}

// Generate makes a new key pair. Its key ID is the thumbprint. alg must be
// ES256K; it is asked for so that Generate can be used as jwk.Generate is.
func Generate(alg jwk.Algorithm) (*jwk.PrivateKey, error) {
	if err := checkAlgorithm(alg); err != nil {
		return nil, err
	}
	d, err := secp256k1.GeneratePrivateKey()
	if err != nil {
		return nil, fmt.Errorf("es256k: generating a key: %w", err)
	}
	return private(&d.Key)
}

// NewPrivateKey returns the key pair of a private key, big-endian, from 1 to n-1.
// Anything else is jwk.ErrMalformed.
func NewPrivateKey(d []byte) (*jwk.PrivateKey, error) {
	var key secp256k1.ModNScalar
	if len(d) != scalarSize || key.SetByteSlice(d) || key.IsZero() {
		return nil, fmt.Errorf("%w: private scalar", jwk.ErrMalformed)
	}
	return private(&key)
}

// NewPublicKey returns the key of a point by its coordinates, big-endian, 32
// bytes each. Its key ID is the thumbprint. What is no point of the curve is
// jwk.ErrMalformed.
func NewPublicKey(x, y []byte) (*jwk.PublicKey, error) {
	var fx, fy secp256k1.FieldVal
	if len(x) != scalarSize || len(y) != scalarSize || fx.SetByteSlice(x) || fy.SetByteSlice(y) {
		return nil, fmt.Errorf("%w: coordinates of %s have 32 bytes and are below p", jwk.ErrMalformed, curve)
	}
	key := secp256k1.NewPublicKey(&fx, &fy)
	if !key.IsOnCurve() {
		return nil, fmt.Errorf("%w: no point of curve %s", jwk.ErrMalformed, curve)
	}
	return public(key)
}

func checkAlgorithm(alg jwk.Algorithm) error {
	if alg != ES256K {
		return fmt.Errorf("%w: %.32q is not ES256K", jwk.ErrUnsupported, alg)
	}
	return nil
}

func public(key *secp256k1.PublicKey) (*jwk.PublicKey, error) {
	point := key.SerializeUncompressed() // 4‖x‖y
	required := jwk.Params{"kty": "EC", "crv": curve, "x": encode(point[1:33]), "y": encode(point[33:])}
	k, err := jwk.NewCustomPublicKey(ES256K, required, func(message, signature []byte) bool {
		return verify(key, message, signature)
	})
	if err != nil {
		return nil, err
	}
	der, err := marshalPublic(point)
	if err != nil {
		return nil, err
	}
	return k.WithSPKI(der), nil
}

func private(d *secp256k1.ModNScalar) (*jwk.PrivateKey, error) {
	key := publicOf(d)
	pub, err := public(key)
	if err != nil {
		return nil, err
	}
	k, err := jwk.NewCustomPrivateKey(pub, func(message []byte) ([]byte, error) {
		return sign(d, message), nil
	})
	if err != nil {
		return nil, err
	}
	secret := d.Bytes()
	der, err := marshalPrivate(secret[:], key.SerializeUncompressed())
	if err != nil {
		return nil, err
	}
	return k.WithExport(jwk.Params{"d": encode(secret[:])}, der)
}

// publicJWK reads an elliptic-curve key (RFC 7518 section 6.2) on this curve.
func publicJWK(p jwk.Params) (*jwk.PublicKey, error) {
	if p["kty"] != "EC" || p["crv"] != curve {
		return nil, fmt.Errorf("%w: kty %.32q, crv %.32q", jwk.ErrUnsupported, p["kty"], p["crv"])
	}
	if alg, ok := p["alg"]; ok && alg != string(ES256K) {
		return nil, fmt.Errorf("%w: alg %.32q with crv %s", jwk.ErrMismatch, alg, curve)
	}
	x, err := p.Bytes("x")
	if err != nil {
		return nil, err
	}
	y, err := p.Bytes("y")
	if err != nil {
		return nil, err
	}
	return NewPublicKey(x, y)
}

// privateJWK reads a key pair, whose halves must belong together.
func privateJWK(p jwk.Params) (*jwk.PrivateKey, error) {
	pub, err := publicJWK(p)
	if err != nil {
		return nil, err
	}
	d, err := p.Bytes("d")
	if err != nil {
		return nil, err
	}
	k, err := NewPrivateKey(d)
	if err != nil {
		return nil, err
	}
	if err := checkPair(k, pub.Thumbprint()); err != nil {
		return nil, err
	}
	return k, nil
}

func checkPair(k *jwk.PrivateKey, thumbprint string) error {
	if k.Public().Thumbprint() != thumbprint {
		return fmt.Errorf("%w: public and private key are no pair", jwk.ErrMalformed)
	}
	return nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
