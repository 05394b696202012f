package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwks"
)

func TestNewAsksNobody(t *testing.T) {
	key := publicKey(t)
	i := newIssuer(t, keys(t, key))
	r := i.remote(t, nil)
	wantFetches(t, i, 0)
	mustFind(t, r, key)
	mustFind(t, r, key)
	wantFetches(t, i, 1)
}

func TestNewRefuses(t *testing.T) {
	for name, cfg := range map[string]jwks.Config{
		"neither":               {},
		"both":                  {URL: "https://a.example/keys", Issuer: "https://a.example"},
		"http":                  {URL: "http://a.example/keys"},
		"http issuer":           {Issuer: "http://a.example"},
		"user in the URL":       {URL: "https://u:p@a.example/keys"},
		"no host":               {URL: "https:///keys"},
		"no scheme":             {URL: "a.example/keys"},
		"a file":                {URL: "file:///etc/passwd"},
		"host called loopback":  {URL: "http://localhost.evil.example/keys"},
		"address with loopback": {URL: "http://127.0.0.1.evil.example/keys"},
		"issuer with a query":   {Issuer: "https://a.example?x"},
		"issuer without URL":    {Issuer: "urn:legacy"},
		"negative":              {URL: "https://a.example/keys", MaxStale: -1},
	} {
		if r, err := jwks.New(cfg); err == nil || r != nil {
			t.Errorf("%s: got %v, %v; want an error", name, r, err)
		}
	}
	for _, url := range []string{"https://a.example/keys", "http://localhost:8080/keys", "http://127.0.0.1/keys", "http://[::1]:8080/keys"} {
		if _, err := jwks.New(jwks.Config{URL: url}); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestDiscovery(t *testing.T) {
	key := publicKey(t)
	i := newIssuer(t, keys(t, key))
	r := i.remote(t, func(cfg *jwks.Config) { cfg.URL, cfg.Issuer = "", i.URL })
	mustFind(t, r, key)
}

func TestDiscoveryOfAnotherIssuer(t *testing.T) {
	key := publicKey(t)
	i := newIssuer(t, keys(t, key))
	r := i.remote(t, func(cfg *jwks.Config) { cfg.URL, cfg.Issuer = "", i.URL+"/" })
	if _, err := find(t, r, key); err == nil || errors.Is(err, jwk.ErrNotFound) {
		t.Errorf("got %v, want an error that says that keys are not available", err)
	}
	wantFetches(t, i, 0)
}

func TestOneFetchForAll(t *testing.T) {
	key := publicKey(t)
	release := make(chan struct{})
	good := keys(t, key)
	i := newIssuer(t, func(w http.ResponseWriter, r *http.Request) { <-release; good(w, r) })
	r := i.remote(t, nil)
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if _, err := find(t, r, key); err != nil {
				t.Error(err)
			}
		})
	}
	<-i.asked
	close(release)
	all.Wait()
	wantFetches(t, i, 1)
}

func TestUnknownKeysCauseNoStorm(t *testing.T) {
	key := publicKey(t)
	i := newIssuer(t, keys(t, key))
	r := i.remote(t, nil)
	mustFind(t, r, key)
	var all sync.WaitGroup
	for worker := range 20 {
		all.Go(func() {
			for n := range 500 {
				_, err := r.FindKey(t.Context(), jwk.ES256, fmt.Sprintf("made-up-%d-%d", worker, n))
				if !errors.Is(err, jwk.ErrNotFound) {
					t.Errorf("got %v, want ErrNotFound", err)
				}
			}
		})
	}
	all.Wait()
	wantFetches(t, i, 2) // the first one, and one for all 10,000
	i.clock.advance(jwks.DefaultCooldown - time.Second)
	find(t, r, publicKey(t))
	wantFetches(t, i, 2)
	i.clock.advance(time.Second)
	find(t, r, publicKey(t))
	find(t, r, publicKey(t))
	wantFetches(t, i, 3)
}

