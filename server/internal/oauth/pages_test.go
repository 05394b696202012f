package oauth_test

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/app"
	"github.com/writ-auth/writ/server/internal/config"
)

// has checks what a page says and doesn't.
func (a *answer) has(wanted ...string) *answer {
	a.t.Helper()
	for _, text := range wanted {
		if want, absent := strings.CutPrefix(text, "!"); strings.Contains(a.text, want) == absent {
			a.t.Errorf("%s: page with %q: %v, want %v: %s", a.what, want, absent, !absent, a.text)
		}
	}
	return a
}

// A stranger makes an account on the way to an application, and goes on to it.
func TestSignUpPage(t *testing.T) {
	s := start(t)
	app := s.appClient("app", `,"client_name":"App","skip_consent":true`)
	b := s.browser()
	page := b.own(b.get(app.request())).page(200, "Sign in")
	link := regexp.MustCompile(`href="(/signup\?ticket=[^"]+)"`).FindStringSubmatch(page.text)
	if link == nil {
		t.Fatalf("no way to sign up: %s", page.text)
	}
	form := b.get(link[1]).page(200, "Create an account").has("App")
	try := func(email, pass string) *answer {
		t.Helper()
		return b.post("/signup", "ticket", form.hidden("ticket"), "email", email, "name", "Eve <b>", "password", pass)
	}
	try("eve@example.com", "s3cret").page(422, "Create an account").has("at least 8 characters", `value="eve@example.com"`, "Eve &lt;b&gt;", "!s3cret")
	try("", password).page(422, "Create an account")
	try("no address", password).page(422, "Create an account")
	try(adminMail, password).page(409, "Create an account").has("There is an account with this e-mail address already.")
	if code := b.own(try("eve@example.com", password)).back().Get("code"); code == "" {
		t.Error("no code")
	} else {
		s.hide(code)
	}
	b.get("/account").page(200, "Your account").has("eve@example.com", "Eve &lt;b&gt;")
	if a := s.browser().send("POST", "/signup", "email=x@example.com&password="+strings.Repeat("p", 9), fromElsewhere); a.status != 403 {
		t.Errorf("another site's form: %d", a.status)
	}
}

func fromElsewhere(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }

func TestSignUpPageOff(t *testing.T) {
	s := start(t, "signup", "off")
	s.browser().get("/login").page(200, "Sign in").has("!/signup")
	s.browser().get("/signup").page(403, "This did not work")
	s.browser().post("/signup", "email", "eve@example.com", "password", password).page(403, "Create an account")
	if list := s.admin("GET", "/v1/admin/users?q=eve", "").is(200); strings.Contains(list.text, "eve@") {
		t.Error("there is an account all the same")
	}
}

// A password that has to be changed is changed on the way, and once.
func TestPasswordPage(t *testing.T) {
	s := start(t)
	id := s.person()
	app := s.appClient("app", `,"skip_consent":true`)
	s.admin("PATCH", "/v1/admin/users/"+id, `{"must_change_password":true}`).is(200)
	b := s.browser()
	page := b.signInAt(b.own(b.get(app.request()))).page(200, "Change your password")
	token := s.hide(page.hidden("change"))
	fresh := s.hide("a new and better password")
	try := func(current, next string) *answer {
		t.Helper()
		return b.post("/login/password", "ticket", page.hidden("ticket"), "change", token, "login", ada, "current", current, "new", next)
	}
	try("wrong", fresh).page(422, "Change your password").has("wrong", "!"+fresh)
	try(password, "short").page(422, "Change your password").has("at least 8 characters")
	try(password, password).page(422, "Change your password")
	if code := b.own(try(password, fresh)).back().Get("code"); code == "" {
		t.Error("no code")
	} else {
		s.hide(code)
	}
	try(fresh, "yet another password").page(422, "Sign in").has("Sign in again.") // the way is open once
	s.browser().post("/login/password", "change", "x", "current", fresh, "new", password).page(422, "Sign in")
	s.browser().post("/login", "login", ada, "password", password).page(422, "Sign in")
	if to := s.browser().post("/login", "login", ada, "password", fresh).to(); to != "/account" {
		t.Errorf("sent to %s", to)
	}
}

// A browser has one session: who signs in with a password that has to be changed
// ends that of who was there before, as every other sign-in does.
func TestPasswordPageEndsAnothersSession(t *testing.T) {
	s := start(t)
	id := s.person()
	app := s.appClient("app", `,"skip_consent":true,"audiences":["`+orders+`"]`)
	b := s.browser()
	b.post("/login", "login", adminMail, "password", password).to()
	before := s.redeem(app, b.code(app)).is(200).str("access_token")
	s.admin("PATCH", "/v1/admin/users/"+id, `{"must_change_password":true}`).is(200)
	page := b.post("/login", "login", ada, "password", password).page(200, "Change your password")
	if !s.alive(before) {
		t.Fatal("the session ended before anybody else was signed in")
	}
	b.own(b.post("/login/password", "change", s.hide(page.hidden("change")), "current", password, "new", s.hide("a new and better password"))).
		page(200, "Your account").has("Ada Lovelace")
	if s.alive(before) {
		t.Error("the session of who was there before lives on")
	}
}

