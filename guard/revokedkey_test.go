package guard_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// tokenOf signs an access token as world.token does, with a key of any kind.
func tokenOf(t *testing.T, key jwk.SigningKey) string {
	t.Helper()
	token, err := jwt.Sign(key, jwt.AccessClaims{
		Claims: jwt.Claims{Subject: "u1", Audience: jwt.Audience{audience}}, ClientID: "web",
	}, jwt.SignOptions{Issuer: issuerURL, Lifetime: time.Hour, Type: "at+jwt", NewID: true})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// A revoked key ends its tokens under each of its names: the one in the token's
// header, by which the issuer knows it, and the one that the API gave it. A bare
// key verifies whatever the header says, so a thief can write there what he likes.
func TestRevokedKey(t *testing.T) {
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := jwk.GenerateSecret(jwk.HS256)
	if err != nil {
		t.Fatal(err)
	}
	unnamed, err := jwk.NewSecret(jwk.HS256, secret.ExportBytes())
	if err != nil {
		t.Fatal(err)
	}
	ring, err := jwk.NewRing(secret.WithKeyID("own"))
	if err != nil {
		t.Fatal(err)
	}
	set, err := jwk.NewSet(key.Public().WithKeyID("own"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		keys    jwt.KeySource // nil: fetched
		signing jwk.SigningKey
		revoked string
		want    int
	}{
		{"key, by the header", key.Public().WithKeyID("own"), key.WithKeyID("header"), "header", 401},
		{"key, by its own name", key.Public().WithKeyID("own"), key.WithKeyID("header"), "own", 401},
		{"key without a name, by the header", key.Public().WithKeyID(""), key.WithKeyID("header"), "header", 401},
		{"key, no kid in the header", key.Public().WithKeyID("own"), key.WithKeyID(""), "own", 401},
		{"secret, by the header", unnamed.WithKeyID("own"), secret.WithKeyID("header"), "header", 401},
		{"secret, by its own name", unnamed.WithKeyID("own"), secret.WithKeyID("header"), "own", 401},
		{"secret without a name, by the header", unnamed, secret.WithKeyID("header"), "header", 401},
		{"ring", ring, secret.WithKeyID("own"), "own", 401},
		{"ring, no kid in the header", ring, secret.WithKeyID(""), "own", 401},
		{"set", set, key.WithKeyID("own"), "own", 401},
		{"set, no kid in the header", set, key.WithKeyID(""), "own", 401},
		{"fetched", nil, key.WithKeyID("own"), "own", 401},
		{"fetched, no kid in the header", nil, key.WithKeyID(""), "own", 401},
		{"another key", key.Public().WithKeyID("own"), key.WithKeyID("header"), "another", 200},
		{"another key, nameless secret", unnamed, secret.WithKeyID("header"), "another", 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testRevokedKey(t, key, c.keys, c.signing, c.revoked, c.want) })
		})
	}
}

// testRevokedKey revokes a name and looks what tokens of the signing key are worth
// then. keys verify; where they are nil, published is fetched, as "own".
func testRevokedKey(t *testing.T, published *jwk.PrivateKey, keys jwt.KeySource, signing jwk.SigningKey, revoked string, want int) {
	w := newWorld(t)
	w.key = published.WithKeyID("own")
	change := func(cfg *guard.Config) {
		cfg.Issuers[0].Keys = keys
		cfg.Issuers[0].LogURL = issuerURL + logPath
	}
	g := w.guard(t, change)
	token := tokenOf(t, signing)
	for range 2 {
		_, err := g.Verify(t.Context(), token)
		wantStatus(t, "before", err, 200)
	}
	seq := w.revoke(revlog.Key, revoked)
	if err := g.Synced(t.Context(), issuerURL, seq); err != nil {
		t.Fatal(err)
	}
	_, err := g.Verify(t.Context(), token)
	wantStatus(t, "a token that is known", err, want)
	_, err = g.Verify(t.Context(), tokenOf(t, signing))
	wantStatus(t, "another token", err, want)
	later := w.guard(t, change)
	if err := later.Synced(t.Context(), issuerURL, seq); err != nil {
		t.Fatal(err)
	}
	_, err = later.Verify(t.Context(), token)
	wantStatus(t, "a guard made later", err, want)
}

// byHeader finds a key by one name alone, which isn't the key's own.
type byHeader struct {
	kid string
	key *jwk.PublicKey
}

func (s *byHeader) FindKey(_ context.Context, _ jwk.Algorithm, kid string) (jwk.VerifyingKey, error) {
	if kid != s.kid {
		return nil, jwk.ErrNotFound
	}
	return s.key, nil
}

// A key source is asked about a known token as it was asked about a new one: by
// the kid of its header.
func TestKeySourceIsAskedByTheHeader(t *testing.T) {
	w := newWorld(t)
	source := &byHeader{"header", w.key.Public().WithKeyID("own")}
	g := w.guard(t, func(cfg *guard.Config) { cfg.Issuers[0].Keys = source })
	token := tokenOf(t, w.key.WithKeyID("header"))
	for range 2 {
		_, err := g.Verify(t.Context(), token)
		wantStatus(t, "the source has the key", err, 200)
	}
	if n := g.Stats().CacheHits; n != 1 {
		t.Errorf("%d hits, want 1: the second time the token is known", n)
	}
	source.kid = "another"
	_, err := g.Verify(t.Context(), token)
	wantStatus(t, "the source has it no longer", err, 401)
}
