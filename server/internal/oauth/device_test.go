package oauth_test

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// deviceClient makes a client for devices; fields are further members.
func (s *server) deviceClient(id, fields string) service {
	s.t.Helper()
	return s.service(id, `,"grant_types":["`+deviceGrant+`","refresh_token"]`+fields)
}

// begin begins a device.
func (s *server) begin(c service, pairs ...string) *answer {
	s.t.Helper()
	if c.secret != "" {
		return s.post("/oauth/device", pairs, c.basic())
	}
	return s.post("/oauth/device", append([]string{"client_id", c.id}, pairs...))
}

// poll asks for a device's tokens.
func (s *server) poll(c service, deviceCode string) *answer {
	s.t.Helper()
	return s.tokens(c, values([]string{"grant_type", deviceGrant, "device_code", deviceCode}, nil))
}

// polls is poll as early as the device may.
func (s *server) polls(c service, deviceCode string) *answer {
	s.t.Helper()
	s.advance(5 * time.Second)
	return s.poll(c, deviceCode)
}

// The whole way: the device shows a code, the person types it elsewhere, signs in,
// is asked, and the device has its tokens, once.
func TestDeviceFlow(t *testing.T) {
	s := start(t)
	id := s.person()
	tv := s.deviceClient("tv", `,"client_name":"TV <b>","token_endpoint_auth_method":"none","scope":"openid profile read","audiences":["`+orders+`"],"skip_consent":true`)
	a := s.begin(tv, "scope", "openid read admin").is(200)
	code, user := s.hide(a.str("device_code")), a.str("user_code")
	if !regexp.MustCompile(`^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$`).MatchString(user) || !strings.HasPrefix(code, "writ_dc_") || len(code) < 51 {
		t.Errorf("codes %s, %s", user, code)
	}
	if a.str("verification_uri") != issuer+"/device" || a.str("verification_uri_complete") != issuer+"/device?user_code="+user ||
		a.body["expires_in"] != 600.0 || a.body["interval"] != 5.0 || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("answer %s", a.text)
	}
	s.poll(tv, code).fails(400, "authorization_pending")

	b := s.browser()
	entry := b.signInAt(b.own(b.get("/device"))) // at the browser's own address
	if to := entry.to(); to != issuer+"/device" {
		t.Fatalf("after the sign-in: %s", to)
	}
	page := b.get("/device").page(200, "Sign in on a device")
	if strings.Contains(page.text, "<script") || !strings.Contains(page.text, `<label for="code">`) {
		t.Errorf("the page: %s", page.text)
	}
	s.polls(tv, code).fails(400, "authorization_pending")
	typed := strings.ToLower(strings.ReplaceAll(user, "-", " "))
	ask := b.own(b.post("/device", "user_code", typed)).page(200, "Allow this device?")
	for _, want := range []string{"TV &lt;b&gt;", ">tv</span>", user, "Ada Lovelace", "<code>read</code>", orders, "If somebody sent it to you"} {
		if !strings.Contains(ask.text, want) {
			t.Errorf("the page lacks %q: %s", want, ask.text)
		}
	}
	if strings.Contains(ask.text, "admin") {
		t.Errorf("a scope that the client may not have: %s", ask.text)
	}
	s.polls(tv, code).fails(400, "authorization_pending")
	b.own(b.post("/device/answer", "ticket", ask.hidden("ticket"), "answer", "allow")).page(200, "Your device is signed in")

	tokens := s.polls(tv, code).is(200)
	access, err := s.accessToken(orders, tokens.str("access_token"))
	if err != nil || access.Subject != id || access.ClientID != "tv" || !slices.Equal(access.Scope, []string{"openid", "read"}) {
		t.Errorf("access token %+v, %v", access, err)
	}
	if claims := s.idToken(tv, tokens.str("id_token"), ""); claims.Subject != id || claims.SessionID != access.SessionID || claims.ACR == "" {
		t.Errorf("ID token %+v", claims)
	}
	s.refreshAs(tv, tokens.str("refresh_token")).is(200)
	s.polls(tv, code).fails(400, "invalid_grant")
	b.get("/device?user_code="+user).page(422, "Sign in on a device") // answered

	// What was allowed is to be seen and taken back, and ends with the session.
	mine := s.send("POST", "/v1/login", "application/json", `{"email":"`+ada+`","password":"`+password+`"}`).is(200)
	s.hide(mine.str("refresh_token"))
	if list := s.send("GET", "/v1/consents", "", "", bearer(mine.str("access_token"))).is(200); !strings.Contains(list.text, `"tv"`) {
		t.Errorf("consents %s", list.text)
	}
	if !s.alive(tokens.str("access_token")) {
		t.Error("the access token is not good")
	}
	out := b.get(logoutAt("id_token_hint", tokens.str("id_token"))).page(200, "Signed out")
	if s.alive(tokens.str("access_token")) {
		t.Errorf("the device's token outlives the session: %s", out.text)
	}
}

