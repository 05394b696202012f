package guard_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwk"
)

// An issuer that begins to sign its log is believed for its signatures at once,
// and no request notices.
func TestIssuerBeginsToSign(t *testing.T) {
	for _, streams := range []bool{true, false} {
		t.Run(fmt.Sprint("streams ", streams), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newSignedLog(t)
				l.old, l.closed = true, !streams
				l.revoke(revlog.Session, "old")
				g := l.guard(t, nil)
				l.check(t, "unsigned", g, "old", 401)
				l.with(func() { l.old = false })
				for range 15 {
					time.Sleep(time.Second)
					l.check(t, "upgraded", g, "good", 200)
				}
				l.revoke(revlog.Session, "new")
				time.Sleep(2 * time.Second)
				l.check(t, "signed", g, "new", 401)
				if s := g.Stats().Issuers[0]; streams && (s.Failures != 0 || s.Acknowledged == 0) {
					t.Errorf("stats %+v, want no failure, and acknowledgements", s)
				}
				l.with(func() { l.tamper = func(p *revlog.Page) *revlog.Page { p.Proof = nil; return p } })
				time.Sleep(whileAttacked)
				l.check(t, "signatures taken away", g, "good", 503)
			})
		})
	}
}

// A relay that makes up signatures doesn't make a guard ask its issuer for keys
// without end.
func TestMadeUpSignatures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newSignedLog(t)
		l.hidden = true
		var asked atomic.Int32
		g := l.guard(t, func(cfg *guard.Config) {
			inner := cfg.Client.Transport
			cfg.Client.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.URL.Path == discoveryPath {
					asked.Add(1)
				}
				return inner.RoundTrip(r)
			})
		})
		time.Sleep(10 * time.Minute)
		l.check(t, "good", g, "good", 200)
		if n := asked.Load(); n < 5 || n > 15 {
			t.Errorf("asked for the discovery document %d times in ten minutes", n)
		}
	})
}

func newKey(t *testing.T) *jwk.PrivateKey {
	t.Helper()
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// showUnknown shows a guard a token of a key that it can't find: that takes the
// one look for unknown keys in 30 s.
func (l *signedLog) showUnknown(t *testing.T, g *guard.Guard, key *jwk.PrivateKey) {
	t.Helper()
	known := l.world.key
	l.world.key = key
	strange := l.tokenOf("good")
	l.world.key = known
	_, err := g.Verify(t.Context(), strange)
	wantStatus(t, "a key that nobody knows", err, 401)
}

// A restored server has another log and other keys. Tokens of the new keys are
// good at once, though somebody has just had the guard look for a key that
// doesn't exist.
func TestRestoredServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newSignedLog(t)
		g := l.guard(t, nil)
		l.check(t, "at first", g, "good", 200)
		time.Sleep(5 * time.Second)
		key := newKey(t)
		l.showUnknown(t, g, key)

		l.world.set(func(w *world) { w.key = key })
		l.with(func() { l.begin("log-2"); l.turnKey() })
		l.revoke(revlog.Session, "other")
		time.Sleep(3 * time.Second)
		l.check(t, "restored", g, "other", 401)
		l.check(t, "restored", g, "good", 200)
		if n := l.asked(keysPath); n > 3 {
			t.Errorf("asked for keys %d times, want once at first, once for the unknown, once for the restore", n)
		}
	})
}

// A key is revoked, and another one takes its place. Tokens of that are good at
// once, though somebody has just had the guard look for a key that doesn't exist.
func TestKeyAfterARevokedOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newSignedLog(t)
		g := l.guard(t, nil)
		l.check(t, "at first", g, "good", 200)
		time.Sleep(5 * time.Second)
		old, key := l.world.key, newKey(t)
		l.showUnknown(t, g, newKey(t))

		l.world.set(func(w *world) { w.key = key })
		l.revoke(revlog.Key, old.KeyID())
		time.Sleep(time.Second)
		l.check(t, "after the revocation", g, "good", 200)
		if n := l.asked(keysPath); n > 3 {
			t.Errorf("asked for keys %d times, want once at first, once for the unknown, once for the revocation", n)
		}
	})
}

// However often the log changes, keys are fetched every few seconds at most.
func TestManyLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newSignedLog(t)
		l.guard(t, nil)
		synctest.Wait()
		for n := range 600 {
			l.with(func() { l.begin(fmt.Sprint("log-", n)) })
			time.Sleep(100 * time.Millisecond)
		}
		if n := l.asked(keysPath); n < 5 || n > 14 {
			t.Errorf("asked for keys %d times in a minute, want about 12", n)
		}
	})
}

// Close leaves nothing behind: the bubble of the test fails if a goroutine is
// left, and so does this one if the stream goes on.
func TestCloseLeavesNothing(t *testing.T) {
	for name, prepare := range map[string]func(l *signedLog){
		"streaming":             func(*signedLog) {},
		"polling":               func(l *signedLog) { l.closed = true },
		"silent":                func(l *signedLog) { l.silent = true },
		"nobody there":          func(l *signedLog) { l.fails(discoveryPath, keysPath, logPath, logKeysPath) },
		"no log keys":           func(l *signedLog) { l.fails(logKeysPath) },
		"acknowledging":         func(l *signedLog) { l.ackWith = hang },
		"asked for other keys":  func(l *signedLog) { l.tamper = func(p *revlog.Page) *revlog.Page { p.Proof.KeyID = "x"; return p } },
		"waiting for a backoff": func(l *signedLog) { l.tamper = func(p *revlog.Page) *revlog.Page { p.Proof = nil; return p } },
	} {
		for _, after := range []time.Duration{0, time.Millisecond, 3 * time.Second, time.Minute} {
			t.Run(fmt.Sprint(name, after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newSignedLog(t)
					prepare(l)
					l.revoke(revlog.Session, "x")
					g, err := guard.New(func() guard.Config {
						cfg := l.config()
						cfg.Client.Transport = roundTrip(l.roundTrip)
						return cfg
					}())
					if err != nil {
						t.Fatal(err)
					}
					time.Sleep(after)
					began := time.Now()
					if err := g.Close(); err != nil {
						t.Error(err)
					}
					if took := time.Since(began); took > 100*time.Millisecond {
						t.Errorf("closed after %v", took)
					}
					opened, polled := l.counts()
					time.Sleep(time.Hour)
					if o, p := l.counts(); o != opened || p != polled {
						t.Error("it goes on")
					}
				})
			})
		}
	}
}

func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// Whoever waits for a revocation at a guard that is closed doesn't wait for ever.
func TestSyncedEndsWithTheGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newSignedLog(t)
		g := l.guard(t, nil)
		l.check(t, "at first", g, "good", 200)
		done := make(chan error, 1)
		go func() { done <- g.Synced(context.Background(), issuerURL, 1_000_000) }()
		synctest.Wait()
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err == nil || !strings.Contains(err.Error(), "closed") {
			t.Errorf("Synced = %v, want that the guard was closed", err)
		}
	})
}
