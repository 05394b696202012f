package admin_test

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRevocations(t *testing.T) {
	s := start(t)
	op := s.operator()
	id := s.user("ada@example.com")
	revoke := func(body string) {
		t.Helper()
		if seq, _ := op.do("POST", "/v1/admin/revocations", body).ok().body["seq"].(float64); seq < 1 {
			t.Errorf("%s: no number of the log", body)
		}
	}
	ada := s.as("ada@example.com")
	revoke(`{"token":"` + ada.token + `"}`)
	ada.do("GET", "/v1/me", "").is(401, "invalid_token")

	ada = s.as("ada@example.com")
	session := ada.do("GET", "/v1/me", "").ok().str("session_id")
	revoke(`{"kind":"session","id":"` + session + `"}`)
	ada.do("GET", "/v1/me", "").is(401, "invalid_token")

	ada = s.as("ada@example.com")
	revoke(`{"kind":"user","id":"` + id + `"}`)
	ada.do("GET", "/v1/me", "").is(401, "invalid_token")

	ada = s.as("ada@example.com")
	revoke(`{"kind":"client","id":"writ"}`)
	ada.do("GET", "/v1/me", "").is(401, "invalid_token")

	ada = s.as("ada@example.com")
	kid := op.do("GET", "/v1/admin/keys", "").ok().column("kid")[0]
	revoke(`{"kind":"key","id":"` + kid + `"}`)
	ada.do("GET", "/v1/me", "").is(401, "invalid_token")
	s.as("ada@example.com").do("GET", "/v1/me", "").ok()
	revoke(`{"kind":"token","id":"AAAAAAAAAAAAAAAAAAAAAA"}`)

	for body, status := range map[string]int{
		`{}`: 400, `{"kind":"galaxy","id":"x"}`: 400, `{"kind":"token"}`: 400, `{"token":"e.e.e"}`: 400,
		`{"token":"` + ada.token + `","kind":"token","id":"x"}`: 400, `{"kind":"token","id":"` + strings.Repeat("x", 300) + `"}`: 400,
		`{"kind":"session","id":"ses_none"}`: 404, `{"kind":"user","id":"usr_none"}`: 404, `{"kind":"client","id":"none"}`: 404, `{"kind":"key","id":"none"}`: 404,
	} {
		if a := op.do("POST", "/v1/admin/revocations", body); a.status != status {
			t.Errorf("%s: status %d, want %d: %s", body, a.status, status, a.text)
		}
	}
}

func TestSessions(t *testing.T) {
	s := start(t)
	op := s.operator()
	id := s.user("ada@example.com")
	ada, root := s.as("ada@example.com"), s.as(adminMail)
	if got := op.do("GET", "/v1/admin/sessions", "").ok().column("user_id"); len(got) != 2 {
		t.Errorf("sessions of %v, want two", got)
	}
	mine := op.do("GET", "/v1/admin/sessions?user_id="+id, "").ok()
	if got := mine.column("id"); len(got) != 1 || got[0] != ada.do("GET", "/v1/me", "").str("session_id") {
		t.Errorf("sessions of one user: %s", mine.text)
	}
	if strings.Contains(mine.text, "hash") {
		t.Errorf("the list shows a hash: %s", mine.text)
	}
	op.do("DELETE", "/v1/admin/sessions/"+mine.column("id")[0], "").ok()
	ada.do("GET", "/v1/me", "").is(401, "invalid_token")
	root.do("GET", "/v1/me", "").ok()
	op.do("DELETE", "/v1/admin/sessions/ses_none", "").is(404, "not_found")
}

func TestAudit(t *testing.T) {
	s := start(t)
	root := s.as(adminMail)
	id := root.do("POST", "/v1/admin/users", `{"email":"ada@example.com","password":"`+password+`","name":"<img src=x>"}`).is(201, "").str("id")
	events := root.do("GET", "/v1/admin/audit?q="+id, "").ok()
	if got := events.column("action"); len(got) != 1 || got[0] != "user.create" {
		t.Errorf("events about the user: %s", events.text)
	}
	if got := events.column("actor")[0]; got != root.do("GET", "/v1/me", "").str("id") {
		t.Errorf("the actor is %q", got)
	}
	if got := events.column("address")[0]; got != "192.0.2.1" {
		t.Errorf("the address is %q", got)
	}
	s.stranger().do("POST", "/v1/login", `{"email":"ada@example.com","password":"wrong password"}`).is(401, "invalid_credentials")
	s.lesser("reader", "writ:keys.read").do("GET", "/v1/admin/users", "").is(403, "forbidden")
	s.user("bob@example.com")
	bob := s.as("bob@example.com")
	for range 5 { // who is no administrator can't fill the audit
		bob.do("GET", "/v1/admin/users", "").is(403, "forbidden")
	}
	if got := root.do("GET", "/v1/admin/audit?q=admin.refused", "").ok().column("verdict"); len(got) != 1 {
		t.Errorf("%d refusals at the door in the audit, want 1", len(got))
	}
	all := root.do("GET", "/v1/admin/audit?limit=200", "").ok()
	if !strings.Contains(all.text, "admin.refused") || !strings.Contains(all.text, "refused") {
		t.Errorf("refusals are missing: %s", all.text)
	}
	for _, secret := range []string{password, ".eyJ", "argon2"} {
		if strings.Contains(all.text, secret) {
			t.Errorf("the audit contains %q", secret)
		}
	}
}

