package guard_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/internal/revlog"
)

const ackPath = "/v1/revocations/ack"

// acknowledgement is what a guard says it has.
type acknowledgement struct {
	at       time.Time
	verifier string
	user     string
	Log      string `json:"log"`
	Seq      uint64 `json:"seq"`
}

func (l *signedLog) acknowledge(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	a := acknowledgement{at: time.Now(), verifier: r.Header.Get("Writ-Verifier")}
	a.user, _, _ = r.BasicAuth()
	if err := json.Unmarshal(body, &a); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		return nil, errors.Join(err, errors.New("not an acknowledgement"))
	}
	var with func(*http.Request) (*http.Response, error)
	l.with(func() { l.acked = append(l.acked, a); with = l.ackWith })
	if with != nil {
		return with(r)
	}
	resp := respond(r, "", http.NoBody)
	resp.StatusCode = http.StatusNoContent
	return resp, nil
}

func (l *signedLog) acknowledged() []acknowledgement {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]acknowledgement(nil), l.acked...)
}

// Every number that a guard has come to is acknowledged while the issuer asks, at
// most every 20 ms, with what is needed to believe it.
func TestAcknowledges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newSignedLog(t)
		l.revoke(revlog.Session, "x")
		g := l.guard(t, nil)
		time.Sleep(1500 * time.Millisecond)
		got := l.acknowledged()
		if len(got) != 1 || got[0].Log != "log-1" || got[0].Seq != 1 || got[0].user != "api" || len(got[0].verifier) != 22 {
			t.Fatalf("acknowledged %+v, want 1 of log-1 by api with 128 bits", got)
		}
		time.Sleep(10 * time.Second)
		if n := len(l.acknowledged()); n != 1 {
			t.Errorf("%d acknowledgements though nothing happened, want 1", n)
		}
		for n := range 500 {
			l.revoke(revlog.Session, fmt.Sprint("sid-", n))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		got = l.acknowledged()
		if last := got[len(got)-1]; last.Seq != 501 {
			t.Errorf("acknowledged up to %d, want 501", last.Seq)
		}
		for i := range got[1:] {
			if gap := got[i+1].at.Sub(got[i].at); gap < 20*time.Millisecond || got[i+1].Seq < got[i].Seq || got[i+1].verifier != got[0].verifier {
				t.Errorf("%+v follows %+v after %v", got[i+1], got[i], gap)
			}
		}
		if s := g.Stats().Issuers[0]; s.Acknowledged != uint64(len(got)) || s.AckFailures != 0 {
			t.Errorf("stats %+v, want %d acknowledgements", s, len(got))
		}
	})
}

// An issuer that doesn't ask gets nothing. When it does, it hears what was applied
// before as well, and again if the first answer was lost.
func TestAcknowledgesWhenAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newSignedLog(t)
		l.unasked = true
		g := l.guard(t, nil)
		for n := range 100 {
			l.revoke(revlog.Session, fmt.Sprint("sid-", n))
			time.Sleep(30 * time.Millisecond)
		}
		l.check(t, "unasked", g, "sid-99", 401)
		if got := l.acknowledged(); len(got) != 0 {
			t.Fatalf("acknowledged %+v, and nobody asked", got)
		}
		var lost atomic.Int32
		l.with(func() {
			l.unasked = false
			l.ackWith = func(*http.Request) (*http.Response, error) {
				lost.Add(1)
				l.with(func() { l.ackWith = nil })
				return nil, errors.New("lost")
			}
		})
		time.Sleep(10 * time.Second)
		got := l.acknowledged()
		if len(got) != 2 || got[0].Seq != 100 || got[1].Seq != 100 || lost.Load() != 1 {
			t.Errorf("acknowledged %+v, want 100 twice, for the first was lost", got)
		}
		if gap := got[len(got)-1].at.Sub(got[0].at); gap > 1100*time.Millisecond {
			t.Errorf("again after %v, want with the next head", gap)
		}
		l.with(func() { l.unasked = true })
		time.Sleep(2 * time.Second)
		l.revoke(revlog.Session, "last")
		time.Sleep(5 * time.Second)
		if got := l.acknowledged(); len(got) != 2 {
			t.Errorf("acknowledged %+v, and nobody asked any more", got)
		}
	})
}

