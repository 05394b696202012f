package oauth_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

const (
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	kindAccess    = "urn:ietf:params:oauth:token-type:access_token"
	ledger        = "https://ledger.example"
)

// exchanging is a server on which the service "orders" serves the API orders and
// may call stock, and "stock" serves stock and may call the ledger.
type exchanging struct {
	*server
	orders, stock service
}

func startExchanging(t *testing.T) *exchanging {
	t.Helper()
	s := start(t)
	s.admin("POST", "/v1/admin/apis", `{"audience":"`+ledger+`","scopes":["read","book"]}`).is(201)
	grants := `,"grant_types":["` + grantExchange + `","client_credentials"],"scope":"read write book"`
	return &exchanging{s,
		s.service("orders", grants+`,"audiences":["`+orders+`","`+stock+`"]`),
		s.service("stock", grants+`,"audiences":["`+stock+`","`+ledger+`"]`),
	}
}

// exchange hands in a token; more pairs replace or add, an empty value leaves out.
func (s *server) exchange(c service, subject string, more ...string) *answer {
	s.t.Helper()
	return s.tokens(c, values([]string{"grant_type", grantExchange, "subject_token", subject, "subject_token_type", kindAccess}, more))
}

// delegated is what a token made by an exchange says.
type delegated struct {
	jwt.AccessClaims
	Actor json.RawMessage `json:"act,omitempty"`
}

func (s *server) delegated(audience, token string) delegated {
	s.t.Helper()
	expect := jwt.AccessToken(issuer, audience)
	expect.Now, expect.AllowConfirmation = s.clock, true
	v, err := jwt.NewVerifier[delegated](s.keys(), expect)
	if err != nil {
		s.t.Fatal(err)
	}
	tok, err := v.Verify(s.t.Context(), token)
	if err != nil {
		s.t.Fatal(err)
	}
	return tok.Claims()
}

// scoped is a person's token for orders with the scope "read write".
func (s *server) scoped() (token string, app service) {
	s.t.Helper()
	s.person()
	app = s.appClient("app", `,"scope":"openid read write","audiences":["`+orders+`"]`)
	return s.redeem(app, s.browser().code(app, "scope", "openid read write")).is(200).str("access_token"), app
}

// What comes out is for the other API, about the same person and sign-in, and
// says who acts.
func TestExchange(t *testing.T) {
	s := startExchanging(t)
	token, _ := s.scoped()
	before := s.delegated(orders, token)
	s.advance(5 * time.Minute)
	a := s.exchange(s.orders, token, "audience", stock, "scope", "read").is(200)
	if a.str("issued_token_type") != kindAccess || a.str("token_type") != "Bearer" || a.body["refresh_token"] != nil || a.body["id_token"] != nil ||
		a.str("scope") != "read" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("answer %s", a.text)
	}
	if a.body["expires_in"] != 600.0 {
		t.Errorf("it lives %v s, want what is left of the token", a.body["expires_in"])
	}
	got := s.delegated(stock, a.str("access_token"))
	if got.Subject != before.Subject || got.SessionID != before.SessionID || got.Expiry != before.Expiry || got.AuthTime != before.AuthTime ||
		got.ClientID != "orders" || got.Scope.String() != "read" || string(got.Actor) != `{"sub":"orders"}` || got.ID == before.ID {
		t.Errorf("claims %+v, act %s", got, got.Actor)
	}
	if len(got.Epochs) != 4 || got.Epochs[0] != before.Epochs[0] || got.Epochs[1] != before.Epochs[1] || got.Epochs[3] != before.ID {
		t.Errorf("epochs %v, want the token's %v, the service's, and the token's id %s", got.Epochs, before.Epochs, before.ID)
	}
	if got.Name != "" || got.Email != "" {
		t.Errorf("the person is shown although the application may not know: %+v", got)
	}

	// And on: who acted before stays in it.
	on := s.exchange(s.stock, a.str("access_token"), "resource", ledger).is(200)
	third := s.delegated(ledger, on.str("access_token"))
	if string(third.Actor) != `{"sub":"stock","act":{"sub":"orders"}}` || third.ClientID != "stock" || third.Subject != before.Subject ||
		third.Expiry != before.Expiry || third.Scope.String() != "read" || len(third.Epochs) != 6 {
		t.Errorf("claims %+v, act %s", third, third.Actor)
	}
	// A token is made narrower for the same API, for a part of the service.
	narrow := s.exchange(s.orders, token, "audience", orders, "scope", "write").is(200)
	if got := s.delegated(orders, narrow.str("access_token")); got.Scope.String() != "write" {
		t.Errorf("narrowed to %v", got.Scope)
	}
	audit := s.admin("GET", "/v1/admin/audit?q=token.exchange", "").is(200).body["items"].([]any)
	if first := audit[0].(map[string]any); len(audit) != 3 || first["actor"] != "orders" || first["target"] != before.Subject || first["verdict"] != "allowed" {
		t.Errorf("audit %v", audit)
	}
}

