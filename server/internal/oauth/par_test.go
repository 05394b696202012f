package oauth_test

import (
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// push leaves a client's request and answers what came back; more pairs replace
// or add, an empty value leaves out.
func (s *server) push(c service, more ...string) *answer {
	s.t.Helper()
	v, err := url.ParseQuery(strings.TrimPrefix(c.request(more...), "/oauth/authorize?"))
	if err != nil {
		s.t.Fatal(err)
	}
	if c.secret != "" {
		return s.send("POST", "/oauth/par", formType, v.Encode(), c.basic())
	}
	return s.send("POST", "/oauth/par", formType, v.Encode())
}

// pushed is where a browser goes with a request that was left.
func (c service) pushed(requestURI string, more ...string) string {
	return "/oauth/authorize?" + values([]string{"client_id", c.id, "request_uri", requestURI}, more).Encode()
}

// A request that was pushed is answered as one that came by the browser, on any
// node, and nothing that the browser adds changes it (RFC 9126).
func TestPushedRequest(t *testing.T) {
	s := start(t)
	id := s.person()
	app := s.appClient("app", `,"client_name":"App","scope":"openid read","audiences":["`+orders+`"]`)
	a := s.push(app, "scope", "openid read", "resource", orders, "client_id", "").is(201)
	uri := a.str("request_uri")
	if !strings.HasPrefix(uri, "urn:ietf:params:oauth:request_uri:") || a.body["expires_in"] != 90.0 || !strings.Contains(a.header.Get("Cache-Control"), "no-store") {
		t.Errorf("answer %s, Cache-Control %s", a.text, a.header.Get("Cache-Control"))
	}
	if strings.Contains(uri, "state") || len(uri) < 100 {
		t.Errorf("request_uri %s", uri)
	}
	if other := s.push(app, "scope", "openid read", "resource", orders).is(201).str("request_uri"); other == uri {
		t.Error("two requests have one name")
	}
	s.restart() // any node

	b := s.browser()
	b.own(b.get(app.pushed(uri))).page(200, "Sign in")
	page := b.own(b.get(app.pushed(uri, "scope", "openid email write", "redirect_uri", "https://evil.example/", "state", "x", "prompt", "none", "response_type", "token"))) // loaded again
	s.advance(30 * time.Minute)                                                                                                                                             // the page may be left open
	consent := b.signInAt(page)
	if strings.Contains(consent.text, "evil") || !strings.Contains(consent.text, "<code>read</code>") || strings.Contains(consent.text, "e-mail") {
		t.Errorf("the page of consent: %s", consent.text)
	}
	back := b.allow(consent)
	if !strings.HasPrefix(back.to(), callback+"?code=") || back.back().Get("state") != "st" {
		t.Fatalf("answered to %s", back.to())
	}
	tokens := s.redeem(app, s.hide(back.back().Get("code"))).is(200)
	if claims := s.idToken(app, tokens.str("id_token"), "n-1"); claims.Subject != id {
		t.Errorf("ID token %+v", claims)
	}
	posted := s.push(app).is(201).str("request_uri")
	step := s.browser().send("POST", "/oauth/authorize", strings.TrimPrefix(app.pushed(posted), "/oauth/authorize?"), header("Origin", "https://app.example"))
	if code := b.get(step.to()).back().Get("code"); s.hide(code) == "" {
		t.Errorf("a posted request: %s", step.to())
	}
	public := s.appClient("public", `,"token_endpoint_auth_method":"none","skip_consent":true`)
	mine := s.push(public).is(201).str("request_uri")
	s.redeem(public, s.hide(b.get(public.pushed(mine)).back().Get("code"))).is(200)
}

// A pushed request is one client's, for 90 seconds, and gets one code.
func TestPushedRequestIsBound(t *testing.T) {
	s := start(t)
	s.person()
	app, other := s.appClient("app", `,"skip_consent":true`), s.appClient("other", `,"skip_consent":true`)
	b := s.browser()
	b.code(app)
	uri := s.push(app).is(201).str("request_uri")
	ticket := b.own(s.browser().get(app.pushed(uri))).page(200, "Sign in").hidden("ticket")
	for what, path := range map[string]string{
		"another client": other.pushed(uri), "no client": app.pushed(uri, "client_id", ""), "an unknown client": service{id: "none"}.pushed(uri),
		"one changed":  app.pushed(uri[:len(uri)-2] + "AA"),
		"one cut":      app.pushed(uri[:len(uri)-9]),
		"one made up":  app.pushed("urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c"),
		"the name":     app.pushed("urn:ietf:params:oauth:request_uri:"),
		"a ticket":     app.pushed("urn:ietf:params:oauth:request_uri:" + ticket),
		"its ticket":   "/login?ticket=" + strings.TrimPrefix(uri, "urn:ietf:params:oauth:request_uri:"),
		"with a twin":  app.pushed(uri) + "&request_uri=" + url.QueryEscape(uri),
		"one too long": app.pushed("urn:ietf:params:oauth:request_uri:" + strings.Repeat("A", 20<<10)),
	} {
		a := b.get(path).page(400, "This did not work")
		if a.header.Get("Location") != "" {
			t.Errorf("%s: sent to %s", what, a.header.Get("Location"))
		}
	}

	var wg sync.WaitGroup
	var codes atomic.Int64
	cookies := b.cookies
	for range 20 {
		twin := s.browser()
		for name, value := range cookies {
			twin.cookies[name] = value
		}
		wg.Go(func() {
			a := twin.get(app.pushed(uri))
			if a.status != 303 {
				a.page(400, "This did not work")
				return
			}
			s.hide(a.back().Get("code"))
			codes.Add(1)
		})
	}
	wg.Wait()
	if codes.Load() != 1 {
		t.Errorf("%d codes for one request", codes.Load())
	}
	b.get(app.pushed(uri)).page(400, "This did not work")

	// Two pages of one request are open: the second answer gets nothing.
	uri = s.push(app, "prompt", "consent").is(201).str("request_uri")
	one, two := b.own(b.get(app.pushed(uri))), b.own(b.get(app.pushed(uri)))
	b.allow(one).to()
	b.own(b.post("/consent", "ticket", two.hidden("ticket"), "answer", "allow")).page(400, "This did not work")

	uri = s.push(app).is(201).str("request_uri")
	s.advance(90 * time.Second)
	b.get(app.pushed(uri)).page(400, "This did not work")
	uri = s.push(app).is(201).str("request_uri")
	s.admin("PATCH", "/v1/admin/clients/app", `{"redirect_uris":["https://app.example/moved"]}`).is(200)
	b.get(app.pushed(uri)).page(400, "This did not work")
}

// What is wrong with a request is said when it is pushed, as the authorization
// endpoint would have said it, to nobody but its client.
func TestPushRefusals(t *testing.T) {
	s := start(t)
	app := s.appClient("app", `,"audiences":["`+orders+`"],"scope":"openid read"`)
	other := s.appClient("other", "")
	for code, wrong := range wrongRequests() {
		for _, w := range wrong {
			s.push(app, w...).fails(400, code)
		}
	}
	for _, address := range []string{"", callback + "/", "https://evil.example/cb", "http://app.example/cb", callback + "#"} {
		s.push(app, "redirect_uri", address).fails(400, "invalid_request")
	}
	uri := s.push(app).is(201).str("request_uri")
	s.push(app, "request_uri", uri).fails(400, "invalid_request")
	s.push(service{other.id, app.secret}).fails(401, "invalid_client")
	s.push(service{id: "app"}).fails(401, "invalid_client")
	s.push(service{id: "none"}).fails(401, "invalid_client")
	s.push(app, "client_id", "other").fails(400, "invalid_request")
	s.send("POST", "/oauth/par?state=x", formType, "response_type=code", app.basic()).fails(400, "invalid_request")
	s.send("POST", "/oauth/par", formType, "response_type=code&response_type=code", app.basic()).fails(400, "invalid_request")
	s.send("POST", "/oauth/par", "application/json", `{"response_type":"code"}`, app.basic()).fails(400, "invalid_request")
	s.send("GET", "/oauth/par", "", "", app.basic()).fails(405, "invalid_request")
}

// A client that registered so has to push (RFC 9126, section 6).
func TestPushIsRequired(t *testing.T) {
	s := start(t)
	s.person()
	app := s.appClient("app", `,"skip_consent":true,"require_pushed_authorization_requests":true`)
	b := s.browser()
	b.get(app.request()).tells("invalid_request")
	uri := s.push(app).is(201).str("request_uri")
	s.redeem(app, s.hide(b.signInAt(b.own(b.get(app.pushed(uri)))).back().Get("code"))).is(200)
	if shown := s.admin("GET", "/v1/admin/clients/app", "").is(200); shown.body["require_pushed_authorization_requests"] != true {
		t.Errorf("the client: %s", shown.text)
	}
}
