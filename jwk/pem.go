package jwk

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
)

// ParsePrivatePEM reads a private key as openssl writes it: PKCS#8, PKCS#1, or
// SEC 1 with or without a block of EC PARAMETERS before it. RSA-PSS keys are
// read too, for the algorithms that they allow. There must be
// exactly one key and nothing else, also within the ASN.1; a curve or a public
// key that is written beside it must be its own. Encrypted files are ErrUnsupported: decrypt
// them first, with "openssl pkey -in key.pem -out plain.pem".
func ParsePrivatePEM(alg Algorithm, data []byte) (*PrivateKey, error) {
	block, err := onePEM(data)
	if err != nil {
		return nil, err
	}
	var key any
	switch block.Type {
	case "PRIVATE KEY":
		key, err = parsePKCS8(alg, block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = parsePKCS1(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = parseSEC1(block.Bytes)
	case "PUBLIC KEY", "RSA PUBLIC KEY":
		err = fmt.Errorf("%w: a public key where a private key belongs", ErrMismatch)
	default:
		err = unsupportedPEM(block.Type)
	}
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer) // X25519 keys are none
	if !ok {
		return nil, fmt.Errorf("%w: private key of type %T", ErrUnsupported, key)
	}
	return NewPrivateKey(alg, signer)
}

// ParsePublicPEM reads a public key as openssl writes it:
// SubjectPublicKeyInfo ("openssl pkey -pubout") or PKCS#1. A private key is
// ErrMismatch, since it has no business where public keys are configured; of a
// certificate, "openssl x509 -pubkey -noout" tells the key.
func ParsePublicPEM(alg Algorithm, data []byte) (*PublicKey, error) {
	block, err := onePEM(data)
	if err != nil {
		return nil, err
	}
	var key any
	switch block.Type {
	case "PUBLIC KEY":
		key, err = parseSPKI(alg, block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
		err = asn1Error(err, true)
	case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
		err = fmt.Errorf("%w: a private key where a public key belongs", ErrMismatch)
	default:
		err = unsupportedPEM(block.Type)
	}
	if err != nil {
		return nil, err
	}
	return NewPublicKey(alg, key)
}

func parsePKCS8(alg Algorithm, der []byte) (any, error) {
	public, err := exactPKCS8(der)
	if err != nil {
		return nil, err
	}
	key, err := insidePKCS8(alg, der)
	if err != nil {
		return nil, err
	}
	var info pkcs8
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, asn1Error(err, true)
	}
	return key, exactKey(key, info.Key, public)
}

func insidePKCS8(alg Algorithm, der []byte) (any, error) {
	if key, ok, err := privatePSS(alg, der); ok {
		return key, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	return key, asn1Error(err, knownPKCS8(der))
}

func parsePKCS1(der []byte) (any, error) {
	key, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		return nil, asn1Error(err, true)
	}
	return key, exactPKCS1(key, der)
}

func parseSEC1(der []byte) (any, error) {
	key, err := x509.ParseECPrivateKey(der)
	if err != nil {
		return nil, asn1Error(err, knownEC(der))
	}
	return key, exactSEC1(key, der)
}

func parseSPKI(alg Algorithm, der []byte) (any, error) {
	if key, ok, err := publicPSS(alg, der); ok {
		return key, err
	}
	key, err := x509.ParsePKIXPublicKey(der)
	return key, asn1Error(err, knownSPKI(der))
}

// onePEM returns the only block that matters. encoding/pem skips text and
// damaged blocks in silence, so a file that two programs understand differently
// would pass; here every line that begins a block must give one.
func onePEM(data []byte) (*pem.Block, error) {
	if len(data) > maxKeySize {
		return nil, fmt.Errorf("%w: PEM of more than %d bytes", ErrMalformed, maxKeySize)
	}
	begin := []byte("-----BEGIN ")
	rest := bytes.TrimSpace(data)
	if !bytes.HasPrefix(rest, begin) {
		return nil, fmt.Errorf("%w: no PEM", ErrMalformed)
	}
	var blocks []*pem.Block
	for range min(bytes.Count(rest, begin), 3) {
		var block *pem.Block
		if rest = bytes.TrimSpace(rest); !bytes.HasPrefix(rest, begin) {
			return nil, fmt.Errorf("%w: text between PEM blocks", ErrMalformed)
		}
		if block, rest = pem.Decode(rest); block == nil {
			return nil, fmt.Errorf("%w: damaged PEM block", ErrMalformed)
		}
		blocks = append(blocks, block)
	}
	if len(blocks) == 2 && blocks[0].Type == "EC PARAMETERS" && blocks[1].Type == "EC PRIVATE KEY" {
		if err := sameCurve(blocks[0], blocks[1]); err != nil {
			return nil, err
		}
		blocks = blocks[1:]
	}
	if len(blocks) != 1 || len(bytes.TrimSpace(rest)) != 0 {
		return nil, fmt.Errorf("%w: PEM with more than one key", ErrMalformed)
	}
	return blocks[0], checkEncrypted(blocks[0])
}

func checkEncrypted(block *pem.Block) error {
	_, legacy := block.Headers["DEK-Info"]
	if legacy || block.Type == "ENCRYPTED PRIVATE KEY" {
		return fmt.Errorf("%w: encrypted PEM; decrypt it first: openssl pkey -in key.pem -out plain.pem", ErrUnsupported)
	}
	return nil
}

func unsupportedPEM(blockType string) error {
	hint := ""
	switch blockType {
	case "OPENSSH PRIVATE KEY":
		hint = "; convert it first: ssh-keygen -p -N '' -m PKCS8 -f key"
	case "CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE":
		hint = "; take the key out of it: openssl x509 -in cert.pem -pubkey -noout"
	}
	return fmt.Errorf("%w: PEM block %.64q%s", ErrUnsupported, blockType, hint)
}

// asn1Error tells a damaged key from one of a kind that is not known here.
func asn1Error(err error, known bool) error {
	if err == nil {
		return nil
	}
	if !known {
		return fmt.Errorf("%w: key type or curve", ErrUnsupported)
	}
	return fmt.Errorf("%w: not the ASN.1 that its PEM label says", ErrMalformed)
}

// algorithmID is an AlgorithmIdentifier whose parameters, if any, are a curve.
type algorithmID struct {
	OID    asn1.ObjectIdentifier
	Params asn1.RawValue `asn1:"optional"`
}

func knownPKCS8(der []byte) bool {
	var info pkcs8
	_, err := asn1.Unmarshal(der, &info)
	return err != nil || info.Algorithm.known()
}

func knownSPKI(der []byte) bool {
	var info spki
	_, err := asn1.Unmarshal(der, &info)
	return err != nil || info.Algorithm.known()
}

func knownEC(der []byte) bool {
	var info sec1
	_, err := asn1.Unmarshal(der, &info)
	return err != nil || info.Curve == nil || knownCurve(info.Curve)
}

func (a algorithmID) known() bool {
	switch a.OID.String() {
	case "1.2.840.113549.1.1.1", "1.3.101.112": // rsaEncryption, Ed25519
		return true
	case "1.2.840.10045.2.1": // id-ecPublicKey
		var crv asn1.ObjectIdentifier
		_, err := asn1.Unmarshal(a.Params.FullBytes, &crv)
		return err != nil || knownCurve(crv)
	}
	return false
}

func knownCurve(oid asn1.ObjectIdentifier) bool {
	switch oid.String() {
	case "1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35": // P-256, P-384, P-521
		return true
	}
	return false
}
