package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestSignup(t *testing.T) {
	s := start(t)
	a := s.do("POST", "/v1/signup", encode(t, "email", "ada@example.com", "username", "ada", "password", password, "name", "Ada")).is(201, "")
	if !strings.HasPrefix(a.str("id"), "usr_") || a.body["email_verified"] != false || len(a.body["roles"].([]any)) != 0 {
		t.Errorf("a new account: %s", a.text)
	}
	me := s.login("ada@example.com").ok()
	if strings.Contains(me.text, password) {
		t.Error("the answer holds the password")
	}
	s.do("POST", "/v1/signup", encode(t, "email", "ADA@example.com", "password", password)).is(409, "conflict").has("field", "email")
	s.do("POST", "/v1/signup", encode(t, "username", "Ada", "password", password)).is(409, "conflict").has("field", "username")
	// The first owner's password is still the only one.
	s.login("ada@example.com").ok()
}

func TestSignupRefusals(t *testing.T) {
	s := start(t)
	for name, body := range map[string]string{
		"roles":            encode(t, "email", "m@example.com", "password", password, "roles", []string{"writ:admin"}),
		"verified":         encode(t, "email", "m@example.com", "password", password, "email_verified", true),
		"id":               encode(t, "email", "m@example.com", "password", password, "id", "usr_chosen"),
		"claims":           encode(t, "email", "m@example.com", "password", password, "claims", map[string]any{"admin": true}),
		"no name":          encode(t, "password", password),
		"no password":      encode(t, "email", "m@example.com"),
		"short password":   encode(t, "email", "m@example.com", "password", "1234567"),
		"long password":    encode(t, "email", "m@example.com", "password", strings.Repeat("a", 1025)),
		"two @":            encode(t, "email", "m@example.com@evil.example", "password", password),
		"space":            encode(t, "email", "m @example.com", "password", password),
		"newline":          encode(t, "email", "m@example.com\r\nBcc: all@example.com", "password", password),
		"NUL":              encode(t, "email", "m\x00@example.com", "password", password),
		"zero width":       encode(t, "email", "adm\u200bin@example.com", "password", password),
		"long e-mail":      encode(t, "email", strings.Repeat("a", 250)+"@example.com", "password", password),
		"username with @":  encode(t, "username", "root@example.com", "password", password),
		"username unicode": encode(t, "username", "аdmin", "password", password),
		"ANSI in name":     encode(t, "email", "m@example.com", "password", password, "name", "\x1b[31mred"),
		"bidi in name":     encode(t, "email", "m@example.com", "password", password, "name", "\u202egnp.exe"),
	} {
		if a := s.do("POST", "/v1/signup", body); a.status != 400 || a.body["code"] != "invalid_request" || a.body["field"] == nil {
			t.Errorf("%s: status %d, want 400 with a field: %s", name, a.status, a.text)
		}
	}
	if n := s.admin("GET", "/v1/admin/users", "").ok().body["items"]; len(n.([]any)) != 1 {
		t.Errorf("users %v, want the administrator alone", n)
	}
}

func TestSignupTurnedOff(t *testing.T) {
	s := start(t, "signup", "off")
	s.do("POST", "/v1/signup", encode(t, "email", "ada@example.com", "password", password)).is(403, "signup_disabled")
	// Nor does it tell who has an account.
	s.do("POST", "/v1/signup", encode(t, "email", adminMail, "password", password)).is(403, "signup_disabled")
}

// Whoever asks after many addresses is slowed down; whose address it is can
// sign in all the same.
func TestSignupSlowsDownProbes(t *testing.T) {
	s := start(t)
	for range 200 {
		a := s.do("POST", "/v1/signup", encode(t, "email", adminMail, "password", password))
		if a.status == http.StatusTooManyRequests {
			if a.header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			s.login(adminMail).ok()
			return
		}
		a.is(409, "conflict")
	}
	t.Error("200 probes of one address were answered")
}

// Nor can somebody who has an account try out names without end.
func TestNewNameSlowsDownProbes(t *testing.T) {
	s := start(t)
	s.user("ada@example.com")
	s.user("bob@example.com", "username", "bob")
	token := bearer(s.login("ada@example.com").ok().str("access_token"))
	for range 200 {
		a := s.do("PATCH", "/v1/me", `{"username":"bob"}`, token)
		if a.status == http.StatusTooManyRequests {
			s.do("PATCH", "/v1/me", `{"name":"Ada"}`, token).ok()
			return
		}
		a.is(409, "conflict")
	}
	t.Error("200 probes of user names were answered")
}

