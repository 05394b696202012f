package jwk

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
)

// SigningKey makes signatures of one algorithm: a *PrivateKey or a *Secret, and
// nothing else.
type SigningKey interface {
	Algorithm() Algorithm
	KeyID() string
	// Sign returns the signature of message in the form that JWS gives it.
	Sign(message []byte) ([]byte, error)
	signing()
}

// PrivateKey makes signatures of one algorithm. It is immutable and safe for
// concurrent use if its signer is; the zero value refuses everything.
//
// Every verb of package fmt and every handler of log/slog shows its algorithm
// and key ID only, and marshalling it as JSON is an error: what writes the key
// out is called Export.
type PrivateKey struct {
	pub  *PublicKey
	core func() *signerCore
}

// signerCore holds what must not be seen. A function returns it, since fmt can
// call no method of a key that lies in another struct's unexported field and
// prints what it reaches by reflection, with a wrong verb (%s of a pointer) even
// behind pointers; of a function it prints the address.
type signerCore struct {
	signer crypto.Signer // nil for a custom key
	sign   func(message []byte) ([]byte, error)
	// What a custom key is written out as, if it is.
	members Params
	pkcs8   []byte
}

// Generate makes a new key pair: RSA of 2048 bits, or on the curve of alg. Its
// key ID is the thumbprint. For HMAC see GenerateSecret.
func Generate(alg Algorithm) (*PrivateKey, error) {
	t := alg.traits()
	var signer crypto.Signer
	var err error
	switch t.family {
	case familyRSA:
		signer, err = rsa.GenerateKey(rand.Reader, 2048)
	case familyEC:
		signer, err = ecdsa.GenerateKey(curve(t.crv), rand.Reader)
	case familyEd25519:
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	case familyHMAC:
		return nil, fmt.Errorf("%w: %s has no key pair, use GenerateSecret", ErrMismatch, alg)
	default:
		return nil, fmt.Errorf("%w: algorithm %.32q", ErrUnsupported, alg)
	}
	if err != nil {
		return nil, fmt.Errorf("jwk: generating a key for %s: %w", alg, err)
	}
	return newPrivateKey(alg, signer)
}

// NewPrivateKey returns a key that signs with signer: a private key of the
// standard library, which is checked and copied, or one that stands for a key in
// an HSM or a KMS. Its key ID is the thumbprint of the public key. The errors
// are those of NewPublicKey.
func NewPrivateKey(alg Algorithm, signer crypto.Signer) (*PrivateKey, error) {
	own, err := copySigner(signer)
	if err != nil {
		return nil, err
	}
	return newPrivateKey(alg, own)
}

// newPrivateKey is NewPrivateKey for a signer that nobody else holds, or that is
// no key of the standard library.
func newPrivateKey(alg Algorithm, signer crypto.Signer) (*PrivateKey, error) {
	pub, err := NewPublicKey(alg, signer.Public())
	if err != nil {
		return nil, err
	}
	return hideSigner(pub, signerCore{signer: signer, sign: signWith(alg.traits(), signer, pub.key)}), nil
}

func hideSigner(pub *PublicKey, core signerCore) *PrivateKey {
	return &PrivateKey{pub: pub, core: func() *signerCore { return &core }}
}

// NewCustomPrivateKey returns a key that signs with a function, for extension
// modules. The function must be safe for concurrent use, and not keep the message,
// whose bytes are used again.
func NewCustomPrivateKey(pub *PublicKey, sign func(message []byte) ([]byte, error)) (*PrivateKey, error) {
	if pub == nil || pub.verify == nil || sign == nil {
		return nil, fmt.Errorf("%w: a custom private key needs a public key and a sign function", ErrMalformed)
	}
	return hideSigner(pub, signerCore{sign: sign}), nil
}

// Algorithm is the one algorithm that k signs with.
func (k *PrivateKey) Algorithm() Algorithm {
	if k == nil {
		return ""
	}
	return k.pub.Algorithm()
}

// KeyID is the "kid" that tokens name k by; "" if they name none.
func (k *PrivateKey) KeyID() string {
	if k == nil {
		return ""
	}
	return k.pub.KeyID()
}

