package jwk

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"fmt"
	"hash"
	"sync"

	"github.com/writ-auth/writ/internal/base64url"
)

// Secret signs and verifies with HMAC: whoever can verify can also forge, so it
// is for one party, or two that trust each other wholly. It is hidden as a
// PrivateKey is; the zero value refuses everything.
type Secret struct {
	alg  Algorithm
	kid  string
	core func() *secretCore
}

// secretCore holds what must not be seen; see signerCore.
type secretCore struct {
	bytes        []byte
	sign, verify bool // what the key_ops of a JWK allow
	states       sync.Pool
}

// macState is an HMAC that has been keyed, and room for its sum.
type macState struct {
	hmac hash.Hash
	sum  [64]byte
}

// NewSecret returns a key for HS256, HS384 or HS512 from the bytes as they are:
// a secret that is written in base64 or hex must be decoded first if the other
// side does so. It has no key ID until WithKeyID. ErrWeak is the answer to
// secrets that are shorter than the hash (RFC 7518 section 3.2), as texts without
// the white space around them; padded or repeated to that length; known from
// lists and examples, or the base64 or hex of one; and to public keys,
// certificates and key files: PEM, JWK, SSH, DER, also in base64, hex or UTF-16.
// An HMAC under a public key is a forger's oldest trick.
func NewSecret(alg Algorithm, secret []byte) (*Secret, error) {
	t := alg.traits()
	if t.family == unknown {
		return nil, fmt.Errorf("%w: algorithm %.32q", ErrUnsupported, alg)
	}
	if t.family != familyHMAC {
		return nil, fmt.Errorf("%w: %s needs a key pair, not a secret", ErrMismatch, alg)
	}
	if err := checkSecret(secret, t.hash.Size()); err != nil {
		return nil, err
	}
	return newSecret(alg, append([]byte(nil), secret...), true, true), nil
}

func newSecret(alg Algorithm, secret []byte, sign, verify bool) *Secret {
	newHash := alg.traits().hash.New
	core := &secretCore{bytes: secret, sign: sign, verify: verify}
	core.states.New = func() any { return &macState{hmac: hmac.New(newHash, secret)} }
	return &Secret{alg: alg, core: func() *secretCore { return core }}
}

// GenerateSecret makes a random secret as long as the hash, with a random key
// ID: a thumbprint would let anyone test guesses at the secret (RFC 7638
// section 7).
func GenerateSecret(alg Algorithm) (*Secret, error) {
	t := alg.traits()
	if t.family != familyHMAC {
		return nil, fmt.Errorf("%w: %.32q is no HMAC algorithm", ErrMismatch, alg)
	}
	random := make([]byte, t.hash.Size()+16)
	if _, err := rand.Read(random); err != nil {
		return nil, fmt.Errorf("jwk: random bytes: %w", err)
	}
	s := newSecret(alg, random[16:], true, true)
	s.kid = base64url.Encode(random[:16])
	return s, nil
}

// Algorithm is the one algorithm that s signs and verifies.
func (s *Secret) Algorithm() Algorithm {
	if s == nil {
		return ""
	}
	return s.alg
}

// KeyID is the "kid" that tokens name s by; "" if they name none.
func (s *Secret) KeyID() string {
	if s == nil {
		return ""
	}
	return s.kid
}

// WithKeyID returns a copy of s with another key ID.
func (s *Secret) WithKeyID(kid string) *Secret {
	if s == nil {
		return new(Secret)
	}
	return &Secret{alg: s.alg, kid: kid, core: s.core}
}

// Sign returns the MAC of message.
func (s *Secret) Sign(message []byte) ([]byte, error) {
	if s == nil || s.core == nil {
		return nil, errZero
	}
	core := s.core()
	if !core.sign {
		return nil, fmt.Errorf("%w: key_ops of this secret do not allow to sign", ErrMismatch)
	}
	st := core.states.Get().(*macState)
	defer core.states.Put(st)
	return append([]byte(nil), st.mac(message)...), nil
}

// Verify reports whether signature is the MAC of message, in constant time.
func (s *Secret) Verify(message, signature []byte) bool {
	if s == nil || s.core == nil {
		return false
	}
	core := s.core()
	if !core.verify {
		return false
	}
	st := core.states.Get().(*macState)
	ok := hmac.Equal(st.mac(message), signature)
	core.states.Put(st)
	return ok
}

// mac is valid until the next call.
func (st *macState) mac(message []byte) []byte {
	st.hmac.Reset()
	st.hmac.Write(message)
	return st.hmac.Sum(st.sum[:0])
}

func (s *Secret) signing()   {}
func (s *Secret) verifying() {}

// FindKey makes a single secret serve as a key source, as PublicKey.FindKey does.
func (s *Secret) FindKey(_ context.Context, alg Algorithm, _ string) (VerifyingKey, error) {
	if s == nil || s.core == nil || s.alg != alg {
		return nil, ErrNotFound
	}
	return s, nil
}

// ExportBytes returns a copy of the secret itself; nil for the zero Secret.
func (s *Secret) ExportBytes() []byte {
	if s == nil || s.core == nil {
		return nil
	}
	return append([]byte(nil), s.core().bytes...)
}