func TestNamesAreData(t *testing.T) {
	s := start(t)
	const name = `<script>alert(1)</script> "quoted" \ ' ; DROP TABLE users; -- ${jndi:ldap://x} 🦊`
	a := s.login(adminMail).ok()
	s.do("PATCH", "/v1/me", encode(t, "name", name), bearer(a.str("access_token"))).ok().has("name", name)
	me := s.do("GET", "/v1/me", "", bearer(a.str("access_token"))).ok().has("name", name)
	if strings.Contains(me.text, "<script") || me.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("markup in an answer: %s", me.text)
	}
	s.login(adminMail).ok()
}

func TestUpdateMe(t *testing.T) {
	s := start(t)
	s.user("ada@example.com", "username", "ada")
	token := bearer(s.login("ada@example.com").ok().str("access_token"))
	s.do("PATCH", "/v1/me", `{"username":"lovelace"}`, token).ok().has("username", "lovelace").has("email", "ada@example.com")
	for _, body := range []string{
		`{"roles":["writ:admin"]}`, `{"permissions":["writ:admin"]}`, `{"email":"other@example.com"}`, `{"email_verified":true}`,
		`{"disabled":false}`, `{"password":"another long password"}`, `{"id":"usr_other"}`, `{"claims":{}}`, `{"name":null}`,
		`{"username":"a b"}`, `{"username":"lovelace@example.com"}`, `{"name":"a\nb"}`, `{"name":"a","name":"b"}`,
	} {
		s.do("PATCH", "/v1/me", body, token).is(400, "invalid_request")
	}
	s.user("bob@example.com", "username", "bob")
	s.do("PATCH", "/v1/me", `{"username":"BOB"}`, token).is(409, "conflict").has("field", "username")
	s.do("GET", "/v1/me", "", token).ok().has("username", "lovelace").has("email", "ada@example.com")
}

