package oauth_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/internal/revlog"
)

// revocable is what of a token the log can hold.
type revocable struct {
	raw, jti, sid, kid string
	user, client       string // epochs
}

func revocableOf(t *testing.T, token string) revocable {
	t.Helper()
	claims, _ := claimsOf(t, token)
	header, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	if err != nil {
		t.Fatal(err)
	}
	_, kid, _ := strings.Cut(string(header), `"kid":"`)
	kid, _, _ = strings.Cut(kid, `"`)
	r := revocable{raw: token, jti: claims["jti"].(string), kid: kid}
	r.sid, _ = claims["sid"].(string)
	epochs := claims["epochs"].([]any)
	r.client = epochs[len(epochs)-1].(string)
	if len(epochs) == 2 {
		r.user = epochs[0].(string)
	}
	return r
}

// logged reports whether the published log holds an identifier.
func (s *server) logged(kind revlog.Kind, id string) bool {
	s.t.Helper()
	hash := revlog.Hash(kind, id)
	entries, _ := s.send("GET", "/v1/revocations", "", "").is(200).body["entries"].([]any)
	for _, e := range entries {
		entry := e.([]any)
		if entry[1] == float64(kind) && entry[2] == base64url.Encode(hash[:]) {
			return true
		}
	}
	return false
}

// TestIntrospectionAgreesWithTheLog: whichever way something is revoked, when the
// call is answered introspection says that the token is over, and the log has
// what verifiers look for, so that those who ask and those who follow decide
// alike. Who was not meant stays in.
func TestIntrospectionAgreesWithTheLog(t *testing.T) {
	s := start(t)
	api, n := s.reader(orders), 0
	login := func(name string) *answer {
		return s.send("POST", "/v1/login", "application/json", `{"username":"`+name+`","password":"`+password+`","audience":"`+orders+`"}`).is(200)
	}
	admin := func(body string) { s.t.Helper(); s.admin("POST", "/v1/admin/revocations", body).is(200) }
	own := func(name string) string { // a token for Writ itself
		return s.send("POST", "/v1/login", "application/json", `{"username":"`+name+`","password":"`+password+`"}`).is(200).str("access_token")
	}
	check := func(way string, token revocable, kind revlog.Kind, id string, end func()) {
		t.Helper()
		s.introspect(api, token.raw).active("before: " + way)
		if s.logged(kind, id) {
			t.Errorf("%s: it is in the log before", way)
		}
		end()
		s.introspect(api, token.raw).inactive(way)
		if !s.logged(kind, id) {
			t.Errorf("%s: introspection says no, and the log has nothing", way)
		}
	}
	s.user("bystander")
	bystander := login("bystander").str("access_token")
	for _, way := range []struct {
		name string
		kind revlog.Kind
		id   func(revocable) string
		end  func(user string, in *answer, token revocable)
	}{
		{"a token by itself", revlog.Token, func(r revocable) string { return r.jti },
			func(_ string, _ *answer, r revocable) { admin(`{"token":"` + r.raw + `"}`) }},
		{"a token by its jti", revlog.Token, func(r revocable) string { return r.jti },
			func(_ string, _ *answer, r revocable) { admin(`{"kind":"token","id":"` + r.jti + `"}`) }},
		{"a session by its sid", revlog.Session, func(r revocable) string { return r.sid },
			func(_ string, _ *answer, r revocable) { admin(`{"kind":"session","id":"` + r.sid + `"}`) }},
		{"a session by its id", revlog.Session, func(r revocable) string { return r.sid },
			func(_ string, in *answer, _ revocable) {
				admin(`{"kind":"session","id":"` + in.str("session_id") + `"}`)
			}},
		{"log-out", revlog.Session, func(r revocable) string { return r.sid },
			func(_ string, _ *answer, r revocable) { s.send("POST", "/v1/logout", "", "", bearer(r.raw)).is(200) }},
		{"a refresh token used twice", revlog.Session, func(r revocable) string { return r.sid },
			func(_ string, in *answer, _ revocable) { s.steal(in.str("refresh_token")) }},
		{"a user", revlog.Epoch, func(r revocable) string { return r.user },
			func(user string, _ *answer, _ revocable) { admin(`{"kind":"user","id":"` + s.userID(user) + `"}`) }},
		{"log-out everywhere", revlog.Epoch, func(r revocable) string { return r.user },
			func(user string, _ *answer, _ revocable) {
				s.send("POST", "/v1/logout-all", "", "", bearer(own(user))).is(200)
			}},
		{"a password changed", revlog.Epoch, func(r revocable) string { return r.user },
			func(user string, _ *answer, _ revocable) {
				s.send("POST", "/v1/password/change", "application/json", `{"current_password":"`+password+`","new_password":"another `+password+`"}`, bearer(own(user))).is(200)
			}},
		{"a user disabled", revlog.Epoch, func(r revocable) string { return r.user },
			func(user string, _ *answer, _ revocable) {
				s.admin("PATCH", "/v1/admin/users/"+s.userID(user), `{"disabled":true}`).is(200)
			}},
		{"a user deleted", revlog.Epoch, func(r revocable) string { return r.user },
			func(user string, _ *answer, _ revocable) {
				s.admin("DELETE", "/v1/admin/users/"+s.userID(user), "").is(200)
			}},
	} {
		n++
		user := fmt.Sprint("user", n)
		s.user(user)
		in := login(user)
		token := revocableOf(t, in.str("access_token"))
		check(way.name, token, way.kind, way.id(token), func() { way.end(user, in, token) })
		s.introspect(api, bystander).active(way.name + ": somebody else")
	}
	for way, end := range map[string]func(service){
		"a client":          func(c service) { admin(`{"kind":"client","id":"` + c.id + `"}`) },
		"a client disabled": func(c service) { s.admin("PATCH", "/v1/admin/clients/"+c.id, `{"disabled":true}`).is(200) },
		"a client deleted":  func(c service) { s.admin("DELETE", "/v1/admin/clients/"+c.id, "").is(200) },
	} {
		n++
		c := s.usual(fmt.Sprint("svc", n))
		token := revocableOf(t, s.token(c, orders))
		check(way, token, revlog.Epoch, token.client, func() { end(c) })
	}
	c := s.usual("svc")
	token := revocableOf(t, s.token(c, orders))
	check("a client's own token", token, revlog.Token, token.jti, func() { s.revoke(c, token.raw) })
	s.introspect(api, bystander).active("somebody else, at last")
	token = revocableOf(t, s.token(c, orders))
	check("a key", token, revlog.Key, token.kid, func() { admin(`{"kind":"key","id":"` + token.kid + `"}`) })
	s.introspect(api, bystander).inactive("another token of the key")
}

// steal uses a refresh token, its successor, and then the first once more.
func (s *server) steal(first string) {
	s.t.Helper()
	s.hide(first)
	refresh := func(token string) *answer {
		return s.send("POST", "/v1/refresh", "application/json", `{"refresh_token":"`+token+`"}`)
	}
	second := s.hide(refresh(first).is(200).str("refresh_token"))
	s.hide(refresh(second).is(200).str("refresh_token"))
	refresh(first).is(401)
}
