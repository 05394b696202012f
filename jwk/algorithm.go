package jwk

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256" // crypto.SHA256.New for signers that want a digest
	_ "crypto/sha512"
)

// Algorithm is the JOSE name of a signature algorithm: the value of "alg" in
// the header of a token and in a JWK. Names are compared byte for byte.
//
// "none" has no constant, and no function of this package takes it.
type Algorithm string

// The algorithms of RFC 7518 section 3.1, RFC 8037 section 3.1 and RFC 9864
// section 2.2. ES256 is the usual choice for new systems; EdDSA and Ed25519 are
// two names of one algorithm, of which the first is the better known and the
// second says all.
const (
	HS256   Algorithm = "HS256"
	HS384   Algorithm = "HS384"
	HS512   Algorithm = "HS512"
	RS256   Algorithm = "RS256"
	RS384   Algorithm = "RS384"
	RS512   Algorithm = "RS512"
	PS256   Algorithm = "PS256"
	PS384   Algorithm = "PS384"
	PS512   Algorithm = "PS512"
	ES256   Algorithm = "ES256"
	ES384   Algorithm = "ES384"
	ES512   Algorithm = "ES512"
	EdDSA   Algorithm = "EdDSA"
	Ed25519 Algorithm = "Ed25519"
)

// family is what an algorithm needs of its key.
type family int

const (
	unknown family = iota
	familyHMAC
	familyRSA
	familyEC
	familyEd25519
)

// traits are the parameters of an algorithm.
type traits struct {
	family family
	hash   crypto.Hash
	pss    bool
	crv    string // the one curve, as a JWK names it
}

// traits returns those of a, the zero value for a name that is not known here.
func (a Algorithm) traits() traits {
	switch a {
	case HS256:
		return traits{family: familyHMAC, hash: crypto.SHA256}
	case HS384:
		return traits{family: familyHMAC, hash: crypto.SHA384}
	case HS512:
		return traits{family: familyHMAC, hash: crypto.SHA512}
	case RS256:
		return traits{family: familyRSA, hash: crypto.SHA256}
	case RS384:
		return traits{family: familyRSA, hash: crypto.SHA384}
	case RS512:
		return traits{family: familyRSA, hash: crypto.SHA512}
	case PS256:
		return traits{family: familyRSA, hash: crypto.SHA256, pss: true}
	case PS384:
		return traits{family: familyRSA, hash: crypto.SHA384, pss: true}
	case PS512:
		return traits{family: familyRSA, hash: crypto.SHA512, pss: true}
	case ES256:
		return traits{family: familyEC, hash: crypto.SHA256, crv: "P-256"}
	case ES384:
		return traits{family: familyEC, hash: crypto.SHA384, crv: "P-384"}
	case ES512:
		return traits{family: familyEC, hash: crypto.SHA512, crv: "P-521"}
	case EdDSA, Ed25519:
		return traits{family: familyEd25519, crv: "Ed25519"}
	}
	return traits{}
}

// AlgorithmsFor lists the algorithms that a public key of the standard library
// may be used with, the usual one first; none for keys of no known type. It is
// for programs that ask a person or read a file without an algorithm: never
// choose by what a token says.
func AlgorithmsFor(key crypto.PublicKey) []Algorithm {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return []Algorithm{RS256, PS256, RS384, PS384, RS512, PS512}
	case *ecdsa.PublicKey:
		return algorithmsForCurve(key)
	case ed25519.PublicKey:
		return []Algorithm{EdDSA, Ed25519}
	}
	return nil
}

func algorithmsForCurve(key *ecdsa.PublicKey) []Algorithm {
	switch curveName(key) {
	case "P-256":
		return []Algorithm{ES256}
	case "P-384":
		return []Algorithm{ES384}
	case "P-521":
		return []Algorithm{ES512}
	}
	return nil
}
