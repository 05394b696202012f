package jwk

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"
	"math"
	"math/big"
	"strings"
)

// This file turns the members of a JWK into keys (RFC 7518 section 6, RFC 8037
// section 2).

// publicKey makes the public key; ErrUnsupported is left for extensions.
func (m *members) publicKey(rsaAlg Algorithm) (*PublicKey, error) {
	alg, key, err := m.publicPart(rsaAlg)
	if err != nil {
		return nil, err
	}
	return NewPublicKey(alg, key)
}

// privateKey makes the private key, whose public members must be its own.
func (m *members) privateKey(rsaAlg Algorithm) (*PrivateKey, error) {
	alg, pub, err := m.publicPart(rsaAlg)
	if err != nil {
		return nil, err
	}
	signer, err := m.privatePart(pub)
	if err != nil {
		return nil, err
	}
	return newPrivateKey(alg, signer)
}

// publicPart reads the algorithm and the public members.
func (m *members) publicPart(rsaAlg Algorithm) (Algorithm, crypto.PublicKey, error) {
	alg, err := m.chooseAlgorithm(rsaAlg)
	if err != nil {
		return "", nil, err
	}
	t := alg.traits()
	var key crypto.PublicKey
	switch t.family {
	case familyRSA:
		key, err = publicRSA(m.params)
	case familyEC:
		key, err = publicEC(m.params, t.crv)
	case familyEd25519:
		key, err = publicEd25519(m.params)
	}
	return alg, key, err
}

// chooseAlgorithm decides by kty and crv what the key may be used for. "alg" can
// only confirm that, or choose among what an RSA or Ed25519 key leaves open.
func (m *members) chooseAlgorithm(rsaAlg Algorithm) (Algorithm, error) {
	var usual Algorithm
	kty, crv := m.params["kty"], m.params["crv"]
	switch kty + " " + crv {
	case "EC P-256":
		usual = ES256
	case "EC P-384":
		usual = ES384
	case "EC P-521":
		usual = ES512
	case "OKP Ed25519":
		usual = EdDSA
	case "RSA " + crv: // crv means nothing to RSA
		usual = RS256
		if rsaAlg != "" {
			usual = rsaAlg
		}
	default:
		return "", fmt.Errorf("%w: kty %.32q, crv %.32q", ErrUnsupported, kty, crv)
	}
	alg := m.algorithm(usual)
	got, want := alg.traits(), usual.traits()
	if got.family == unknown {
		return "", fmt.Errorf("%w: algorithm %.32q", ErrUnsupported, alg)
	}
	if got.family != want.family || got.crv != want.crv {
		return "", fmt.Errorf("%w: alg %s with kty %s, crv %.32q", ErrMismatch, alg, kty, crv)
	}
	return alg, nil
}

// privatePart reads the private members of a key whose public part is pub.
func (m *members) privatePart(pub crypto.PublicKey) (crypto.Signer, error) {
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		return privateRSA(m.params, pub)
	case *ecdsa.PublicKey:
		return privateEC(m.params, pub)
	case ed25519.PublicKey:
		return privateEd25519(m.params, pub)
	}
	return nil, fmt.Errorf("%w: %T", ErrUnsupported, pub)
}

