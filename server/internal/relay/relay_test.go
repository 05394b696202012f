package relay_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/relay"
)

const (
	issuerHost = "localhost:1"
	firstHost  = "localhost:2"
	secondHost = "localhost:3"
)

// tree is guard ← relay ← relay ← issuer.
type tree struct {
	*network
	*issuer
	first, second *relay.Relay
}

func newTree(t *testing.T) *tree {
	n := newNetwork()
	i := newIssuer(t, "http://"+issuerHost)
	n.serve(t, issuerHost, i.handler())
	return &tree{n, i, n.follow(t, firstHost, issuerHost, nil), n.follow(t, secondHost, firstHost, nil)}
}

// What is revoked is refused behind two relays, without a moment between, and
// one stream of each carries all.
func TestTree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTree(t)
		for n := range 2500 { // three pages of the issuer's
			x.revoke(fmt.Sprint("old-", n))
		}
		time.Sleep(3 * time.Second)
		g := x.guard(t, x.issuer, secondHost)
		for _, sid := range []string{"old-0", "old-999", "old-1000", "old-2499"} {
			if got := status(t, g, x.token(sid)); got != 401 {
				t.Errorf("%s: %d, want 401", sid, got)
			}
		}
		for n := range 300 {
			sid := fmt.Sprint("new-", n)
			token := x.token(sid)
			if got := status(t, g, token); got != 200 {
				t.Fatalf("%s before: %d", sid, got)
			}
			seq := x.revoke(sid)
			synctest.Wait()
			if s := g.Stats().Issuers[0]; s.Sequence != seq || !s.Fresh {
				t.Fatalf("not refused at once: applied up to %d, want %d", s.Sequence, seq)
			}
			if got := status(t, g, token); got != 401 {
				t.Fatalf("%s after: %d", sid, got)
			}
			time.Sleep(time.Second)
		}
		for name, r := range map[string]*relay.Relay{"first": x.first, "second": x.second} {
			s := r.Stats()
			if s.Head != 2800 || s.Entries != 2800 || s.Log != "log-1" || s.Opened != 1 || s.Streams != 1 || s.Age > time.Second || s.Failures > 3 {
				t.Errorf("%s: %+v", name, s)
			}
			if err := r.Ready(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if s := g.Stats().Issuers[0]; s.Reconnects != 0 || s.Failures != 0 {
			t.Errorf("guard: %+v", s)
		}
	})
}

// A relay without its upstream serves what it has, with its time: a guard counts
// that for as long as it would have of the issuer itself.
func TestUpstreamGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTree(t)
		x.revoke("old")
		time.Sleep(3 * time.Second)
		g := x.guard(t, x.issuer, secondHost)
		good, old := x.token("good"), x.token("old")
		if status(t, g, good) != 200 || status(t, g, old) != 401 {
			t.Fatal("at first")
		}
		time.Sleep(10 * time.Second)
		x.cut(issuerHost, true)
		time.Sleep(20 * time.Second)
		if got := status(t, g, good); got != 200 {
			t.Errorf("20 s after the cut: %d", got)
		}
		late := x.guard(t, x.issuer, secondHost) // its keys are out of reach
		time.Sleep(20 * time.Second)
		if status(t, g, good) != 503 || status(t, g, old) != 401 || status(t, late, good) != 503 {
			t.Error("40 s after the cut: want 503, and 401 for what was known")
		}
		if x.second.Ready(t.Context()) == nil || x.second.Stats().Head != 1 {
			t.Errorf("relay: %+v", x.second.Stats())
		}
		x.revoke("meanwhile")
		x.cut(issuerHost, false)
		time.Sleep(20 * time.Second)
		if status(t, g, good) != 200 || status(t, g, x.token("meanwhile")) != 401 || status(t, late, good) != 200 {
			t.Error("when it is back")
		}
	})
}

