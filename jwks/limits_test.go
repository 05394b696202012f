package jwks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwks"
)

// transport answers requests without a network, so that a test can run in a
// bubble of package synctest, where time passes when nobody has anything to do.
type transport struct {
	answer atomic.Pointer[func(r *http.Request) (*http.Response, error)]
	asked  atomic.Int64
}

func (tr *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	tr.asked.Add(1)
	return (*tr.answer.Load())(r)
}

func (tr *transport) answers(f func(r *http.Request) (*http.Response, error)) { tr.answer.Store(&f) }

// recorded lets an http.HandlerFunc answer.
func recorded(h http.HandlerFunc) func(r *http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		h(w, r)
		return w.Result(), nil
	}
}

// hangs never answers.
func hangs(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

func newTransport(answer func(r *http.Request) (*http.Response, error)) *transport {
	tr := new(transport)
	tr.answers(answer)
	return tr
}

// remote returns a Remote with the defaults and the bubble's time.
func (tr *transport) remote(t *testing.T) *jwks.Remote {
	t.Helper()
	r, err := jwks.New(jwks.Config{URL: "https://issuer.test/keys", Client: &http.Client{Transport: tr}, Logger: quiet()})
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

func (tr *transport) wantAsked(t *testing.T, want int64) {
	t.Helper()
	if got := tr.asked.Load(); got != want {
		t.Errorf("asked %d times, want %d", got, want)
	}
}

// While a fetch that an unknown key has caused takes its time, thousands more
// come for other unknown keys: they wait for the same one, 200 ms at most, and
// those who want a known key don't wait at all.
func TestUnknownKeysWhileAFetchHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := publicKey(t)
		tr := newTransport(recorded(keys(t, key)))
		r := tr.remote(t)
		mustFind(t, r, key)
		tr.answers(hangs)
		start := time.Now()
		var all sync.WaitGroup
		for n := range 2000 {
			all.Go(func() {
				_, err := r.FindKey(t.Context(), jwk.ES256, fmt.Sprint("made-up-", n))
				if err == nil || errors.Is(err, jwk.ErrNotFound) {
					t.Errorf("got %v, want an error that isn't ErrNotFound", err)
				}
				if took := time.Since(start); took != jwks.DefaultMaxWait {
					t.Errorf("waited for %v, want %v", took, jwks.DefaultMaxWait)
				}
			})
		}
		synctest.Wait()
		mustFind(t, r, key)
		if took := time.Since(start); took != 0 {
			t.Errorf("a known key took %v", took)
		}
		all.Wait()
		tr.wantAsked(t, 2)
		time.Sleep(9 * time.Second) // the fetch is under way still: others come too late for its answer
		start = time.Now()
		if _, err := r.FindKey(t.Context(), jwk.ES256, "late"); err == nil || errors.Is(err, jwk.ErrNotFound) {
			t.Errorf("got %v, want an error that isn't ErrNotFound", err)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("a late one waited for %v, want no wait", took)
		}
		time.Sleep(10 * time.Second) // it has ended; the slot was taken when it began
		find(t, r, publicKey(t))
		tr.wantAsked(t, 2)
		time.Sleep(11 * time.Second)
		find(t, r, publicKey(t))
		tr.wantAsked(t, 3)
	})
}

// An answer has ten seconds, head and body together.
func TestTimeLimit(t *testing.T) {
	for name, answer := range map[string]func(r *http.Request) (*http.Response, error){
		"no answer": hangs,
		"a byte a second": func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Request: r, Body: io.NopCloser(dripping{r.Context()})}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := newTransport(answer)
				r := tr.remote(t)
				start := time.Now()
				if err := r.Refresh(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want DeadlineExceeded", err)
				}
				if took := time.Since(start); took != 10*time.Second {
					t.Errorf("took %v, want 10 s", took)
				}
			})
		})
	}
}

// dripping is a body without an end.
type dripping struct{ ctx context.Context }

func (d dripping) Read(p []byte) (int, error) {
	select {
	case <-time.After(time.Second):
		return copy(p, " "), nil
	case <-d.ctx.Done():
		return 0, context.Cause(d.ctx)
	}
}

// Verifiers that began together don't refresh together.
func TestRefreshIsSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := publicKey(t)
		tr := newTransport(recorded(keys(t, key))) // max-age=600
		const many = 64
		var remotes []*jwks.Remote
		for range many {
			r := tr.remote(t)
			mustFind(t, r, key)
			remotes = append(remotes, r)
		}
		for _, c := range []struct {
			after      time.Duration
			least, all int64 // how many have asked again
		}{
			{449 * time.Second, 0, 0},
			{480 * time.Second, 10, 54}, // half of them, about: 32 ± 4
			{511 * time.Second, many, many},
		} {
			time.Sleep(c.after - time.Since(bubbleStart()))
			for _, r := range remotes {
				mustFind(t, r, key)
			}
			synctest.Wait()
			if n := tr.asked.Load() - many; n < c.least || n > c.all {
				t.Errorf("after %v %d of %d have asked again, want %d to %d", c.after, n, many, c.least, c.all)
			}
		}
	})
}

