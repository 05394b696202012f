package admin_test

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestUsers(t *testing.T) {
	s := start(t)
	op := s.as(adminMail)
	op.do("POST", "/v1/admin/roles", `{"name":"editor","permissions":["posts.write"]}`).is(201, "")
	made := op.do("POST", "/v1/admin/users", `{"email":"Ada@example.com","username":"ada","password":"`+password+`","name":"Ada","roles":["editor"],"claims":{"plan":"pro"}}`).is(201, "")
	id := made.str("id")
	if !strings.HasPrefix(id, "usr_") {
		t.Errorf("id %q", id)
	}
	made.has("email", `"Ada@example.com"`).has("email_verified", "true").has("roles", `["editor"]`).has("claims", `{"plan":"pro"}`).
		has("disabled", "false").has("has_password", "true")
	want := []string{"claims", "created_at", "disabled", "email", "email_verified", "has_password", "id", "must_change_password", "name", "roles", "updated_at", "username"}
	if got := slices.Sorted(maps.Keys(made.body)); !slices.Equal(got, want) {
		t.Errorf("members %v, want %v", got, want)
	}
	path := "/v1/admin/users/" + id
	op.do("GET", path, "").ok().has("username", `"ada"`)
	op.do("PATCH", path, `{"name":"Countess"}`).ok().has("name", `"Countess"`).has("claims", `{"plan":"pro"}`).has("roles", `["editor"]`)
	op.do("PATCH", path, `{"email":"lovelace@example.com","email_verified":false}`).ok().has("email_verified", "false")
	op.do("PATCH", path, `{"email_verified":true}`).ok().has("email_verified", "true")
	op.do("PATCH", path, `{"claims":{}}`).ok().has("claims", `{}`)
	op.do("PATCH", path, `{"username":""}`).ok().has("username", `""`)
	op.do("PATCH", path, `{"email":""}`).is(400, "invalid_request")
	op.do("POST", "/v1/admin/users", `{"email":"LOVELACE@example.com"}`).is(409, "conflict").has("field", `"email"`)
	op.do("GET", "/v1/admin/users/usr_nobody", "").is(404, "not_found")
	op.do("PATCH", "/v1/admin/users/usr_nobody", `{}`).is(404, "not_found")
	if got := op.do("GET", "/v1/admin/users?q=LOVE", "").ok().column("id"); !slices.Equal(got, []string{id}) {
		t.Errorf("q=LOVE finds %v", got)
	}
	op.do("DELETE", path, "").ok()
	op.do("DELETE", path, "").is(404, "not_found")
	op.do("GET", path, "").is(404, "not_found")
	op.do("POST", "/v1/admin/users", `{"email":"none@example.com"}`).is(201, "").has("has_password", "false")
	s.stranger().do("POST", "/v1/login", `{"email":"none@example.com","password":"`+password+`"}`).is(401, "invalid_credentials")
}

func TestUserRefusals(t *testing.T) {
	s := start(t)
	op := s.operator()
	id := s.user("ada@example.com")
	for _, body := range []string{
		`{"email":"x"}`, `{"email":"x@y@z"}`, `{"email":"a b@example.com"}`, `{"email":"a\u0000@example.com"}`, `{"username":"a@b"}`, `{"username":"a b"}`,
		`{"name":"a\u001b[2Jb"}`, `{"name":"a\r\nX: y"}`, `{"name":"` + strings.Repeat("a", 257) + `"}`,
		`{"id":"usr_chosen"}`, `{"epoch":"x"}`, `{"password_hash":"x"}`, `{"mark":0}`, `{"created_at":"2020-01-01T00:00:00Z"}`, `{"has_password":true}`,
		`{"roles":["nobody"]}`, `{"roles":["rol_x"]}`, `{"roles":["writ:admin","writ:admin"]}`, `{"roles":"writ:admin"}`, `{"roles":null}`,
		`{"claims":[]}`, `{"claims":null}`, `{"claims":"x"}`, `{"claims":{"sub":"x"}}`, `{"claims":{"roles":["admin"]}}`, `{"claims":{"writ:x":1}}`,
		`{"claims":{"writ_x":1}}`, `{"claims":{"cnf":{}}}`, `{"claims":{"":1}}`, `{"claims":{"a":1,"a":2}}`, `{"claims":{"a":{"b":1,"b":2}}}`,
		`{"claims":{"a":"` + strings.Repeat("a", 4096) + `"}}`, `{"password":"short"}`, `{"disabled":"yes"}`,
	} {
		op.do("PATCH", "/v1/admin/users/"+id, body).is(400, "invalid_request")
	}
	op.do("GET", "/v1/admin/users/"+id, "").ok().has("email", `"ada@example.com"`).has("name", `""`).has("claims", "{}")
}

