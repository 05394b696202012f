package browser

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/testenv"
)

// buildExample builds an example, unless what it was built from is older than
// the mark that the build leaves.
func buildExample(t *testing.T, dir, mark string, args ...string) {
	t.Helper()
	node := testenv.NeedNodeModules(t, dir)
	os.Getenv("TEST_RUN") // what it reads lies outside of this module, past go test's cache
	if built, err := os.Stat(filepath.Join(dir, mark)); err == nil && built.ModTime().After(newest(t, dir, mark)) {
		return
	}
	cmd := exec.Command(node, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "NEXT_TELEMETRY_DISABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", dir, err, out)
	}
}

// newest is when something that an example is built from changed last.
func newest(t *testing.T, dir, mark string) (last time.Time) {
	t.Helper()
	output, _, _ := strings.Cut(mark, "/")
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		skip := map[string]bool{output: true, "node_modules": true}[entry.Name()]
		if entry.IsDir() && skip && path != filepath.Join(dir, "node_modules") {
			return fs.SkipDir
		}
		if path == filepath.Join(dir, "node_modules") {
			path = filepath.Join(path, ".package-lock.json") // it is written when all packages are there
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.ModTime().After(last) && !info.IsDir() {
			last = info.ModTime()
		}
		if entry.IsDir() && skip {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return last
}

// next is the Next.js example on a Writ of its own.
type next struct {
	*server
	t      *testing.T
	origin string
}

func startNext(t *testing.T) *next {
	t.Helper()
	needBrowser(t)
	dir := filepath.Join("..", "..", "examples", "next")
	program := filepath.Join("node_modules", "next", "dist", "bin", "next")
	buildExample(t, dir, ".next/BUILD_ID", program, "build")
	port, writ := freePort(t), freePort(t)
	issuer := fmt.Sprintf("http://localhost:%d", writ)
	n := &next{server: startServer(t, "http", issuer, writ, "--access-ttl", "10s"), t: t, origin: fmt.Sprintf("http://localhost:%d", port)}
	env := []string{"WRIT_ISSUER=" + issuer, "MAX_STALE=5", "NEXT_TELEMETRY_DISABLED=1"}
	startNode(t, dir, `(Ready) in`, env, program, "start", "--hostname", "localhost", "--port", fmt.Sprint(port))
	return n
}

// ask sends a request past the browser and follows nothing.
func (n *next) ask(method, path string, header ...string) (*http.Response, string) {
	n.t.Helper()
	req, err := http.NewRequestWithContext(n.t.Context(), method, n.origin+path, strings.NewReader(""))
	if err != nil {
		n.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	client := &http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return res, string(body)
}

// who is what the page says of who is signed in, and where it is.
type who struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

const whoScript = `() => ({
	path: location.pathname + location.search + location.hash,
	text: document.querySelector("#who")?.textContent ?? document.querySelector("h1")?.textContent ?? "",
})`

func (b *tab) who() (w who) {
	b.t.Helper()
	b.run(&w, whoScript, nil)
	return w
}

// awaitPage waits until a page shows a text. It may just be on its way.
func (b *tab) awaitPage(what, path, text string) {
	b.t.Helper()
	b.until(what, nil, whoScript, `(who, want) => who.path === want.path && who.text.includes(want.text)`, who{path, text})
}

const fillSignIn = `({ email, password }) => {
	const set = (name, value) => {
		const input = document.querySelector("input[name=" + name + "]");
		input.value = value;
		input.dispatchEvent(new Event("input", { bubbles: true }));
	};
	set("email", email);
	set("password", password);
	document.querySelector("form").requestSubmit();
}`

const signedInAs = "Signed in as " + aliceEmail

// nextSignIn signs alice in at the example's page.
func (n *next) nextSignIn(b *tab) {
	n.t.Helper()
	b.awaitPage("without a session", "/sign-in?next=/notes", "Sign in")
	b.awaitHydration()
	b.run(nil, fillSignIn, json.RawMessage(fmt.Sprintf(`{"email":%q,"password":%q}`, aliceEmail, alicePassword)))
	b.awaitPage("sign-in", "/notes", signedInAs)
}

// awaitHydration waits until React has taken the page over: before that a form
// is sent the old way.
func (b *tab) awaitHydration() {
	b.t.Helper()
	b.until("a form that React has taken over", nil, `() => Object.keys(document.querySelector("form") ?? {})`,
		`(keys) => keys.some((key) => key.startsWith("__reactProps"))`, nil)
}

// TestClientNext walks through the Next.js example: sign-in, a server action, a
// route handler, an expired access token, a link from another site, sign-out
// where another tab sees it, and Writ out of reach.
func TestClientNext(t *testing.T) {
	n := startNext(t)
	p := newProfile(t, nil)
	b := p.open(n.origin + "/notes")
	n.nextSignIn(b)
	if got := scriptSees(b); got != "" {
		t.Errorf("document.cookie is %q", got)
	}
	for name, c := range p.cookies() {
		if !c.HTTPOnly || (strings.HasSuffix(name, "_rt") && c.SameSite != "Strict") {
			t.Errorf("the cookie %+v", c)
		}
	}
	b.awaitHydration()
	b.run(nil, `() => {
		document.querySelector("input[name=text]").value = "buy tea";
		document.querySelector("form").requestSubmit();
	}`, nil)
	b.awaitText("the server action", "ul", "buy tea")
	if got := b.send("GET", "/api/notes", ""); got.Status != 200 || !got.holds("buy tea") {
		t.Errorf("the route handler: %+v", got)
	}
	if got := b.send("POST", "/api/notes", `{"text":"and milk"}`); got.Status != 201 {
		t.Errorf("the route handler: %+v", got)
	}

	n.expired(p, b)
	n.strangers(p)
	n.crossSite(p, b)

	two := p.open(n.origin + "/notes")
	two.awaitPage("second tab", "/notes", signedInAs)
	b.visit(n.origin + "/notes")
	b.awaitPage("first tab", "/notes", signedInAs)
	b.awaitHydration()
	two.awaitHydration()
	b.run(nil, `() => [...document.querySelectorAll("button")].find((b) => b.textContent === "Sign out").click()`, nil)
	b.awaitPage("sign-out", "/sign-in?next=/notes", "Sign in")
	two.awaitPage("sign-out in the other tab", "/sign-in?next=/notes", "Sign in")
	if res, body := n.ask("GET", "/notes", "Cookie", "writ_at="); res.StatusCode != 307 || strings.Contains(body, "buy tea") {
		t.Errorf("after the sign-out: %d", res.StatusCode)
	}

	n.nextSignIn(b)
	b.visit("about:blank")
	two.visit("about:blank")
	refresh := p.cookies()["writ_rt"].Value
	n.stop()
	res, body := n.ask("GET", "/notes", "Cookie", "writ_rt="+refresh)
	if res.StatusCode != 500 || strings.Contains(res.Header.Get("Location"), "sign-in") {
		t.Errorf("while Writ is out of reach: %d %v %.200s", res.StatusCode, res.Header, body)
	}
	if res, _ := n.ask("GET", "/api/notes", "Cookie", "writ_rt="+refresh); res.StatusCode != 503 {
		t.Errorf("the route handler while Writ is out of reach: %d", res.StatusCode)
	}
	b.visit(n.origin + "/notes")
	n.restart(t)
	b.until("the way out of an outage", nil, `() => {
		const again = [...document.querySelectorAll("button")].find((b) => b.textContent === "Try again");
		if (again && !(performance.now() - window.pressed < 1000)) {
			window.pressed = performance.now();
			again.click();
		}
		return document.querySelector("#who")?.textContent ?? "";
	}`, `(text, want) => text.includes(want)`, signedInAs)
}

// expired visits with an access token that is over and a session that lives.
func (n *next) expired(p *profile, b *tab) {
	n.t.Helper()
	b.visit("about:blank") // a page would refresh by itself
	p.forgets("writ_at")
	refresh := p.cookies()["writ_rt"].Value
	res, body := n.ask("GET", "/notes", "Cookie", "writ_rt="+refresh)
	if res.StatusCode != 200 || !strings.Contains(body, "buy tea") || !strings.Contains(body, aliceEmail) {
		n.t.Errorf("the first answer is %d: %.300s", res.StatusCode, body)
	}
	if set := res.Header.Values("Set-Cookie"); len(set) < 2 || !strings.Contains(res.Header.Get("Cache-Control"), "no-store") {
		n.t.Errorf("the first answer has Cache-Control %q and sets %d cookies", res.Header.Get("Cache-Control"), len(set))
	}
	if v := b.visit(n.origin + "/notes"); v.Status != 200 || v.URL != n.origin+"/notes" {
		n.t.Errorf("a first visit with an expired token: %+v", v)
	}
	if w := b.who(); w.Text == "" || strings.Contains(w.Text, "Sign in") {
		n.t.Errorf("a first visit with an expired token shows %+v", w)
	}
	var redirects int
	b.run(&redirects, `() => performance.getEntriesByType("navigation")[0].redirectCount`, nil)
	if redirects != 0 {
		n.t.Errorf("a first visit with an expired token was redirected %d times", redirects)
	}
}

// crossSite follows a link of another site, which leaves the refresh token at
// home.
func (n *next) crossSite(p *profile, b *tab) {
	n.t.Helper()
	b.visit(strings.Replace(n.base, "localhost", "127.0.0.1", 1) + "/.well-known/jwks.json")
	p.forgets("writ_at")
	b.leave(`(url) => { location.href = url }`, n.origin+"/notes?a=b#there")
	b.awaitPage("a link of another site", "/notes?a=b#there", signedInAs)
	nobody := newProfile(n.t, nil).open(n.base + "/.well-known/jwks.json")
	nobody.leave(`(url) => { location.href = url }`, n.origin+"/notes")
	nobody.awaitPage("the same without a session", "/sign-in?next=/notes", "Sign in")
}

// strangers tries what has got past proxies of Next.js, and what nobody should
// be able to say.
func (n *next) strangers(p *profile) {
	n.t.Helper()
	const five = "proxy:proxy:proxy:proxy:proxy"
	tricks := [][]string{
		nil,
		{"x-middleware-subrequest", five}, {"x-middleware-subrequest", "src/" + five}, {"x-middleware-subrequest", "middleware:middleware:middleware:middleware:middleware"},
		{"x-middleware-subrequest", "pages/_middleware"}, {"x-middleware-subrequest-id", "1"}, {"x-middleware-next", "1"}, {"x-middleware-invoke", "1"},
		{"x-middleware-rewrite", "/notes"}, {"x-middleware-set-cookie", "writ_at=x"}, {"x-middleware-prefetch", "1"}, {"x-nextjs-data", "1"}, {"x-invoke-path", "/notes"},
		{"x-middleware-override-headers", "cookie", "x-middleware-request-cookie", "writ_at=x.y.z"}, {"x-writ-unavailable", ""}, {"x-forwarded-host", "evil.example"},
		{"rsc", "1"}, {"rsc", "1", "next-router-prefetch", "1"}, {"next-action", "x"}, {"x-auth-request-user", "usr_1"}, {"authorization", "Bearer x.y.z"},
		{"cookie", "writ_at=x.y.z"}, {"cookie", "writ_at=" + n.bearer + "; writ_at=" + n.bearer}, {"cookie", "writ_rt=writ_rt_x"},
	}
	for _, trick := range tricks {
		for _, path := range []string{"/notes", "/notes?writ_handshake=1", "/NOTES", "//notes", "/notes/", "/_next/data/x/notes.json", "/api/notes", "/%6eotes"} {
			res, body := n.ask("GET", path, trick...)
			if strings.Contains(body, "buy tea") || strings.Contains(body, aliceEmail) || res.Header.Get("Set-Cookie") != "" {
				n.t.Errorf("%s with %v: %d %.200s", path, trick, res.StatusCode, body)
			}
			if location := res.Header.Get("Location"); strings.Contains(location, "evil") || strings.HasPrefix(location, "//") {
				n.t.Errorf("%s with %v leads to %s", path, trick, location)
			}
		}
		// Next.js itself has an answer to some: a redirect, or nothing in braces.
		res, body := n.ask("GET", "/api/notes", trick...)
		refused := res.StatusCode == 401 && strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Bearer ")
		if !refused && res.StatusCode != 307 && body != "{}" {
			n.t.Errorf("the route handler with %v: %d %s", trick, res.StatusCode, body)
		}
	}
	access := p.cookies()["writ_at"].Value
	for _, header := range [][]string{nil, {"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "null"}} {
		if res, _ := n.ask("POST", "/api/notes", append(header, "Cookie", "writ_at="+access)...); res.StatusCode != 403 {
			n.t.Errorf("a POST with a cookie and %v: %d", header, res.StatusCode)
		}
	}
	if res, _ := n.ask("GET", "/v1/admin/users", "Authorization", "Bearer "+n.bearer); res.StatusCode != 404 {
		n.t.Errorf("Writ's administration is on the application's origin: %d", res.StatusCode)
	}
}
