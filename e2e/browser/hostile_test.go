package browser

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// hostile serves the attacker's pages.
type hostile struct {
	sibling  string // another origin of Writ's own site: SameSite cookies travel
	stranger string // another site
}

func startHostile(t testing.TB) *hostile {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/", page)
	mux.HandleFunc("/sandboxed", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "sandbox allow-scripts allow-forms") // its origin is "null"
		page(w, r)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return &hostile{sibling: onLocalhost(s), stranger: s.URL}
}

// attacker is a page that the victim opened.
type attacker struct {
	name, url string
	origin    string // as its requests name it
	cookies   bool   // SameSite lets its POSTs carry the victim's cookies
}

func (h *hostile) attackers() []attacker {
	return []attacker{
		{"another origin of the site", h.sibling + "/", h.sibling, true},
		{"another site", h.stranger + "/", h.stranger, false},
		{"a sandboxed page", h.sibling + "/sandboxed", "null", false},
	}
}

const malloryPassword = "mallory's pass=word"

// target is a request that changes something. The bodies have one "=", where a
// form can put its own between a name and a value, so that text/plain is valid
// JSON.
type target struct{ method, path, body string }

func targets(sessionID string) []target {
	return []target{
		{"POST", "/v1/refresh", ""},
		{"POST", "/refresh-token", ""},
		{"POST", "/v1/refresh", `{"audience":"="}`},
		{"POST", "/v1/logout", ""},
		{"POST", "/v1/logout", `{"refresh_token":"="}`},
		{"POST", "/v1/logout-all", ""},
		{"POST", "/v1/login", login("mallory@example.com", malloryPassword, "")},
		{"POST", "/v1/signup", `{"email":"new@example.com","password":"a long pass=word"}`},
		{"POST", "/v1/password/change", `{"current_password":"` + alicePassword + `","new_password":"a long pass=word"}`},
		{"PATCH", "/v1/me", `{"name":"Mallory="}`},
		{"DELETE", "/v1/sessions/" + sessionID, ""},
	}
}

// formScript submits a form: in a frame, and then answers when that has loaded
// whatever came, or in the tab itself.
const formScript = `({ url, enctype, name, value, framed }) => {
	const form = document.createElement("form");
	Object.assign(form, { action: url, enctype, method: "post" });
	if (name) {
		const input = document.createElement("textarea");
		Object.assign(input, { name, value });
		form.append(input);
	}
	document.body.append(form);
	if (!framed) return form.submit();
	const frame = document.createElement("iframe");
	form.target = frame.name = "f" + document.forms.length;
	document.body.append(frame);
	return new Promise((resolve) => {
		frame.onload = () => resolve();
		form.submit();
	});
}`

type form struct {
	URL     string `json:"url"`
	Type    string `json:"enctype"`
	Name    string `json:"name"`
	Value   string `json:"value"`
	InFrame bool   `json:"framed"`
}

// byForm attacks by forms: of every type, if there is a body to smuggle in.
func (a attacker) byForm(t *testing.T, b *tab, origin string, to target) {
	f := form{URL: origin + to.path, InFrame: true}
	f.Name, f.Value, _ = strings.Cut(to.body, "=")
	types := []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data"}
	if to.body == "" {
		types = types[1:2]
	}
	for _, f.Type = range types {
		b.run(nil, formScript, f)
	}
	if to.path != "/v1/login" && to.path != "/v1/logout" {
		return
	}
	f.Type, f.InFrame = types[0], false
	if v := b.leave(formScript, f); v.URL != f.URL || v.Status != 401 && v.Status != 403 && v.Status != 415 {
		t.Errorf("form to %s: arrived at %s with %d", to.path, v.URL, v.Status)
	}
	b.visit(a.url)
}

