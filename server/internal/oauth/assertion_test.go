package oauth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
)

func mustRequest() *http.Request { return &http.Request{Header: http.Header{}} }

// keyed is a client with a key pair.
type keyed struct {
	id  string
	key *jwk.PrivateKey
}

func (s *server) keyed(id string, alg jwk.Algorithm) keyed {
	s.t.Helper()
	key, err := jwk.Generate(alg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.service(id, `,"token_endpoint_auth_method":"private_key_jwt","grant_types":["client_credentials"],"audiences":["`+orders+`"],
		"jwks":{"keys":[`+publicJWK(s.t, key)+`]}`)
	return keyed{id, key}
}

func publicJWK(t *testing.T, key *jwk.PrivateKey) string {
	t.Helper()
	text, err := json.Marshal(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// at is a time so many seconds from now.
type at int64

// change changes the header and the claims of an assertion before it is signed.
type change func(header, claims map[string]any)

// claims sets claims: name, value, name, value, …; nil removes one.
func claims(pairs ...any) change {
	return func(_, claims map[string]any) { set(claims, pairs) }
}

// head does so in the header.
func head(pairs ...any) change {
	return func(header, _ map[string]any) { set(header, pairs) }
}

func set(members map[string]any, pairs []any) {
	for i := 0; i < len(pairs); i += 2 {
		if members[pairs[i].(string)] = pairs[i+1]; pairs[i+1] == nil {
			delete(members, pairs[i].(string))
		}
	}
}

// assertion is a good one, but for a change.
func (s *server) assertion(c keyed, change change) string {
	header := map[string]any{"alg": string(c.key.Algorithm()), "kid": c.key.KeyID()}
	now := s.clock().Unix()
	claims := map[string]any{"iss": c.id, "sub": c.id, "aud": issuer, "iat": now, "exp": now + 60, "jti": auth.Random128()}
	if change != nil {
		change(header, claims)
	}
	for name, value := range claims {
		if offset, ok := value.(at); ok {
			claims[name] = now + int64(offset)
		}
	}
	if id, ok := claims["jti"].(string); ok && len(id) == 22 {
		s.hide(id)
	}
	return sign(c.key, header, claims)
}

func (s *server) assert(assertion string, more ...string) *answer {
	s.t.Helper()
	return s.post("/oauth/token", request(append([]string{"client_assertion_type", bearerType, "client_assertion", assertion}, more...)...))
}

func TestAssertion(t *testing.T) {
	s := start(t)
	c, other := s.keyed("svc", jwk.ES256), s.keyed("other", jwk.ES256)
	for what, tt := range map[string]struct {
		change change
		ok     bool
	}{
		"plain":                       {nil, true},
		"typ JWT":                     {head("typ", "JWT"), true},
		"its own typ":                 {head("typ", "client-authentication+jwt"), true},
		"its own typ, in full":        {head("typ", "application/client-authentication+jwt"), true},
		"no kid":                      {head("kid", nil), true},
		"no iat":                      {claims("iat", nil), true},
		"nbf now":                     {claims("nbf", at(0)), true},
		"the clock a little fast":     {claims("nbf", at(5), "iat", at(5), "exp", at(65)), true},
		"the longest life":            {claims("exp", at(300)), true},
		"a jti of any form":           {claims("jti", strings.Repeat("ä ", 500)), true},
		"another claim besides":       {claims("scope", "everything"), true},
		"another key in the header":   {head("jwk", json.RawMessage(publicJWK(t, other.key)), "jku", "https://evil.example/jwks"), true}, // c's signature
		"typ at+jwt":                  {head("typ", "at+jwt"), false},
		"typ of another kind":         {head("typ", "dpop+jwt"), false},
		"aud the endpoint":            {claims("aud", issuer+"/oauth/token"), false},
		"aud a list of the issuer":    {claims("aud", []string{issuer}), false},
		"aud the issuer and another":  {claims("aud", []string{issuer, "https://evil.example"}), false},
		"aud the issuer and endpoint": {claims("aud", []string{issuer, issuer + "/oauth/token"}), false},
		"aud with a slash":            {claims("aud", issuer+"/"), false},
		"aud of another server":       {claims("aud", "https://evil.example"), false},
		"aud in other letters":        {claims("aud", strings.ToUpper(issuer)), false},
		"aud a null":                  {claims("aud", json.RawMessage("null")), false},
		"no aud":                      {claims("aud", nil), false},
		"no exp":                      {claims("exp", nil), false},
		"expired":                     {claims("exp", at(-11), "iat", at(-60)), false},
		"too long a life":             {claims("exp", at(320)), false},
		"an hour":                     {claims("exp", at(3600)), false},
		"exp in milliseconds":         {claims("exp", int64(1772366000000)), false},
		"exp as text":                 {claims("exp", "1772366000"), false},
		"made long ago":               {claims("iat", at(-3600)), false},
		"made in the future":          {claims("iat", at(120), "exp", at(180)), false},
		"not yet":                     {claims("nbf", at(60), "exp", at(120)), false},
		"no jti":                      {claims("jti", nil), false},
		"an empty jti":                {claims("jti", ""), false},
		"jti a number":                {claims("jti", 7), false},
		"no iss":                      {claims("iss", nil), false},
		"iss another client":          {claims("iss", "other"), false},
		"iss the server":              {claims("iss", issuer), false},
		"no sub":                      {claims("sub", nil), false},
		"sub another client":          {claims("sub", "other"), false},
		"both another client":         {claims("iss", "other", "sub", "other"), false},
		"an unknown client":           {claims("iss", "nobody", "sub", "nobody"), false},
		"the sign-in's client":        {claims("iss", "writ", "sub", "writ"), false},
		"bound to a key":              {claims("cnf", map[string]string{"jkt": "x"}), false},
		"unknown kid":                 {head("kid", "x"), false},
		"alg ES384":                   {head("alg", "ES384"), false},
		"alg RS256":                   {head("alg", "RS256"), false},
		"crit":                        {head("crit", []string{"exp"}), false},
		"b64":                         {head("b64", false, "crit", []string{"b64"}), false},
	} {
		t.Run(what, func(t *testing.T) {
			s.advance(time.Hour) // the throttle has forgotten the one before
			in := s.in(t)
			a := in.assert(s.assertion(c, tt.change))
			if tt.ok {
				a.is(200)
				return
			}
			a.fails(401, "invalid_client")
		})
	}
	s.advance(time.Hour)
	s.assert(s.assertion(c, nil), "client_id", "svc").is(200)
	s.assert(s.assertion(c, nil), "client_id", "other").fails(400, "invalid_request")
}

// An assertion that somebody else signed, in every way that has worked
// somewhere.
func TestForgedAssertion(t *testing.T) {
	s := start(t)
	c, other := s.keyed("svc", jwk.ES256), s.keyed("other", jwk.ES256)
	public := []byte(publicJWK(t, c.key))
	pem, err := c.key.Public().ExportPEM()
	if err != nil {
		t.Fatal(err)
	}
	plain := s.usual("plain")
	thief := keyed{"svc", other.key}
	by := func(c keyed, change change) func([]string) string {
		return func([]string) string { return s.assertion(c, change) }
	}
	unsigned := func(header string) func([]string) string {
		return func(good []string) string { return base64url.Encode([]byte(header)) + "." + good[1] + "." }
	}
	for what, forge := range map[string]func(good []string) string{ // of the parts of a good one
		"another key":               by(thief, nil),
		"another key, no kid":       by(thief, head("kid", nil)),
		"another key, the kid":      by(thief, head("kid", c.key.KeyID())),
		"the key in the header":     by(thief, head("kid", nil, "jwk", json.RawMessage(publicJWK(t, other.key)))),
		"a link to the key":         by(thief, head("jku", s.http.URL+"/keys", "x5u", s.http.URL+"/cert")),
		"alg none":                  unsigned(`{"alg":"none"}`),
		"alg None":                  unsigned(`{"alg":"None"}`),
		"no signature":              func(good []string) string { return good[0] + "." + good[1] + "." },
		"HMAC under the public JWK": func(good []string) string { return hmacSigned(public, good[1]) },
		"HMAC under the public PEM": func(good []string) string { return hmacSigned(pem, good[1]) },
		"the signature of another": func(good []string) string {
			return good[0] + "." + good[1] + "." + strings.Split(s.assertion(c, nil), ".")[2]
		},
		"a signature of zeros":    func(good []string) string { return good[0] + "." + good[1] + "." + base64url.Encode(make([]byte, 64)) },
		"two parts":               func(good []string) string { return good[0] + "." + good[1] },
		"four parts":              func(good []string) string { return strings.Join(good, ".") + "." },
		"padding":                 func(good []string) string { return strings.Join(good, ".") + "=" },
		"a space":                 func(good []string) string { return strings.Join(good, ".") + " " },
		"not a token":             func([]string) string { return "abc" },
		"very long":               func(good []string) string { return good[0] + "." + strings.Repeat("A", 60_000) + "." + good[2] },
		"an access token":         func([]string) string { return s.token(plain, orders) },
		"a person's access token": func([]string) string { return s.signIn("").str("access_token") },
	} {
		t.Run(what, func(t *testing.T) {
			s.advance(time.Hour) // the throttle has forgotten the one before
			good := strings.Split(s.assertion(c, nil), ".")
			s.in(t).assert(forge(good)).fails(401, "invalid_client")
			s.in(t).assert(strings.Join(good, ".")).is(200)
		})
	}
}

// hmacSigned signs a payload with HMAC under key.
func hmacSigned(key []byte, payload string) string {
	input := base64url.Encode([]byte(`{"alg":"HS256"}`)) + "." + payload
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(input))
	return input + "." + base64url.Encode(mac.Sum(nil))
}

// An algorithm is the registered key's to choose.
func TestAssertionAlgorithms(t *testing.T) {
	s := start(t)
	for _, alg := range []jwk.Algorithm{jwk.ES256, jwk.ES384, jwk.ES512, jwk.EdDSA, jwk.RS256, jwk.PS256} {
		c := s.keyed("svc-"+string(alg), alg)
		s.assert(s.assertion(c, nil)).is(200)
	}
}

// Of many uses of one assertion at once exactly one is good, and none after a
// restart.
func TestAssertionIsUsedOnce(t *testing.T) {
	s := start(t)
	c, other := s.keyed("svc", jwk.ES256), s.keyed("other", jwk.ES256)
	assertion := s.assertion(c, claims("jti", "once"))
	var good, bad atomic.Int64
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			switch s.post(paths()[i%3], request("client_assertion_type", bearerType, "client_assertion", assertion)).status {
			case 200:
				good.Add(1)
			case 401:
				bad.Add(1)
			}
		})
	}
	all.Wait()
	if good.Load() != 1 || bad.Load() != 19 {
		t.Errorf("%d were let in and %d refused, want 1 and 19", good.Load(), bad.Load())
	}
	s.restart()
	s.assert(assertion).fails(401, "invalid_client")
	s.assert(s.assertion(c, claims("jti", "once", "exp", at(90)))).fails(401, "invalid_client") // the jti counts, not the bytes
	s.assert(s.assertion(c, claims("jti", "another"))).is(200)
	s.assert(s.assertion(other, claims("jti", "once"))).is(200) // names are each client's own
	s.advance(69 * time.Second)                                 // still good for clocks that are slow
	s.assert(assertion).fails(401, "invalid_client")
	s.advance(time.Hour)
	s.assert(assertion).fails(401, "invalid_client") // expired
}

// A changed set of keys counts at once.
func TestChangedKeys(t *testing.T) {
	s := start(t)
	c := s.keyed("svc", jwk.ES256)
	s.assert(s.assertion(c, nil)).is(200)
	next, err := jwk.Generate(jwk.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	s.admin("PATCH", "/v1/admin/clients/svc", `{"jwks":{"keys":[`+publicJWK(t, next)+`]}}`).is(200)
	s.assert(s.assertion(c, nil)).fails(401, "invalid_client")
	s.assert(s.assertion(keyed{"svc", next}, nil)).is(200)
}
