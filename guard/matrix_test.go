package guard_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/internal/revlog"
)

// faults are the ways in which an issuer, or what leads to it, lets the log
// down: what comes instead of its answers.
func faults(f *faulty) map[string]func(r *http.Request) (*http.Response, error) {
	answer := func(status int) func(r *http.Request) (*http.Response, error) {
		return func(r *http.Request) (*http.Response, error) {
			resp := respond(r, "application/json", http.NoBody)
			resp.StatusCode = status
			return resp, nil
		}
	}
	return map[string]func(r *http.Request) (*http.Response, error){
		"cut": refuse, "silent": hang, "answers 500": answer(500), "answers 404": answer(404),
		"too slow": f.late(25 * time.Second), "another's page": otherPage,
	}
}

func refuse(r *http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

// otherPage is what a captive portal answers.
func otherPage(r *http.Request) (*http.Response, error) {
	return respond(r, "text/html", &body{strings.NewReader("<html>Please pay.")}), nil
}

type body struct{ *strings.Reader }

func (*body) Close() error { return nil }

// faulty is a signed log at the end of a line that can fail.
type faulty struct {
	*signedLog
	log    func(r *http.Request) (*http.Response, error) // instead of the log's own answers
	tokens map[string]string
}

// fail makes a fault happen, "" all be well. Streams that are open end or, with
// silence, stay open.
func (f *faulty) fail(name string) {
	log := faults(f)[name]
	f.signedLog.with(func() {
		f.log, f.silent, f.cut = log, name == "silent", 0
		if name != "" && name != "silent" {
			f.cut = time.Nanosecond
		}
	})
}

// late answers as the log does, later.
func (f *faulty) late(by time.Duration) func(r *http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		select {
		case <-time.After(by):
			return f.signedLog.roundTrip(r)
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
}

func (f *faulty) roundTrip(r *http.Request) (*http.Response, error) {
	f.signedLog.mu.Lock()
	log := f.log
	f.signedLog.mu.Unlock()
	if r.URL.Path == logPath && log != nil {
		return log(r)
	}
	return f.signedLog.roundTrip(r)
}

// decide asks a guard's handler, as a client does.
func (f *faulty) decide(g *guard.Guard, sid string) *http.Response {
	h := g.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	r := get("/")
	r.Header.Set("Authorization", "Bearer "+f.tokenFor(sid))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// TestPolicyMatrix is the table in docs/revocation.md: what a client gets, by
// what has become of the log, by the policy, and by the token. With each fault,
// all goes on as if nothing had happened until MaxStale after the last head.
func TestPolicyMatrix(t *testing.T) {
	const ( // tokens, by their session
		good    = "good"
		known   = "known"   // revoked before the fault
		unknown = "unknown" // revoked after it
	)
	type answers map[string]int
	policies := map[guard.StalePolicy]map[string]answers{ // by state
		guard.Reject: {
			"fresh": {good: 200, known: 401, unknown: 200},
			"stale": {good: 503, known: 401, unknown: 503},
			"never": {good: 503, known: 503, unknown: 503},
		},
		guard.Introspect: {
			"fresh": {good: 200, known: 401, unknown: 200},
			"stale": {good: 200, known: 401, unknown: 401},
			"never": {good: 200, known: 401, unknown: 401},
		},
		guard.AcceptUntilExpiry: {
			"fresh": {good: 200, known: 401, unknown: 200},
			"stale": {good: 200, known: 401, unknown: 200},
			"never": {good: 200, known: 200, unknown: 200},
		},
	}
	for policy, states := range policies {
		for name := range faults(nil) {
			for _, never := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d/%s/never=%v", policy, name, never), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						f := &faulty{signedLog: newSignedLog(t), tokens: map[string]string{}}
						f.revoke(revlog.Session, known)
						f.world.set(func(w *world) {
							for _, sid := range []string{known, unknown} {
								w.inactive[f.tokenFor(sid)] = true
							}
						})
						if never {
							f.fail(name)
						}
						g := f.signedLog.guard(t, func(cfg *guard.Config) {
							cfg.Stale, cfg.Client.Transport = policy, roundTrip(f.roundTrip)
						})
						began := time.Now()
						if never {
							f.expect(t, "never", g, states["never"])
							if took := time.Since(began); took > 2*time.Second+10*time.Millisecond {
								t.Errorf("the first requests were answered after %v, want 2 s at most", took)
							}
							time.Sleep(time.Minute)
							f.expect(t, "never, a minute later", g, states["never"])
							return
						}
						time.Sleep(10 * time.Second)
						f.fail(name)
						time.Sleep(time.Millisecond) // until a stream that is open has ended
						f.revoke(revlog.Session, unknown)
						for range 28 {
							f.expect(t, "fresh "+time.Since(began).String(), g, states["fresh"])
							time.Sleep(time.Second)
						}
						time.Sleep(8 * time.Second) // MaxStale, what clocks may differ, and a second between heads
						for range 5 {
							f.expect(t, "stale "+time.Since(began).String(), g, states["stale"])
							time.Sleep(10 * time.Second)
						}
						if s := g.Stats(); s.RevocationLag < 80*time.Second || s.Issuers[0].Fresh || s.Issuers[0].Failures == 0 && name != "silent" {
							t.Errorf("stats %+v, want the age of what is known", s)
						}
						f.fail("")
						time.Sleep(40 * time.Second) // the longest pause of an attempt under way
						f.expect(t, "again", g, answers{good: 200, known: 401, unknown: 401})
					})
				})
			}
		}
	}
}

