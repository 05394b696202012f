package browser

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/testenv"
)

// clientPage is an application with the browser client: it asks the API five
// times a second, unless it has a query, and notes what listeners are told.
const clientPage = `<!doctype html><title>client</title><link rel=icon href=data:>
<script type=module>
import { createWrit } from "/spa/writ.js";
window.told = [];
window.statuses = {};
window.writ = createWrit({ issuer: new URLSearchParams(location.search).get("issuer") ?? location.origin });
window.createWrit = createWrit;
addEventListener("pageshow", ({ persisted }) => { window.persisted = persisted });
writ.onChange((user, reason) => {
	told.push((user?.email ?? "nobody") + " " + reason);
	if (!user) window.ended = Date.now();
});
if (!location.search) setInterval(() => writ.fetch("/v1/me").then(
	({ status }) => { statuses[status] = (statuses[status] ?? 0) + 1 },
	() => {}), 200);
</script>`

// clientSite is a site whose pages at /spa/ have the client.
type clientSite struct {
	*site
	drop      atomic.Int32 // how many in a hundred answers to refreshes are lost
	refreshes atomic.Int32
	dropped   atomic.Int32
}

func startClientSite(t *testing.T, flags ...string) *clientSite {
	t.Helper()
	needBrowser(t)
	dir := filepath.Join("..", "..", "clients", "js")
	node := testenv.NeedNodeModules(t, dir)
	os.Getenv("TEST_RUN") // what it reads lies outside of this module, past go test's cache
	cmd := exec.CommandContext(t.Context(), node, filepath.Join("node_modules", "esbuild", "bin", "esbuild"), "src/index.ts", "--bundle", "--format=esm", "--target=es2022")
	cmd.Dir = dir
	script, err := cmd.Output()
	if err != nil {
		t.Fatalf("esbuild: %v", err)
	}
	s := &clientSite{site: startSite(t, flags...)}
	s.setWay(func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		switch {
		case r.URL.Path == "/spa/writ.js":
			w.Header().Set("Content-Type", "text/javascript")
			w.Write(script)
		case strings.HasPrefix(r.URL.Path, "/spa/"):
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, clientPage)
		case r.URL.Path == "/v1/refresh":
			s.refresh(w, r, forward)
		default:
			forward.ServeHTTP(w, r)
		}
	})
	return s
}

// refresh forwards a refresh, and loses some of the answers.
func (s *clientSite) refresh(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	s.refreshes.Add(1)
	if rand.Int32N(100) >= s.drop.Load() {
		forward.ServeHTTP(w, r)
		return
	}
	s.dropped.Add(1)
	forward.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler) // the connection breaks
}

// client is what a page's client knows.
type client struct {
	User     string // "nobody", or "unknown"
	Told     []string
	Statuses map[string]int
	Ended    int64 // when nobody was signed in any more, in unix milliseconds
}

// client looks at the page, which may just be loading.
func (b *tab) client() (c client) {
	b.t.Helper()
	b.run(&c, lookAtClient, nil)
	return c
}

const lookAtClient = `() => ({
	user: window.writ?.user === undefined ? "unknown" : writ.user?.email ?? "nobody",
	told: window.told ?? [],
	statuses: window.statuses ?? {},
	ended: window.ended ?? 0,
})`

// await waits until the page's client knows a user.
func (b *tab) await(what, user string) (c client) {
	b.t.Helper()
	b.until(what, &c, lookAtClient, `(client, user) => client.user === user`, user)
	return c
}

// clientSignIn signs alice in with the page's client.
func (b *tab) clientSignIn() {
	b.t.Helper()
	b.await("first load", "nobody")
	b.run(nil, `(credentials) => writ.signIn(credentials).then(() => {})`, json.RawMessage(fmt.Sprintf(`{"email":%q,"password":%q}`, aliceEmail, alicePassword)))
	b.await("sign-in", aliceEmail)
}

// TestClient signs in, reloads, and signs out where another tab sees it.
func TestClient(t *testing.T) {
	s := startClientSite(t)
	p := newProfile(t, nil)
	one := p.open(s.origin + "/spa/")
	one.clientSignIn()
	var refused string
	one.run(&refused, `() => writ.signIn({ email: "alice@example.com", password: "wrong" }).catch((error) => error.code)`, nil)
	if refused != "invalid_credentials" || one.client().User != aliceEmail {
		t.Errorf("a wrong password was answered %q, and left %+v", refused, one.client())
	}
	if got := scriptSees(one); got != "" {
		t.Errorf("document.cookie is %q", got)
	}
	for range 3 {
		one.leave(`() => { location.reload() }`, nil)
		one.await("reload", aliceEmail)
	}

	s.refreshes.Store(0)
	two := p.open(s.origin + "/spa/")
	if told := two.await("second tab", aliceEmail).Told; len(told) != 1 || told[0] != aliceEmail+" updated" {
		t.Errorf("the second tab was told %v", told)
	}
	if n := s.refreshes.Load(); n != 0 {
		t.Errorf("the second tab asked the server %d times for what the first one knows", n)
	}

	one.run(nil, `() => writ.signOut()`, nil)
	if told := two.await("sign-out in the other tab", "nobody").Told; told[len(told)-1] != "nobody signed_out" {
		t.Errorf("the second tab was told %v", told)
	}
	wantCookies(t, p)
	for _, b := range []*tab{one, two} {
		b.leave(`() => { location.reload() }`, nil)
		b.await("reload after the sign-out", "nobody")
	}
}

