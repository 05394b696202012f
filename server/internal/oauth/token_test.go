package oauth_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// keys is the server's published set.
func (s *server) keys() *jwk.Set {
	s.t.Helper()
	set, err := jwk.ParseSet([]byte(s.send("GET", "/.well-known/jwks.json", "", "").text))
	if err != nil {
		s.t.Fatal(err)
	}
	return set
}

// verify checks an access token as its API would.
func (s *server) verify(keys jwt.KeySource, audience, token string) *jwt.Token[jwt.AccessClaims] {
	s.t.Helper()
	expect := jwt.AccessToken(issuer, audience)
	expect.Now = s.clock
	v, err := jwt.NewVerifier[jwt.AccessClaims](keys, expect)
	if err != nil {
		s.t.Fatal(err)
	}
	tok, err := v.Verify(s.t.Context(), token)
	if err != nil {
		s.t.Fatal(err)
	}
	return tok
}

func TestClientCredentials(t *testing.T) {
	s := start(t)
	c := s.service("billing", `,"grant_types":["client_credentials"],"audiences":["`+orders+`"],"scope":"read write admin",
		"claims":{"plan":"pro","active":false}`)
	a := s.post("/oauth/token", []string{"grant_type", "client_credentials"}, c.basic()).is(200)
	if got, want := slices.Sorted(maps.Keys(a.body)), []string{"access_token", "expires_in", "scope", "token_type"}; !slices.Equal(got, want) {
		t.Errorf("members %v, want %v: no refresh token above all", got, want)
	}
	if a.body["token_type"] != "Bearer" || a.body["expires_in"] != 900.0 || a.body["scope"] != "read write" {
		t.Errorf("answer %s", a.text)
	}
	if h := a.header; h.Get("Cache-Control") != "no-store" || h.Get("Content-Type") != "application/json" || len(h.Values("Set-Cookie")) > 0 {
		t.Errorf("headers %v", h)
	}
	tok := s.verify(s.keys(), orders, a.str("access_token"))
	var got map[string]any
	if err := json.Unmarshal(tok.Payload(), &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"jti", "epochs"} {
		if got[name] == nil || fmt.Sprint(got[name]) == "" {
			t.Errorf("no %s in %s", name, tok.Payload())
		}
		delete(got, name)
	}
	iat := float64(s.clock().Unix())
	want := map[string]any{"iss": issuer, "sub": "billing", "aud": orders, "client_id": "billing", "scope": "read write",
		"iat": iat, "exp": iat + 900, "plan": "pro", "active": false}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("claims %v, want %v", got, want)
	}
	if epochs := tok.Claims().Epochs; len(epochs) != 1 || len(epochs[0]) != 22 {
		t.Errorf("epochs %v, want the client's alone", epochs)
	}
}

// An API decides how and for how long its tokens are signed.
func TestTokenOfAPI(t *testing.T) {
	s := start(t)
	s.admin("POST", "/v1/admin/apis", `{"audience":"https://short.example","algorithm":"EdDSA","access_ttl":60,"renames":{"roles":"role"}}`).is(201)
	made := s.admin("POST", "/v1/admin/apis", `{"audience":"https://shared.example","algorithm":"HS256"}`).is(201)
	shared := s.hide(made.str("secret"))
	c := s.service("svc", `,"grant_types":["client_credentials"],"audiences":["https://short.example","https://shared.example"],"claims":{"role":"admin"}`)

	a := s.post("/oauth/token", []string{"grant_type", "client_credentials", "resource", "https://short.example"}, c.basic()).is(200)
	tok := s.verify(s.keys(), "https://short.example", a.str("access_token"))
	if tok.Algorithm() != jwk.EdDSA || a.body["expires_in"] != 60.0 || tok.Claims().Expiry.Time().Sub(tok.Claims().IssuedAt.Time()) != time.Minute {
		t.Errorf("algorithm %s, %s", tok.Algorithm(), a.text)
	}
	if strings.Contains(string(tok.Payload()), "role") {
		t.Errorf("a client's own claim passes for the API's roles: %s", tok.Payload())
	}
	if a.body["scope"] != nil {
		t.Errorf("scope %v where there is none", a.body["scope"])
	}

	secret, err := jwk.NewSecret(jwk.HS256, []byte(shared))
	if err != nil {
		t.Fatal(err)
	}
	tok = s.verify(secret, "https://shared.example", s.token(c, "https://shared.example"))
	if tok.Claims().ClientID != "svc" {
		t.Errorf("claims %s", tok.Payload())
	}
}

