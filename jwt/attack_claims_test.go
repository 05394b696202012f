package jwt_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// cases verifies good with one claim changed.
func cases(t *testing.T, name string, changes []func(*jwt.Expect), values map[string]error) {
	t.Helper()
	key := newSecret(t)
	v := newVerifier(t, key, changes...)
	for value, reason := range values {
		t.Run(name+"="+value, func(t *testing.T) {
			blamed := ""
			if reason != nil {
				blamed = name
			}
			verify(t, v, forge(t, key, header(key), with(name, value)), reason, blamed)
		})
	}
}

// CVE-2026-25537 and its kind: an exp of the wrong type is not a missing exp,
// and a missing one is not a token for ever.
func TestExpiry(t *testing.T) {
	cases(t, "exp", nil, map[string]error{
		``:                        jwt.ErrClaim, // not there
		`null`:                    jwt.ErrClaim,
		`true`:                    jwt.ErrClaim,
		`false`:                   jwt.ErrClaim,
		`""`:                      jwt.ErrClaim,
		`"1800000900"`:            jwt.ErrClaim,
		`"never"`:                 jwt.ErrClaim,
		`"2027-01-15T08:15:00Z"`:  jwt.ErrClaim,
		`[]`:                      jwt.ErrClaim,
		`[1800000900]`:            jwt.ErrClaim,
		`{}`:                      jwt.ErrClaim,
		`{"$date":1800000900}`:    jwt.ErrClaim,
		`-1`:                      jwt.ErrClaim,
		`-1800000900`:             jwt.ErrClaim,
		`-0.5`:                    jwt.ErrClaim,
		`-0`:                      jwt.ErrClaim,
		`1800000900000`:           jwt.ErrClaim, // milliseconds
		`253402300800`:            jwt.ErrClaim, // the year 10000
		`9007199254740993`:        jwt.ErrClaim, // 2^53 + 1
		`9223372036854775808`:     jwt.ErrClaim, // 2^63
		`18446744073709551616`:    jwt.ErrClaim, // 2^64
		`-9223372036854775809`:    jwt.ErrClaim,
		`1e308`:                   jwt.ErrClaim,
		`1e400`:                   jwt.ErrClaim,
		`1e99999999999999999999`:  jwt.ErrClaim,
		`0`:                       jwt.ErrExpired,
		`1`:                       jwt.ErrExpired,
		`0.0`:                     jwt.ErrExpired,
		`1e-300`:                  jwt.ErrClaim, // no date needs such an exponent
		`1799999999`:              jwt.ErrExpired,
		`1799999999.999999999`:    jwt.ErrExpired,
		`1800000000`:              jwt.ErrExpired, // over at this very second
		`1800000000.0`:            jwt.ErrExpired,
		`1800000000.000000000001`: jwt.ErrExpired, // a nanosecond is the finest there is
		`1800000000.000000001`:    nil,
		`1800000001`:              nil,
		`1.800000001e9`:           nil,
		`1800000001000e-3`:        nil,
		`2147483648`:              nil, // 2^31
		`4294967296`:              nil, // 2^32
		`253402300799`:            nil,
	})
}

func minuteLeeway(e *jwt.Expect) { e.Leeway = time.Minute }

func TestLeeway(t *testing.T) {
	leeway := []func(*jwt.Expect){minuteLeeway}
	cases(t, "exp", leeway, map[string]error{
		`1799999939`: jwt.ErrExpired, `1799999940`: jwt.ErrExpired, `1799999940.5`: nil, `1799999941`: nil,
	})
	cases(t, "nbf", leeway, map[string]error{
		`1800000059`: nil, `1800000060`: nil, `1800000060.5`: jwt.ErrNotYetValid, `1800000061`: jwt.ErrNotYetValid,
	})
	cases(t, "iat", leeway, map[string]error{`1800000060`: nil, `1800000061`: jwt.ErrNotYetValid})
	cases(t, "iat", []func(*jwt.Expect){func(e *jwt.Expect) { e.Leeway = 5 * time.Minute }},
		map[string]error{`1800000300`: nil, `1800000301`: jwt.ErrNotYetValid})
}

