package jwk

import (
	"encoding/pem"
	"fmt"
	"maps"
)

// This file has what extension modules need beyond the constructors of custom
// keys: to be read from PEM, and to be written out.

// PublicPEM is the function ParsePublicPEM, for the algorithms of the
// extensions too: of those SubjectPublicKeyInfo is read.
func (p Parser) PublicPEM(alg Algorithm, data []byte) (*PublicKey, error) {
	if alg.traits().family != unknown {
		return ParsePublicPEM(alg, data)
	}
	der, err := customPEM(data, "PUBLIC KEY")
	if err != nil {
		return nil, err
	}
	for _, x := range p.Extensions {
		if x.SPKI == nil {
			continue
		}
		if k, err := x.SPKI(alg, der); !isUnsupported(err) {
			return k, acceptPEM(err, k != nil && k.Algorithm() == alg)
		}
	}
	return nil, fmt.Errorf("%w: PEM for algorithm %.32q", ErrUnsupported, alg)
}

// PrivatePEM is the function ParsePrivatePEM, for the algorithms of the
// extensions too: of those PKCS#8 is read.
func (p Parser) PrivatePEM(alg Algorithm, data []byte) (*PrivateKey, error) {
	if alg.traits().family != unknown {
		return ParsePrivatePEM(alg, data)
	}
	der, err := customPEM(data, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	for _, x := range p.Extensions {
		if x.PKCS8 == nil {
			continue
		}
		if k, err := x.PKCS8(alg, der); !isUnsupported(err) {
			return k, acceptPEM(err, k != nil && k.Algorithm() == alg)
		}
	}
	return nil, fmt.Errorf("%w: PEM for algorithm %.32q", ErrUnsupported, alg)
}

// customPEM returns the only block of data, which must be of that type.
func customPEM(data []byte, blockType string) ([]byte, error) {
	block, err := onePEM(data)
	if err != nil {
		return nil, err
	}
	if block.Type == blockType {
		return block.Bytes, nil
	}
	if block.Type == "EC PRIVATE KEY" && blockType == "PRIVATE KEY" {
		return nil, fmt.Errorf("%w: SEC 1; convert it first: openssl pkcs8 -topk8 -nocrypt -in key.pem -out plain.pem", ErrUnsupported)
	}
	switch block.Type {
	case "PRIVATE KEY", "EC PRIVATE KEY", "PUBLIC KEY":
		return nil, fmt.Errorf("%w: a PEM block %q where %q belongs", ErrMismatch, block.Type, blockType)
	}
	return nil, unsupportedPEM(block.Type)
}

// acceptPEM checks what an extension made of a PEM file.
func acceptPEM(err error, fits bool) error {
	if err == nil && !fits {
		return fmt.Errorf("%w: the extension returned no key for the algorithm", ErrMismatch)
	}
	return err
}

// WithSPKI returns a copy of a custom key that ExportPEM writes as the DER of a
// SubjectPublicKeyInfo. Other keys it leaves as they are: they have their own.
func (k *PublicKey) WithSPKI(der []byte) *PublicKey {
	if k == nil || k.verify == nil || k.key != nil {
		return k
	}
	c := *k
	c.spki = append([]byte(nil), der...)
	return &c
}

// WithExport returns a copy of a custom key that ExportJWK writes with the
// private members, and ExportPEM as the DER of a PKCS#8 key. Members must have
// names by which a JWK is known to be private (RFC 7518 section 6, RFC 9964
// section 3), such as "d" and "priv": else a parser of public keys would let the
// private key pass.
func (k *PrivateKey) WithExport(members Params, pkcs8 []byte) (*PrivateKey, error) {
	if k == nil || k.core == nil || k.core().signer != nil {
		return nil, fmt.Errorf("%w: only a custom key is told how to be exported", ErrMismatch)
	}
	if len(members) == 0 || len(pkcs8) == 0 {
		return nil, fmt.Errorf("%w: nothing to export", ErrMalformed)
	}
	for name := range members {
		if !isPrivate(name) {
			return nil, fmt.Errorf("%w: %.32q is no member that is known to be private", ErrMalformed, name)
		}
	}
	core := *k.core()
	core.members, core.pkcs8 = maps.Clone(members), append([]byte(nil), pkcs8...)
	return hideSigner(k.pub, core), nil
}

// isPrivate reports whether a member of that name makes a JWK private.
func isPrivate(name string) bool {
	switch name {
	case "d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv":
		return true
	}
	return false
}

func privatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func publicPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}
