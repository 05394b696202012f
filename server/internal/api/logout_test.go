package api_test

import (
	"net/http"
	"testing"
)

// seq is the number that an answer says, which must be one.
func (a *answer) seq() float64 {
	a.t.Helper()
	n, ok := a.ok().body["seq"].(float64)
	if !ok || n < 1 {
		a.t.Errorf("%s: seq is %v", a.what, a.body["seq"])
	}
	return n
}

func TestLogoutByEachCredential(t *testing.T) {
	s := start(t)
	const orders = "https://orders.example.com"
	s.api(orders)
	for name, test := range map[string]struct {
		sign   func() *answer
		logout func(*answer) *answer
	}{
		"bearer": {func() *answer { return s.login(adminMail) },
			func(a *answer) *answer { return s.do("POST", "/v1/logout", "", bearer(a.str("access_token"))) }},
		"bearer for an API": {func() *answer { return s.login(adminMail, "audience", orders) },
			func(a *answer) *answer { return s.do("POST", "/v1/logout", "", bearer(a.str("access_token"))) }},
		"refresh token": {func() *answer { return s.login(adminMail) },
			func(a *answer) *answer { return s.do("POST", "/v1/logout", refreshBody(t, a)) }},
		"both": {func() *answer { return s.login(adminMail) },
			func(a *answer) *answer {
				return s.do("POST", "/v1/logout", refreshBody(t, a), bearer(a.str("access_token")))
			}},
		"cookies": {func() *answer { return s.browser(adminMail, "cookie") },
			func(a *answer) *answer { return s.do("POST", "/v1/logout", "", cookies(a), sameOrigin()) }},
		"session cookie": {func() *answer { return s.browser(adminMail, "session") },
			func(a *answer) *answer { return s.do("POST", "/v1/logout", "{}", cookies(a), sameOrigin()) }},
	} {
		t.Run(name, func(t *testing.T) {
			a := test.sign().ok()
			bystander := s.login(adminMail).ok()
			out := test.logout(a)
			seq := out.seq()
			for _, c := range a.cookies {
				if cleared := out.cookie(c.Name); cleared == nil || cleared.MaxAge >= 0 || cleared.Path != c.Path {
					t.Errorf("cookie %s is not cleared: %v", c.Name, cleared)
				}
			}
			if token, ok := a.body["refresh_token"].(string); ok {
				s.do("POST", "/v1/refresh", encode(t, "refresh_token", token)).is(401, "session_ended")
			} else {
				s.do("POST", "/v1/refresh", "", cookies(a), sameOrigin()).is(401, "session_ended")
				if me := s.do("GET", "/v1/me", "", cookies(a)); me.status != 401 {
					t.Errorf("the cookies still work: %s", me.text)
				}
			}
			// Once more changes nothing and answers the same or a later number.
			if again := test.logout(a); again.status != 200 || again.seq() < seq {
				t.Errorf("a second log-out: %s", again.text)
			}
			s.do("GET", "/v1/me", "", bearer(bystander.str("access_token"))).ok()
		})
	}
}

func TestLogoutRefusals(t *testing.T) {
	s := start(t)
	a := s.login(adminMail).ok()
	web := s.browser(adminMail, "cookie")
	s.do("POST", "/v1/logout", "").is(401, "unauthenticated")
	s.do("POST", "/v1/logout", `{"refresh_token":"writ_rt_AAAA"}`).is(401, "invalid_token")
	s.do("POST", "/v1/logout", `{"session_id":"`+a.str("session_id")+`"}`).is(400, "invalid_request")
	s.do("POST", "/v1/logout", "", bearer("e.e.e")).is(401, "invalid_token")
	// A forged token isn't made up for by a good cookie.
	s.do("POST", "/v1/logout", "", bearer("e.e.e"), cookies(web), sameOrigin()).is(401, "invalid_token")
	s.do("GET", "/v1/me", "", cookies(web)).ok()
	// What a stranger planted beside a good cookie doesn't keep anybody in.
	s.do("POST", "/v1/logout", "", cookies(web), header("Cookie", "writ_s=writ_s_planted"), sameOrigin()).ok()
	s.do("GET", "/v1/me", "", cookies(web)).is(401, "invalid_token")
	// A token in the address is none.
	s.do("POST", "/v1/logout?access_token="+a.str("access_token"), "").is(401, "unauthenticated")
}

