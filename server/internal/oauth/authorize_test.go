package oauth_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A redirect address that is almost the registered one, in every way that has
// been an attack: none is followed, and nothing leaves our own page (RFC 9700,
// sections 2.1 and 4.1).
func TestRedirectTricks(t *testing.T) {
	s := start(t)
	s.person()
	s.appClient("app", "")
	s.service("query", `,"redirect_uris":["https://app.example/cb?tenant=a"]`)
	s.service("native", `,"token_endpoint_auth_method":"none","redirect_uris":["http://127.0.0.1/cb","http://[::1]:1234/cb","http://localhost:3000/cb","com.example.app:/cb"]`)
	b := s.browser()
	for client, addresses := range map[string][]string{
		"app": {
			callback + "/", callback + "/more", callback + "?x=1", callback + "#f", callback + "#", callback + "%2f..", callback + "/..", callback + "/../cb",
			"https://app.example/cb\t", " " + callback, "https://app.example/CB", "https://APP.example/cb", "HTTPS://app.example/cb",
			"https://app.example:443/cb", "https://app.example:8443/cb", "https://app.example./cb", "https://evil@app.example/cb", "https://app.example@evil.example/cb",
			"https://app.example.evil.example/cb", "https://app.example%2eevil.example/cb", "https://app.example\\@evil.example/cb", "https://app.example%00.evil.example/cb",
			"http://app.example/cb", "//app.example/cb", "/cb", "cb", "https://app.example/%63b", "https://app.example//cb", "https://app.example/;/cb",
			"https://evil.example/cb?x=" + callback, "javascript:alert(1)//" + callback, "https://app.example/cb\r\nSet-Cookie: a=b",
		},
		"query": {"https://app.example/cb", "https://app.example/cb?tenant=b", "https://app.example/cb?tenant=a&x=1", "https://app.example/cb?Tenant=a"},
		"native": {"http://127.0.0.1:99999/cb", "http://127.0.0.1:0/cb", "http://127.0.0.1:/cb", "http://127.0.0.1:80@evil.example/cb", "http://127.0.0.1.evil.example/cb",
			"http://127.0.0.1:080/cb", "http://127.0.0.2/cb", "http://127.0.0.1:8080/cb/", "http://127.0.0.1:8080/other", "https://127.0.0.1/cb", "http://127.1/cb", "http://0x7f000001/cb",
			"http://[::1]:1234/other", "http://[::2]:1234/cb", "http://localhost:3001/cb", "http://localhost/cb", "com.example.app:/cb2", "com.example.app://cb", "http://127.0.0.1:+80/cb"},
	} {
		for _, address := range addresses {
			// With a mistake besides: the client must not even be told of that.
			for _, more := range [][]string{nil, {"response_type", "token"}, {"code_challenge", ""}} {
				a := b.get(service{id: client}.request(append([]string{"redirect_uri", address}, more...)...))
				if a.page(400, "This did not work"); a.header.Get("Location") != "" || strings.Contains(a.text, "evil") {
					t.Errorf("%s for %q: Location %q, %s", address, client, a.header.Get("Location"), a.text)
				}
			}
		}
	}
	for address, client := range map[string]string{"http://127.0.0.1:51004/cb": "native", "http://127.0.0.1/cb": "native", "http://[::1]:9/cb": "native",
		"http://localhost:3000/cb": "native", "com.example.app:/cb": "native", "https://app.example/cb?tenant=a": "query"} {
		a := b.get(service{id: client}.request("redirect_uri", address, "prompt", "none"))
		if !strings.HasPrefix(a.to(), address) {
			t.Errorf("%s: answered to %s", address, a.to())
		}
		a.tells("login_required")
	}
	for what, path := range map[string]string{
		"an unknown client": service{id: "none"}.request(), "no client": service{id: ""}.request(), "Writ itself": service{id: "writ"}.request(),
		"no address":     service{id: "app"}.request("redirect_uri", ""),
		"a client twice": service{id: "app"}.request() + "&client_id=app", "an address twice": service{id: "app"}.request() + "&redirect_uri=https%3A%2F%2Fevil.example",
		"a state twice": service{id: "app"}.request() + "&state=x", "a stray percent": service{id: "app"}.request() + "&x=%zz",
	} {
		if a := b.get(path).page(400, "This did not work"); a.header.Get("Location") != "" {
			t.Errorf("%s: sent to %s", what, a.header.Get("Location"))
		}
	}
	s.admin("PATCH", "/v1/admin/clients/app", `{"disabled":true}`).is(200)
	b.get(service{id: "app"}.request()).page(400, "This did not work")
}

