package jwks_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwks"
)

// clock is set by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// issuer publishes keys over real HTTP and counts who asks.
type issuer struct {
	*httptest.Server
	clock *clock
	asked chan *http.Request // each request for the keys, as it comes in

	mu     sync.Mutex
	count  int
	answer http.HandlerFunc // how the keys are answered
}

func newIssuer(t *testing.T, answer http.HandlerFunc) *issuer {
	i := &issuer{clock: newClock(), answer: answer, asked: make(chan *http.Request, 100_000)}
	mux := http.NewServeMux()
	mux.HandleFunc("/keys", func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		i.count++
		answer := i.answer
		i.mu.Unlock()
		i.asked <- r
		answer(w, r)
	})
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, i.URL, i.URL+"/keys")
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) answers(answer http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = answer
}

// fetches returns how often the keys were asked for.
func (i *issuer) fetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.count
}

// config is one for tests: long waits, since nothing here is slow by design.
func (i *issuer) config() jwks.Config {
	return jwks.Config{URL: i.URL + "/keys", Now: i.clock.Now, MaxWait: 10 * time.Second, Logger: quiet()}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (i *issuer) remote(t *testing.T, change func(*jwks.Config)) *jwks.Remote {
	t.Helper()
	cfg := i.config()
	if change != nil {
		change(&cfg)
	}
	r, err := jwks.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func publicKey(t *testing.T) *jwk.PublicKey {
	t.Helper()
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	return key.Public()
}

// keys answers with a set that is good for ten minutes.
func keys(t *testing.T, keys ...*jwk.PublicKey) http.HandlerFunc {
	t.Helper()
	set, err := jwk.NewSet(keys...)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		w.Write(body)
	}
}

func text(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func find(t *testing.T, r *jwks.Remote, key *jwk.PublicKey) (jwk.VerifyingKey, error) {
	t.Helper()
	return r.FindKey(t.Context(), key.Algorithm(), key.KeyID())
}

func mustFind(t *testing.T, r *jwks.Remote, key *jwk.PublicKey) jwk.VerifyingKey {
	t.Helper()
	got, err := find(t, r, key)
	if err != nil {
		t.Fatalf("FindKey: %v", err)
	}
	if got.KeyID() != key.KeyID() || got.Algorithm() != key.Algorithm() {
		t.Fatalf("FindKey gave %s %s, want %s %s", got.Algorithm(), got.KeyID(), key.Algorithm(), key.KeyID())
	}
	return got
}

func wantFetches(t *testing.T, i *issuer, want int) {
	t.Helper()
	if got := i.fetches(); got != want {
		t.Errorf("%d fetches, want %d", got, want)
	}
}
