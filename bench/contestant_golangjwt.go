package main

import (
	"errors"

	"github.com/golang-jwt/jwt/v5"
)

type golangJWTClaims struct {
	jwt.RegisteredClaims
	otherClaims
}

// enterGolangJWT keeps the parser, which may be used again.
func enterGolangJWT(m *material) (*contestant, error) {
	method := jwt.GetSigningMethod(string(m.alg))
	if method == nil {
		return nil, errors.New("no such method")
	}
	key, own := m.verifyWith(), m.signWith()
	find := func(*jwt.Token) (any, error) { return key, nil }
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{string(m.alg)}),
		jwt.WithIssuer(issuerName), jwt.WithAudience(audienceName), jwt.WithExpirationRequired(),
	)
	r := m.claims.Claims
	claims := &golangJWTClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: r.Issuer, Subject: r.Subject, Audience: jwt.ClaimStrings(r.Audience), ID: r.ID,
			ExpiresAt: jwt.NewNumericDate(r.Expiry.Time()), NotBefore: jwt.NewNumericDate(r.NotBefore.Time()),
			IssuedAt: jwt.NewNumericDate(r.IssuedAt.Time()),
		},
		otherClaims: m.otherClaims(),
	}
	return &contestant{
		verify: func(token string) (facts, error) {
			var c golangJWTClaims
			if _, err := parser.ParseWithClaims(token, &c, find); err != nil {
				return facts{}, err
			}
			return facts{c.Subject, c.ClientID, c.Roles, c.ExpiresAt.Unix()}, nil
		},
		sign: func() (string, error) {
			token := jwt.NewWithClaims(method, claims)
			token.Header["kid"] = keyName
			return token.SignedString(own)
		},
	}, nil
}