func TestAudience(t *testing.T) {
	s := start(t)
	both, one := s.usual("both"), s.service("one", `,"grant_types":["client_credentials"],"audiences":["`+stock+`"]`)
	none := s.service("none", `,"grant_types":["client_credentials"]`)
	for what, c := range map[string]struct {
		client service
		form   []string
		want   string // "" is refused
	}{
		"resource":                {both, []string{"resource", orders}, orders},
		"audience":                {both, []string{"audience", stock}, stock},
		"both, the same":          {both, []string{"audience", stock, "resource", stock}, stock},
		"both, different":         {both, []string{"audience", stock, "resource", orders}, ""},
		"one of two":              {both, nil, ""},
		"an empty one of two":     {both, []string{"resource", ""}, ""},
		"the only one":            {one, nil, stock},
		"another's":               {one, []string{"resource", orders}, ""},
		"none at all":             {none, nil, ""},
		"the server":              {both, []string{"resource", issuer}, ""},
		"no API":                  {both, []string{"audience", "https://nowhere.example"}, ""},
		"nearly":                  {both, []string{"audience", orders + "/"}, ""},
		"in other letters":        {both, []string{"audience", strings.ToUpper(orders)}, ""},
		"an API's id":             {both, []string{"audience", s.admin("GET", "/v1/admin/apis?q="+orders, "").body["items"].([]any)[0].(map[string]any)["id"].(string)}, ""},
		"two in one":              {both, []string{"audience", orders + " " + stock}, ""},
		"the client's name":       {both, []string{"audience", "both"}, ""},
		"the endpoint":            {both, []string{"resource", issuer + "/oauth/token"}, ""},
		"with an unknown besides": {one, []string{"colour", "green"}, stock},
	} {
		t.Run(what, func(t *testing.T) {
			a := s.in(t).post("/oauth/token", append([]string{"grant_type", "client_credentials"}, c.form...), c.client.basic())
			if c.want == "" {
				a.fails(400, "invalid_target")
				return
			}
			s.in(t).verify(s.keys(), c.want, a.is(200).str("access_token"))
		})
	}
	s.admin("DELETE", "/v1/admin/apis/"+s.admin("GET", "/v1/admin/apis?q="+stock, "").body["items"].([]any)[0].(map[string]any)["id"].(string), "").is(204)
	s.post("/oauth/token", []string{"grant_type", "client_credentials"}, one.basic()).fails(400, "invalid_target")
}

// in is the server as a subtest sees it.
func (s *server) in(t *testing.T) *server {
	return &server{t: t, dir: s.dir, app: s.app, http: s.http, log: s.log, now: s.clock()}
}

func TestScope(t *testing.T) {
	s := start(t)
	c := s.usual("svc") // read write admin; orders has read and write, stock doesn't say
	s.service("reserved", `,"grant_types":["client_credentials"],"audiences":["`+stock+`"],"scope":"x"`)
	for what, c := range map[string]struct {
		client                service
		audience, scope, want string // want "-" is refused
	}{
		"all of an API":           {c, orders, "", "read write"},
		"all, no list":            {c, stock, "", "read write admin"},
		"one":                     {c, orders, "write", "write"},
		"in another order":        {c, orders, "write read", "write read"},
		"twice":                   {c, orders, "read read", "read"},
		"one not the API's":       {c, orders, "read admin", "-"},
		"one not the client's":    {c, stock, "read delete", "-"},
		"the client's, no list":   {c, stock, "admin", "admin"},
		"two spaces":              {c, orders, "read  write", "-"},
		"a space before":          {c, orders, " read", "-"},
		"a comma":                 {c, orders, "read,write", "-"},
		"a tab":                   {c, orders, "read\twrite", "-"},
		"in other letters":        {c, orders, "READ", "-"},
		"what is Writ's":          {c, stock, "writ:admin", "-"},
		"what a browser asks for": {c, orders, "openid", "-"},
	} {
		t.Run(what, func(t *testing.T) {
			s := s.in(t)
			a := s.post("/oauth/token", []string{"grant_type", "client_credentials", "audience", c.audience, "scope", c.scope}, c.client.basic())
			if c.want == "-" {
				a.fails(400, "invalid_scope")
				return
			}
			tok := s.verify(s.keys(), c.audience, a.is(200).str("access_token"))
			if got := tok.Claims().Scope.String(); got != c.want || a.body["scope"] != c.want {
				t.Errorf("scope %q in the token, %v in the answer, want %q", got, a.body["scope"], c.want)
			}
		})
	}
}

