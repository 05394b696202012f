package jwk

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/internal/strictjson"
)

// Thumbprint is the base64url of the key's SHA-256 thumbprint (RFC 7638); "" for
// the zero key.
func (k *PublicKey) Thumbprint() string {
	if k == nil || len(k.required) == 0 {
		return ""
	}
	text, err := appendObject(nil, slices.Sorted(maps.Keys(k.required)), k.required)
	if err != nil {
		return "" // ruled out when the key was made
	}
	sum := sha256.Sum256(text)
	return base64url.Encode(sum[:])
}

// MarshalJSON writes the key as a JWK: kty, alg, use and kid first, then the key
// itself. The zero key is an error.
func (k PublicKey) MarshalJSON() ([]byte, error) {
	if k.verify == nil {
		return nil, errZero
	}
	return k.members()
}

func (k *PublicKey) members() ([]byte, error) {
	return appendJWK(k.alg, k.kid, k.required)
}

// appendJWK writes a JWK of members and what is said of every key.
func appendJWK(alg Algorithm, kid string, members Params) ([]byte, error) {
	all := maps.Clone(members)
	all["alg"], all["use"] = string(alg), "sig"
	names := []string{"kty", "alg", "use"}
	if kid != "" {
		all["kid"] = kid
		names = append(names, "kid")
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return appendObject(make([]byte, 0, 512), names, all)
}

// appendObject writes an object of strings in the order of names, without white
// space.
func appendObject(dst []byte, names []string, values Params) ([]byte, error) {
	var err error
	for i, name := range names {
		dst = append(dst, "{,"[min(i, 1)])
		if dst, err = strictjson.AppendString(dst, name); err != nil {
			return nil, fmt.Errorf("%w: name of a member: %w", ErrMalformed, err)
		}
		dst = append(dst, ':')
		if dst, err = strictjson.AppendString(dst, values[name]); err != nil {
			return nil, fmt.Errorf("%w: member %q: %w", ErrMalformed, name, err)
		}
	}
	return append(dst, '}'), nil
}

// ExportPEM writes the key in SubjectPublicKeyInfo form, as
// "openssl pkey -pubin" reads it. Of custom keys only those have such a form that
// their module gave it by WithSPKI.
func (k *PublicKey) ExportPEM() ([]byte, error) {
	if k == nil || k.verify == nil {
		return nil, errZero
	}
	if k.key == nil && k.spki == nil {
		return nil, fmt.Errorf("%w: a custom key has no PEM form here", ErrUnsupported)
	}
	if k.spki != nil {
		return publicPEM(k.spki), nil
	}
	der, err := x509.MarshalPKIXPublicKey(k.key)
	if err != nil {
		return nil, fmt.Errorf("jwk: writing a public key: %w", err)
	}
	return publicPEM(der), nil
}

// ExportPEM writes the private key in PKCS#8 form, not encrypted. It is an error
// for a signer that keeps its key to itself, and for custom keys without
// WithExport.
func (k *PrivateKey) ExportPEM() ([]byte, error) {
	if _, err := k.exportable(); err != nil {
		return nil, err
	}
	if der := k.core().pkcs8; der != nil {
		return privatePEM(der), nil
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.core().signer)
	if err != nil {
		return nil, fmt.Errorf("jwk: writing a private key: %w", err)
	}
	return privatePEM(der), nil
}

// ExportJWK writes the private key as a JWK; the errors are those of ExportPEM.
func (k *PrivateKey) ExportJWK() ([]byte, error) {
	private, err := k.exportable()
	if err != nil {
		return nil, err
	}
	members := maps.Clone(k.pub.required)
	maps.Copy(members, private)
	return appendJWK(k.pub.alg, k.pub.kid, members)
}

// exportable returns the private members of a JWK.
func (k *PrivateKey) exportable() (Params, error) {
	if k == nil || k.core == nil {
		return nil, errZero
	}
	if members := k.core().members; members != nil {
		return members, nil
	}
	switch key := k.core().signer.(type) {
	case *rsa.PrivateKey:
		return rsaMembers(key), nil
	case *ecdsa.PrivateKey:
		d, err := key.Bytes()
		if err != nil {
			return nil, fmt.Errorf("jwk: writing a private key: %w", err)
		}
		return Params{"d": base64url.Encode(d)}, nil
	case ed25519.PrivateKey:
		return Params{"d": base64url.Encode(key.Seed())}, nil
	}
	return nil, fmt.Errorf("%w: this signer does not give its key away", ErrUnsupported)
}

func rsaMembers(key *rsa.PrivateKey) Params {
	return Params{
		"d":  base64url.Encode(key.D.Bytes()),
		"p":  base64url.Encode(key.Primes[0].Bytes()),
		"q":  base64url.Encode(key.Primes[1].Bytes()),
		"dp": base64url.Encode(key.Precomputed.Dp.Bytes()),
		"dq": base64url.Encode(key.Precomputed.Dq.Bytes()),
		"qi": base64url.Encode(key.Precomputed.Qinv.Bytes()),
	}
}

// ExportJWK writes the secret as a JWK of type oct.
func (s *Secret) ExportJWK() ([]byte, error) {
	if s == nil || s.core == nil {
		return nil, errZero
	}
	return appendJWK(s.alg, s.kid, Params{"kty": "oct", "k": base64url.Encode(s.core().bytes)})
}
