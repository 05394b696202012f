package jwk

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"
	"maps"
)

// VerifyingKey verifies signatures of one algorithm: a *PublicKey or a *Secret,
// and nothing else.
type VerifyingKey interface {
	Algorithm() Algorithm
	KeyID() string
	// Verify reports whether signature, in the form that JWS gives it, is one of
	// message under this key.
	Verify(message, signature []byte) bool
	verifying()
}

// PublicKey verifies signatures of one algorithm. It is immutable and safe for
// concurrent use; the zero value refuses everything. It marshals as a JWK.
type PublicKey struct {
	alg      Algorithm
	kid      string
	key      crypto.PublicKey // nil for a custom key
	required Params           // the members that the thumbprint covers
	verify   func(message, signature []byte) bool
	spki     []byte // of a custom key that has a PEM form
}

// NewPublicKey returns a key for an *rsa.PublicKey of 2048 to 8192 bits, an
// *ecdsa.PublicKey on the curve of alg, or an ed25519.PublicKey. Its key ID is
// the thumbprint. The errors are ErrUnsupported, ErrMismatch, ErrWeak and
// ErrMalformed. The key is copied.
func NewPublicKey(alg Algorithm, key crypto.PublicKey) (*PublicKey, error) {
	t := alg.traits()
	if t.family == unknown {
		return nil, fmt.Errorf("%w: algorithm %.32q", ErrUnsupported, alg)
	}
	k := &PublicKey{alg: alg}
	var err error
	switch key := key.(type) {
	case *rsa.PublicKey:
		err = k.setRSA(t, key)
	case *ecdsa.PublicKey:
		err = k.setEC(t, key)
	case ed25519.PublicKey:
		err = k.setEd25519(t, key)
	default:
		err = fmt.Errorf("%w: public key of type %T", ErrUnsupported, key)
	}
	if err != nil {
		return nil, err
	}
	k.kid = k.Thumbprint()
	return k, nil
}

// NewCustomPublicKey returns a key whose arithmetic this package does not know,
// for extension modules. alg must not be one of the constants of this package:
// for those WithVerify replaces the arithmetic of a checked key. required are
// the members that the thumbprint covers (RFC 7638 section 3.2), "kty" among
// them; with "alg" they are the key's JWK. verify must not keep the bytes that it
// is given, which are used again.
func NewCustomPublicKey(alg Algorithm, required Params, verify func(message, signature []byte) bool) (*PublicKey, error) {
	if err := checkCustomName(alg); err != nil {
		return nil, err
	}
	if required["kty"] == "" || required["kty"] == "oct" || verify == nil {
		return nil, fmt.Errorf("%w: a custom key needs a public kty and a verify function", ErrMalformed)
	}
	for name := range required {
		if isPrivate(name) {
			return nil, fmt.Errorf("%w: %q is a private member", ErrMismatch, name)
		}
	}
	if own, ok := required["alg"]; ok && own != string(alg) {
		return nil, fmt.Errorf("%w: members name another algorithm", ErrMismatch)
	}
	k := &PublicKey{alg: alg, required: maps.Clone(required), verify: verify}
	if _, err := k.members(); err != nil {
		return nil, err
	}
	k.kid = k.Thumbprint()
	return k, nil
}

// Algorithm is the one algorithm that k verifies.
func (k *PublicKey) Algorithm() Algorithm {
	if k == nil {
		return ""
	}
	return k.alg
}

// KeyID is the "kid" that tokens name k by; "" if it has none.
func (k *PublicKey) KeyID() string {
	if k == nil {
		return ""
	}
	return k.kid
}

// Verify reports whether signature is one of message: for ES… r‖s of exact
// length, for PS… with a salt as long as the hash.
func (k *PublicKey) Verify(message, signature []byte) bool {
	return k != nil && k.verify != nil && k.verify(message, signature)
}

func (k *PublicKey) verifying() {}

// CryptoKey is the key as the standard library has it, a copy; nil if it is a
// custom one.
func (k *PublicKey) CryptoKey() crypto.PublicKey {
	if k == nil {
		return nil
	}
	switch key := k.key.(type) {
	case *rsa.PublicKey:
		return cloneRSA(key)
	case *ecdsa.PublicKey:
		c := *key
		return &c
	case ed25519.PublicKey:
		return append(ed25519.PublicKey(nil), key...)
	}
	return nil
}

// WithKeyID returns a copy of k with another key ID; with "" JWKs and tokens
// name none.
func (k *PublicKey) WithKeyID(kid string) *PublicKey {
	if k == nil {
		return nil
	}
	c := *k
	c.kid = kid
	return &c
}

// WithVerify returns the same key with other arithmetic, such as one with
// prepared tables. verify must accept exactly the signatures that k does, and
// not keep the bytes that it is given, which are used again.
func (k *PublicKey) WithVerify(verify func(message, signature []byte) bool) *PublicKey {
	if k == nil || k.verify == nil {
		return new(PublicKey)
	}
	c := *k
	c.verify = verify
	return &c
}

// FindKey makes a single key serve as a key source. It returns k whatever the
// kid, since a kid only chooses and there is nothing to choose here; for another
// algorithm it returns ErrNotFound.
func (k *PublicKey) FindKey(_ context.Context, alg Algorithm, _ string) (VerifyingKey, error) {
	if k == nil || k.verify == nil || k.alg != alg {
		return nil, ErrNotFound
	}
	return k, nil
}
