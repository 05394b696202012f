package api_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/writ-auth/writ/internal/revlog"
)

// TestEveryEndIsInTheLog: whatever ends something for good, the log has it when
// the answer is given.
func TestEveryEndIsInTheLog(t *testing.T) {
	s := start(t)
	ada := s.user("ada@example.com")
	s.user("bob@example.com")
	s.admin("POST", "/v1/admin/roles", `{"name":"clerk"}`).is(201, "")
	s.admin("POST", "/v1/admin/orgs", `{"slug":"acme"}`).is(201, "")
	s.verifierClient("shop")
	in := func() *answer { t.Helper(); return s.login("ada@example.com").ok() }
	patch := func(body string) { t.Helper(); s.admin("PATCH", "/v1/admin/users/"+ada, body).ok() }
	revoke := func(kind, id string) {
		t.Helper()
		s.admin("POST", "/v1/admin/revocations", encode(t, "kind", kind, "id", id)).ok()
	}
	session := []revlog.Kind{revlog.Session}
	epoch := []revlog.Kind{revlog.Epoch}
	hint := []revlog.Kind{revlog.ClaimsChanged}
	renewed := []revlog.Kind{revlog.ClaimsChanged, revlog.Epoch}
	for _, c := range []struct {
		what string
		want []revlog.Kind
		end  func(a *answer)
	}{
		{"log-out", session, func(a *answer) { s.do("POST", "/v1/logout", "", bearer(a.str("access_token"))).ok() }},
		{"log-out everywhere", epoch, func(a *answer) { s.do("POST", "/v1/logout-all", "", bearer(a.str("access_token"))).ok() }},
		{"a session of one's own", session, func(a *answer) {
			s.do("DELETE", "/v1/sessions/"+a.str("session_id"), "", bearer(a.str("access_token"))).ok()
		}},
		{"a password change", epoch, func(*answer) {
			bob := s.login("bob@example.com").ok().str("access_token")
			s.do("POST", "/v1/password/change", encode(t, "current_password", password, "new_password", "another "+password), bearer(bob)).ok()
		}},
		{"theft", session, func(a *answer) {
			first := a.str("refresh_token")
			second := s.do("POST", "/v1/refresh", encode(t, "refresh_token", first)).ok().str("refresh_token")
			s.do("POST", "/v1/refresh", encode(t, "refresh_token", second)).ok()
			s.do("POST", "/v1/refresh", encode(t, "refresh_token", first)).is(401, "session_ended")
		}},
		{"RFC 7009", session, func(a *answer) {
			body := "client_id=writ&token=" + a.str("refresh_token")
			serve(t, s.app.Handler(), "POST", "/oauth/revoke", body, func(r *http.Request) {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}).is(200, "")
		}},
		{"an administrator: the session", session, func(a *answer) { revoke("session", a.str("session_id")) }},
		{"an administrator: the user", epoch, func(*answer) { revoke("user", ada) }},
		{"an administrator: the token", []revlog.Kind{revlog.Token, revlog.Epoch}, func(a *answer) {
			s.admin("POST", "/v1/admin/revocations", encode(t, "token", a.str("access_token"))).ok()
		}},
		{"a client", epoch, func(*answer) { revoke("client", "shop") }},
		{"a client is disabled", epoch, func(*answer) { s.admin("PATCH", "/v1/admin/clients/shop", `{"disabled":true}`).ok() }},
		{"a new password", epoch, func(*answer) { patch(encode(t, "password", password)) }},
		{"a role is given", hint, func(*answer) { patch(`{"roles":["clerk"]}`) }},
		{"a role is taken", renewed, func(*answer) { patch(`{"roles":[]}`) }},
		{"a membership", hint, func(*answer) { s.admin("PUT", "/v1/admin/orgs/acme/members/"+ada, `{"roles":["clerk"]}`).ok() }},
		{"a role is removed", hint, func(*answer) { s.admin("DELETE", "/v1/admin/roles/clerk", "") }},
		{"a membership ends", renewed, func(*answer) { s.admin("DELETE", "/v1/admin/orgs/acme/members/"+ada, "").ok() }},
		{"a key", []revlog.Kind{revlog.Key}, func(*answer) {
			keys := s.admin("GET", "/v1/admin/keys", "").ok().body["items"].([]any)
			kid := keys[0].(map[string]any)["kid"].(string)
			s.admin("POST", "/v1/admin/keys/rotate", encode(t, "compromised", kid)).is(202, "")
		}},
		{"disabled", epoch, func(*answer) { patch(`{"disabled":true}`) }},
	} {
		a := in()
		head := page(s.do("GET", "/v1/revocations", "")).Head
		c.end(a)
		var kinds []revlog.Kind
		for _, e := range page(s.do("GET", "/v1/revocations", "")).Entries {
			if e.Seq > head {
				kinds = append(kinds, e.Kind)
			}
		}
		if !slices.Equal(kinds, c.want) {
			t.Errorf("%s: entries of the kinds %v, want %v", c.what, kinds, c.want)
		}
	}
}
