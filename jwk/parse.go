package jwk

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/internal/strictjson"
)

// The bounds of what is parsed, applied before anything else is done.
const (
	maxKeySize   = 64 << 10 // bytes of one JWK or PEM file
	maxSetSize   = 1 << 20  // bytes of a JWK Set
	maxSetKeys   = 1000
	maxKeyIDSize = 256
)

// Parser reads JWKs and JWK Sets. Its zero value is what ParseSet, ParsePublicJWK
// and ParsePrivateJWK use.
type Parser struct {
	// RSA is the algorithm of RSA keys without "alg", as large issuers publish
	// them: one of RS256…PS512, by default RS256. A key with "alg" keeps its own.
	RSA Algorithm
	// Extensions are asked, in order, about keys that this package does not know.
	Extensions []Extension
}

// Extension adds key types to a Parser. Any function may be nil; each returns
// ErrUnsupported for what is not its own. None is asked about the key types,
// curves and algorithms that this package knows itself, nor may it answer with a
// key for one of those. "use", "key_ops" and "kid" are the Parser's business.
type Extension struct {
	// Public and Private read a JWK from its string members; Private also checks
	// that the public ones belong to the private.
	Public  func(Params) (*PublicKey, error)
	Private func(Params) (*PrivateKey, error)
	// SPKI and PKCS8 read what is in a PEM file, for alg and nothing else.
	SPKI  func(alg Algorithm, der []byte) (*PublicKey, error)
	PKCS8 func(alg Algorithm, der []byte) (*PrivateKey, error)
}

// Params are the string members of a JWK, after the strict reader: no name came
// twice. Members of other types, such as x5c, are left out.
type Params map[string]string

// Bytes decodes a member from strict base64url. Without that member, or if it is
// not canonical, the error is ErrMalformed.
func (p Params) Bytes(name string) ([]byte, error) {
	text, ok := p[name]
	if !ok {
		return nil, fmt.Errorf("%w: no %q", ErrMalformed, name)
	}
	b, err := base64url.Decode(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w", ErrMalformed, name, err)
	}
	return b, nil
}

// ParsePublicJWK reads a public key (RFC 7517). Without "alg" an RSA key gets
// RS256 and an Ed25519 key EdDSA; an elliptic-curve key has only one choice.
// Without "kid" it gets its thumbprint. "use" and "key_ops", if present, must
// allow to verify. A private key or a secret is ErrMismatch: where a public key
// is expected, it has leaked.
func ParsePublicJWK(data []byte) (*PublicKey, error) { return Parser{}.Public(data) }

// ParsePrivateJWK reads a private key, as ParsePublicJWK reads a public one. The
// public and the private members must belong together.
func ParsePrivateJWK(data []byte) (*PrivateKey, error) { return Parser{}.Private(data) }

// ParseSet reads a JWK Set. Keys that are of no use here (of an unknown type, for
// encryption, weak or malformed) are left out, as RFC 7517 section 5 asks, and
// reported by Skipped: one odd key must not take the others with it. Errors are
// what is no strict JSON or no list of objects, a private key or a secret
// anywhere in it, and a name that two keys share. At most 1 MiB and 1000 keys.
func ParseSet(data []byte) (*Set, error) { return Parser{}.Set(data) }

// Public reads a public key; see ParsePublicJWK.
func (p Parser) Public(data []byte) (*PublicKey, error) {
	m, err := p.readKey(data)
	if err != nil {
		return nil, err
	}
	if m.private() {
		return nil, fmt.Errorf("%w: a private key or secret where a public key belongs", ErrMismatch)
	}
	return p.public(m)
}

// Private reads a private key; see ParsePrivateJWK.
func (p Parser) Private(data []byte) (*PrivateKey, error) {
	m, err := p.readKey(data)
	if err != nil {
		return nil, err
	}
	if err := m.allows("sign"); err != nil {
		return nil, err
	}
	k, err := m.privateKey(p.RSA)
	for _, x := range p.Extensions {
		if !isUnsupported(err) || x.Private == nil || m.known() {
			continue
		}
		k, err = x.Private(maps.Clone(m.params))
	}
	if err != nil {
		return nil, err
	}
	if err := m.accept(k != nil, k.Algorithm()); err != nil {
		return nil, err
	}
	if kid, ok := m.params["kid"]; ok {
		k = k.WithKeyID(kid)
	}
	return k, nil
}