func TestLogoutEverywhere(t *testing.T) {
	s := start(t)
	s.user("bob@example.com")
	s.api("https://orders.example.com")
	one, two := s.login(adminMail).ok(), s.browser(adminMail, "cookie")
	bob := s.login("bob@example.com").ok()
	other := s.login(adminMail, "audience", "https://orders.example.com").ok()

	s.do("POST", "/v1/logout-all", "").is(401, "unauthenticated")
	s.do("POST", "/v1/logout-all", "", bearer(other.str("access_token"))).is(401, "invalid_token")
	s.do("POST", "/v1/logout-all", refreshBody(t, one)).is(400, "invalid_request")
	s.do("GET", "/v1/me", "", bearer(one.str("access_token"))).ok()

	out := s.do("POST", "/v1/logout-all", "", cookies(two), sameOrigin())
	out.seq()
	if c := out.cookie("writ_rt"); c == nil || c.MaxAge >= 0 {
		t.Errorf("the refresh cookie is not cleared: %v", c)
	}
	s.do("GET", "/v1/me", "", bearer(one.str("access_token"))).is(401, "invalid_token")
	s.do("POST", "/v1/refresh", refreshBody(t, one)).is(401, "session_ended")
	s.do("POST", "/v1/refresh", refreshBody(t, other)).is(401, "session_ended")
	s.do("GET", "/v1/me", "", bearer(bob.str("access_token"))).ok()
	s.login(adminMail).ok()
}

func TestCredentialsThatContradict(t *testing.T) {
	s := start(t)
	s.user("bob@example.com")
	root, bob := s.login(adminMail).ok(), s.login("bob@example.com").ok()
	web, bobsWeb := s.browser(adminMail, "cookie"), s.browser("bob@example.com", "cookie")
	bobsSession := s.browser("bob@example.com", "session")
	ended := s.browser("bob@example.com", "cookie")
	s.do("POST", "/v1/logout", "", cookies(ended), sameOrigin()).ok()

	token := bearer(root.str("access_token"))
	s.do("GET", "/v1/me", "", token, bearer(bob.str("access_token"))).is(400, "invalid_request")
	s.do("GET", "/v1/me", "", token, token).is(400, "invalid_request")
	s.do("GET", "/v1/me", "", header("Authorization", "Basic cm9vdDpyb290"), cookies(web)).is(401, "unauthenticated")
	s.do("GET", "/v1/me", "", header("Authorization", "Bearer"), cookies(web)).is(401, "unauthenticated")
	s.do("GET", "/v1/me", "", bearer("e.e.e"), cookies(web)).is(401, "invalid_token")

	s.do("GET", "/v1/me", "", cookies(web), cookies(bobsWeb)).is(400, "invalid_request")
	s.do("GET", "/v1/me", "", cookies(web), cookies(web)).is(400, "invalid_request")
	s.do("GET", "/v1/me", "", cookies(web), func(r *http.Request) { r.Header.Set("Cookie", r.Header.Get("Cookie")+`; writ_at="`) }).is(400, "invalid_request")
	s.do("POST", "/v1/refresh", "", cookies(web), cookies(bobsWeb), sameOrigin()).is(400, "invalid_request")
	s.do("POST", "/v1/logout", "", cookies(web), cookies(bobsWeb), sameOrigin()).is(400, "invalid_request")

	s.do("GET", "/v1/me", "", token, cookies(bobsWeb)).is(400, "invalid_request")
	s.do("GET", "/v1/me", "", cookies(web), cookies(bobsSession)).is(400, "invalid_request")
	s.do("GET", "/v1/me", "", token, cookies(web)).ok().has("email", adminMail)
	s.do("GET", "/v1/me", "", token, cookies(ended)).ok().has("email", adminMail)
	s.do("GET", "/v1/me", "", cookies(bobsSession), header("Cookie", "writ_at=e.e.e")).ok().has("email", "bob@example.com")
	s.do("GET", "/v1/me", "", cookies(web), header("Cookie", "writ_s=writ_s_planted")).ok().has("email", adminMail)
}
