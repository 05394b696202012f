//go:build !race

// The race detector makes sync.Pool forget at random, so that counts vary.

package jwt_test

import (
	"context"
	"testing"

	"github.com/writ-auth/writ/jwt"
)

// The bounds are part of the contract: a verifier runs once a request.
func TestAllocations(t *testing.T) {
	key := newSecret(t)
	v := newVerifier(t, key)
	raw := forge(t, key, header(key), good)
	forged := raw[:len(raw)-4] + "AAAA"
	tok := must[*jwt.Token[jwt.Claims]](t)(v.Verify(context.Background(), raw))
	signer := must[*jwt.Signer[jwt.AccessClaims]](t)(jwt.NewSigner[jwt.AccessClaims](key, jwt.SignOptions{AllowNoExpiry: true}))
	claims := benchmarkClaims()
	for name, c := range map[string]struct {
		f    func()
		want float64
	}{
		"Verify":         {func() { v.Verify(context.Background(), raw) }, 2},
		"Verify, forged": {func() { v.Verify(context.Background(), forged) }, 1},
		"Claims":         {func() { tok.Claims() }, 0},
		"Sign":           {func() { signer.Sign(claims) }, 2},
		"With":           {func() { v.With("https://issuer.example", key) }, 1},
	} {
		if got := testing.AllocsPerRun(100, c.f); got > c.want {
			t.Errorf("%s: %v allocations, want at most %v", name, got, c.want)
		}
	}
}
