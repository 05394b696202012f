package guard_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwt"
)

func online(cfg *guard.Config) { cfg.Issuers[0].Revocation = guard.Online }

func TestOnline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := w.guard(t, online)
		token := w.token(nil)
		for range 100 { // ten seconds
			_, err := g.Verify(t.Context(), token)
			wantStatus(t, "active", err, 200)
			time.Sleep(100 * time.Millisecond)
		}
		if n := w.asked(introspectionPath); n != 2 {
			t.Errorf("asked %d times in ten seconds, want 2", n)
		}
		if n := w.asked(logPath); n != 0 || g.Stats().Issuers[0].Followed {
			t.Errorf("asked the log %d times", n)
		}
		w.set(func(w *world) { w.inactive[token] = true })
		time.Sleep(5 * time.Second)
		before := w.asked(introspectionPath)
		for range 100 {
			_, err := g.Verify(t.Context(), token)
			wantStatus(t, "not active any more", err, 401)
			time.Sleep(100 * time.Millisecond)
		}
		if n := w.asked(introspectionPath) - before; n != 2 {
			t.Errorf("asked %d times about a revoked token in ten seconds, want 2", n)
		}
		w.set(func(w *world) { clear(w.inactive) })
		w.fails(introspectionPath)
		time.Sleep(6 * time.Second)
		_, err := g.Verify(t.Context(), token)
		wantStatus(t, "the issuer is gone", err, 503)
		w.fails()
		time.Sleep(10 * time.Second)
		_, err = g.Verify(t.Context(), token)
		wantStatus(t, "the issuer is back", err, 200)
	})
}

// A token is refused at most IntrospectionTTL after its end, whatever is asked
// and when, also if the clock is set back meanwhile.
func TestOnlineTTL(t *testing.T) {
	for ttl, want := range map[time.Duration]int{0: 200, time.Second: 401, 3 * time.Second: 401, time.Minute: 200} {
		for _, back := range []time.Duration{0, 10 * time.Second} {
			t.Run(fmt.Sprint(ttl, back), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					var behind time.Duration
					g := w.guard(t, func(cfg *guard.Config) {
						online(cfg)
						cfg.IntrospectionTTL, cfg.Now = ttl, func() time.Time { return time.Now().Add(-behind) }
					})
					token := w.token(nil)
					_, err := g.Verify(t.Context(), token)
					wantStatus(t, "active", err, 200)
					w.set(func(w *world) { w.inactive[token] = true })
					time.Sleep(4 * time.Second)
					behind = back
					want := want
					if back > 0 {
						want = 401
					}
					_, err = g.Verify(t.Context(), token)
					wantStatus(t, "4 s later", err, want)
				})
			})
		}
	}
}

// The answers live in the cache of tokens, within its bound.
func TestOnlineMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := w.guard(t, func(cfg *guard.Config) { online(cfg); cfg.CacheBytes = 64 << 10 })
		for n := range 500 {
			_, err := g.Verify(t.Context(), w.token(func(c *jwt.AccessClaims) { c.ID = fmt.Sprint(n) }))
			wantStatus(t, "active", err, 200)
		}
		if s := g.Stats(); s.CacheBytes > 64<<10 || s.CacheEntries > 64 {
			t.Errorf("%d entries of %d bytes, want at most 64 KiB", s.CacheEntries, s.CacheBytes)
		}
	})
}

