package admin_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/writ-auth/writ/server/internal/admin"
	"github.com/writ-auth/writ/server/internal/directory"
)

// paths makes a request of every route.
func eachRoute(visit func(method, path string)) {
	for _, pattern := range admin.Routes() {
		method, path, _ := strings.Cut(pattern, " ")
		visit(method, strings.NewReplacer("{id}", "some_id", "{user_id}", "usr_some").Replace(path))
	}
}

func TestEveryRouteNeedsAnAdministrator(t *testing.T) {
	s := start(t)
	s.user("ada@example.com")
	s.operator().do("POST", "/v1/admin/apis", `{"audience":"https://orders.example.com"}`).is(201, "")
	api := s.stranger().do("POST", "/v1/login", `{"email":"`+adminMail+`","password":"`+password+`","audience":"https://orders.example.com"}`).ok()
	ada, forAPI := s.as("ada@example.com"), caller{t, s.app.Handler(), api.str("access_token")}
	refresh := caller{t, s.app.Handler(), api.str("refresh_token")}
	eachRoute(func(method, path string) {
		body := ""
		if method != "GET" && method != "DELETE" {
			body = "{}"
		}
		s.stranger().do(method, path, body).is(401, "unauthenticated")
		ada.do(method, path, body).is(403, "forbidden")
		forAPI.do(method, path, body).is(401, "invalid_token")
		refresh.do(method, path, body).is(401, "invalid_token")
		for _, name := range []string{"X-Operator", "X-Writ-Operator", "X-Forwarded-User", "X-Auth-Request-User", "X-Remote-User"} {
			s.stranger().do(method, path, body, func(r *http.Request) { r.Header.Set(name, "operator") }).is(401, "unauthenticated")
		}
	})
}

func TestRolesAreReadAtEachRequest(t *testing.T) {
	s := start(t)
	id := s.user("second@example.com", "writ:admin")
	second := s.as("second@example.com")
	second.do("GET", "/v1/admin/users", "").ok()
	s.operator().do("PATCH", "/v1/admin/users/"+id, `{"roles":[]}`).ok()
	second.do("GET", "/v1/admin/users", "").is(401, "invalid_token") // losing a role ends the session
	s.as("second@example.com").do("GET", "/v1/admin/users", "").is(403, "forbidden")
}

func TestRemovedPermissionCountsAtOnce(t *testing.T) {
	s := start(t)
	reader := s.lesser("reader", directory.UsersRead)
	reader.do("GET", "/v1/admin/users", "").ok()
	s.operator().do("PATCH", "/v1/admin/roles/reader", `{"permissions":[]}`).ok()
	reader.do("GET", "/v1/admin/users", "").is(403, "forbidden")
}

// Each finer permission opens its own routes and no others.
func TestFinerPermissions(t *testing.T) {
	s := start(t)
	reads := map[string]string{
		directory.UsersRead: "/v1/admin/users", directory.RolesRead: "/v1/admin/roles", directory.OrgsRead: "/v1/admin/orgs",
		directory.APIsRead: "/v1/admin/apis", directory.ClientsRead: "/v1/admin/clients", directory.SessionsRead: "/v1/admin/sessions",
		directory.AuditRead: "/v1/admin/audit", directory.KeysRead: "/v1/admin/keys",
	}
	for permission := range reads {
		name := strings.NewReplacer("writ:", "", ".", "-").Replace(permission)
		who := s.lesser(name, permission)
		for other, path := range reads {
			if a := who.do("GET", path, ""); (a.status == 200) != (other == permission) {
				t.Errorf("with %s: %s answers %d", permission, a.what, a.status)
			}
		}
		who.do("POST", "/v1/admin/users", `{"email":"x@example.com"}`).is(403, "forbidden")
		who.do("POST", "/v1/admin/revocations", `{"kind":"token","id":"x"}`).is(403, "forbidden")
	}
}

