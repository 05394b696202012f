package guard_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/guardtest"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// counting counts signature checks.
func counting(n *atomic.Int64) func(*guard.Config) {
	return func(cfg *guard.Config) {
		cfg.Prepare = func(k *jwk.PublicKey) *jwk.PublicKey {
			if k.Algorithm() == jwk.EdDSA {
				return k // signs the log
			}
			return k.WithVerify(func(message, signature []byte) bool {
				n.Add(1)
				return k.Verify(message, signature)
			})
		}
	}
}

func TestSignatureIsCheckedOnce(t *testing.T) {
	var n atomic.Int64
	issuer, g := newGuard(t, counting(&n))
	token := issuer.Token(audience, jwt.AccessClaims{})
	for range 10 {
		if _, err := g.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	if n.Load() != 1 {
		t.Errorf("%d signature checks, want 1", n.Load())
	}
	// The cache knows the token, not its signature or the claims alone.
	parts := strings.Split(token, ".")
	other := strings.Split(issuer.Token(audience, jwt.AccessClaims{Roles: []string{"admin"}}), ".")
	_, err := g.Verify(t.Context(), parts[0]+"."+other[1]+"."+parts[2])
	wantStatus(t, "another payload under a known signature", err, 401)
	_, err = g.Verify(t.Context(), parts[0]+"."+parts[1]+"."+other[2])
	wantStatus(t, "a known payload under another signature", err, 401)
	_, err = g.Verify(t.Context(), token[:len(token)-1])
	wantStatus(t, "a known token without its end", err, 401)
}

// A hit is no free pass: time, key and revocation count still.
func TestCachedTokenExpires(t *testing.T) {
	issuer, g := newGuard(t, nil)
	token := issuer.Token(audience, jwt.AccessClaims{})
	_, err := g.Verify(t.Context(), token)
	wantStatus(t, "fresh", err, 200)
	issuer.Advance(guardtest.Lifetime + guard.DefaultLeeway - time.Second)
	_, err = g.Verify(t.Context(), token)
	wantStatus(t, "in its last second, with leeway", err, 200)
	issuer.Advance(time.Second)
	_, err = g.Verify(t.Context(), token)
	wantStatus(t, "over", err, 401)
	if n := g.Stats().CacheEntries; n != 0 {
		t.Errorf("%d entries, want none: an expired token is dropped", n)
	}
}

// A token that was good is not yet valid where the clock is set back.
func TestCachedTokenBeforeItsTime(t *testing.T) {
	w := newWorld(t)
	now := time.Now().Truncate(time.Second)
	clock := now
	g := w.guard(t, func(cfg *guard.Config) {
		cfg.Issuers[0].Keys = w.key.Public()
		cfg.Now = func() time.Time { return clock }
	})
	token := w.token(func(c *jwt.AccessClaims) {
		c.IssuedAt, c.NotBefore = jwt.NumericDate(now.Add(-time.Hour)), jwt.NumericDate(now)
	})
	for _, c := range []struct {
		at   time.Duration
		want int
	}{{0, 200}, {-guard.DefaultLeeway, 200}, {-guard.DefaultLeeway - time.Second, 401}, {0, 200}} {
		clock = now.Add(c.at)
		_, err := g.Verify(t.Context(), token)
		wantStatus(t, c.at.String(), err, c.want)
	}
	if n := g.Stats().CacheHits; n != 1 {
		t.Errorf("%d hits, want 1: what is not yet valid is dropped", n)
	}
}

func TestCachedTokenOfAKeyThatLeft(t *testing.T) {
	w := newWorld(t)
	keys := &switchable{key: w.key.Public()}
	g := w.guard(t, func(cfg *guard.Config) { cfg.Issuers[0].Keys = keys })
	token := w.token(nil)
	_, err := g.Verify(t.Context(), token)
	wantStatus(t, "key there", err, 200)
	stranger, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	keys.key = stranger.Public().WithKeyID(w.key.KeyID())
	_, err = g.Verify(t.Context(), token)
	wantStatus(t, "another key under its name", err, 401)
	keys.key = w.key.Public()
	_, err = g.Verify(t.Context(), token)
	wantStatus(t, "key back", err, 200)
}

// The same where keys are fetched: a set that replaces another counts at once.
func TestCachedTokenOfAKeyThatWasReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := w.guard(t, nil)
		old := w.token(nil)
		for range 3 {
			_, err := g.Verify(t.Context(), old)
			wantStatus(t, "old key there", err, 200)
		}
		next, err := jwk.Generate(jwk.ES256)
		if err != nil {
			t.Fatal(err)
		}
		w.set(func(w *world) { w.key = next })
		_, err = g.Verify(t.Context(), w.token(nil)) // makes the guard fetch
		wantStatus(t, "new key", err, 200)
		_, err = g.Verify(t.Context(), old)
		wantStatus(t, "old key gone", err, 401)
	})
}

