package oauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/writ-auth/writ/jwt"
)

const (
	callback = "https://app.example/cb"
	verifier = "a-verifier-of-at-least-forty-three-characters-0"
	ada      = "ada@example.com"
)

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// browser keeps cookies as a browser does, and follows redirects by hand.
type browser struct {
	s       *server
	cookies map[string]string
}

func (s *server) browser() *browser { return &browser{s, map[string]string{}} }

// send sends a request; a POST as one of our own pages would, unless a change
// says otherwise.
func (b *browser) send(method, path, body string, changes ...with) *answer {
	b.s.t.Helper()
	contentType := ""
	if method == "POST" {
		contentType = formType
	}
	changes = append([]with{func(r *http.Request) {
		for name, value := range b.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		if method == "POST" {
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}
	}}, changes...)
	a := b.s.send(method, path, contentType, body, changes...)
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = b.s.hide(c.Value)
		}
	}
	return a
}

func (b *browser) get(path string) *answer { b.s.t.Helper(); return b.send("GET", path, "") }

func (b *browser) post(path string, pairs ...string) *answer {
	b.s.t.Helper()
	return b.send("POST", path, form(pairs...))
}

// to is where an answer sends the browser.
func (a *answer) to() string {
	a.t.Helper()
	if a.status != 303 {
		a.t.Fatalf("%s: status %d, want a redirect: %s", a.what, a.status, a.text)
	}
	return a.header.Get("Location")
}

// own follows redirects as long as they stay here.
func (b *browser) own(a *answer) *answer {
	b.s.t.Helper()
	for range 10 {
		if a.status != 303 || !strings.HasPrefix(a.header.Get("Location"), "/") {
			return a
		}
		a = b.get(a.header.Get("Location"))
	}
	b.s.t.Fatal("redirects without end")
	return nil
}

// hidden is the value of a hidden field of a page.
func (a *answer) hidden(name string) string {
	a.t.Helper()
	m := regexp.MustCompile(`<input type="hidden" name="` + name + `" value="([^"]*)">`).FindStringSubmatch(a.text)
	if m == nil {
		a.t.Fatalf("%s: no field %s on the page: %s", a.what, name, a.text)
	}
	return html.UnescapeString(m[1])
}

// page checks that the answer is a page with a heading.
func (a *answer) page(status int, title string) *answer {
	a.t.Helper()
	if a.status != status || !strings.Contains(a.text, "<h1>"+title+"</h1>") {
		a.t.Fatalf("%s: status %d, want %d and the page %q: %s", a.what, a.status, status, title, a.text)
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff"} {
		if a.header.Get(name) != want {
			a.t.Errorf("%s: %s is %q", a.what, name, a.header.Get(name))
		}
	}
	policy := a.header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
		a.t.Errorf("%s: policy %q", a.what, policy)
	}
	return a
}

// back reads the answer that a client gets by way of the browser.
func (a *answer) back() url.Values {
	a.t.Helper()
	u, err := url.Parse(a.to())
	if err != nil || !u.IsAbs() {
		a.t.Fatalf("%s: back to %q", a.what, a.header.Get("Location"))
	}
	values := u.Query()
	if values.Get("iss") != issuer {
		a.t.Errorf("%s: iss is %q in %s", a.what, values.Get("iss"), u)
	}
	return values
}

// tells checks that the client is told of an error.
func (a *answer) tells(code string) {
	a.t.Helper()
	if got := a.back(); got.Get("error") != code || got.Get("state") != "st" || got.Has("code") {
		a.t.Errorf("%s: answered %v, want the error %s and the state", a.what, got, code)
	}
}

// request is an authorization request; more pairs replace or add, an empty
// value leaves out.
func (c service) request(more ...string) string {
	v := values([]string{"response_type", "code", "client_id", c.id, "redirect_uri", callback, "scope", "openid", "state", "st",
		"nonce", "n-1", "code_challenge", challengeOf(verifier), "code_challenge_method", "S256"}, more)
	return "/oauth/authorize?" + v.Encode()
}

// app makes a client that signs people in; fields are further members.
func (s *server) appClient(id, fields string) service {
	s.t.Helper()
	return s.service(id, `,"redirect_uris":["`+callback+`"],"post_logout_redirect_uris":["https://app.example/out"]`+fields)
}

// person makes the user ada.
func (s *server) person() string {
	s.t.Helper()
	id := s.admin("POST", "/v1/admin/users", `{"email":"`+ada+`","username":"ada","name":"Ada Lovelace","password":"`+password+`","email_verified":true}`)
	if id.status != 201 {
		id = s.admin("POST", "/v1/admin/users", `{"email":"`+ada+`","username":"ada","name":"Ada Lovelace","password":"`+password+`"}`).is(201)
	}
	return id.str("id")
}

