package guard_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

func TestNewRefuses(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*guard.Config){
		"no issuer":             func(cfg *guard.Config) { cfg.Issuers = nil },
		"no URL":                func(cfg *guard.Config) { cfg.Issuers[0].URL = "" },
		"no audience":           func(cfg *guard.Config) { cfg.Issuers[0].Audience = nil },
		"empty audience":        func(cfg *guard.Config) { cfg.Issuers[0].Audience = []string{""} },
		"issuer over http":      func(cfg *guard.Config) { cfg.Issuers[0].URL = "http://auth.example.com" },
		"issuer that is no URL": func(cfg *guard.Config) { cfg.Issuers[0].URL = "urn:legacy" },
		"issuer twice":          func(cfg *guard.Config) { cfg.Issuers = append(cfg.Issuers, cfg.Issuers[0]) },
		"no such revocation":    func(cfg *guard.Config) { cfg.Issuers[0].Revocation = 7 },
		"no such policy":        func(cfg *guard.Config) { cfg.Stale = 7 },
		"introspect, no secret": func(cfg *guard.Config) { cfg.Stale, cfg.Credentials = guard.Introspect, nil },
		"follow keys":           func(cfg *guard.Config) { cfg.Issuers[0].Keys, cfg.Issuers[0].Revocation = w.key.Public(), guard.Follow },
		"log but don't follow": func(cfg *guard.Config) {
			cfg.Issuers[0].LogURL, cfg.Issuers[0].Revocation = issuerURL, guard.DontFollow
		},
		"log over http":           func(cfg *guard.Config) { cfg.Issuers[0].LogURL = "http://auth.example.com/log" },
		"leeway for the log":      func(cfg *guard.Config) { cfg.Leeway = 2 * time.Minute },
		"leeway for anything":     func(cfg *guard.Config) { cfg.Leeway, cfg.Issuers[0].Revocation = time.Hour, guard.DontFollow },
		"negative leeway":         func(cfg *guard.Config) { cfg.Leeway = -1 },
		"negative MaxStale":       func(cfg *guard.Config) { cfg.MaxStale = -1 },
		"tiny MaxStale":           func(cfg *guard.Config) { cfg.MaxStale = time.Millisecond },
		"pattern without a slash": func(cfg *guard.Config) { cfg.Public = []string{"healthz"} },
		"patterns that conflict":  func(cfg *guard.Config) { cfg.Public = []string{"/a/{x}", "/{y}/b", "/a/{z}"} },
		"cookie's name":           func(cfg *guard.Config) { cfg.Cookie = "a;b" },
		"origin with a path":      func(cfg *guard.Config) { cfg.TrustedOrigins = []string{"https://a.example/"} },
		"origin without scheme":   func(cfg *guard.Config) { cfg.TrustedOrigins = []string{"a.example"} },
		"any origin":              func(cfg *guard.Config) { cfg.TrustedOrigins = []string{"*"} },
		"origin null":             func(cfg *guard.Config) { cfg.TrustedOrigins = []string{"null"} },
		"resource over http":      func(cfg *guard.Config) { cfg.Resource = "http://api.example.com" },
		"keys that are nil":       func(cfg *guard.Config) { cfg.Issuers[0].Keys = (*jwk.Set)(nil) },
		"path without names":      func(cfg *guard.Config) { cfg.Issuers[0].Paths.Roles = []string{} },
		"ignoring whose it is":    func(cfg *guard.Config) { cfg.Issuers[0].Ignore = []string{"client_id"} },
		"ignoring revocation":     func(cfg *guard.Config) { cfg.Issuers[0].Ignore = []string{"name", "sid"} },
		"credentials for whom": func(cfg *guard.Config) {
			cfg.Issuers = append(cfg.Issuers, guard.Issuer{URL: "https://b.example", Audience: []string{"b"}})
		},
	} {
		cfg := w.config()
		change(&cfg)
		if g, err := guard.New(cfg); err == nil {
			g.Close()
			t.Errorf("%s: got no error", name)
		}
	}
}

