package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"time"

	"github.com/cristalhq/jwt/v5"
	"github.com/writ-auth/writ/jwk"
)

type cristalhqClaims struct {
	jwt.RegisteredClaims
	otherClaims
}

// enterCristalhq checks the claims itself: the library leaves that to its user,
// with methods for it.
func enterCristalhq(m *material) (*contestant, error) {
	signer, verifier, err := cristalhqKeys(m)
	if err != nil {
		return nil, err
	}
	builder := jwt.NewBuilder(signer, jwt.WithKeyID(keyName))
	r := m.claims.Claims
	claims := &cristalhqClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: r.Issuer, Subject: r.Subject, Audience: jwt.Audience(r.Audience), ID: r.ID,
			ExpiresAt: jwt.NewNumericDate(r.Expiry.Time()), NotBefore: jwt.NewNumericDate(r.NotBefore.Time()),
			IssuedAt: jwt.NewNumericDate(r.IssuedAt.Time()),
		},
		otherClaims: m.otherClaims(),
	}
	c := &contestant{
		verify: func(token string) (facts, error) {
			var c cristalhqClaims
			if err := jwt.ParseClaims([]byte(token), verifier, &c); err != nil {
				return facts{}, err
			}
			if c.ExpiresAt == nil || !c.IsValidAt(time.Now()) || !c.IsIssuer(issuerName) || !c.IsForAudience(audienceName) {
				return facts{}, errors.New("not valid")
			}
			return facts{c.Subject, c.ClientID, c.Roles, c.ExpiresAt.Unix()}, nil
		},
		sign: func() (string, error) {
			token, err := builder.Build(claims)
			if err != nil {
				return "", err
			}
			return token.String(), nil
		},
	}
	if m.alg == jwk.PS256 {
		// Its salt is as long as fits, where RFC 7518 section 3.5 wants that of
		// the hash: nobody who reads it strictly accepts these tokens.
		c.sign = nil
	}
	return c, nil
}

// cristalhqKeys returns what signs and what verifies.
func cristalhqKeys(m *material) (jwt.Signer, jwt.Verifier, error) {
	alg := jwt.Algorithm(m.alg)
	switch m.alg {
	case jwk.HS256:
		s, err := jwt.NewSignerHS(alg, m.secret)
		return s, s, err
	case jwk.RS256:
		s, err := jwt.NewSignerRS(alg, m.private.(*rsa.PrivateKey))
		v, errV := jwt.NewVerifierRS(alg, m.public().(*rsa.PublicKey))
		return s, v, errors.Join(err, errV)
	case jwk.PS256:
		s, err := jwt.NewSignerPS(alg, m.private.(*rsa.PrivateKey))
		v, errV := jwt.NewVerifierPS(alg, m.public().(*rsa.PublicKey))
		return s, v, errors.Join(err, errV)
	case jwk.ES256:
		s, err := jwt.NewSignerES(alg, m.private.(*ecdsa.PrivateKey))
		v, errV := jwt.NewVerifierES(alg, m.public().(*ecdsa.PublicKey))
		return s, v, errors.Join(err, errV)
	case jwk.EdDSA:
		s, err := jwt.NewSignerEdDSA(m.private.(ed25519.PrivateKey))
		v, errV := jwt.NewVerifierEdDSA(m.public().(ed25519.PublicKey))
		return s, v, errors.Join(err, errV)
	}
	return nil, nil, fmt.Errorf("%s is not measured", m.alg)
}