// bubbleStart is when time begins in a bubble.
func bubbleStart() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

// An issuer that is down is asked less and less often, down to once in a
// cool-down, by all look-ups together.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTransport(recorded(text(http.StatusServiceUnavailable, "")))
		r := tr.remote(t)
		key := publicKey(t)
		for range 600 {
			if _, err := find(t, r, key); err == nil || errors.Is(err, jwk.ErrNotFound) {
				t.Fatalf("got %v, want an error that isn't ErrNotFound", err)
			}
			time.Sleep(time.Second)
		}
		if n := tr.asked.Load(); n < 20 || n > 35 { // five to get there, then each 22.5 to 30 s
			t.Errorf("asked %d times in ten minutes, want some 27", n)
		}
	})
}

// A refresh that a cache has answered says nothing about a key that is newer
// than the cache: for that one there is a fetch that caches don't answer.
func TestRefreshFromACache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, fresh := publicKey(t), publicKey(t)
		cached, current := recorded(keys(t, old)), recorded(keys(t, old, fresh))
		tr := newTransport(cached)
		r := tr.remote(t)
		mustFind(t, r, old)
		tr.answers(func(q *http.Request) (*http.Response, error) {
			if q.Header.Get("Cache-Control") == "no-cache" {
				return current(q)
			}
			time.Sleep(100 * time.Millisecond)
			return cached(q)
		})
		time.Sleep(9 * time.Minute)
		mustFind(t, r, old) // starts the refresh
		mustFind(t, r, fresh)
		tr.wantAsked(t, 3)
	})
}

// Both fetches have no more time than one.
func TestTwoFetchesInTheTimeOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := publicKey(t)
		answer := recorded(keys(t, old))
		tr := newTransport(answer)
		r := tr.remote(t)
		mustFind(t, r, old)
		tr.answers(func(q *http.Request) (*http.Response, error) {
			time.Sleep(150 * time.Millisecond)
			return answer(q)
		})
		time.Sleep(9 * time.Minute)
		mustFind(t, r, old)
		start := time.Now()
		if _, err := find(t, r, publicKey(t)); err == nil || errors.Is(err, jwk.ErrNotFound) {
			t.Errorf("got %v, want an error that isn't ErrNotFound", err)
		}
		if took := time.Since(start); took != jwks.DefaultMaxWait {
			t.Errorf("took %v, want %v", took, jwks.DefaultMaxWait)
		}
	})
}

// An issuer that is flooded with made-up key ids doesn't keep another waiting.
func TestIssuersHaveSlotsOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key, fresh := publicKey(t), publicKey(t)
		flooded, other := newTransport(recorded(keys(t, key))), newTransport(recorded(keys(t, key)))
		a, b := flooded.remote(t), other.remote(t)
		mustFind(t, a, key)
		mustFind(t, b, key)
		for range 100 {
			find(t, a, publicKey(t))
		}
		other.answers(recorded(keys(t, key, fresh)))
		mustFind(t, b, fresh)
		flooded.wantAsked(t, 2)
		other.wantAsked(t, 2)
	})
}

// When the address that discovery gave fails, discovery is asked again; the new
// address gets no ETag of the old one.
func TestKeysMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := publicKey(t)
		var path atomic.Value
		path.Store("/old")
		body := newRecorderBody(keys(t, key), nil)
		tr := newTransport(recorded(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/.well-known/openid-configuration":
				fmt.Fprintf(w, `{"issuer":"https://issuer.test","jwks_uri":"https://issuer.test%s"}`, path.Load())
			case path.Load():
				w.Header().Set("ETag", `"1"`)
				if r.Header.Get("If-None-Match") != "" && path.Load() == "/new" {
					t.Error("the new address was sent the old one's ETag")
				}
				io.Copy(w, bytes.NewReader(body))
			default:
				w.WriteHeader(http.StatusNotFound)
			}
		}))
		r, err := jwks.New(jwks.Config{Issuer: "https://issuer.test", Client: &http.Client{Transport: tr}, Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		mustFind(t, r, key)
		path.Store("/new")
		if err := r.Refresh(t.Context()); err == nil {
			t.Error("the old address: got no error")
		}
		if err := r.Refresh(t.Context()); err != nil {
			t.Errorf("after discovery: %v", err)
		}
		mustFind(t, r, key)
	})
}
