package browser

import (
	"context"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/testenv"
)

// live has a page live through something in a Chromium of its own.
func (s *clientSite) live(t *testing.T, scenario string) (seen []json.RawMessage) {
	t.Helper()
	other := strings.Replace(s.origin, "localhost", "127.0.0.1", 1)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, testenv.NeedNodeModules(t, "js"), "client.mjs", testenv.Need(t, testenv.Chromium), scenario, s.origin, other, aliceEmail, alicePassword)
	cmd.Dir = "js"
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", scenario, err, &stderr)
	}
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatalf("%s: %v: %s", scenario, err, out)
	}
	return seen
}

// lived is what a page's client knows after all that.
type lived struct {
	User      string
	Told      []string
	Persisted bool
}

func wantLived(t *testing.T, what string, seen json.RawMessage, user string) lived {
	t.Helper()
	var l lived
	if err := json.Unmarshal(seen, &l); err != nil {
		t.Fatalf("%s: %v: %s", what, err, seen)
	}
	if l.User != user {
		t.Errorf("%s: %+v, want the user %s", what, l, user)
	}
	if user != "null" {
		wantNoSignOut(t, client{Told: l.Told})
	}
	return l
}

func wantStatus(t *testing.T, what string, seen json.RawMessage, want string) {
	t.Helper()
	if string(seen) != want {
		t.Errorf("%s: %s, want %s", what, seen, want)
	}
}

// TestClientLife takes a page through an hour of sleep, a stopped process, a
// clock that is wrong by ten minutes, the back/forward cache, and blocked cookies.
func TestClientLife(t *testing.T) {
	s := startClientSite(t, "--access-ttl", "5s")
	s.must(t, 200, "PATCH", "/v1/admin/clients/writ", s.bearer, map[string]any{"allowed_origins": []string{strings.Replace(s.origin, "localhost", "127.0.0.1", 1)}}, nil)
	t.Run("an hour of sleep", func(t *testing.T) {
		seen := s.live(t, "sleep")
		wantStatus(t, "the first request", seen[0], "200")
		wantLived(t, "awake", seen[1], aliceEmail)
	})
	t.Run("a stopped process", func(t *testing.T) {
		seen := s.live(t, "frozen")
		wantStatus(t, "the first request", seen[0], "200")
		wantLived(t, "going on", seen[1], aliceEmail)
	})
	t.Run("a wrong clock", func(t *testing.T) {
		s.refreshes.Store(0)
		seen := s.live(t, "clock")
		for i, what := range []string{"10 minutes slow", "10 minutes fast", "right again"} {
			wantStatus(t, what, seen[2*i], "200")
			wantLived(t, what, seen[2*i+1], aliceEmail)
		}
		// 24 s of 5 s each; a clock that is set forward costs one more.
		if n := s.refreshes.Load(); n < 4 || n > 16 {
			t.Errorf("%d refreshes", n)
		}
	})
	t.Run("the back/forward cache", func(t *testing.T) {
		seen := s.live(t, "cache")
		wantStatus(t, "the first request", seen[0], "200")
		if l := wantLived(t, "back", seen[1], aliceEmail); !l.Persisted {
			t.Error("the page wasn't in the cache")
		}
		wantLived(t, "back after a sign-out", seen[2], "null")
	})
	t.Run("third-party cookies blocked", func(t *testing.T) {
		seen := s.live(t, "blocked")
		wantStatus(t, "another site, cookie mode", seen[0], `"cookies_blocked"`)
		wantStatus(t, "another site, token mode", seen[1], "200")
		wantStatus(t, "Writ's own site", seen[2], "200")
		wantLived(t, "after a reload", seen[3], aliceEmail)
	})
}