// TestCuts cuts connections a thousand times and more, to the issuer and to
// relays, by chance from a seed, and takes the issuer away now and then. No guard
// misses anything, directly at the issuer or behind one relay or two, and none
// takes a token of whose end it says that it knows.
func TestCuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTree(t)
		random := rand.New(rand.NewPCG(3, 4))
		hosts := []string{issuerHost, firstHost, secondHost}
		var guards []*guard.Guard
		for n := range 12 {
			guards = append(guards, x.guard(t, x.issuer, hosts[n%3]))
		}
		var revoked []string
		for n := range 250 {
			token := x.token(fmt.Sprint("sid-", n))
			if n%25 == 24 { // as if it were started again
				x.cut(issuerHost, true)
				time.Sleep(time.Duration(random.IntN(3000)) * time.Millisecond)
			}
			x.cut(hosts[random.IntN(3)], false)
			seq := x.revoke(fmt.Sprint("sid-", n))
			revoked = append(revoked, token)
			x.cut(issuerHost, false)
			for i, g := range guards {
				if err := g.Synced(t.Context(), x.url, seq); err != nil {
					t.Fatal(err)
				}
				if got := status(t, g, token); got != 401 && got != 503 {
					t.Fatalf("round %d, guard %d: %d", n, i, got)
				}
			}
			time.Sleep(6 * time.Second) // long enough for a stream to be one
		}
		for i, g := range guards {
			for n, token := range revoked {
				if got := status(t, g, token); got != 401 {
					t.Errorf("revocation %d, guard %d: %d", n, i, got)
				}
			}
		}
		again := x.first.Stats().Opened + x.second.Stats().Opened
		for _, g := range guards {
			again += g.Stats().Issuers[0].Reconnects
		}
		if t.Logf("streams were opened %d times again", again); again < 1000 {
			t.Errorf("streams were opened %d times again: too few to prove anything", again)
		}
	})
}

// A restored issuer's log goes through, and what the old one had revoked stays so.
func TestAnotherLog(t *testing.T) {
	for _, id := range []string{"log-2", "log-1"} {
		t.Run(id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newTree(t)
				x.revoke("a", "b", "c")
				g := x.guard(t, x.issuer, secondHost)
				if err := g.Synced(t.Context(), x.url, 3); err != nil {
					t.Fatal(err)
				}
				time.Sleep(3 * time.Second)
				x.begin(id)
				x.revoke("d")
				time.Sleep(40 * time.Second)
				for sid, want := range map[string]int{"a": 401, "d": 401, "good": 200} {
					if got := status(t, g, x.token(sid)); got != want {
						t.Errorf("%s: %d, want %d", sid, got, want)
					}
				}
				if s := x.second.Stats(); s.Log != id || s.Head != 1 {
					t.Errorf("relay: %+v", s)
				}
			})
		})
	}
}

// What is over leaves the relay's memory as it leaves the log.
func TestWindowMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTree(t)
		for n := range 20_000 {
			x.revoke(fmt.Sprint("sid-", n))
			if n%500 == 0 {
				time.Sleep(time.Second)
			}
			x.change(func() { x.issuer.first = uint64(max(n-1000, 0)) + 1 })
		}
		time.Sleep(5 * time.Second)
		if s := x.second.Stats(); s.Head != 20_000 || s.Entries > 4000 {
			t.Errorf("relay: %+v, want some 1,000 entries up to 20,000", s)
		}
		g := x.guard(t, x.issuer, secondHost)
		if err := g.Synced(t.Context(), x.url, 20_000); err != nil {
			t.Fatal(err)
		}
		if got := status(t, g, x.token("sid-19999")); got != 401 {
			t.Errorf("got %d", got)
		}
		if s := g.Stats().Issuers[0]; s.Revoked < 1000 || s.Revoked > 1002 {
			t.Errorf("guard: %+v", s)
		}
	})
}