// A custom claim can't pass for what an API calls its roles.
func TestCustomClaimsAreNoRoles(t *testing.T) {
	s := start(t)
	s.operator().do("POST", "/v1/admin/apis", `{"audience":"shop","renames":{"roles":"role"}}`).is(201, "")
	id := s.user("ada@example.com")
	who := s.lesser("helpdesk", "writ:users.write")
	who.do("PATCH", "/v1/admin/users/"+id, `{"claims":{"role":["admin"]}}`).is(400, "invalid_request").has("field", `"claims"`)
	who.do("POST", "/v1/admin/users", `{"email":"x@example.com","claims":{"role":["admin"]}}`).is(400, "invalid_request")
	who.do("PATCH", "/v1/admin/users/"+id, `{"claims":{"rank":["admin"]}}`).ok()
}

// What takes rights away takes them from the tokens that are out, too.
func TestLosingRightsEndsSessions(t *testing.T) {
	s := start(t)
	op := s.operator()
	op.do("POST", "/v1/admin/roles", `{"name":"editor","permissions":["posts.write"]}`).is(201, "")
	op.do("POST", "/v1/admin/orgs", `{"slug":"acme","name":"Acme"}`).is(201, "")
	id := s.user("ada@example.com", "editor")
	path := "/v1/admin/users/" + id
	op.do("PUT", "/v1/admin/orgs/acme/members/"+id, `{"roles":["editor"]}`).ok()
	ends := func(what string, a func() *answer) {
		t.Helper()
		ada := s.as("ada@example.com")
		got := a()
		if seq, _ := got.ok().body["seq"].(float64); seq < 1 {
			t.Errorf("%s: no number of the log: %s", what, got.text)
		}
		if me := ada.do("GET", "/v1/me", ""); me.status != 401 {
			t.Errorf("after %s the session lives on: %s", what, me.text)
		}
	}
	keeps := func(what string, a func() *answer) {
		t.Helper()
		ada := s.as("ada@example.com")
		a().ok()
		if me := ada.do("GET", "/v1/me", ""); me.status != 200 {
			t.Errorf("after %s the session is over: %s", what, me.text)
		}
	}
	renews := func(what string, a func() *answer) {
		t.Helper()
		in := s.stranger().do("POST", "/v1/login", `{"email":"ada@example.com","password":"`+password+`"}`).ok()
		ada := caller{t, s.app.Handler(), in.str("access_token")}
		if seq, _ := a().ok().body["seq"].(float64); seq < 1 {
			t.Errorf("%s: no number of the log", what)
		}
		if me := ada.do("GET", "/v1/me", ""); me.status != 401 {
			t.Errorf("after %s the token lives on: %s", what, me.text)
		}
		next := s.stranger().do("POST", "/v1/refresh", `{"refresh_token":"`+in.str("refresh_token")+`"}`)
		if me := (caller{t, s.app.Handler(), next.ok().str("access_token")}).do("GET", "/v1/me", ""); me.status != 200 {
			t.Errorf("after %s and a refresh: %s", what, me.text)
		}
	}
	patch := func(body string) func() *answer {
		return func() *answer { return op.do("PATCH", path, body) }
	}
	keeps("a new name", patch(`{"name":"Ada"}`))
	keeps("the same roles", patch(`{"roles":["editor"]}`))
	renews("losing a role", patch(`{"roles":[]}`))
	keeps("a new role", patch(`{"roles":["editor"]}`))
	ends("a reset of the password", patch(`{"password":"`+password+`"}`))
	ends("disabling", patch(`{"disabled":true}`))
	op.do("PATCH", path, `{"disabled":false}`).ok()
	keeps("the same roles in an organisation", func() *answer { return op.do("PUT", "/v1/admin/orgs/acme/members/"+id, `{"roles":["editor"]}`) })
	renews("losing a role in an organisation", func() *answer { return op.do("PUT", "/v1/admin/orgs/acme/members/"+id, `{}`) })
	renews("leaving an organisation", func() *answer { return op.do("DELETE", "/v1/admin/orgs/acme/members/"+id, "") })
	ends("removal", func() *answer { return op.do("DELETE", path, "") })
}