func TestNotBefore(t *testing.T) {
	cases(t, "nbf", nil, map[string]error{
		`1799999999`: nil, `1800000000`: nil, `0`: nil,
		`1800000000.5`: jwt.ErrNotYetValid, `1800000001`: jwt.ErrNotYetValid, `253402300799`: jwt.ErrNotYetValid,
		`null`: jwt.ErrClaim, `""`: jwt.ErrClaim, `"1799999999"`: jwt.ErrClaim, `false`: jwt.ErrClaim, `[]`: jwt.ErrClaim,
		`{}`: jwt.ErrClaim, `-1`: jwt.ErrClaim, `1800000000000`: jwt.ErrClaim, `1e400`: jwt.ErrClaim,
	})
}

func TestIssuedAt(t *testing.T) {
	cases(t, "iat", nil, map[string]error{
		``: nil, `0`: nil, `1800000000`: nil, `1800000059`: nil, `1800000060`: nil,
		`1800000060.5`: jwt.ErrNotYetValid, `1800000061`: jwt.ErrNotYetValid,
		`null`: jwt.ErrClaim, `"1800000000"`: jwt.ErrClaim, `true`: jwt.ErrClaim, `1800000000000`: jwt.ErrClaim,
	})
	cases(t, "iat", []func(*jwt.Expect){minuteLeeway, func(e *jwt.Expect) { e.MaxAge = time.Hour }}, map[string]error{
		``: jwt.ErrClaim, `1799996400`: nil, `1799996399.9`: jwt.ErrTooOld, `1799996399`: jwt.ErrTooOld, `0`: jwt.ErrTooOld,
		`1800000060`: nil,
	})
}

func TestAllowNoExpiry(t *testing.T) {
	cases(t, "exp", []func(*jwt.Expect){func(e *jwt.Expect) { e.AllowNoExpiry = true }}, map[string]error{
		``: nil, `1800000001`: nil, `1800000000`: jwt.ErrExpired, `null`: jwt.ErrClaim, `"x"`: jwt.ErrClaim,
	})
}

func TestIssuer(t *testing.T) {
	cases(t, "iss", nil, map[string]error{
		``: jwt.ErrClaim, `null`: jwt.ErrClaim, `1`: jwt.ErrClaim, `""`: jwt.ErrClaim,
		`["https://issuer.example"]`:                 jwt.ErrClaim,
		`{"iss":"https://issuer.example"}`:           jwt.ErrClaim,
		`"https://issuer.example"`:                   nil,
		`"https:\/\/issuer.example"`:                 nil,
		`"https://issuer.example/"`:                  jwt.ErrIssuer,
		`"https://issuer.exampl"`:                    jwt.ErrIssuer,
		`"https://issuer.example.evil.test"`:         jwt.ErrIssuer,
		`"https://evil.test/https://issuer.example"`: jwt.ErrIssuer,
		`"https://ISSUER.example"`:                   jwt.ErrIssuer,
		`"http://issuer.example"`:                    jwt.ErrIssuer,
		`"https://issuer.example:443"`:               jwt.ErrIssuer,
		`" https://issuer.example"`:                  jwt.ErrIssuer,
		`"https://issuer.example\u0000"`:             jwt.ErrIssuer,
		`"https://issuer.example\n"`:                 jwt.ErrIssuer,
		`"https://\u0456ssuer.example"`:              jwt.ErrIssuer, // Cyrillic i
	})
	cases(t, "iss", []func(*jwt.Expect){func(e *jwt.Expect) { e.Issuer, e.AnyIssuer = "", true }}, map[string]error{
		``: nil, `"x"`: nil, `""`: nil, `1`: jwt.ErrClaim, `null`: jwt.ErrClaim,
	})
}