// wrongRequests are mistakes, each a change of a good request of a client that
// may have the scope read at orders, by what the client is told.
func wrongRequests() map[string][][]string {
	return map[string][][]string{
		"unsupported_response_type": {{"response_type", "token"}, {"response_type", "code token"}, {"response_type", "id_token"}, {"response_type", "none"}},
		"invalid_request": {
			{"response_type", ""}, {"code_challenge", ""}, {"code_challenge_method", ""}, {"code_challenge_method", "plain"}, {"code_challenge_method", "s256"},
			{"code_challenge", verifier}, {"code_challenge", challengeOf("x") + "="}, {"prompt", "none login"}, {"prompt", "create"},
			{"max_age", "-1"}, {"max_age", "+5"}, {"max_age", "soon"}, {"max_age", "99999999999"}, {"response_mode", "fragment"}, {"response_mode", "web_message"},
			{"id_token_hint", "no.token.here"}, {"nonce", strings.Repeat("n", 513)}, {"login_hint", strings.Repeat("n", 321)},
		},
		"request_not_supported":      {{"request", "e30.e30."}},
		"registration_not_supported": {{"registration", "{}"}},
		"invalid_target":             {{"resource", stock}, {"resource", "https://none.example"}, {"resource", orders, "audience", stock}},
		"invalid_scope":              {{"scope", "write"}, {"scope", "writ:admin"}, {"scope", strings.Repeat("x", 1025)}},
	}
}

// Whoever only looks whether the address is there, as previews of links do, gets
// nothing made.
func TestHeadMakesNoCode(t *testing.T) {
	s := start(t)
	s.person()
	app := s.appClient("app", `,"skip_consent":true`)
	b := s.browser()
	s.hide(b.code(app))
	request := app.request("prompt", "none")
	if a := b.send("HEAD", request, ""); a.status != 405 || a.header.Get("Location") != "" || a.header.Get("Allow") != "GET, POST" {
		t.Errorf("status %d, Location %q, Allow %q", a.status, a.header.Get("Location"), a.header.Get("Allow"))
	}
	if back := b.get(request).back(); !back.Has("code") {
		t.Errorf("by GET: %v", back)
	}
}

// What is wrong with a request from a known client is told to the client, with
// its state and our name.
func TestRefusals(t *testing.T) {
	s := start(t)
	s.person()
	app := s.appClient("app", `,"audiences":["`+orders+`"],"scope":"openid read"`)
	s.appClient("machine", `,"grant_types":["client_credentials"]`)
	b := s.browser()
	for code, wrong := range wrongRequests() {
		for _, w := range wrong {
			b.get(app.request(w...)).tells(code)
			b.send("POST", "/oauth/authorize", strings.TrimPrefix(app.request(append(w, "x", "1")...), "/oauth/authorize?"),
				header("Origin", "https://app.example")).stepsTo(b, code)
		}
	}
	b.get(app.request("prompt", "none")).tells("login_required")
	b.get(app.request("request_uri", "https://169.254.169.254/")).tells("request_uri_not_supported")
	b.get(service{id: "machine"}.request()).tells("unauthorized_client")
	long := b.get(app.request("state", strings.Repeat("s", 2049)))
	if back := long.back(); back.Get("error") != "invalid_request" || back.Has("state") {
		t.Errorf("a long state: %v", back)
	}
	inject := b.get(app.request("state", "a\r\nSet-Cookie: x=y&code=evil#", "prompt", "none"))
	if back := inject.back(); back.Get("state") != "a\r\nSet-Cookie: x=y&code=evil#" || back.Has("code") || inject.header.Get("Set-Cookie") != "" {
		t.Errorf("a state of another kind: %v", inject.header)
	}
}

