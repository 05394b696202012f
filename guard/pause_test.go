package guard_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// staleGuard returns one that has to introspect, since the log is out of reach,
// and that needs discovery for nothing else.
func (w *world) staleGuard(t *testing.T, log *bytes.Buffer) *guard.Guard {
	t.Helper()
	set, err := jwk.NewSet(w.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	g := w.guard(t, func(cfg *guard.Config) {
		cfg.Stale = guard.Introspect
		cfg.Issuers[0].Keys, cfg.Issuers[0].LogURL = set, w.url+logPath
		cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	})
	time.Sleep(3 * time.Second) // the first requests would wait for the log
	return g
}

func (w *world) tokenOf(n int) string {
	return w.token(func(c *jwt.AccessClaims) { c.ID, c.SessionID = fmt.Sprint("jti-", n), fmt.Sprint("sid-", n) })
}

// Whatever it is that keeps the issuer from answering, it is asked seldom, by
// all requests together, and none of them waits meanwhile.
func TestIntrospectionPauses(t *testing.T) {
	for _, down := range []string{discoveryPath, introspectionPath} {
		t.Run(down, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.fails(logPath, down)
				var log bytes.Buffer
				g := w.staleGuard(t, &log)
				for n := range 600 { // ten a second, each with a token of its own
					start := time.Now()
					_, err := g.Verify(t.Context(), w.tokenOf(n))
					wantStatus(t, "issuer out of reach", err, 503)
					if took := time.Since(start); took != 0 {
						t.Errorf("a request waited for %v", took)
					}
					time.Sleep(100 * time.Millisecond)
				}
				// 1/4, 1/2, 1, 2, 4 s, then each 8 s, less up to half: 12 to 22 in a minute.
				if n := w.asked(down); n < 8 || n > 24 {
					t.Errorf("asked %d times in a minute, want some 15", n)
				}
				w.fails(logPath)
				time.Sleep(8 * time.Second)
				for n := range 50 {
					_, err := g.Verify(t.Context(), w.tokenOf(1000+n))
					wantStatus(t, "issuer back", err, 200)
				}
				for _, want := range []string{"introspection fails", "introspection works again"} {
					if got := strings.Count(log.String(), want); got != 1 {
						t.Errorf("%q is %d times in the log, want once:\n%s", want, got, &log)
					}
				}
			})
		})
	}
}

// Many that fail at once have failed once: the issuer is asked again soon.
func TestIntrospectionsFailTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.fails(logPath)
		var log bytes.Buffer
		slow := make(chan struct{})
		g := w.guard(t, func(cfg *guard.Config) {
			cfg.Stale = guard.Introspect
			cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
			cfg.Client.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.URL.Path == introspectionPath {
					<-slow
				}
				return w.RoundTrip(r)
			})
		})
		time.Sleep(3 * time.Second)
		const many = 20
		results := make(chan error, many)
		for n := range many {
			go func() { _, err := g.Verify(t.Context(), w.tokenOf(n)); results <- err }()
		}
		synctest.Wait()
		w.fails(logPath, introspectionPath)
		close(slow)
		for range many {
			wantStatus(t, "issuer gone", <-results, 503)
		}
		w.fails(logPath)
		time.Sleep(250 * time.Millisecond)
		_, err := g.Verify(t.Context(), w.tokenOf(0))
		wantStatus(t, "after the shortest pause", err, 200)
	})
}

// One token that the issuer can't stand is no reason to ask about no other.
func TestIntrospectionOfABadQuestion(t *testing.T) {
	for _, code := range []int{400, 413} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			bad := w.tokenOf(1)
			w.fails(logPath)
			g := w.guard(t, func(cfg *guard.Config) {
				cfg.Stale = guard.Introspect
				cfg.Client.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
					if r.URL.Path == introspectionPath {
						if err := r.ParseForm(); err != nil {
							return nil, err
						}
						if r.PostForm.Get("token") == bad {
							return &http.Response{StatusCode: code, Body: http.NoBody, Request: r}, nil
						}
					}
					return w.RoundTrip(r)
				})
			})
			time.Sleep(3 * time.Second)
			for n := range 50 {
				_, err := g.Verify(t.Context(), bad)
				wantStatus(t, "bad token", err, 503)
				_, err = g.Verify(t.Context(), w.tokenOf(2+n))
				wantStatus(t, "another token", err, 200)
			}
		})
	}
}
