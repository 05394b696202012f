package guard_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwt"
)

// What a guard knows of the log, what is true of the token, and the policy
// decide together.
func TestStale(t *testing.T) {
	const (
		fresh = "fresh" // the log answers
		stale = "stale" // it did, until 31 seconds ago
		never = "never" // it never did
	)
	const (
		good   = "good"
		known  = "revoked, and the guard has heard of it"
		unseen = "revoked while the log was out of reach"
	)
	for _, c := range []struct {
		log    string
		policy guard.StalePolicy
		token  string
		want   int
	}{
		{fresh, guard.Reject, good, 200}, {fresh, guard.Reject, known, 401},
		{fresh, guard.Introspect, good, 200}, {fresh, guard.Introspect, known, 401},
		{fresh, guard.AcceptUntilExpiry, good, 200}, {fresh, guard.AcceptUntilExpiry, known, 401},

		{stale, guard.Reject, good, 503}, {stale, guard.Reject, known, 401}, {stale, guard.Reject, unseen, 503},
		{stale, guard.Introspect, good, 200}, {stale, guard.Introspect, known, 401}, {stale, guard.Introspect, unseen, 401},
		{stale, guard.AcceptUntilExpiry, good, 200}, {stale, guard.AcceptUntilExpiry, known, 401},
		{stale, guard.AcceptUntilExpiry, unseen, 200}, // what it says: it fails open

		{never, guard.Reject, good, 503}, {never, guard.Reject, unseen, 503},
		{never, guard.Introspect, good, 200}, {never, guard.Introspect, unseen, 401},
		{never, guard.AcceptUntilExpiry, good, 200}, {never, guard.AcceptUntilExpiry, unseen, 200},
	} {
		for _, cached := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%d/%s/cached=%v", c.log, c.policy, c.token, cached), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					if c.log == never {
						w.fails(logPath)
					}
					g := w.guard(t, func(cfg *guard.Config) { cfg.Stale = c.policy })
					token := w.token(nil)
					synctest.Wait()
					if cached {
						g.Verify(t.Context(), token)
					}
					if c.token == known {
						w.revoke(revlog.Session, "sid-1")
						synctest.Wait()
					}
					if c.log == stale {
						w.fails(logPath)
						time.Sleep(31 * time.Second)
					}
					if c.token == unseen {
						w.set(func(w *world) { w.inactive[token] = true })
						time.Sleep(6 * time.Second) // an earlier good introspection holds for five
					}
					_, err := g.Verify(t.Context(), token)
					wantStatus(t, "token", err, c.want)
				})
			})
		}
	}
}

// A log that is out of reach for less than MaxStale disturbs nobody.
func TestShortOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := w.guard(t, nil)
		token := w.token(nil)
		_, err := g.Verify(t.Context(), token)
		wantStatus(t, "at first", err, 200)
		for range 20 {
			w.fails(logPath)
			for range 14 {
				time.Sleep(time.Second)
				_, err := g.Verify(t.Context(), token)
				wantStatus(t, "during an outage", err, 200)
			}
			w.fails()
			time.Sleep(16 * time.Second)
		}
		_, err = g.Verify(t.Context(), token)
		wantStatus(t, "afterwards", err, 200)
	})
}

func TestRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := w.guard(t, nil)
		synctest.Wait()
		w.fails(logPath, discoveryPath, keysPath)
		time.Sleep(10 * time.Minute)
		_, err := g.Verify(t.Context(), w.token(nil))
		wantStatus(t, "out of reach", err, 503)
		if n := w.asked(logPath); n > 200 {
			t.Errorf("asked %d times in ten minutes, want some eighty", n)
		}
		seq := w.revoke(revlog.Session, "sid-9")
		w.fails()
		start := time.Now()
		if err := g.Synced(t.Context(), issuerURL, seq); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("back after %v, want at most 10 s", took)
		}
		_, err = g.Verify(t.Context(), w.token(nil))
		wantStatus(t, "back again", err, 200)
		_, err = g.Verify(t.Context(), w.token(func(c *jwt.AccessClaims) { c.SessionID = "sid-9" }))
		wantStatus(t, "revoked meanwhile", err, 401)
	})
}

