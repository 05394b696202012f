package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// material is what a key file holds: exactly one of these is set.
type material struct {
	private *jwk.PrivateKey
	public  *jwk.PublicKey
	secret  *jwk.Secret
	set     *jwk.Set
}

// readKeyFile reads a key, or a set of keys, in whichever form it is: PEM, JWK
// or JWK Set. alg is the algorithm of a key that doesn't say its own; "" takes
// the usual one of its type.
func (p *program) readKeyFile(name string, alg jwk.Algorithm) (material, error) {
	data, err := p.readInput(name)
	if errors.Is(err, fs.ErrNotExist) {
		return material{}, fmt.Errorf("there is no file %s; writ keys generate makes a key", name)
	}
	if err != nil {
		return material{}, err
	}
	m, err := parseMaterial(alg, data)
	if err != nil {
		return material{}, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

// errNotKey is a file that holds no key in any form.
var errNotKey = errors.New("neither PEM nor JWK; is it the right file?")

func parseMaterial(alg jwk.Algorithm, data []byte) (material, error) {
	text := bytes.TrimSpace(data)
	switch {
	case bytes.HasPrefix(text, []byte("{")):
		return parseJSONMaterial(alg, text)
	case bytes.HasPrefix(text, []byte("-----BEGIN ")):
		return parsePEMMaterial(alg, text)
	case bytes.HasPrefix(text, []byte{0x30}):
		return material{}, errors.New("this looks like DER; convert it first: openssl pkey -inform DER -in key.der -out key.pem (add -pubin for a public key)")
	}
	return material{}, errNotKey
}

// parseJSONMaterial looks at the members only to choose the strict parser.
func parseJSONMaterial(alg jwk.Algorithm, text []byte) (m material, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return m, fmt.Errorf("not JSON: %w", err)
	}
	parser := jwk.Parser{}
	if strings.HasPrefix(string(alg), "RS") || strings.HasPrefix(string(alg), "PS") {
		parser.RSA = alg
	}
	switch {
	case members["keys"] != nil:
		m.set, err = parser.Set(text)
		return m, err
	case string(members["kty"]) == `"oct"`:
		m.secret, err = jwk.ParseSecretJWK(text)
	case members["d"] != nil:
		m.private, err = parser.Private(text)
	default:
		m.public, err = parser.Public(text)
	}
	if err == nil && alg != "" && m.algorithm() != alg {
		err = fmt.Errorf("the key is for %s and not for %s; a key has one algorithm", m.algorithm(), alg)
	}
	return m, err
}

func parsePEMMaterial(alg jwk.Algorithm, text []byte) (m material, err error) {
	if bytes.Contains(text, []byte("PRIVATE KEY-----")) {
		m.private, err = anyAlgorithm(alg, text, jwk.ParsePrivatePEM)
		return m, err
	}
	m.public, err = anyAlgorithm(alg, text, jwk.ParsePublicPEM)
	return m, err
}

// anyAlgorithm parses a PEM key for alg, or without one for the usual
// algorithm of whatever key it is: PEM doesn't say.
func anyAlgorithm[K any](alg jwk.Algorithm, text []byte, parse func(jwk.Algorithm, []byte) (K, error)) (K, error) {
	if alg != "" {
		return parse(alg, text)
	}
	var key K
	var err error
	for _, usual := range []jwk.Algorithm{jwk.ES256, jwk.RS256, jwk.EdDSA, jwk.ES384, jwk.ES512} {
		key, err = parse(usual, text)
		if err == nil || !errors.Is(err, jwk.ErrMismatch) {
			return key, err
		}
	}
	return key, err
}

// algorithm is the algorithm of a single key.
func (m material) algorithm() jwk.Algorithm {
	switch {
	case m.private != nil:
		return m.private.Algorithm()
	case m.public != nil:
		return m.public.Algorithm()
	case m.secret != nil:
		return m.secret.Algorithm()
	}
	return ""
}

// signingKey is the key to sign with.
func (m material) signingKey() (jwk.SigningKey, error) {
	switch {
	case m.private != nil:
		return m.private, nil
	case m.secret != nil:
		return m.secret, nil
	}
	return nil, errors.New("a public key can't sign; give the private key")
}

// source is the key to verify with. Of a private key it is the public part.
func (m material) source() jwt.KeySource {
	switch {
	case m.set != nil:
		return m.set
	case m.secret != nil:
		return m.secret
	case m.private != nil:
		return m.private.Public()
	}
	return m.public
}

// publicKey is the public part of a single key pair.
func (m material) publicKey() (*jwk.PublicKey, error) {
	switch {
	case m.private != nil:
		return m.private.Public(), nil
	case m.public != nil:
		return m.public, nil
	case m.secret != nil:
		return nil, errors.New("a shared secret has no public part")
	}
	return nil, errors.New("this is a set of keys; give a file with one key")
}

// readSecretFile reads a shared secret: the file's bytes without one line end
// at their end, decoded if encoding says so.
func (p *program) readSecretFile(name, encoding string, alg jwk.Algorithm) (*jwk.Secret, error) {
	data, err := p.readInput(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no file %s; writ keys generate --alg HS256 makes a secret", name)
	}
	if err != nil {
		return nil, err
	}
	secret, err := decodeSecret(trimLineEnd(string(data)), encoding)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if alg == "" {
		alg = jwk.HS256
	}
	key, err := jwk.NewSecret(alg, secret)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; writ keys generate --alg %s makes a good one", name, err, alg)
	}
	return key, nil
}

// decodeSecret reads base64 in all its spellings: it is a person's file, not a
// token.
func decodeSecret(text, encoding string) ([]byte, error) {
	switch encoding {
	case "hex":
		return hex.DecodeString(text)
	case "base64":
		plain := strings.NewReplacer("-", "+", "_", "/", "=", "").Replace(text)
		return base64.RawStdEncoding.DecodeString(plain)
	}
	return []byte(text), nil
}