func TestOnlineNeedsCredentials(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*guard.Config){
		"no credentials":          func(cfg *guard.Config) { cfg.Credentials = nil },
		"a log besides":           func(cfg *guard.Config) { cfg.Issuers[0].LogURL = issuerURL + logPath },
		"an issuer without place": func(cfg *guard.Config) { cfg.Issuers[0].URL, cfg.Issuers[0].Keys = "urn:x", w.key.Public() },
		"answers for an hour":     func(cfg *guard.Config) { cfg.IntrospectionTTL = time.Hour },
		"answers for a moment":    func(cfg *guard.Config) { cfg.IntrospectionTTL = time.Millisecond },
	} {
		cfg := w.config()
		online(&cfg)
		change(&cfg)
		if _, err := guard.New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestMinSeq(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newSignedLog(t)
		l.revoke(revlog.Session, "x")
		g := l.guard(t, nil)
		token := l.tokenOf("good")
		verify := func(rules ...guard.Rule) (time.Duration, error) {
			began := time.Now()
			_, err := g.Verify(t.Context(), token, rules...)
			return time.Since(began), err
		}
		for seq, want := range map[uint64]int{0: 200, 1: 200, 2: 503, 1 << 60: 503} {
			took, err := verify(guard.MinSeq(seq))
			wantStatus(t, fmt.Sprint("up to ", seq), err, want)
			if want == 200 && took != 0 || want == 503 && took != 2*time.Second {
				t.Errorf("up to %d: answered after %v", seq, took)
			}
		}
		// What arrives while it waits decides.
		time.AfterFunc(time.Second, func() { l.revoke(revlog.Session, "other") })
		took, err := verify(guard.MinSeq(2))
		wantStatus(t, "it comes", err, 200)
		if took != time.Second {
			t.Errorf("answered after %v, want 1 s", took)
		}
		time.AfterFunc(time.Second, func() { l.revoke(revlog.Session, "good") })
		_, err = verify(guard.MinSeq(3))
		wantStatus(t, "it is about this token", err, 401)

		token = l.tokenOf("third")
		for name, c := range map[string]struct {
			rules []guard.Rule
			want  int
		}{
			"the highest counts":        {[]guard.Rule{guard.MinSeq(9), guard.MinSeq(1)}, 503},
			"accepting doesn't help":    {[]guard.Rule{guard.MinSeq(9), guard.WhenStale(guard.AcceptUntilExpiry)}, 503},
			"asking does":               {[]guard.Rule{guard.MinSeq(9), guard.WhenStale(guard.Introspect)}, 200},
			"inside Any it isn't a yes": {[]guard.Rule{guard.Any(guard.MinSeq(1))}, 403},
			"beside another rule":       {[]guard.Rule{guard.MinSeq(1), guard.Role("admin")}, 403},
		} {
			_, err := verify(c.rules...)
			wantStatus(t, name, err, c.want)
		}
		// A handler's own check, inside the guard's.
		a, err := g.Verify(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		inside := get("/").WithContext(guard.NewContext(t.Context(), a))
		_, err = g.Check(inside, guard.MinSeq(3))
		wantStatus(t, "inside", err, 200)
		_, err = g.Check(inside, guard.MinSeq(4))
		wantStatus(t, "inside, not reached", err, 503)
		// Nobody waits longer than he likes.
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err = g.Verify(ctx, token, guard.MinSeq(4))
		wantStatus(t, "a short wait", err, 503)
		if took := time.Since(began); took != 100*time.Millisecond {
			t.Errorf("waited %v", took)
		}
	})
}

// An answer from before the number was known doesn't count for it.
func TestMinSeqAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := w.guard(t, online)
		token := w.token(nil)
		_, err := g.Verify(t.Context(), token)
		wantStatus(t, "active", err, 200)
		w.set(func(w *world) { w.inactive[token] = true })
		_, err = g.Verify(t.Context(), token)
		wantStatus(t, "remembered", err, 200)
		_, err = g.Verify(t.Context(), token, guard.MinSeq(7))
		wantStatus(t, "with a number", err, 401)
		for range 10 {
			_, err = g.Verify(t.Context(), token, guard.MinSeq(7))
			wantStatus(t, "again", err, 401)
		}
		if n := w.asked(introspectionPath); n != 2 {
			t.Errorf("asked %d times, want 2", n)
		}
	})
}

func TestMinSeqWithoutALog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := w.guard(t, func(cfg *guard.Config) { cfg.Issuers[0].Revocation = guard.DontFollow })
		_, err := g.Verify(t.Context(), w.token(nil), guard.MinSeq(1))
		wantStatus(t, "not followed", err, 503)
		w.set(func(w *world) { w.offered = false })
		g = w.guard(t, nil)
		_, err = g.Verify(t.Context(), w.token(nil), guard.MinSeq(1))
		wantStatus(t, "not offered", err, 503)
	})
}