func TestRolesAndOrgs(t *testing.T) {
	s := start(t)
	op := s.operator()
	role := op.do("POST", "/v1/admin/roles", `{"name":"editor","permissions":["posts.write","posts.read"]}`).is(201, "")
	role.has("permissions", `["posts.read","posts.write"]`)
	op.do("GET", "/v1/admin/roles/editor", "").ok().has("id", `"`+role.str("id")+`"`)
	op.do("PATCH", "/v1/admin/roles/"+role.str("id"), `{"permissions":[]}`).ok().has("permissions", "[]")
	ada := s.user("ada@example.com", "editor")

	org := op.do("POST", "/v1/admin/orgs", `{"slug":"acme","name":"Acme"}`).is(201, "")
	op.do("POST", "/v1/admin/orgs", `{"slug":"acme","name":"Other"}`).is(409, "conflict").has("field", `"slug"`)
	for _, body := range []string{`{"slug":""}`, `{"slug":"A"}`, `{"slug":"a b"}`, `{"slug":"org_x"}`, `{"slug":"a","name":"\u0007"}`} {
		op.do("POST", "/v1/admin/orgs", body).is(400, "invalid_request")
	}
	op.do("PATCH", "/v1/admin/orgs/acme", `{"name":"Acme Ltd","slug":"acme"}`).ok().has("name", `"Acme Ltd"`).has("id", `"`+org.str("id")+`"`)
	op.do("PATCH", "/v1/admin/orgs/acme", `{}`).ok().has("name", `"Acme Ltd"`)
	op.do("PATCH", "/v1/admin/orgs/acme", `{"slug":"ajax"}`).is(400, "invalid_request").has("field", `"slug"`)
	op.do("PATCH", "/v1/admin/orgs/acme", `{"name":"\u0007"}`).is(400, "invalid_request").has("field", `"name"`)
	op.do("PATCH", "/v1/admin/orgs/nowhere", `{"name":"x"}`).is(404, "not_found")
	if got := op.do("GET", "/v1/admin/orgs?q=acme%20l", "").ok().column("name"); !slices.Equal(got, []string{"Acme Ltd"}) {
		t.Errorf("organisations by the new name: %v", got)
	}
	members := "/v1/admin/orgs/" + org.str("id") + "/members"
	op.do("PUT", members+"/"+ada, `{"roles":["editor"]}`).ok().has("roles", `["editor"]`)
	op.do("PUT", members+"/"+ada, `{"roles":["writ:admin"]}`).is(400, "invalid_request")
	op.do("PUT", members+"/"+ada, `{"roles":["nobody"]}`).is(400, "invalid_request")
	op.do("PUT", members+"/usr_nobody", `{"roles":[]}`).is(404, "not_found")
	op.do("PUT", "/v1/admin/orgs/nowhere/members/"+ada, `{"roles":[]}`).is(404, "not_found")
	if got := op.do("GET", "/v1/admin/orgs/acme/members", "").ok().column("user_id"); !slices.Equal(got, []string{ada}) {
		t.Errorf("members %v", got)
	}
	op.do("GET", "/v1/admin/orgs/nowhere/members", "").is(404, "not_found")
	op.do("DELETE", members+"/"+ada, "").ok()
	op.do("DELETE", members+"/"+ada, "").is(404, "not_found")
	op.do("DELETE", "/v1/admin/orgs/acme", "").is(204, "")
	op.do("GET", "/v1/admin/orgs/acme", "").is(404, "not_found")

	op.do("DELETE", "/v1/admin/roles/editor", "").is(204, "")
	op.do("GET", "/v1/admin/users/"+ada, "").ok().has("roles", "[]")
}