// TestLies: what stands between a relay and those below may withhold, repeat and
// change; nobody below is up to date by it, nor believes it.
func TestLies(t *testing.T) {
	const liar = "localhost:9"
	for name, lie := range map[string]func(old, now *revlog.Page) *revlog.Page{
		"withholds entries": func(_, p *revlog.Page) *revlog.Page { p.Entries, p.More = nil, false; return p },
		"repeats":           func(old, _ *revlog.Page) *revlog.Page { return old },
		"repeats with the time of now": func(old, p *revlog.Page) *revlog.Page {
			lie, proof := *old, *old.Proof
			lie.Time, proof.TimeMS = p.Time, p.Proof.TimeMS
			lie.Proof = &proof
			return &lie
		},
		"changes an entry": func(_, p *revlog.Page) *revlog.Page {
			for i := range p.Entries {
				p.Entries[i].Hash = revlog.Hash(revlog.Session, "good")
			}
			return p
		},
		"takes the signature away": func(_, p *revlog.Page) *revlog.Page { p.Proof = nil; return p },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newTree(t)
				x.revoke("before")
				time.Sleep(3 * time.Second)
				// The liar has the first relay's pages of then, a back-up so to speak, and
				// those of now.
				ask := func(after string) *revlog.Page {
					w := httptest.NewRecorder()
					x.first.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/v1/revocations?after="+after, nil))
					p, err := revlog.Decode(w.Body.Bytes())
					if err != nil {
						t.Error(err)
					}
					return p
				}
				old := ask("0")
				lying := make(chan struct{})
				x.serve(t, liar, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					select {
					case <-lying:
						json.NewEncoder(w).Encode(lie(old, ask(r.URL.Query().Get("after"))))
					default:
						x.first.Handler().ServeHTTP(w, r)
					}
				}))
				below := x.follow(t, "localhost:10", liar, nil)
				behind, direct := x.guard(t, x.issuer, "localhost:10"), x.guard(t, x.issuer, liar)
				good, withheld := x.token("good"), x.token("withheld")
				time.Sleep(3 * time.Second)
				if status(t, behind, good) != 200 || status(t, direct, good) != 200 {
					t.Fatal("before the lie")
				}
				close(lying)
				x.cut(liar, false)
				x.revoke("withheld")
				time.Sleep(45 * time.Second)
				for where, g := range map[string]int{"behind a relay": status(t, behind, good), "direct": status(t, direct, good),
					"behind a relay, withheld": status(t, behind, withheld), "direct, withheld": status(t, direct, withheld)} {
					if g != 503 {
						t.Errorf("%s: %d, want 503", where, g)
					}
				}
				if below.Ready(t.Context()) == nil {
					t.Error("the relay below says that it is ready")
				}
			})
		})
	}
}

func TestQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTree(t)
		get := func(path string, header ...string) *httptest.ResponseRecorder {
			r := httptest.NewRequest("GET", path, nil)
			for n := 0; n < len(header); n += 2 {
				r.Header.Set(header[n], header[n+1])
			}
			w := httptest.NewRecorder()
			x.second.Handler().ServeHTTP(w, r)
			return w
		}
		for n := range 9000 {
			x.revoke(fmt.Sprint(n))
		}
		time.Sleep(5 * time.Second)
		for path, want := range map[string]int{
			"/v1/revocations?after=x": 400, "/v1/revocations?after=-1": 400, "/v1/revocations?limit=x": 400,
			"/v1/revocations?wait=x": 400, "/v1/revocations?wait=-1s": 400, "/v1/revocations?after=1&other=2": 200,
			"/v1/revocations/pages/0": 200, "/v1/revocations/pages/1": 200, "/v1/revocations/pages/2": 404,
			"/v1/revocations/pages/x": 404, "/v1/revocations/pages/18446744073709551615": 404, "/": 404, "/healthz": 404,
		} {
			if w := get(path); w.Code != want {
				t.Errorf("%s: %d, want %d", path, w.Code, want)
			}
		}
		w := get("/v1/revocations/pages/1")
		page, err := revlog.DecodeFull(w.Body.Bytes())
		if err != nil || page.Number != 1 || page.Entries[0].Seq != 4097 || page.Prev != x.chains[4096] ||
			w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("page 1: %v, %v", w.Header(), err)
		}
		if again := get("/v1/revocations/pages/1", "If-None-Match", w.Header().Get("ETag")); again.Code != 304 {
			t.Errorf("page 1 once more: %d", again.Code)
		}
		for after, want := range map[string][3]uint64{ // first, last, head
			"0": {1, 5000, 9000}, "4999": {5000, 9000, 9000}, "8999": {9000, 9000, 9000}, "77": {78, 5077, 9000},
		} {
			p, err := revlog.Decode(get("/v1/revocations?after=" + after).Body.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if got := [3]uint64{p.Entries[0].Seq, p.Last(), p.Head}; got != want || p.Proof.Prev != x.chains[p.Entries[0].Seq-1] {
				t.Errorf("after %s: %v, want %v", after, got, want)
			}
		}
		for _, after := range []string{"9000", "99999"} {
			began := time.Now()
			p, err := revlog.Decode(get("/v1/revocations?wait=7s&after=" + after).Body.Bytes())
			if err != nil || len(p.Entries) != 0 || p.Head != 9000 || time.Since(began) != 7*time.Second {
				t.Errorf("after %s: %+v, %v, %v", after, p, err, time.Since(began))
			}
		}
	})
}