// A code that comes with the address is shown and asked about, after a sign-in
// too; a no is told to the device.
func TestDeviceCompleteAddress(t *testing.T) {
	s := start(t)
	s.person()
	tv := s.deviceClient("tv", `,"skip_consent":true`)
	a := s.begin(tv).is(200)
	code := s.hide(a.str("device_code"))
	complete := strings.TrimPrefix(a.str("verification_uri_complete"), issuer)
	b := s.browser()
	login := b.own(b.get(complete)).page(200, "Sign in")
	if !strings.Contains(login.text, "to go on with a device") {
		t.Errorf("the page of signing in: %s", login.text)
	}
	s.poll(tv, code).fails(400, "authorization_pending")
	back := b.signInAt(login)
	if back.to() != issuer+complete {
		t.Fatalf("after the sign-in: %s", back.to())
	}
	ask := b.get(complete).page(200, "Allow this device?")
	s.polls(tv, code).fails(400, "authorization_pending")
	ticket := ask.hidden("ticket")

	// Nobody else can answer, and nobody makes the person's browser do so.
	for what, change := range map[string]with{
		"another site":   func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"a sibling site": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"nobody":         func(r *http.Request) { r.Header.Del("Sec-Fetch-Site") },
	} {
		for _, path := range []string{"/device", "/device/answer"} {
			if a := b.send("POST", path, form("ticket", ticket, "answer", "allow", "user_code", "X"), change); a.status != 403 {
				t.Errorf("%s from %s: status %d", path, what, a.status)
			}
		}
	}
	s.admin("POST", "/v1/admin/users", `{"email":"eve@example.com","password":"`+password+`"}`).is(201)
	eve := s.browser()
	eve.post("/login", "login", "eve@example.com", "password", password).to()
	eve.post("/device/answer", "ticket", ticket, "answer", "allow").page(403, "This did not work")
	b.post("/device/answer", "ticket", ticket).page(400, "This did not work")
	b.post("/device/answer", "ticket", ticket+"AA", "answer", "allow").page(403, "This did not work")
	s.browser().post("/device/answer", "ticket", ticket, "answer", "allow").to()
	loginTicket := login.hidden("ticket")
	b.get("/consent?ticket="+loginTicket).page(200, "Allow access?") // a page that is about nothing
	b.post("/consent", "ticket", loginTicket, "answer", "allow").page(403, "This did not work")
	s.polls(tv, code).fails(400, "authorization_pending")

	b.own(b.post("/device/answer", "ticket", ticket, "answer", "deny")).page(200, "Not allowed")
	s.polls(tv, code).fails(400, "access_denied")
	b.post("/device/answer", "ticket", ticket, "answer", "allow").page(400, "This did not work")
	s.polls(tv, code).fails(400, "access_denied")
}

// Who polls too often is told to slow down and has to wait longer from then on;
// codes expire, and belong to one client.
func TestDevicePolling(t *testing.T) {
	s := start(t)
	s.person()
	tv, other := s.deviceClient("tv", ""), s.deviceClient("other", "")
	code := s.hide(s.begin(tv).is(200).str("device_code"))
	s.poll(tv, code).fails(400, "authorization_pending")
	s.advance(4 * time.Second)
	s.poll(tv, code).fails(400, "slow_down")
	s.advance(9 * time.Second) // ten seconds by now
	s.poll(tv, code).fails(400, "slow_down")
	s.restart() // any node
	s.advance(15 * time.Second)
	s.poll(tv, code).fails(400, "authorization_pending")
	s.poll(other, code).fails(400, "invalid_grant")
	s.poll(service{"tv", "wrong"}, code).fails(401, "invalid_client")
	s.poll(tv, code+"x").fails(400, "invalid_grant")
	s.poll(tv, "").fails(400, "invalid_request")
	s.advance(10 * time.Minute)
	s.poll(tv, code).fails(400, "expired_token")

	s.appClient("app", "")
	machine := s.usual("machine")
	s.begin(machine).fails(400, "unauthorized_client")
	s.poll(machine, code).fails(400, "unauthorized_client")
	s.begin(service{"tv", "wrong"}).fails(401, "invalid_client")
	s.begin(service{id: "tv"}).fails(401, "invalid_client")
	s.begin(service{id: "none"}).fails(401, "invalid_client")
	s.begin(tv, "resource", stock).fails(400, "invalid_target")
	s.begin(tv, "scope", "write").fails(400, "invalid_scope")
	s.send("POST", "/oauth/device?scope=openid", formType, "", tv.basic()).fails(400, "invalid_request")
	s.send("POST", "/oauth/device", "application/json", "{}", tv.basic()).fails(400, "invalid_request")
	s.send("GET", "/oauth/device", "", "", tv.basic()).fails(405, "invalid_request")
}

