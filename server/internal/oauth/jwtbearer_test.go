package oauth_test

import (
	"crypto/elliptic"
	"encoding/json"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/jwk"
)

const grantBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// signer is a client that signs grants, with more members.
func (s *server) signer(id string, alg jwk.Algorithm, more string) keyed {
	s.t.Helper()
	key, err := jwk.Generate(alg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.service(id, `,"token_endpoint_auth_method":"private_key_jwt","grant_types":["`+grantBearer+`"],"audiences":["`+orders+`"],"scope":"read write",
		"jwks":{"keys":[`+publicJWK(s.t, key)+`]}`+more)
	return keyed{id, key}
}

// bearer hands in a grant with nothing else.
func (s *server) bearer(grant string, more ...string) *answer {
	s.t.Helper()
	return s.post("/oauth/token", append([]string{"grant_type", grantBearer, "assertion", grant}, more...))
}

// A service's own signature is all it needs.
func TestJWTBearer(t *testing.T) {
	s := start(t)
	c := s.signer("svc", jwk.ES256, "")
	a := s.bearer(s.assertion(c, head("typ", "authorization-grant+jwt")), "scope", "read").is(200)
	if a.str("token_type") != "Bearer" || a.str("scope") != "read" || a.body["refresh_token"] != nil || a.body["expires_in"] != 900.0 {
		t.Errorf("answer %s", a.text)
	}
	claims, err := s.accessToken(orders, a.str("access_token"))
	if err != nil {
		t.Fatal(err)
	}
	if claims.Subject != "svc" || claims.ClientID != "svc" || claims.SessionID != "" || len(claims.Epochs) != 1 {
		t.Errorf("claims %+v", claims)
	}
	s.assert(s.assertion(c, head("typ", "authorization-grant+jwt"))).fails(401, "invalid_client") // it is no client's authentication
	s.bearer(s.assertion(c, nil), "resource", stock).fails(400, "invalid_target")
	s.bearer(s.assertion(c, nil), "scope", "admin").fails(400, "invalid_scope")
	s.bearer(s.assertion(c, nil), "client_id", "svc").is(200)
	s.bearer(s.assertion(c, nil), "client_id", "other").fails(400, "invalid_request")
	for _, alg := range []jwk.Algorithm{jwk.ES384, jwk.EdDSA, jwk.RS256, jwk.PS256} {
		s.bearer(s.assertion(s.signer("svc-"+string(alg), alg, ""), nil)).is(200)
	}
	s.admin("PATCH", "/v1/admin/clients/svc", `{"disabled":true}`).is(200)
	s.bearer(s.assertion(c, nil)).fails(400, "invalid_grant")
	reader := s.reader(orders)
	s.introspect(reader, a.str("access_token")).inactive("after the client was disabled")
}

// What is wrong with a grant has one answer, and a failure tells nothing of who
// exists.
func TestJWTBearerRefuses(t *testing.T) {
	s := start(t)
	c, other := s.signer("svc", jwk.ES256, ""), s.signer("other", jwk.ES256, "")
	noGrant := s.keyed("keyed", jwk.ES256)
	plain := s.usual("plain")
	thief := keyed{"svc", other.key}
	for what, tt := range map[string]struct {
		client keyed
		change change
	}{
		"for the endpoint":           {c, claims("aud", issuer+"/oauth/token")},
		"for a list":                 {c, claims("aud", []string{issuer})},
		"for two":                    {c, claims("aud", []string{issuer, "https://evil.example"})},
		"for another server":         {c, claims("aud", "https://evil.example")},
		"for an API":                 {c, claims("aud", orders)},
		"no aud":                     {c, claims("aud", nil)},
		"no exp":                     {c, claims("exp", nil)},
		"expired":                    {c, claims("exp", at(-11), "iat", at(-60))},
		"an hour":                    {c, claims("exp", at(3600))},
		"made long ago":              {c, claims("iat", at(-3600))},
		"not yet":                    {c, claims("nbf", at(60), "exp", at(120))},
		"jti a number":               {c, claims("jti", 7)},
		"another subject":            {c, claims("sub", "other")},
		"a person":                   {c, claims("sub", "usr_0")},
		"another issuer":             {c, claims("iss", "other")},
		"both another":               {c, claims("iss", "other", "sub", "other")},
		"nobody":                     {keyed{"nobody", c.key}, nil},
		"Writ's own client":          {keyed{"writ", c.key}, nil},
		"bound to a key":             {c, claims("cnf", map[string]string{"jkt": "x"})},
		"typ of an assertion":        {c, head("typ", "client-authentication+jwt")},
		"typ of an access token":     {c, head("typ", "at+jwt")},
		"unknown kid":                {c, head("kid", "x")},
		"another algorithm":          {c, head("alg", "RS256")},
		"another's key":              {thief, head("kid", nil)},
		"another's key, the kid":     {thief, head("kid", c.key.KeyID())},
		"the key in the header":      {thief, head("kid", nil, "jwk", json.RawMessage(publicJWK(t, other.key)))},
		"a link to the key":          {thief, head("jku", s.http.URL+"/keys")},
		"a client without the grant": {noGrant, nil},
		"a client that has no keys":  {keyed{"plain", c.key}, nil},
		"crit":                       {c, head("crit", []string{"exp"})},
	} {
		t.Run(what, func(t *testing.T) {
			s.advance(time.Hour) // the throttle has forgotten the one before
			s.in(t).bearer(s.assertion(tt.client, tt.change)).fails(400, "invalid_grant")
		})
	}
	s.advance(time.Hour)
	good := strings.Split(s.assertion(c, nil), ".")
	for _, forged := range []string{"abc", "{}", good[0] + "." + good[1] + ".", hmacSigned([]byte(publicJWK(t, c.key)), good[1]),
		strings.Repeat("A", 20_000), s.token(plain, orders)} {
		s.advance(time.Hour)
		s.bearer(forged).fails(400, "invalid_grant")
	}
	s.bearer("").fails(401, "invalid_client") // nothing says who asks
	s.bearer("", "client_id", "svc").fails(401, "invalid_client")
	// Its secret is no key: the server can't check a MAC with a hash of it.
	mac := hmacSigned([]byte(plain.secret), strings.Split(s.assertion(keyed{"plain", c.key}, nil), ".")[1])
	s.bearer(mac).fails(400, "invalid_grant")
	// Only there: elsewhere it tells nobody who asks.
	s.post("/oauth/token", []string{"grant_type", "client_credentials", "assertion", s.assertion(c, nil)}).fails(401, "invalid_client")
	s.post("/oauth/introspect", []string{"token", "x", "grant_type", grantBearer, "assertion", s.assertion(c, nil)}).fails(401, "invalid_client")
}

// A grant is used once, on its own or beside an assertion, on whichever node.
func TestJWTBearerIsUsedOnce(t *testing.T) {
	s := start(t)
	c := s.signer("svc", jwk.ES256, "")
	grant := s.assertion(c, claims("jti", "once"))
	var good, bad atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			switch s.bearer(grant).status {
			case 200:
				good.Add(1)
			case 400:
				bad.Add(1)
			}
		})
	}
	all.Wait()
	if good.Load() != 1 || bad.Load() != 19 {
		t.Errorf("%d were granted and %d refused, want 1 and 19", good.Load(), bad.Load())
	}
	s.restart()
	s.bearer(grant).fails(400, "invalid_grant")
	// Without a jti, what was signed counts, whatever the signature.
	nameless := s.assertion(c, claims("jti", nil))
	s.bearer(nameless).is(200)
	s.bearer(nameless).fails(400, "invalid_grant")
	s.bearer(otherSignature(t, nameless)).fails(400, "invalid_grant")
	s.advance(time.Second)
	s.bearer(s.assertion(c, claims("jti", nil))).is(200)
	// The same JWT as the client's authentication and as the grant is one use too many.
	twice := s.assertion(c, nil)
	s.bearer(twice, "client_assertion_type", bearerType, "client_assertion", twice).fails(400, "invalid_grant")
	// Two of them are right, if it is the same client.
	s.bearer(s.assertion(c, nil), "client_assertion_type", bearerType, "client_assertion", s.assertion(c, nil)).is(200)
	other := s.signer("other", jwk.ES256, "")
	s.bearer(s.assertion(other, nil), "client_assertion_type", bearerType, "client_assertion", s.assertion(c, nil)).fails(400, "invalid_grant")
	// With a secret, too.
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	both := s.service("both", `,"grant_types":["`+grantBearer+`"],"audiences":["`+orders+`"],"jwks":{"keys":[`+publicJWK(t, key)+`]}`)
	grants := keyed{"both", key}
	s.post("/oauth/token", []string{"grant_type", grantBearer, "assertion", s.assertion(grants, nil)}, both.basic()).is(200)
	s.post("/oauth/token", []string{"grant_type", grantBearer, "assertion", s.assertion(c, nil)}, both.basic()).fails(400, "invalid_grant")
	s.post("/oauth/token", []string{"grant_type", grantBearer, "assertion", s.assertion(grants, nil)}, basic("both", "wrong")).fails(401, "invalid_client")
	s.post("/oauth/token", []string{"grant_type", grantBearer}, both.basic()).fails(400, "invalid_request")
}