// byFetch attacks by scripts, with and without CORS.
func (a attacker) byFetch(t *testing.T, b *tab, origin string, to target) {
	for _, mode := range []string{"no-cors", "cors"} {
		for _, kind := range []string{"", "text/plain", "application/json"} {
			if mode == "no-cors" && (to.method != "POST" || kind == "application/json") {
				continue // the browser doesn't even take the call
			}
			r := request{URL: origin + to.path, Method: to.method, Mode: mode, Credentials: "include", Body: to.body}
			if kind != "" {
				r.Headers = map[string]string{"Content-Type": kind}
			}
			unreadable(t, to.path, b.fetch(r))
		}
	}
}

// unreadable fails the test if the page gets anything of an answer: not even
// an opaque one should be in its process (Cross-Origin-Resource-Policy).
func unreadable(t *testing.T, what string, s seen) {
	t.Helper()
	if s.Failed == "" {
		t.Errorf("%s: the page sees %+v", what, s)
	}
}

// TestOtherOrigins attacks a browser that is signed in from pages of other
// origins, in every way that a page has, and finds everything as it was.
func TestOtherOrigins(t *testing.T) {
	needBrowser(t)
	s := startSite(t)
	s.addUser(t, "mallory@example.com", malloryPassword, nil)
	evil := startHostile(t)
	for mode, names := range modes() {
		for _, a := range evil.attackers() {
			if mode == "session" && a.origin == "null" {
				continue // no cookie travels, and so the mode makes no difference
			}
			t.Run(mode+" mode, "+a.name, func(t *testing.T) {
				p := newProfile(t, nil)
				b := s.signIn(p, mode)
				var me struct {
					SessionID string `json:"session_id"`
				}
				b.send("GET", "/v1/me", "").get(t, &me)
				cookies, state := p.cookies(), s.state(t)
				s.take()
				mal := p.open(a.url)
				for _, to := range targets(me.SessionID) {
					a.byFetch(t, mal, s.origin, to)
					if to.method == "POST" {
						a.byForm(t, mal, s.origin, to)
					}
				}
				a.check(t, s.take(), names)
				if got := p.cookies(); !maps.Equal(got, cookies) {
					t.Errorf("the cookies were\n%v\nand are\n%v", cookies, got)
				}
				if got := s.state(t); got != state {
					t.Errorf("the server's state was\n%s\nand is\n%s", state, got)
				}
				// The same requests do work where they belong.
				b.send("PATCH", "/v1/me", `{"name":"Alice="}`).want(t, "change of name", 200, "")
				b.send("POST", "/v1/refresh", "").want(t, "refresh", 200, "")
				b.send("POST", "/v1/logout", "").want(t, "log-out", 200, "")
				if s.state(t) == state {
					t.Error("the state that was compared doesn't show even a log-out")
				}
			})
		}
	}
}

// check looks at what reached the server: the attack was made, with the
// cookies that SameSite lets through, and refused.
func (a attacker) check(t *testing.T, sent []exchange, names []string) {
	t.Helper()
	attacked, preflights := map[string]bool{}, 0
	for _, e := range sent {
		if e.Origin != a.origin {
			t.Errorf("%v: the origin should be %q", e, a.origin)
		}
		if e.SetCookies != 0 {
			t.Errorf("%v with %d cookies", e, e.SetCookies)
		}
		if e.Method == "OPTIONS" {
			preflights++
			continue
		}
		if e.Method != "POST" { // needs a preflight, which was not answered with leave
			t.Errorf("%v: the preflight let it through", e)
		}
		attacked[e.Path] = true
		if e.Status != 403 && e.Status != 415 && (a.cookies || e.Status != 401) {
			t.Errorf("%v: not refused as it should be", e)
		}
		want := []string{}
		if a.cookies {
			want = names
		}
		slices.Sort(e.Cookies)
		if !slices.Equal(e.Cookies, want) {
			t.Errorf("%v: should carry %v", e, want)
		}
	}
	if len(attacked) != 7 || preflights == 0 {
		t.Errorf("the attack didn't reach the server: %v, %d preflights", attacked, preflights)
	}
}

