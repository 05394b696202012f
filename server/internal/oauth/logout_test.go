package oauth_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const outside = "https://app.example/out"

func payloadOf(t *testing.T, token string) string { t.Helper(); return part(t, token, 1) }
func headerOf(t *testing.T, token string) string  { t.Helper(); return part(t, token, 0) }

func part(t *testing.T, token string, i int) string {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func logoutAt(pairs ...string) string { return "/oauth/logout?" + values(pairs, nil).Encode() }

// Log-out at one application ends them all, and their tokens.
func TestLogoutEndsEveryApplication(t *testing.T) {
	s := start(t)
	s.person()
	one := s.appClient("one", `,"skip_consent":true,"audiences":["`+orders+`"]`)
	two := s.appClient("two", `,"skip_consent":true,"audiences":["`+orders+`"]`)
	for name, leave := range map[string]func(b *browser, idToken string) *answer{
		"get": func(b *browser, token string) *answer {
			return b.get(logoutAt("id_token_hint", token, "post_logout_redirect_uri", outside, "state", "a&b"))
		},
		"post from another site": func(b *browser, token string) *answer {
			a := s.browser().send("POST", "/oauth/logout", form("id_token_hint", token, "post_logout_redirect_uri", outside, "state", "a&b"), header("Origin", "https://app.example"))
			return b.get(a.to())
		},
		"an old hint": func(b *browser, token string) *answer {
			s.advance(3 * time.Hour)
			return b.get(logoutAt("id_token_hint", token, "post_logout_redirect_uri", outside, "state", "a&b"))
		},
		"asked": func(b *browser, _ string) *answer {
			page := b.get(logoutAt("client_id", "one", "post_logout_redirect_uri", outside, "state", "a&b")).page(200, "Sign out?")
			if !strings.Contains(page.header.Get("Content-Security-Policy"), "form-action 'self' https://app.example;") {
				t.Errorf("policy %s", page.header.Get("Content-Security-Policy"))
			}
			return b.post("/oauth/logout/confirm", "ticket", page.hidden("ticket"), "answer", "yes")
		},
	} {
		b := s.browser()
		first, second := s.redeem(one, b.code(one)).is(200), s.redeem(two, b.code(two)).is(200)
		if to := leave(b, first.str("id_token")).to(); to != outside+"?state=a%26b" {
			t.Errorf("%s: sent to %s", name, to)
		}
		if b.cookies["writ_s"] != "" {
			t.Errorf("%s: the cookie stays", name)
		}
		for _, a := range []*answer{first, second} {
			if s.alive(a.str("access_token")) {
				t.Errorf("%s: an access token lives on", name)
			}
		}
		s.refreshAs(two, second.str("refresh_token")).fails(400, "invalid_grant")
		b.get(two.request("prompt", "none")).tells("login_required")
	}
}

// Another site can't sign anybody out, and nobody is sent to an address that
// isn't registered (RP-Initiated Logout, sections 2 and 3).
func TestLogoutTricks(t *testing.T) {
	s := start(t)
	s.person()
	app := s.appClient("app", `,"skip_consent":true`)
	other := s.appClient("other", `,"skip_consent":true`)
	b := s.browser()
	token := s.redeem(app, b.code(app)).is(200).str("id_token")
	stays := func(what string) {
		t.Helper()
		if a := b.get(app.request("prompt", "none")); a.back().Get("code") == "" {
			t.Fatalf("%s: signed out", what)
		} else {
			s.hide(a.back().Get("code"))
		}
	}
	b.get("/oauth/logout").page(200, "Sign out?")
	page := b.get(logoutAt("client_id", "app")).page(200, "Sign out?").has("app asks to sign you out.")
	stays("asked")
	b.send("POST", "/oauth/logout/confirm", form("ticket", page.hidden("ticket"), "answer", "yes"), func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }).page(403, "This did not work")
	stays("another site")
	b.post("/oauth/logout/confirm", "ticket", page.hidden("ticket"), "answer", "no").to()
	stays("no")
	for _, hint := range []string{"x", token[:len(token)-4] + "AAAA", s.signIn("").str("access_token")} {
		b.get(logoutAt("id_token_hint", hint)).page(200, "Sign out?")
	}
	stays("hints of others")
	// Somebody else's ID token does not end this session, only what it stands for.
	eve := s.browser()
	s.admin("POST", "/v1/admin/users", `{"email":"eve@example.com","password":"`+password+`"}`).is(201)
	eve.post("/login", "login", "eve@example.com", "password", password).to()
	theirs := s.redeem(app, eve.code(app)).is(200)
	b.get(logoutAt("id_token_hint", theirs.str("id_token"))).page(200, "Sign out?")
	stays("another's hint")
	eve.post("/oauth/logout/confirm", "ticket", page.hidden("ticket"), "answer", "yes").page(403, "This did not work")

	for _, uri := range []string{"https://evil.example/", outside + "/", outside + "?x=1", outside + "#", "https://APP.example/out", "//evil.example", "/\\evil.example", callback} {
		for _, who := range [][]string{{"id_token_hint", token}, {"client_id", "app"}, nil} {
			a := b.get(logoutAt(append(who, "post_logout_redirect_uri", uri)...)).page(400, "This did not work")
			if a.header.Get("Location") != "" {
				t.Errorf("%s: sent to %s", uri, a.header.Get("Location"))
			}
		}
	}
	b.get(logoutAt("post_logout_redirect_uri", outside)).page(400, "This did not work") // whose?
	// Nor to an application that was turned off, or to where it may no longer: also
	// if the page that asks was shown before.
	s.appClient("gone", "")
	for _, change := range []string{`{"disabled":true}`, `{"disabled":false,"post_logout_redirect_uris":[]}`} {
		page := b.get(logoutAt("client_id", "gone", "post_logout_redirect_uri", outside)).page(200, "Sign out?")
		s.admin("PATCH", "/v1/admin/clients/gone", change).is(200)
		b.get(logoutAt("client_id", "gone", "post_logout_redirect_uri", outside)).page(400, "This did not work")
		b.post("/oauth/logout/confirm", "ticket", page.hidden("ticket"), "answer", "yes").page(400, "This did not work")
		s.admin("PATCH", "/v1/admin/clients/gone", `{"disabled":false,"post_logout_redirect_uris":["`+outside+`"]}`).is(200)
	}
	stays("an application that is gone")
	b.get(logoutAt("id_token_hint", token, "client_id", "other")).page(400, "This did not work")
	b.get(logoutAt("client_id", "app")+"&client_id=app").page(400, "This did not work")
	stays("addresses")
	_ = other

	// Without a cookie an ID token ends what its client has, and no more.
	s.browser().get(logoutAt("id_token_hint", token)).page(200, "Signed out")
	stays("from another browser")
	s.browser().get(logoutAt("client_id", "app", "post_logout_redirect_uri", outside)).to()
}