// signInAt goes through the page of signing in.
func (b *browser) signInAt(page *answer) *answer {
	b.s.t.Helper()
	page.page(200, "Sign in")
	return b.own(b.post("/login", "ticket", page.hidden("ticket"), "login", ada, "password", password))
}

// allow goes through the page of consent.
func (b *browser) allow(page *answer) *answer {
	b.s.t.Helper()
	page.page(200, "Allow access?")
	return b.own(b.post("/consent", "ticket", page.hidden("ticket"), "answer", "allow"))
}

// code signs in, agrees, and answers the code.
func (b *browser) code(c service, more ...string) string {
	b.s.t.Helper()
	a := b.own(b.get(c.request(more...)))
	if strings.Contains(a.text, "<h1>Sign in</h1>") {
		a = b.signInAt(a)
	}
	if strings.Contains(a.text, "<h1>Allow access?</h1>") {
		a = b.allow(a)
	}
	code := a.back().Get("code")
	if code == "" {
		b.s.t.Fatalf("no code: %s", a.header.Get("Location"))
	}
	return b.s.hide(code)
}

// redeem exchanges a code; more pairs replace or add, an empty value leaves out.
func (s *server) redeem(c service, code string, more ...string) *answer {
	s.t.Helper()
	return s.tokens(c, values([]string{"grant_type", "authorization_code", "code", code, "redirect_uri", callback, "code_verifier", verifier}, more))
}

func (s *server) refreshAs(c service, token string, more ...string) *answer {
	s.t.Helper()
	return s.tokens(c, values([]string{"grant_type", "refresh_token", "refresh_token", token}, more))
}

// values are pairs, and more that replace or add; an empty value leaves out.
func values(pairs, more []string) url.Values {
	v := url.Values{}
	pairs = append(pairs, more...)
	for i := 0; i < len(pairs); i += 2 {
		if v.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			v.Del(pairs[i])
		}
	}
	return v
}

// tokens posts to the token endpoint, in the client's own way: with its secret,
// or only its name.
func (s *server) tokens(c service, v url.Values) *answer {
	s.t.Helper()
	var how []with
	if c.secret != "" {
		how = append(how, c.basic())
	} else {
		v.Set("client_id", c.id)
	}
	a := s.send("POST", "/oauth/token", formType, v.Encode(), how...)
	for _, name := range []string{"refresh_token", "id_token", "access_token"} {
		if v, ok := a.body[name].(string); ok {
			s.hide(v)
		}
	}
	return a
}

// idToken verifies an ID token as the client would.
func (s *server) idToken(c service, token, nonce string) jwt.IDClaims {
	s.t.Helper()
	expect := jwt.IDToken(issuer, c.id)
	expect.Now, expect.RequireNonce = s.clock, nonce != ""
	v, err := jwt.NewVerifier[jwt.IDClaims](s.keys(), expect)
	if err != nil {
		s.t.Fatal(err)
	}
	verify := func() (*jwt.Token[jwt.IDClaims], error) { return v.VerifyNonce(s.t.Context(), token, nonce) }
	if nonce == "" {
		verify = func() (*jwt.Token[jwt.IDClaims], error) { return v.Verify(s.t.Context(), token) }
	}
	tok, err := verify()
	if err != nil {
		s.t.Fatalf("the ID token: %v", err)
	}
	return tok.Claims()
}

// accessToken verifies an access token as an API would.
func (s *server) accessToken(audience, token string) (jwt.AccessClaims, error) {
	s.t.Helper()
	expect := jwt.AccessToken(issuer, audience)
	expect.Now = s.clock
	v, err := jwt.NewVerifier[jwt.AccessClaims](s.keys(), expect)
	if err != nil {
		s.t.Fatal(err)
	}
	tok, err := v.Verify(s.t.Context(), token)
	if err != nil {
		return jwt.AccessClaims{}, err
	}
	return tok.Claims(), nil
}

// alive says whether a token is good, as an introspecting API hears it.
func (s *server) alive(token string) bool {
	s.t.Helper()
	probe := service{"probe", ""}
	if a := s.admin("GET", "/v1/admin/clients/probe", ""); a.status != 200 {
		probe = s.service("probe", `,"grant_types":["client_credentials"],"audiences":["`+orders+`"]`)
		s.probe = probe.secret
	}
	probe.secret = s.probe
	return s.introspect(probe, token).body["active"] == true
}
