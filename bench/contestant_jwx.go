package main

import (
	"errors"
	"fmt"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"
)

// enterJWX reads the claims through Get, since the library's tokens are maps;
// WithTypedClaim makes roles a list of strings. Options and keys are made once.
func enterJWX(m *material) (*contestant, error) {
	alg, ok := jwa.LookupSignatureAlgorithm(string(m.alg))
	if !ok {
		return nil, errors.New("no such algorithm")
	}
	public, err := jwk.Import(m.verifyWith())
	if err != nil {
		return nil, err
	}
	private, err := jwk.Import(m.signWith())
	if err != nil {
		return nil, err
	}
	if err := private.Set(jwk.KeyIDKey, keyName); err != nil {
		return nil, err
	}
	unsigned, err := jwxToken(m)
	if err != nil {
		return nil, err
	}
	parseOptions := []jwt.ParseOption{
		jwt.WithKey(alg, public), jwt.WithTypedClaim("roles", []string(nil)),
		jwt.WithIssuer(issuerName), jwt.WithAudience(audienceName), jwt.WithRequiredClaim("exp"),
	}
	withKey := jwt.WithKey(alg, private)
	return &contestant{
		verify: func(token string) (facts, error) {
			verified, err := jwt.ParseString(token, parseOptions...)
			if err != nil {
				return facts{}, err
			}
			return jwxFacts(verified)
		},
		sign: func() (string, error) {
			signed, err := jwt.Sign(unsigned, withKey)
			return string(signed), err
		},
	}, nil
}

func jwxFacts(token jwt.Token) (f facts, err error) {
	for _, claim := range []struct {
		name string
		to   any
	}{
		{"client_id", &f.client}, {"roles", &f.roles},
	} {
		if err := token.Get(claim.name, claim.to); err != nil {
			return f, fmt.Errorf("%s: %w", claim.name, err)
		}
	}
	f.subject, _ = token.Subject()
	expiry, _ := token.Expiration()
	f.expiry = expiry.Unix()
	return f, nil
}

func jwxToken(m *material) (jwt.Token, error) {
	r, o := m.claims.Claims, m.otherClaims()
	return jwt.NewBuilder().
		Issuer(r.Issuer).Subject(r.Subject).Audience(r.Audience).JwtID(r.ID).
		Expiration(r.Expiry.Time()).NotBefore(r.NotBefore.Time()).IssuedAt(r.IssuedAt.Time()).
		Claim("client_id", o.ClientID).Claim("scope", o.Scope).Claim("roles", o.Roles).
		Build()
}
