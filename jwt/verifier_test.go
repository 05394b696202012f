package jwt_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

func TestNewVerifierNamesWhatIsMissing(t *testing.T) {
	key := newSecret(t)
	for field, change := range map[string]func(*jwt.Expect){
		"Issuer is missing":              func(e *jwt.Expect) { e.Issuer = "" },
		"set AnyIssuer":                  func(e *jwt.Expect) { e.Issuer = "" },
		"Issuer contradicts AnyIssuer":   func(e *jwt.Expect) { e.AnyIssuer = true },
		"Audience is missing":            func(e *jwt.Expect) { e.Audience = []string{} },
		"Audience contradicts":           func(e *jwt.Expect) { e.AnyAudience = true },
		"Audience has an empty member":   func(e *jwt.Expect) { e.Audience = []string{"api", ""} },
		"Type is missing":                func(e *jwt.Expect) { e.Type = "" },
		"Required has an empty member":   func(e *jwt.Expect) { e.Required = []string{""} },
		"Required has more than":         func(e *jwt.Expect) { e.Required = make([]string, 65); e.Required = fillNames(e.Required) },
		"Leeway is not between 0 and 5m": func(e *jwt.Expect) { e.Leeway = 5*time.Minute + 1 },
		"Leeway is not between":          func(e *jwt.Expect) { e.Leeway = -1 },
		"MaxAge is negative":             func(e *jwt.Expect) { e.MaxAge = -1 },
		"MaxSize is negative":            func(e *jwt.Expect) { e.MaxSize = -1 },
	} {
		e := expect()
		change(&e)
		v, err := jwt.NewVerifier[jwt.Claims](key, e)
		if v != nil || err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("got %v, want an error with %q", err, field)
		}
	}
	for _, keys := range []jwt.KeySource{nil, (*jwk.Secret)(nil), (*jwk.PublicKey)(nil), (*jwk.Set)(nil), lookUp(nil)} {
		if v, err := jwt.NewVerifier[jwt.Claims](keys, expect()); v != nil || err == nil {
			t.Errorf("%T(nil) is taken for a key source", keys)
		}
	}
}

// lookUp is a key source that is a function.
type lookUp func(kid string) (jwk.VerifyingKey, error)

func (f lookUp) FindKey(_ context.Context, _ jwk.Algorithm, kid string) (jwk.VerifyingKey, error) {
	return f(kid)
}

func fillNames(names []string) []string {
	for i := range names {
		names[i] = strings.Repeat("x", i+1)
	}
	return names
}

// With everything that may be required at once, the checks must still be right.
func TestManyRequiredClaims(t *testing.T) {
	key := newSecret(t)
	e := expect()
	e.Type, e.RequireNonce = "at+jwt", true
	e.Required = fillNames(make([]string, 56)) // and eight more
	v, err := jwt.NewVerifier[jwt.Claims](key, e)
	if err != nil {
		t.Fatal(err)
	}
	verify(t, v, forge(t, key, `{"alg":"HS256","typ":"at+jwt"}`, good), jwt.ErrClaim, "client_id")
	e.Required = fillNames(make([]string, 57))
	if _, err := jwt.NewVerifier[jwt.Claims](key, e); err == nil {
		t.Error("65 required claims are taken")
	}
}

// A caller's slices are the caller's: changing them later changes no verifier.
func TestExpectIsCopied(t *testing.T) {
	key := newSecret(t)
	e := expect()
	v := must[*jwt.Verifier[jwt.Claims]](t)(jwt.NewVerifier[jwt.Claims](key, e))
	e.Audience[0] = "other"
	verify(t, v, forge(t, key, header(key), good), nil, "")
	verify(t, v, forge(t, key, header(key), with("aud", `"other"`)), jwt.ErrAudience, "aud")
}

