package jwt_test

import (
	"context"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

func benchmarkClaims() jwt.AccessClaims {
	return jwt.AccessClaims{
		Claims:   jwt.Claims{Issuer: "https://auth.example", Subject: "usr_2Yc1vW7kQ0pB", Audience: jwt.Audience{"https://api.example"}},
		ClientID: "writ", SessionID: "NQwQFJm0vLk5VbC1qCw4hg", Scope: jwt.Scope{"orders:read", "orders:write"}, Roles: []string{"admin", "support"},
	}
}

// keyPair returns a key of each algorithm worth measuring.
func keyPair(b *testing.B, alg jwk.Algorithm) (jwk.SigningKey, jwt.KeySource) {
	b.Helper()
	if alg == jwk.HS256 {
		secret := newSecret(b)
		return secret, secret
	}
	key := newKey(b, alg)
	return key, key.Public()
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range []jwk.Algorithm{jwk.HS256, jwk.ES256, jwk.EdDSA, jwk.RS256} {
		b.Run(string(alg), func(b *testing.B) {
			key, keys := keyPair(b, alg)
			raw := must[string](b)(jwt.Sign(key, benchmarkClaims(), jwt.SignOptions{Lifetime: time.Hour, NewID: true, Type: "at+jwt"}))
			v := must[*jwt.Verifier[jwt.AccessClaims]](b)(
				jwt.NewVerifier[jwt.AccessClaims](keys, jwt.AccessToken("https://auth.example", "https://api.example")))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(context.Background(), raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSign(b *testing.B) {
	for _, alg := range []jwk.Algorithm{jwk.HS256, jwk.ES256, jwk.EdDSA, jwk.RS256} {
		b.Run(string(alg), func(b *testing.B) {
			key, _ := keyPair(b, alg)
			s := must[*jwt.Signer[jwt.AccessClaims]](b)(
				jwt.NewSigner[jwt.AccessClaims](key, jwt.SignOptions{Lifetime: time.Hour, NewID: true, Type: "at+jwt"}))
			claims := benchmarkClaims()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Sign(claims); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkClaims(b *testing.B) {
	key := newSecret(b)
	v := must[*jwt.Verifier[jwt.AccessClaims]](b)(jwt.NewVerifier[jwt.AccessClaims](key, expect()))
	tok := must[*jwt.Token[jwt.AccessClaims]](b)(v.Verify(context.Background(), forge(b, key, header(key), good)))
	b.ReportAllocs()
	for b.Loop() {
		if tok.Claims().Subject == "" {
			b.Fatal("no subject")
		}
	}
}
