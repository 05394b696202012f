package oauth_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/jwk"
)

// paths are the endpoints that authenticate clients in one way.
func paths() []string { return []string{"/oauth/token", "/oauth/introspect", "/oauth/revoke"} }

// request is good at each of the endpoints.
func request(more ...string) []string {
	return append([]string{"grant_type", "client_credentials", "audience", orders, "token", "x"}, more...)
}

func TestSecret(t *testing.T) {
	s := start(t)
	c, other := s.usual("a.service~1_2-3"), s.usual("other")
	poster := s.service("poster", `,"token_endpoint_auth_method":"client_secret_post","grant_types":["client_credentials"],"audiences":["`+orders+`"]`)
	public := s.service("public", `,"token_endpoint_auth_method":"none","grant_types":[]`)
	raw := func(value string) []with { return []with{header("Authorization", value)} }
	for what, c := range map[string]struct {
		form    []string
		changes []with
		status  int
		code    string
	}{
		"basic":                              {nil, []with{c.basic()}, 200, ""},
		"basic, not encoded as in a form":    {nil, []with{basic(c.id, c.secret)}, 200, ""},
		"basic, every letter encoded":        {nil, []with{basic(percent(c.id), percent(c.secret))}, 200, ""},
		"basic, scheme in small letters":     {nil, raw("basic " + basicValue(c.id, c.secret)), 200, ""},
		"basic, and its name":                {[]string{"client_id", c.id}, []with{c.basic()}, 200, ""},
		"basic, and empty fields":            {[]string{"client_id", "", "client_secret", "", "client_assertion", ""}, []with{c.basic()}, 200, ""},
		"post":                               {[]string{"client_id", poster.id, "client_secret", poster.secret}, nil, 200, ""},
		"nobody":                             {nil, nil, 401, "invalid_client"},
		"a name alone":                       {[]string{"client_id", c.id}, nil, 401, "invalid_client"},
		"basic, wrong secret":                {nil, []with{basic(c.id, c.secret+"x")}, 401, "invalid_client"},
		"basic, no secret":                   {nil, []with{basic(c.id, "")}, 401, "invalid_client"},
		"basic, no name":                     {nil, []with{basic("", c.secret)}, 401, "invalid_client"},
		"basic, another's secret":            {nil, []with{basic(c.id, other.secret)}, 401, "invalid_client"},
		"basic, unknown":                     {nil, []with{basic("nobody", c.secret)}, 401, "invalid_client"},
		"basic, name in other letters":       {nil, []with{basic(strings.ToUpper(c.id), c.secret)}, 401, "invalid_client"},
		"basic, a NUL after the name":        {nil, []with{basic(c.id+"%00", c.secret)}, 401, "invalid_client"},
		"basic, a very long name":            {nil, []with{basic(strings.Repeat("a", 20_000), c.secret)}, 401, "invalid_client"},
		"basic, SQL":                         {nil, []with{basic("' OR 1=1 --", "' OR 1=1 --")}, 401, "invalid_client"},
		"basic, no base64":                   {nil, raw("Basic !!!"), 401, "invalid_client"},
		"basic, no colon":                    {nil, raw("Basic YWJj"), 401, "invalid_client"},
		"basic, a stray percent":             {nil, []with{basic(c.id, "%")}, 401, "invalid_client"},
		"basic, nothing":                     {nil, raw("Basic"), 401, "invalid_client"},
		"basic, twice":                       {nil, []with{c.basic(), header("Authorization", "Basic "+basicValue(c.id, c.secret))}, 400, "invalid_request"},
		"bearer":                             {nil, []with{bearer(c.secret)}, 401, "invalid_client"},
		"basic, another's name":              {[]string{"client_id", other.id}, []with{c.basic()}, 400, "invalid_request"},
		"basic and post":                     {[]string{"client_id", c.id, "client_secret", c.secret}, []with{c.basic()}, 400, "invalid_request"},
		"basic and assertion":                {[]string{"client_assertion_type", bearerType, "client_assertion", "x.y.z"}, []with{c.basic()}, 401, "invalid_client"},
		"post and assertion":                 {[]string{"client_id", poster.id, "client_secret", poster.secret, "client_assertion_type", bearerType, "client_assertion", fresh(c.id)}, nil, 400, "invalid_request"},
		"post, registered with basic":        {[]string{"client_id", c.id, "client_secret", c.secret}, nil, 401, "invalid_client"},
		"basic, registered with post":        {nil, []with{poster.basic()}, 401, "invalid_client"},
		"post, secret alone":                 {[]string{"client_secret", poster.secret}, nil, 401, "invalid_client"},
		"post, wrong secret":                 {[]string{"client_id", poster.id, "client_secret", c.secret}, nil, 401, "invalid_client"},
		"a secret of a public client":        {nil, []with{basic(public.id, "x")}, 401, "invalid_client"},
		"a secret of the sign-in's client":   {nil, []with{basic("writ", "x")}, 401, "invalid_client"},
		"an assertion of an unknown kind":    {[]string{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer", "client_assertion", "x"}, nil, 400, "invalid_request"},
		"an assertion without its kind":      {[]string{"client_assertion", fresh(c.id)}, nil, 400, "invalid_request"},
		"a kind without an assertion":        {[]string{"client_assertion_type", bearerType}, nil, 400, "invalid_request"},
		"an assertion of a client of secret": {[]string{"client_assertion_type", bearerType, "client_assertion", fresh(c.id)}, nil, 401, "invalid_client"},
	} {
		for _, path := range paths() {
			t.Run(what+" "+path, func(t *testing.T) {
				s.advance(time.Hour) // the throttle has forgotten the one before
				a := s.in(t).post(path, request(c.form...), c.changes...)
				if c.status == 200 {
					a.is(200)
					return
				}
				a.fails(c.status, c.code)
			})
		}
	}
}

const bearerType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// fresh is an assertion that a client without keys might send.
func fresh(id string) string {
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		panic(err)
	}
	return sign(key, map[string]any{"alg": "ES256"}, map[string]any{"iss": id, "sub": id, "aud": issuer,
		"exp": time.Date(2026, 3, 1, 12, 12, 0, 0, time.UTC).Unix(), "jti": "1"})
}

// percent encodes every byte.
func percent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02x", s[i])
	}
	return b.String()
}

