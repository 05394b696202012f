package oauth_test

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

func TestAccountPage(t *testing.T) {
	s := start(t)
	s.person()
	app := s.appClient("app", `,"client_name":"The <App>","scope":"openid profile read","audiences":["`+orders+`"]`)
	b, phone := s.browser(), s.browser()
	if to := b.get("/account").to(); to != "/login" {
		t.Errorf("a stranger is sent to %s", to)
	}
	tokens := s.redeem(app, b.code(app, "scope", "openid read")).is(200)
	phone.send("POST", "/login", form("login", ada, "password", password), header("User-Agent", "Mozilla/5.0 (iPhone; CPU) AppleWebKit Safari/604.1")).to()
	page := b.get("/account").page(200, "Your account").has("Ada Lovelace", ada, "Safari, iPhone", "(this browser)", "The &lt;App&gt;",
		"Know who you are here", "Use the permission <code>read</code>", "It gets access to <strong>"+orders+"</strong> in your name.")

	// Nothing happens by a link, from another site, or for a stranger.
	for _, path := range []string{"profile", "password", "session", "consent", "everywhere"} {
		if a := b.get("/account/" + path); a.status != 405 && a.status != 404 {
			t.Errorf("GET /account/%s: %d", path, a.status)
		}
		if a := b.send("POST", "/account/"+path, "", fromElsewhere); a.status != 403 {
			t.Errorf("/account/%s from another site: %d", path, a.status)
		}
		if to := s.browser().post("/account/" + path).to(); to != "/login" {
			t.Errorf("/account/%s as a stranger: %s", path, to)
		}
	}

	b.own(b.post("/account/profile", "name", "Countess <i>")).page(200, "Your account").has("Countess &lt;i&gt;", "Your name was changed.")
	b.post("/account/profile", "name", strings.Repeat("x", 300)).page(422, "Your account")
	b.get("/account?done=%3Cscript%3E").page(200, "Your account").has("!script", `!role="status"`)

	id := page.hidden("id")
	b.own(b.post("/account/session", "id", id)).page(200, "Your account").has("!iPhone", "The session has ended.")
	if to := phone.get("/account").to(); to != "/login" {
		t.Errorf("the ended session goes on: %s", to)
	}
	b.post("/account/session", "id", id+"x").page(404, "Your account")

	if !s.alive(tokens.str("access_token")) {
		t.Fatal("the application's token is over already")
	}
	b.own(b.post("/account/consent", "client_id", "app")).page(200, "Your account").has("!Know who you are", "!The &lt;App&gt;", "The application has no access any more.")
	if s.alive(tokens.str("access_token")) {
		t.Error("the application's token is good after its consent was taken back")
	}

	fresh := s.hide("a new and better password")
	phone.post("/login", "login", ada, "password", password).to()
	b.post("/account/password", "current", "wrong", "new", fresh).page(422, "Your account").has("!" + fresh)
	b.own(b.post("/account/password", "current", password, "new", fresh)).page(200, "Your account").has("Your password was changed")
	if to := phone.get("/account").to(); to != "/login" {
		t.Errorf("a session outlives the password: %s", to)
	}

	phone.post("/login", "login", ada, "password", fresh).to()
	b.own(b.post("/account/everywhere")).page(200, "Signed out")
	for _, each := range []*browser{b, phone} {
		if to := each.get("/account").to(); to != "/login" {
			t.Errorf("signed in after signing out everywhere: %s", to)
		}
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

// signInFrom signs ada in with a User-Agent, "" for none.
func (s *server) signInFrom(agent string) *browser {
	s.t.Helper()
	b := s.browser()
	b.send("POST", "/login", form("login", ada, "password", password), header("User-Agent", agent)).to()
	return b
}

const chromeOnLinux = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"

// One's own session comes first and then the newest, and each button says which
// of several sessions of one kind of browser it ends.
func TestAccountSessions(t *testing.T) {
	s := start(t)
	s.person()
	s.signInFrom(chromeOnLinux)
	s.advance(time.Minute)
	b := s.signInFrom(chromeOnLinux)
	for _, agent := range []string{chromeOnLinux, "", chromeOnLinux, "<b>"} {
		s.advance(time.Minute)
		s.signInFrom(agent)
	}
	page := b.get("/account").page(200, "Your account").has("!There are more sessions")
	var times []string
	for _, m := range regexp.MustCompile(`since 2026-03-01 (12:\d\d:\d\d) UTC from 127.0.0.1</p>`).FindAllStringSubmatch(page.text, -1) {
		times = append(times, m[1])
	}
	if want := []string{"12:11:00", "12:15:00", "12:14:00", "12:13:00", "12:12:00", "12:10:00"}; !slices.Equal(times, want) {
		t.Errorf("sessions of %v, want %v", times, want)
	}
	var labels []string
	for _, m := range regexp.MustCompile(`aria-label="(End session: [^"]*)"`).FindAllStringSubmatch(page.text, -1) {
		labels = append(labels, m[1])
	}
	const from = " UTC from 127.0.0.1"
	if want := []string{
		"End session: &lt;b&gt;, since 2026-03-01 12:15:00" + from,
		"End session: Chrome, Linux, since 2026-03-01 12:14:00" + from,
		"End session: an unknown device, since 2026-03-01 12:13:00" + from,
		"End session: Chrome, Linux, since 2026-03-01 12:12:00" + from,
		"End session: Chrome, Linux, since 2026-03-01 12:10:00" + from,
	}; !slices.Equal(labels, want) {
		t.Errorf("buttons %q, want %q", labels, want)
	}
	german := b.send("GET", "/account", "", header("Accept-Language", "de")).page(200, "Ihr Konto")
	german.has(`aria-label="Sitzung beenden: ein unbekanntes Gerät, seit 2026-03-01 12:13:00 UTC von 127.0.0.1"`)
}

// Of many sessions the page shows its own, however old, and the newest.
func TestAccountOfManySessions(t *testing.T) {
	s := start(t)
	s.person()
	b := s.signInFrom("the first")
	for range 51 {
		s.advance(time.Second)
		s.signInFrom("a later one")
	}
	page := b.get("/account").page(200, "Your account").has("There are more sessions than these.", "the first <strong>(this browser)", "!12:10:01 UTC", "12:10:51 UTC")
	if n := strings.Count(page.text, `action="/account/session"`); n != 49 {
		t.Errorf("%d sessions beside its own, want 49", n)
	}
}

// What an application may do is said as it was when it asked.
func TestAccountConsents(t *testing.T) {
	s := start(t)
	s.person()
	const shop = "https://shop.example"
	s.admin("POST", "/v1/admin/apis", `{"audience":"`+shop+`","name":"The shop","scopes":["read"]}`).is(201)
	app := s.appClient("app", `,"client_name":"App","scope":"openid profile read","audiences":["`+shop+`","`+orders+`"]`)
	b := s.browser()
	b.code(app, "scope", "openid read", "resource", shop)
	const withAPI, withoutAPI = "It gets access to <strong>The shop</strong> in your name.", "It gets access to"
	b.get("/account").has("<li>Know who you are here</li>", "<li>Use the permission <code>read</code></li>", withAPI, "!"+shop, "!See your name")
	b.send("GET", "/account", "", header("Accept-Language", "de")).page(200, "Ihr Konto").
		has("<li>Wissen, wer Sie hier sind</li>", "<li>Die Berechtigung nutzen <code>read</code></li>", "Zugriff auf <strong>The shop</strong>")

	// The consent stays when the application loses the API.
	s.admin("PATCH", "/v1/admin/clients/app", `{"audiences":["`+orders+`"]}`).is(200)
	b.get("/account").has("It gets access to <strong>" + shop + "</strong>")
	b.own(b.post("/account/consent", "client_id", "app")).has("!" + withoutAPI)

	b.code(app, "scope", "openid profile", "resource", issuer)
	b.get("/account").has("<li>See your name and user name</li>", "!"+withoutAPI)
}

// Another person's session is not there to be ended.
func TestAccountOfAnother(t *testing.T) {
	s := start(t)
	s.person()
	mine, other := s.browser(), s.browser()
	mine.post("/login", "login", ada, "password", password).to()
	other.post("/login", "login", adminMail, "password", password).to()
	id := s.sessionOf(adminMail)
	mine.post("/account/session", "id", id).page(404, "Your account")
	other.get("/account").page(200, "Your account")
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
