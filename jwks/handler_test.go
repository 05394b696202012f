package jwks_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwks"
)

// newRecorderBody returns what a handler writes.
func newRecorderBody(h http.HandlerFunc, r *http.Request) []byte {
	w := httptest.NewRecorder()
	h(w, r)
	return w.Body.Bytes()
}

// memory is a network on which every address answers the same.
type memory []byte

func (m memory) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: 200, Header: http.Header{}, Request: r, Body: io.NopCloser(bytes.NewReader(m)),
	}, nil
}

// awaitGoroutines waits for goroutines that have done their work to be gone.
func awaitGoroutines(t *testing.T, most int) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > most && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > most {
		stacks := make([]byte, 1<<16)
		t.Errorf("%d goroutines, want at most %d\n%s", n, most, stacks[:runtime.Stack(stacks, true)])
	}
}

func TestHandler(t *testing.T) {
	first, second := publicKey(t), publicKey(t)
	var set atomic.Pointer[jwk.Set]
	set.Store(newSet(t, first))
	server := httptest.NewServer(jwks.Handler(set.Load, 10*time.Minute))
	defer server.Close()

	resp, body := request(t, "GET", server.URL, "")
	if resp.StatusCode != 200 {
		t.Fatalf("got %d, want 200", resp.StatusCode)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/jwk-set+json", "Cache-Control": "public, max-age=600", "X-Content-Type-Options": "nosniff",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	got, err := jwk.ParseSet(body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := got.FindKey(t.Context(), jwk.ES256, first.KeyID()); err != nil || got.Len() != 1 {
		t.Errorf("the set has %d keys, FindKey: %v; want the one", got.Len(), err)
	}

	etag := resp.Header.Get("ETag")
	if resp, body := request(t, "HEAD", server.URL, ""); resp.StatusCode != 200 || len(body) != 0 || resp.Header.Get("ETag") != etag {
		t.Errorf("HEAD: got %d, %d bytes, ETag %q; want 200, none, %q", resp.StatusCode, len(body), resp.Header.Get("ETag"), etag)
	}
	for _, match := range []string{etag, "W/" + etag, `"other", ` + etag} {
		if resp, body := request(t, "GET", server.URL, match); resp.StatusCode != 304 || len(body) != 0 {
			t.Errorf("If-None-Match %s: got %d, %d bytes; want 304", match, resp.StatusCode, len(body))
		}
	}
	if resp, _ := request(t, "POST", server.URL, ""); resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: got %d, Allow %q; want 405", resp.StatusCode, resp.Header.Get("Allow"))
	}

	set.Store(newSet(t, first, second))
	if resp, _ := request(t, "GET", server.URL, etag); resp.StatusCode != 200 || resp.Header.Get("ETag") == etag {
		t.Errorf("another set: got %d with ETag %q, want 200 with another one", resp.StatusCode, resp.Header.Get("ETag"))
	}
	set.Store(nil)
	if resp, _ := request(t, "GET", server.URL, etag); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("no set: got %d, want 503 with Retry-After", resp.StatusCode)
	}
}

// What Handler publishes, Remote reads, and asks again with the ETag.
func TestHandlerAndRemote(t *testing.T) {
	key := publicKey(t)
	set := newSet(t, key)
	i := newIssuer(t, jwks.Handler(func() *jwk.Set { return set }, time.Minute).ServeHTTP)
	r := i.remote(t, nil)
	mustFind(t, r, key)
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-i.asked
	if (<-i.asked).Header.Get("If-None-Match") == "" {
		t.Error("the second request has no If-None-Match")
	}
}

func newSet(t *testing.T, keys ...*jwk.PublicKey) *jwk.Set {
	t.Helper()
	set, err := jwk.NewSet(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func request(t *testing.T, method, url, match string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if match != "" {
		req.Header.Set("If-None-Match", match)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}