// Who was given which right, and by which change, is in the audit.
func TestAuditSaysWhatChanged(t *testing.T) {
	s := start(t)
	op := s.operator()
	role := op.do("POST", "/v1/admin/roles", `{"name":"clerk","permissions":["orders.read","orders.write"]}`).is(201, "").str("id")
	op.do("PATCH", "/v1/admin/roles/clerk", `{"permissions":["orders.refund","orders.read"]}`).ok()
	id := op.do("POST", "/v1/admin/users", `{"email":"ada@example.com","roles":["clerk"]}`).is(201, "").str("id")
	org := op.do("POST", "/v1/admin/orgs", `{"slug":"acme"}`).is(201, "").str("id")
	op.do("PUT", "/v1/admin/orgs/acme/members/"+id, `{"roles":["clerk"]}`).ok()
	op.do("DELETE", "/v1/admin/orgs/acme/members/"+id, "").ok()
	op.do("PATCH", "/v1/admin/users/"+id, `{"roles":["writ:admin"],"email":"countess@example.com","email_verified":false,"claims":{"plan":"secret plan"}}`).ok()
	op.do("PATCH", "/v1/admin/users/"+id, `{"disabled":true}`).ok()
	op.do("PATCH", "/v1/admin/users/"+id, `{"disabled":false,"name":"Ada"}`).ok()
	for target, want := range map[string][]string{
		role: {"permissions +orders.refund -orders.write", "permissions +orders.read +orders.write"},
		id: {"name, enabled", "disabled", "email, email_verified, claims, roles +writ:admin -clerk",
			org + ", roles -clerk", org + ", roles +clerk", "roles +clerk"},
	} {
		if got := op.do("GET", "/v1/admin/audit?q="+target, "").ok().column("reason"); !slices.Equal(got, want) {
			t.Errorf("reasons %q, want %q", got, want)
		}
	}
}

func TestKeys(t *testing.T) {
	s := start(t)
	keys := s.operator().do("GET", "/v1/admin/keys", "").ok()
	if got := keys.column("algorithm"); len(got) != 1 || got[0] != "ES256" || keys.column("state")[0] != "signing" {
		t.Errorf("keys %s", keys.text)
	}
	for _, private := range []string{"sealed", "PRIVATE", `"d"`, "public"} {
		if strings.Contains(keys.text, private) {
			t.Errorf("the list contains %q: %s", private, keys.text)
		}
	}
}

// TestRotateKeys announces, and ends what was compromised.
func TestRotateKeys(t *testing.T) {
	s := start(t)
	old := s.operator().do("GET", "/v1/admin/keys", "").ok().column("kid")[0]
	next := s.operator().do("POST", "/v1/admin/keys/rotate", "{}").is(202, "")
	if again := s.operator().do("POST", "/v1/admin/keys/rotate", "").is(202, ""); again.str("kid") != next.str("kid") || next.str("kid") == old {
		t.Errorf("announced %s, then %s", next.text, again.text)
	}
	if from, err := time.Parse(time.RFC3339, next.str("signs_from")); err != nil || time.Until(from) < 23*time.Hour {
		t.Errorf("signs_from %q: %v", next.str("signs_from"), err)
	}
	s.operator().do("POST", "/v1/admin/keys/rotate", `{"algorithm":"HS256"}`).is(400, "invalid_request")
	s.operator().do("POST", "/v1/admin/keys/rotate", `{"compromised":"none"}`).is(404, "not_found")
	s.operator().do("POST", "/v1/admin/keys/rotate", `{"compromised":"x","algorithm":"ES256"}`).is(400, "invalid_request")
	after := s.operator().do("POST", "/v1/admin/keys/rotate", `{"compromised":"`+old+`"}`).is(202, "")
	if after.str("kid") != next.str("kid") {
		t.Errorf("after the compromise %s signs, not the announced %s", after.str("kid"), next.str("kid"))
	}
	api := s.operator().do("POST", "/v1/admin/apis", `{"audience":"https://hs.example.com","algorithm":"HS256"}`).is(201, "")
	second := s.operator().do("POST", "/v1/admin/apis/"+api.str("id")+"/secrets", `{"signs_in":60}`).is(201, "")
	if second.str("secret") == "" || second.str("secret") == api.str("secret") {
		t.Errorf("second secret: %s", second.text)
	}
	s.operator().do("POST", "/v1/admin/apis/"+api.str("id")+"/secrets", "").is(409, "conflict")
	keeper := s.lesser("keeper", "writ:keys.write")
	if got := keeper.do("POST", "/v1/admin/keys/rotate", `{"compromised":"all"}`).is(403, "forbidden"); strings.Contains(got.text, "secret") {
		t.Errorf("who may not change APIs is shown their secrets: %s", got.text)
	}
	all := s.operator().do("POST", "/v1/admin/keys/rotate", `{"compromised":"all"}`).is(202, "")
	if !strings.Contains(all.text, `"audience":"https://hs.example.com","secret":"`) || strings.Contains(all.text, api.str("secret")) {
		t.Errorf("after all: %s", all.text)
	}
}
