package oauth_test

import (
	"context"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/jwk"
)

// guarding is an API's guard that reaches the server under the issuer's name.
func (s *server) guarding(audience string, change func(*guard.Config)) *guard.Guard {
	s.t.Helper()
	at, err := url.Parse(s.http.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	api := s.reader(audience)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	cfg := guard.Config{
		Issuers:     []guard.Issuer{{URL: issuer, Audience: []string{audience}, Revocation: guard.Follow}},
		Credentials: &guard.Credentials{ClientID: api.id, ClientSecret: api.secret}, Now: s.clock,
		Client: &http.Client{Transport: rewritten(func(r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			r.URL.Host, r.Host = at.Host, "localhost:8080"
			return transport.RoundTrip(r)
		})},
	}
	change(&cfg)
	g, err := guard.New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := g.Close(); err != nil {
			s.t.Error(err)
		}
		transport.CloseIdleConnections()
	})
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	if err := g.Ready(ctx); err != nil {
		s.t.Fatal(err)
	}
	return g
}

type rewritten func(*http.Request) (*http.Response, error)

func (f rewritten) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// signed is a JWT that a service signs for an API.
func (s *server) signed(c keyed, audience string, change change) string {
	return s.assertion(c, func(header, claims map[string]any) {
		header["typ"], claims["aud"] = guard.TypeClientSigned, audience
		if change != nil {
			change(header, claims)
		}
	})
}

// A service calls an API with what it has signed itself: the server is asked for
// its keys once, and its revocation counts at once.
func TestClientSignedAtGuard(t *testing.T) {
	s := start(t)
	g := s.guarding(orders, func(cfg *guard.Config) { cfg.Issuers[0].ClientSigned = &guard.ClientSigned{} })
	c, plain := s.signer("svc", jwk.ES256, ""), s.keyed("plain", jwk.ES256)
	s.advance(time.Second)
	status := func(token string, rules ...guard.Rule) bool {
		_, err := g.Verify(t.Context(), token, rules...)
		return err == nil
	}
	if a, err := g.Verify(t.Context(), s.signed(c, orders, nil), guard.Scope("read")); err != nil || a.Subject() != "svc" || !a.SignedByClient() {
		t.Fatalf("%v", err)
	}
	for what, token := range map[string]string{
		"for another API":                 s.signed(c, stock, nil),
		"of a client without the right":   s.signed(plain, orders, nil),
		"that was made for the server":    s.assertion(c, nil),
		"that is a grant for the server":  s.assertion(c, head("typ", "authorization-grant+jwt")),
		"of a person":                     s.signed(c, orders, claims("iss", "usr_0", "sub", "usr_0")),
		"under another service's name":    s.signed(keyed{"plain", c.key}, orders, nil),
		"that lives too long":             s.signed(c, orders, claims("exp", at(600))),
		"with a scope of its own writing": "",
	} {
		if token == "" {
			token = s.signed(c, orders, claims("scope", "admin"))
			if status(token, guard.Scope("admin")) {
				t.Errorf("taken: a JWT %s", what)
			}
			continue
		}
		if status(token) {
			t.Errorf("taken: a JWT %s", what)
		}
	}
	once := s.signed(c, orders, nil)
	if !status(once) || status(once) {
		t.Error("a JWT doesn't count exactly once")
	}
	// What is for an API is nothing to the server.
	s.bearer(s.signed(c, orders, nil)).fails(400, "invalid_grant")
	s.bearer(s.signed(c, issuer, nil)).fails(400, "invalid_grant")

	kept := s.signed(c, orders, nil)
	s.advance(time.Second)
	seq := s.admin("POST", "/v1/admin/revocations", `{"kind":"client","id":"svc"}`).is(200).body["seq"].(float64)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := g.Synced(ctx, issuer, uint64(seq)); err != nil {
		t.Fatal(err)
	}
	if status(kept) {
		t.Error("taken after the client was revoked")
	}
	s.advance(2 * time.Second)
	if !status(s.signed(c, orders, nil)) {
		t.Error("a JWT that was made afterwards, by a client that is still there, is refused")
	}
	seq = s.admin("PATCH", "/v1/admin/clients/svc", `{"disabled":true}`).is(200).body["seq"].(float64)
	if err := g.Synced(ctx, issuer, uint64(seq)); err != nil {
		t.Fatal(err)
	}
	s.advance(2 * time.Second)
	if status(s.signed(c, orders, nil)) {
		t.Error("taken of a client that is disabled")
	}
}