func TestAPIs(t *testing.T) {
	s := start(t)
	op := s.operator()
	api := op.do("POST", "/v1/admin/apis", `{"audience":"https://orders.example.com","name":"Orders","algorithm":"EdDSA","access_ttl":60,"scopes":["orders.read"],"claims":["roles"],"renames":{"roles":"role"}}`).is(201, "")
	api.has("secret", "null").has("algorithm", `"EdDSA"`).has("access_ttl", "60").has("claims", `["roles"]`).has("renames", `{"roles":"role"}`)
	path := "/v1/admin/apis/" + api.str("id")
	op.do("GET", path, "").ok().has("audience", `"https://orders.example.com"`)
	op.do("GET", "/v1/admin/apis/https:%2F%2Forders.example.com", "").ok().has("id", `"`+api.str("id")+`"`)
	op.do("PATCH", path, `{"access_ttl":0,"algorithm":"ES256"}`).ok().has("access_ttl", "null").has("algorithm", `"ES256"`).has("claims", `["roles"]`)
	op.do("PATCH", path, `{"audience":"https://other.example.com"}`).is(400, "invalid_request")
	op.do("PATCH", path, `{"algorithm":"HS256"}`).is(400, "invalid_request").has("field", `"algorithm"`)
	op.do("POST", "/v1/admin/apis", `{"audience":"https://orders.example.com"}`).is(409, "conflict")

	hs := op.do("POST", "/v1/admin/apis", `{"audience":"legacy","algorithm":"HS256"}`).is(201, "")
	if raw, err := base64.RawURLEncoding.DecodeString(hs.str("secret")); err != nil || len(raw) != 32 {
		t.Errorf("secret %q is not 256 bits of base64url", hs.str("secret"))
	}
	hs.str("secret_kid")
	for _, a := range []*answer{op.do("GET", "/v1/admin/apis/"+hs.str("id"), "").ok(), op.do("GET", "/v1/admin/apis", "").ok(),
		op.do("PATCH", "/v1/admin/apis/"+hs.str("id"), `{"name":"x"}`).ok()} {
		if strings.Contains(a.text, hs.str("secret")) || strings.Contains(a.text, `"secret"`) {
			t.Errorf("%s shows the secret again", a.what)
		}
	}
	op.do("PATCH", "/v1/admin/apis/"+hs.str("id"), `{"algorithm":"RS256"}`).is(400, "invalid_request")
	login := s.stranger().do("POST", "/v1/login", `{"email":"`+adminMail+`","password":"`+password+`","audience":"legacy"}`).ok()
	caller{t, s.app.Handler(), login.str("access_token")}.do("GET", "/v1/me", "").is(401, "invalid_token")

	for _, body := range []string{
		`{}`, `{"audience":""}`, `{"audience":"` + issuer + `"}`, `{"audience":"` + issuer + `/"}`, `{"audience":"HTTP://LOCALHOST:8080"}`, `{"audience":"a b"}`, `{"audience":"api_x"}`,
		`{"audience":"a\u0000"}`, `{"audience":"` + strings.Repeat("a", 257) + `"}`,
		`{"audience":"a","algorithm":"none"}`, `{"audience":"a","algorithm":"hs256"}`, `{"audience":"a","algorithm":"ES256K"}`,
		`{"audience":"a","access_ttl":9}`, `{"audience":"a","access_ttl":86401}`, `{"audience":"a","access_ttl":-1}`, `{"audience":"a","access_ttl":1.5}`,
		`{"audience":"a","scopes":["a b"]}`, `{"audience":"a","scopes":["x","x"]}`, `{"audience":"a","scopes":["\""]}`,
		`{"audience":"a","claims":["sub"]}`, `{"audience":"a","claims":["roles","roles"]}`,
		`{"audience":"a","renames":{"roles":"sub"}}`, `{"audience":"a","renames":{"roles":"permissions"}}`, `{"audience":"a","renames":{"sub":"user"}}`,
		`{"audience":"a","renames":{"roles":"x","permissions":"x"}}`, `{"audience":"a","renames":{"roles":"a","roles":"b"}}`, `{"audience":"a","secret":"chosen"}`,
	} {
		op.do("POST", "/v1/admin/apis", body).is(400, "invalid_request")
	}
	op.do("DELETE", path, "").is(204, "")
	op.do("DELETE", path, "").is(404, "not_found")
}

