package guard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwt"
)

func TestRevokedByEachName(t *testing.T) {
	for _, c := range []struct {
		name string
		kind revlog.Kind
		id   string
		want int
	}{
		{"jti", revlog.Token, "jti-1", 401},
		{"sid", revlog.Session, "sid-1", 401},
		{"epoch of the user", revlog.Epoch, "epoch-u1", 401},
		{"epoch of the client", revlog.Epoch, "epoch-web", 401},
		{"kid", revlog.Key, "", 401}, // that of the world's key,
		{"another jti", revlog.Token, "jti-2", 200},
		{"a jti as a sid", revlog.Session, "jti-1", 200},
		{"a sid as an epoch", revlog.Epoch, "sid-1", 200},
		{"the start of a sid", revlog.Session, "sid-", 200},
		{"nothing", revlog.Session, "", 200},
		{"an unknown kind that isn't critical", 200, "jti-1", 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if c.kind == revlog.Key {
					c.id = w.key.KeyID()
				}
				g := w.guard(t, nil)
				token := w.token(nil)
				_, err := g.Verify(t.Context(), token)
				wantStatus(t, "before", err, 200)
				if err := g.Synced(t.Context(), issuerURL, w.revoke(c.kind, c.id)); err != nil {
					t.Fatal(err)
				}
				for _, when := range []string{"after", "again"} {
					_, err = g.Verify(t.Context(), token)
					wantStatus(t, when, err, c.want)
					if c.want == 401 && !errors.Is(err, guard.ErrRevoked) {
						t.Errorf("%s: got %v, want ErrRevoked", when, err)
					}
				}
			})
		})
	}
}

// A service's token has no session and perhaps no epochs.
func TestTokenWithoutSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.revoke(revlog.Session, "")
		w.revoke(revlog.Epoch, "")
		g := w.guard(t, nil)
		a, err := g.Verify(t.Context(), w.token(func(c *jwt.AccessClaims) {
			c.Subject, c.ClientID, c.SessionID, c.Epochs = "svc", "svc", "", nil
		}))
		wantStatus(t, "service", err, 200)
		if !a.IsClient() {
			t.Error("IsClient is false")
		}
	})
}

// A revocation made before the guard was there counts as well.
func TestWindowIsLoaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.set(func(w *world) { w.pageSize = 7 })
		for n := range 100 {
			w.revoke(revlog.Session, fmt.Sprint("sid-", n))
		}
		g := w.guard(t, nil)
		if err := g.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, 6, 7, 50, 99} {
			_, err := g.Verify(t.Context(), w.token(func(c *jwt.AccessClaims) { c.SessionID = fmt.Sprint("sid-", n) }))
			wantStatus(t, fmt.Sprint("session ", n), err, 401)
		}
		_, err := g.Verify(t.Context(), w.token(func(c *jwt.AccessClaims) { c.SessionID = "sid-100" }))
		wantStatus(t, "session 100", err, 200)
		if s := g.Stats().Issuers[0]; s.Revoked != 100 || s.Sequence != 100 || !s.Fresh {
			t.Errorf("stats: %+v, want 100 entries up to 100, fresh", s)
		}
	})
}

// A database that was restored has another log. What was revoked in the old one
// stays so.
func TestAnotherLog(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"another id": func(w *world) { w.logID = "log-2" },
		"set back":   func(w *world) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				for n := range 10 {
					w.revoke(revlog.Session, fmt.Sprint("old-", n))
				}
				g := w.guard(t, nil)
				synctest.Wait()
				w.set(func(w *world) { w.head, w.entries = 0, nil; change(w) })
				w.revoke(revlog.Session, "new-0")
				time.Sleep(20 * time.Second)
				for sid, want := range map[string]int{"old-9": 401, "new-0": 401, "other": 200} {
					_, err := g.Verify(t.Context(), w.token(func(c *jwt.AccessClaims) { c.SessionID = sid }))
					wantStatus(t, sid, err, want)
				}
				if s := g.Stats().Issuers[0]; s.Sequence != 1 {
					t.Errorf("applied up to %d, want 1", s.Sequence)
				}
			})
		})
	}
}

