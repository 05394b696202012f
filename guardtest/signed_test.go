package guardtest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/guardtest"
	"github.com/writ-auth/writ/jwt"
)

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The log is signed as in production: a guard that can't have the keys which
// sign it believes nothing of it.
func TestLogIsSigned(t *testing.T) {
	for _, reachable := range []bool{true, false} {
		issuer := guardtest.NewIssuer(t)
		token := issuer.Token("api", jwt.AccessClaims{})
		cfg := issuer.Config("api")
		inner := cfg.Client.Transport
		cfg.Client = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/revocations/keys") && !reachable {
				return nil, context.DeadlineExceeded
			}
			return inner.RoundTrip(r)
		})}
		g, err := guard.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, err = g.Verify(t.Context(), token)
		if accepted := err == nil; accepted != reachable {
			t.Errorf("log keys in reach: %v; got %v", reachable, err)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Entries that are over leave the log; the guard goes on without a pause.
func TestLogOfHours(t *testing.T) {
	issuer := guardtest.NewIssuer(t)
	g := issuer.Guard("api")
	for range 20 {
		token := issuer.Token("api", jwt.AccessClaims{})
		if _, err := g.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		issuer.RevokeToken(token)
		if _, err := g.Verify(t.Context(), token); err == nil {
			t.Fatal("a revoked token is accepted")
		}
		issuer.Advance(10 * time.Minute)
	}
	late := issuer.Guard("api")
	if _, err := late.Verify(t.Context(), issuer.Token("api", jwt.AccessClaims{})); err != nil {
		t.Error(err)
	}
}
