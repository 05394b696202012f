package browser

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// reloadScript begins a refresh and reloads the page a while later.
const reloadScript = `(ms) => {
	fetch("/v1/refresh", { method: "POST" }).catch(() => {});
	setTimeout(() => location.reload(), ms);
}`

// TestReload reloads a page again and again in the middle of its refresh. The
// new page refreshes as it starts, as applications do, and must always be
// signed in still.
func TestReload(t *testing.T) {
	needBrowser(t)
	s := startSite(t)
	for mode := range modes() {
		for _, moment := range []struct {
			name   string
			rounds int
			reload func(*testing.T, *site, *tab)
		}{
			{"at random moments", 30, reloadAnytime},
			{"after the commit", 8, reloadAfterCommit},
			{"before the request is in", 8, reloadBeforeArrival},
		} {
			if mode == "session" && moment.rounds != 30 {
				continue // its cookie stays the same: no answer matters
			}
			t.Run(mode+" mode, "+moment.name, func(t *testing.T) {
				b := s.signIn(newProfile(t, nil), mode)
				first := b.send("GET", "/v1/me", "").member("session_id")
				for i := range moment.rounds {
					moment.reload(t, s, b)
					b.send("POST", "/v1/refresh", "").want(t, "refresh of the new page", 200, "")
					me := b.send("GET", "/v1/me", "").want(t, "me", 200, "")
					if got := me.member("session_id"); got != first {
						t.Fatalf("round %d: the session is %s, and was %s", i, got, first)
					}
				}
			})
		}
	}
	if state := s.state(t); strings.Contains(state, "theft") {
		t.Errorf("reloading was taken for theft:\n%s", state)
	} else if !strings.Contains(state, `verdict="repeat"`) {
		t.Errorf("no answer was lost in all those rounds:\n%s", state)
	}
}

// reloadAnytime reloads while the refresh is anywhere between being sent and
// being answered, which takes some milliseconds.
func reloadAnytime(_ *testing.T, _ *site, b *tab) { b.leave(reloadScript, rand.IntN(10)) }

// reloadAfterCommit loses the answer: Writ gave it, and the page is gone
// before it arrives. Twice in a row, with no luck in between.
func reloadAfterCommit(t *testing.T, s *site, b *tab) {
	answered := make(chan int, 1)
	defer s.setWay(nil)
	s.setWay(func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		lost := httptest.NewRecorder()
		forward.ServeHTTP(lost, r)
		answered <- lost.Code
		<-r.Context().Done() // until the browser hangs up
	})
	for range 2 {
		b.run(nil, `() => { fetch("/v1/refresh", { method: "POST" }).catch(() => {}) }`, nil)
		if status := <-answered; status != 200 {
			t.Fatalf("the refresh whose answer is to be lost was answered %d", status)
		}
		b.leave(`() => { location.reload() }`, nil)
	}
}

// reloadBeforeArrival lets the refresh arrive when its page is gone, while the
// new page does its own.
func reloadBeforeArrival(t *testing.T, s *site, b *tab) {
	arrived, done := make(chan struct{}), make(chan int, 1)
	var once sync.Once
	defer s.setWay(nil)
	s.setWay(func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		first := false
		once.Do(func() { first = true })
		if !first {
			forward.ServeHTTP(w, r)
			return
		}
		close(arrived)
		<-r.Context().Done()
		late := httptest.NewRecorder()
		forward.ServeHTTP(late, r.WithContext(context.WithoutCancel(r.Context())))
		done <- late.Code
	})
	b.run(nil, `() => { fetch("/v1/refresh", { method: "POST" }).catch(() => {}) }`, nil)
	<-arrived
	b.leave(`() => { location.reload() }`, nil)
	b.send("POST", "/v1/refresh", "").want(t, "refresh beside a late one", 200, "")
	if status := <-done; status != 200 {
		t.Fatalf("the late refresh was answered %d", status)
	}
}

// TestTwoTabs refreshes in two tabs at the same moment.
func TestTwoTabs(t *testing.T) {
	p := newProfile(t, nil)
	s := startSite(t)
	one := s.signIn(p, "cookie")
	two := p.open(s.origin + "/app/")
	for range 10 {
		both := make(chan struct{})
		var arrivals atomic.Int32
		s.setWay(func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
			if arrivals.Add(1) == 2 {
				close(both)
			}
			select {
			case <-both:
				forward.ServeHTTP(w, r)
			case <-r.Context().Done():
			}
		})
		one.run(nil, `() => { window.refreshed = fetch("/v1/refresh", { method: "POST" }).then((res) => res.status) }`, nil)
		two.send("POST", "/v1/refresh", "").want(t, "refresh of the second tab", 200, "")
		var status int
		one.run(&status, `() => window.refreshed`, nil)
		if status != 200 {
			t.Fatalf("refresh of the first tab: %d", status)
		}
		s.setWay(nil)
		one.send("POST", "/v1/refresh", "").want(t, "the next refresh", 200, "")
	}
}