// A token of the team's own sign-in has roles instead of scopes; they are read
// anew, for the API that the new token is for.
func TestExchangeOfSignIn(t *testing.T) {
	s := startExchanging(t)
	s.admin("POST", "/v1/admin/roles", `{"name":"clerk","permissions":["orders.read"]}`).is(201)
	id := s.person()
	s.admin("PATCH", "/v1/admin/users/"+id, `{"roles":["clerk"]}`).is(200)
	a := s.send("POST", "/v1/login", "application/json", `{"email":"`+ada+`","password":"`+password+`","audience":"`+orders+`"}`).is(200)
	s.hide(a.str("refresh_token"))
	out := s.exchange(s.orders, a.str("access_token"), "audience", stock).is(200)
	got := s.delegated(stock, out.str("access_token"))
	if strings.Join(got.Roles, " ") != "clerk" || got.Name != "Ada Lovelace" || len(got.Scope) != 0 {
		t.Errorf("claims %+v", got)
	}
	// The administrator's own role is in no token for an API.
	root := s.exchange(s.orders, s.signIn(orders).str("access_token"), "audience", stock).is(200)
	if got := s.delegated(stock, root.str("access_token")); len(got.Roles) != 0 || len(got.Permissions) != 0 {
		t.Errorf("the administrator's token says %+v", got)
	}
}

// A service that speaks for itself is acted for like a person.
func TestExchangeOfService(t *testing.T) {
	s := startExchanging(t)
	caller := s.usual("caller")
	token := s.token(caller, orders)
	out := s.exchange(s.orders, token, "audience", stock).is(200)
	got := s.delegated(stock, out.str("access_token"))
	if got.Subject != "caller" || got.ClientID != "orders" || got.SessionID != "" || string(got.Actor) != `{"sub":"orders"}` || len(got.Epochs) != 3 {
		t.Errorf("claims %+v, act %s", got, got.Actor)
	}
	s.introspect(s.stock, out.str("access_token")).active("the exchanged token")
	s.exchange(s.stock, out.str("access_token"), "audience", ledger).is(200)
	// It revokes one token of its own, and what was made of that ends as well.
	own := s.token(caller, orders)
	made := s.exchange(s.orders, own, "audience", stock).is(200).str("access_token")
	s.revoke(caller, own)
	s.introspect(s.stock, made).inactive("what a revoked token was exchanged for")
	s.introspect(s.stock, out.str("access_token")).active("what another one was")
	// The service that it is about is over, and so is what is about it.
	s.admin("POST", "/v1/admin/revocations", `{"kind":"client","id":"caller"}`).is(200)
	s.introspect(s.stock, out.str("access_token")).inactive("after the caller was revoked")
	s.exchange(s.stock, out.str("access_token"), "audience", ledger).fails(400, "invalid_request")
}