// Sign returns the signature of message in JWS form. An error comes from the
// signer: those of the standard library have none to give.
func (k *PrivateKey) Sign(message []byte) ([]byte, error) {
	if k == nil || k.core == nil {
		return nil, errZero
	}
	return k.core().sign(message)
}

func (k *PrivateKey) signing() {}

// Public is the key that verifies what k signs, with the same key ID.
func (k *PrivateKey) Public() *PublicKey {
	if k == nil || k.pub == nil {
		return new(PublicKey)
	}
	return k.pub
}

// WithKeyID returns a copy of k, and so of its public key, with another key ID.
// With "" tokens name none.
func (k *PrivateKey) WithKeyID(kid string) *PrivateKey {
	if k == nil || k.pub == nil {
		return new(PrivateKey)
	}
	return &PrivateKey{pub: k.pub.WithKeyID(kid), core: k.core}
}

// copySigner checks a private key of the standard library and copies it, so that
// its owner can't change it below us. Other signers stay what they are.
func copySigner(signer crypto.Signer) (crypto.Signer, error) {
	switch key := signer.(type) {
	case nil:
		return nil, fmt.Errorf("%w: no signer", ErrMalformed)
	case *rsa.PrivateKey:
		return copyRSA(key)
	case *ecdsa.PrivateKey:
		return copyEC(key)
	case ed25519.PrivateKey:
		return copyEd25519(key)
	case *ed25519.PrivateKey:
		if key == nil {
			return nil, fmt.Errorf("%w: no signer", ErrMalformed)
		}
		return copyEd25519(*key)
	}
	return signer, nil
}

// signWith returns the sign function of a key pair. crypto.SignMessage hands the
// whole message to signers that want to hash it themselves.
func signWith(t traits, signer crypto.Signer, pub crypto.PublicKey) func([]byte) ([]byte, error) {
	sign := signMessage(t, signer)
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		size := coordinateSize(pub.Curve)
		return func(message []byte) ([]byte, error) {
			der, err := sign(message)
			if err != nil {
				return nil, fmt.Errorf("jwk: signing: %w", err)
			}
			return joinDER(der, size)
		}
	case *rsa.PublicKey:
		return checkLength(sign, pub.Size())
	}
	return checkLength(sign, ed25519.SignatureSize)
}

// signMessage returns what signs a message in the signer's own form. It spares
// the keys of the standard library what only foreign ones need. For ECDSA it draws
// no random number, which would give the key away if it came twice: it derives one
// from key and message (RFC 6979), as RFC 8725, section 3.2, asks of JWT libraries.
func signMessage(t traits, signer crypto.Signer) func([]byte) ([]byte, error) {
	switch key := signer.(type) {
	case *ecdsa.PrivateKey:
		return func(message []byte) ([]byte, error) {
			var sum [64]byte
			return key.Sign(nil, digest(t.hash, message, &sum), t.hash) // nil: RFC 6979
		}
	case ed25519.PrivateKey:
		return func(message []byte) ([]byte, error) { return ed25519.Sign(key, message), nil }
	}
	opts := t.signerOpts()
	return func(message []byte) ([]byte, error) {
		return crypto.SignMessage(signer, rand.Reader, message, opts)
	}
}

// checkLength refuses what a remote signer may return instead of a signature in
// JWS form.
func checkLength(sign func([]byte) ([]byte, error), want int) func([]byte) ([]byte, error) {
	return func(message []byte) ([]byte, error) {
		sig, err := sign(message)
		if err != nil {
			return nil, fmt.Errorf("jwk: signing: %w", err)
		}
		if len(sig) != want {
			return nil, fmt.Errorf("jwk: the signer returned %d bytes instead of %d", len(sig), want)
		}
		return sig, nil
	}
}

func (t traits) signerOpts() crypto.SignerOpts {
	if t.pss {
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: t.hash}
	}
	return t.hash // 0, the whole message, for Ed25519
}

func curve(crv string) elliptic.Curve {
	switch crv {
	case "P-256":
		return elliptic.P256()
	case "P-384":
		return elliptic.P384()
	case "P-521":
		return elliptic.P521()
	}
	return nil
}