// CVE-2020-26160 and its kind.
func TestAudience(t *testing.T) {
	cases(t, "aud", nil, map[string]error{
		``: jwt.ErrClaim, `null`: jwt.ErrClaim, `""`: jwt.ErrClaim,
		`1`: jwt.ErrClaim, `true`: jwt.ErrClaim, `{}`: jwt.ErrClaim, `{"api":true}`: jwt.ErrClaim,
		`[1]`: jwt.ErrClaim, `["api",1]`: jwt.ErrClaim, `["api",null]`: jwt.ErrClaim, `[["api"]]`: jwt.ErrClaim,
		`["api",["api"]]`: jwt.ErrClaim, `[{"aud":"api"}]`: jwt.ErrClaim,
		`[]`: jwt.ErrAudience, `[""]`: jwt.ErrAudience, `"ap"`: jwt.ErrAudience, `"apis"`: jwt.ErrAudience,
		`"API"`: jwt.ErrAudience, `"api "`: jwt.ErrAudience, `"api,other"`: jwt.ErrAudience, `"other api"`: jwt.ErrAudience,
		`["other"]`: jwt.ErrAudience, `"https://api"`: jwt.ErrAudience,
		`"api"`: nil, `["api"]`: nil, `["other","api"]`: nil, `["","api","api"]`: nil,
	})
	several := func(e *jwt.Expect) { e.Audience = []string{"api", "https://api.example"} }
	cases(t, "aud", []func(*jwt.Expect){several}, map[string]error{
		`"https://api.example"`: nil, `["x","api"]`: nil, `"x"`: jwt.ErrAudience,
	})
	cases(t, "aud", []func(*jwt.Expect){func(e *jwt.Expect) { e.Audience, e.AnyAudience = nil, true }}, map[string]error{
		``: nil, `"x"`: nil, `[]`: nil, `1`: jwt.ErrClaim, `[1]`: jwt.ErrClaim, `null`: jwt.ErrClaim,
	})
}

// A bound token is nothing without its proof (RFC 9449 section 7.2).
func TestConfirmation(t *testing.T) {
	bound := map[string]error{}
	for _, cnf := range []string{
		`{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}`, `{"x5t#S256":"x"}`, `{"jwk":{}}`, `{}`, `null`, `""`, `false`, `[]`,
	} {
		bound[cnf] = jwt.ErrClaim
	}
	cases(t, "cnf", nil, bound)
	for cnf := range bound {
		bound[cnf] = nil
	}
	cases(t, "cnf", []func(*jwt.Expect){func(e *jwt.Expect) { e.AllowConfirmation = true }}, bound)
}

// Another letter case is another claim.
func TestClaimNamesAreCaseSensitive(t *testing.T) {
	key := newSecret(t)
	v := newVerifier(t, key)
	for _, name := range []string{"iss", "aud", "exp"} {
		upper := strings.Replace(good, `"`+name+`":`, `"`+strings.ToUpper(name)+`":`, 1)
		verify(t, v, forge(t, key, header(key), upper), jwt.ErrClaim, name)
	}
	verify(t, v, forge(t, key, header(key), strings.Replace(good, `{`, `{"EXP":1,"Exp":1,"ISS":"x","Nbf":99999999999,"CNF":{},`, 1)), nil, "")
	escaped := strings.NewReplacer(`"iss"`, `"\u0069ss"`, `"exp"`, `"e\u0078p"`).Replace(good)
	verify(t, v, forge(t, key, header(key), escaped), nil, "")
}

func TestRequired(t *testing.T) {
	cases(t, "tenant", []func(*jwt.Expect){func(e *jwt.Expect) { e.Required = []string{"sub", "tenant"} }}, map[string]error{
		``: jwt.ErrClaim, `null`: jwt.ErrClaim, `""`: jwt.ErrClaim,
		`"x"`: nil, `"\u0000"`: nil, `0`: nil, `false`: nil, `{}`: nil, `[]`: nil,
	})
	cases(t, "sub", []func(*jwt.Expect){func(e *jwt.Expect) { e.Required = []string{"sub"} }}, map[string]error{
		``: jwt.ErrClaim, `null`: jwt.ErrClaim, `""`: jwt.ErrClaim, `1`: jwt.ErrClaim, `"x"`: nil,
	})
}

func TestSubject(t *testing.T) {
	cases(t, "sub", []func(*jwt.Expect){func(e *jwt.Expect) { e.Subject = "client-1" }}, map[string]error{
		``: jwt.ErrClaim, `null`: jwt.ErrClaim, `""`: jwt.ErrClaim, `["client-1"]`: jwt.ErrClaim,
		`"client-2"`: jwt.ErrClaim, `"Client-1"`: jwt.ErrClaim, `"client-1 "`: jwt.ErrClaim,
		`"client-1"`: nil, `"\u0063lient-1"`: nil,
	})
}