// Whatever ends the token ends what was made of it, and so does the end of any
// service that it came through.
func TestExchangedTokenEnds(t *testing.T) {
	for what, end := range map[string]func(s *exchanging, claims delegated, made ...string){
		"the session": func(s *exchanging, c delegated, _ ...string) {
			s.admin("POST", "/v1/admin/revocations", `{"kind":"session","id":"`+c.SessionID+`"}`).is(200)
		},
		"the user": func(s *exchanging, c delegated, _ ...string) {
			s.admin("POST", "/v1/admin/revocations", `{"kind":"user","id":"`+c.Subject+`"}`).is(200)
		},
		"the user is disabled": func(s *exchanging, c delegated, _ ...string) {
			s.admin("PATCH", "/v1/admin/users/"+c.Subject, `{"disabled":true}`).is(200)
		},
		"the token that it was made of": func(s *exchanging, _ delegated, made ...string) {
			s.admin("POST", "/v1/admin/revocations", `{"token":"`+made[0]+`"}`).is(200)
		},
		"its jti": func(s *exchanging, _ delegated, made ...string) {
			s.admin("POST", "/v1/admin/revocations", `{"kind":"token","id":"`+s.delegated(orders, made[0]).ID+`"}`).is(200)
		},
		"the token in between": func(s *exchanging, _ delegated, made ...string) {
			s.admin("POST", "/v1/admin/revocations", `{"token":"`+made[1]+`"}`).is(200)
		},
		"the application": func(s *exchanging, _ delegated, _ ...string) {
			s.admin("POST", "/v1/admin/revocations", `{"kind":"client","id":"app"}`).is(200)
		},
		"the first service": func(s *exchanging, _ delegated, _ ...string) {
			s.admin("POST", "/v1/admin/revocations", `{"kind":"client","id":"orders"}`).is(200)
		},
		"the first service is disabled": func(s *exchanging, _ delegated, _ ...string) {
			s.admin("PATCH", "/v1/admin/clients/orders", `{"disabled":true}`).is(200)
		},
		"the first service is removed": func(s *exchanging, _ delegated, _ ...string) {
			s.admin("DELETE", "/v1/admin/clients/orders", "").is(200)
		},
	} {
		t.Run(what, func(t *testing.T) {
			s := startExchanging(t)
			token, _ := s.scoped()
			first := s.exchange(s.orders, token, "audience", stock).is(200).str("access_token")
			second := s.exchange(s.stock, first, "audience", ledger).is(200).str("access_token")
			claims := s.delegated(ledger, second)
			reader := s.service("reader", `,"grant_types":["client_credentials"],"audiences":["`+ledger+`"]`)
			s.introspect(reader, second).active("before")
			end(s, claims, token, first)
			s.introspect(reader, second).inactive("after the end of " + what)
			s.introspect(s.stock, first).inactive("the token in between")
			if a := s.exchange(s.stock, first, "audience", ledger); a.status == 200 {
				t.Errorf("a dead token was exchanged: %s", a.text)
			}
			if !s.logNames(claims.AccessClaims) {
				t.Error("the revocation log names none of the token's ids: guards go on taking it")
			}
		})
	}
}

