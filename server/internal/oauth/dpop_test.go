package oauth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/dpop"
	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

const tokenURL, userinfoURL = issuer + "/oauth/token", issuer + "/oauth/userinfo"

// holder is a client's key, and the last nonce that the server gave.
type holder struct {
	s      *server
	signer *dpop.Signer
	nonce  string
}

// holder makes a key that knows the present nonce.
func (s *server) holder() *holder {
	s.t.Helper()
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		s.t.Fatal(err)
	}
	signer, err := dpop.NewSigner(key, s.clock)
	if err != nil {
		s.t.Fatal(err)
	}
	h := &holder{s: s, signer: signer}
	h.renew()
	return h
}

// renew learns the nonce, as a client does that has none.
func (h *holder) renew() {
	h.s.t.Helper()
	c := h.s.public("nonces")
	a := h.s.tokensWith(c, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}, header("DPoP", h.proof("POST", tokenURL, "", "")))
	a.fails(400, "use_dpop_nonce")
	h.nonce = a.header.Get("DPoP-Nonce")
	if h.nonce == "" {
		h.s.t.Fatal("no nonce")
	}
}

func (h *holder) proof(method, address, token, nonce string) string {
	h.s.t.Helper()
	proof, err := h.signer.Sign(dpop.Request{Method: method, URL: address, AccessToken: token}, nonce)
	if err != nil {
		h.s.t.Fatal(err)
	}
	return proof
}

// atToken is a fresh proof for the token endpoint.
func (h *holder) atToken() with {
	h.s.t.Helper()
	return header("DPoP", h.proof("POST", tokenURL, "", h.nonce))
}

// public makes a public client, once.
func (s *server) public(id string) service {
	s.t.Helper()
	if s.admin("GET", "/v1/admin/clients/"+id, "").status != 200 {
		s.appClient(id, `,"token_endpoint_auth_method":"none","skip_consent":true,"scope":"openid profile read","audiences":["`+orders+`"]`)
	}
	return service{id: id}
}

// tokensWith is tokens with more headers.
func (s *server) tokensWith(c service, v url.Values, changes ...with) *answer {
	s.t.Helper()
	if c.secret != "" {
		changes = append(changes, c.basic())
	} else {
		v.Set("client_id", c.id)
	}
	a := s.send("POST", "/oauth/token", formType, v.Encode(), changes...)
	for _, name := range []string{"refresh_token", "id_token", "access_token"} {
		if v, ok := a.body[name].(string); ok {
			s.hide(v)
		}
	}
	return a
}

func (s *server) redeemWith(c service, code string, changes ...with) *answer {
	s.t.Helper()
	return s.tokensWith(c, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}, changes...)
}

func (s *server) refreshWith(c service, token string, changes ...with) *answer {
	s.t.Helper()
	return s.tokensWith(c, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}, changes...)
}

// boundTo is the key that an access token is bound to.
func (s *server) boundTo(audience, token string) string {
	s.t.Helper()
	expect := jwt.AccessToken(issuer, audience)
	expect.Now, expect.AllowConfirmation = s.clock, true
	v, err := jwt.NewVerifier[jwt.AccessClaims](s.keys(), expect)
	if err != nil {
		s.t.Fatal(err)
	}
	tok, err := v.Verify(s.t.Context(), token)
	if err != nil {
		s.t.Fatal(err)
	}
	if c := tok.Claims().Confirmation; c != nil {
		return c.JKT
	}
	return ""
}