// The order of checks is a promise: who learns that a token has expired may
// conclude that it was good until then.
func TestOrderOfChecks(t *testing.T) {
	key := newSecret(t)
	v := newVerifier(t, key, func(e *jwt.Expect) { e.MaxAge, e.Required = time.Hour, []string{"sub"} })
	payload := `{"iss":"x","aud":"x","exp":1,"nbf":1900000000,"iat":1,"cnf":{},"sub":""}`
	for _, step := range []struct {
		reason   error
		name     string
		old, new string // what has to be put right after it
	}{
		{jwt.ErrClaim, "cnf", `"cnf":{},`, ``},
		{jwt.ErrClaim, "sub", `"sub":""`, `"sub":"u"`},
		{jwt.ErrIssuer, "iss", `"iss":"x"`, `"iss":"https://issuer.example"`},
		{jwt.ErrAudience, "aud", `"aud":"x"`, `"aud":"api"`},
		{jwt.ErrExpired, "exp", `"exp":1,`, `"exp":1800000900,`},
		{jwt.ErrNotYetValid, "nbf", `"nbf":1900000000`, `"nbf":1`},
		{jwt.ErrTooOld, "iat", `"iat":1,`, `"iat":1800000000,`},
	} {
		token := forge(t, key, header(key), payload)
		verify(t, v, token, step.reason, step.name)
		verify(t, v, token[:len(token)-4]+"AAAA", jwt.ErrSignature, "")
		payload = strings.Replace(payload, step.old, step.new, 1)
	}
	verify(t, v, forge(t, key, header(key), payload), nil, "")
}

// One kind of token is never taken for another (RFC 8725 section 3.12).
func TestKindsOfTokensAreApart(t *testing.T) {
	const issuer, client = "https://issuer.example", "client"
	key := newKey(t, jwk.ES256)
	base := func(typ string) jwt.Expect {
		return jwt.Expect{Issuer: issuer, Audience: []string{client}, Type: typ, Now: clock}
	}
	kinds := map[string]jwt.Expect{
		"at+jwt": base("at+jwt"), "JWT": base("JWT"), "logout+jwt": base("logout+jwt"), "dpop+jwt": base("dpop+jwt"),
		"secevent+jwt": base("secevent+jwt"), "oauth-authz-req+jwt": base("oauth-authz-req+jwt"), "client-authentication+jwt": base("client-authentication+jwt"),
	}
	claims := jwt.AccessClaims{
		Claims:   jwt.Claims{Issuer: issuer, Subject: "u", Audience: jwt.Audience{client}, ID: "1"},
		ClientID: client,
	}
	for made := range kinds {
		token := must[string](t)(jwt.Sign(key, claims, jwt.SignOptions{Lifetime: time.Minute, Type: made, Now: clock}))
		for expected, e := range kinds {
			v := must[*jwt.Verifier[jwt.AccessClaims]](t)(jwt.NewVerifier[jwt.AccessClaims](key.Public(), e))
			t.Run(made+" as "+expected, func(t *testing.T) {
				if made == expected {
					verify(t, v, token, nil, "")
				} else {
					verify(t, v, token, jwt.ErrType, "typ")
				}
			})
		}
	}
}