// TestClientEverywhere ends the sessions of two browsers from one.
func TestClientEverywhere(t *testing.T) {
	s := startClientSite(t)
	one, two := newProfile(t, nil).open(s.origin+"/spa/"), newProfile(t, nil).open(s.origin+"/spa/")
	one.clientSignIn()
	two.clientSignIn()
	one.run(nil, `() => writ.signOutEverywhere()`, nil)
	one.await("sign-out everywhere", "nobody")
	// The other browser finds out with its next request.
	if told := two.await("sign-out everywhere, other browser", "nobody").Told; told[len(told)-1] != "nobody session_ended" {
		t.Errorf("the other browser was told %v", told)
	}
}

// clientLoad is how many tabs TestClientTabs has and for how long: four for ten
// seconds, or twenty for as long as TEST_TABS says.
func clientLoad(t *testing.T) (tabs int, long time.Duration) {
	text := os.Getenv("TEST_TABS")
	if text == "" {
		return 4, 10 * time.Second
	}
	long, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("TEST_TABS: %v", err)
	}
	return 20, long
}

// TestClientTabs has tabs refresh and reload while one answer in five is lost,
// and the server is killed and started again: nobody may be signed out, and
// nothing may loop. Then a thief uses an old refresh token, and every tab must
// know at once.
func TestClientTabs(t *testing.T) {
	count, long := clientLoad(t)
	const life = 5
	s := startClientSite(t, "--access-ttl", fmt.Sprintf("%ds", life))
	p := newProfile(t, nil)
	tabs := []*tab{p.open(s.origin + "/spa/")}
	tabs[0].clientSignIn()
	tabs[0].run(nil, `() => { told.length = 0 }`, nil)
	stolen := p.cookies()["writ_rt"].Value
	for len(tabs) < count {
		tabs = append(tabs, p.open(s.origin+"/spa/"))
	}
	s.drop.Store(20)
	reloads := 0
	begunAt, restarted := time.Now(), false
	for end := begunAt.Add(long); time.Now().Before(end); reloads++ {
		if !restarted && time.Since(begunAt) > long/2 {
			s.restart(t)
			restarted = true
		}
		b := tabs[rand.IntN(len(tabs))]
		b.leave(reloadScript, rand.IntN(30))
		for _, b := range tabs {
			wantNoSignOut(t, b.client())
		}
	}
	s.drop.Store(0)
	for _, b := range tabs {
		c := b.await("after all that", aliceEmail)
		wantNoSignOut(t, c)
	}
	t.Logf("%d tabs for %s: %d reloads, %d refreshes, %d answers lost", count, long, reloads, s.refreshes.Load(), s.dropped.Load())
	// Each reload makes one refresh by the script, one by the client that finds
	// no other tab's word in time, and each life of a token one of each tab.
	if most := 3*reloads + count*(int(long/time.Second)/2+10); int(s.refreshes.Load()) > most {
		t.Errorf("%d refreshes, want at most %d", s.refreshes.Load(), most)
	}
	s.renew(t)
	if state := s.state(t); strings.Contains(state, "theft") {
		t.Errorf("the clients were taken for thieves:\n%s", state)
	}

	begun := time.Now()
	s.call(t, "POST", "/v1/refresh", "", nil, "Cookie", "writ_rt="+stolen, "Origin", s.origin)
	answered := time.Now()
	var last int64
	for _, b := range tabs {
		c := b.await("theft", "nobody")
		if told := c.Told[len(c.Told)-1]; told != "nobody session_ended" {
			t.Errorf("a tab was told %q", told)
		}
		last = max(last, c.Ended) // by the page itself: to ask twenty takes longer than they do
	}
	t.Logf("all tabs know of the theft %s after the thief's request, which was answered after %s",
		time.UnixMilli(last).Sub(begun).Round(time.Millisecond), answered.Sub(begun).Round(time.Millisecond))
	s.renew(t)
	if _, audit := s.call(t, "GET", "/v1/admin/audit?limit=50", s.bearer, nil); !strings.Contains(string(audit), "grant.theft") {
		t.Errorf("the audit says nothing of the theft: %s", audit)
	}
}

// restart kills the server in the middle of whatever it does, and starts it
// again on the same data.
func (s *server) restart(t *testing.T) {
	t.Helper()
	s.stop()
	again := exec.Command(s.cmd.Path, s.cmd.Args[1:]...)
	again.Dir, again.Env, again.Stdout, again.Stderr = s.cmd.Dir, s.cmd.Env, &s.output, &s.output
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	s.cmd = again
	s.awaitReady(t)
}

// renew signs the administrator in again, whose token lives no longer than the
// tabs'.
func (s *clientSite) renew(t *testing.T) {
	t.Helper()
	var in struct {
		AccessToken string `json:"access_token"`
	}
	s.must(t, 200, "POST", "/v1/login", "", map[string]any{"email": adminEmail, "password": adminPassword}, &in)
	s.bearer = in.AccessToken
}

func wantNoSignOut(t *testing.T, c client) {
	t.Helper()
	for _, told := range c.Told {
		if strings.HasPrefix(told, "nobody") {
			t.Fatalf("a tab was signed out: %+v", c)
		}
	}
}