func TestDeviceRedeemAtOnce(t *testing.T) {
	s := start(t)
	s.person()
	tv := s.deviceClient("tv", `,"audiences":["`+orders+`"]`)
	a := s.begin(tv).is(200)
	code := s.hide(a.str("device_code"))
	b := s.browser()
	b.post("/login", "login", ada, "password", password).to()
	ask := b.get("/device?user_code="+a.str("user_code")).page(200, "Allow this device?")
	b.own(b.post("/device/answer", "ticket", ask.hidden("ticket"), "answer", "allow")).page(200, "Your device is signed in")
	var wg sync.WaitGroup
	var mu sync.Mutex
	answers := map[string]int{}
	for range 20 {
		wg.Go(func() {
			got := s.poll(tv, code)
			mu.Lock()
			defer mu.Unlock()
			name, _ := got.body["error"].(string)
			answers[name]++
		})
	}
	wg.Wait()
	if answers[""] != 1 || answers["slow_down"]+answers["invalid_grant"] != 19 {
		t.Errorf("answers %v", answers)
	}
	// A person who signs out before the device asks has taken it back.
	late := s.begin(tv).is(200)
	ask = b.get("/device?user_code="+late.str("user_code")).page(200, "Allow this device?")
	b.own(b.post("/device/answer", "ticket", ask.hidden("ticket"), "answer", "allow")).page(200, "Your device is signed in")
	s.admin("POST", "/v1/admin/revocations", `{"kind":"session","id":"`+s.sessionOf(ada)+`"}`).is(200)
	s.poll(tv, s.hide(late.str("device_code"))).fails(400, "invalid_grant")
}

// Guessing a code is slow for each account and address, and for all of them
// together; what can't be a code counts for nothing.
func TestDeviceGuessing(t *testing.T) {
	s := start(t)
	s.person()
	tv := s.deviceClient("tv", "")
	user := s.begin(tv).is(200).str("user_code")
	b := s.browser()
	b.post("/login", "login", ada, "password", password).to()
	guess := func(i int) string {
		const letters = "BCDFGHJKLMNPQRSTVWXZ"
		return "BBBB-B" + string([]byte{letters[i/400%20], letters[i/20%20], letters[i%20]})
	}
	enter := func(code string) *answer { return b.get("/device?user_code=" + url.QueryEscape(code)) }
	for range 50 {
		enter("hello").page(422, "Sign in on a device")
		enter(`"><script>alert(1)</script>`).page(422, "Sign in on a device")
	}
	for i := range 10 {
		enter(guess(i)).page(422, "Sign in on a device")
	}
	late := enter(guess(10)).page(429, "Sign in on a device")
	if late.header.Get("Retry-After") == "" {
		t.Errorf("no Retry-After: %v", late.header)
	}
	for range 1300 { // the right one has to wait as well, and that takes nothing from others
		enter(user).page(429, "Sign in on a device")
	}
	s.advance(time.Second)
	enter(user).page(200, "Allow this device?")

	// One account looks up so many, right ones or wrong, and takes nothing more of
	// what all share, however often it asks.
	n := 0
	for ; n < 1300 && enter(user).status == 200; n++ {
	}
	if n < 15 || n > 30 {
		t.Errorf("one account: %d lookups", n)
	}
	for range 1300 {
		enter(user).page(429, "Sign in on a device")
	}

	// From how many accounts it may be: all together are wrong so often. Those who
	// are right take nothing from anybody.
	n, right := 0, 0
	for i := range 140 {
		email := fmt.Sprintf("eve%d@example.com", i)
		s.admin("POST", "/v1/admin/users", `{"email":"`+email+`","password":"`+password+`"}`).is(201)
		s.from(net.IPv4(127, 0, 0, byte(i+1)))
		b = s.browser()
		b.post("/login", "login", email, "password", password).to()
		for j := 0; i < 50 && j < 20; j++ {
			enter(user).page(200, "Allow this device?")
			right++
		}
		for ; enter(guess(n+20)).status == 422; n++ {
		}
	}
	if n < 1100 || n > 1200 {
		t.Errorf("all together: %d wrong codes beside %d right ones", n, right)
	}
	s.advance(time.Minute)
	enter(user).page(200, "Allow this device?")
}

// from lets the requests that follow come from another address of this machine.
func (s *server) from(address net.IP) {
	transport := s.http.Client().Transport.(*http.Transport)
	transport.CloseIdleConnections()
	transport.DialContext = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: address}}).DialContext
}

// Strangers can't begin devices without end.
func TestDeviceStarts(t *testing.T) {
	s := start(t)
	public := s.deviceClient("public", `,"token_endpoint_auth_method":"none"`)
	secret := s.deviceClient("secret", "")
	for range 60 {
		s.begin(public).is(200)
	}
	s.begin(public).fails(429, "temporarily_unavailable")
	s.begin(secret).is(200)
	s.advance(10 * time.Second)
	s.begin(public).is(200)
}