// publicRSA reads n and e, each without leading zeros, so that a key has one
// form and one thumbprint.
func publicRSA(p Params) (*rsa.PublicKey, error) {
	n, err := p.positive("n")
	if err != nil {
		return nil, err
	}
	e, err := p.positive("e")
	if err != nil {
		return nil, err
	}
	if !e.IsInt64() || e.Int64() > math.MaxInt32 {
		return nil, fmt.Errorf("%w: RSA exponent of more than 31 bits", ErrUnsupported)
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

// positive reads a Base64urlUInt (RFC 7518 section 2) that is not zero.
func (p Params) positive(name string) (*big.Int, error) {
	b, err := p.Bytes(name)
	if err != nil {
		return nil, err
	}
	if len(b) == 0 || b[0] == 0 {
		return nil, fmt.Errorf("%w: %q is zero or has leading zeros", ErrMalformed, name)
	}
	return new(big.Int).SetBytes(b), nil
}

// privateRSA reads the private members. All of them are needed: keys without
// their primes are slow and can't be exported. The standard library computes dp,
// dq and qi itself; they must agree, or the file is damaged or tampered with.
func privateRSA(p Params, pub *rsa.PublicKey) (*rsa.PrivateKey, error) {
	if _, ok := p["oth"]; ok {
		return nil, fmt.Errorf("%w: RSA key of more than two primes", ErrUnsupported)
	}
	var v [6]*big.Int
	for i, name := range [...]string{"d", "p", "q", "dp", "dq", "qi"} {
		b, err := p.Bytes(name)
		if err != nil {
			return nil, err
		}
		if len(b) > maxRSABits/8 {
			return nil, fmt.Errorf("%w: %q is too long", ErrMalformed, name)
		}
		v[i] = new(big.Int).SetBytes(b)
	}
	key := &rsa.PrivateKey{PublicKey: *pub, D: v[0], Primes: []*big.Int{v[1], v[2]}}
	own, err := copyRSA(key)
	if err != nil {
		return nil, err
	}
	if own.Precomputed.Dp.Cmp(v[3]) != 0 || own.Precomputed.Dq.Cmp(v[4]) != 0 || own.Precomputed.Qinv.Cmp(v[5]) != 0 {
		return nil, fmt.Errorf("%w: RSA private values are inconsistent", ErrMalformed)
	}
	return own, nil
}

// publicEC reads x and y, each as long as the field (RFC 7518 section 6.2.1.2).
func publicEC(p Params, crv string) (*ecdsa.PublicKey, error) {
	c := curve(crv)
	point := []byte{4}
	for _, name := range [...]string{"x", "y"} {
		b, err := p.Bytes(name)
		if err != nil {
			return nil, err
		}
		if len(b) != coordinateSize(c) {
			return nil, fmt.Errorf("%w: %q has not the length that %s asks", ErrMalformed, name, crv)
		}
		point = append(point, b...)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(c, point)
	if err != nil {
		return nil, fmt.Errorf("%w: no point of curve %s", ErrMalformed, crv)
	}
	return key, nil
}

func privateEC(p Params, pub *ecdsa.PublicKey) (*ecdsa.PrivateKey, error) {
	d, err := p.Bytes("d")
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.ParseRawPrivateKey(pub.Curve, d) // checks length and range
	if err != nil {
		return nil, fmt.Errorf("%w: private scalar", ErrMalformed)
	}
	if !key.PublicKey.Equal(pub) {
		return nil, fmt.Errorf("%w: public and private key are no pair", ErrMalformed)
	}
	return key, nil
}

func publicEd25519(p Params) (ed25519.PublicKey, error) {
	x, err := p.Bytes("x")
	if err != nil {
		return nil, err
	}
	if _, ok := p["y"]; ok {
		return nil, fmt.Errorf("%w: an Ed25519 key has no y", ErrMalformed)
	}
	return x, nil
}

func privateEd25519(p Params, pub ed25519.PublicKey) (ed25519.PrivateKey, error) {
	d, err := p.Bytes("d")
	if err != nil {
		return nil, err
	}
	if len(d) != ed25519.SeedSize {
		return nil, fmt.Errorf("%w: Ed25519 private key of %d bytes", ErrMalformed, len(d))
	}
	key := ed25519.NewKeyFromSeed(d)
	if !pub.Equal(key.Public()) {
		return nil, fmt.Errorf("%w: public and private key are no pair", ErrMalformed)
	}
	return key, nil
}

// checkCustomName refuses names that an extension must not give a meaning to.
func checkCustomName(alg Algorithm) error {
	if alg == "" || strings.EqualFold(strings.TrimSpace(string(alg)), "none") {
		return fmt.Errorf("%w: algorithm %.32q", ErrUnsupported, alg)
	}
	if alg.traits().family != unknown {
		return fmt.Errorf("%w: %s is no custom algorithm, use WithVerify", ErrMismatch, alg)
	}
	return nil
}
