package oauth_test

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

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

// A change of the password ends every session, also that of this browser and
// those that applications began with it; the browser gets another, and the page
// says so. The API ends them likewise, and signs nobody in.
func TestAccountPasswordEndsEverything(t *testing.T) {
	s := start(t)
	s.person()
	app := s.appClient("app", `,"skip_consent":true,"audiences":["`+orders+`"]`)
	b, phone := s.browser(), s.signInFrom("phone")
	b.post("/login", "login", ada, "password", password).to()
	here := s.redeem(app, b.code(app)).is(200).str("access_token")
	b.get("/account").has("Changing it ends every session, on every device and in every application. This browser is signed in again at once.")
	old, fresh := *b, s.hide("a new and better password")
	old.cookies = maps.Clone(b.cookies)
	done := b.post("/account/password", "current", password, "new", fresh)
	b.own(done).page(200, "Your account").has("Every session has ended, on every device and in every application; this browser was signed in again.")
	for name, each := range map[string]*browser{"another device": phone, "the cookie from before": &old} {
		if to := each.get("/account").to(); to != "/login" {
			t.Errorf("%s is signed in: %s", name, to)
		}
	}
	if s.alive(here) {
		t.Error("what an application began in this browser goes on")
	}
	b.send("GET", "/account?done=password", "", header("Accept-Language", "de")).page(200, "Ihr Konto").
		has("Dieser Browser wird sofort neu angemeldet.", "dieser Browser wurde neu angemeldet.")

	a := b.send("POST", "/v1/password/change", `{"current_password":"`+fresh+`","new_password":"`+password+`"}`, func(r *http.Request) {
		r.Header.Set("Content-Type", "application/json")
	}).is(200)
	if a.body["seq"] == nil {
		t.Errorf("answer %s", a.text)
	}
	if to := b.get("/account").to(); to != "/login" {
		t.Errorf("the session that asked the API goes on: %s", to)
	}
}

// Who has changed the password and must wait to be signed in, because others have
// guessed at the account, is told both.
func TestPasswordChangedAndNotSignedIn(t *testing.T) {
	s := start(t)
	id := s.person()
	b := s.browser()
	b.post("/login", "login", ada, "password", password).to()
	guess := func() {
		for range 10 {
			s.browser().post("/login", "login", ada, "password", "wrong").problem(422)
		}
	}
	guess()
	fresh := s.hide("a new and better password")
	a := b.post("/account/password", "current", password, "new", fresh).page(429, "Sign in").has(`value="` + ada + `"`)
	const changed = "Your password was changed, and every session has ended. Sign in with the new one."
	if got, want := a.problem(429), changed+" Too many attempts. Try again in 1 second."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	b.get("/account").to()
	s.advance(time.Second)
	b.own(b.post("/login", "login", ada, "password", fresh)).page(200, "Your account")

	// So is who had to change it on the way.
	s.admin("PATCH", "/v1/admin/users/"+id, `{"must_change_password":true}`).is(200)
	ask := b.post("/login", "login", ada, "password", fresh).page(200, "Change your password")
	guess()
	a = b.send("POST", "/login/password", form("change", s.hide(ask.hidden("change")), "current", fresh, "new", password), header("Accept-Language", "de"))
	const geändert = "Ihr Passwort wurde geändert, und alle Sitzungen sind beendet. Melden Sie sich mit dem neuen an."
	if got, want := a.problem(429), geändert+" Zu viele Versuche. Versuchen Sie es in 1 Sekunde noch einmal."; got != want {
		t.Errorf("%q, want %q", got, want)
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