func TestClients(t *testing.T) {
	s := start(t)
	op := s.operator()
	op.do("POST", "/v1/admin/apis", `{"audience":"https://orders.example.com"}`).is(201, "")
	c := op.do("POST", "/v1/admin/clients", `{"client_id":"shop","client_name":"<b>Shop</b>","redirect_uris":["https://shop.example.com/cb","http://127.0.0.1/cb","com.example.app:/cb"],"audiences":["https://orders.example.com"],"scope":" openid  email ","allowed_origins":["https://shop.example.com"]}`).is(201, "")
	c.has("client_id", `"shop"`).has("grant_types", `["authorization_code","refresh_token"]`).has("token_endpoint_auth_method", `"client_secret_basic"`).
		has("scope", `"openid email"`).has("client_secret_expires_at", "0").has("client_name", `"\u003cb\u003eShop\u003c/b\u003e"`)
	if raw, err := base64.RawURLEncoding.DecodeString(c.str("client_secret")); err != nil || len(raw) != 32 {
		t.Errorf("secret %q is not 256 bits of base64url", c.str("client_secret"))
	}
	for _, a := range []*answer{op.do("GET", "/v1/admin/clients/shop", "").ok(), op.do("GET", "/v1/admin/clients", "").ok()} {
		if strings.Contains(a.text, "client_secret\"") {
			t.Errorf("%s shows the secret again", a.what)
		}
	}
	op.do("POST", "/v1/admin/clients", `{"client_id":"shop"}`).is(409, "conflict").has("field", `"client_id"`)
	op.do("POST", "/v1/admin/clients", `{"client_id":"writ"}`).is(409, "conflict")

	machine := op.do("POST", "/v1/admin/clients", `{"client_name":"job"}`).is(201, "").has("grant_types", `["client_credentials"]`)
	if !strings.HasPrefix(machine.str("client_id"), "cli_") {
		t.Errorf("client_id %q", machine.str("client_id"))
	}
	op.do("POST", "/v1/admin/clients", `{"token_endpoint_auth_method":"none","redirect_uris":["https://spa.example.com/"]}`).is(201, "").has("client_secret", "null")
	const ed25519 = `{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"`
	const jwks = `{"keys":[` + ed25519 + `,"kid":"a"},{"kty":"NEW"}]}` // that one is for somebody else
	op.do("POST", "/v1/admin/clients", `{"token_endpoint_auth_method":"private_key_jwt","jwks":`+jwks+`}`).is(201, "").has("client_secret", "null")

	for _, body := range []string{
		`{"client_id":"usr_x"}`, `{"client_id":"USR_x"}`, `{"client_id":"Writ"}`, `{"client_id":"operator"}`, `{"client_id":"OPERATOR"}`, `{"client_id":""}`, `{"client_id":"a b"}`, `{"client_id":"a/b"}`, `{"client_id":"` + strings.Repeat("a", 129) + `"}`,
		`{"client_secret":"chosen"}`, `{"epoch":"x"}`, `{"client_name":"a\nb"}`,
		`{"token_endpoint_auth_method":"tls_client_auth"}`, `{"token_endpoint_auth_method":"private_key_jwt"}`,
		`{"token_endpoint_auth_method":"none","grant_types":["client_credentials"]}`, `{"grant_types":["password"]}`, `{"grant_types":["implicit"]}`,
		`{"grant_types":["authorization_code"]}`, `{"grant_types":["client_credentials","client_credentials"]}`,
		`{"jwks":` + jwks + `,"jwks_uri":"https://a.example/jwks"}`, `{"jwks":{"keys":[{"kty":"oct","k":"AAAA"}]}}`, `{"jwks":[]}`, `{"jwks":"x"}`,
		`{"jwks":{"keys":[` + ed25519 + `},` + ed25519 + `,"kid":1}]}}`, `{"jwks":{"keys":[` + ed25519 + `},` + ed25519 + `,"kid":"b","use":null}]}}`,
		`{"jwks":{"keys":[` + ed25519 + `},{"kty":"EC","crv":"P-256","x":"AA"}]}}`, // every key would be of use, or is sent by mistake
		`{"jwks":{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]}}`,
		`{"jwks_uri":"http://internal/jwks"}`, `{"jwks_uri":"file:///etc/passwd"}`, `{"backchannel_logout_uri":"javascript:alert(1)"}`,
		`{"scope":"a\u0000"}`, `{"audiences":["https://nowhere.example"]}`, `{"audiences":["` + issuer + `"]}`, `{"claims":{"iss":"x"}}`,
	} {
		op.do("POST", "/v1/admin/clients", body).is(400, "invalid_request")
	}
	op.do("PATCH", "/v1/admin/clients/shop", `{"client_id":"other"}`).is(400, "invalid_request")
	op.do("PATCH", "/v1/admin/clients/shop", `{"disabled":true}`).ok().has("disabled", "true")
	op.do("DELETE", "/v1/admin/clients/shop", "").ok()
	op.do("GET", "/v1/admin/clients/shop", "").is(404, "not_found")

	// The sign-in itself can't be broken, even by an administrator.
	op.do("DELETE", "/v1/admin/clients/writ", "").is(403, "forbidden")
	for _, body := range []string{`{"disabled":true}`, `{"redirect_uris":["https://evil.example/"]}`, `{"token_endpoint_auth_method":"client_secret_basic"}`, `{"grant_types":[]}`} {
		if a := op.do("PATCH", "/v1/admin/clients/writ", body); a.status != 403 && a.status != 400 {
			t.Errorf("%s %s: %d", a.what, body, a.status)
		}
	}
	s.as(adminMail).do("GET", "/v1/me", "").ok()
}

func TestLists(t *testing.T) {
	s := start(t)
	op := s.operator()
	var want []string
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		want = append(want, s.user(name+"@example.com"))
	}
	var got []string
	cursor := ""
	for range 10 {
		page := op.do("GET", "/v1/admin/users?limit=2&cursor="+cursor, "").ok()
		got = append(got, page.column("id")...)
		next, more := page.body["next"].(string)
		if !more {
			break
		}
		cursor = next
	}
	slices.Sort(want)
	for _, id := range want {
		if n := strings.Count(strings.Join(got, " "), id); n != 1 {
			t.Errorf("user %s is %d times in the pages", id, n)
		}
	}
	if len(got) != len(want)+1 {
		t.Errorf("%d users in the pages, want %d", len(got), len(want)+1)
	}
	if a := op.do("GET", "/v1/admin/users?q=zzz", "").ok(); !strings.Contains(a.text, `"items":[]`) || a.body["next"] != nil {
		t.Errorf("an empty list: %s", a.text)
	}
}