func TestLesserAdministratorsDontRise(t *testing.T) {
	s := start(t)
	op := s.operator()
	op.do("POST", "/v1/admin/roles", `{"name":"billing","permissions":["invoices.pay"]}`).is(201, "")
	op.do("POST", "/v1/admin/roles", `{"name":"plain","permissions":[]}`).is(201, "")
	op.do("POST", "/v1/admin/orgs", `{"slug":"acme","name":"Acme"}`).is(201, "")
	root := op.do("GET", "/v1/admin/users?q="+adminMail, "").ok().column("id")[0]
	clerk, plain := s.user("clerk@example.com", "billing"), s.user("plain@example.com")
	member := s.user("member@example.com")
	op.do("PUT", "/v1/admin/orgs/acme/members/"+member, `{"roles":["billing"]}`).ok()

	who := s.lesser("helpdesk", directory.UsersRead, directory.UsersWrite, directory.RolesRead, directory.RolesWrite,
		directory.OrgsWrite, directory.SessionsWrite, directory.RevocationsWrite, directory.ClientsWrite, directory.APIsWrite)
	self := who.do("GET", "/v1/me", "").ok().str("id")

	for _, call := range []struct{ method, path, body string }{
		// grant
		{"POST", "/v1/admin/users", `{"email":"x@example.com","password":"` + password + `","roles":["writ:admin"]}`},
		{"POST", "/v1/admin/users", `{"email":"x@example.com","password":"` + password + `","roles":["billing"]}`},
		{"PATCH", "/v1/admin/users/" + self, `{"roles":["helpdesk","writ:admin"]}`},
		{"PATCH", "/v1/admin/users/" + self, `{"roles":["helpdesk","billing"]}`},
		{"PATCH", "/v1/admin/users/" + plain, `{"roles":["billing"]}`},
		{"PUT", "/v1/admin/orgs/acme/members/" + self, `{"roles":["billing"]}`},
		{"PUT", "/v1/admin/orgs/acme/members/" + root, `{"roles":[]}`},
		// make or stretch a role
		{"POST", "/v1/admin/roles", `{"name":"god","permissions":["writ:admin"]}`},
		{"POST", "/v1/admin/roles", `{"name":"payer","permissions":["invoices.pay"]}`},
		{"PATCH", "/v1/admin/roles/helpdesk", `{"permissions":["writ:users.write","writ:admin"]}`},
		{"PATCH", "/v1/admin/roles/plain", `{"permissions":["writ:keys.write"]}`},
		{"PATCH", "/v1/admin/roles/billing", `{"permissions":[]}`},
		{"DELETE", "/v1/admin/roles/billing", ""},
		{"PATCH", "/v1/admin/roles/writ:admin", `{"permissions":[]}`},
		{"DELETE", "/v1/admin/roles/writ:admin", ""},
		// edit or reset who is above
		{"PATCH", "/v1/admin/users/" + root, `{"password":"` + password + `2"}`},
		{"PATCH", "/v1/admin/users/" + root, `{"email":"mine@example.com"}`},
		{"PATCH", "/v1/admin/users/" + root, `{"disabled":true}`},
		{"PATCH", "/v1/admin/users/" + root, `{"name":"x"}`},
		{"DELETE", "/v1/admin/users/" + root, ""},
		{"PATCH", "/v1/admin/users/" + clerk, `{"password":"` + password + `2"}`},
		{"DELETE", "/v1/admin/users/" + clerk, ""},
		{"PATCH", "/v1/admin/users/" + member, `{"password":"` + password + `2"}`},
		{"PUT", "/v1/admin/orgs/acme/members/" + member, `{"roles":[]}`},
		{"DELETE", "/v1/admin/orgs/acme/members/" + member, ""},
		{"DELETE", "/v1/admin/orgs/acme", ""},
		// sign out who is above, or everybody
		{"POST", "/v1/admin/revocations", `{"kind":"user","id":"` + root + `"}`},
		{"POST", "/v1/admin/revocations", `{"kind":"client","id":"writ"}`},
		{"POST", "/v1/admin/revocations", `{"kind":"key","id":"any"}`},
		// the sign-in itself
		{"PATCH", "/v1/admin/clients/writ", `{"allowed_origins":["https://evil.example"]}`},
		{"PATCH", "/v1/admin/clients/writ", `{"disabled":true}`},
		{"DELETE", "/v1/admin/clients/writ", ""},
	} {
		a := who.do(call.method, call.path, call.body)
		if a.status != 403 || a.body["code"] != "forbidden" {
			t.Errorf("%s %s: status %d, want 403 forbidden: %s", a.what, call.body, a.status, a.text)
		}
	}
	session := op.do("GET", "/v1/admin/sessions?user_id="+s.signedIn(root), "").ok().column("id")[0]
	who.do("DELETE", "/v1/admin/sessions/"+session, "").is(403, "forbidden")
	who.do("POST", "/v1/admin/revocations", `{"kind":"session","id":"`+session+`"}`).is(403, "forbidden")

	// Nothing of it happened, and all of it was noted.
	s.as(adminMail).do("GET", "/v1/admin/users/"+root, "").ok().has("disabled", "false").has("name", `""`)
	who.do("GET", "/v1/me", "").ok().has("roles", `["helpdesk"]`)
	refused := 0
	for _, verdict := range op.do("GET", "/v1/admin/audit?q=user.update&limit=200", "").ok().column("verdict") {
		if verdict == "refused" {
			refused++
		}
	}
	if refused != 9 {
		t.Errorf("%d refusals of user.update in the audit, want 9", refused)
	}

	// What is within reach works.
	who.do("PATCH", "/v1/admin/users/"+plain, `{"password":"`+password+`2","roles":["helpdesk","plain"]}`).ok()
	who.do("POST", "/v1/admin/roles", `{"name":"reader","permissions":["writ:users.read"]}`).is(201, "")
	who.do("POST", "/v1/admin/users", `{"email":"new@example.com","roles":["reader"]}`).is(201, "")
	who.do("POST", "/v1/admin/revocations", `{"kind":"user","id":"`+plain+`"}`).ok()
}

