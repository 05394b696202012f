package fast

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/fips140"
	"crypto/rsa"
	"runtime"

	"github.com/writ-auth/writ/jwk"
)

// Prepare returns a key that verifies exactly what k does, in less time; k
// itself if there is nothing to gain: for algorithms other than RS…, PS…, ES256
// and EdDSA, for keys made by jwk.NewCustomPublicKey, and in FIPS 140-3 mode,
// whose module the arithmetic here is no part of. It takes about a millisecond,
// and the memory that the package's introduction states.
//
// Key ID, thumbprint and JSON stay as they were. Arithmetic that k got by
// WithVerify is replaced.
func Prepare(k *jwk.PublicKey) *jwk.PublicKey {
	prepare, _ := choose(k)
	return with(k, prepare)
}

// with gives k the arithmetic that prepare makes, if it makes one.
func with(k *jwk.PublicKey, prepare func() (verifier, error)) *jwk.PublicKey {
	if prepare == nil {
		return k
	}
	v, err := prepare()
	if err != nil { // not with a key that jwk has checked
		return k
	}
	return k.WithVerify(v.verify)
}

// verifier is the arithmetic of one prepared key.
type verifier interface {
	verify(message, signature []byte) bool
}

// choose returns what prepares k, and the bytes that the result will hold; nil
// if nothing does.
func choose(k *jwk.PublicKey) (prepare func() (verifier, error), size int64) {
	if fips140.Enabled() {
		return nil, 0
	}
	switch key := k.CryptoKey().(type) {
	case *rsa.PublicKey:
		return chooseRSA(k.Algorithm(), key)
	case *ecdsa.PublicKey:
		// s390x has an instruction for ECDSA, which the standard library uses.
		if k.Algorithm() == jwk.ES256 && runtime.GOARCH != "s390x" {
			return func() (verifier, error) { return newES256(key) }, p256TableSize
		}
	case ed25519.PublicKey:
		if alg := k.Algorithm(); alg == jwk.EdDSA || alg == jwk.Ed25519 {
			return func() (verifier, error) { return newEdDSA(key) }, edwardsTableSize
		}
	}
	return nil, 0
}

func chooseRSA(alg jwk.Algorithm, key *rsa.PublicKey) (prepare func() (verifier, error), size int64) {
	var h crypto.Hash
	switch alg {
	case jwk.RS256, jwk.PS256:
		h = crypto.SHA256
	case jwk.RS384, jwk.PS384:
		h = crypto.SHA384
	case jwk.RS512, jwk.PS512:
		h = crypto.SHA512
	default:
		return nil, 0
	}
	prepare = func() (verifier, error) {
		k, err := newRSAKey(key, h)
		if err != nil {
			return nil, err
		}
		if alg[0] == 'P' {
			return pss{k}, nil
		}
		return newPKCS1(k), nil
	}
	return prepare, rsaSize(key)
}
