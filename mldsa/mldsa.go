package mldsa

import (
	"bytes"
	"encoding/base64"
	"fmt"

	fips204 "filippo.io/mldsa"

	"github.com/writ-auth/writ/jwk"
)

// The algorithms of RFC 9964 section 5.
const (
	MLDSA44 jwk.Algorithm = "ML-DSA-44"
	MLDSA65 jwk.Algorithm = "ML-DSA-65"
	MLDSA87 jwk.Algorithm = "ML-DSA-87"
)

// SeedSize is the length of a private key in bytes.
const SeedSize = fips204.PrivateKeySize

// Extension makes a jwk.Parser read ML-DSA keys, from JWKs and PEM files.
func Extension() jwk.Extension {
	return jwk.Extension{Public: publicJWK, Private: privateJWK, SPKI: publicDER, PKCS8: privateDER}
}

// Generate makes a new key pair for one of the three algorithms. Its key ID is
// the thumbprint.
func Generate(alg jwk.Algorithm) (*jwk.PrivateKey, error) {
	params, err := parameters(alg)
	if err != nil {
		return nil, err
	}
	key, err := fips204.GenerateKey(params)
	if err != nil {
		return nil, fmt.Errorf("mldsa: generating a key for %s: %w", alg, err)
	}
	return private(alg, key)
}

// NewPrivateKey returns the key pair of a seed, which must be SeedSize bytes of
// good randomness and kept secret. The errors are jwk.ErrUnsupported for another
// algorithm and jwk.ErrMalformed for another length.
func NewPrivateKey(alg jwk.Algorithm, seed []byte) (*jwk.PrivateKey, error) {
	params, err := parameters(alg)
	if err != nil {
		return nil, err
	}
	key, err := fips204.NewPrivateKey(params, seed)
	if err != nil {
		return nil, fmt.Errorf("%w: %s seed of %d bytes instead of %d", jwk.ErrMalformed, alg, len(seed), SeedSize)
	}
	return private(alg, key)
}

// NewPublicKey returns the key that encoded is (FIPS 204 section 7.2). Its key ID
// is the thumbprint. The errors are those of NewPrivateKey.
func NewPublicKey(alg jwk.Algorithm, encoded []byte) (*jwk.PublicKey, error) {
	params, err := parameters(alg)
	if err != nil {
		return nil, err
	}
	key, err := fips204.NewPublicKey(params, encoded)
	if err != nil {
		return nil, fmt.Errorf("%w: %s public key of %d bytes instead of %d", jwk.ErrMalformed, alg, len(encoded), params.PublicKeySize())
	}
	return public(alg, key)
}

func parameters(alg jwk.Algorithm) (fips204.Parameters, error) {
	switch alg {
	case MLDSA44:
		return fips204.MLDSA44(), nil
	case MLDSA65:
		return fips204.MLDSA65(), nil
	case MLDSA87:
		return fips204.MLDSA87(), nil
	}
	return fips204.Parameters{}, fmt.Errorf("%w: %.32q is no ML-DSA algorithm", jwk.ErrUnsupported, alg)
}

func public(alg jwk.Algorithm, key *fips204.PublicKey) (*jwk.PublicKey, error) {
	required := jwk.Params{"kty": "AKP", "alg": string(alg), "pub": base64.RawURLEncoding.EncodeToString(key.Bytes())}
	k, err := jwk.NewCustomPublicKey(alg, required, func(message, signature []byte) bool {
		return fips204.Verify(key, message, signature, nil) == nil // no options: the context is empty
	})
	if err != nil {
		return nil, err
	}
	der, err := marshalPublic(key)
	if err != nil {
		return nil, err
	}
	return k.WithSPKI(der), nil
}

func private(alg jwk.Algorithm, key *fips204.PrivateKey) (*jwk.PrivateKey, error) {
	pub, err := public(alg, key.PublicKey())
	if err != nil {
		return nil, err
	}
	k, err := jwk.NewCustomPrivateKey(pub, func(message []byte) ([]byte, error) {
		return key.Sign(nil, message, nil)
	})
	if err != nil {
		return nil, err
	}
	der, err := marshalPrivate(key)
	if err != nil {
		return nil, err
	}
	return k.WithExport(jwk.Params{"priv": base64.RawURLEncoding.EncodeToString(key.Bytes())}, der)
}

// publicJWK reads an AKP key (RFC 9964 section 3).
func publicJWK(p jwk.Params) (*jwk.PublicKey, error) {
	alg, err := algorithm(p)
	if err != nil {
		return nil, err
	}
	encoded, err := p.Bytes("pub")
	if err != nil {
		return nil, err
	}
	return NewPublicKey(alg, encoded)
}

// privateJWK reads a key pair, whose seed decides; "pub" must agree with it.
func privateJWK(p jwk.Params) (*jwk.PrivateKey, error) {
	alg, err := algorithm(p)
	if err != nil {
		return nil, err
	}
	seed, err := p.Bytes("priv")
	if err != nil {
		return nil, err
	}
	k, err := NewPrivateKey(alg, seed)
	if err != nil {
		return nil, err
	}
	pub, err := publicJWK(p)
	if err != nil {
		return nil, err
	}
	if pub.Thumbprint() != k.Public().Thumbprint() {
		return nil, fmt.Errorf("%w: public and private key are no pair", jwk.ErrMalformed)
	}
	return k, nil
}

// algorithm is "alg" of an AKP key, without which it could be anything.
func algorithm(p jwk.Params) (jwk.Algorithm, error) {
	if p["kty"] != "AKP" {
		return "", fmt.Errorf("%w: kty %.32q", jwk.ErrUnsupported, p["kty"])
	}
	alg, ok := p["alg"]
	if !ok {
		return "", fmt.Errorf("%w: an AKP key needs alg", jwk.ErrMalformed)
	}
	_, err := parameters(jwk.Algorithm(alg))
	return jwk.Algorithm(alg), err
}

// same reports whether DER that was read is DER as it is written here: no other
// encoding of the key, and nothing besides it.
func same(read, written []byte) error {
	if !bytes.Equal(read, written) {
		return fmt.Errorf("%w: more in the file than an ML-DSA key", jwk.ErrMalformed)
	}
	return nil
}
