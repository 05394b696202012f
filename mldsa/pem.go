package mldsa

import (
	"fmt"

	fips204 "filippo.io/mldsa"
	"filippo.io/mldsa/x509"

	"github.com/writ-auth/writ/jwk"
)

// publicDER reads the SubjectPublicKeyInfo of a key for alg (RFC 9881 section 4).
func publicDER(alg jwk.Algorithm, der []byte) (*jwk.PublicKey, error) {
	params, err := parameters(alg)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("%w: no public key for %s", jwk.ErrMalformed, alg)
	}
	key, ok := parsed.(*fips204.PublicKey)
	if !ok || key.Parameters() != params {
		return nil, fmt.Errorf("%w: a public key, but not for %s", jwk.ErrMismatch, alg)
	}
	written, err := marshalPublic(key)
	if err != nil {
		return nil, err
	}
	if err := same(der, written); err != nil {
		return nil, err
	}
	return public(alg, key)
}

// privateDER reads the PKCS#8 form of a seed (RFC 9881 section 6). Why it could
// not be read is not said in the words of who tried: they might quote the key.
func privateDER(alg jwk.Algorithm, der []byte) (*jwk.PrivateKey, error) {
	params, err := parameters(alg)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%w: no private key for %s; only the seed is read: openssl pkey -provparam ml-dsa.output_formats=seed-only", jwk.ErrMalformed, alg)
	}
	key, ok := parsed.(*fips204.PrivateKey)
	if !ok || key.PublicKey().Parameters() != params {
		return nil, fmt.Errorf("%w: a private key, but not for %s", jwk.ErrMismatch, alg)
	}
	written, err := marshalPrivate(key)
	if err != nil {
		return nil, err
	}
	if err := same(der, written); err != nil {
		return nil, err
	}
	return private(alg, key)
}

func marshalPublic(key *fips204.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("mldsa: writing a public key: %w", err)
	}
	return der, nil
}

func marshalPrivate(key *fips204.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("mldsa: writing a private key: %w", err)
	}
	return der, nil
}