// otherSignature is the other ES256 signature that is as good: (r, n-s).
func otherSignature(t *testing.T, token string) string {
	t.Helper()
	i := strings.LastIndexByte(token, '.') + 1
	text, err := base64url.DecodeString(token[i:])
	if err != nil {
		t.Fatal(err)
	}
	signature := []byte(text)
	s := new(big.Int).SetBytes(signature[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(signature[32:])
	return token[:i] + base64url.Encode(signature)
}

// Who may sign grants is registered, with the keys that sign.
func TestJWTBearerIsRegistered(t *testing.T) {
	s := start(t)
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	keys := `,"jwks":{"keys":[` + publicJWK(t, key) + `]}`
	for what, tt := range map[string]struct {
		fields string
		status int
	}{
		"without keys":    {`"grant_types":["` + grantBearer + `"]`, 400},
		"a public client": {`"token_endpoint_auth_method":"none","grant_types":["` + grantBearer + `"]` + keys, 400},
		"with keys":       {`"token_endpoint_auth_method":"private_key_jwt","grant_types":["` + grantBearer + `"]` + keys, 201},
		"with an address": {`"token_endpoint_auth_method":"private_key_jwt","grant_types":["` + grantBearer + `"],"jwks_uri":"https://svc.example/jwks"`, 201},
	} {
		if a := s.admin("POST", "/v1/admin/clients", `{`+tt.fields+`}`); a.status != tt.status {
			t.Errorf("%s: status %d, want %d: %s", what, a.status, tt.status, a.text)
		}
	}
}