// tokenFor signs a session's token once.
func (f *faulty) tokenFor(sid string) string {
	if f.tokens[sid] == "" {
		f.tokens[sid] = f.tokenOf(sid)
	}
	return f.tokens[sid]
}

func (f *faulty) expect(t *testing.T, when string, g *guard.Guard, want map[string]int) {
	t.Helper()
	for sid, want := range want {
		resp := f.decide(g, sid)
		if resp.StatusCode != want {
			t.Errorf("%s: %s: %d, want %d", when, sid, resp.StatusCode, want)
		}
		challenge, retry := resp.Header.Get("WWW-Authenticate"), resp.Header.Get("Retry-After")
		if (challenge == `Bearer realm="api", error="invalid_token"`) != (want == 401) || (retry == "2") != (want == 503) {
			t.Errorf("%s: %s: %d with challenge %q and Retry-After %q", when, sid, want, challenge, retry)
		}
	}
}

// Answers that take their time are answers.
func TestSlowLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &faulty{signedLog: newSignedLog(t), tokens: map[string]string{}}
		f.log = f.late(8 * time.Second)
		g := f.signedLog.guard(t, func(cfg *guard.Config) { cfg.Client.Transport = roundTrip(f.roundTrip) })
		if err := g.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		for n := range 30 {
			sid := fmt.Sprint("sid-", n)
			f.expect(t, "before", g, map[string]int{"good": 200, sid: 200})
			f.revoke(revlog.Session, sid)
			time.Sleep(20 * time.Second)
			f.expect(t, "after", g, map[string]int{"good": 200, sid: 401})
		}
	})
}

// guardedByOwnClock is a guard of a log, whose clock is ahead by own.
func guardedByOwnClock(t *testing.T) (f *faulty, g *guard.Guard, own *atomic.Int64) {
	own = new(atomic.Int64)
	f = &faulty{signedLog: newSignedLog(t), tokens: map[string]string{}}
	g = f.signedLog.guard(t, func(cfg *guard.Config) {
		cfg.Now = func() time.Time { return time.Now().Add(time.Duration(own.Load())) }
	})
	return f, g, own
}

// A clock that is ahead for some minutes must not have the guard forget what is
// revoked: the tokens live again once it is right.
func TestClockLeapForgetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, g, own := guardedByOwnClock(t)
		f.expect(t, "before", g, map[string]int{"good": 200, "unknown": 200})
		f.revoke(revlog.Session, "unknown") // for an hour
		time.Sleep(2 * time.Second)
		f.expect(t, "revoked", g, map[string]int{"good": 200, "unknown": 401})
		own.Store(int64(2 * time.Hour))
		time.Sleep(5 * time.Minute)
		own.Store(0)
		time.Sleep(40 * time.Second)
		delete(f.tokens, "unknown") // another of the session: the guard may remember what became of the first
		f.expect(t, "when the clock is right again", g, map[string]int{"good": 200, "unknown": 401})
		time.Sleep(time.Hour)
		if n := g.Stats().Issuers[0].Revoked; n != 0 {
			t.Errorf("%d entries an hour after the last has expired", n)
		}
	})
}

// TestClockLeaps: a clock that leaps further than the leeway makes a guard stale
// at once, whichever way, and it is fresh again when both clocks agree. It never
// takes a token of which it can't know.
func TestClockLeaps(t *testing.T) {
	for _, c := range []struct {
		leap time.Duration
		want int // with Reject
	}{
		{20 * time.Second, 200}, {-20 * time.Second, 200},
		{45 * time.Second, 503}, {-45 * time.Second, 503},
		{10 * time.Minute, 503}, {-10 * time.Minute, 503},
	} {
		for whose, leap := range map[string]func(f *faulty, own *atomic.Int64){
			"the guard's":  func(_ *faulty, own *atomic.Int64) { own.Store(int64(c.leap)) },
			"the issuer's": func(f *faulty, _ *atomic.Int64) { f.signedLog.with(func() { f.ahead = c.leap }) },
		} {
			t.Run(fmt.Sprint(whose, c.leap), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f, g, own := guardedByOwnClock(t)
					f.expect(t, "before", g, map[string]int{"good": 200, "unknown": 200})
					time.Sleep(10 * time.Minute)
					leap(f, own)
					f.revoke(revlog.Session, "unknown")
					time.Sleep(40 * time.Second)
					revoked := 401
					if c.want == 503 {
						revoked = 503
					}
					f.expect(t, "40 s after the leap", g, map[string]int{"good": c.want, "unknown": revoked})
					own.Store(0)
					f.signedLog.with(func() { f.ahead = 0 })
					time.Sleep(40 * time.Second)
					f.expect(t, "when clocks agree", g, map[string]int{"good": 200, "unknown": 401})
				})
			})
		}
	}
}
