package oauth_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
)

// What a client gets for a person is good for what it was made for.
func TestClientTokensAreNotTheSignIn(t *testing.T) {
	s := start(t)
	app := s.appClient("app", `,"skip_consent":true,"scope":"openid profile roles permissions"`)
	b := s.browser()
	page := b.own(b.get(app.request("scope", "openid profile roles permissions")))
	a := b.own(b.post("/login", "ticket", page.hidden("ticket"), "login", adminMail, "password", password))
	out := s.redeem(app, s.hide(a.back().Get("code"))).is(200)
	token := out.str("access_token")

	// The person is the administrator; the application is not.
	for _, path := range []string{"/v1/me", "/v1/sessions", "/v1/consents", "/v1/admin/users", "/v1/admin/keys"} {
		if a := s.send("GET", path, "", "", bearer(token)); a.status != 401 {
			t.Errorf("%s: status %d: %s", path, a.status, a.text)
		}
	}
	s.send("POST", "/v1/logout-all", "", "", bearer(token)).is(401)
	if a := s.send("POST", "/v1/refresh", "application/json", `{"refresh_token":"`+out.str("refresh_token")+`"}`); a.status != 401 {
		t.Errorf("the sign-in's refresh: %d", a.status)
	}
	for _, wrong := range []string{out.str("id_token"), out.str("refresh_token"), s.signIn(orders).str("access_token")} {
		if a := s.send("GET", "/oauth/userinfo", "", "", bearer(wrong)); a.status != 401 || !strings.Contains(a.header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("userinfo for another kind: %d %s", a.status, a.header.Get("WWW-Authenticate"))
		}
	}
	if a := s.send("GET", "/oauth/userinfo", "", "", bearer(s.signIn("").str("access_token"))); a.status != 403 || !strings.Contains(a.header.Get("WWW-Authenticate"), "insufficient_scope") {
		t.Errorf("without openid: %d %s", a.status, a.header.Get("WWW-Authenticate"))
	}
	s.send("GET", "/oauth/userinfo?access_token="+token, "", "").is(401)
	s.send("POST", "/oauth/userinfo", formType, form("access_token", token)).is(401)
	s.send("POST", "/oauth/userinfo", formType, "", bearer(token)).is(200)
	claims, err := s.accessToken(issuer, token)
	if err != nil || len(claims.Roles) != 0 || len(claims.Permissions) != 0 {
		t.Errorf("roles at Writ itself: %+v %v", claims, err)
	}
	// A log-out with it ends what the application has, and nothing else.
	s.send("POST", "/v1/logout", "", "", bearer(token)).is(200)
	s.send("GET", "/oauth/userinfo", "", "", bearer(token)).is(401)
	b.code(app)
}

// A third party sees of a person what its scopes say, and custom claims never.
func TestThirdPartiesSeeTheirScopes(t *testing.T) {
	s := start(t)
	s.admin("POST", "/v1/admin/roles", `{"name":"editor","permissions":["orders.read"]}`).is(201)
	id := s.person()
	s.admin("PATCH", "/v1/admin/users/"+id, `{"roles":["editor"],"claims":{"plan":"pro"}}`).is(200)
	third := s.appClient("third", `,"scope":"openid read","audiences":["`+orders+`"]`)
	ours := s.appClient("ours", `,"scope":"openid read","audiences":["`+orders+`"],"skip_consent":true`)
	b := s.browser()
	for _, c := range []service{third, ours} {
		token := s.redeem(c, b.code(c, "scope", "openid read")).is(200).str("access_token")
		claims, err := s.accessToken(orders, token)
		if err != nil {
			t.Fatal(err)
		}
		payload := payloadOf(t, token)
		if all := c.id == "ours"; (claims.Name != "") != all || (len(claims.Roles) == 1) != all ||
			strings.Contains(payload, "plan") != all || strings.Contains(payload, "email") != all {
			t.Errorf("%s: %s", c.id, payload)
		}
	}
}

