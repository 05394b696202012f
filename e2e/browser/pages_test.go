package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pages is a server with an application to which browsers return.
type pages struct {
	*server
	issuer, callback string
}

func startPages(t *testing.T) *pages {
	t.Helper()
	needBrowser(t)
	port := freePort(t)
	application := httptest.NewServer(http.HandlerFunc(page))
	t.Cleanup(application.Close)
	p := &pages{issuer: fmt.Sprintf("http://localhost:%d", port), callback: application.URL + "/cb"}
	p.server = startServer(t, "http", p.issuer, port)
	p.must(t, 201, "POST", "/v1/admin/clients", p.bearer, map[string]any{"client_id": "app", "client_name": "The application",
		"redirect_uris": []string{p.callback}, "token_endpoint_auth_method": "none", "grant_types": []string{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"}}, nil)
	return p
}

// request is an authorization request; more has names and values in turn.
func (p *pages) request(more ...string) string {
	v := url.Values{"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {p.callback}, "scope": {"openid profile email"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"}}
	for i := 0; i < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return p.issuer + "/oauth/authorize?" + v.Encode()
}

// finding is something that axe-core has found wrong.
type finding struct {
	ID, Impact, Help string
	Nodes            []string
}

func (b *tab) axe() (passed int, findings []finding) {
	b.t.Helper()
	var got struct {
		Passed     int
		Violations []finding
	}
	b.do(map[string]any{"do": "axe", "tab": b.id}, &got)
	return got.Passed, got.Violations
}

// judge looks at a page at the width of a phone and of a desk, light and dark.
// Screenshots go where TEST_SCREENSHOTS says, for people to look at.
func (b *tab) judge(name string) {
	b.t.Helper()
	for _, width := range []int{390, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			look := map[string]any{"do": "look", "tab": b.id, "width": width, "height": 844, "scheme": scheme}
			if dir := os.Getenv("TEST_SCREENSHOTS"); dir != "" {
				look["file"] = filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, width, scheme))
			}
			b.do(look, nil)
			passed, findings := b.axe()
			if passed < 5 {
				b.t.Errorf("%s: axe-core looked at %d things only", name, passed)
			}
			for _, f := range findings {
				b.t.Errorf("%s at %d, %s: %s: %s (%s): %s", name, width, scheme, f.Impact, f.Help, f.ID, strings.Join(f.Nodes, " "))
			}
			var wide bool
			if b.run(&wide, `() => document.documentElement.scrollWidth > innerWidth`, nil); wide {
				b.t.Errorf("%s is wider than %d", name, width)
			}
		}
	}
}

// TestPagesAreAccessible lets axe-core judge each page that people meet.
func TestPagesAreAccessible(t *testing.T) {
	s := startPages(t)
	b := newProfile(t, map[string]any{"reducedMotion": "reduce"}).open(s.issuer + "/login")
	b.shows("Sign in").judge("login")
	b.visit(s.request("login_hint", aliceEmail))
	b.shows("The application").judge("login-for-application")
	b.submit(signInButton, map[string]string{"#login": aliceEmail, "#password": "wrong"})
	b.judge("login-failed")
	b.visit(s.request("redirect_uri", "https://evil.example/"))
	b.shows("not registered").judge("error")
	b.visit(s.request())
	b.signInHere(aliceEmail, alicePassword)
	b.shows("Allow").judge("consent")
	b.submit(allowButton, nil)
	b.visit(s.issuer + "/account")
	b.shows("The application").judge("account")
	b.submit(`form[action="/account/profile"] button`, nil)
	b.judge("account-saved")
	b.visit(s.request("prompt", "select_account"))
	b.shows("Continue as").judge("choose")
	b.device(s)
	b.visit(s.issuer + "/login")
	b.shows("You are signed in").judge("signed-in")
	b.visit(s.issuer + "/oauth/logout?client_id=app")
	b.shows("Stay signed in").judge("logout")
	b.submit(`button[name=answer][value=yes]`, nil)
	b.shows("signed out").judge("signed-out")
	b.visit(s.issuer + "/signup")
	b.judge("signup")
	b.submit("form[action='/signup'] button", map[string]string{"#email": aliceEmail, "#password": "a long enough password"})
	b.judge("signup-failed")
	s.must(t, 201, "POST", "/v1/admin/users", s.bearer, map[string]any{"email": "bob@example.com", "password": alicePassword, "must_change_password": true}, nil)
	b.visit(s.issuer + "/login")
	b.signInHere("bob@example.com", alicePassword)
	b.judge("password")
}