// signedIn makes sure that the administrator has a session.
func (s *server) signedIn(id string) string {
	s.t.Helper()
	s.as(adminMail)
	return id
}

func TestTheLastAdministratorStays(t *testing.T) {
	s := start(t)
	op := s.operator()
	root := op.do("GET", "/v1/admin/users", "").ok().column("id")[0]
	last := func() {
		t.Helper()
		for _, body := range []string{`{"disabled":true}`, `{"roles":[]}`, `{"roles":["writ:admin"],"disabled":true}`} {
			op.do("PATCH", "/v1/admin/users/"+root, body).is(403, "forbidden")
		}
		op.do("DELETE", "/v1/admin/users/"+root, "").is(403, "forbidden")
	}
	last()
	off := s.user("second@example.com", "writ:admin")
	op.do("PATCH", "/v1/admin/users/"+off, `{"disabled":true}`).ok()
	last() // a disabled one is no administrator
	op.do("PATCH", "/v1/admin/users/"+off, `{"disabled":false}`).ok()

	// Both at once: one stays.
	answers := make(chan int)
	for _, id := range []string{root, off} {
		go func() { answers <- op.do("DELETE", "/v1/admin/users/"+id, "").status }()
	}
	if got := []int{<-answers, <-answers}; !slices.Contains(got, 200) || !slices.Contains(got, 403) {
		t.Errorf("statuses %v, want one 200 and one 403", got)
	}
}

func TestTheReservedRoleStays(t *testing.T) {
	s := start(t)
	op := s.operator()
	op.do("PATCH", "/v1/admin/roles/writ:admin", `{"permissions":[]}`).is(403, "forbidden")
	op.do("DELETE", "/v1/admin/roles/writ:admin", "").is(403, "forbidden")
	for _, name := range []string{"writ:admin", "writ:other", "WRIT:admin", "Writ:x", "rol_x", "a b", "a,b", "", "a\u001fb", "writ:"} {
		body := strings.ReplaceAll(`{"name":"NAME"}`, "NAME", strings.ReplaceAll(name, "\u001f", `\u001f`))
		op.do("POST", "/v1/admin/roles", body).is(400, "invalid_request")
	}
	op.do("POST", "/v1/admin/roles", `{"name":"x","permissions":["writ:everything"]}`).is(400, "invalid_request")
	op.do("POST", "/v1/admin/roles", `{"name":"admin","permissions":["writ:admin","orders.read"]}`).is(201, "")
	op.do("POST", "/v1/admin/roles", `{"name":"admin"}`).is(409, "conflict")
	op.do("PATCH", "/v1/admin/roles/admin", `{"name":"other"}`).is(400, "invalid_request")
}

func TestRefusedBodies(t *testing.T) {
	s := start(t)
	op := s.operator()
	for _, path := range []string{"users", "roles", "orgs", "apis", "clients", "revocations"} {
		path = "/v1/admin/" + path
		op.do("POST", path, "").is(400, "invalid_request")
		op.do("POST", path, `{"unknown":1}`).is(400, "invalid_request")
		op.do("POST", path, `{"name":"a","name":"b"}`).is(400, "invalid_request")
		op.do("POST", path, `[]`).is(400, "invalid_request")
		op.do("POST", path, strings.Repeat(" ", 70_000)+"{}").is(413, "too_large")
		op.do("POST", path, "{}", func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }).is(415, "unsupported_media_type")
	}
	for _, q := range []string{"limit=0", "limit=201", "curser=x", "q=a&q=b", "cursor=" + strings.Repeat("x", 600)} {
		op.do("GET", "/v1/admin/users?"+q, "").is(400, "invalid_request")
	}
	op.do("GET", "/v1/admin/nothing", "").is(404, "not_found")
	op.do("PUT", "/v1/admin/users", "{}").is(405, "method_not_allowed")
}
