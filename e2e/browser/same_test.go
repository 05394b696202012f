package browser

import (
	"strings"
	"testing"
)

// modes are those that put cookies into a browser, and their names on plain
// http.
func modes() map[string][]string {
	return map[string][]string{"cookie": {"writ_at", "writ_rt"}, "session": {"writ_s"}}
}

// wantCookies fails the test unless the profile has exactly these cookies, none
// of which a script may see.
func wantCookies(t *testing.T, p *profile, names ...string) map[string]cookie {
	t.Helper()
	have := p.cookies()
	for _, name := range names {
		if c, ok := have[name]; !ok || !c.HTTPOnly {
			t.Errorf("cookie %s: stored %v, HttpOnly %v", name, ok, c.HTTPOnly)
		}
	}
	if len(have) != len(names) {
		t.Errorf("Chromium has %d cookies, want %v: %v", len(have), names, have)
	}
	return have
}

// scriptSees answers document.cookie.
func scriptSees(b *tab) (text string) {
	b.run(&text, "() => document.cookie", nil)
	return text
}

// TestOwnPages does everything that an application's own page does.
func TestOwnPages(t *testing.T) {
	needBrowser(t)
	s := startSite(t)
	for mode, names := range modes() {
		t.Run(mode, func(t *testing.T) {
			p := newProfile(t, nil)
			b := s.signIn(p, mode)
			signedIn := wantCookies(t, p, names...)
			if got := scriptSees(b); got != "" {
				t.Errorf("document.cookie is %q", got)
			}
			me := b.send("GET", "/v1/me", "").want(t, "me", 200, "")
			if me.member("email") != aliceEmail {
				t.Errorf("me is %s", me.Body)
			}
			for _, path := range []string{"/v1/refresh", "/refresh-token"} {
				out := b.send("POST", path, "").want(t, path, 200, "")
				for _, c := range signedIn {
					if out.holds(c.Value) {
						t.Errorf("%s shows the page its cookie %s", path, c.Name)
					}
				}
				if out.holds("writ_rt_") || out.holds("access_token\"") || out.holds("refresh_token") {
					t.Errorf("%s shows the page a token: %s", path, out.Body)
				}
			}
			if c := wantCookies(t, p, names...); mode == "cookie" && c["writ_rt"].Value == signedIn["writ_rt"].Value {
				t.Error("a refresh left the refresh cookie as it was")
			}
			b.send("PATCH", "/v1/me", `{"name":"Alice"}`).want(t, "change of name", 200, "")
			b.send("POST", "/v1/password/change", `{"current_password":"wrong password","new_password":"a new long password"}`).want(t, "password change with a wrong one", 401, "")
			wantCookies(t, p, names...)
			b.send("POST", "/v1/password/change", `{"current_password":"`+alicePassword+`","new_password":"a new long password"}`).want(t, "password change", 200, "")
			wantCookies(t, p)
			b.send("GET", "/v1/me", "").want(t, "me after the password change", 401, "unauthenticated")
			b.send("POST", "/v1/login", login(aliceEmail, "a new long password", mode)).want(t, "sign-in with the new password", 200, "")
			b.send("POST", "/v1/password/change", `{"current_password":"a new long password","new_password":"`+alicePassword+`"}`).want(t, "password change back", 200, "")
			b.send("POST", "/v1/login", login(aliceEmail, alicePassword, mode)).want(t, "sign-in", 200, "")
			b.send("POST", "/v1/logout", "").want(t, "log-out", 200, "")
			wantCookies(t, p)
			b.send("POST", "/v1/refresh", "").want(t, "refresh after log-out", 401, "unauthenticated")
		})
	}
}

// TestModeOfBrowsers signs in without a mode: a browser gets cookies, and who
// changes the mode keeps no cookie of the other.
func TestModeOfBrowsers(t *testing.T) {
	p := newProfile(t, nil)
	s := startSite(t)
	b := s.signIn(p, "")
	wantCookies(t, p, modes()["cookie"]...)
	b.send("POST", "/v1/login", login(aliceEmail, alicePassword, "session")).want(t, "sign-in for a session", 200, "")
	wantCookies(t, p, modes()["session"]...)
	b.send("POST", "/v1/login", login(aliceEmail, alicePassword, "")).want(t, "sign-in", 200, "")
	wantCookies(t, p, modes()["cookie"]...)
}

// TestLogoutAfterExpiry logs out when the browser has the refresh cookie alone.
func TestLogoutAfterExpiry(t *testing.T) {
	p := newProfile(t, nil)
	s := startSite(t, "--access-ttl", "3s") // long enough for what startSite does with one
	b := s.signIn(p, "cookie")
	p.forgets("writ_at")
	b.send("GET", "/v1/me", "").want(t, "me with an expired token", 401, "unauthenticated")
	refresh := p.cookies()["writ_rt"].Value
	s.take()
	b.send("POST", "/v1/logout", "").want(t, "log-out", 200, "")
	if sent := s.take(); len(sent) != 1 || strings.Join(sent[0].Cookies, " ") != "writ_rt" {
		t.Errorf("the log-out was not made by the refresh cookie alone: %v", sent)
	}
	wantCookies(t, p)
	status, text := s.call(t, "POST", "/v1/refresh", "", nil, "Cookie", "writ_rt="+refresh, "Origin", s.origin)
	if status != 401 || !strings.Contains(string(text), "session_ended") {
		t.Errorf("the session of the log-out answers %d %s", status, text)
	}
}

