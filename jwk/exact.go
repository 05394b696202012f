package jwk

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"slices"
)

// crypto/x509 passes over what follows a private key in its file, and over the
// curve and the public key that are written beside one. Another program may read
// just these, and so another key. This file asks that nothing be left over, and
// that what is said twice be the same.

func errTwoReadings(what string) error {
	return fmt.Errorf("%w: %s", ErrMalformed, what)
}

// elements returns what is in der, if that is one SEQUENCE and nothing else.
func elements(der []byte) ([]asn1.RawValue, bool) {
	var seq asn1.RawValue
	rest, err := asn1.Unmarshal(der, &seq)
	if err != nil || len(rest) != 0 || seq.Class != asn1.ClassUniversal || seq.Tag != asn1.TagSequence {
		return nil, false
	}
	var all []asn1.RawValue
	for rest = seq.Bytes; len(rest) > 0; {
		var e asn1.RawValue
		if rest, err = asn1.Unmarshal(rest, &e); err != nil {
			return nil, false
		}
		all = append(all, e)
	}
	return all, true
}

// exactPKCS8 checks the wrapping of a PKCS#8 key before its kind is known: three
// elements, then attributes and a public key (RFC 5958 section 2), if any.
func exactPKCS8(der []byte) (public []byte, err error) {
	all, ok := elements(der)
	if !ok || len(all) < 3 {
		return nil, errTwoReadings("not one PKCS#8 key and nothing else")
	}
	next := 0
	for _, e := range all[3:] {
		if e.Class != asn1.ClassContextSpecific || e.Tag < next || e.Tag > 1 {
			return nil, errTwoReadings("more in it than a PKCS#8 key")
		}
		if next = e.Tag + 1; e.Tag == 1 {
			public = bitString(e)
		}
	}
	return public, nil
}

// bitString returns the octets of a BIT STRING with a tag of its own instead of
// the usual one, or around it: both are met.
func bitString(e asn1.RawValue) []byte {
	if !e.IsCompound && len(e.Bytes) > 0 && e.Bytes[0] == 0 {
		return e.Bytes[1:]
	}
	var bits asn1.BitString
	if rest, err := asn1.Unmarshal(e.Bytes, &bits); err != nil || len(rest) != 0 || bits.BitLength%8 != 0 {
		return []byte{}
	}
	return bits.Bytes
}

// exactKey checks what PKCS#8 wraps, der, and the public key beside it.
func exactKey(key any, der, public []byte) error {
	if public != nil && !slices.ContainsFunc(publicForms(key), func(p []byte) bool { return bytes.Equal(p, public) }) {
		return errTwoReadings("public and private key are no pair")
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return exactPKCS1(key, der)
	case *ecdsa.PrivateKey:
		return exactSEC1(key, der)
	case ed25519.PrivateKey:
		if len(der) != 2+ed25519.SeedSize {
			return errTwoReadings("more in it than an Ed25519 key")
		}
	}
	return nil
}

func exactPKCS1(key *rsa.PrivateKey, der []byte) error {
	if all, ok := elements(der); !ok || len(key.Primes) == 2 && len(all) != 9 {
		return errTwoReadings("more in it than an RSA key")
	}
	return nil
}

// sec1 is an ECPrivateKey (RFC 5915 section 3).
type sec1 struct {
	Version int
	Key     []byte
	Curve   asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
	Public  asn1.BitString        `asn1:"optional,explicit,tag:1"`
}

func exactSEC1(key *ecdsa.PrivateKey, der []byte) error {
	var k sec1
	all, ok := elements(der)
	if _, err := asn1.Unmarshal(der, &k); err != nil || !ok {
		return errTwoReadings("not one EC key and nothing else")
	}
	want := 2
	if k.Curve != nil {
		want++
		if !k.Curve.Equal(curveOID(&key.PublicKey)) {
			return errTwoReadings("two curves")
		}
	}
	if k.Public.Bytes != nil {
		want++
		own := slices.ContainsFunc(publicForms(key), func(p []byte) bool { return bytes.Equal(p, k.Public.Bytes) })
		if !own || k.Public.BitLength != 8*len(k.Public.Bytes) {
			return errTwoReadings("public and private key are no pair")
		}
	}
	if len(all) != want {
		return errTwoReadings("more in it than an EC key")
	}
	return nil
}

// publicForms are the forms in which the public key may stand beside key. Of a
// point openssl writes three: whole, compressed and hybrid (SEC 1 section 2.3.3).
func publicForms(key any) [][]byte {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return [][]byte{x509.MarshalPKCS1PublicKey(&key.PublicKey)}
	case ed25519.PrivateKey:
		return [][]byte{key[ed25519.SeedSize:]}
	case *ecdsa.PrivateKey:
		point, err := key.PublicKey.Bytes() // 4‖x‖y
		if err != nil {
			return nil
		}
		odd := point[len(point)-1] & 1
		return [][]byte{
			point,
			append([]byte{2 + odd}, point[1:1+len(point)/2]...),
			append([]byte{6 + odd}, point[1:]...),
		}
	}
	return nil
}

func curveOID(key *ecdsa.PublicKey) asn1.ObjectIdentifier {
	switch curveName(key) {
	case "P-256":
		return asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
	case "P-384":
		return asn1.ObjectIdentifier{1, 3, 132, 0, 34}
	case "P-521":
		return asn1.ObjectIdentifier{1, 3, 132, 0, 35}
	}
	return nil
}

// sameCurve checks that a block of EC PARAMETERS names the curve of the key that
// it stands before.
func sameCurve(parameters, key *pem.Block) error {
	var k sec1
	var oid asn1.ObjectIdentifier
	_, err := asn1.Unmarshal(key.Bytes, &k)
	rest, err2 := asn1.Unmarshal(parameters.Bytes, &oid)
	if err != nil || err2 != nil || len(rest) != 0 || !oid.Equal(k.Curve) {
		return errTwoReadings("EC PARAMETERS of another curve than the key's")
	}
	return nil
}