// Keys that could not be fetched for a day are of no use to a cached token
// either; and it may be good, so the answer isn't 401.
func TestCachedTokenOfKeysTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := w.guard(t, func(cfg *guard.Config) { cfg.Issuers[0].Revocation = guard.DontFollow })
		token := w.token(func(c *jwt.AccessClaims) { c.Expiry = jwt.NumericDate(time.Now().Add(48 * time.Hour)) })
		for range 3 {
			_, err := g.Verify(t.Context(), token)
			wantStatus(t, "fresh keys", err, 200)
		}
		w.fails(keysPath, discoveryPath)
		time.Sleep(24*time.Hour - 2*time.Second)
		for range 3 {
			_, err := g.Verify(t.Context(), token)
			wantStatus(t, "keys of yesterday", err, 200)
		}
		time.Sleep(2 * time.Second) // what a hit has found of the keys counts for one
		_, err := g.Verify(t.Context(), token)
		wantStatus(t, "keys too old", err, 503)
	})
}

func TestNoCache(t *testing.T) {
	var n atomic.Int64
	issuer, g := newGuard(t, func(cfg *guard.Config) { counting(&n)(cfg); cfg.CacheBytes = -1 })
	token := issuer.Token(audience, jwt.AccessClaims{})
	for range 3 {
		if _, err := g.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	if n.Load() != 3 {
		t.Errorf("%d signature checks, want 3", n.Load())
	}
}

// Somebody with many good tokens can't push out those that are in use.
func TestFloodOfUniqueTokens(t *testing.T) {
	var n atomic.Int64
	issuer, g := newGuard(t, func(cfg *guard.Config) { counting(&n)(cfg); cfg.CacheBytes = 1 << 20 })
	hot := make([]string, 50)
	for i := range hot {
		hot[i] = issuer.Token(audience, jwt.AccessClaims{Claims: jwt.Claims{Subject: fmt.Sprint("hot", i)}})
	}
	verify := func(token string) {
		if _, err := g.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		for _, token := range hot {
			verify(token)
		}
	}
	n.Store(0)
	const flood = 4000 // twelve times what the cache holds
	random := rand.New(rand.NewPCG(1, 2))
	for i := range flood {
		verify(issuer.Token(audience, jwt.AccessClaims{Claims: jwt.Claims{Subject: fmt.Sprint("flood", i)}}))
		verify(hot[random.IntN(len(hot))])
	}
	if lost := n.Load() - flood; lost > flood/100 {
		t.Errorf("%d of %d requests with tokens in use were no hits, want at most 1 %%", lost, flood)
	}
	if s := g.Stats(); s.CacheBytes > 1<<20 || s.CacheEntries < 200 {
		t.Errorf("%d entries of %d bytes, want at most 1 MiB, and well filled", s.CacheEntries, s.CacheBytes)
	}
}

func TestCacheBound(t *testing.T) {
	for _, size := range []int{1, 1000, 10_000, 300_000, 5 << 20} {
		issuer, g := newGuard(t, func(cfg *guard.Config) { cfg.CacheBytes = size })
		for i := range 300 {
			c := jwt.AccessClaims{Claims: jwt.Claims{Subject: fmt.Sprint("u", i)}, Name: strings.Repeat("n", i*10)}
			if _, err := g.Verify(t.Context(), issuer.Token(audience, c)); err != nil {
				t.Fatal(err)
			}
			if got := g.Stats().CacheBytes; got > size {
				t.Fatalf("%d bytes, want at most %d", got, size)
			}
		}
	}
}

func TestHitDoesNotAllocate(t *testing.T) {
	issuer, g := newGuard(t, nil)
	token := issuer.Token(audience, jwt.AccessClaims{Roles: []string{"admin"}})
	ctx, rules := t.Context(), []guard.Rule{guard.Role("admin"), guard.User()}
	request := guardtest.Bearer(get("/"), token)
	if _, err := g.Verify(ctx, token); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { g.Verify(ctx, token, rules...) }); n != 0 {
		t.Errorf("Verify of a known token allocates %v times, want 0", n)
	}
	if n := testing.AllocsPerRun(100, func() { g.Check(request, rules...) }); n != 0 {
		t.Errorf("Check of a known token allocates %v times, want 0", n)
	}
}