func TestZeroValuesRefuse(t *testing.T) {
	key := newSecret(t)
	token := forge(t, key, header(key), good)
	verify(t, new(jwt.Verifier[jwt.Claims]), token, jwt.ErrKey, "")
	verify(t, (*jwt.Verifier[jwt.Claims])(nil), token, jwt.ErrKey, "")
	verify(t, new(jwt.Verifier[jwt.Claims]).With("x", key), token, jwt.ErrKey, "")
	for _, tok := range []*jwt.Token[jwt.Claims]{nil, new(jwt.Token[jwt.Claims])} {
		if tok.Claims().Subject != "" || tok.KeyID() != "" || tok.Algorithm() != "" || len(tok.Payload()) != 0 {
			t.Error("a zero token says something")
		}
		if _, err := jwt.As[jwt.IDClaims](tok); err == nil {
			t.Error("As reads a zero token")
		}
	}
	if _, err := new(jwt.Signer[jwt.Claims]).Sign(jwt.Claims{}); err == nil {
		t.Error("a zero signer signs")
	}
	var none *jwt.Unverified
	if none.Header() != nil || none.Payload() != nil {
		t.Error("a nil Unverified says something")
	}
}

// accessPayload is a complete RFC 9068 token.
const accessPayload = `{"iss":"https://issuer.example","sub":"u1","aud":"api","exp":1800000900,"iat":1800000000,"jti":"1","client_id":"c"}`

func TestAccessTokenProfile(t *testing.T) {
	key := newSecret(t)
	e := jwt.AccessToken("https://issuer.example", "api")
	e.Now = clock
	v := must[*jwt.Verifier[jwt.Claims]](t)(jwt.NewVerifier[jwt.Claims](key, e))
	const h = `{"typ":"at+jwt","alg":"HS256"}`
	verify(t, v, forge(t, key, h, accessPayload), nil, "")
	verify(t, v, forge(t, key, header(key), accessPayload), jwt.ErrType, "typ")
	for _, name := range []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} {
		without := strings.Replace(accessPayload, `"`+name+`"`, `"x"`, 1)
		verify(t, v, forge(t, key, h, without), jwt.ErrClaim, name)
	}
	// What RFC 9068 demands stays demanded when its value may be any.
	e.Issuer, e.AnyIssuer = "", true
	v = must[*jwt.Verifier[jwt.Claims]](t)(jwt.NewVerifier[jwt.Claims](key, e))
	verify(t, v, forge(t, key, h, strings.Replace(accessPayload, `"iss"`, `"x"`, 1)), jwt.ErrClaim, "iss")
	verify(t, v, forge(t, key, h, strings.Replace(accessPayload, `issuer`, `other`, 1)), nil, "")
}