func basicValue(id, secret string) string {
	r := mustRequest()
	r.SetBasicAuth(id, secret)
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Basic ")
}

// Who is not let in learns nothing: not whether there is such a client, nor
// what is wrong.
func TestOneAnswer(t *testing.T) {
	s := start(t)
	c := s.usual("svc")
	off := s.usual("off")
	s.admin("PATCH", "/v1/admin/clients/off", `{"disabled":true}`).is(200)
	keyed := s.keyed("keyed", jwk.ES256)
	for _, path := range paths() {
		answers := map[string]string{}
		for what, a := range map[string]*answer{
			"unknown":        s.post(path, request(), basic("nobody", c.secret)),
			"wrong":          s.post(path, request(), basic("svc", "wrong")),
			"disabled":       s.post(path, request(), off.basic()),
			"another method": s.post(path, request("client_id", "svc", "client_secret", c.secret)),
			"no method":      s.post(path, request("client_id", "svc")),
			"unknown key":    s.post(path, request("client_assertion_type", bearerType, "client_assertion", s.assertion(keyed, func(h, c map[string]any) { h["kid"] = "x" }))),
			"unknown signer": s.post(path, request("client_assertion_type", bearerType, "client_assertion", fresh("nobody"))),
		} {
			a.fails(401, "invalid_client")
			a.header.Del("Date")
			a.header.Del("X-Request-Id")
			answers[what] = fmt.Sprint(a.status, a.text, a.header)
		}
		for what, text := range maps.All(answers) {
			if text != answers["wrong"] {
				t.Errorf("%s, %s: %s\nwrong: %s", path, what, text, answers["wrong"])
			}
		}
	}
}

// Two secrets live at once, during a change, and never three.
func TestTwoSecrets(t *testing.T) {
	s := start(t)
	c := s.usual("svc")
	works := func(c service) bool { return s.post("/oauth/token", request(), c.basic()).status == 200 }
	next := s.admin("POST", "/v1/admin/clients/svc/secrets", "").is(201)
	second := service{"svc", s.hide(next.str("client_secret"))}
	if second.secret == c.secret || len(second.secret) != 43 || !works(c) || !works(second) {
		t.Errorf("both secrets must work: %s", next.text)
	}
	if a := s.admin("POST", "/v1/admin/clients/svc/secrets", "").is(409); a.body["code"] != "conflict" {
		t.Errorf("a third secret: %s", a.text)
	}
	list := s.admin("GET", "/v1/admin/clients/svc/secrets", "").is(200)
	items := list.body["items"].([]any)
	if len(items) != 2 || strings.Contains(list.text, c.secret) || strings.Contains(list.text, second.secret) || strings.Contains(list.text, "hash") {
		t.Errorf("secrets %s", list.text)
	}
	first := ""
	for _, item := range items {
		if id := item.(map[string]any)["id"].(string); id != next.str("id") {
			first = id
		}
	}
	s.admin("DELETE", "/v1/admin/clients/svc/secrets/"+first, "").is(204)
	if works(c) || !works(second) {
		t.Error("the removed secret must be refused at once, the other not")
	}
	s.admin("DELETE", "/v1/admin/clients/svc/secrets/"+first, "").is(404)
	s.admin("DELETE", "/v1/admin/clients/other/secrets/"+next.str("id"), "").is(404)
	s.usual("other")
	s.admin("DELETE", "/v1/admin/clients/other/secrets/"+next.str("id"), "").is(404)
	s.admin("GET", "/v1/admin/clients/nobody/secrets", "").is(404)
	s.admin("POST", "/v1/admin/clients/nobody/secrets", "").is(404)
	s.admin("POST", "/v1/admin/clients/writ/secrets", "").is(400)
	s.keyed("keyed", jwk.ES256)
	s.admin("POST", "/v1/admin/clients/keyed/secrets", "").is(400)
	s.restart()
	if works(c) || !works(second) {
		t.Error("a restart has forgotten the change")
	}
}