// documents are what a GET of Writ's finds, and what it doesn't: links to all
// of them can be put before people.
func documents() []string {
	return []string{
		"/v1/me", "/v1/login", "/v1/refresh", "/refresh-token", "/v1/logout", "/v1/logout-all",
		"/v1/admin/keys/rotate", "/oauth/authorize", "/oauth/logout",
	}
}

// TestLinks follows links to Writ from other origins. The Lax cookies travel
// then, and must not change anything.
func TestLinks(t *testing.T) {
	needBrowser(t)
	s := startSite(t)
	evil := startHostile(t)
	for _, c := range []struct{ mode, from string }{
		{"cookie", evil.stranger}, {"session", evil.stranger},
		{"cookie", evil.sibling}, // the Strict cookie travels too
	} {
		mode, from := c.mode, c.from
		p := newProfile(t, nil)
		b := s.signIn(p, mode)
		cookies, state := p.cookies(), s.state(t)
		mal := p.open(from)
		s.take()
		for _, path := range documents() {
			mal.visit(from)
			url := s.origin + path + "?email=" + aliceEmail + "&mode=token&refresh_token=x"
			if v := mal.leave(`(url) => { location = url }`, url); v.URL != url || v.Status == 0 {
				t.Errorf("%s mode, to %s: arrived at %s with %d", mode, path, v.URL, v.Status)
			}
		}
		lax := false
		for _, e := range s.take() {
			if e.SetCookies != 0 {
				t.Errorf("%s mode: %v with cookies", mode, e)
			}
			lax = lax || e.Path == "/v1/me" && e.Status == 200
		}
		if !lax {
			t.Errorf("%s mode: no Lax cookie travelled, so the test shows nothing", mode)
		}
		if got := p.cookies(); !maps.Equal(got, cookies) {
			t.Errorf("%s mode: the cookies were\n%v\nand are\n%v", mode, cookies, got)
		}
		if got := s.state(t); got != state {
			t.Errorf("%s mode: the server's state was\n%s\nand is\n%s", mode, state, got)
		}
		b.send("POST", "/v1/refresh", "").want(t, "refresh", 200, "")
	}
}

// peepScript tries to see an answer by every element that loads one.
const peepScript = `async (url) => {
	const loaded = (tag) => new Promise((resolve) => {
		const e = document.createElement(tag);
		e.onload = () => resolve(true);
		e.onerror = () => resolve(false);
		if (tag === "link") { e.rel = "stylesheet"; e.href = url; } else { e.src = url; }
		document.head.append(e);
	});
	const frame = document.createElement("iframe");
	frame.src = url;
	const framed = new Promise((resolve) => { frame.onload = resolve; });
	document.body.append(frame);
	await framed;
	return { script: await loaded("script"), img: await loaded("img"), link: await loaded("link"), frame: frame.contentDocument?.body?.textContent ?? "" };
}`

// severedScript opens a window and waits until the opener has lost it.
const severedScript = `async (url) => {
	const w = window.open(url);
	for (let i = 0; i < 500 && !w.closed; i++) await new Promise((resolve) => setTimeout(resolve, 10));
	return w.closed;
}`