func TestIDTokenProfile(t *testing.T) {
	key := newSecret(t)
	e := jwt.IDToken("https://issuer.example", "client")
	e.Now = clock
	v := must[*jwt.Verifier[jwt.Claims]](t)(jwt.NewVerifier[jwt.Claims](key, e))
	full := must[*jwt.Verifier[jwt.IDClaims]](t)(jwt.NewVerifier[jwt.IDClaims](key, e))
	payload := func(members string) string {
		return `{"iss":"https://issuer.example","sub":"u1","exp":1800000900,"iat":1800000000,` + members + `}`
	}
	for members, want := range map[string]struct {
		reason error
		name   string
	}{
		`"aud":"client","nonce":"n1"`:                          {nil, ""},
		`"aud":["client"],"nonce":"n1"`:                        {nil, ""},
		`"aud":"client","nonce":"n1","azp":"client"`:           {nil, ""},
		`"aud":["client","other"],"nonce":"n1","azp":"client"`: {nil, ""},
		`"aud":"client","nonce":"\u006e1"`:                     {nil, ""},
		`"aud":["client","other"],"nonce":"n1"`:                {jwt.ErrAudience, "azp"},
		`"aud":["client","other"],"nonce":"n1","azp":"other"`:  {jwt.ErrAudience, "azp"},
		`"aud":"client","nonce":"n1","azp":"other"`:            {jwt.ErrAudience, "azp"},
		`"aud":"client","nonce":"n1","azp":["client"]`:         {jwt.ErrClaim, "azp"},
		`"aud":"client","nonce":"n1","azp":null`:               {jwt.ErrClaim, "azp"},
		`"aud":"other","nonce":"n1","azp":"client"`:            {jwt.ErrAudience, "aud"},
		`"aud":"client"`:                                            {jwt.ErrClaim, "nonce"},
		`"aud":"client","nonce":""`:                                 {jwt.ErrClaim, "nonce"},
		`"aud":"client","nonce":"n2"`:                               {jwt.ErrNonce, "nonce"},
		`"aud":"client","nonce":"n1 "`:                              {jwt.ErrNonce, "nonce"},
		`"aud":"client","nonce":"N1"`:                               {jwt.ErrNonce, "nonce"},
		`"aud":"client","NONCE":"n1"`:                               {jwt.ErrClaim, "nonce"},
		`"aud":"client","nonce":"n1","nonce":"n1"`:                  {jwt.ErrMalformed, ""},
		`"aud":"client","nonce":"n2","exp2":1,"cnf":{"jkt":"x"}`:    {jwt.ErrClaim, "cnf"},
		`"aud":"client","nonce":"n1","at_hash":"x","name":"\u00e9"`: {nil, ""},
	} {
		t.Run(members, func(t *testing.T) {
			for _, h := range []string{`{"alg":"HS256"}`, `{"alg":"HS256","typ":"JWT"}`} {
				tok, err := v.VerifyNonce(context.Background(), forge(t, key, h, payload(members)), "n1")
				checkOutcome(t, tok != nil, err, want.reason, want.name)
				id, err := full.VerifyNonce(context.Background(), forge(t, key, h, payload(members)), "n1")
				checkOutcome(t, id != nil, err, want.reason, want.name)
				if id != nil && id.Claims().Nonce != "n1" {
					t.Errorf("nonce is read as %q", id.Claims().Nonce)
				}
			}
		})
	}
	genuine := forge(t, key, header(key), payload(`"aud":"client","nonce":"n1"`))
	verify(t, v, genuine, jwt.ErrNonce, "nonce") // Verify instead of VerifyNonce
	tok, err := v.VerifyNonce(context.Background(), genuine, "")
	checkOutcome(t, tok != nil, err, jwt.ErrNonce, "nonce")
	number := forge(t, key, header(key), payload(`"aud":"client","nonce":1`))
	tok, err = v.VerifyNonce(context.Background(), number, "1")
	checkOutcome(t, tok != nil, err, jwt.ErrNonce, "nonce")
	access := forge(t, key, `{"typ":"at+jwt","alg":"HS256"}`, payload(`"aud":"client","nonce":"n1"`))
	tok, err = v.VerifyNonce(context.Background(), access, "n1")
	checkOutcome(t, tok != nil, err, jwt.ErrType, "typ")
}

// Without the profile, nonce is nobody's business but VerifyNonce's.
func TestNonceOfOtherTokens(t *testing.T) {
	key := newSecret(t)
	v := newVerifier(t, key)
	for _, nonce := range []string{``, `1`, `null`, `"n1"`} {
		verify(t, v, forge(t, key, header(key), with("nonce", nonce)), nil, "")
	}
	for nonce, reason := range map[string]error{`"n1"`: nil, `"n2"`: jwt.ErrNonce, ``: jwt.ErrNonce, `1`: jwt.ErrNonce} {
		tok, err := v.VerifyNonce(context.Background(), forge(t, key, header(key), with("nonce", nonce)), "n1")
		name := ""
		if reason != nil {
			name = "nonce"
		}
		checkOutcome(t, tok != nil, err, reason, name)
	}
	for _, nonce := range []string{``, `""`, `null`, `1`} { // no nonce is not an empty nonce
		tok, err := v.VerifyNonce(context.Background(), forge(t, key, header(key), with("nonce", nonce)), "")
		checkOutcome(t, tok != nil, err, jwt.ErrNonce, "nonce")
	}
}

// down is a key source that can't look.
type down struct{ err error }

func (d down) FindKey(context.Context, jwk.Algorithm, string) (jwk.VerifyingKey, error) {
	return nil, d.err
}

func TestUnavailable(t *testing.T) {
	key := newSecret(t)
	token := forge(t, key, header(key), good)
	cause := errors.New("connection refused")
	v := newVerifier(t, down{cause})
	verify(t, v, token, jwt.ErrUnavailable, "")
	_, err := v.Verify(context.Background(), token)
	if !errors.Is(err, cause) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("%v does not tell the cause", err)
	}
	verify(t, newVerifier(t, down{context.Canceled}), token, jwt.ErrUnavailable, "")
	wrapped := down{errors.Join(errors.New("looked everywhere"), jwk.ErrNotFound)}
	verify(t, newVerifier(t, wrapped), token, jwt.ErrKey, "kid")
	// What is malformed is so whether keys can be had or not.
	verify(t, v, token+"=", jwt.ErrMalformed, "")
	verify(t, v, forge(t, key, `{"alg":"none"}`, good), jwt.ErrHeader, "alg")
	verify(t, v, forge(t, key, `{"alg":"HS256","typ":"x"}`, good), jwt.ErrType, "typ")
}