// stepsTo follows our own redirects to the client, who is told of an error.
func (a *answer) stepsTo(b *browser, code string) { a.t.Helper(); b.own(a).tells(code) }

// POST is as good as GET, also from another site, whose POST brings no cookie.
func TestPostedRequest(t *testing.T) {
	s := start(t)
	s.person()
	app := s.appClient("app", `,"skip_consent":true`)
	b := s.browser()
	b.code(app)
	stranger := s.browser()
	a := stranger.send("POST", "/oauth/authorize", strings.TrimPrefix(app.request(), "/oauth/authorize?"), header("Origin", "https://app.example"))
	if !strings.HasPrefix(a.to(), "/oauth/authorize/continue?ticket=") {
		t.Fatalf("sent to %s", a.to())
	}
	if code := b.get(a.to()).back().Get("code"); s.redeem(app, s.hide(code)).status != 200 {
		t.Errorf("the code was not redeemed")
	}
	posted := b.send("POST", app.request(), form("scope", "openid"))
	if posted.page(400, "This did not work"); posted.header.Get("Location") != "" {
		t.Errorf("parameters in address and body: sent to %s", posted.header.Get("Location"))
	}
}

func TestFormPost(t *testing.T) {
	s := start(t)
	s.person()
	app := s.appClient("app", `,"skip_consent":true`)
	b := s.browser()
	b.code(app)
	a := b.get(app.request("response_mode", "form_post", "state", `"><script>alert(1)</script>`)).page(200, "Continue")
	if !strings.Contains(a.text, `<form method="post" action="https://app.example/cb"`) || strings.Contains(a.text, "<script>alert") || a.hidden("iss") != issuer {
		t.Errorf("the page: %s", a.text)
	}
	if policy := a.header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' https://app.example;") || !strings.Contains(policy, "script-src 'self';") {
		t.Errorf("policy %q", policy)
	}
	s.redeem(app, s.hide(a.hidden("code"))).is(200)
	if refused := b.get(app.request("response_mode", "form_post", "scope", "none")); refused.page(200, "Continue").hidden("error") != "invalid_scope" {
		t.Errorf("an error: %s", refused.text)
	}
}

