package main

import (
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

type goJoseClaims struct {
	jwt.Claims
	otherClaims
}

// enterGoJose reads the claims once, into a struct that embeds the library's
// own, and validates without leeway as all others do.
func enterGoJose(m *material) (*contestant, error) {
	algs := []jose.SignatureAlgorithm{jose.SignatureAlgorithm(m.alg)}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: algs[0], Key: m.signWith()},
		new(jose.SignerOptions).WithType("JWT").WithHeader("kid", keyName),
	)
	if err != nil {
		return nil, err
	}
	key, expected := m.verifyWith(), jwt.Expected{Issuer: issuerName, AnyAudience: jwt.Audience{audienceName}}
	r := m.claims.Claims
	claims := &goJoseClaims{
		Claims: jwt.Claims{
			Issuer: r.Issuer, Subject: r.Subject, Audience: jwt.Audience(r.Audience), ID: r.ID,
			Expiry: jwt.NewNumericDate(r.Expiry.Time()), NotBefore: jwt.NewNumericDate(r.NotBefore.Time()),
			IssuedAt: jwt.NewNumericDate(r.IssuedAt.Time()),
		},
		otherClaims: m.otherClaims(),
	}
	return &contestant{
		verify: func(token string) (facts, error) {
			parsed, err := jwt.ParseSigned(token, algs)
			if err != nil {
				return facts{}, err
			}
			var c goJoseClaims
			if err := parsed.Claims(key, &c); err != nil {
				return facts{}, err
			}
			if c.Expiry == nil {
				return facts{}, errors.New("no exp")
			}
			if err := c.ValidateWithLeeway(expected.WithTime(time.Now()), 0); err != nil {
				return facts{}, err
			}
			return facts{c.Subject, c.ClientID, c.Roles, c.Expiry.Time().Unix()}, nil
		},
		sign: func() (string, error) { return jwt.Signed(signer).Claims(claims).Serialize() },
	}, nil
}