func TestUnknownKeyIsFetched(t *testing.T) {
	old, fresh := publicKey(t), publicKey(t)
	i := newIssuer(t, keys(t, old))
	r := i.remote(t, nil)
	mustFind(t, r, old)
	i.answers(keys(t, old, fresh))
	mustFind(t, r, fresh)
	wantFetches(t, i, 2)
	<-i.asked
	if got := (<-i.asked).Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("Cache-Control of the second request is %q, want no-cache: a cache has the old set", got)
	}
}

// The same unknown key, over and over, is asked for less and less often.
func TestSameUnknownKeyIsAskedForSeldom(t *testing.T) {
	key, gone := publicKey(t), publicKey(t)
	body := newRecorderBody(keys(t, key), nil)
	i := newIssuer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=86400")
		w.Write(body)
	})
	r := i.remote(t, nil)
	mustFind(t, r, key)
	fetchedAt := []int{}
	for second := 0; second < 300; second += 10 {
		before := i.fetches()
		find(t, r, gone)
		if i.fetches() != before {
			fetchedAt = append(fetchedAt, second)
		}
		i.clock.advance(10 * time.Second)
	}
	if got, want := fmt.Sprint(fetchedAt), "[0 30 90 210]"; got != want {
		t.Errorf("asked after %s seconds, want %s", got, want)
	}
}