// device goes through the pages on which a device is let in.
func (b *tab) device(s *pages) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), "POST", s.base+"/oauth/device", strings.NewReader("client_id=app&scope=openid+email"))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, text := s.read(b.t, req)
	var shown struct {
		Code string `json:"user_code"`
	}
	seen{Body: string(text)}.get(b.t, &shown)
	b.visit(s.issuer + "/device")
	b.judge("device")
	b.submit(deviceButton, map[string]string{"#code": "BCDF-GHJK"})
	b.judge("device-failed")
	b.submit(deviceButton, map[string]string{"#code": shown.Code})
	b.shows("The application").judge("device-ask")
	b.submit(allowButton, nil)
	b.judge("device-allowed")
}

const deviceButton = `form[action="/device"] button`

// TestPagesAreNotFramed: a page of another site, and one of another origin of the
// same, can't put ours into a frame to have it clicked on.
func TestPagesAreNotFramed(t *testing.T) {
	s := startPages(t)
	hostile := startHostile(t)
	p := newProfile(t, nil)
	b := p.open(s.issuer + "/login")
	b.signInHere(aliceEmail, alicePassword)
	for _, origin := range []string{hostile.sibling, hostile.stranger} {
		for _, url := range []string{s.issuer + "/login", s.request(), s.request("response_mode", "form_post"), s.issuer + "/oauth/logout", s.request("redirect_uri", "https://evil.example/")} {
			around := p.open(origin + "/")
			around.run(nil, `(url) => new Promise((resolve) => {
				const frame = document.createElement("iframe");
				frame.src = url;
				frame.onload = resolve;
				document.body.append(frame);
			})`, url)
			if got := around.frames(); len(got) != 2 || got[1] != "chrome-error://chromewebdata/" {
				t.Errorf("%s frames %s: %v", origin, url, got)
			}
		}
	}
}

// TestSignInByKeyboard signs in and agrees without a mouse: what is needed first
// has the focus, the order is that of reading, and the focus can be seen.
func TestSignInByKeyboard(t *testing.T) {
	s := startPages(t)
	b := newProfile(t, nil).open(s.request())
	b.focused("login")
	b.keys(typed(aliceEmail), pressed("Tab"))
	b.focused("password")
	b.keys(typed("wrong"), pressed("Enter"))
	b.arrive("/login$")
	b.shows("wrong")
	b.focused("password") // the name is filled in already
	b.keys(typed(alicePassword), pressed("Enter"))
	b.arrive("/consent\\?")
	var on string
	for range 10 {
		b.keys(pressed("Tab"))
		if b.run(&on, `() => document.activeElement.value ?? ""`, nil); on == "allow" {
			break
		}
	}
	if on != "allow" {
		t.Fatalf("the key Tab does not lead to the button, but to %q", on)
	}
	b.keys(pressed("Enter"))
	b.arrive(s.callback + `\?code=`)
}

// TestBareAddress opens nothing but the issuer's address, as somebody does who has
// read it somewhere, and comes to the account by way of signing in.
func TestBareAddress(t *testing.T) {
	s := startPages(t)
	b := newProfile(t, map[string]any{"javaScriptEnabled": false, "locale": "de"}).open(s.issuer)
	b.arrive("/login$")
	b.shows("Anmelden").signInHere(aliceEmail, alicePassword)
	b.arrive("/account$")
	b.shows("Ihr Konto").shows(aliceEmail)
	b.visit(s.issuer + "/")
	b.arrive("/account$")
}

// TestSignInWithoutJavaScript signs in, agrees and signs out where no script
// runs, also by form_post, whose page then has a button.
func TestSignInWithoutJavaScript(t *testing.T) {
	s := startPages(t)
	b := newProfile(t, map[string]any{"javaScriptEnabled": false}).open(s.request("response_mode", "form_post"))
	b.signInHere(aliceEmail, alicePassword)
	b.submit(allowButton, nil)
	b.shows("on your way back").submit("#send button", nil)
	b.arrive(s.callback + "$")
	b.visit(s.issuer + "/oauth/logout?client_id=app")
	b.submit(`button[name=answer][value=yes]`, nil)
	b.shows("You have been signed out")
	b.visit(s.request())
	b.shows("Sign in")
}

type key map[string]string

func typed(text string) key   { return key{"type": text} }
func pressed(name string) key { return key{"press": name} }

func (b *tab) keys(keys ...key) {
	b.t.Helper()
	b.do(map[string]any{"do": "keys", "tab": b.id, "keys": keys}, nil)
}

// focused fails the test unless the field of that name has the focus, and shows
// it. A browser gives the focus that a page asks for a while after it has loaded.
func (b *tab) focused(name string) {
	b.t.Helper()
	var got struct {
		Name string
		Seen bool
	}
	b.until("the focus", &got, `() => {
		const e = document.activeElement, style = getComputedStyle(e);
		return { name: e.name ?? e.tagName, seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0 || style.boxShadow !== "none" };
	}`, `(focus) => focus.name !== "BODY"`, name)
	if got.Name != name || !got.Seen {
		b.t.Fatalf("the focus is on %q (seen: %v), want %q", got.Name, got.Seen, name)
	}
}