// A code is good once, for a minute, for its client, its address and its
// verifier (RFC 6749, section 4.1.3; RFC 7636; RFC 9700, section 4.5).
func TestCodeIsBound(t *testing.T) {
	s := start(t)
	s.person()
	app, other := s.appClient("app", `,"skip_consent":true,"audiences":["`+orders+`"]`), s.appClient("other", `,"skip_consent":true`)
	public := s.appClient("public", `,"skip_consent":true,"token_endpoint_auth_method":"none"`)
	b := s.browser()
	code := b.code(app)
	// What a thief of the code may try ends nothing: the client still redeems it.
	s.redeem(other, code).fails(400, "invalid_grant")
	s.redeem(public, code).fails(400, "invalid_grant")
	s.redeem(app, code, "redirect_uri", "https://app.example/cb2").fails(400, "invalid_grant")
	s.redeem(app, code, "code_verifier", verifier+"x").fails(400, "invalid_grant")
	s.redeem(app, code, "code_verifier", challengeOf(verifier)).fails(400, "invalid_grant")
	s.redeem(app, code, "code_verifier", "short").fails(400, "invalid_grant")
	s.redeem(app, code, "code_verifier", "").fails(400, "invalid_request")
	s.redeem(app, code, "redirect_uri", "").fails(400, "invalid_request")
	s.redeem(app, code+"x").fails(400, "invalid_grant")
	s.redeem(app, "").fails(400, "invalid_request")
	s.redeem(service{"app", "wrong"}, code).fails(401, "invalid_client")
	s.redeem(service{id: "app"}, code).fails(401, "invalid_client")
	s.redeem(app, code, "resource", stock).fails(400, "invalid_target")
	s.tokens(app, values([]string{"grant_type", "refresh_token", "refresh_token", code}, nil)).fails(400, "invalid_grant")
	s.send("POST", "/oauth/token?code="+code, formType, form("grant_type", "authorization_code"), app.basic()).fails(400, "invalid_request")
	s.send("POST", "/oauth/token", formType, form("grant_type", "authorization_code", "code", code, "code", code), app.basic()).fails(400, "invalid_request")
	s.send("POST", "/oauth/token", "application/json", `{"grant_type":"authorization_code"}`, app.basic()).fails(400, "invalid_request")

	a := s.redeem(app, code).is(200)
	if !s.alive(a.str("access_token")) {
		t.Fatal("the access token is not good")
	}
	// The thief comes second, without the verifier, or as somebody else: nothing.
	s.redeem(app, code, "code_verifier", verifier+"x").fails(400, "invalid_grant")
	s.redeem(other, code).fails(400, "invalid_grant")
	if !s.alive(a.str("access_token")) {
		t.Error("a stranger ended a grant with a code alone")
	}
	// A second use by who could have made the first ends what that began.
	s.redeem(app, code).fails(400, "invalid_grant")
	if s.alive(a.str("access_token")) {
		t.Error("the access token outlives the replay of its code")
	}
	s.refreshAs(app, a.str("refresh_token")).fails(400, "invalid_grant")
	if b.code(app) == "" {
		t.Error("the person was signed out")
	}

	late := b.code(app)
	s.advance(time.Minute)
	s.redeem(app, late).fails(400, "invalid_grant")
	over := b.code(app)
	s.admin("POST", "/v1/admin/revocations", `{"kind":"session","id":"`+s.sessionOf(ada)+`"}`).is(200)
	s.redeem(app, over).fails(400, "invalid_grant")
}

// sessionOf is the id of a person's one session.
func (s *server) sessionOf(mail string) string {
	s.t.Helper()
	items := s.admin("GET", "/v1/admin/sessions", "").is(200).body["items"].([]any)
	users := s.admin("GET", "/v1/admin/users?q="+mail, "").is(200).body["items"].([]any)
	for _, item := range items {
		if item := item.(map[string]any); item["user_id"] == users[0].(map[string]any)["id"] {
			return item["id"].(string)
		}
	}
	s.t.Fatal("no session")
	return ""
}