// An idle log is not a stale one.
func TestIdleLogStaysFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := w.guard(t, nil)
		for range 300 {
			_, err := g.Verify(t.Context(), w.token(nil))
			wantStatus(t, "after "+time.Since(bubbleStart).String(), err, 200)
			time.Sleep(time.Second)
		}
		if n := w.asked(logPath); n > 40 {
			t.Errorf("asked %d times in five minutes, want some thirty", n)
		}
	})
}

// bubbleStart is when time begins in a synctest bubble.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// A server that doesn't hold answers back isn't asked without end.
func TestLogThatAnswersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.guard(t, func(cfg *guard.Config) {
			inner := cfg.Client.Transport
			cfg.Client.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				q := r.URL.Query()
				q.Del("wait")
				r.URL.RawQuery = q.Encode()
				r.Form = nil
				return inner.RoundTrip(r)
			})
		})
		time.Sleep(time.Minute)
		if n := w.asked(logPath); n > 70 {
			t.Errorf("asked %d times in a minute, want about sixty", n)
		}
	})
}

// Whoever takes all the places for long polls keeps nobody from the log: a guard
// that is refused one asks without, and learns of a revocation a second later.
func TestNoPlaceToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := w.guard(t, func(cfg *guard.Config) {
			inner := cfg.Client.Transport
			cfg.Client.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.URL.Query().Has("wait") {
					return &http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {"1"}}, Body: http.NoBody, Request: r}, nil
				}
				return inner.RoundTrip(r)
			})
		})
		token := w.token(nil)
		for range 120 {
			time.Sleep(time.Second)
			_, err := g.Verify(t.Context(), token)
			wantStatus(t, "after "+time.Since(bubbleStart).String(), err, 200)
		}
		if n := w.asked(logPath); n > 130 {
			t.Errorf("asked %d times in two minutes, want about one a second", n)
		}
		w.revoke(revlog.Session, "sid-1")
		time.Sleep(2 * time.Second)
		_, err := g.Verify(t.Context(), token)
		wantStatus(t, "revoked", err, 401)
	})
}

func TestFirstRequestsWait(t *testing.T) {
	for _, path := range []string{discoveryPath, keysPath, logPath} {
		t.Run(path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.fails(path)
				g := w.guard(t, nil)
				token := w.token(nil)

				start := time.Now()
				_, err := g.Verify(t.Context(), token)
				wantStatus(t, "out of reach", err, 503)
				if took := time.Since(start); took < 2*time.Second || took > 2500*time.Millisecond {
					t.Errorf("the first request was answered after %v, want 2 s", took)
				}
				start = time.Now()
				_, err = g.Verify(t.Context(), token)
				wantStatus(t, "out of reach still", err, 503)
				if took := time.Since(start); took > 200*time.Millisecond {
					t.Errorf("a later request was answered after %v, want at most 200 ms", took)
				}
			})
		})
	}
}

func TestFirstRequestWaitsForASlowStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.fails(discoveryPath, keysPath, logPath)
		g := w.guard(t, nil)
		time.AfterFunc(300*time.Millisecond, func() { w.fails() })
		_, err := g.Verify(t.Context(), w.token(nil))
		wantStatus(t, "an issuer that is up after 300 ms", err, 200)
	})
}

func TestReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.fails(logPath)
		g := w.guard(t, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := g.Ready(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("log out of reach: got %v, want DeadlineExceeded", err)
		}
		w.fails()
		if err := g.Ready(t.Context()); err != nil {
			t.Errorf("log in reach: %v", err)
		}
	})
}