// A user's own edit and an administrator's disabling of them, in whatever
// order: disabled they are.
func TestOwnEditDoesNotUndoDisabling(t *testing.T) {
	s := start(t)
	id := s.user("ada@example.com")
	token := bearer(s.login("ada@example.com").ok().str("access_token"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 20 {
			s.do("PATCH", "/v1/me", `{"name":"Ada"}`, token)
		}
	}()
	s.admin("PATCH", "/v1/admin/users/"+id, `{"disabled":true}`).ok()
	<-done
	s.admin("GET", "/v1/admin/users/"+id, "").ok().has("disabled", true)
	s.login("ada@example.com").is(401, "invalid_credentials")
}

const newPassword = "another long password"

func TestChangePassword(t *testing.T) {
	s := start(t)
	web, native := s.browser(adminMail, "cookie"), s.login(adminMail).ok()
	token := bearer(native.str("access_token"))
	change := func(current, next string) string {
		return encode(t, "current_password", current, "new_password", next)
	}
	s.do("POST", "/v1/password/change", change(password, newPassword)).is(401, "unauthenticated")
	s.do("POST", "/v1/password/change", change("wrong password", newPassword), token).is(401, "invalid_credentials")
	s.do("POST", "/v1/password/change", encode(t, "new_password", newPassword), token).is(400, "invalid_request")
	s.do("POST", "/v1/password/change", change(password, "short"), token).is(400, "invalid_request").has("field", "new_password")
	s.do("POST", "/v1/password/change", change(password, password), token).is(400, "invalid_request")
	s.do("GET", "/v1/me", "", cookies(web)).ok()

	out := s.do("POST", "/v1/password/change", change(password, newPassword), cookies(web), sameOrigin())
	out.seq()
	if c := out.cookie("writ_rt"); c == nil || c.MaxAge >= 0 {
		t.Errorf("the refresh cookie is not cleared: %v", c)
	}
	s.do("GET", "/v1/me", "", token).is(401, "invalid_token")
	s.do("POST", "/v1/refresh", refreshBody(t, native)).is(401, "session_ended")
	s.login(adminMail).is(401, "invalid_credentials")
	s.do("POST", "/v1/login", encode(t, "email", adminMail, "password", newPassword)).ok()
}

// Who fails to sign in under a user's id, which every API knows, doesn't keep that
// user from changing the password.
func TestStrangersDontStopAPasswordChange(t *testing.T) {
	s := start(t)
	mine := s.login(adminMail).ok()
	id := mine.body["user"].(map[string]any)["id"].(string)
	for _, name := range []string{id, "password\x00" + id} {
		for range 10 {
			s.do("POST", "/v1/login", encode(t, "username", name, "password", "wrong password")).is(401, "invalid_credentials")
		}
		s.do("POST", "/v1/login", encode(t, "username", name, "password", "wrong password")).is(429, "too_many_requests")
	}
	change := encode(t, "current_password", password, "new_password", newPassword)
	s.do("POST", "/v1/password/change", change, bearer(mine.str("access_token"))).ok()
}

func TestForcedPasswordChange(t *testing.T) {
	s := start(t)
	s.user("ada@example.com", "must_change_password", true)
	a := s.login("ada@example.com").is(403, "password_change_required")
	if a.body["access_token"] != nil || len(a.cookies) != 0 {
		t.Errorf("a session began: %s", a.text)
	}
	token := a.str("password_change_token")
	change := encode(t, "current_password", password, "new_password", newPassword)

	// It is good for that alone.
	s.do("GET", "/v1/me", "", bearer(token)).is(401, "invalid_token")
	s.do("GET", "/v1/sessions", "", bearer(token)).is(401, "invalid_token")
	s.do("POST", "/v1/logout-all", "", bearer(token)).is(401, "invalid_token")
	s.do("POST", "/v1/logout", "", bearer(token)).is(401, "invalid_token")
	s.do("POST", "/v1/refresh", encode(t, "refresh_token", token)).is(401, "invalid_token")
	// And for that user alone.
	other := s.browser(adminMail, "cookie")
	s.do("POST", "/v1/password/change", change, bearer(token), cookies(other), sameOrigin()).is(400, "invalid_request")

	s.do("POST", "/v1/password/change", change, bearer(token)).seq()
	s.do("POST", "/v1/password/change", change, bearer(token)).is(401, "invalid_token")
	s.do("POST", "/v1/login", encode(t, "email", "ada@example.com", "password", newPassword)).ok()
}

func TestPasswordChangeTokenExpires(t *testing.T) {
	s := start(t)
	s.user("ada@example.com", "must_change_password", true)
	token := s.login("ada@example.com").is(403, "password_change_required").str("password_change_token")
	s.advance(11 * time.Minute)
	change := encode(t, "current_password", password, "new_password", newPassword)
	s.do("POST", "/v1/password/change", change, bearer(token)).is(401, "invalid_token")
}

func TestSessions(t *testing.T) {
	s := start(t)
	s.user("bob@example.com")
	one, two, bob := s.login(adminMail).ok(), s.browser(adminMail, "cookie"), s.login("bob@example.com").ok()
	list := s.do("GET", "/v1/sessions", "", cookies(two)).ok()
	current := map[string]bool{}
	for _, item := range list.body["items"].([]any) {
		v := item.(map[string]any)
		current[v["id"].(string)] = v["current"].(bool)
	}
	if len(current) != 2 || current[one.str("session_id")] || !current[two.str("session_id")] {
		t.Errorf("sessions %v, want %s and, current, %s", current, one.str("session_id"), two.str("session_id"))
	}

	// Another user's session is as unknown as one that never was.
	theirs := s.do("DELETE", "/v1/sessions/"+one.str("session_id"), "", bearer(bob.str("access_token"))).is(404, "not_found")
	nobodys := s.do("DELETE", "/v1/sessions/ses_AAAAAAAAAAAAAAAAAAAAAA", "", bearer(bob.str("access_token"))).is(404, "not_found")
	if theirs.body["detail"] != nobodys.body["detail"] {
		t.Errorf("the answers differ: %v, %v", theirs.body, nobodys.body)
	}
	s.do("GET", "/v1/me", "", bearer(one.str("access_token"))).ok()

	out := s.do("DELETE", "/v1/sessions/"+one.str("session_id"), "", cookies(two), sameOrigin())
	out.seq()
	if len(out.cookies) != 0 {
		t.Errorf("ending another session clears cookies: %v", out.cookies)
	}
	s.do("GET", "/v1/me", "", bearer(one.str("access_token"))).is(401, "invalid_token")
	out = s.do("DELETE", "/v1/sessions/"+two.str("session_id"), "", cookies(two), sameOrigin())
	out.seq()
	if c := out.cookie("writ_at"); c == nil || c.MaxAge >= 0 {
		t.Errorf("ending its own session leaves the cookie: %v", c)
	}
	for _, q := range []string{"limit=0", "limit=201", "limit=x", "limit=1&limit=2", "curser=x", "cursor=%zz"} {
		s.do("GET", "/v1/sessions?"+q, "", bearer(bob.str("access_token"))).is(400, "invalid_request")
	}
}
