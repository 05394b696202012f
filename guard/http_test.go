package guard_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/guardtest"
	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwt"
)

// newHTTPWorld serves a world over real HTTP.
func newHTTPWorld(t *testing.T) *world {
	w := newWorld(t)
	server := httptest.NewServer(http.HandlerFunc(func(rec http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.requests = append(w.requests, r)
		w.mu.Unlock()
		if err := w.serve(rec, r); err != nil {
			rec.WriteHeader(http.StatusBadGateway)
		}
	}))
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

func (w *world) realGuard(t *testing.T) *guard.Guard {
	t.Helper()
	g := w.guard(t, func(cfg *guard.Config) { cfg.Client = nil })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := g.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	return g
}

// The whole way over real sockets: discovery, keys, a long poll, and a
// revocation that travels down it.
func TestRevocationOverHTTP(t *testing.T) {
	w := newHTTPWorld(t)
	g := w.realGuard(t)
	api := httptest.NewServer(g.Handler(handler))
	defer api.Close()
	token := w.token(nil)
	ask := func() int {
		req, err := http.NewRequestWithContext(t.Context(), "GET", api.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(guardtest.Bearer(req, token))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := ask(); got != 200 {
		t.Fatalf("before: got %d, want 200", got)
	}
	start := time.Now()
	seq := w.revoke(revlog.Session, "sid-1")
	if err := g.Synced(t.Context(), w.url, seq); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("the revocation took %v, want milliseconds", took)
	}
	if got := ask(); got != 401 {
		t.Errorf("after: got %d, want 401", got)
	}
}

func TestUnknownKeysCauseNoStorm(t *testing.T) {
	w := newHTTPWorld(t)
	g := w.realGuard(t)
	parts := strings.Split(w.token(nil), ".")
	var all sync.WaitGroup
	for worker := range 10 {
		all.Go(func() {
			for n := range 1000 {
				header := fmt.Sprintf(`{"alg":"ES256","typ":"at+jwt","kid":"made-up-%d-%d"}`, worker, n)
				token := base64url.Encode([]byte(header)) + "." + parts[1] + "." + parts[2]
				_, err := g.Verify(t.Context(), token)
				if !errors.Is(err, jwt.ErrKey) && !errors.Is(err, jwt.ErrUnavailable) { // while the one fetch takes long
					t.Errorf("got %v, want ErrKey", err)
					return
				}
			}
		})
	}
	all.Wait()
	if n := w.asked(keysPath); n != 2 {
		t.Errorf("%d fetches of the keys, want 2: the first, and one for all unknown keys", n)
	}
}

func TestCloseLeavesNoGoroutine(t *testing.T) {
	w := newHTTPWorld(t)
	before := runtime.NumGoroutine()
	for range 10 {
		cfg := w.config()
		client := &http.Client{Transport: &http.Transport{}}
		cfg.Client = client
		g, err := guard.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		client.CloseIdleConnections()
	}
	deadline := time.Now().Add(10 * time.Second) // the server's goroutines end in their own time
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > before {
		stacks := make([]byte, 1<<16)
		t.Errorf("%d goroutines, %d before\n%s", n, before, stacks[:runtime.Stack(stacks, true)])
	}
}

// A client that hangs up while it waits for the first keys gets nothing, and
// holds nothing up.
func TestCallerGivesUp(t *testing.T) {
	w := newWorld(t)
	w.fails(keysPath)
	g := w.guard(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	start := time.Now()
	_, err := g.Verify(ctx, w.token(nil))
	wantStatus(t, "gone", err, 503)
	if took := time.Since(start); took > time.Second {
		t.Errorf("took %v, want no wait", took)
	}
}