func TestGrantTypes(t *testing.T) {
	s := start(t)
	c := s.usual("svc")
	other := s.service("other", `,"grant_types":["urn:ietf:params:oauth:grant-type:token-exchange"],"audiences":["`+orders+`"]`)
	public := s.service("public", `,"token_endpoint_auth_method":"none","grant_types":["refresh_token"],"audiences":["`+orders+`"]`)
	for what, c := range map[string]struct {
		client  service
		form    []string
		changes []with
		status  int
		code    string
	}{
		"none":                 {c, nil, nil, 400, "invalid_request"},
		"an empty one":         {c, []string{"grant_type", ""}, nil, 400, "invalid_request"},
		"password":             {c, []string{"grant_type", "password", "username", adminMail, "password", password}, nil, 400, "unsupported_grant_type"},
		"implicit":             {c, []string{"grant_type", "implicit"}, nil, 400, "unsupported_grant_type"},
		"refresh":              {c, []string{"grant_type", "refresh_token", "refresh_token", s.signIn("").str("refresh_token")}, nil, 400, "unauthorized_client"},
		"code":                 {c, []string{"grant_type", "authorization_code", "code", "x"}, nil, 400, "unauthorized_client"},
		"in other letters":     {c, []string{"grant_type", "Client_Credentials"}, nil, 400, "unsupported_grant_type"},
		"with a space":         {c, []string{"grant_type", "client_credentials "}, nil, 400, "unsupported_grant_type"},
		"not the client's":     {other, []string{"grant_type", "client_credentials"}, nil, 400, "unauthorized_client"},
		"public":               {public, []string{"grant_type", "client_credentials", "client_id", "public"}, []with{}, 400, "unauthorized_client"},
		"the sign-in's client": {service{id: "writ"}, []string{"grant_type", "client_credentials", "client_id", "writ"}, []with{}, 400, "unauthorized_client"},
	} {
		t.Run(what, func(t *testing.T) {
			if c.changes == nil {
				c.changes = []with{c.client.basic()}
			}
			s.in(t).post("/oauth/token", c.form, c.changes...).fails(c.status, c.code)
		})
	}
}

// Every way to say something twice, or in another form, is refused at each of
// the endpoints.
func TestForm(t *testing.T) {
	s := start(t)
	c := s.usual("svc")
	good := form("grant_type", "client_credentials", "audience", orders, "token", "x")
	for _, path := range []string{"/oauth/token", "/oauth/introspect", "/oauth/revoke"} {
		s.send("POST", path, formType, good, c.basic()).is(200)
		s.send("POST", path, formType+"; charset=UTF-8", good+"&&unknown=1&empty", c.basic()).is(200)
		for what, a := range map[string]struct {
			query, contentType, body string
			changes                  []with
			status                   int
		}{
			"JSON":                         {"", "application/json", `{"grant_type":"client_credentials","token":"x"}`, nil, 400},
			"JSON called a form":           {"", formType, `{"grant_type":"client_credentials","token":"x"}`, nil, 400},
			"no type":                      {"", "", good, nil, 400},
			"two types":                    {"", formType, good, []with{header("Content-Type", formType)}, 400},
			"multipart":                    {"", "multipart/form-data; boundary=x", "--x--", nil, 400},
			"another charset":              {"", formType + "; charset=utf-7", good, nil, 400},
			"compressed":                   {"", formType, good, []with{header("Content-Encoding", "gzip")}, 400},
			"a parameter twice":            {"", formType, good + "&token=x", nil, 400},
			"twice, once empty":            {"", formType, good + "&grant_type=", nil, 400},
			"an unknown one twice":         {"", formType, good + "&a=1&a=2", nil, 400},
			"twice, once escaped":          {"", formType, good + "&%74oken=x", nil, 400},
			"in the query":                 {"?" + good, formType, "", nil, 400},
			"in the query and the body":    {"?token=x", formType, good, nil, 400},
			"the secret in the query":      {"?client_id=svc&client_secret=" + c.secret, formType, good, nil, 400},
			"an unknown one in the query":  {"?a=1", formType, good, nil, 400},
			"an empty query":               {"?", formType, good, nil, 400},
			"a stray percent":              {"", formType, good + "&a=%", nil, 400},
			"a half escape":                {"", formType, good + "&a=%4", nil, 400},
			"no UTF-8":                     {"", formType, good + "&a=%ff", nil, 400},
			"a semicolon":                  {"", formType, strings.Replace(good, "&", ";", 1), nil, 400},
			"too many parameters":          {"", formType, good + strings.Repeat("&a=", 1) + many(100), nil, 400},
			"too large":                    {"", formType, good + "&a=" + strings.Repeat("a", 64<<10), nil, 413},
			"too large, length not stated": {"", formType, good + "&a=" + strings.Repeat("a", 64<<10), []with{func(r *http.Request) { r.ContentLength = -1 }}, 413},
		} {
			t.Run(path+" "+what, func(t *testing.T) {
				s.in(t).send("POST", path+a.query, a.contentType, a.body, append(a.changes, c.basic())...).fails(a.status, "invalid_request")
			})
		}
		for _, method := range []string{"GET", "PUT", "DELETE", "PATCH"} {
			a := s.send(method, path, formType, good, c.basic()).fails(405, "invalid_request")
			if a.header.Get("Allow") != "POST" {
				t.Errorf("%s %s: Allow %q", method, path, a.header.Get("Allow"))
			}
		}
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "&x%d=1", i)
	}
	return b.String()
}