func TestNotFoundWithoutAFetch(t *testing.T) {
	key := publicKey(t)
	i := newIssuer(t, keys(t, key))
	r := i.remote(t, nil)
	if _, err := r.FindKey(t.Context(), jwk.ES256, strings.Repeat("k", 5000)); !errors.Is(err, jwk.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	wantFetches(t, i, 0)
	if _, err := new(jwks.Remote).FindKey(t.Context(), jwk.ES256, "k"); !errors.Is(err, jwk.ErrNotFound) {
		t.Errorf("zero Remote: got %v, want ErrNotFound", err)
	}
}

func TestRefreshAheadOfExpiry(t *testing.T) {
	old, fresh := publicKey(t), publicKey(t)
	i := newIssuer(t, keys(t, old))
	r := i.remote(t, nil)
	mustFind(t, r, old)
	<-i.asked

	i.clock.advance(449 * time.Second) // 75 % of 10 min less a second
	mustFind(t, r, old)
	wantFetches(t, i, 1)

	release := make(chan struct{})
	next := keys(t, fresh)
	i.answers(func(w http.ResponseWriter, r *http.Request) { <-release; next(w, r) })
	i.clock.advance(62 * time.Second) // 85 % and a second
	mustFind(t, r, old)               // doesn't wait: the set is fresh still
	<-i.asked
	close(release)
	if err := r.Refresh(t.Context()); err != nil { // joins the one under way, or comes after it
		t.Fatal(err)
	}
	mustFind(t, r, fresh)
	if _, err := find(t, r, old); !errors.Is(err, jwk.ErrNotFound) {
		t.Errorf("a key that left the set: got %v, want ErrNotFound", err)
	}
}

func TestExpiredSetIsWaitedFor(t *testing.T) {
	old, fresh := publicKey(t), publicKey(t)
	i := newIssuer(t, keys(t, old))
	r := i.remote(t, nil)
	mustFind(t, r, old)
	i.answers(keys(t, fresh))
	i.clock.advance(time.Hour)
	if _, err := find(t, r, old); !errors.Is(err, jwk.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound: the new set hasn't got the key", err)
	}
	wantFetches(t, i, 2)
}

func TestStaleKeysWhileTheIssuerIsDown(t *testing.T) {
	key := publicKey(t)
	i := newIssuer(t, keys(t, key))
	r := i.remote(t, nil)
	mustFind(t, r, key)
	i.answers(text(http.StatusInternalServerError, "down"))
	for range 20 {
		i.clock.advance(time.Hour)
		mustFind(t, r, key)
	}
	i.clock.advance(4*time.Hour - time.Second)
	mustFind(t, r, key)
	i.clock.advance(time.Second)
	if _, err := find(t, r, key); err == nil || errors.Is(err, jwk.ErrNotFound) {
		t.Errorf("after MaxStale: got %v, want an error that isn't ErrNotFound", err)
	}
	i.answers(keys(t, key))
	i.clock.advance(time.Minute)
	mustFind(t, r, key)
}

// While the issuer is down, what it has by now is not known: an unknown key is
// no reason to tell anybody that their token is bad.
func TestUnknownKeyWhileTheIssuerIsDown(t *testing.T) {
	key := publicKey(t)
	i := newIssuer(t, keys(t, key))
	r := i.remote(t, nil)
	mustFind(t, r, key)
	i.answers(text(http.StatusBadGateway, ""))
	for range 3 {
		if _, err := find(t, r, publicKey(t)); err == nil || errors.Is(err, jwk.ErrNotFound) {
			t.Errorf("got %v, want an error that isn't ErrNotFound", err)
		}
	}
	wantFetches(t, i, 2)
}

func TestFailuresAreNotRepeatedAtOnce(t *testing.T) {
	i := newIssuer(t, text(http.StatusInternalServerError, ""))
	r := i.remote(t, nil)
	key := publicKey(t)
	for range 1000 {
		if _, err := find(t, r, key); err == nil || errors.Is(err, jwk.ErrNotFound) {
			t.Fatalf("got %v, want an error that isn't ErrNotFound", err)
		}
	}
	wantFetches(t, i, 1)
	i.answers(keys(t, key))
	i.clock.advance(time.Second)
	mustFind(t, r, key)
	wantFetches(t, i, 2)
}

func TestBadAnswersChangeNothing(t *testing.T) {
	key := publicKey(t)
	good := newRecorderBody(keys(t, key), nil)
	elsewhere := newIssuer(t, keys(t, publicKey(t)))
	for name, answer := range map[string]http.HandlerFunc{
		"HTML":               text(200, "<html>sign in</html>"),
		"nothing":            text(200, ""),
		"no content":         text(204, ""),
		"not found":          text(404, string(good)),
		"too large":          text(200, string(good)+strings.Repeat(" ", 1<<20)),
		"cut":                text(200, string(good[:len(good)-1])),
		"data after it":      text(200, string(good)+"{}"),
		"keys twice":         text(200, `{"keys":[],`+string(good[1:])),
		"a symmetric key":    text(200, `{"keys":[{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","alg":"HS256","kid":"x"}]}`),
		"unasked 304":        text(304, ""),
		"redirect elsewhere": http.RedirectHandler(elsewhere.URL+"/keys", http.StatusFound).ServeHTTP,
		"redirect to http":   http.RedirectHandler("http://evil.example/keys", http.StatusFound).ServeHTTP,
		"redirect for ever":  http.RedirectHandler("/keys", http.StatusFound).ServeHTTP,
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t, text(200, string(good)))
			r := i.remote(t, nil)
			mustFind(t, r, key)
			i.answers(answer)
			if err := r.Refresh(t.Context()); err == nil {
				t.Error("Refresh: got no error")
			}
			mustFind(t, r, key)
		})
	}
	wantFetches(t, elsewhere, 0)
}

func TestRedirectWithinTheOrigin(t *testing.T) {
	key := publicKey(t)
	good := keys(t, key)
	i := newIssuer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "" {
			http.Redirect(w, r, "/keys?v=2", http.StatusFound)
			return
		}
		good(w, r)
	})
	mustFind(t, i.remote(t, nil), key)
}

