package guard_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

const (
	issuerURL = "https://auth.example.com"
	audience  = "https://api.example.com"
)

// world is an issuer at the other end of an http.Client, whose parts can fail
// one by one. Times are those of time.Now, which a test sets by running in a
// bubble of package synctest.
type world struct {
	t   testing.TB
	key *jwk.PrivateKey
	url string // its address, issuerURL unless it is served over real HTTP

	mu       sync.Mutex
	down     map[string]bool // paths that don't answer
	offered  bool            // the discovery document names a log
	logID    string
	head     uint64
	entries  []revlog.Entry
	pageSize int
	clock    time.Duration // how far the log's clock is ahead
	inactive map[string]bool
	changed  chan struct{}
	requests []*http.Request
}

const (
	discoveryPath     = "/.well-known/openid-configuration"
	keysPath          = "/keys"
	logPath           = "/v1/revocations"
	introspectionPath = "/introspect"
)

func newWorld(t testing.TB) *world {
	t.Helper()
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	return &world{
		t: t, key: key, url: issuerURL, offered: true, logID: "log-1", pageSize: 100,
		down: make(map[string]bool), inactive: make(map[string]bool), changed: make(chan struct{}),
	}
}

// set changes the world.
func (w *world) set(change func(w *world)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w)
	close(w.changed)
	w.changed = make(chan struct{})
}

// fails makes paths fail, all others work.
func (w *world) fails(paths ...string) {
	w.set(func(w *world) {
		clear(w.down)
		for _, path := range paths {
			w.down[path] = true
		}
	})
}

// revoke publishes an entry and returns its number.
func (w *world) revoke(kind revlog.Kind, id string) (seq uint64) {
	w.set(func(w *world) {
		w.head++
		seq = w.head
		w.entries = append(w.entries, revlog.Entry{
			Seq: seq, Kind: kind, Hash: revlog.Hash(kind, id), Expiry: time.Now().Add(time.Hour).Unix(),
		})
	})
	return seq
}

func (w *world) asked(path string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.requests {
		if r.URL.Path == path {
			n++
		}
	}
	return n
}

// seen returns all requests so far.
func (w *world) seen() []*http.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.requests)
}

func (w *world) config() guard.Config {
	return guard.Config{
		Issuers:     []guard.Issuer{{URL: w.url, Audience: []string{audience}}},
		Credentials: &guard.Credentials{ClientID: "api", ClientSecret: "s:crät"},
		Client:      &http.Client{Transport: w},
		Logger:      slog.New(slog.DiscardHandler),
	}
}

// guard makes a guard, closed at the end of the test.
func (w *world) guard(t testing.TB, change func(*guard.Config)) *guard.Guard {
	t.Helper()
	cfg := w.config()
	if change != nil {
		change(&cfg)
	}
	g, err := guard.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// token signs an access token for an hour.
func (w *world) token(change func(*jwt.AccessClaims)) string {
	w.t.Helper()
	c := jwt.AccessClaims{
		Claims:   jwt.Claims{Subject: "u1", Audience: jwt.Audience{audience}, ID: "jti-1"},
		ClientID: "web", SessionID: "sid-1", Epochs: []string{"epoch-u1", "epoch-web"},
	}
	if change != nil {
		change(&c)
	}
	token, err := jwt.Sign(w.key, c, jwt.SignOptions{Issuer: w.url, Lifetime: time.Hour, Type: "at+jwt"})
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.requests = append(w.requests, r)
	w.mu.Unlock()
	rec := httptest.NewRecorder()
	if err := w.serve(rec, r); err != nil {
		return nil, err
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	resp := rec.Result()
	resp.Request = r
	return resp, nil
}

func (w *world) isDown(path string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.down[path]
}

func (w *world) serve(rec http.ResponseWriter, r *http.Request) error {
	if w.isDown(r.URL.Path) {
		return fmt.Errorf("%s: connection refused", r.URL.Path)
	}
	switch r.URL.Path {
	case discoveryPath:
		w.discovery(rec)
	case keysPath:
		w.mu.Lock()
		defer w.mu.Unlock()
		return json.NewEncoder(rec).Encode(map[string]any{"keys": []*jwk.PublicKey{w.key.Public()}})
	case logPath:
		return w.log(rec, r)
	case introspectionPath:
		w.introspect(rec, r)
	default:
		rec.WriteHeader(http.StatusNotFound)
	}
	return nil
}

func (w *world) discovery(rec http.ResponseWriter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	doc := map[string]string{
		"issuer": w.url, "jwks_uri": w.url + keysPath, "introspection_endpoint": w.url + introspectionPath,
	}
	if w.offered {
		doc["writ_revocations_endpoint"] = w.url + logPath
	}
	json.NewEncoder(rec).Encode(doc)
}

// log answers as the wire contract says.
func (w *world) log(rec http.ResponseWriter, r *http.Request) error {
	after, err := strconv.ParseUint(r.FormValue("after"), 10, 64)
	if err != nil {
		return err
	}
	if wait, err := time.ParseDuration(r.FormValue("wait")); err == nil {
		w.hold(r, after, wait)
	}
	if w.isDown(logPath) {
		return fmt.Errorf("connection reset")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	page := &revlog.Page{Log: w.logID, First: w.head + 1, Head: w.head, Time: time.Now().Add(w.clock).Unix()}
	for _, e := range w.entries {
		page.First = min(page.First, e.Seq)
		if e.Seq > after {
			page.Entries = append(page.Entries, e)
		}
	}
	if len(page.Entries) > w.pageSize {
		page.Entries, page.More = page.Entries[:w.pageSize], true
	}
	return json.NewEncoder(rec).Encode(page)
}

func (w *world) hold(r *http.Request, after uint64, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		w.mu.Lock()
		answer, changed := w.head > after || w.down[logPath], w.changed
		w.mu.Unlock()
		if answer {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func (w *world) introspect(rec http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	if id != "api" || secret != "s%3Acr%C3%A4t" || r.Method != http.MethodPost { // RFC 6749 section 2.3.1
		rec.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	json.NewEncoder(rec).Encode(map[string]any{"active": !w.inactive[r.PostFormValue("token")], "sub": "u1"})
}

// status returns the HTTP status that an error of Check or Verify stands for.
func status(err error) int {
	if err == nil {
		return http.StatusOK
	}
	refusal, ok := err.(*guard.Refusal)
	if !ok {
		return http.StatusInternalServerError
	}
	return refusal.Status
}

func wantStatus(t *testing.T, what string, err error, want int) {
	t.Helper()
	if got := status(err); got != want {
		t.Errorf("%s: got %d (%v), want %d", what, got, err, want)
	}
}

// roundTrip makes a transport of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// forget drops all entries from the log, as expired ones are.
func (w *world) forget() {
	w.set(func(w *world) { w.entries = slices.Delete(w.entries, 0, len(w.entries)) })
}

// switchable is a key source that a test changes.
type switchable struct{ key *jwk.PublicKey }

func (s *switchable) FindKey(ctx context.Context, alg jwk.Algorithm, kid string) (jwk.VerifyingKey, error) {
	return s.key.FindKey(ctx, alg, kid)
}