// The page of signing in listens to itself alone, and leads nowhere but on.
func TestSignInPage(t *testing.T) {
	s := start(t)
	s.person()
	app := s.appClient("app", "")
	b := s.browser()
	a := b.own(b.get(app.request())).page(200, "Sign in")
	ticket := a.hidden("ticket")
	if strings.Contains(a.text, "<script") || strings.Contains(a.text, "style=") {
		t.Errorf("script or style in the page: %s", a.text)
	}
	for what, change := range map[string]with{
		"another site": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"a form of old browsers": func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "https://evil.example")
		},
		"a frame":         func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") },
		"no header":       func(r *http.Request) { r.Header.Del("Sec-Fetch-Site") },
		"a sibling's own": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
	} {
		if a := b.send("POST", "/login", form("ticket", ticket, "login", ada, "password", password), change); a.status != 403 || a.header.Get("Set-Cookie") != "" {
			t.Errorf("sign-in from %s: status %d, %v", what, a.status, a.header["Set-Cookie"])
		}
	}
	for _, wrong := range [][]string{{"login", ada, "password", "x"}, {"login", "nobody", "password", password}, {"login", ada}, {"password", password}} {
		a := b.post("/login", append(wrong, "ticket", ticket)...).page(422, "Sign in")
		if !strings.Contains(a.text, `role="alert"`) || strings.Contains(a.text, password) || a.header.Get("Set-Cookie") != "" || a.hidden("ticket") != ticket {
			t.Errorf("%v: %s", wrong, a.text)
		}
	}
	known, unknown := b.post("/login", "login", ada, "password", "wrong"), b.post("/login", "login", "ida@example.com", "password", "wrong")
	if strings.ReplaceAll(known.text, ada, "") != strings.ReplaceAll(unknown.text, "ida@example.com", "") {
		t.Errorf("the page tells who exists: %s and %s", known.text, unknown.text)
	}
	s.advance(time.Hour - time.Minute)
	for _, path := range []string{"/login?ticket=" + url.QueryEscape("https://evil.example"), "/login?ticket=x", "/oauth/authorize/continue?ticket=x", "/oauth/authorize/continue",
		"/consent", "/consent?ticket=AAAA", "/oauth/logout/continue?ticket=" + ticket, "/login?ticket=" + ticket + "&ticket=" + ticket} {
		if a := b.get(path).page(400, "This did not work"); a.header.Get("Location") != "" {
			t.Errorf("%s: sent to %s", path, a.header.Get("Location"))
		}
	}
	for _, name := range []string{"next", "return_to", "redirect_uri", "continue", "url"} {
		if a := b.get("/login?"+name+"=https%3A%2F%2Fevil.example").page(200, "Sign in"); strings.Contains(a.text, "evil") {
			t.Errorf("%s: %s", name, a.text)
		}
	}
	planted := b.s.browser()
	planted.cookies["writ_s"] = "writ_s_planted"
	if planted.signInAt(planted.own(planted.get(app.request()))); planted.cookies["writ_s"] == "writ_s_planted" || len(planted.cookies["writ_s"]) < 40 {
		t.Errorf("cookie %q", planted.cookies["writ_s"])
	}
	before := planted.cookies["writ_s"]
	set := planted.post("/login", "login", ada, "password", password)
	if cookie := set.header.Get("Set-Cookie"); planted.cookies["writ_s"] == before || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Lax") {
		t.Errorf("the cookie of a second sign-in: %s", cookie)
	}
	old := s.browser()
	old.cookies["writ_s"] = before
	old.get(app.request("prompt", "none")).tells("login_required")
	s.advance(2 * time.Minute)
	b.get("/login?ticket="+ticket).page(400, "This did not work")
}