// severalIssuers is a guard for Writ, an issuer with claims of its own, and an
// old secret.
func severalIssuers(t *testing.T, w *world, partner *jwk.PrivateKey, legacy *jwk.Secret) *guard.Guard {
	return w.guard(t, func(cfg *guard.Config) {
		cfg.Issuers = append(cfg.Issuers,
			guard.Issuer{
				URL: "https://sso.partner.example/realms/x", Audience: []string{audience}, Type: "JWT", Keys: partner.Public(),
				Paths: guard.Paths{
					Roles: []string{"realm_access", "roles"}, Permissions: []string{"perm"}, Scope: []string{"scp"},
				},
			},
			guard.Issuer{URL: "urn:legacy", Audience: []string{audience}, Type: "JWT", Keys: legacy})
	})
}

type partnerClaims struct {
	jwt.Claims
	Realm json.RawMessage `json:"realm_access,omitzero"`
	Perm  json.RawMessage `json:"perm,omitzero"`
	Scp   json.RawMessage `json:"scp,omitzero"`
	Roles []string        `json:"roles,omitzero"`
}

func TestSeveralIssuers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		partner, err := jwk.Generate(jwk.ES256)
		if err != nil {
			t.Fatal(err)
		}
		legacy, err := jwk.GenerateSecret(jwk.HS256)
		if err != nil {
			t.Fatal(err)
		}
		g := severalIssuers(t, w, partner, legacy)
		claims := partnerClaims{
			Claims: jwt.Claims{Subject: "p1", Audience: jwt.Audience{audience}},
			Realm:  json.RawMessage(`{"roles":["admin","x"]}`), Roles: []string{"root"},
			Perm: json.RawMessage(`"one"`), Scp: json.RawMessage(`["a","b c"]`),
		}
		sign := func(key jwk.SigningKey, issuer, typ string) string {
			token, err := jwt.Sign(key, claims, jwt.SignOptions{Issuer: issuer, Lifetime: time.Hour, Type: typ})
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		const partnerURL = "https://sso.partner.example/realms/x"

		a, err := g.Verify(t.Context(), sign(partner, partnerURL, "JWT"))
		wantStatus(t, "partner", err, 200)
		c := a.Claims()
		if got, want := fmt.Sprint(c.Roles, c.Permissions, []string(c.Scope)), "[admin x] [one] [a b c]"; got != want || a.HasRole("root") {
			t.Errorf("partner's claims are %s, want %s", got, want)
		}
		a, err = g.Verify(t.Context(), sign(legacy, "urn:legacy", "JWT"))
		wantStatus(t, "legacy", err, 200)
		if !a.HasRole("root") || a.HasRole("admin") {
			t.Errorf("legacy roles are %v, want those of the usual claim", a.Claims().Roles)
		}
		_, err = g.Verify(t.Context(), w.token(nil))
		wantStatus(t, "writ", err, 200)

		for name, token := range map[string]string{
			"legacy key for the partner": sign(legacy, partnerURL, "JWT"),
			"partner's key for writ":     sign(partner, issuerURL, "at+jwt"),
			"writ's key for the partner": sign(w.key, partnerURL, "JWT"),
			"writ with the wrong type":   sign(w.key, issuerURL, "JWT"),
			"somebody else":              sign(partner, "https://other.example", "JWT"),
		} {
			_, err := g.Verify(t.Context(), token)
			wantStatus(t, name, err, 401)
		}
		for name, change := range map[string]func(*partnerClaims){
			"realm a list":    func(c *partnerClaims) { c.Realm = json.RawMessage(`[]`) },
			"roles an object": func(c *partnerClaims) { c.Realm = json.RawMessage(`{"roles":{}}`) },
			"roles mixed":     func(c *partnerClaims) { c.Realm = json.RawMessage(`{"roles":["a",1]}`) },
			"roles null":      func(c *partnerClaims) { c.Realm = json.RawMessage(`{"roles":null}`) },
			"scopes a number": func(c *partnerClaims) { c.Scp = json.RawMessage(`1`) },
		} {
			before := claims
			change(&claims)
			_, err := g.Verify(t.Context(), sign(partner, partnerURL, "JWT"))
			wantStatus(t, name, err, 401)
			if !errors.Is(err, jwt.ErrClaim) {
				t.Errorf("%s: got %v, want ErrClaim", name, err)
			}
			claims = before
		}
		claims.Realm = nil
		a, err = g.Verify(t.Context(), sign(partner, partnerURL, "JWT"))
		wantStatus(t, "no realm at all", err, 200)
		if got := a.Claims().Roles; len(got) != 0 {
			t.Errorf("roles are %v, want none", got)
		}
	})
}

