package e2e

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/jwt"
)

const (
	lagGuards      = 100
	lagRevocations = 300
)

// follower is a guard with a connection of its own, as one in another process
// has.
func follower(t *testing.T, s *server) *guard.Guard {
	t.Helper()
	g, err := guard.New(guard.Config{
		Issuers: []guard.Issuer{{URL: s.url(""), Audience: []string{audience}, Revocation: guard.Follow}},
		Client:  &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := g.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	return g
}

// TestRevokedEverywhere revokes a token after the other and waits until each of
// many guards refuses it. How long after the answer that was is in the log of
// the test: the machine's business, as are the guards, which share it.
func TestRevokedEverywhere(t *testing.T) {
	s := running(t)
	s.makeAPI()
	guards := make([]*guard.Guard, lagGuards)
	for i := range guards {
		guards[i] = follower(t, s)
	}
	admin := s.signIn("").AccessToken
	held := s.signIn(audience)
	var lags []time.Duration
	for n := range lagRevocations {
		for i, g := range guards {
			if _, err := g.Verify(t.Context(), held.AccessToken); err != nil {
				t.Fatalf("revocation %d, guard %d, before: %v", n, i, err)
			}
		}
		var end struct{ Seq uint64 }
		s.must(200, "POST", "/v1/admin/revocations", admin, map[string]string{"token": held.AccessToken}).get(t, &end)
		lags = append(lags, refusedEverywhere(t, s, guards, held.AccessToken, end.Seq)...)
		s.must(200, "POST", "/v1/refresh", "", map[string]string{"refresh_token": held.RefreshToken}).get(t, &held)
	}
	slices.Sort(lags)
	part := func(p float64) time.Duration { return lags[int(p*float64(len(lags)-1))].Round(10 * time.Microsecond) }
	t.Logf("%d revocations at %d guards, from the answer to the refusal: p50 %v, p99 %v, worst %v",
		lagRevocations, lagGuards, part(0.5), part(0.99), part(1))
}

// refusedEverywhere answers how long after the call each guard refused a token.
func refusedEverywhere(t *testing.T, s *server, guards []*guard.Guard, token string, seq uint64) []time.Duration {
	t.Helper()
	answered := time.Now()
	lags := make([]time.Duration, len(guards))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var waiting sync.WaitGroup
	for i, g := range guards {
		waiting.Go(func() {
			if err := g.Synced(ctx, s.url(""), seq); err != nil {
				t.Errorf("guard %d: %v", i, err)
			}
			if _, err := g.Verify(ctx, token); !errors.Is(err, guard.ErrRevoked) {
				t.Errorf("guard %d has entry %d and says: %v", i, seq, err)
			}
			lags[i] = time.Since(answered)
		})
	}
	waiting.Wait()
	return lags
}

// TestNothingIsMissed cuts the connections of guards and kills the server among
// revocations. A guard that says that it has an entry refuses the token, and
// each has all of them soon.
func TestNothingIsMissed(t *testing.T) {
	const rounds, kills = 60, 12
	s := running(t)
	s.makeAPI()
	network := newProxy(t, s.url("")[len("http://"):])
	guards := make([]*guard.Guard, 10)
	for i := range guards {
		g, err := guard.New(guard.Config{
			Issuers: []guard.Issuer{{
				URL: s.url(""), Audience: []string{audience},
				LogURL: fmt.Sprintf("http://localhost:%d/v1/revocations", network.port()),
			}},
			Client: &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()},
			Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { g.Close() })
		guards[i] = g
	}
	admin := s.signIn("").AccessToken
	held := s.signIn(audience)
	for n := range rounds {
		for i, g := range guards {
			if err := g.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := g.Verify(t.Context(), held.AccessToken); err != nil && !errors.Is(err, jwt.ErrUnavailable) {
				t.Errorf("round %d, guard %d, before: %v", n, i, err)
			}
		}
		if n%2 == 0 {
			network.cut()
		}
		var end struct{ Seq uint64 }
		s.must(200, "POST", "/v1/admin/revocations", admin, map[string]string{"token": held.AccessToken}).get(t, &end)
		if n%2 == 1 {
			network.cut()
		}
		if n%(rounds/kills) == 0 {
			s.kill()
			s.start()
		}
		refusedEverywhere(t, s, guards, held.AccessToken, end.Seq)
		s.must(200, "POST", "/v1/refresh", "", map[string]string{"refresh_token": held.RefreshToken}).get(t, &held)
	}
}