// Set reads a JWK Set; see ParseSet.
func (p Parser) Set(data []byte) (*Set, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if len(data) > maxSetSize {
		return nil, fmt.Errorf("%w: set of more than %d bytes", ErrMalformed, maxSetSize)
	}
	all, err := readSet(strictjson.NewReader(string(data)))
	if err != nil {
		return nil, err
	}
	var keys []*PublicKey
	var skipped []error
	for i, m := range all {
		if m.private() {
			return nil, fmt.Errorf("%w: key %d of the set is private or a secret", ErrMismatch, i)
		}
		k, err := p.public(m)
		if err != nil {
			skipped = append(skipped, fmt.Errorf("key %d of the set: %w", i, err))
			continue
		}
		keys = append(keys, k)
	}
	s, err := NewSet(keys...)
	if err != nil {
		return nil, err
	}
	s.skipped = skipped
	return s, nil
}

// ParseSecretJWK reads a secret, a JWK of type oct. Without "alg" it is for
// HS256. "use" and "key_ops", if present, limit what it may do. The secret
// itself must pass NewSecret.
func ParseSecretJWK(data []byte) (*Secret, error) {
	m, err := Parser{}.readKey(data)
	if err != nil {
		return nil, err
	}
	if m.params["kty"] != "oct" {
		return nil, fmt.Errorf("%w: a secret has kty oct", ErrMismatch)
	}
	if err := m.allows("sign", "verify"); err != nil {
		return nil, err
	}
	secret, err := m.params.Bytes("k")
	if err != nil {
		return nil, err
	}
	s, err := NewSecret(m.algorithm(HS256), secret)
	if err != nil {
		return nil, err
	}
	core := s.core()
	core.sign, core.verify = m.allows("sign") == nil, m.allows("verify") == nil
	return s.WithKeyID(m.params["kid"]), nil
}

func (p Parser) check() error {
	if p.RSA != "" && p.RSA.traits().family != familyRSA {
		return fmt.Errorf("%w: Parser.RSA is %.32q, no RSA algorithm", ErrMismatch, p.RSA)
	}
	return nil
}

func (p Parser) public(m *members) (*PublicKey, error) {
	if m.err != nil {
		return nil, m.err
	}
	if err := m.allows("verify"); err != nil {
		return nil, err
	}
	k, err := m.publicKey(p.RSA)
	for _, x := range p.Extensions {
		if !isUnsupported(err) || x.Public == nil || m.known() {
			continue
		}
		k, err = x.Public(maps.Clone(m.params))
	}
	if err != nil {
		return nil, err
	}
	if err := m.accept(k != nil, k.Algorithm()); err != nil {
		return nil, err
	}
	if kid, ok := m.params["kid"]; ok {
		k = k.WithKeyID(kid)
	}
	return k, nil
}

// members are what is read of a JWK before its type is looked at.
type members struct {
	params Params
	ops    []string
	hasOps bool
	hidden bool  // has a member that is never public
	err    error // why this key can't be used, though it was read to its end
}

// spoil keeps the first reason why the key can't be used.
func (m *members) spoil(format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
	}
}

// private reports whether the JWK must not be public, also if its type is
// unknown or the member is no string.
func (m *members) private() bool { return m.hidden || m.params["kty"] == "oct" }

// allows checks that "use" and "key_ops" (RFC 7517 sections 4.2 and 4.3) let the
// key do one of ops at least.
func (m *members) allows(ops ...string) error {
	if use, ok := m.params["use"]; ok && use != "sig" {
		return fmt.Errorf("%w: key is for another use than signatures", ErrMismatch)
	}
	if m.hasOps && !slices.ContainsFunc(ops, func(op string) bool { return slices.Contains(m.ops, op) }) {
		return fmt.Errorf("%w: key_ops do not allow to %s", ErrMismatch, ops[0])
	}
	return nil
}

// accept checks what an extension made of the JWK.
func (m *members) accept(made bool, alg Algorithm) error {
	if !made || alg == "" {
		return fmt.Errorf("%w: the extension returned no key", ErrUnsupported)
	}
	if alg != m.algorithm(alg) || !m.known() && alg.traits().family != unknown {
		return fmt.Errorf("%w: the extension returned a key for another algorithm", ErrMismatch)
	}
	return nil
}

