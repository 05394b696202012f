package main

import (
	"context"
	"errors"

	"github.com/writ-auth/writ/fast"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

func background() context.Context { return context.Background() }

// enterWrit is this library with the standard library's arithmetic.
func enterWrit(m *material) (*contestant, error) {
	v, err := newVerifier(m, "at+jwt", nil)
	if err != nil {
		return nil, err
	}
	key, err := m.signingKey()
	if err != nil {
		return nil, err
	}
	s, err := jwt.NewSigner[jwt.AccessClaims](key, jwt.SignOptions{})
	if err != nil {
		return nil, err
	}
	return &contestant{
		verify: verifyWith(v),
		sign:   func() (string, error) { return s.Sign(m.claims) },
	}, nil
}

// enterFast is this library with a prepared key, where there is something to
// prepare. It signs no differently.
func enterFast(m *material) (*contestant, error) {
	if m.secret != nil {
		return nil, nil
	}
	v, err := newVerifier(m, "at+jwt", fast.Prepare)
	if errors.Is(err, errUnprepared) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &contestant{verify: verifyWith(v)}, nil
}

var errUnprepared = errors.New("the key can't be prepared")

func newVerifier(m *material, typ string, prepare func(*jwk.PublicKey) *jwk.PublicKey) (*jwt.Verifier[jwt.AccessClaims], error) {
	keys, err := m.keySource(prepare)
	if err != nil {
		return nil, err
	}
	expect := jwt.AccessToken(issuerName, audienceName)
	expect.Type = typ
	return jwt.NewVerifier[jwt.AccessClaims](keys, expect)
}

func (m *material) keySource(prepare func(*jwk.PublicKey) *jwk.PublicKey) (jwt.KeySource, error) {
	if m.secret != nil {
		return jwk.NewSecret(m.alg, m.secret)
	}
	key, err := jwk.NewPublicKey(m.alg, m.public())
	if err != nil || prepare == nil {
		return key, err
	}
	prepared := prepare(key)
	if prepared == key {
		return nil, errUnprepared
	}
	return prepared, nil
}

func verifyWith(v *jwt.Verifier[jwt.AccessClaims]) func(string) (facts, error) {
	return func(token string) (facts, error) {
		verified, err := v.Verify(background(), token)
		if err != nil {
			return facts{}, err
		}
		c := verified.Claims()
		return facts{c.Subject, c.ClientID, c.Roles, c.Expiry.Time().Unix()}, nil
	}
}
