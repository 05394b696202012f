package jwk

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"fmt"
	"math"
	"math/big"

	"github.com/writ-auth/writ/internal/base64url"
)

// The bounds of RSA keys. Below, RFC 7518 section 3.3 forbids them; above, a
// single verification takes an attacker's choice of milliseconds.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// setRSA makes k verify under key.
func (k *PublicKey) setRSA(t traits, key *rsa.PublicKey) error {
	if t.family != familyRSA {
		return fmt.Errorf("%w: %s with an RSA key", ErrMismatch, k.alg)
	}
	if key == nil || key.N == nil {
		return fmt.Errorf("%w: no key", ErrMalformed)
	}
	if err := checkRSA(key); err != nil {
		return err
	}
	own := cloneRSA(key)
	e := big.NewInt(int64(own.E)).Bytes()
	k.key = own
	k.required = Params{"kty": "RSA", "n": base64url.Encode(own.N.Bytes()), "e": base64url.Encode(e)}
	k.verify = verifyRSA(t, own)
	return nil
}

// checkRSA refuses what can't be a sound key: sizes out of bounds, an exponent
// of 1 (every message is its own signature) or an even one, an even modulus, and
// the moduli of Infineon's broken generator.
func checkRSA(key *rsa.PublicKey) error {
	bits := key.N.BitLen()
	switch {
	case key.N.Sign() <= 0 || key.N.Bit(0) == 0:
		return fmt.Errorf("%w: RSA modulus is even", ErrMalformed)
	case bits < minRSABits:
		return fmt.Errorf("%w: RSA modulus of %d bits, %d are the least", ErrWeak, bits, minRSABits)
	case bits > maxRSABits:
		return fmt.Errorf("%w: RSA modulus of %d bits, %d are the most", ErrUnsupported, bits, maxRSABits)
	case key.E < 3 || key.E&1 == 0:
		return fmt.Errorf("%w: RSA exponent is 1 or even", ErrWeak)
	case key.E > math.MaxInt32:
		return fmt.Errorf("%w: RSA exponent of more than 31 bits", ErrUnsupported)
	case hasROCA(key.N):
		return fmt.Errorf("%w: RSA modulus made by the generator of CVE-2017-15361 (ROCA)", ErrWeak)
	}
	return nil
}

// hasROCA reports whether n has the structure of CVE-2017-15361. Its primes are
// k·M + 65537^a mod M with M a product of small primes, so n is a power of 65537
// modulo each of these; a sound modulus is so by chance once in 2^27.
func hasROCA(n *big.Int) bool {
	var m big.Int
	for _, p := range [...]int64{
		3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83,
		89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
	} {
		if !isPower(m.Mod(n, big.NewInt(p)).Int64(), 65537%p, p) {
			return false
		}
	}
	return true
}

// isPower reports whether v is a power of g modulo p.
func isPower(v, g, p int64) bool {
	x := g
	for v != x {
		if x == 1 {
			return false
		}
		x = x * g % p
	}
	return true
}

func verifyRSA(t traits, key *rsa.PublicKey) func(message, signature []byte) bool {
	if t.pss {
		opts := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
		return func(message, signature []byte) bool {
			var sum [64]byte
			return rsa.VerifyPSS(key, t.hash, digest(t.hash, message, &sum), signature, opts) == nil
		}
	}
	return func(message, signature []byte) bool {
		var sum [64]byte
		return rsa.VerifyPKCS1v15(key, t.hash, digest(t.hash, message, &sum), signature) == nil
	}
}

// digest hashes message into sum.
func digest(h crypto.Hash, message []byte, sum *[64]byte) []byte {
	switch h {
	case crypto.SHA256:
		s := sha256.Sum256(message)
		return sum[:copy(sum[:], s[:])]
	case crypto.SHA384:
		s := sha512.Sum384(message)
		return sum[:copy(sum[:], s[:])]
	default:
		*sum = sha512.Sum512(message)
		return sum[:]
	}
}

func cloneRSA(key *rsa.PublicKey) *rsa.PublicKey {
	return &rsa.PublicKey{N: new(big.Int).Set(key.N), E: key.E}
}

// copyRSA validates a private key and copies it by writing and reading it.
func copyRSA(key *rsa.PrivateKey) (*rsa.PrivateKey, error) {
	if key == nil || key.N == nil || key.D == nil {
		return nil, fmt.Errorf("%w: no key", ErrMalformed)
	}
	// Before Validate, whose answer to small keys and even moduli is less clear.
	if err := checkRSA(&key.PublicKey); err != nil {
		return nil, err
	}
	if len(key.Primes) != 2 {
		return nil, fmt.Errorf("%w: RSA private key without exactly two primes", ErrUnsupported)
	}
	if err := key.Validate(); err != nil {
		return nil, fmt.Errorf("%w: RSA private values are inconsistent", ErrMalformed)
	}
	own, err := x509.ParsePKCS1PrivateKey(x509.MarshalPKCS1PrivateKey(key))
	if err != nil {
		return nil, fmt.Errorf("%w: RSA private values are inconsistent", ErrMalformed)
	}
	return own, nil
}