func TestRevocationChoice(t *testing.T) {
	for _, c := range []struct {
		name    string
		choice  guard.Revocation
		offered bool
		down    string
		want    int
	}{
		{"follow if offered, offered", guard.FollowIfOffered, true, "", 401},
		{"follow if offered, not offered", guard.FollowIfOffered, false, "", 200},
		{"follow if offered, offered and down", guard.FollowIfOffered, true, logPath, 503},
		{"follow if offered, nobody knows", guard.FollowIfOffered, true, discoveryPath, 503},
		{"follow, offered", guard.Follow, true, "", 401},
		{"follow, not offered", guard.Follow, false, "", 503},
		{"don't follow", guard.DontFollow, true, logPath, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.set(func(w *world) { w.offered = c.offered })
				w.revoke(revlog.Session, "sid-1")
				w.fails(c.down)
				g := w.guard(t, func(cfg *guard.Config) { cfg.Issuers[0].Revocation = c.choice })
				_, err := g.Verify(t.Context(), w.token(nil))
				wantStatus(t, "revoked token", err, c.want)
			})
		})
	}
}

// An issuer that begins to offer a log is followed from then on; one that
// ceases to is out of reach.
func TestLogAppearsAndVanishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.set(func(w *world) { w.offered = false })
		w.revoke(revlog.Session, "sid-1")
		g := w.guard(t, nil)
		_, err := g.Verify(t.Context(), w.token(nil))
		wantStatus(t, "no log", err, 200)
		w.set(func(w *world) { w.offered = true })
		time.Sleep(11 * time.Minute)
		_, err = g.Verify(t.Context(), w.token(nil))
		wantStatus(t, "a log", err, 401)
		w.set(func(w *world) { w.offered = false; w.down[logPath] = true })
		time.Sleep(time.Minute)
		_, err = g.Verify(t.Context(), w.token(func(c *jwt.AccessClaims) { c.SessionID = "sid-2" }))
		wantStatus(t, "the log has gone", err, 503)
	})
}

func TestIntrospection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := w.guard(t, func(cfg *guard.Config) { cfg.Stale = guard.Introspect })
		token := w.token(nil)
		_, err := g.Verify(t.Context(), token)
		wantStatus(t, "fresh", err, 200)
		if n := w.asked(introspectionPath); n != 0 {
			t.Errorf("%d introspections while the log was fresh, want none", n)
		}
		w.fails(logPath)
		time.Sleep(31 * time.Second)
		results := make(chan error, 50)
		for range 50 {
			go func() { _, err := g.Verify(t.Context(), token); results <- err }()
		}
		for range 50 {
			wantStatus(t, "introspected", <-results, 200)
		}
		if n := w.asked(introspectionPath); n != 1 {
			t.Errorf("%d introspections for one token at a time, want 1", n)
		}
		time.Sleep(6 * time.Second)
		w.fails(logPath, introspectionPath)
		_, err = g.Verify(t.Context(), token)
		wantStatus(t, "no answer", err, 503)
		if !errors.Is(err, jwt.ErrUnavailable) {
			t.Errorf("no answer: got %v, want jwt.ErrUnavailable", err)
		}
	})
}

func TestWhenStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := w.guard(t, func(cfg *guard.Config) { cfg.Credentials = nil })
		token := w.token(nil)
		synctest.Wait()
		w.fails(logPath)
		time.Sleep(31 * time.Second)
		for name, c := range map[string]struct {
			rules []guard.Rule
			want  int
		}{
			"preset":                 {nil, 503},
			"accept":                 {[]guard.Rule{guard.WhenStale(guard.AcceptUntilExpiry)}, 200},
			"reject":                 {[]guard.Rule{guard.WhenStale(guard.Reject)}, 503},
			"strictest of two":       {[]guard.Rule{guard.WhenStale(guard.AcceptUntilExpiry), guard.WhenStale(guard.Reject)}, 503},
			"no credentials to ask":  {[]guard.Rule{guard.WhenStale(guard.Introspect)}, 503},
			"no such policy":         {[]guard.Rule{guard.WhenStale(guard.StalePolicy(9))}, 503},
			"inside Any":             {[]guard.Rule{guard.Any(guard.WhenStale(guard.AcceptUntilExpiry))}, 503},
			"accept, but not a rule": {[]guard.Rule{guard.WhenStale(guard.AcceptUntilExpiry), guard.Role("admin")}, 403},
		} {
			_, err := g.Verify(t.Context(), token, c.rules...)
			wantStatus(t, name, err, c.want)
		}
	})
}