// Places are bounded, and whoever finds none can ask all the same.
func TestPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		i := newIssuer(t, "http://"+issuerHost)
		n.serve(t, issuerHost, i.handler())
		r := n.follow(t, firstHost, issuerHost, func(o *relay.Options) { o.Streams, o.Polls = 2, 2 })
		time.Sleep(time.Second)
		client := n.client(t)
		ask := func(query, accept string) *http.Response {
			req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+firstHost+"/v1/revocations"+query, nil)
			if err != nil {
				t.Error(err)
				return nil
			}
			req.Header.Set("Accept", accept)
			resp, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return nil
			}
			t.Cleanup(func() { resp.Body.Close() })
			go io.Copy(io.Discard, resp.Body)
			return resp
		}
		for n, want := range []int{200, 200, 503} {
			if resp := ask("", "text/event-stream"); resp.StatusCode != want || want == 200 && resp.Header.Get("X-Accel-Buffering") != "no" {
				t.Errorf("stream %d: %d, want %d", n, resp.StatusCode, want)
			}
		}
		for range 2 {
			go ask("?wait=20s", "")
		}
		synctest.Wait()
		if resp := ask("?wait=20s", ""); resp.StatusCode != 503 {
			t.Errorf("a third poll: %d", resp.StatusCode)
		}
		if resp := ask("", ""); resp.StatusCode != 200 {
			t.Errorf("without waiting: %d", resp.StatusCode)
		}
		if s := r.Stats(); s.Streams != 2 || s.Polls != 2 {
			t.Errorf("%+v", s)
		}
		r.Release()
		synctest.Wait()
		if s := r.Stats(); s.Streams != 0 || s.Polls != 0 {
			t.Errorf("released: %+v", s)
		}
	})
}

// Who doesn't read is dropped, and holds nobody up.
func TestSlowFollower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTree(t)
		time.Sleep(time.Second)
		conn, err := x.dial(t.Context(), "", secondHost)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "GET /v1/revocations HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		g := x.guard(t, x.issuer, secondHost)
		if err := g.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s := x.second.Stats(); s.Streams != 2 {
			t.Fatalf("%+v", s)
		}
		for n := range 15 {
			seq := x.revoke(fmt.Sprint(n))
			synctest.Wait()
			if got := g.Stats().Issuers[0].Sequence; got != seq {
				t.Errorf("the other one has %d, want %d", got, seq)
			}
			time.Sleep(time.Second)
		}
		if s := x.second.Stats(); s.Streams != 1 || s.Dropped != 1 {
			t.Errorf("%+v, want one dropped", s)
		}
	})
}

func TestBeforeAnythingHasCome(t *testing.T) {
	r, err := relay.New(relay.Options{Upstream: "https://example.com/v1/revocations"})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1/revocations", "/v1/revocations?wait=10s", "/v1/revocations/pages/0"} {
		w := httptest.NewRecorder()
		r.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != 503 || w.Header().Get("Retry-After") != "1" {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if err := r.Ready(t.Context()); err == nil || r.Stats().Age != -1 {
		t.Errorf("ready before anything has come: %+v", r.Stats())
	}
}

func TestOptions(t *testing.T) {
	for _, upstream := range []string{"", "x", "http://example.com/v1/revocations", "https://u:p@example.com/"} {
		if _, err := relay.New(relay.Options{Upstream: upstream}); err == nil {
			t.Errorf("%q: no error", upstream)
		}
	}
	if _, err := relay.New(relay.Options{Upstream: "https://example.com/v1/revocations", Streams: -1}); err == nil {
		t.Error("a negative limit: no error")
	}
}

// An upstream that signs nothing isn't passed on: nobody could believe it.
func TestUnsigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		i := newIssuer(t, "http://"+issuerHost)
		n.serve(t, issuerHost, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, _ := i.page(0, 10)
			p.Proof = nil
			data, _ := p.MarshalJSON()
			io.Copy(w, bytes.NewReader(data))
		}))
		r := n.follow(t, firstHost, issuerHost, nil)
		time.Sleep(time.Minute)
		if err := r.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing") || r.Stats().Failures == 0 || r.Stats().Failures > 30 {
			t.Errorf("%v, %+v", err, r.Stats())
		}
	})
}
