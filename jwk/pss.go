package jwk

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
)

// Keys made by "openssl genpkey -algorithm RSA-PSS" have an object identifier
// of their own and may be limited to one hash (RFC 4055 section 3.1). The
// standard library doesn't read them, so their wrapping is read here; what is
// inside is PKCS#1 as ever.

const oidPSS = "1.2.840.113549.1.1.10"

// pssParams are RSASSA-PSS-params. An absent hash means SHA-1, which no
// algorithm of this package uses.
type pssParams struct {
	Hash    algorithmID `asn1:"optional,explicit,tag:0"`
	MGF     mgfID       `asn1:"optional,explicit,tag:1"`
	Salt    int         `asn1:"optional,explicit,tag:2,default:20"`
	Trailer int         `asn1:"optional,explicit,tag:3,default:1"`
}

type mgfID struct {
	OID  asn1.ObjectIdentifier
	Hash algorithmID
}

// pkcs8 is a PrivateKeyInfo (RFC 5208 section 5).
type pkcs8 struct {
	Version    int
	Algorithm  algorithmID
	Key        []byte
	Attributes asn1.RawValue `asn1:"optional"`
}

// spki is a SubjectPublicKeyInfo (RFC 5280 section 4.1).
type spki struct {
	Algorithm algorithmID
	Key       asn1.BitString
}

// publicPSS reads an RSA-PSS key; ok is false if der is none.
func publicPSS(alg Algorithm, der []byte) (key *rsa.PublicKey, ok bool, err error) {
	var info spki
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) != 0 || info.Algorithm.OID.String() != oidPSS {
		return nil, false, nil
	}
	if err := info.Algorithm.allowPSS(alg); err != nil {
		return nil, true, err
	}
	key, err = x509.ParsePKCS1PublicKey(info.Key.RightAlign())
	return key, true, asn1Error(err, true)
}

// privatePSS is publicPSS for private keys.
func privatePSS(alg Algorithm, der []byte) (key *rsa.PrivateKey, ok bool, err error) {
	var info pkcs8
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) != 0 || info.Algorithm.OID.String() != oidPSS {
		return nil, false, nil
	}
	if err := info.Algorithm.allowPSS(alg); err != nil {
		return nil, true, err
	}
	key, err = x509.ParsePKCS1PrivateKey(info.Key)
	return key, true, asn1Error(err, true)
}

// allowPSS checks that the key's own limits, if it has any, allow alg.
func (a algorithmID) allowPSS(alg Algorithm) error {
	t := alg.traits()
	if !t.pss {
		return fmt.Errorf("%w: an RSA-PSS key is for PS256, PS384 or PS512", ErrMismatch)
	}
	if len(a.Params.FullBytes) == 0 {
		return nil
	}
	var p pssParams
	if rest, err := asn1.Unmarshal(a.Params.FullBytes, &p); err != nil || len(rest) != 0 {
		return fmt.Errorf("%w: RSA-PSS parameters", ErrMalformed)
	}
	hash := hashOID(t.hash)
	const mgf1 = "1.2.840.113549.1.1.8"
	if p.Hash.OID.String() != hash || p.MGF.OID.String() != mgf1 || p.MGF.Hash.OID.String() != hash ||
		p.Salt > t.hash.Size() || p.Trailer != 1 {
		return fmt.Errorf("%w: this RSA-PSS key is limited to other parameters than %s has", ErrMismatch, alg)
	}
	return nil
}

func hashOID(h crypto.Hash) string {
	switch h {
	case crypto.SHA256:
		return "2.16.840.1.101.3.4.2.1"
	case crypto.SHA384:
		return "2.16.840.1.101.3.4.2.2"
	case crypto.SHA512:
		return "2.16.840.1.101.3.4.2.3"
	}
	return ""
}
