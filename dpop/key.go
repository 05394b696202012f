package dpop

import (
	"crypto/rsa"
	"slices"
	"strings"

	"github.com/writ-auth/writ/internal/strictjson"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// Algorithms lists those that proofs are taken in, the usual one first, for
// discovery documents and challenges. Secrets are not among them: who verifies
// would be able to sign.
func Algorithms() []jwk.Algorithm {
	return []jwk.Algorithm{
		jwk.ES256, jwk.EdDSA, jwk.Ed25519, jwk.ES384, jwk.ES512,
		jwk.PS256, jwk.PS384, jwk.PS512, jwk.RS256, jwk.RS384, jwk.RS512,
	}
}

// maxRSA bounds the work of a signature check that anybody can ask for.
const maxRSA = 4096 // bits

// embeddedKey reads the key that a proof brings. It is good for verifying that
// proof and nothing else, until somebody compares its thumbprint.
func embeddedKey(proof string, extensions []jwk.Extension) (*jwk.PublicKey, error) {
	if len(proof) > maxProof {
		return nil, bad("more than %d bytes", maxProof)
	}
	u, err := jwt.DecodeUnverified(proof)
	if err != nil {
		return nil, bad("%w", err)
	}
	header, err := members(string(u.Header()), "alg", "jwk")
	if err != nil {
		return nil, bad("header: %w", err)
	}
	alg, err := strictjson.NewReader(header["alg"]).ReadString()
	if err != nil || strings.HasPrefix(alg, "HS") {
		return nil, bad("alg is no signature with a key pair")
	}
	own, err := members(header["jwk"], "alg")
	if err != nil {
		return nil, bad("jwk is no key")
	}
	return parseKey(header["jwk"], jwk.Algorithm(alg), own["alg"] == "", extensions)
}

// parseKey reads a key that may leave open what the header says: which of the
// algorithms for its kind it is used with. A private key is refused: it isn't
// private any more.
func parseKey(text string, alg jwk.Algorithm, open bool, extensions []jwk.Extension) (*jwk.PublicKey, error) {
	key, err := jwk.Parser{Extensions: extensions}.Public([]byte(text))
	if err == nil && open && key.Algorithm() != alg && key.CryptoKey() != nil {
		key, err = jwk.NewPublicKey(alg, key.CryptoKey())
	}
	switch {
	case err != nil:
		return nil, bad("jwk: %w", err)
	case key.Algorithm() != alg:
		return nil, bad("alg is not the key's")
	case tooLarge(key):
		return nil, bad("RSA key of more than %d bits", maxRSA)
	}
	return key, nil
}

func tooLarge(key *jwk.PublicKey) bool {
	k, ok := key.CryptoKey().(*rsa.PublicKey)
	return ok && k.N.BitLen() > maxRSA
}

// members returns the named members of an object as JSON; those that it hasn't
// got are "".
func members(text string, names ...string) (map[string]string, error) {
	r, found := strictjson.NewReader(text), make(map[string]string)
	err := r.Members(func(name string) error {
		value, err := r.RawValue()
		if slices.Contains(names, name) {
			found[name] = value
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, r.End()
}