func benchmarkGuard(b *testing.B, public ...string) (*guard.Guard, string) {
	issuer := guardtest.NewIssuer(b)
	cfg := issuer.Config(audience)
	cfg.Public = public
	cfg.Now = nil // the real clock, as in production
	g, err := guard.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { g.Close() })
	if err := g.Ready(b.Context()); err != nil {
		b.Fatal(err)
	}
	return g, issuer.Token(audience, jwt.AccessClaims{Roles: []string{"admin"}, Name: "Ann Example", Email: "ann@example.com"})
}

// BenchmarkHit is Verify of a token that was seen before: with the look-up of
// its key, the clock, and a revocation log that is fresh and has not changed.
func BenchmarkHit(b *testing.B) {
	g, token := benchmarkGuard(b)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Verify(ctx, token); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAs is what a handler that wants claims of its own costs more.
func BenchmarkAs(b *testing.B) {
	g, token := benchmarkGuard(b)
	a, err := g.Verify(b.Context(), token)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := guard.As[listClaims](a); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHitParallel(b *testing.B) {
	g, token := benchmarkGuard(b)
	ctx := b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := g.Verify(ctx, token); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	g, token := benchmarkGuard(b)
	request := guardtest.Bearer(get("/orders"), token)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Check(request); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMiss(b *testing.B) {
	issuer := guardtest.NewIssuer(b)
	cfg := issuer.Config(audience)
	cfg.CacheBytes = -1
	g, err := guard.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer g.Close()
	token := issuer.Token(audience, jwt.AccessClaims{})
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Verify(ctx, token); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHandler is what a handler behind the guard costs more than one
// without, for a known token: Check, and a request with another context.
func BenchmarkHandler(b *testing.B) {
	g, token := benchmarkGuard(b)
	h := g.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	request := guardtest.Bearer(get("/orders"), token)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(nil, request)
	}
}

// What Stats calls bytes is an estimate; the memory itself is bounded too,
// whatever the tokens are full of.
func TestCacheMemory(t *testing.T) {
	const size = 1 << 20
	words := func(n int) []string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprint(i % 10)
		}
		return list
	}
	for name, claims := range map[string]jwt.AccessClaims{
		"ordinary":       {Roles: []string{"user", "editor"}, Name: "Ann Example", Email: "ann@example.com"},
		"long":           {Name: strings.Repeat("n", 3000)},
		"many roles":     {Roles: words(300)},
		"many of all":    {Roles: words(100), Permissions: words(100), Scope: words(100), AMR: words(100)},
		"many audiences": {Claims: jwt.Claims{Audience: append(words(300), audience)}},
		"many epochs":    {Epochs: words(300)},
	} {
		t.Run(name, func(t *testing.T) {
			issuer, g := newGuard(t, func(cfg *guard.Config) { cfg.CacheBytes = size })
			one := len(issuer.Token(audience, claims))
			before := heap()
			for range size / one / 2 { // more than fit
				if _, err := g.Verify(t.Context(), issuer.Token(audience, claims)); err != nil {
					t.Fatal(err)
				}
			}
			used, s := heap()-before, g.Stats()
			t.Logf("%d entries of %d bytes by estimate, %d in truth", s.CacheEntries, s.CacheBytes/s.CacheEntries, used/s.CacheEntries)
			if used > size {
				t.Errorf("%d bytes of heap, want at most %d", used, size)
			}
		})
	}
}

func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// Keys that sign the log are prepared like those of tokens: each head is a
// signature to check.
func TestLogKeysArePrepared(t *testing.T) {
	var n atomic.Int64
	_, g := newGuard(t, func(cfg *guard.Config) {
		cfg.Prepare = func(k *jwk.PublicKey) *jwk.PublicKey {
			if k.Algorithm() != jwk.EdDSA {
				return k
			}
			return k.WithVerify(func(message, signature []byte) bool {
				n.Add(1)
				return k.Verify(message, signature)
			})
		}
	})
	if err := g.Ready(t.Context()); err != nil || n.Load() == 0 {
		t.Errorf("%d heads checked with a prepared key, %v", n.Load(), err)
	}
}