func TestWith(t *testing.T) {
	mine, theirs := newSecret(t), newSecret(t)
	v := newVerifier(t, mine)
	other := v.With("https://other.example", theirs)
	fromMine := forge(t, mine, header(mine), good)
	fromTheirs := forge(t, theirs, header(theirs), with("iss", `"https://other.example"`))
	for range 2 { // also with the header that the two share a memory of
		verify(t, v, fromMine, nil, "")
		verify(t, other, fromTheirs, nil, "")
		verify(t, v, fromTheirs, jwt.ErrSignature, "")
		verify(t, other, fromMine, jwt.ErrSignature, "")
	}
	verify(t, other, forge(t, theirs, header(theirs), good), jwt.ErrIssuer, "iss")
	verify(t, other, forge(t, theirs, `{"alg":"HS256","typ":"x"}`, good), jwt.ErrType, "typ")
	for name, nothing := range map[string]*jwt.Verifier[jwt.Claims]{
		"no keys": v.With("x", nil), "nil key": v.With("x", (*jwk.Secret)(nil)), "no issuer": v.With("", mine),
	} {
		t.Run(name, func(t *testing.T) { verify(t, nothing, fromMine, jwt.ErrKey, "") })
	}
	anybody := newVerifier(t, mine, func(e *jwt.Expect) { e.Issuer, e.AnyIssuer = "", true })
	verify(t, anybody.With("", theirs), fromTheirs, nil, "")
	verify(t, anybody.With("https://other.example", theirs), fromTheirs, nil, "")
	verify(t, anybody.With("https://issuer.example", theirs), fromTheirs, jwt.ErrIssuer, "iss")
}

func TestOneOf(t *testing.T) {
	a, b := newSecret(t), newSecret(t)
	va := newVerifier(t, a)
	vb := newVerifier(t, b, func(e *jwt.Expect) { e.Issuer, e.Audience, e.MaxSize = "https://b.example", []string{"b"}, 1000 })
	v := must[*jwt.Verifier[jwt.Claims]](t)(jwt.OneOf(va, vb))
	payloadB := strings.NewReplacer("issuer", "b", `"api"`, `"b"`).Replace(good)
	verify(t, v, forge(t, a, header(a), good), nil, "")
	verify(t, v, forge(t, b, header(b), payloadB), nil, "")
	verify(t, v, forge(t, b, header(b), good), jwt.ErrSignature, "") // b's key for a's name
	verify(t, v, forge(t, a, header(a), payloadB), jwt.ErrSignature, "")
	verify(t, v, forge(t, a, header(a), with("iss", `"https://c.example"`)), jwt.ErrKey, "iss")
	verify(t, v, forge(t, a, header(a), with("iss", ``)), jwt.ErrKey, "iss")
	verify(t, v, forge(t, a, header(a), with("iss", `["https://issuer.example"]`)), jwt.ErrKey, "iss")
	verify(t, v, forge(t, a, header(a), strings.Replace(good, "{", `{"iss":"https://b.example",`, 1)), jwt.ErrMalformed, "")
	verify(t, v, forge(t, a, header(a), good+"x"), jwt.ErrMalformed, "")
	verify(t, v, forge(t, a, header(a), `[]`), jwt.ErrMalformed, "")
	verify(t, v, forge(t, a, header(a), good)+"=", jwt.ErrMalformed, "")
	verify(t, v, "a.b", jwt.ErrMalformed, "")
	verify(t, v, "a.$.c", jwt.ErrMalformed, "")
	verify(t, v, strings.Repeat("x", jwt.DefaultMaxSize+1), jwt.ErrTooLarge, "")
	long := strings.Replace(payloadB, "{", `{"x":"`+strings.Repeat("x", 1000)+`",`, 1)
	verify(t, v, forge(t, b, header(b), long), jwt.ErrTooLarge, "")
	verify(t, v, forge(t, b, header(b), strings.Replace(payloadB, `"aud":"b"`, `"aud":"api"`, 1)), jwt.ErrAudience, "aud")
	verify(t, v.With("https://issuer.example", a), forge(t, a, header(a), good), jwt.ErrKey, "")
}

