package api_test

import (
	"net/http"
	"slices"
	"testing"
	"time"
)

func refreshBody(t *testing.T, a *answer) string {
	return encode(t, "refresh_token", a.str("refresh_token"))
}

func TestRefreshWithABody(t *testing.T) {
	s := start(t)
	first := s.login(adminMail).ok()
	second := s.do("POST", "/v1/refresh", refreshBody(t, first)).ok()
	if got := second.members(); !slices.Equal(got, first.members()) {
		t.Errorf("refresh answers %v, sign-in %v", got, first.members())
	}
	if second.str("refresh_token") == first.str("refresh_token") || second.str("session_id") != first.str("session_id") {
		t.Error("the token was not rotated, or the session is another")
	}
	third := s.do("POST", "/refresh-token", refreshBody(t, second)).ok()
	if len(third.cookies) != 0 {
		t.Errorf("cookies %v in token mode", third.cookies)
	}
	// One that is older than the last use ends the session.
	s.do("POST", "/v1/refresh", refreshBody(t, first)).is(401, "session_ended")
	s.do("POST", "/v1/refresh", refreshBody(t, third)).is(401, "session_ended")
	s.do("GET", "/v1/me", "", bearer(third.str("access_token"))).is(401, "invalid_token")
}

func TestRefreshForAnotherAPI(t *testing.T) {
	s := start(t)
	s.api("https://orders.example.com")
	a := s.login(adminMail).ok()
	b := s.do("POST", "/v1/refresh", encode(t, "refresh_token", a.str("refresh_token"), "audience", "https://orders.example.com")).ok()
	s.do("GET", "/v1/me", "", bearer(b.str("access_token"))).is(401, "invalid_token")
	s.do("POST", "/v1/refresh", encode(t, "refresh_token", b.str("refresh_token"), "audience", "https://nowhere.example")).is(400, "invalid_request")
}

func TestRefreshWithACookie(t *testing.T) {
	s := start(t)
	a := s.browser(adminMail, "cookie")
	s.advance(time.Minute)
	b := s.do("POST", "/v1/refresh", "", cookies(a), sameOrigin()).ok()
	if b.cookie("writ_rt") == nil || b.cookie("writ_at") == nil || b.cookie("writ_rt").Value == a.cookie("writ_rt").Value {
		t.Errorf("cookies %v, want a new pair", b.cookies)
	}
	if b.body["access_token"] != nil || b.body["refresh_token"] != nil {
		t.Errorf("a cookie session hands out tokens: %s", b.text)
	}
	s.do("POST", "/v1/refresh", "{}", cookies(b), sameOrigin()).ok()
	s.do("GET", "/v1/me", "", cookies(b)).ok()
}

func TestRefreshInSessionModeKeepsTheCookie(t *testing.T) {
	s := start(t)
	a := s.browser(adminMail, "session")
	s.advance(6 * 24 * time.Hour)
	b := s.do("POST", "/v1/refresh", "", cookies(a), sameOrigin()).ok().has("mode", "session").has("expires_in", 604800.0)
	if c := b.cookie("writ_s"); c == nil || c.Value != a.cookie("writ_s").Value || c.MaxAge != 604800 {
		t.Errorf("cookie %v", c)
	}
	s.advance(6 * 24 * time.Hour)
	s.do("GET", "/v1/me", "", cookies(b)).ok()
	s.advance(30 * 24 * time.Hour)
	s.do("GET", "/v1/me", "", cookies(b)).is(401, "session_ended")
	s.do("POST", "/v1/refresh", "", cookies(b), sameOrigin()).is(401, "session_ended")
}

// What a script could get at and what only the browser holds never change
// places.
func TestCookieSessionsStayCookieSessions(t *testing.T) {
	s := start(t)
	web := s.browser(adminMail, "cookie")
	native := s.login(adminMail).ok()
	rt, at := web.cookie("writ_rt").Value, web.cookie("writ_at").Value

	s.do("POST", "/v1/refresh", encode(t, "refresh_token", rt)).is(401, "invalid_token")
	s.do("POST", "/v1/logout", encode(t, "refresh_token", rt)).is(401, "invalid_token")
	s.do("GET", "/v1/me", "", bearer(at)).is(401, "invalid_token")
	s.do("POST", "/v1/logout", "", bearer(at)).is(401, "invalid_token")

	planted := func(name, value string) with {
		return func(r *http.Request) { r.AddCookie(&http.Cookie{Name: name, Value: value}) }
	}
	s.do("POST", "/v1/refresh", "", planted("writ_rt", native.str("refresh_token")), sameOrigin()).is(401, "invalid_token")
	s.do("GET", "/v1/me", "", planted("writ_at", native.str("access_token"))).is(401, "invalid_token")
	s.do("POST", "/v1/logout", "", planted("writ_at", native.str("access_token")), sameOrigin()).is(401, "invalid_token")

	// None of that ended either.
	s.do("POST", "/v1/refresh", "", cookies(web), sameOrigin()).ok()
	s.do("POST", "/v1/refresh", refreshBody(t, native)).ok()
}

func TestRefusedRefreshLeavesCookiesAlone(t *testing.T) {
	s := start(t)
	web := s.browser(adminMail, "cookie")
	again := s.browser(adminMail, "cookie")
	s.do("POST", "/v1/logout", "", cookies(again), sameOrigin()).ok()
	for name, a := range map[string]*answer{
		"ended":      s.do("POST", "/v1/refresh", "", cookies(again), sameOrigin()).is(401, "session_ended"),
		"forged":     s.do("POST", "/v1/refresh", "", header("Cookie", "writ_rt=writ_rt_AAAA"), sameOrigin()).is(401, "invalid_token"),
		"malformed":  s.do("POST", "/v1/refresh", "", header("Cookie", `writ_rt="a b"`), sameOrigin()).is(400, "invalid_request"),
		"none":       s.do("POST", "/v1/refresh", "", sameOrigin()).is(401, "unauthenticated"),
		"both":       s.do("POST", "/v1/refresh", `{"refresh_token":"writ_rt_AAAA"}`, cookies(web), sameOrigin()).is(400, "invalid_request"),
		"bad member": s.do("POST", "/v1/refresh", `{"token":"x"}`, cookies(web), sameOrigin()).is(400, "invalid_request"),
		"media type": s.do("POST", "/v1/refresh", `{}`, cookies(web), sameOrigin(), contentType("text/plain")).is(415, "unsupported_media_type"),
		"access":     s.do("POST", "/v1/refresh", encode(t, "refresh_token", s.login(adminMail).str("access_token"))).is(401, "invalid_token"),
	} {
		if got := a.header.Values("Set-Cookie"); len(got) != 0 {
			t.Errorf("%s: the refusal sets cookies %v", name, got)
		}
	}
	s.do("POST", "/v1/refresh", "", cookies(web), sameOrigin()).ok()
}

func TestRefreshTokenIsNoAccessToken(t *testing.T) {
	s := start(t)
	a := s.login(adminMail).ok()
	s.do("GET", "/v1/me", "", bearer(a.str("refresh_token"))).is(401, "invalid_token")
	s.do("POST", "/v1/logout", "", bearer(a.str("refresh_token"))).is(401, "invalid_token")
}