// TestPlantedCookie has a page of the same host, on another port, plant a
// second cookie of a name under a longer path, which browsers send first.
func TestPlantedCookie(t *testing.T) {
	p := newProfile(t, nil)
	s := startSite(t)
	b := s.signIn(p, "cookie")
	evil := startHostile(t)
	attacker := p.open(evil.sibling + "/")
	const plant = `([name, path]) => { document.cookie = name + "=planted; path=" + path }`
	const uproot = `([name, path]) => { document.cookie = name + "=; max-age=0; path=" + path }`
	for _, name := range []string{"writ_at", "writ_rt", "writ_s"} {
		cookies := p.cookies()
		attacker.run(nil, plant, []string{name, "/v1"})
		if name != "writ_s" {
			attacker.run(nil, plant, []string{name, "/"}) // one that a script must not overwrite
			before := s.state(t)
			for _, call := range [][2]string{{"GET", "/v1/me"}, {"POST", "/v1/refresh"}, {"POST", "/v1/logout"}, {"POST", "/v1/logout-all"}, {"GET", "/v1/sessions"}} {
				a := b.send(call[0], call[1], "").want(t, call[1]+" with two "+name, 400, "invalid_request")
				if !strings.Contains(a.member("detail"), "cookie "+name+" was sent twice") {
					t.Errorf("%s: %s doesn't say what is wrong", call[1], a.Body)
				}
			}
			if after := s.state(t); after != before {
				t.Errorf("requests with two cookies changed\n%s\nto\n%s", before, after)
			}
		} else {
			b.send("GET", "/v1/me", "").want(t, "me with a session cookie that isn't one", 200, "")
		}
		attacker.run(nil, uproot, []string{name, "/v1"})
		if got := p.cookies(); len(got) != 2 || got["writ_at"] != cookies["writ_at"] || got["writ_rt"] != cookies["writ_rt"] {
			t.Fatalf("planting changed the cookies %v to %v", cookies, got)
		}
	}
	b.send("GET", "/v1/me", "").want(t, "me", 200, "")
}

// TestFixation plants the attacker's own good cookies before the victim signs
// in: nothing of the attacker's session is left in the victim's browser.
func TestFixation(t *testing.T) {
	attacker, victim := newProfile(t, nil), newProfile(t, nil)
	s := startSite(t)
	s.addUser(t, "mallory@example.com", alicePassword, nil)
	evil := startHostile(t)
	for mode, names := range modes() {
		m := attacker.open(s.origin + "/app/")
		m.send("POST", "/v1/login", login("mallory@example.com", alicePassword, mode)).want(t, "the attacker's sign-in", 200, "")
		planted := attacker.cookies()
		e := victim.open(evil.sibling + "/")
		for _, name := range names {
			e.run(nil, `(pair) => { document.cookie = pair + "; path=/" }`, name+"="+planted[name].Value)
		}
		b := victim.open(s.origin + "/app/")
		if got := b.send("GET", "/v1/me", "").member("email"); got != "mallory@example.com" {
			t.Fatalf("the planted cookies do nothing, so this test shows nothing: %q", got)
		}
		b.send("POST", "/v1/login", login(aliceEmail, alicePassword, mode)).want(t, "the victim's sign-in", 200, "")
		if got := b.send("GET", "/v1/me", "").member("email"); got != aliceEmail {
			t.Errorf("%s: after signing in the victim is %q", mode, got)
		}
		if got := scriptSees(b); got != "" {
			t.Errorf("%s: a planted cookie is left: %s", mode, got)
		}
		for name, c := range wantCookies(t, victim, names...) {
			if c.Value == planted[name].Value {
				t.Errorf("%s: the cookie %s is the attacker's", mode, name)
			}
		}
		m.send("POST", "/v1/logout", "").want(t, "the attacker's log-out", 200, "")
		b.send("GET", "/v1/me", "").want(t, "me after the attacker's log-out", 200, "")
		b.send("POST", "/v1/logout", "").want(t, "log-out", 200, "")
	}
}

// TestPolicyOfAnswers shows an answer of Writ's as a page: its policy lets no
// script there reach even Writ itself. (That is why other tests need a page of
// the application.)
func TestPolicyOfAnswers(t *testing.T) {
	p := newProfile(t, nil)
	s := startSite(t)
	s.signIn(p, "cookie")
	b := p.open(s.origin + "/.well-known/openid-configuration")
	s.take()
	if got := b.send("GET", "/v1/me", ""); got.Failed == "" {
		t.Errorf("a script in one of Writ's answers reads %+v", got)
	}
	if sent := s.take(); len(sent) != 0 {
		t.Errorf("the policy lets requests out: %v", sent)
	}
	var ran bool
	b.run(&ran, `() => { const s = document.createElement("script"); s.textContent = "window.ran = true"; document.documentElement.append(s); return window.ran === true }`, nil)
	if ran {
		t.Error("a script that got into one of Writ's answers runs")
	}
}