// The whole way of a client with a key: code, tokens, an API, a refresh,
// introspection.
func TestPossession(t *testing.T) {
	s := start(t)
	s.person()
	app, h, b := s.public("app"), s.holder(), s.browser()
	a := s.redeemWith(app, b.code(app, "resource", orders), h.atToken()).is(200)
	if a.str("token_type") != "DPoP" || a.header.Get("DPoP-Nonce") == "" {
		t.Errorf("answer %s %v", a.text, a.header)
	}
	if got := s.boundTo(orders, a.str("access_token")); got != h.signer.Thumbprint() {
		t.Errorf("bound to %q, want %q", got, h.signer.Thumbprint())
	}
	g, err := guard.New(guard.Config{Now: s.clock, DPoP: guard.DPoP{Origin: orders}, Issuers: []guard.Issuer{
		{URL: issuer, Audience: []string{orders}, Keys: s.keys()}}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	ask := func(scheme string, proofs ...string) error {
		r := httptest.NewRequest("GET", "/list?all", nil)
		r.Header.Set("Authorization", scheme+" "+a.str("access_token"))
		for _, proof := range proofs {
			r.Header.Add("DPoP", proof)
		}
		_, err := g.Check(r)
		return err
	}
	if err := ask("DPoP", h.proof("GET", orders+"/list", a.str("access_token"), "")); err != nil {
		t.Errorf("at the API: %v", err)
	}
	for name, err := range map[string]error{
		"as a bearer token": ask("Bearer"), "without a proof": ask("DPoP"),
		"with another key": ask("DPoP", s.holder().proof("GET", orders+"/list", a.str("access_token"), "")),
	} {
		if err == nil {
			t.Errorf("the API takes the token %s", name)
		}
	}
	shop := s.service("shop", `,"grant_types":["client_credentials"],"audiences":["`+orders+`"]`)
	seen := s.introspect(shop, a.str("access_token")).is(200)
	cnf, _ := seen.body["cnf"].(map[string]any)
	if seen.body["active"] != true || seen.str("token_type") != "DPoP" || cnf["jkt"] != h.signer.Thumbprint() {
		t.Errorf("introspection %s", seen.text)
	}
	fresh := s.refreshWith(app, a.str("refresh_token"), h.atToken()).is(200)
	if fresh.str("token_type") != "DPoP" || s.boundTo(orders, fresh.str("access_token")) != h.signer.Thumbprint() {
		t.Errorf("refreshed %s", fresh.text)
	}
}

// What a proof at the token endpoint can have wrong. A code survives it all.
func TestPossessionProofRefused(t *testing.T) {
	s := start(t)
	s.person()
	app, h := s.public("app"), s.holder()
	code := s.browser().code(app)
	stale := h.proof("POST", tokenURL, "", h.nonce)
	first := h.nonce
	s.advance(61 * time.Second)
	h.renew()
	for name, c := range map[string]struct {
		proofs []string
		code   string
	}{
		"not a proof":       {[]string{"x"}, "invalid_dpop_proof"},
		"empty":             {[]string{""}, "invalid_dpop_proof"},
		"two":               {[]string{h.proof("POST", tokenURL, "", h.nonce), h.proof("POST", tokenURL, "", h.nonce)}, "invalid_dpop_proof"},
		"another method":    {[]string{h.proof("GET", tokenURL, "", h.nonce)}, "invalid_dpop_proof"},
		"another endpoint":  {[]string{h.proof("POST", userinfoURL, "", h.nonce)}, "invalid_dpop_proof"},
		"another server":    {[]string{h.proof("POST", "https://evil.example/oauth/token", "", h.nonce)}, "invalid_dpop_proof"},
		"the real port":     {[]string{h.proof("POST", s.http.URL+"/oauth/token", "", h.nonce)}, "invalid_dpop_proof"},
		"a minute old":      {[]string{stale}, "invalid_dpop_proof"},
		"no nonce":          {[]string{h.proof("POST", tokenURL, "", "")}, "use_dpop_nonce"},
		"somebody's nonce":  {[]string{h.proof("POST", tokenURL, "", strings.Repeat("A", 27))}, "use_dpop_nonce"},
		"too long a header": {[]string{strings.Repeat("x", 9000)}, "invalid_dpop_proof"},
	} {
		var headers []with
		for _, proof := range c.proofs {
			headers = append(headers, header("DPoP", proof))
		}
		t.Run(name, func(*testing.T) { s.redeemWith(app, code, headers...).fails(400, c.code) })
	}
	s.advance(-20 * time.Second) // the code's own minute goes on
	h.renew()
	s.advance(-42 * time.Second)
	s.redeemWith(app, code, header("DPoP", h.proof("POST", tokenURL, "", first))).is(200)
}

// The nonce of five minutes ago is too old; the one before the present is not.
func TestPossessionNonceRolls(t *testing.T) {
	s := start(t)
	s.person()
	app, h := s.public("app"), s.holder()
	a := s.redeemWith(app, s.browser().code(app), h.atToken()).is(200)
	first := h.nonce
	s.advance(3 * time.Minute)
	a = s.refreshWith(app, a.str("refresh_token"), h.atToken()).is(200)
	next := a.header.Get("DPoP-Nonce")
	if next == first || next == "" {
		t.Errorf("three minutes later the nonce is %q, and was %q", next, first)
	}
	s.advance(2 * time.Minute)
	s.refreshWith(app, a.str("refresh_token"), h.atToken()).fails(400, "use_dpop_nonce")
	h.nonce = next
	s.restart() // nothing of nonces is kept in the process
	s.refreshWith(app, a.str("refresh_token"), h.atToken()).is(200)
}

// A proof counts once, however many send it at once, and whatever for.
func TestPossessionReplay(t *testing.T) {
	s := start(t)
	s.person()
	app, h := s.public("app"), s.holder()
	a := s.redeemWith(app, s.browser().code(app), h.atToken()).is(200)
	proof := h.atToken()
	var wg sync.WaitGroup
	codes := make(chan string, 20)
	for range 20 {
		wg.Go(func() {
			got := s.refreshWith(app, a.str("refresh_token"), proof)
			code, _ := got.body["error"].(string)
			codes <- code
		})
	}
	wg.Wait()
	close(codes)
	counts := map[string]int{}
	for code := range codes {
		counts[code]++
	}
	if counts[""] != 1 || counts["invalid_dpop_proof"] != 19 {
		t.Errorf("of 20 uses of one proof: %v, want one success and 19 refused", counts)
	}
	if events := s.admin("GET", "/v1/admin/audit?q=dpop.use", "").is(200); strings.Count(events.text, `"replay"`) != 19 {
		t.Errorf("the audit has %s", events.text)
	}
}

// A refresh token that is bound to a key is of no use without it, and whoever
// tries ends nothing.
func TestPossessionRefreshBound(t *testing.T) {
	s := start(t)
	s.person()
	confidential := s.appClient("shop", `,"skip_consent":true,"audiences":["`+orders+`"]`)
	for _, c := range []service{s.public("app"), confidential} {
		h, thief := s.holder(), s.holder()
		a := s.redeemWith(c, s.browser().code(c), h.atToken()).is(200)
		raw := a.str("refresh_token")
		s.refreshWith(c, raw).fails(400, "invalid_grant")
		s.refreshWith(c, raw, thief.atToken()).fails(400, "invalid_grant")
		next := s.refreshWith(c, raw, h.atToken()).is(200)
		s.advance(time.Minute) // beyond the grace: used once too often would end the grant
		s.refreshWith(c, raw, thief.atToken()).fails(400, "invalid_grant")
		h.renew()
		s.refreshWith(c, next.str("refresh_token"), h.atToken()).is(200)
	}
	if events := s.admin("GET", "/v1/admin/audit?q=grant.refresh", "").is(200); strings.Count(events.text, `"dpop_key"`) != 6 {
		t.Errorf("the audit has %s", events.text)
	}
}

// A grant that was begun without a key stays free of one; the access token is
// bound all the same.
func TestPossessionLater(t *testing.T) {
	s := start(t)
	s.person()
	app, h := s.public("app"), s.holder()
	a := s.redeemWith(app, s.browser().code(app)).is(200)
	bound := s.refreshWith(app, a.str("refresh_token"), h.atToken()).is(200)
	if bound.str("token_type") != "DPoP" || s.boundTo(orders, bound.str("access_token")) != h.signer.Thumbprint() {
		t.Errorf("answer %s", bound.text)
	}
	free := s.refreshWith(app, bound.str("refresh_token")).is(200)
	if free.str("token_type") != "Bearer" || s.boundTo(orders, free.str("access_token")) != "" {
		t.Errorf("answer %s", free.text)
	}
}

// A client that is registered for bound tokens gets no others, by any grant.
func TestPossessionRegistered(t *testing.T) {
	s := start(t)
	s.person()
	h := s.holder()
	app := s.appClient("strict", `,"token_endpoint_auth_method":"none","skip_consent":true,"dpop_bound_access_tokens":true,"audiences":["`+orders+`"]`)
	code := s.browser().code(app)
	s.redeemWith(app, code).fails(400, "invalid_dpop_proof")
	a := s.redeemWith(app, code, h.atToken()).is(200)
	s.refreshWith(app, a.str("refresh_token")).fails(400, "invalid_dpop_proof")
	machine := s.service("machine", `,"grant_types":["client_credentials"],"audiences":["`+orders+`"],"dpop_bound_access_tokens":true`)
	ask := url.Values{"grant_type": {"client_credentials"}}
	s.tokensWith(machine, ask).fails(400, "invalid_dpop_proof")
	a = s.tokensWith(machine, ask, h.atToken()).is(200)
	if a.str("token_type") != "DPoP" || s.boundTo(orders, a.str("access_token")) != h.signer.Thumbprint() {
		t.Errorf("answer %s", a.text)
	}
	if c := s.admin("PATCH", "/v1/admin/clients/machine", `{"dpop_bound_access_tokens":false}`).is(200); c.body["dpop_bound_access_tokens"] != false {
		t.Errorf("client %s", c.text)
	}
	s.tokensWith(machine, ask).is(200)
}

// dpop_jkt binds the code, too: who steals code and verifier has not the key.
func TestPossessionCodeBound(t *testing.T) {
	s := start(t)
	s.person()
	app, h, thief, b := s.public("app"), s.holder(), s.holder(), s.browser()
	code := b.code(app, "dpop_jkt", h.signer.Thumbprint())
	s.redeemWith(app, code).fails(400, "invalid_grant")
	s.redeemWith(app, code, thief.atToken()).fails(400, "invalid_grant")
	a := s.redeemWith(app, code, h.atToken()).is(200)
	s.redeemWith(app, code, thief.atToken()).fails(400, "invalid_grant") // ends nothing
	s.refreshWith(app, a.str("refresh_token"), h.atToken()).is(200)
	for _, wrong := range []string{"x", strings.Repeat("A", 42), strings.Repeat("A", 43) + "="} {
		b.get(app.request("dpop_jkt", wrong)).tells("invalid_request")
	}
}

// userinfo takes bound tokens with their proof, and as nothing else.
func TestPossessionUserinfo(t *testing.T) {
	s := start(t)
	id := s.person()
	app, h, thief := s.public("app"), s.holder(), s.holder()
	a := s.redeemWith(app, s.browser().code(app, "resource", issuer), h.atToken()).is(200)
	token := a.str("access_token")
	get := func(changes ...with) *answer {
		t.Helper()
		return s.send("GET", "/oauth/userinfo", "", "", changes...)
	}
	scheme := header("Authorization", "DPoP "+token)
	good := header("DPoP", h.proof("GET", userinfoURL, token, h.nonce))
	if info := get(scheme, good).is(200); info.str("sub") != id || info.header.Get("DPoP-Nonce") == "" {
		t.Errorf("userinfo %s", info.text)
	}
	if info := s.send("POST", "/oauth/userinfo", "", "", scheme, header("DPoP", h.proof("POST", userinfoURL, token, h.nonce))).is(200); info.str("sub") != id {
		t.Errorf("userinfo %s", info.text)
	}
	free := s.redeemWith(app, s.browser().code(app, "resource", issuer)).is(200).str("access_token")
	const (
		proof       = `DPoP realm="writ", error="invalid_dpop_proof"`
		bearerToken = `Bearer realm="writ", error="invalid_token"`
		boundToken  = `DPoP realm="writ", error="invalid_token"`
	)
	for name, c := range map[string]struct {
		changes   []with
		challenge string
	}{
		"used before":           {[]with{scheme, good}, proof},
		"no proof":              {[]with{scheme}, proof},
		"as a bearer token":     {[]with{bearer(token)}, bearerToken},
		"bearer, with a proof":  {[]with{bearer(token), header("DPoP", h.proof("GET", userinfoURL, token, h.nonce))}, bearerToken},
		"another key":           {[]with{scheme, header("DPoP", thief.proof("GET", userinfoURL, token, h.nonce))}, boundToken},
		"another token's proof": {[]with{scheme, header("DPoP", h.proof("GET", userinfoURL, free, h.nonce))}, proof},
		"proof of no token":     {[]with{scheme, header("DPoP", h.proof("GET", userinfoURL, "", h.nonce))}, proof},
		"no nonce":              {[]with{scheme, header("DPoP", h.proof("GET", userinfoURL, token, ""))}, `DPoP realm="writ", error="use_dpop_nonce"`},
		"an unbound token":      {[]with{header("Authorization", "DPoP "+free), header("DPoP", h.proof("GET", userinfoURL, free, h.nonce))}, boundToken},
		"no token":              {[]with{header("Authorization", "DPoP x"), header("DPoP", h.proof("GET", userinfoURL, "x", h.nonce))}, boundToken},
		"in small letters":      {[]with{header("Authorization", "dpop "+free), header("DPoP", h.proof("GET", userinfoURL, free, h.nonce))}, boundToken},
	} {
		if a := get(c.changes...); a.status != 401 || a.header.Get("WWW-Authenticate") != c.challenge {
			t.Errorf("%s: %d %s, want %s", name, a.status, a.header.Get("WWW-Authenticate"), c.challenge)
		}
	}
	if a := s.send("GET", "/v1/me", "", "", bearer(token)); a.status != 401 {
		t.Errorf("a bound token opens Writ's own interface: %d", a.status)
	}
}

// A page of another origin may send proofs and read nonces.
func TestPossessionInBrowsers(t *testing.T) {
	s := start(t)
	a := s.send("OPTIONS", "/oauth/token", "", "", header("Origin", "https://app.example"), header("Access-Control-Request-Headers", "dpop")).is(204)
	if !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), "DPoP") || !strings.Contains(a.header.Get("Access-Control-Expose-Headers"), "DPoP-Nonce") {
		t.Errorf("preflight %v", a.header)
	}
}

// The transport of package dpop gets tokens by itself: it learns the nonce.
func TestPossessionTransport(t *testing.T) {
	s := start(t)
	h := s.holder()
	machine := s.service("machine", `,"grant_types":["client_credentials"],"audiences":["`+orders+`"]`)
	inward := roundTripper(func(r *http.Request) (*http.Response, error) { // as a proxy before the server would
		r.URL.Host = strings.TrimPrefix(s.http.URL, "http://")
		return http.DefaultTransport.RoundTrip(r)
	})
	client := &http.Client{Transport: &dpop.Transport{Signer: h.signer, Base: inward}}
	r, err := http.NewRequestWithContext(t.Context(), "POST", tokenURL, strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", formType)
	machine.basic()(r)
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("status %d", res.StatusCode)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