func TestType(t *testing.T) {
	key := newSecret(t)
	for _, c := range []struct {
		expected, header string
		ok               bool
	}{
		{"JWT", ``, true}, {"JWT", `"typ":"JWT"`, true}, {"jwt", `"typ":"JWT"`, true}, {"JWT", `"typ":"jWt"`, true},
		{"application/jwt", `"typ":"JWT"`, true}, {"JWT", `"typ":"application/JWT"`, true}, {"JWT", `"typ":"at+jwt"`, false},
		{"JWT", `"typ":"JWT "`, false}, {"JWT", `"typ":"JWS"`, false}, {"JWT", `"typ":"text/jwt"`, false},
		{"at+jwt", ``, false}, {"at+jwt", `"typ":"JWT"`, false}, {"at+jwt", `"typ":"AT+JWT"`, true},
		{"at+jwt", `"typ":"Application/at+JWT"`, true}, {"application/at+jwt", `"typ":"at+jwt"`, true},
		{"at+jwt", `"typ":"at+jwt;v=1"`, false}, {"at+jwt", `"typ":"application/x/at+jwt"`, false},
		{"at+jwt", `"typ":"application/"`, false}, {"logout+jwt", `"typ":"at+jwt"`, false},
		{"token", `"typ":"to` + "\u212a" + `en"`, false}, // the Kelvin sign
		{"x/y", `"typ":"x/y"`, true}, {"x/y", `"typ":"application/x/y"`, false}, {"x/y", `"typ":"y"`, false},
	} {
		h := strings.Replace(`{"alg":"HS256",`+c.header+`}`, `,}`, `}`, 1)
		t.Run(fmt.Sprintf("%s: %s", c.expected, h), func(t *testing.T) {
			v := newVerifier(t, key, func(e *jwt.Expect) { e.Type = c.expected })
			token := forge(t, key, h, with("client_id", `"c","jti":"1"`))
			if c.ok {
				verify(t, v, token, nil, "")
			} else {
				verify(t, v, token, jwt.ErrType, "typ")
			}
		})
	}
	for _, typ := range []string{`1`, `null`, `["JWT"]`, `{}`, `""`, `true`} {
		verify(t, newVerifier(t, key), forge(t, key, `{"alg":"HS256","typ":`+typ+`}`, good), jwt.ErrHeader, "typ")
	}
}

// Of a token that is somebody else's an error says what was expected: most often
// it is the verifier that is wrong.
func TestErrorsSayWhatWasExpected(t *testing.T) {
	key := newSecret(t)
	two := func(e *jwt.Expect) { e.Audience, e.Subject = []string{"api", `a"b`}, "ada" }
	for name, c := range map[string]struct{ header, payload, want string }{
		"typ": {`{"alg":"HS256","typ":"at+jwt"}`, good, `jwt: token is of another type: typ: expected "JWT"`},
		"iss": {`{"alg":"HS256"}`, with("iss", `"https://other.example"`), `jwt: token is from another issuer: iss: expected "https://issuer.example"`},
		"aud": {`{"alg":"HS256"}`, with("aud", `"web"`), `jwt: token is for another audience: aud: expected "api" or "a\"b"`},
		"sub": {`{"alg":"HS256"}`, with("sub", `"bob"`), `jwt: claim is missing or invalid: sub: expected "ada"`},
	} {
		if _, err := newVerifier(t, key, two).Verify(t.Context(), forge(t, key, c.header, c.payload)); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

// What an error says must not quote the token, for it goes to the log.
func TestErrorsDontQuoteTheToken(t *testing.T) {
	const marker = "S3CRET"
	key := newSecret(t)
	v := must[*jwt.Verifier[everything]](t)(jwt.NewVerifier[everything](key, expect()))
	tokens := []string{marker + ".." + marker, marker, forge(t, key, `{"alg":"`+marker+`"}`, good), forge(t, key, `{"alg":"HS256","kid":["`+marker+`"]}`, good)}
	for _, name := range []string{marker, "typ", "kid", "cty", "crit", "b64", "alg"} {
		tokens = append(tokens, forge(t, key, `{"`+name+`":"`+marker+`","`+name+`":"`+marker+`"}`, good))
	}
	for _, name := range []string{marker, "iss", "aud", "exp", "sub", "when", "point", "int", "list", "number", "cnf"} {
		for _, value := range []string{`"` + marker + `"`, `["` + marker + `",1]`, `{"` + marker + `":"` + marker + `","` + marker + `":1}`} {
			tokens = append(tokens, forge(t, key, header(key), with(name, value)))
		}
	}
	refused := 0
	for _, token := range tokens {
		_, err := v.Verify(context.Background(), token)
		if err == nil {
			continue
		}
		refused++
		var refusal *jwt.Error
		if !errors.As(err, &refusal) || strings.Contains(fmt.Sprintf("%v %+v %#v %s", err, refusal, refusal, refusal.Name), marker) {
			t.Errorf("%v quotes the token", err)
		}
	}
	if refused < 30 {
		t.Errorf("only %d tokens were refused", refused)
	}
}