// An issuer that doesn't take acknowledgements, or takes its time, holds nothing
// up.
func TestAcknowledgementsThatFail(t *testing.T) {
	for name, with := range map[string]func(r *http.Request) (*http.Response, error){
		"refused": func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") },
		"500": func(r *http.Request) (*http.Response, error) {
			resp := respond(r, "", http.NoBody)
			resp.StatusCode = 500
			return resp, nil
		},
		"silent": func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newSignedLog(t)
				l.ackWith = with
				g := l.guard(t, nil)
				for n := range 100 {
					sid := fmt.Sprint("sid-", n)
					l.revoke(revlog.Session, sid)
					synctest.Wait()
					l.check(t, "at once", g, sid, 401)
					time.Sleep(100 * time.Millisecond)
				}
				if s := g.Stats().Issuers[0]; s.Acknowledged != 0 || s.AckFailures == 0 || !s.Fresh || s.Failures != 0 || s.Reconnects != 0 {
					t.Errorf("stats %+v, want failed acknowledgements and nothing else", s)
				}
				l.with(func() { l.ackWith = nil })
				time.Sleep(3 * time.Second)
				l.revoke(revlog.Session, "last")
				time.Sleep(time.Second)
				got := l.acknowledged()
				if last := got[len(got)-1]; last.Seq != 101 || g.Stats().Issuers[0].Acknowledged == 0 {
					t.Errorf("acknowledged up to %d at last, want 101", last.Seq)
				}
			})
		})
	}
}

// Credentials go to the issuer, and to nobody else who has the log.
func TestCredentialsStayWithTheIssuer(t *testing.T) {
	for address, own := range map[string]bool{
		"": true, issuerURL + logPath: true, "https://relay.example" + logPath: false,
		"https://auth.example.com.relay.example" + logPath: false, "https://auth.example.com:8443" + logPath: false,
	} {
		t.Run(address, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newSignedLog(t)
				var asked, shown, named atomic.Int32
				g := l.guard(t, func(cfg *guard.Config) {
					cfg.Issuers[0].LogURL = address
					inner := cfg.Client.Transport
					cfg.Client.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
						if r.URL.Path == logPath {
							asked.Add(1)
							if r.Header.Get("Authorization") != "" {
								shown.Add(1)
							}
							if r.Header.Get("Writ-Verifier") != "" {
								named.Add(1)
							}
						} else if r.URL.Path == discoveryPath && r.Header.Get("Authorization") != "" {
							t.Error("credentials for discovery")
						}
						return inner.RoundTrip(r)
					})
				})
				l.check(t, "good", g, "x", 200)
				time.Sleep(5 * time.Second)
				want := int32(0)
				if own {
					want = asked.Load()
				}
				if asked.Load() < 2 || shown.Load() != want || named.Load() != want {
					t.Errorf("%d requests, %d with credentials, %d with a name; want %d", asked.Load(), shown.Load(), named.Load(), want)
				}
			})
		})
	}
}

func TestNobodyAcknowledgesWithoutCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newSignedLog(t)
		g := l.guard(t, func(cfg *guard.Config) { cfg.Credentials = nil })
		l.revoke(revlog.Session, "x")
		synctest.Wait()
		l.check(t, "refused", g, "x", 401)
		time.Sleep(time.Minute)
		if got := l.acknowledged(); len(got) != 0 {
			t.Errorf("acknowledged %+v", got)
		}
	})
}

// A new stream may lead to another node, which knows nothing yet. Behind a relay
// nothing is acknowledged: the issuer would be asked by all whom the relay keeps
// from it.
func TestAcknowledgesEachStream(t *testing.T) {
	for address, want := range map[string]int{"": 5, issuerURL + logPath: 5, "https://relay.example" + logPath: 0} {
		t.Run(address, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newSignedLog(t)
				l.cut = 10 * time.Second
				l.revoke(revlog.Session, "x")
				g := l.guard(t, func(cfg *guard.Config) { cfg.Issuers[0].LogURL = address })
				time.Sleep(45 * time.Second)
				l.check(t, "refused", g, "x", 401)
				if got := l.acknowledged(); len(got) != want {
					t.Errorf("%d acknowledgements in 45 s of streams of 10 s each, want %d: %+v", len(got), want, got)
				}
			})
		})
	}
}
