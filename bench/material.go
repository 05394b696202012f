package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

const (
	issuerName   = "https://auth.example.com"
	audienceName = "https://api.example.com"
	keyName      = "2026-03"
)

// algorithms are those that are measured: of each family the one in use.
func algorithms() []jwk.Algorithm {
	return []jwk.Algorithm{jwk.HS256, jwk.RS256, jwk.PS256, jwk.ES256, jwk.EdDSA}
}

// material is what all contestants are given for one algorithm: the same key,
// the same claims, the same token.
type material struct {
	alg     jwk.Algorithm
	secret  []byte        // of HS256
	private crypto.Signer // of all others
	claims  jwt.AccessClaims
	token   string
}

func newMaterial(alg jwk.Algorithm) (*material, error) {
	m := &material{alg: alg, claims: sampleClaims(time.Now())}
	var err error
	switch alg {
	case jwk.HS256:
		m.secret = make([]byte, 32)
		_, err = rand.Read(m.secret)
	case jwk.RS256, jwk.PS256:
		m.private, err = rsa.GenerateKey(rand.Reader, 2048)
	case jwk.ES256:
		m.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jwk.EdDSA:
		_, m.private, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		return nil, err
	}
	m.token, err = m.issue(m.claims, jwt.SignOptions{Type: "at+jwt"})
	return m, err
}

// sampleClaims are what an access token has to say (RFC 9068), with nbf, a scope
// and roles.
func sampleClaims(now time.Time) jwt.AccessClaims {
	now = now.Truncate(time.Second).Add(-time.Minute)
	return jwt.AccessClaims{
		Claims: jwt.Claims{
			Issuer: issuerName, Subject: "usr_2Yc1vW7kQ0pB", Audience: jwt.Audience{audienceName},
			Expiry: jwt.NumericDate(now.Add(time.Hour)), NotBefore: jwt.NumericDate(now), IssuedAt: jwt.NumericDate(now),
			ID: "Xc0yWq6mB1kTz8LrE4nHsQ",
		},
		ClientID: "web", Scope: jwt.Scope{"orders:read", "orders:write"}, Roles: []string{"admin", "support"},
	}
}

// signingKey is the key as this library takes it.
func (m *material) signingKey() (jwk.SigningKey, error) {
	if m.secret != nil {
		s, err := jwk.NewSecret(m.alg, m.secret)
		return s.WithKeyID(keyName), err
	}
	k, err := jwk.NewPrivateKey(m.alg, m.private)
	return k.WithKeyID(keyName), err
}

// public is the public key, as the standard library has it; nil for a secret.
func (m *material) public() crypto.PublicKey {
	if m.private == nil {
		return nil
	}
	return m.private.Public()
}

// signWith is the key to sign with as most libraries take it.
func (m *material) signWith() any {
	if m.secret != nil {
		return m.secret
	}
	return m.private
}

// verifyWith is the key to verify with as most libraries take it.
func (m *material) verifyWith() any {
	if m.secret != nil {
		return m.secret
	}
	return m.public()
}

func (m *material) issue(claims jwt.AccessClaims, opts jwt.SignOptions) (string, error) {
	key, err := m.signingKey()
	if err != nil {
		return "", err
	}
	return jwt.Sign(key, claims, opts)
}

// bad is a token that a contestant has to refuse, else it isn't measured.
type bad struct{ name, token string }

// badTokens are one token for each thing that everybody has to check.
func (m *material) badTokens() ([]bad, error) {
	tokens := []bad{
		{"a signature that was changed", changeAfterDot(m.token, 2)},
		{"claims that were changed", changeAfterDot(m.token, 1)},
	}
	for _, c := range []struct {
		name   string
		change func(*jwt.AccessClaims)
	}{
		{"a token of another issuer", func(c *jwt.AccessClaims) { c.Issuer = "https://other.example" }},
		{"a token for another audience", func(c *jwt.AccessClaims) { c.Audience = jwt.Audience{"https://other.example"} }},
		{"an expired token", func(c *jwt.AccessClaims) { c.Expiry = hence(-time.Hour) }},
		{"a token without exp", func(c *jwt.AccessClaims) { c.Expiry = jwt.NumericDate{} }},
		{"a token before its time", func(c *jwt.AccessClaims) { c.NotBefore = hence(time.Hour / 2) }},
	} {
		claims := m.claims
		c.change(&claims)
		token, err := m.issue(claims, jwt.SignOptions{Type: "at+jwt", AllowNoExpiry: true})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		tokens = append(tokens, bad{c.name, token})
	}
	return tokens, nil
}

func hence(d time.Duration) jwt.NumericDate { return jwt.NumericDate(time.Now().Add(d)) }

// changeAfterDot changes one byte of the second or third part of a token, and
// leaves it well-formed.
func changeAfterDot(token string, part int) string {
	parts := strings.Split(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(parts[part])
	if err != nil {
		panic(err) // the token is our own
	}
	// In the payload, this is a letter of the first claim's name or value.
	raw[min(10, len(raw)-1)] ^= 1
	parts[part] = base64.RawURLEncoding.EncodeToString(raw)
	return strings.Join(parts, ".")
}