func TestSlowIssuerDelaysNobodyForLong(t *testing.T) {
	release := make(chan struct{})
	i := newIssuer(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) })
	r := i.remote(t, func(cfg *jwks.Config) { cfg.MaxWait = 20 * time.Millisecond })
	start := time.Now()
	for range 100 { // only the first one waits: MaxWait counts from the fetch's beginning
		if _, err := find(t, r, publicKey(t)); err == nil || errors.Is(err, jwk.ErrNotFound) {
			t.Fatalf("got %v, want an error that isn't ErrNotFound", err)
		}
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("100 look-ups took %v, want about 20 ms", took)
	}
}

func TestCallerGivesUp(t *testing.T) {
	release := make(chan struct{})
	key := publicKey(t)
	good := keys(t, key)
	i := newIssuer(t, func(w http.ResponseWriter, r *http.Request) { <-release; good(w, r) })
	r := i.remote(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.FindKey(ctx, jwk.ES256, key.KeyID()); err == nil || errors.Is(err, jwk.ErrNotFound) {
		t.Errorf("got %v, want an error that isn't ErrNotFound", err)
	}
	close(release)
	mustFind(t, r, key) // the fetch that the first caller began goes on without it
	wantFetches(t, i, 1)
}

func TestKeysKeepTheirPointer(t *testing.T) {
	kept, leaving, fresh := publicKey(t), publicKey(t), publicKey(t)
	prepared := make(map[string]int)
	i := newIssuer(t, keys(t, kept, leaving))
	r := i.remote(t, func(cfg *jwks.Config) {
		cfg.Prepare = func(k *jwk.PublicKey) *jwk.PublicKey {
			prepared[k.KeyID()]++
			return k.WithVerify(func(_, _ []byte) bool { return true })
		}
	})
	before := mustFind(t, r, kept)
	if !before.Verify(nil, nil) {
		t.Error("the key is not the one that Prepare returned")
	}
	i.answers(keys(t, fresh, kept))
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if mustFind(t, r, kept) != before {
		t.Error("a key that the refresh brought again has another pointer")
	}
	set := r.Set()
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r.Set() != set {
		t.Error("the set has another pointer though nothing changed")
	}
	want := map[string]int{kept.KeyID(): 1, leaving.KeyID(): 1, fresh.KeyID(): 1}
	if fmt.Sprint(prepared) != fmt.Sprint(want) {
		t.Errorf("prepared %v, want each key once: %v", prepared, want)
	}
}

// Another key under a kid that was used before is another key.
func TestReusedKeyID(t *testing.T) {
	first, second := publicKey(t).WithKeyID("k"), publicKey(t).WithKeyID("k")
	i := newIssuer(t, keys(t, first))
	r := i.remote(t, nil)
	before := mustFind(t, r, first)
	i.answers(keys(t, second))
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if mustFind(t, r, second) == before {
		t.Error("the old key is still there")
	}
}

func TestETag(t *testing.T) {
	key := publicKey(t)
	body := newRecorderBody(keys(t, key), nil)
	i := newIssuer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Cache-Control", "max-age=600")
		if r.Header.Get("If-None-Match") == `"v1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Write(body)
	})
	r := i.remote(t, nil)
	mustFind(t, r, key)
	i.clock.advance(time.Hour)
	mustFind(t, r, key)
	i.clock.advance(time.Minute) // the answer without a body was good for ten minutes
	mustFind(t, r, key)
	wantFetches(t, i, 2)
	if got := r.Fetched(); !got.Equal(i.clock.Now().Add(-time.Minute)) {
		t.Errorf("Fetched is %v, want a minute ago", got)
	}
}

func TestLifetime(t *testing.T) {
	for _, c := range []struct {
		name, cacheControl, age string
		want                    time.Duration // until look-ups wait for a new set
	}{
		{"nothing said", "", "", 10 * time.Minute},
		{"max-age", "public, max-age=3600", "", time.Hour},
		{"max-age and age", "max-age=3600", "3000", 10 * time.Minute},
		{"age beyond max-age", "max-age=600", "700", 30 * time.Second},
		{"quoted, capitals", `Max-Age="3600"`, "", time.Hour},
		{"no-store", "max-age=3600, no-store", "", 30 * time.Second},
		{"no-cache", "no-cache", "", 30 * time.Second},
		{"short", "max-age=5", "", 5 * time.Second},
		{"very short", "max-age=1", "", time.Second},
		{"nothing", "max-age=0", "", 30 * time.Second},
		{"very long", "max-age=99999999999999999999", "", 24 * time.Hour},
		{"not a number", "max-age=soon", "", 30 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := publicKey(t)
			body := newRecorderBody(keys(t, key), nil)
			i := newIssuer(t, func(w http.ResponseWriter, r *http.Request) {
				if c.cacheControl != "" {
					w.Header().Set("Cache-Control", c.cacheControl)
				}
				if c.age != "" {
					w.Header().Set("Age", c.age)
				}
				w.Write(body)
			})
			r := i.remote(t, nil)
			mustFind(t, r, key)
			i.clock.advance(c.want*74/100 - time.Nanosecond)
			mustFind(t, r, key)
			wantFetches(t, i, 1)
			i.clock.advance(c.want*26/100 + time.Nanosecond)
			mustFind(t, r, key)
			wantFetches(t, i, 2)
		})
	}
}

func TestClose(t *testing.T) {
	key := publicKey(t)
	i := newIssuer(t, keys(t, key))
	r := i.remote(t, nil)
	mustFind(t, r, key)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	mustFind(t, r, key)
	i.clock.advance(time.Hour)
	mustFind(t, r, key) // stale, and no fetch any more
	find(t, r, publicKey(t))
	if err := r.Refresh(t.Context()); !errors.Is(err, jwks.ErrClosed) {
		t.Errorf("Refresh: got %v, want ErrClosed", err)
	}
	wantFetches(t, i, 1)
	i.clock.advance(24 * time.Hour)
	if _, err := find(t, r, key); !errors.Is(err, jwks.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}

func TestCloseCancelsAFetch(t *testing.T) {
	gone := make(chan struct{})
	i := newIssuer(t, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(gone)
	})
	before := runtime.NumGoroutine()
	r := i.remote(t, nil)
	refreshed := make(chan error)
	go func() { refreshed <- r.Refresh(context.Background()) }()
	<-i.asked
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-refreshed; !errors.Is(err, context.Canceled) {
		t.Errorf("Refresh: got %v, want context.Canceled", err)
	}
	<-gone
	i.CloseClientConnections()
	awaitGoroutines(t, before+1) // the server's own
}

// There is nothing to leak between fetches.
func TestNoGoroutineBetweenFetches(t *testing.T) {
	key := publicKey(t)
	good := newRecorderBody(keys(t, key), nil)
	clock := newClock()
	before := runtime.NumGoroutine()
	for range 50 {
		r, err := jwks.New(jwks.Config{URL: "https://issuer.test/keys", Now: clock.Now, MaxWait: 10 * time.Second,
			Client: &http.Client{Transport: memory(good)}})
		if err != nil {
			t.Fatal(err)
		}
		mustFind(t, r, key)
	}
	awaitGoroutines(t, before)
}

func TestConcurrentUse(t *testing.T) {
	first, second := publicKey(t), publicKey(t)
	i := newIssuer(t, keys(t, first, second))
	r := i.remote(t, nil)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for n := range 200 {
				switch {
				case worker == 0 && n%10 == 0:
					i.clock.advance(time.Minute)
				case worker == 1 && n%50 == 0:
					i.answers(keys(t, first, publicKey(t)))
				case worker == 2 && n%20 == 0:
					find(t, r, publicKey(t))
				}
				if _, err := find(t, r, first); err != nil {
					t.Error(err)
					return
				}
				r.Set()
				r.Fetched()
			}
		})
	}
	all.Wait()
}