// Who is sent from the account to sign in comes back to it, and nothing that is
// said on the way leads elsewhere.
func TestBackToAccount(t *testing.T) {
	s := start(t)
	s.person()
	b := s.browser()
	b.own(b.get("/account")).page(200, "Sign in")
	b.own(b.post("/login", "login", ada, "password", password)).page(200, "Your account").has("Ada Lovelace")
	for _, name := range []string{"next", "return_to", "redirect_uri", "continue"} {
		if to := s.browser().post("/login", "login", ada, "password", password, name, "https://evil.example/").to(); to != "/account" {
			t.Errorf("%s sends to %s", name, to)
		}
	}
	for _, ticket := range []string{"https://evil.example/", "//evil.example", "x"} {
		s.browser().post("/login", "login", ada, "password", password, "ticket", ticket).page(400, "This did not work")
	}
	b.get("/login").page(200, "Signed in")
}

// The bare address leads a browser to the account; programs find nothing there,
// as at every other address that isn't one.
func TestBareAddress(t *testing.T) {
	s := start(t)
	s.person()
	const browsers = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	b := s.browser()
	b.own(b.send("GET", "/", "", header("Accept", browsers))).page(200, "Sign in")
	b.post("/login", "login", ada, "password", password).to()
	for _, accept := range []string{browsers, "TEXT/HTML", "application/json, text/html;q=0.1"} {
		for _, method := range []string{"GET", "HEAD"} {
			if a := b.send(method, "/", "", header("Accept", accept)); a.to() != "/account" || a.header.Get("Vary") != "Accept" {
				t.Errorf("%s with %s: to %s, varies by %q", method, accept, a.to(), a.header.Get("Vary"))
			}
		}
	}
	for _, accept := range []string{"", "*/*", "text/*", "application/json", "application/html, text/htmlx"} {
		a := b.send("GET", "/", "", header("Accept", accept)).is(404)
		if a.body["code"] != "not_found" || a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("Accept %q: %v %s", accept, a.header, a.text)
		}
	}
	for _, path := range []string{"/index.html", "/favicon.ico", "/x/", "//"} {
		if a := b.send("GET", path, "", header("Accept", browsers)); a.status == 303 {
			t.Errorf("%s leads to %s", path, a.to())
		}
	}
	b.send("POST", "/", "", header("Accept", browsers)).is(405)
}

// Pages speak the language that the application asks for, else the browser's.
func TestLanguages(t *testing.T) {
	s := start(t)
	s.person()
	app := s.appClient("app", `,"client_name":"App","scope":"openid profile"`)
	b := s.browser()
	german := header("Accept-Language", "fr;q=0.9, de-AT, en;q=0.1")
	b.send("GET", "/login", "", german).page(200, "Anmelden").has(`<html lang="de">`)
	b.send("GET", "/login", "", header("Accept-Language", "fr, de;q=0, en;q=0.1")).page(200, "Sign in")
	b.send("POST", "/login", form("login", ada, "password", "wrong"), german).page(422, "Anmelden").has("Benutzer oder Passwort ist falsch.")
	page := b.own(b.get(app.request("scope", "openid profile", "ui_locales", "fr de-CH"))).page(200, "Anmelden")
	consent := b.own(b.post("/login", "ticket", page.hidden("ticket"), "login", ada, "password", password)).page(200, "Zugriff erlauben?").
		has("<strong>App</strong>", "Ihren Namen und Benutzernamen sehen")
	if got := consent.header.Get("Content-Language"); got != "de" {
		t.Errorf("Content-Language %q", got)
	}
	b.own(b.get(app.request("ui_locales", strings.Repeat("x", 300)))).page(200, "Allow access?")
	s.advance(2 * time.Hour)
	b.send("POST", "/consent", form("ticket", consent.hidden("ticket")), german).page(400, "Das hat nicht geklappt").has("Diese Seite ist zu alt.")
}

// The pages are named, coloured and marked as configured; what can't be read
// stops the start.
func TestBrand(t *testing.T) {
	logo := filepath.Join(t.TempDir(), "logo.svg")
	if err := os.WriteFile(logo, []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "brand-name", "Shop", "brand-logo", logo, "brand-color", "#7a1f5c")
	page := s.browser().get("/login").page(200, "Sign in").has("<title>Sign in · Shop</title>")
	src := regexp.MustCompile(`<img src="([^"]+)" alt="Shop">`).FindStringSubmatch(page.text)
	if src == nil {
		t.Fatalf("no logo: %s", page.text)
	}
	a := s.browser().get(src[1]).is(200)
	if a.header.Get("Content-Type") != "image/svg+xml" || !strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("the logo comes with %v", a.header) // a script in it must not run, should somebody open it by itself
	}
	for setting, value := range map[string]string{"brand-color": "#ffd400", "brand-logo": filepath.Join(t.TempDir(), "none")} {
		cfg, err := config.Load(config.Source{Flags: map[string]string{"data": t.TempDir(), "issuer": issuer, setting: value}})
		if err != nil {
			t.Fatal(err)
		}
		if other, err := app.New(t.Context(), cfg, app.Options{Logger: slog.New(slog.DiscardHandler), Now: s.clock}); err == nil || !strings.Contains(err.Error(), setting) {
			t.Errorf("%s=%s: %v", setting, value, err)
			if other != nil {
				_ = other.Close()
			}
		}
	}
}