// A browser has one session: the next person's sign-in ends the one before.
func TestAnotherPersonSignsIn(t *testing.T) {
	s := start(t)
	s.person()
	s.admin("POST", "/v1/admin/users", `{"email":"eve@example.com","password":"`+password+`"}`).is(201)
	app := s.appClient("app", `,"skip_consent":true,"audiences":["`+orders+`"]`)
	b := s.browser()
	mine := s.redeem(app, b.code(app)).is(200)
	s.advance(time.Second)
	b.post("/login", "login", ada, "password", password).to()
	if !s.alive(mine.str("access_token")) {
		t.Error("the same person's second sign-in ended the first")
	}
	b.post("/login", "login", "eve@example.com", "password", password).to()
	if s.alive(mine.str("access_token")) {
		t.Error("the first person's tokens outlive the change")
	}
}

// A key goes some hours after it was replaced, every month; ID tokens are shown
// as long as their sessions live, with no client_id beside them by most libraries.
// Nobody can verify them then: they name the client and the person, as parameters
// do, and end nothing without a question.
func TestHintsWithoutTheirKey(t *testing.T) {
	s := start(t)
	s.person()
	app := s.appClient("app", `,"skip_consent":true`)
	b := s.browser()
	token := s.redeem(app, b.code(app)).is(200).str("id_token")
	var header struct{ KID string }
	if err := json.Unmarshal([]byte(headerOf(t, token)), &header); err != nil {
		t.Fatal(err)
	}
	s.admin("POST", "/v1/admin/keys/rotate", `{"compromised":"`+header.KID+`"}`).is(202)

	// Nobody else than the hint names, and them without a question.
	s.hide(b.get(app.request("prompt", "none", "id_token_hint", token)).back().Get("code"))
	s.admin("POST", "/v1/admin/users", `{"email":"eve@example.com","password":"`+password+`"}`).is(201)
	eve := s.browser()
	eve.post("/login", "login", "eve@example.com", "password", password).to()
	eve.get(app.request("prompt", "none", "id_token_hint", token)).tells("login_required")

	// Anybody could have written it: it ends nothing where nobody is asked.
	s.browser().get(logoutAt("id_token_hint", token)).page(200, "Signed out")
	b.get(logoutAt("id_token_hint", token, "post_logout_redirect_uri", "https://evil.example/")).page(400, "This did not work")
	b.get(logoutAt("id_token_hint", token, "client_id", "other", "post_logout_redirect_uri", outside)).page(400, "This did not work")
	page := b.get(logoutAt("id_token_hint", token, "post_logout_redirect_uri", outside, "state", "st")).page(200, "Sign out?").has("app asks to sign you out.")
	if a := b.get(app.request("prompt", "none")); s.hide(a.back().Get("code")) == "" {
		t.Fatal("signed out without a question")
	}
	if to := b.post("/oauth/logout/confirm", "ticket", page.hidden("ticket"), "answer", "yes").to(); to != outside+"?state=st" {
		t.Errorf("returned to %s", to)
	}
	b.get(app.request("prompt", "none")).tells("login_required")
}