// What an administrator changes counts at the next request, though clients are
// kept in memory.
func TestChangesCountAtOnce(t *testing.T) {
	s := start(t)
	c := s.usual("svc")
	ask := func(more ...string) *answer {
		return s.post("/oauth/token", append([]string{"grant_type", "client_credentials", "resource", orders}, more...), c.basic())
	}
	ask().is(200)
	s.admin("PATCH", "/v1/admin/clients/svc", `{"audiences":["`+stock+`"]}`).is(200)
	ask().fails(400, "invalid_target")
	s.admin("PATCH", "/v1/admin/clients/svc", `{"audiences":["`+orders+`"],"scope":"read"}`).is(200)
	ask("scope", "write").fails(400, "invalid_scope")
	s.admin("PATCH", "/v1/admin/apis/"+url.PathEscape(s.apiID(orders)), `{"scopes":["write"]}`).is(200)
	ask("scope", "read").fails(400, "invalid_scope")
	s.admin("PATCH", "/v1/admin/clients/svc", `{"grant_types":[]}`).is(200)
	ask().fails(400, "unauthorized_client")
	s.admin("PATCH", "/v1/admin/clients/svc", `{"disabled":true}`).is(200)
	ask().fails(401, "invalid_client")
	s.admin("PATCH", "/v1/admin/clients/svc", `{"disabled":false,"grant_types":["client_credentials"]}`).is(200)
	ask().is(200)
	s.admin("DELETE", "/v1/admin/clients/svc", "").is(200)
	ask().fails(401, "invalid_client")
}

func (s *server) apiID(audience string) string {
	s.t.Helper()
	return s.admin("GET", "/v1/admin/apis?q="+audience, "").body["items"].([]any)[0].(map[string]any)["id"].(string)
}

// Guessing gets slow, for the one who guesses. Who has the right secret is not
// kept waiting: one of a service's instances that still has the old one must not
// stop the others at its address.
func TestThrottle(t *testing.T) {
	s := start(t)
	c, other := s.usual("svc"), s.usual("other")
	s.user("svc") // a person of that name is not concerned
	for range 10 {
		s.post("/oauth/token", request(), basic("svc", "guess")).fails(401, "invalid_client")
	}
	a := s.post("/oauth/token", request(), basic("svc", "guess")).fails(429, "temporarily_unavailable")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	s.post("/oauth/introspect", request(), basic("svc", "guess")).fails(429, "temporarily_unavailable")
	s.post("/oauth/token", request(), c.basic()).is(200)
	s.post("/oauth/token", request(), basic("svc", "guess")).fails(429, "temporarily_unavailable")
	s.post("/oauth/token", request(), other.basic()).is(200)
	s.send("POST", "/v1/login", "application/json", `{"username":"svc","password":"`+password+`"}`).is(200)
	audit := s.admin("GET", "/v1/admin/audit?q=client.authenticate", "").is(200)
	items := audit.body["items"].([]any)
	first := items[0].(map[string]any)
	if len(items) != 10 || first["target"] != "svc" || first["verdict"] != "refused" || first["address"] != "127.0.0.1" {
		t.Errorf("audit: %d events, the last %v", len(items), first)
	}
}

func (s *server) user(name string) {
	s.t.Helper()
	s.admin("POST", "/v1/admin/users", `{"username":"`+name+`","email":"`+name+`@example.com","password":"`+password+`"}`).is(201)
}

// Guesses sent at once don't all pass before the first has failed.
func TestThrottleInParallel(t *testing.T) {
	s := start(t)
	s.usual("svc")
	var wrong, slowed atomic.Int64
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			switch s.post("/oauth/token", request(), basic("svc", "guess")).status {
			case 401:
				wrong.Add(1)
			case 429:
				slowed.Add(1)
			}
		})
	}
	all.Wait()
	if wrong.Load() != 10 || slowed.Load() != 40 {
		t.Errorf("%d guesses were judged and %d slowed down, want 10 and 40", wrong.Load(), slowed.Load())
	}
}

// sign makes a JWS of whatever header and payload.
func sign(key jwk.SigningKey, header, payload map[string]any) string {
	h, err1 := json.Marshal(header)
	p, err2 := json.Marshal(payload)
	input := base64url.Encode(h) + "." + base64url.Encode(p)
	signature, err3 := key.Sign([]byte(input))
	if err1 != nil || err2 != nil || err3 != nil {
		panic(fmt.Sprint(err1, err2, err3))
	}
	return input + "." + base64url.Encode(signature)
}
