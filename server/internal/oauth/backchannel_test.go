package oauth_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwt"
)

// told is what an application hears on its back channel.
type told struct {
	jwt.Claims
	SessionID string          `json:"sid"`
	Events    json.RawMessage `json:"events"`
}

// hears makes a client with a back channel, and answers where its log-out tokens
// come in.
func (s *server) hears(id string) (service, <-chan told) {
	s.t.Helper()
	heard := make(chan told, 10)
	application := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		expect := jwt.Expect{Issuer: issuer, Audience: []string{id}, Type: "logout+jwt", Required: []string{"sub", "jti", "iat"}, Now: s.clock}
		v, err := jwt.NewVerifier[told](s.keys(), expect)
		if err != nil {
			s.t.Error(err)
			return
		}
		tok, err := v.Verify(r.Context(), r.PostFormValue("logout_token"))
		if err != nil {
			s.t.Errorf("the log-out token: %v", err)
			return
		}
		heard <- tok.Claims()
	}))
	s.t.Cleanup(application.Close)
	return s.appClient(id, `,"skip_consent":true,"audiences":["`+orders+`"],"backchannel_logout_uri":"`+application.URL+`/out"`), heard
}

// However a session ends, every application that had a part in it is told, once,
// which one and whose.
func TestBackchannelLogout(t *testing.T) {
	s := start(t, "outbound-allow", "127.0.0.0/8")
	id := s.person()
	one, hearsOne := s.hears("one")
	two, hearsTwo := s.hears("two")
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { defer close(stopped); s.app.TellOfLogouts(ctx) }()
	defer func() { stop(); <-stopped }()

	own := func() string { // a token for Writ itself
		a := s.send("POST", "/v1/login", "application/json", `{"email":"`+ada+`","password":"`+password+`"}`).is(200)
		s.hide(a.str("refresh_token"))
		return a.str("access_token")
	}
	type entry struct {
		b       *browser
		first   *answer // the tokens of the first application
		code    string  // for which it got them
		second  *answer
		session string
	}
	const both, first, none = 2, 1, 0
	for _, way := range []struct {
		name string
		end  func(e entry)
		told int
	}{
		{"log-out by an application", func(e entry) {
			e.b.get(logoutAt("id_token_hint", e.first.str("id_token"))).page(200, "Signed out")
		}, both},
		{"an ID token without a session's cookie", func(e entry) {
			s.browser().get(logoutAt("id_token_hint", e.first.str("id_token"))).page(200, "Signed out")
		}, first},
		{"log-out by the page", func(e entry) { e.b.send("POST", "/v1/logout", "").is(200) }, both},
		{"log-out everywhere", func(entry) { s.send("POST", "/v1/logout-all", "", "", bearer(own())).is(200) }, both},
		{"the person ends one session", func(e entry) {
			s.send("DELETE", "/v1/sessions/"+e.session, "", "", bearer(own())).is(200)
		}, both},
		{"an administrator ends it", func(e entry) {
			s.admin("POST", "/v1/admin/revocations", `{"kind":"session","id":"`+e.session+`"}`).is(200)
		}, both},
		{"an administrator ends all of the person", func(entry) {
			s.admin("POST", "/v1/admin/revocations", `{"kind":"user","id":"`+id+`"}`).is(200)
		}, both},
		{"an administrator sets a password", func(entry) {
			s.admin("PATCH", "/v1/admin/users/"+id, `{"password":"`+password+`"}`).is(200)
			s.admin("PATCH", "/v1/admin/users/"+id, `{"must_change":false}`)
		}, both},
		{"the person changes the password", func(entry) {
			s.send("POST", "/v1/password/change", "application/json", `{"current_password":"`+password+`","new_password":"`+password+`x"}`, bearer(own())).is(200)
			s.admin("PATCH", "/v1/admin/users/"+id, `{"password":"`+password+`"}`).is(200)
		}, both},
		{"the person is disabled", func(entry) {
			s.admin("PATCH", "/v1/admin/users/"+id, `{"disabled":true}`).is(200)
			s.admin("PATCH", "/v1/admin/users/"+id, `{"disabled":false}`).is(200)
		}, both},
		{"another person signs in", func(e entry) { e.b.post("/login", "login", adminMail, "password", password).to() }, both},
		{"consent is taken back", func(entry) { s.send("DELETE", "/v1/consents/one", "", "", bearer(own())).is(200) }, first},
		{"a code is used twice", func(e entry) { s.redeem(one, e.code).fails(400, "invalid_grant") }, first},
		{"a stolen refresh token", func(e entry) {
			fresh := s.refreshAs(one, e.first.str("refresh_token")).is(200)
			s.refreshAs(one, fresh.str("refresh_token")).is(200)
			s.advance(time.Minute)
			s.refreshAs(one, e.first.str("refresh_token")).fails(400, "invalid_grant")
		}, first},
		{"the application ends its own", func(e entry) {
			s.post("/oauth/revoke", []string{"token", e.first.str("refresh_token")}, one.basic()).is(200)
		}, none},
		{"the person is deleted", func(entry) { s.admin("DELETE", "/v1/admin/users/"+id, "") }, both},
	} {
		e := entry{b: s.browser()}
		e.code = e.b.code(one)
		e.first = s.redeem(one, e.code).is(200)
		e.second = s.redeem(two, e.b.code(two)).is(200)
		e.session = s.sessionOf(ada)
		way.end(e)
		began := time.Now()
		hears := func(c service, tokens *answer, heard <-chan told) {
			t.Helper()
			want := s.idToken(c, tokens.str("id_token"), "n-1")
			select {
			case got := <-heard:
				if got.SessionID != want.SessionID || got.Subject != id || got.ID == "" || !strings.Contains(string(got.Events), "backchannel-logout") {
					t.Errorf("%s: told %+v, want of %s", way.name, got, want.SessionID)
				}
			case <-time.After(time.Minute):
				t.Fatalf("%s: an application is not told", way.name)
			}
		}
		if way.told > none {
			hears(one, e.first, hearsOne)
		}
		if way.told < both { // the other application's grant goes on
			s.admin("POST", "/v1/admin/revocations", `{"kind":"user","id":"`+id+`"}`).is(200)
		}
		hears(two, e.second, hearsTwo)
		t.Logf("%s: told within %s", way.name, time.Since(began))
		if way.name != "the person is deleted" {
			s.admin("POST", "/v1/admin/revocations", `{"kind":"user","id":"`+id+`"}`).is(200)
		}
	}
	select {
	case got := <-hearsOne:
		t.Errorf("told once more: %+v", got)
	case got := <-hearsTwo:
		t.Errorf("told once more: %+v", got)
	default:
	}
}