// known reports whether the key is of a type and curve of this package. No
// extension is asked about it then: with an "alg" that is not known here either,
// such as that of another curve, it is of no use to anybody.
func (m *members) known() bool {
	switch m.params["kty"] {
	case "RSA", "oct":
		return true
	case "EC":
		return curve(m.params["crv"]) != nil
	case "OKP":
		return m.params["crv"] == "Ed25519"
	}
	return false
}

func isUnsupported(err error) bool { return errors.Is(err, ErrUnsupported) }

// algorithm is the JWK's own, or else the usual one.
func (m *members) algorithm(usual Algorithm) Algorithm {
	if alg, ok := m.params["alg"]; ok {
		return Algorithm(alg)
	}
	return usual
}

// readKey reads one JWK.
func (p Parser) readKey(data []byte) (*members, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if len(data) > maxKeySize {
		return nil, fmt.Errorf("%w: JWK of more than %d bytes", ErrMalformed, maxKeySize)
	}
	r := strictjson.NewReader(string(data))
	m, err := readMembers(r)
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, malformed(err)
	}
	if m.params["kty"] == "" {
		m.spoil("no kty")
	}
	return m, m.err
}

// malformed makes err, from the strict reader or from here, an ErrMalformed.
func malformed(err error) error {
	if errors.Is(err, ErrMalformed) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}

// readSet reads the keys of a set as what they are, before any is judged.
func readSet(r *strictjson.Reader) ([]*members, error) {
	all, found, err := []*members(nil), false, r.BeginObject()
	for err == nil {
		var name string
		var more bool
		if name, more, err = r.NextKey(); err != nil || !more {
			break
		}
		if name == "keys" {
			found = true
			all, err = readKeys(r)
		} else {
			err = r.Skip()
		}
	}
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, malformed(err)
	}
	if !found {
		return nil, fmt.Errorf("%w: a set needs keys", ErrMalformed)
	}
	return all, nil
}

func readKeys(r *strictjson.Reader) ([]*members, error) {
	if err := r.BeginArray(); err != nil {
		return nil, err
	}
	var all []*members
	for {
		more, err := r.NextElement()
		if err != nil || !more {
			return all, err
		}
		if len(all) == maxSetKeys {
			return nil, fmt.Errorf("%w: set of more than %d keys", ErrMalformed, maxSetKeys)
		}
		m, err := readMembers(r)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
}

func readMembers(r *strictjson.Reader) (*members, error) {
	m := &members{params: Params{}}
	if err := r.BeginObject(); err != nil {
		return nil, err
	}
	for {
		name, more, err := r.NextKey()
		if err != nil {
			return nil, err
		}
		if !more {
			return m, nil
		}
		if err := m.read(r, name); err != nil {
			return nil, err
		}
	}
}

// read reads one member. Its error is that of the text, which ends the reading;
// a member that is wrong in itself spoils this key alone.
func (m *members) read(r *strictjson.Reader, name string) (err error) {
	if isPrivate(name) {
		m.hidden = true
	}
	switch kind := r.Kind(); {
	case name == "key_ops" && kind == strictjson.Array:
		m.hasOps = true
		return m.readOps(r)
	case name != "key_ops" && kind == strictjson.String:
		m.params[name], err = r.ReadString()
		if name == "kid" && len(m.params[name]) > maxKeyIDSize {
			m.spoil("kid of more than %d bytes", maxKeyIDSize)
		}
		return err
	case slices.Contains([]string{"kty", "use", "alg", "kid", "crv", "key_ops"}, name):
		// A member that decides must not be overlooked for being of a wrong type.
		m.spoil("%q is of the wrong type", name)
	case name == "oth":
		m.params["oth"] = "" // present, for privateRSA to see
	}
	return r.Skip()
}

// readOps reads key_ops, in which nothing may come twice (RFC 7517 section 4.3).
func (m *members) readOps(r *strictjson.Reader) error {
	if err := r.BeginArray(); err != nil {
		return err
	}
	for {
		more, err := r.NextElement()
		if err != nil || !more {
			return err
		}
		if err := m.readOp(r); err != nil {
			return err
		}
	}
}

func (m *members) readOp(r *strictjson.Reader) error {
	if r.Kind() != strictjson.String {
		m.spoil("key_ops have one that is no string")
		return r.Skip()
	}
	op, err := r.ReadString()
	if len(m.ops) == 16 || slices.Contains(m.ops, op) {
		m.spoil("key_ops name an operation twice, or more than there are")
	} else {
		m.ops = append(m.ops, op)
	}
	return err
}