// Between the news that there is another log and having it, nothing is known.
func TestAnotherLogOutOfReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.revoke(revlog.Session, "x")
		g := w.guard(t, func(cfg *guard.Config) {
			inner := cfg.Client.Transport
			cfg.Client.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				resp, err := inner.RoundTrip(r)
				if r.URL.Path == logPath && r.URL.Query().Get("after") == "1" {
					w.fails(logPath) // after this answer
				}
				return resp, err
			})
		})
		_, err := g.Verify(t.Context(), w.token(nil))
		wantStatus(t, "first log", err, 200)
		w.set(func(w *world) { w.logID = "log-2" })
		w.revoke(revlog.Session, "y") // answers the poll
		synctest.Wait()
		_, err = g.Verify(t.Context(), w.token(nil))
		wantStatus(t, "second log, not loaded", err, 503)
		w.fails()
		time.Sleep(10 * time.Second)
		_, err = g.Verify(t.Context(), w.token(nil))
		wantStatus(t, "second log, loaded", err, 200)
	})
}

// Two servers with different logs behind one address: not a reason to run in
// circles.
func TestLogsThatAlternate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.revoke(revlog.Session, "x")
		n := 0
		w.guard(t, func(cfg *guard.Config) {
			inner := cfg.Client.Transport
			cfg.Client.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.URL.Path == logPath {
					n++
					w.set(func(w *world) { w.logID = fmt.Sprint("log-", n%2) })
				}
				return inner.RoundTrip(r)
			})
		})
		time.Sleep(10 * time.Minute)
		if n := w.asked(logPath); n > 400 {
			t.Errorf("asked %d times in ten minutes, want at most some 300", n)
		}
	})
}

func TestUnknownCriticalKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := w.guard(t, nil)
		_, err := g.Verify(t.Context(), w.token(nil))
		wantStatus(t, "before", err, 200)
		w.revoke(5, "whatever this is")
		synctest.Wait()
		_, err = g.Verify(t.Context(), w.token(nil))
		wantStatus(t, "a kind that this version doesn't know", err, 503)
		time.Sleep(time.Hour + time.Minute) // its expiry
		w.forget()
		time.Sleep(time.Minute)
		_, err = g.Verify(t.Context(), w.token(nil))
		wantStatus(t, "when it has expired", err, 200)
	})
}

// An answer from another time says nothing about now: it may be a cache's.
func TestClockOfTheLog(t *testing.T) {
	for ahead, want := range map[time.Duration]int{
		0: 200, 29 * time.Second: 200, -28 * time.Second: 200, 40 * time.Second: 503, -40 * time.Second: 503, -24 * time.Hour: 503,
	} {
		t.Run(ahead.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.set(func(w *world) { w.clock = ahead })
				w.revoke(revlog.Session, "sid-2")
				g := w.guard(t, nil)
				_, err := g.Verify(t.Context(), w.token(nil))
				wantStatus(t, "good token", err, want)
				_, err = g.Verify(t.Context(), w.token(func(c *jwt.AccessClaims) { c.SessionID = "sid-2" }))
				wantStatus(t, "revoked token", err, 401)
			})
		})
	}
}

func TestEntriesExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := w.guard(t, nil)
		for n := range 2999 {
			w.revoke(revlog.Session, fmt.Sprint("sid-", n))
		}
		w.set(func(w *world) {
			w.head++
			w.entries = append(w.entries, revlog.Entry{Seq: w.head, Kind: revlog.Key, Hash: revlog.Hash(revlog.Key, w.key.KeyID())})
		})
		time.Sleep(time.Minute)
		if n := g.Stats().Issuers[0].Revoked; n != 3000 {
			t.Errorf("%d entries, want 3000", n)
		}
		w.forget()
		time.Sleep(58 * time.Minute)
		if n := g.Stats().Issuers[0].Revoked; n != 3000 {
			t.Errorf("after 59 min: %d entries, want 3000", n)
		}
		time.Sleep(5 * time.Minute)
		if n := g.Stats().Issuers[0].Revoked; n != 1 {
			t.Errorf("after 64 min: %d entries, want the one that is for ever", n)
		}
		_, err := g.Verify(t.Context(), w.token(nil))
		wantStatus(t, "a key that was revoked for ever", err, 401)
	})
}

// TestFreshAgainAtOnce: the first poll after an outage that made the log stale is
// not held back, since every request is refused until its answer is there.
func TestFreshAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := w.guard(t, nil)
		token := w.token(nil)
		_, err := g.Verify(t.Context(), token)
		wantStatus(t, "before the outage", err, http.StatusOK)
		w.fails(logPath)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		_, err = g.Verify(t.Context(), token)
		wantStatus(t, "during the outage", err, http.StatusServiceUnavailable)
		w.fails()
		before := len(w.seen())
		for len(w.seen()) == before { // until the next attempt, whenever it is due
			time.Sleep(time.Millisecond)
			synctest.Wait()
		}
		if _, err := g.Verify(t.Context(), token); err != nil {
			t.Errorf("after the first answer: %v", err)
		}
	})
}

func TestSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := w.guard(t, nil)
		if err := g.Synced(t.Context(), issuerURL, 0); err != nil {
			t.Errorf("number 0: %v", err)
		}
		if err := g.Synced(t.Context(), issuerURL, w.revoke(revlog.Token, "x")); err != nil {
			t.Errorf("number 1: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := g.Synced(ctx, issuerURL, 2); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("number 2, which isn't there: got %v, want DeadlineExceeded", err)
		}
		if err := g.Synced(t.Context(), "https://other.example", 1); err == nil {
			t.Error("an issuer that isn't followed: got no error")
		}
	})
}

func TestFollowerShowsCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.guard(t, nil)
		time.Sleep(time.Minute)
		for _, r := range w.seen() {
			_, _, shown := r.BasicAuth()
			if want := r.URL.Path == logPath; shown != want {
				t.Errorf("%s: credentials shown is %v, want %v", r.URL.Path, shown, want)
			}
		}
		if len(w.seen()) < 5 {
			t.Errorf("%d requests, want some", len(w.seen()))
		}
	})
}

// An answer that isn't exactly a page is none.
func TestMalformedPages(t *testing.T) {
	page := `{"log":"l","first":1,"head":0,"time":946684800,"entries":[],"more":false}` // the bubble's first second
	for name, body := range map[string]string{
		"HTML": "<html>", "nothing": "", "cut": page[:len(page)-1], "data after it": page + "{}",
		"head twice": strings.Replace(page, `"head":0`, `"head":0,"head":0`, 1),
		"endless":    page + strings.Repeat(" ", revlog.MaxBytes),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, err := guardWithLog(t, body, 200).Verify(t.Context(), "")
				wantStatus(t, "no token at all", err, 401)
				w, g := worldWithLog(t, body, 200)
				_, err = g.Verify(t.Context(), w.token(nil))
				wantStatus(t, "good token", err, 503)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w, g := worldWithLog(t, page, 200)
		_, err := g.Verify(t.Context(), w.token(nil))
		wantStatus(t, "the page that the others spoil", err, 200)
		w, g = worldWithLog(t, page, 401)
		_, err = g.Verify(t.Context(), w.token(nil))
		wantStatus(t, "the same with status 401", err, 503)
	})
}

func guardWithLog(t *testing.T, body string, code int) *guard.Guard {
	_, g := worldWithLog(t, body, code)
	return g
}

// worldWithLog makes a world whose log always gives the same answer.
func worldWithLog(t *testing.T, body string, code int) (*world, *guard.Guard) {
	w := newWorld(t)
	return w, w.guard(t, func(cfg *guard.Config) {
		inner := cfg.Client.Transport
		cfg.Client.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path != logPath {
				return inner.RoundTrip(r)
			}
			return &http.Response{
				StatusCode: code, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader(body)),
			}, nil
		})
	})
}

// LogURL names a log where keys are given; nothing is discovered then.
func TestLogURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.fails(discoveryPath, keysPath)
		w.revoke(revlog.Session, "sid-1")
		g := w.guard(t, func(cfg *guard.Config) {
			cfg.Issuers[0].Keys = w.key.Public()
			cfg.Issuers[0].LogURL = issuerURL + logPath + "?tenant=1"
		})
		_, err := g.Verify(t.Context(), w.token(nil))
		wantStatus(t, "revoked", err, 401)
		for _, r := range w.seen() {
			if r.URL.Path != logPath || r.URL.Query().Get("tenant") != "1" {
				t.Errorf("asked for %s, want the log with its query", r.URL)
			}
		}
	})
}

func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails if a goroutine is left
		w := newWorld(t)
		g, err := guard.New(w.config())
		if err != nil {
			t.Fatal(err)
		}
		token := w.token(nil)
		_, err = g.Verify(t.Context(), token)
		wantStatus(t, "open", err, 200)
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		if err := g.Close(); err != nil {
			t.Errorf("closed twice: %v", err)
		}
		asked := len(w.seen())
		_, err = g.Verify(t.Context(), token)
		wantStatus(t, "just closed", err, 200)
		time.Sleep(31 * time.Second)
		_, err = g.Verify(t.Context(), token)
		wantStatus(t, "long closed", err, 503)
		if len(w.seen()) != asked {
			t.Errorf("%d requests after Close", len(w.seen())-asked)
		}
	})
}