// TestReading tries to read answers from other origins, while the browser is
// signed in and sends its cookies along where SameSite lets it.
func TestReading(t *testing.T) {
	p := newProfile(t, nil)
	s := startSite(t)
	evil := startHostile(t)
	s.signIn(p, "cookie")
	s.take()
	for _, a := range evil.attackers() {
		mal := p.open(a.url)
		for _, path := range []string{"/v1/me", "/v1/sessions"} {
			for _, mode := range []string{"cors", "no-cors"} {
				unreadable(t, a.name+" reads "+path, mal.fetch(request{URL: s.origin + path, Mode: mode, Credentials: "include"}))
			}
		}
		var peeped struct {
			Script, Img, Link bool
			Frame             string
		}
		mal.run(&peeped, peepScript, s.origin+"/v1/me")
		if peeped.Script || peeped.Img || peeped.Link || peeped.Frame != "" {
			t.Errorf("%s: what loads /v1/me is %+v", a.name, peeped)
		}
		if got := mal.frames(); !slices.Contains(got, "chrome-error://chromewebdata/") || len(got) != 2 {
			t.Errorf("%s: the frame of an answer shows %v", a.name, got)
		}
		if a.origin != "null" { // which can't open windows
			var severed bool
			mal.run(&severed, severedScript, s.origin+"/v1/me")
			if !severed {
				t.Errorf("%s keeps hold of a window with an answer in it", a.name)
			}
		}
		// What is public can be read, but not with credentials.
		for _, path := range []string{"/.well-known/jwks.json", "/.well-known/openid-configuration"} {
			if got := mal.fetch(request{URL: s.origin + path}); got.Status != 200 || got.Body == "" {
				t.Errorf("%s: %s is %+v, want it readable", a.name, path, got)
			}
			if got := mal.fetch(request{URL: s.origin + path, Credentials: "include"}); got.Failed == "" {
				t.Errorf("%s: %s with credentials is %+v", a.name, path, got)
			}
		}
	}
	answered := 0
	for _, e := range s.take() {
		if e.Path == "/v1/me" && e.Status == 200 {
			answered++
		}
	}
	if answered == 0 {
		t.Error("no attempt carried cookies, so there was nothing to read")
	}
}

// TestAllowedOrigins lets one other origin in, exactly that, and shuts it out
// again.
func TestAllowedOrigins(t *testing.T) {
	needBrowser(t)
	s := startSite(t)
	friend, evil := startHostile(t), startHostile(t)
	steps := func(t *testing.T, from string) (at *tab, tries []seen) {
		p := newProfile(t, nil)
		at = p.open(from)
		for _, to := range []target{
			{"POST", "/v1/login", login(aliceEmail, alicePassword, "")},
			{"GET", "/v1/me", ""},
			{"POST", "/v1/refresh", ""},
			{"PATCH", "/v1/me", `{"name":"Alice"}`},
			{"GET", "/v1/sessions", ""},
			{"POST", "/v1/logout", ""},
		} {
			r := request{URL: s.origin + to.path, Method: to.method, Body: to.body, Mode: "cors", Credentials: "include"}
			if to.body != "" {
				r.Headers = map[string]string{"Content-Type": "application/json"}
			}
			tries = append(tries, at.fetch(r))
		}
		wantCookies(t, p)
		return at, tries
	}
	refused := func(t *testing.T, from string) {
		t.Helper()
		state := s.state(t)
		_, tries := steps(t, from)
		for i, got := range tries {
			unreadable(t, fmt.Sprintf("step %d from %s", i, from), got)
		}
		if got := s.state(t); got != state {
			t.Errorf("from %s: the server's state was\n%s\nand is\n%s", from, state, got)
		}
	}
	refused(t, friend.sibling)
	s.must(t, 200, "PATCH", "/v1/admin/clients/writ", s.bearer, map[string]any{"allowed_origins": []string{friend.sibling}}, nil)
	at, tries := steps(t, friend.sibling)
	for i, got := range tries {
		got.want(t, fmt.Sprintf("step %d from the allowed origin", i), 200, "")
	}
	if got := tries[1].member("email"); got != aliceEmail {
		t.Errorf("the allowed origin reads that it is %q", got)
	}
	unreadable(t, "the admin API from the allowed origin", at.fetch(request{URL: s.origin + "/v1/admin/users", Mode: "cors", Credentials: "include"}))
	refused(t, evil.sibling)
	refused(t, friend.stranger) // the same port, but another host
	refused(t, friend.sibling+"/sandboxed")
	s.must(t, 200, "PATCH", "/v1/admin/clients/writ", s.bearer, map[string]any{"allowed_origins": []string{}}, nil)
	refused(t, friend.sibling)
}