// Nothing is gained: not another API, not a scope, not a minute.
func TestExchangeEscalation(t *testing.T) {
	s := startExchanging(t)
	token, app := s.scoped()
	plain := s.usual("plain") // has both APIs, and no right to exchange
	other := s.service("other", `,"grant_types":["`+grantExchange+`"],"audiences":["`+stock+`"],"scope":"read write"`)
	few := s.service("few", `,"grant_types":["`+grantExchange+`"],"audiences":["`+orders+`","`+stock+`"],"scope":"read"`)
	none := s.service("none", `,"grant_types":["`+grantExchange+`"],"audiences":["`+orders+`","`+stock+`"]`)
	refresh := s.signIn(orders).str("refresh_token")
	exchanged := s.exchange(s.orders, token, "audience", stock).is(200).str("access_token")
	writ := s.signIn("").str("access_token")
	for what, tt := range map[string]struct {
		client  service
		subject string
		more    []string
		code    string
	}{
		"a client without the grant":        {plain, token, []string{"audience", stock}, "unauthorized_client"},
		"the application itself":            {app, token, []string{"audience", orders}, "unauthorized_client"},
		"another API's token":               {other, token, []string{"audience", stock}, "invalid_request"},
		"its own token, onwards and back":   {s.orders, exchanged, []string{"audience", orders}, "invalid_request"},
		"its own token, of its own":         {s.orders, s.token(s.orders, stock), []string{"audience", orders}, "invalid_request"},
		"a token for Writ":                  {s.orders, writ, []string{"audience", stock}, "invalid_request"},
		"an API that isn't the client's":    {s.orders, token, []string{"audience", ledger}, "invalid_target"},
		"Writ":                              {s.orders, token, []string{"audience", issuer}, "invalid_target"},
		"no API":                            {s.orders, token, nil, "invalid_target"},
		"two APIs":                          {s.orders, token, []string{"audience", orders, "resource", stock}, "invalid_target"},
		"a scope that the token lacks":      {s.orders, token, []string{"audience", stock, "scope", "read book"}, "invalid_scope"},
		"a scope that the client lacks":     {few, token, []string{"audience", stock, "scope", "write"}, "invalid_scope"},
		"a reserved scope":                  {s.orders, token, []string{"audience", stock, "scope", "writ:admin"}, "invalid_scope"},
		"no scope in place of some":         {none, token, []string{"audience", stock}, "invalid_scope"},
		"a refresh token":                   {s.orders, refresh, []string{"audience", stock}, "invalid_request"},
		"a refresh token, called one":       {s.orders, refresh, []string{"audience", stock, "subject_token_type", "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"},
		"an ID token, called one":           {s.orders, token, []string{"audience", stock, "subject_token_type", "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"},
		"SAML":                              {s.orders, token, []string{"audience", stock, "subject_token_type", "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"},
		"no type":                           {s.orders, token, []string{"audience", stock, "subject_token_type", ""}, "invalid_request"},
		"no token":                          {s.orders, "", []string{"audience", stock}, "invalid_request"},
		"not a token":                       {s.orders, "abc", []string{"audience", stock}, "invalid_request"},
		"a changed token":                   {s.orders, token[:len(token)-4] + "AAAA", []string{"audience", stock}, "invalid_request"},
		"a refresh token wanted":            {s.orders, token, []string{"audience", stock, "requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"},
		"an ID token wanted":                {s.orders, token, []string{"audience", stock, "requested_token_type", "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"},
		"any JWT wanted":                    {s.orders, token, []string{"audience", stock, "requested_token_type", "urn:ietf:params:oauth:token-type:jwt"}, "invalid_request"},
		"an actor without a type":           {s.orders, token, []string{"audience", stock, "actor_token", s.token(s.orders, stock)}, "invalid_request"},
		"the type of an actor, and no such": {s.orders, token, []string{"audience", stock, "actor_token_type", kindAccess}, "invalid_request"},
	} {
		t.Run(what, func(t *testing.T) {
			if a := s.in(t).exchange(tt.client, tt.subject, tt.more...).fails(400, tt.code); a.body["access_token"] != nil {
				t.Errorf("a token comes with the error: %s", a.text)
			}
		})
	}
	s.exchange(s.orders, token, "audience", stock, "subject_token_type", "urn:ietf:params:oauth:token-type:jwt", "requested_token_type", kindAccess).is(200)
	s.exchange(service{id: "orders"}, token, "audience", stock).fails(401, "invalid_client")

	// Not a second more, whatever the API grants; and nothing when it is over.
	s.admin("POST", "/v1/admin/apis", `{"audience":"https://long.example","access_ttl":86400}`).is(201)
	s.admin("PATCH", "/v1/admin/clients/orders", `{"audiences":["`+orders+`","`+stock+`","https://long.example"]}`).is(200)
	long := s.exchange(s.orders, token, "audience", "https://long.example").is(200)
	if got, want := s.delegated("https://long.example", long.str("access_token")).Expiry, s.delegated(orders, token).Expiry; got != want {
		t.Errorf("expires at %v, the token at %v", got, want)
	}
	s.advance(16 * time.Minute)
	s.exchange(s.orders, token, "audience", stock).fails(400, "invalid_request")
}

// Who may exchange is registered, and some can't be.
func TestExchangeIsRegistered(t *testing.T) {
	s := start(t)
	for what, tt := range map[string]struct {
		fields string
		status int
	}{
		"a public client":        {`"token_endpoint_auth_method":"none","grant_types":["` + grantExchange + `"]`, 400},
		"a third party's":        {`"redirect_uris":["` + callback + `"],"grant_types":["authorization_code","` + grantExchange + `"]`, 400},
		"a third party's device": {`"grant_types":["` + deviceGrant + `","` + grantExchange + `"]`, 400},
		"the team's device":      {`"skip_consent":true,"grant_types":["` + deviceGrant + `","` + grantExchange + `"]`, 201},
		"the team's application": {`"redirect_uris":["` + callback + `"],"skip_consent":true,"grant_types":["authorization_code","` + grantExchange + `"]`, 201},
		"a service":              {`"grant_types":["` + grantExchange + `"]`, 201},
	} {
		if a := s.admin("POST", "/v1/admin/clients", `{`+tt.fields+`}`); a.status != tt.status {
			t.Errorf("%s: status %d, want %d: %s", what, a.status, tt.status, a.text)
		} else if secret, ok := a.body["client_secret"].(string); ok {
			s.hide(secret)
		}
	}
	// One that becomes a third party's has lost the right, whatever its row says.
	c := s.service("c", `,"redirect_uris":["`+callback+`"],"skip_consent":true,"grant_types":["authorization_code","`+grantExchange+`"]`)
	if a := s.admin("PATCH", "/v1/admin/clients/"+c.id, `{"skip_consent":false}`); a.status != 400 {
		t.Errorf("status %d: %s", a.status, a.text)
	}
}

// A shared secret lets its API write whatever it likes into tokens for itself.
// None of that reaches another API.
func TestExchangeOfSharedSecret(t *testing.T) {
	s := start(t)
	const shared = "https://shared.example"
	made := s.admin("POST", "/v1/admin/apis", `{"audience":"`+shared+`","algorithm":"HS256"}`).is(201)
	key, err := jwk.NewSecret(jwk.HS256, []byte(s.hide(made.str("secret"))))
	if err != nil {
		t.Fatal(err)
	}
	c := s.service("svc", `,"grant_types":["`+grantExchange+`"],"audiences":["`+shared+`","`+stock+`"],"scope":"read"`)
	caller := s.service("caller", `,"grant_types":["client_credentials"],"audiences":["`+shared+`"],"scope":"read"`)
	genuine := s.token(caller, shared)
	s.introspect(c, genuine).active("the token for its own API")
	s.exchange(c, genuine, "audience", stock).fails(400, "invalid_request")
	claims := s.verify(key, shared, genuine).Claims()
	header := map[string]any{"alg": "HS256", "typ": "at+jwt"}
	body := map[string]any{"iss": issuer, "sub": claims.Subject, "aud": shared, "client_id": claims.ClientID, "jti": "x", "epochs": claims.Epochs,
		"scope": "read write", "iat": s.clock().Unix(), "exp": s.clock().Unix() + 60}
	s.exchange(c, s.hide(sign(key, header, body)), "audience", stock).fails(400, "invalid_request")

	// To such an API an exchange may lead.
	first := s.service("first", `,"grant_types":["`+grantExchange+`"],"audiences":["`+orders+`","`+shared+`"],"scope":"read"`)
	out := s.exchange(first, s.signIn(orders).str("access_token"), "audience", shared).is(200)
	if got := s.verify(key, shared, out.str("access_token")).Claims(); got.ClientID != "first" {
		t.Errorf("claims %+v", got)
	}
}

// The act claim is our word for who acts.
func TestExchangeActors(t *testing.T) {
	s := startExchanging(t)
	token, _ := s.scoped()
	gateway := s.usual("gateway")
	person := s.signIn(orders).str("access_token")
	actor := func(token string) []string {
		return []string{"audience", stock, "actor_token", token, "actor_token_type", kindAccess}
	}
	// The service that called, which shows who it is.
	called := s.token(gateway, orders)
	out := s.exchange(s.orders, token, actor(called)...).is(200).str("access_token")
	if got := s.delegated(stock, out); string(got.Actor) != `{"sub":"gateway"}` || got.ClientID != "orders" || len(got.Epochs) != 6 {
		t.Errorf("act %s, claims %+v", got.Actor, got)
	}
	// Its own token says what is so anyway.
	own := s.exchange(s.orders, token, actor(s.token(s.orders, stock))...).is(200).str("access_token")
	if got := s.delegated(stock, own); string(got.Actor) != `{"sub":"orders"}` {
		t.Errorf("act %s", got.Actor)
	}
	delegatedActor := s.exchange(s.orders, s.token(gateway, orders), "audience", orders).is(200).str("access_token")
	for what, a := range map[string]string{
		"a person":                         person,
		"the person it is about":           token,
		"a token for another API":          s.token(s.stock, ledger),
		"a token that was exchanged":       delegatedActor,
		"a refresh token":                  s.signIn(orders).str("refresh_token"),
		"a token with a broken signature":  called[:len(called)-4] + "AAAA",
		"nothing that could be read":       "{}",
		"an act claim instead of a token":  `{"sub":"admin"}`,
		"a token without its signature":    called[:strings.LastIndex(called, ".")+1],
		"a token that has another's claim": strings.Join([]string{strings.Split(called, ".")[0], strings.Split(token, ".")[1], strings.Split(called, ".")[2]}, "."),
	} {
		t.Run(what, func(t *testing.T) {
			s.in(t).exchange(s.orders, token, actor(a)...).fails(400, "invalid_request")
		})
	}
	// Nobody writes the claim for us: neither a request, nor a person's claims,
	// nor a client's.
	if got := s.delegated(stock, s.exchange(s.orders, token, "audience", stock, "act", `{"sub":"root"}`).is(200).str("access_token")); string(got.Actor) != `{"sub":"orders"}` {
		t.Errorf("act %s", got.Actor)
	}
	if a := s.admin("PATCH", "/v1/admin/clients/gateway", `{"claims":{"act":{"sub":"root"}}}`); a.status != 400 {
		t.Errorf("a client's own act claim: status %d", a.status)
	}
	// Whoever acts is over, and so is what was done.
	s.admin("POST", "/v1/admin/revocations", `{"kind":"client","id":"gateway"}`).is(200)
	s.introspect(s.stock, out).inactive("after the end of who acts")
	s.exchange(s.orders, token, actor(called)...).fails(400, "invalid_request")
}

// A token that is bound to a key stays bound to it; one that isn't may be bound to
// the service's own.
func TestExchangeOfBoundTokens(t *testing.T) {
	s := startExchanging(t)
	s.person()
	app, h, service := s.public("app"), s.holder(), s.holder()
	bound := s.redeemWith(app, s.browser().code(app, "resource", orders, "scope", "openid read"), h.atToken()).is(200).str("access_token")
	a := s.exchange(s.orders, bound, "audience", stock).is(200)
	if a.str("token_type") != "DPoP" || s.boundTo(stock, a.str("access_token")) != h.signer.Thumbprint() {
		t.Errorf("the exchange loosens the token: %s", a.text)
	}
	form := func(token string) url.Values {
		return values([]string{"grant_type", grantExchange, "subject_token", token, "subject_token_type", kindAccess, "audience", stock}, nil)
	}
	s.tokensWith(s.orders, form(bound), service.atToken()).fails(400, "invalid_request") // not to another key
	again := s.tokensWith(s.orders, form(s.signIn(orders).str("access_token")), service.atToken()).is(200)
	if again.str("token_type") != "DPoP" || s.boundTo(stock, again.str("access_token")) != service.signer.Thumbprint() {
		t.Errorf("not bound to the service's key: %s", again.text)
	}
	// On the way, too.
	on := s.exchange(s.stock, a.str("access_token"), "audience", ledger).is(200)
	if s.boundTo(ledger, on.str("access_token")) != h.signer.Thumbprint() {
		t.Error("the second exchange loosens the token")
	}
}

// A chain of services ends somewhere, and tokens stay small.
func TestExchangeChain(t *testing.T) {
	s := start(t)
	token := s.signIn(orders).str("access_token")
	from := orders
	for i, name := range []string{"a", "b", "c", "d", "e"} {
		to := "https://" + name + ".example"
		s.admin("POST", "/v1/admin/apis", `{"audience":"`+to+`"}`).is(201)
		c := s.service(name, `,"grant_types":["`+grantExchange+`"],"audiences":["`+from+`","`+to+`"]`)
		a := s.exchange(c, token, "audience", to)
		if i == 4 {
			a.fails(400, "invalid_request")
			break
		}
		token, from = a.is(200).str("access_token"), to
	}
	if got := s.delegated(from, token); string(got.Actor) != `{"sub":"d","act":{"sub":"c","act":{"sub":"b","act":{"sub":"a"}}}}` {
		t.Errorf("act %s", got.Actor)
	}
}

// logNames says whether the revocation log holds an id of a token, so that
// whoever follows it refuses the token.
func (s *server) logNames(c jwt.AccessClaims) bool {
	s.t.Helper()
	page, err := revlog.Decode([]byte(s.send("GET", "/v1/revocations?after=0", "", "").is(200).text))
	if err != nil {
		s.t.Fatal(err)
	}
	ids := map[[revlog.HashSize]byte]bool{revlog.Hash(revlog.Token, c.ID): true, revlog.Hash(revlog.Session, c.SessionID): true}
	for _, epoch := range c.Epochs {
		ids[revlog.Hash(revlog.Epoch, epoch)] = true
	}
	for _, e := range page.Entries {
		if ids[e.Hash] && e.Expiry >= c.Expiry.Time().Unix() {
			return true
		}
	}
	return false
}