func TestOneOfRefuses(t *testing.T) {
	key := newSecret(t)
	v := newVerifier(t, key)
	anybody := newVerifier(t, key, func(e *jwt.Expect) { e.Issuer, e.AnyIssuer = "", true })
	both := must[*jwt.Verifier[jwt.Claims]](t)(jwt.OneOf(v))
	for name, verifiers := range map[string][]*jwt.Verifier[jwt.Claims]{
		"none": {}, "nil": {v, nil}, "zero": {new(jwt.Verifier[jwt.Claims])}, "the same issuer twice": {v, v},
		"any issuer": {v, anybody}, "one of one of": {both},
	} {
		if got, err := jwt.OneOf(verifiers...); got != nil || err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestTokenTellsTheKey(t *testing.T) {
	key := newKey(t, jwk.ES256)
	v := newVerifier(t, key.Public())
	for _, h := range []string{header(key), `{"alg":"ES256","kid":"whatever"}`} {
		tok, err := v.Verify(context.Background(), forge(t, key, h, good))
		if err != nil {
			t.Fatal(err)
		}
		if tok.Algorithm() != jwk.ES256 || tok.KeyID() != key.KeyID() {
			t.Errorf("key %s %s, want ES256 %s: the key's own name", tok.Algorithm(), tok.KeyID(), key.KeyID())
		}
		if string(tok.Payload()) != good {
			t.Errorf("payload %s, want what was signed", tok.Payload())
		}
	}
}

// One token may be in the hands of many requests.
func TestTokenIsImmutable(t *testing.T) {
	key := newSecret(t)
	v := must[*jwt.Verifier[jwt.AccessClaims]](t)(jwt.NewVerifier[jwt.AccessClaims](key, expect()))
	tok, err := v.Verify(context.Background(), forge(t, key, header(key), with("roles", `["a","b"],"scope":"x  y "`)))
	if err != nil {
		t.Fatal(err)
	}
	c := tok.Claims()
	for name, free := range map[string]int{
		"roles": cap(c.Roles) - len(c.Roles), "scope": cap(c.Scope) - len(c.Scope), "aud": cap(c.Audience) - len(c.Audience),
	} {
		if free != 0 {
			t.Errorf("%s has room for %d more, which appending would share", name, free)
		}
	}
	c.Subject, c.Roles = "admin", append(c.Roles, "admin")
	tok.Payload()[0] = 'x'
	if again := tok.Claims(); again.Subject != "u1" || len(again.Roles) != 2 || tok.Payload()[0] != '{' {
		t.Error("the token was changed through what it gave out")
	}
}

// The memory of headers must not mix up tokens, whoever uses it at once.
func TestManyHeaders(t *testing.T) {
	const keys, rounds = 20, 50
	var secrets []jwk.VerifyingKey
	var tokens []string
	for range keys {
		key := newSecret(t)
		secrets = append(secrets, key)
		tokens = append(tokens, forge(t, key, `{"alg":"HS256","kid":"`+key.KeyID()+`"}`, with("sub", `"`+key.KeyID()+`"`)))
	}
	v := newVerifier(t, must[*jwk.Ring](t)(jwk.NewRing(secrets...)))
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range rounds * keys {
				n := (i*7 + worker) % keys
				tok, err := v.Verify(context.Background(), tokens[n])
				if err != nil || tok.KeyID() != secrets[n].KeyID() || tok.Claims().Subject != secrets[n].KeyID() {
					t.Errorf("token %d: %v", n, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// A header that is remembered is no pass for other keys or other payloads.
func TestKnownHeaderIsNoPass(t *testing.T) {
	key, other := newSecret(t), newSecret(t)
	v := newVerifier(t, key)
	verify(t, v, forge(t, key, header(key), good), nil, "")
	verify(t, v, forge(t, other, header(key), good), jwt.ErrSignature, "")
	verify(t, v, forge(t, key, header(key), with("exp", "1")), jwt.ErrExpired, "exp")
}