// A client's token is for its API: Writ itself, and everything that belongs to
// a person, doesn't know it (RFC 9700, section 4.15).
func TestClientTokenIsNobody(t *testing.T) {
	s := start(t)
	token := s.token(s.usual("svc"), orders)
	for _, route := range []string{"GET /v1/me", "GET /v1/sessions", "GET /v1/admin/users", "POST /v1/logout", "POST /v1/logout-all"} {
		method, path, _ := strings.Cut(route, " ")
		if a := s.send(method, path, "", "", bearer(token)); a.status != 401 || a.body["code"] != "invalid_token" {
			t.Errorf("%s: %d %s", route, a.status, a.text)
		}
	}
	s.admin("POST", "/v1/admin/clients", `{"client_id":"usr_abc","grant_types":["client_credentials"]}`).is(400)
	s.admin("POST", "/v1/admin/clients", `{"client_id":"x","audiences":["`+issuer+`"]}`).is(400)
}

// Whatever ends a client ends its tokens at every verifier that follows the
// log, for as long as they would have lived.
func TestEndedClient(t *testing.T) {
	s := start(t)
	s.admin("POST", "/v1/admin/apis", `{"audience":"https://long.example","access_ttl":86400}`).is(201)
	fields := `,"grant_types":["client_credentials"],"audiences":["https://long.example"]`
	for what, end := range map[string]func(id string) *answer{
		"disabled": func(id string) *answer { return s.admin("PATCH", "/v1/admin/clients/"+id, `{"disabled":true}`) },
		"deleted":  func(id string) *answer { return s.admin("DELETE", "/v1/admin/clients/"+id, "") },
		"revoked": func(id string) *answer {
			return s.admin("POST", "/v1/admin/revocations", `{"kind":"client","id":"`+id+`"}`)
		},
	} {
		c := s.service(what, fields)
		token := s.token(c, "https://long.example")
		seq := end(what).is(200).body["seq"].(float64)
		page := s.send("GET", fmt.Sprintf("/v1/revocations?after=%d", int(seq)-1), "", "").is(200)
		entry := page.body["entries"].([]any)[0].([]any)
		if expiry := s.verify(s.keys(), "https://long.example", token).Claims().Expiry.Time().Unix(); int64(entry[3].(float64)) < expiry+120 {
			t.Errorf("%s: the log forgets it at %v, the token lives until %d", what, entry[3], expiry)
		}
		a := s.post("/oauth/token", []string{"grant_type", "client_credentials"}, c.basic())
		if what == "revoked" {
			a.is(200) // it may ask again
		} else {
			a.fails(401, "invalid_client")
		}
	}
}