func TestResourceMetadata(t *testing.T) {
	_, g := newGuard(t, func(cfg *guard.Config) {
		cfg.Resource = "https://api.example.com/v2"
		secret, err := jwk.GenerateSecret(jwk.HS256)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Issuers = append(cfg.Issuers, guard.Issuer{URL: "urn:legacy", Audience: []string{audience}, Keys: secret})
	})
	w := serve(g.ResourceMetadata(), get("/.well-known/oauth-protected-resource/v2"))
	want := `{"resource":"https://api.example.com/v2","authorization_servers":["https://issuer.test"],"bearer_methods_supported":["header"],` +
		`"dpop_signing_alg_values_supported":["ES256","EdDSA","Ed25519","ES384","ES512","PS256","PS384","PS512","RS256","RS384","RS512"]}`
	wantAnswer(t, "metadata", w, 200, want)
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type is %q", got)
	}
	_, g = newGuard(t, nil)
	wantAnswer(t, "no resource", serve(g.ResourceMetadata(), get("/")), 404, "")
}

// The well-known part goes between the host and all that follows it; the slash
// after a host alone is nothing (RFC 9728, section 3.1).
func TestResourceMetadataAddress(t *testing.T) {
	for resource, want := range map[string]string{
		"https://api.example.com":              "https://api.example.com/.well-known/oauth-protected-resource",
		"https://api.example.com/":             "https://api.example.com/.well-known/oauth-protected-resource",
		"https://api.example.com/v2":           "https://api.example.com/.well-known/oauth-protected-resource/v2",
		"https://api.example.com/v2/":          "https://api.example.com/.well-known/oauth-protected-resource/v2/",
		"https://api.example.com/v%202?tenant": "https://api.example.com/.well-known/oauth-protected-resource/v%202?tenant",
		"https://api.example.com/?tenant=a":    "https://api.example.com/.well-known/oauth-protected-resource?tenant=a",
	} {
		_, g := newGuard(t, func(cfg *guard.Config) { cfg.Resource = resource })
		w := serve(g.Handler(handler), get("/"))
		if got := w.Header().Get("WWW-Authenticate"); got != `Bearer resource_metadata="`+want+`"` {
			t.Errorf("%s: the challenge is %s", resource, got)
		}
	}
}

func TestStats(t *testing.T) {
	issuer, g := newGuard(t, nil)
	token := issuer.Token(audience, jwt.AccessClaims{})
	for range 3 {
		if _, err := g.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	g.Verify(t.Context(), "x")
	g.Verify(t.Context(), token, guard.Role("admin"))
	g.Check(get("/"))
	issuer.RevokeToken(token)
	g.Verify(t.Context(), token)
	s := g.Stats()
	if s.Accepted != 3 || s.CacheHits != 4 || s.CacheEntries != 1 || s.CacheBytes < len(token) {
		t.Errorf("accepted %d, hits %d, entries %d, bytes %d; want 3, 4, 1, some", s.Accepted, s.CacheHits, s.CacheEntries, s.CacheBytes)
	}
	for name, want := range map[string]uint64{
		"malformed": 1, "forbidden": 1, "no_token": 1, "revoked": 1, "expired": 0, "signature": 0, "unavailable": 0,
	} {
		if got, there := s.Refused[name]; got != want || !there {
			t.Errorf("refused as %s: %d (%v), want %d", name, got, there, want)
		}
	}
	want := guard.IssuerStats{URL: "https://issuer.test", Keys: 4, Followed: true, Fresh: true, Revoked: 1, Sequence: 1, Head: 1}
	for n := range s.Issuers {
		s.Issuers[n].HeadDelay = 0 // this issuer's heads have times of their own
	}
	if len(s.Issuers) != 1 || s.Issuers[0] != want || s.KeysAge != 0 || s.RevocationLag != 0 {
		t.Errorf("issuers: %+v, want %+v", s.Issuers, want)
	}
}