// Refresh tokens belong to their client, may narrow and never widen (RFC 6749,
// section 6; RFC 9700, section 4.14).
func TestClientRefresh(t *testing.T) {
	s := start(t)
	s.person()
	app := s.appClient("app", `,"scope":"openid read write","audiences":["`+orders+`"],"skip_consent":true`)
	other := s.appClient("other", `,"audiences":["`+orders+`"],"skip_consent":true`)
	public := s.appClient("public", `,"token_endpoint_auth_method":"none","audiences":["`+orders+`"],"skip_consent":true`)
	once := s.appClient("once", `,"grant_types":["authorization_code"],"skip_consent":true`)
	b := s.browser()
	first := s.redeem(app, b.code(app, "scope", "openid read")).is(200)
	token := first.str("refresh_token")
	s.refreshAs(other, token).fails(400, "invalid_grant")
	s.refreshAs(public, token).fails(400, "invalid_grant")
	s.refreshAs(service{id: "app"}, token).fails(401, "invalid_client")
	s.refreshAs(app, token+"x").fails(400, "invalid_grant")
	s.refreshAs(app, first.str("id_token")).fails(400, "invalid_grant")
	s.refreshAs(app, "").fails(400, "invalid_request")
	s.refreshAs(app, s.signIn(orders).str("refresh_token")).fails(400, "invalid_grant")
	s.refreshAs(app, token, "scope", "openid read write").fails(400, "invalid_scope")
	s.refreshAs(app, token, "resource", stock).fails(400, "invalid_target")
	narrow := s.refreshAs(app, token, "scope", "read").is(200)
	if narrow.str("scope") != "read" || narrow.body["id_token"] != nil {
		t.Errorf("narrowed: %s", narrow.text)
	}
	if claims, err := s.accessToken(orders, narrow.str("access_token")); err != nil || strings.Join(claims.Scope, " ") != "read" {
		t.Errorf("narrowed token %+v %v", claims, err)
	}
	wide := s.refreshAs(app, narrow.str("refresh_token")).is(200)
	if wide.str("scope") != "openid read" {
		t.Errorf("afterwards %s", wide.text)
	}
	// Used before: one of two is a thief, and both are out; other clients stay.
	theirs := s.redeem(public, b.code(public)).is(200)
	s.advance(time.Minute)
	s.refreshAs(app, token).fails(400, "invalid_grant")
	s.refreshAs(app, wide.str("refresh_token")).fails(400, "invalid_grant")
	if s.alive(wide.str("access_token")) {
		t.Error("the access token outlives the theft")
	}
	s.refreshAs(public, theirs.str("refresh_token")).is(200)
	// What the administrator takes from the client is gone at the next refresh.
	again := s.redeem(app, b.code(app, "scope", "openid read write")).is(200)
	s.admin("PATCH", "/v1/admin/clients/app", `{"scope":"openid read"}`).is(200)
	if got := s.refreshAs(app, again.str("refresh_token")).is(200).str("scope"); got != "openid read" {
		t.Errorf("scope %q", got)
	}
	if a := s.redeem(once, b.code(once)).is(200); a.body["refresh_token"] != nil {
		t.Errorf("a client without the grant got %s", a.text)
	}
}

// The client chooses the algorithm of its ID tokens among those of the key set.
func TestIDTokenAlgorithms(t *testing.T) {
	s := start(t)
	s.person()
	b := s.browser()
	for _, alg := range []jwk.Algorithm{"", jwk.ES256, jwk.ES384, jwk.PS512, jwk.EdDSA, jwk.Ed25519} {
		id := "app" + string(alg)
		app := s.appClient(id, `,"skip_consent":true,"id_token_signed_response_alg":"`+string(alg)+`"`)
		a := s.redeem(app, b.code(app)).is(200)
		s.idToken(app, a.str("id_token"), "n-1")
		want := alg
		if want == "" {
			want = jwk.RS256
		}
		if header := headerOf(t, a.str("id_token")); !strings.Contains(header, `"alg":"`+string(want)+`"`) || !strings.Contains(header, `"typ":"JWT"`) {
			t.Errorf("%s: header %s", want, header)
		}
	}
	for _, alg := range []string{"none", "HS256", "rs256"} {
		s.admin("POST", "/v1/admin/clients", `{"client_id":"x","redirect_uris":["`+callback+`"],"id_token_signed_response_alg":"`+alg+`"}`).is(400)
	}
}