func TestRedeemAtOnce(t *testing.T) {
	s := start(t)
	s.person()
	app := s.appClient("app", `,"skip_consent":true,"audiences":["`+orders+`"]`)
	code := s.browser().code(app)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var won []string
	for range 20 {
		wg.Go(func() {
			a := s.redeem(app, code)
			if a.status == 200 {
				mu.Lock()
				won = append(won, a.str("access_token"))
				mu.Unlock()
			} else {
				a.fails(400, "invalid_grant")
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%d redemptions of one code", len(won))
	}
	if s.alive(won[0]) {
		t.Error("nineteen replays left the token alive")
	}
}

// prompt, max_age and id_token_hint decide who must do what (OpenID Connect
// Core, section 3.1.2.1).
func TestPrompts(t *testing.T) {
	s := start(t)
	s.person()
	app := s.appClient("app", `,"client_name":"App"`)
	b := s.browser()
	token := s.redeem(app, b.code(app)).is(200).str("id_token")
	s.advance(time.Minute)
	code := func(more ...string) {
		t.Helper()
		s.hide(b.get(app.request(more...)).back().Get("code"))
	}
	code()
	code("prompt", "none")
	code("max_age", "60")
	code("id_token_hint", token)
	b.get(app.request("prompt", "none", "max_age", "59")).tells("login_required")
	b.own(b.get(app.request("max_age", "59"))).page(200, "Sign in")
	b.own(b.get(app.request("prompt", "consent"))).page(200, "Allow access?")
	b.get(app.request("prompt", "none", "scope", "openid email")).tells("consent_required")

	// A sign-in for this request is fresh enough, though max_age is 0.
	s.advance(time.Second)
	for _, more := range [][]string{{"max_age", "0"}, {"prompt", "login"}} {
		s.advance(time.Second)
		a := b.signInAt(b.own(b.get(app.request(more...))))
		got := s.idToken(app, s.redeem(app, s.hide(a.back().Get("code"))).is(200).str("id_token"), "n-1")
		if got.AuthTime.Time().Unix() != s.clock().Unix() {
			t.Errorf("%v: auth_time %v, want %v", more, got.AuthTime.Time(), s.clock())
		}
	}

	s.advance(time.Second)
	choose := b.own(b.get(app.request("prompt", "select_account"))).page(200, "Sign in")
	if !strings.Contains(choose.text, "Continue as Ada Lovelace") {
		t.Errorf("no choice: %s", choose.text)
	}
	s.hide(b.own(b.post("/login", "ticket", choose.hidden("ticket"), "continue", "1")).back().Get("code"))

	// Somebody else than the hint names has to sign in as that person.
	s.admin("POST", "/v1/admin/users", `{"email":"eve@example.com","password":"`+password+`"}`).is(201)
	eve := s.browser()
	eve.post("/login", "login", "eve@example.com", "password", password).to()
	eve.get(app.request("prompt", "none", "id_token_hint", token)).tells("login_required")
	eve.own(eve.get(app.request("id_token_hint", token))).page(200, "Sign in")
}

// What a person allows is asked once, is no wider than what was shown, counts
// in the session that it was shown to, and can be taken back.
func TestConsent(t *testing.T) {
	s := start(t)
	s.person()
	app := s.appClient("app", `,"scope":"openid email read","audiences":["`+orders+`"]`)
	b := s.browser()
	page := b.signInAt(b.own(b.get(app.request("scope", "openid read")))).page(200, "Allow access?")
	ticket := page.hidden("ticket")

	b.own(b.post("/consent", "ticket", ticket, "answer", "deny")).tells("access_denied")
	b.post("/consent", "ticket", ticket).page(400, "This did not work")
	b.post("/consent", "ticket", ticket[:len(ticket)-2]+"AA", "answer", "allow").page(400, "This did not work")
	for what, change := range map[string]with{
		"another site":   func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"a sibling site": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"nobody":         func(r *http.Request) { r.Header.Del("Sec-Fetch-Site") },
		"a null origin":  func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") },
		"an evil origin": func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.example") },
	} {
		if a := b.send("POST", "/consent", form("ticket", ticket, "answer", "allow"), change); a.status != 403 {
			t.Errorf("from %s: status %d", what, a.status)
		}
	}
	// The page of one session answered in another.
	s.admin("POST", "/v1/admin/users", `{"email":"eve@example.com","password":"`+password+`"}`).is(201)
	eve := s.browser()
	eve.post("/login", "login", "eve@example.com", "password", password).to()
	eve.post("/consent", "ticket", ticket, "answer", "allow").page(403, "This did not work")

	code := b.own(b.post("/consent", "ticket", ticket, "answer", "allow")).back().Get("code")
	token := s.redeem(app, s.hide(code)).is(200)
	s.hide(b.get(app.request("scope", "openid read")).back().Get("code"))
	b.own(b.get(app.request("scope", "openid email read"))).page(200, "Allow access?")

	mine := s.send("POST", "/v1/login", "application/json", `{"email":"`+ada+`","password":"`+password+`"}`).is(200)
	s.hide(mine.str("refresh_token"))
	list := s.send("GET", "/v1/consents", "", "", bearer(mine.str("access_token"))).is(200)
	if got := fmt.Sprint(list.body["items"].([]any)[0].(map[string]any)["scope"]); got != "[openid read]" {
		t.Errorf("remembered: %s", list.text)
	}
	s.send("DELETE", "/v1/consents/app", "", "", bearer(mine.str("access_token"))).is(200)
	s.send("DELETE", "/v1/consents/app", "", "", bearer(mine.str("access_token"))).is(404)
	if s.alive(token.str("access_token")) {
		t.Error("a token outlives the consent")
	}
	s.refreshAs(app, token.str("refresh_token")).fails(400, "invalid_grant")
	b.own(b.get(app.request("scope", "openid read"))).page(200, "Allow access?")
}

// An application on a person's machine can't prove that it is the one that was
// allowed before (RFC 8252, section 8.6).
func TestNativeIsAskedAgain(t *testing.T) {
	s := start(t)
	s.person()
	native := s.service("native", `,"token_endpoint_auth_method":"none",
		"redirect_uris":["http://127.0.0.1/cb","https://app.example/cb","http://localhost:5003/cb","http://127.0.0.2:5004/cb"]`)
	b := s.browser()
	b.code(native, "redirect_uri", "http://127.0.0.1:5001/cb")
	for _, here := range []string{"http://localhost:5003/cb", "http://127.0.0.2:5004/cb"} {
		b.get(native.request("redirect_uri", here, "prompt", "none")).tells("consent_required")
	}
	b.own(b.get(native.request("redirect_uri", "http://127.0.0.1:5002/cb"))).page(200, "Allow access?")
	b.get(native.request("redirect_uri", "http://127.0.0.1:5002/cb", "prompt", "none")).tells("consent_required")
	s.hide(b.get(native.request()).back().Get("code"))
}

// A browser can't post a form to an application's own scheme: the code would go
// nowhere, or elsewhere.
func TestFormToOwnScheme(t *testing.T) {
	s := start(t)
	s.person()
	app := s.service("native", `,"token_endpoint_auth_method":"none","redirect_uris":["com.example.app:/cb"]`)
	a := s.browser().get(app.request("redirect_uri", "com.example.app:/cb", "response_mode", "form_post"))
	a.tells("invalid_request")
	if to := a.to(); !strings.HasPrefix(to, "com.example.app:/cb?error=") {
		t.Errorf("sent to %s", to)
	}
}

// TestTakenBack: a page that goes on with what a person agreed to asks again once
// they have taken it back.
func TestTakenBack(t *testing.T) {
	s := start(t)
	s.person()
	app, b := s.appClient("app", `,"scope":"openid profile read"`), s.browser()
	page := b.signInAt(b.own(b.get(app.request("scope", "openid"))))
	agreed := b.post("/consent", "ticket", page.hidden("ticket"), "answer", "allow").to()
	if code := b.get(agreed).back().Get("code"); code == "" {
		t.Fatal("no code though the person agreed")
	} else {
		s.hide(code)
	}
	b.own(b.post("/account/consent", "client_id", "app")).page(200, "Your account")
	again := b.own(b.get(agreed)).page(200, "Allow access?")
	s.hide(b.allow(again).back().Get("code"))
}

// The team's own application is told the same of a person by every refreshed token
// as by the first, also beyond the scopes that it asked for.
func TestRefreshedTokensTellTheSame(t *testing.T) {
	s := start(t)
	s.admin("POST", "/v1/admin/roles", `{"name":"picker"}`).is(201)
	s.admin("PATCH", "/v1/admin/users/"+s.person(), `{"roles":["picker"]}`).is(200)
	app := s.appClient("app", `,"skip_consent":true,"audiences":["`+orders+`"]`)
	a := s.redeem(app, s.browser().code(app, "audience", orders)).is(200)
	for turn := range 3 {
		c, err := s.accessToken(orders, a.str("access_token"))
		if err != nil {
			t.Fatal(err)
		}
		if c.Scope.String() != "openid" || c.Email != ada || c.Name != "Ada Lovelace" || !slices.Equal(c.Roles, []string{"picker"}) {
			t.Errorf("after %d refreshes: scope %q, email %q, name %q, roles %q", turn, c.Scope, c.Email, c.Name, c.Roles)
		}
		a = s.refreshAs(app, a.str("refresh_token")).is(200)
	}
}