// An API that the administrator takes from a client is gone for it: at the next
// refresh, for a code that is under way, and for a device that has been allowed.
// So is a scope; and a token that had some never becomes one without any.
func TestTakenFromClient(t *testing.T) {
	s := start(t)
	s.person()
	b := s.browser()
	all, kept := `{"audiences":["`+orders+`","`+stock+`"],"scope":"openid read write"}`, `{"audiences":["`+stock+`"]}`
	app := s.appClient("app", `,"skip_consent":true`)
	tv := s.deviceClient("tv", `,"token_endpoint_auth_method":"none"`)
	give := func(what string) {
		t.Helper()
		s.admin("PATCH", "/v1/admin/clients/app", what).is(200)
		s.admin("PATCH", "/v1/admin/clients/tv", what).is(200)
	}
	allowed := func() string {
		t.Helper()
		a := s.begin(tv, "audience", orders, "scope", "read write").is(200)
		ask := b.own(b.post("/device", "user_code", a.str("user_code"))).page(200, "Allow this device?")
		b.own(b.post("/device/answer", "ticket", ask.hidden("ticket"), "answer", "allow")).page(200, "Your device is signed in")
		return s.hide(a.str("device_code"))
	}
	give(all)
	token := s.redeem(app, b.code(app, "audience", orders, "scope", "read write")).is(200).str("refresh_token")
	code, device := b.code(app, "audience", orders, "scope", "read write"), allowed()

	give(kept)
	s.refreshAs(app, token).fails(400, "invalid_grant")
	s.redeem(app, code).fails(400, "invalid_grant")
	s.polls(tv, device).fails(400, "invalid_grant")
	give(`{"audiences":["` + orders + `"],"scope":"openid other"}`)
	s.refreshAs(app, token).fails(400, "invalid_grant")
	s.redeem(app, code).fails(400, "invalid_grant")
	s.polls(tv, device).fails(400, "invalid_grant")

	// Nothing of that has used anything up, and what is left is given.
	give(`{"scope":"openid write"}`)
	for what, a := range map[string]*answer{"refresh": s.refreshAs(app, token), "code": s.redeem(app, code), "device": s.polls(tv, device)} {
		if got := a.is(200).str("scope"); got != "write" {
			t.Errorf("%s: scope %q", what, got)
		}
	}
}

// An API that is made under the name of one that is gone is another one: the
// clients of the old one may ask nothing for it until somebody lets them.
func TestAnotherAPIOfTheSameName(t *testing.T) {
	s := start(t)
	s.person()
	c := s.usual("svc")
	app := s.appClient("app", `,"skip_consent":true,"scope":"openid read","audiences":["`+stock+`"]`)
	refresh := s.redeem(app, s.browser().code(app, "scope", "read")).is(200).str("refresh_token")
	s.admin("POST", "/v1/admin/apis", `{"audience":"`+stock+`"}`).is(409) // changes nothing
	s.token(c, stock)
	s.admin("DELETE", "/v1/admin/apis/"+url.PathEscape(stock), "").is(204)
	if a := s.admin("GET", "/v1/admin/clients/svc", "").is(200); strings.Contains(a.text, stock) || !strings.Contains(a.text, orders) {
		t.Errorf("after the API is gone: %s", a.text)
	}
	s.admin("POST", "/v1/admin/apis", `{"audience":"`+stock+`"}`).is(201)
	s.post("/oauth/token", []string{"grant_type", "client_credentials", "audience", stock}, c.basic()).fails(400, "invalid_target")
	s.post("/oauth/token", []string{"grant_type", "client_credentials", "resource", orders, "resource", stock}, c.basic()).fails(400, "invalid_target") // one at a time (RFC 8707, section 2)
	s.refreshAs(app, refresh).fails(400, "invalid_grant")
	s.token(c, orders)
	s.admin("PATCH", "/v1/admin/clients/svc", `{"audiences":["`+orders+`","`+stock+`"]}`).is(200)
	s.token(c, stock)
	if events := s.admin("GET", "/v1/admin/audit?q=client.update", "").is(200); strings.Count(events.text, "audiences -"+stock) != 2 {
		t.Errorf("the audit has %s", events.text)
	}
}
