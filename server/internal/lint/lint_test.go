package lint_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/lint"
)

// noon is the time of every test here: 2026-01-02 12:00:00 UTC.
const noon = 1767355200

type object map[string]any

// good are header and claims of an access token without a fault, of 15 minutes.
func good() (header, claims object) {
	return object{"typ": "at+jwt", "alg": "ES256", "kid": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
		object{"iss": "https://auth.example.com", "sub": "usr_1", "aud": "https://api.example.com", "client_id": "shop",
			"iat": noon, "nbf": noon, "exp": noon + 900, "jti": "c29tZSBqdGkgb2YgMTI4IGJpdHM"}
}

// with is o with other members; null deletes one.
func (o object) with(changes object) object {
	out := maps.Clone(o)
	for k, v := range changes {
		if out[k] = v; v == nil {
			delete(out, k)
		}
	}
	return out
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func (o object) part(t testing.TB) string {
	t.Helper()
	data, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return encode(data)
}

// someSignature is as long as one of ES256, and no constant.
const someSignature = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0-Pw"

// token is the good token with changes.
func token(t testing.TB, header, claims object) string {
	h, c := good()
	return h.with(header).part(t) + "." + c.with(claims).part(t) + "." + someSignature
}

func check(token string, opts lint.Options) lint.Report {
	opts.Now = time.Unix(noon, 0)
	return lint.Check(context.Background(), []byte(token), opts)
}

// rules are the ids of a report's findings, sorted.
func rules(r lint.Report) []string {
	var ids []string
	for _, f := range r.Findings {
		ids = append(ids, f.Rule)
	}
	slices.Sort(ids)
	return ids
}

func expect(t *testing.T, what string, r lint.Report, grade string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := rules(r); r.Grade != grade || !slices.Equal(got, want) {
		t.Errorf("%s: grade %s, findings %q; want %s, %q", what, r.Grade, got, grade, want)
	}
}

func TestGoodToken(t *testing.T) {
	r := check(token(t, nil, nil), lint.Options{})
	expect(t, "the good token", r, "A")
	if r.Kind != lint.Access || r.Verified {
		t.Errorf("kind %s, verified %v", r.Kind, r.Verified)
	}
	for _, text := range []string{"Bearer " + token(t, nil, nil), "\n bearer  " + token(t, nil, nil) + "\r\n"} {
		expect(t, "with what people copy along", check(text, lint.Options{}), "A")
	}
}

func TestHeader(t *testing.T) {
	for _, c := range []struct {
		header object
		grade  string
		want   []string
	}{
		{object{"alg": "none"}, "F", []string{"alg-none"}},
		{object{"alg": "NonE"}, "F", []string{"alg-none"}},
		{object{"alg": " none\u0000"}, "F", []string{"alg-none"}},
		{object{"alg": "nоne"}, "F", []string{"alg-none"}}, // a Cyrillic letter
		{object{"alg": nil}, "F", []string{"alg-missing"}},
		{object{"alg": ""}, "F", []string{"alg-missing"}},
		{object{"alg": 256}, "F", []string{"alg-missing"}},
		{object{"alg": []string{"ES256"}}, "F", []string{"alg-missing"}},
		{object{"alg": "es256"}, "D", []string{"alg-unknown"}},
		{object{"alg": "XS256"}, "D", []string{"alg-unknown"}},
		{object{"alg": "RS1"}, "D", []string{"alg-deprecated"}},
		{object{"alg": "RSA1_5"}, "D", []string{"alg-deprecated"}},
		{object{"alg": "Ed25519"}, "A", nil},
		{object{"alg": "EdDSA"}, "A", []string{"alg-polymorphic"}},
		{object{"alg": "HS512"}, "A", []string{"alg-shared"}},

		{object{"typ": nil}, "B", []string{"typ-missing"}},
		{object{"typ": "JWT"}, "B", []string{"typ-generic"}},
		{object{"typ": "application/jwt"}, "B", []string{"typ-generic"}},
		{object{"typ": "application/AT+JWT"}, "A", nil},
		{object{"typ": 1}, "D", []string{"typ-wrong"}},

		{object{"kid": nil}, "A", []string{"kid-missing"}},
		{object{"kid": 7}, "D", []string{"kid-wrong"}},
		{object{"kid": strings.Repeat("k", 256)}, "A", nil},
		{object{"kid": strings.Repeat("k", 257)}, "D", []string{"kid-long"}},
		{object{"kid": "2024-key.1"}, "A", nil},
		{object{"kid": "6ba7b810-9dad-11d1-80b4-00c04fd430c8"}, "A", nil},
		{object{"kid": "did:example:123#key-1"}, "A", nil},
		{object{"kid": "Lp/OvdSzStQeiHfXvnAkfV2VAsLtWsgYEHV5xLpPRX4="}, "A", nil}, // base64 of a hash
		{object{"kid": "../../../../dev/null"}, "D", []string{"kid-injection"}},
		{object{"kid": "/etc/passwd"}, "D", []string{"kid-injection"}},
		{object{"kid": `C:\keys\1`}, "D", []string{"kid-injection"}},
		{object{"kid": "https://evil.example/key"}, "D", []string{"kid-injection"}},
		{object{"kid": "x' UNION SELECT 'secret"}, "D", []string{"kid-injection"}},
		{object{"kid": "1 or 1=1"}, "D", []string{"kid-injection"}},
		{object{"kid": "key|/usr/bin/uname"}, "D", []string{"kid-injection"}},
		{object{"kid": "key$(id)"}, "D", []string{"kid-injection"}},
		{object{"kid": "key\r\nX-Admin: 1"}, "D", []string{"kid-injection"}},

		{object{"jku": "https://evil.example/jwks.json"}, "D", []string{"key-url"}},
		{object{"x5u": "https://evil.example/cert"}, "D", []string{"key-url"}},
		{object{"jwk": object{"kty": "EC"}}, "D", []string{"key-embedded"}},
		{object{"x5c": []string{"MIIB"}}, "B", []string{"key-chain"}},
		{object{"x5t": "abc"}, "A", nil},
		{object{"crit": []string{"exp"}, "exp": 1}, "D", []string{"crit-unknown"}},
		{object{"crit": []string{"b64"}, "b64": true}, "D", []string{"b64", "crit-unknown"}},
		{object{"crit": []string{}}, "D", []string{"crit-wrong"}},
		{object{"crit": "exp"}, "D", []string{"crit-wrong"}},
		{object{"crit": []string{"gone"}}, "D", []string{"crit-wrong"}},
		{object{"crit": []string{"alg"}}, "D", []string{"crit-wrong"}},
		{object{"crit": []any{"u", 1}, "u": 1}, "D", []string{"crit-wrong"}},
		{object{"crit": []string{"u", "u"}, "u": 1}, "D", []string{"crit-unknown", "crit-wrong"}},
		{object{"zip": "DEF"}, "B", []string{"zip"}},
		{object{"cty": "JWT"}, "A", []string{"nested"}},
		{object{"ALG": "none"}, "D", []string{"json-case"}},
		{object{"\u212aid": "x"}, "D", []string{"json-case"}}, // the Kelvin sign, which Go takes for a k
	} {
		r := check(token(t, c.header, nil), lint.Options{})
		r.Findings = slices.DeleteFunc(r.Findings, func(f lint.Finding) bool { return f.Rule == "sig-length" }) // signed for ES256
		r.Grade = withoutLength(r)
		expect(t, mustJSON(c.header), r, c.grade, c.want...)
	}
}

// withoutLength is the grade that the findings left would give.
func withoutLength(r lint.Report) string {
	fatal := map[string]bool{}
	for _, rule := range lint.Rules() {
		fatal[rule.ID] = rule.Fatal
	}
	switch {
	case slices.ContainsFunc(r.Findings, func(f lint.Finding) bool { return fatal[f.Rule] }):
		return "F"
	case r.Count(lint.Error) > 0:
		return "D"
	case r.Count(lint.Warning) > 0:
		return "B"
	}
	return "A"
}

func mustJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestClaims(t *testing.T) {
	for _, c := range []struct {
		claims object
		grade  string
		want   []string
	}{
		{object{"exp": nil}, "D", []string{"exp-missing"}},
		{object{"iss": nil}, "D", []string{"iss-missing"}},
		{object{"aud": nil}, "D", []string{"aud-missing"}},
		{object{"sub": nil}, "B", []string{"sub-missing"}},
		{object{"iat": nil}, "B", []string{"iat-missing"}},
		{object{"jti": nil}, "B", []string{"jti-missing"}},
		{object{"nbf": nil}, "A", []string{"nbf-missing"}},
		{object{"client_id": nil}, "B", []string{"client-missing"}},
		{object{"sub": nil, "iat": nil, "jti": nil}, "C", []string{"iat-missing", "jti-missing", "sub-missing"}},
		{object{"exp": nil, "iss": nil, "aud": nil}, "D", []string{"aud-missing", "exp-missing", "iss-missing"}},
		{object{"exp": nil, "iss": nil, "aud": []string{}, "sub": 1}, "F", []string{"aud-empty", "claim-type", "exp-missing", "iss-missing"}},

		{object{"exp": "1767356100"}, "D", []string{"claim-type"}},
		{object{"exp": nil, "Exp": noon}, "D", []string{"exp-missing", "json-case"}},
		{object{"iat": true}, "D", []string{"claim-type"}},
		{object{"sub": 17}, "D", []string{"claim-type"}},
		{object{"iss": []string{"https://a.example"}}, "D", []string{"claim-type"}},
		{object{"aud": 5}, "D", []string{"claim-type"}},
		{object{"aud": []any{"a", 1}}, "D", []string{"claim-type"}},

		{object{"iss": "joe"}, "A", []string{"iss-name"}},
		{object{"iss": "http://auth.example.com"}, "B", []string{"iss-insecure"}},
		{object{"iss": "http://localhost:8080"}, "A", nil},
		{object{"iss": "http://127.0.0.1:8080"}, "A", nil},

		{object{"aud": ""}, "D", []string{"aud-empty"}},
		{object{"aud": []string{}}, "D", []string{"aud-empty"}},
		{object{"aud": "*"}, "D", []string{"aud-wildcard"}},
		{object{"aud": []string{"https://*.example.com"}}, "D", []string{"aud-wildcard"}},
		{object{"aud": []string{"a"}}, "A", nil},
		{object{"aud": []string{"a", "b"}}, "B", []string{"aud-many"}},

		{object{"roles": []string{"editor"}}, "A", nil},
		{object{"roles": []string{"admin"}}, "A", []string{"role-admin"}},
		{object{"scope": "orders:read writ:admin"}, "A", []string{"role-admin"}},
		{object{"is_admin": true}, "A", []string{"role-admin"}},
		{object{"is_admin": false}, "A", nil},
		{object{"roles": []string{"*"}}, "B", []string{"role-wildcard"}},
		{object{"scope": "orders:*"}, "B", []string{"role-wildcard"}},
		{object{"realm_access": object{"roles": []string{"ROLE_ADMIN"}}}, "A", []string{"role-admin"}},
	} {
		expect(t, mustJSON(c.claims), check(token(t, nil, c.claims), lint.Options{}), c.grade, c.want...)
	}
}

func TestTimes(t *testing.T) {
	const hour = 3600
	for _, c := range []struct {
		claims object
		max    time.Duration
		grade  string
		want   []string
	}{
		{object{"exp": noon + hour}, 0, "A", nil},
		{object{"exp": noon + hour + 1}, 0, "B", []string{"life-hour"}},
		{object{"exp": noon + 24*hour}, 0, "B", []string{"life-hour"}},
		{object{"exp": noon + 24*hour + 1}, 0, "D", []string{"life-day"}},
		{object{"exp": noon + 900}, 15 * time.Minute, "A", nil},
		{object{"exp": noon + 901}, 15 * time.Minute, "D", []string{"life-limit"}},
		{object{"exp": noon + 30*24*hour}, 31 * 24 * time.Hour, "A", nil},
		{object{"exp": noon + 2*hour, "iat": nil}, 0, "B", []string{"iat-missing", "life-hour"}},
		{object{"exp": noon + 25*hour, "iat": nil, "nbf": nil}, 0, "D", []string{"iat-missing", "life-day", "nbf-missing"}},
		{object{"exp": (noon + 900) * 1000}, 0, "D", []string{"time-milliseconds"}},
		{object{"iat": noon * 1000}, 0, "D", []string{"time-milliseconds"}},
		{object{"exp": noon * 1000 * 1000}, 0, "D", []string{"time-range"}},
		{object{"exp": -1}, 0, "D", []string{"time-range"}},
		{object{"exp": noon}, 0, "D", []string{"time-order"}},
		{object{"exp": noon - 100, "iat": noon - 1000, "nbf": noon - 1000}, 0, "A", []string{"exp-past"}},
		{object{"iat": noon + 60}, 0, "A", nil},
		{object{"iat": noon + 61}, 0, "B", []string{"iat-future"}},
		{object{"exp": noon + 899.5}, 0, "A", nil},
		{object{"auth_time": "now"}, 0, "D", []string{"claim-type"}},
	} {
		r := check(token(t, nil, c.claims), lint.Options{MaxLifetime: c.max})
		expect(t, mustJSON(c.claims), r, c.grade, c.want...)
	}
	r := check(token(t, nil, object{"exp": noon + 30*24*hour}), lint.Options{})
	if got, want := r.Findings[0].Where, []string{"claim exp: 30 days after iat"}; !slices.Equal(got, want) {
		t.Errorf("a life of a month is told as %q, want %q", got, want)
	}
}

// TestKinds: what a token is for decides what it may say, and must.
func TestKinds(t *testing.T) {
	id := object{"client_id": nil, "jti": nil, "nbf": nil, "nonce": "n", "email": "ada@example.com", "name": "Ada", "birthdate": "1815-12-10"}
	for _, c := range []struct {
		what           string
		header, claims object
		opts           lint.Options
		kind           lint.Kind
		grade          string
		want           []string
	}{
		{"ID token", object{"typ": "JWT"}, id, lint.Options{}, lint.ID, "A", nil},
		{"ID token for a day", object{"typ": "JWT"}, id.with(object{"exp": noon + 86400}), lint.Options{}, lint.ID, "A", nil},
		{"ID token without type", object{"typ": nil}, id, lint.Options{}, lint.ID, "A", nil},
		{"ID token, by option", object{"typ": "JWT"}, id.with(object{"nonce": nil}), lint.Options{Kind: lint.ID}, lint.ID, "A", nil},
		{"Cognito ID token", object{"typ": nil}, object{"token_use": "id"}, lint.Options{}, lint.ID, "A", nil},
		{"Keycloak access token", object{"typ": "JWT"}, object{"typ": "Bearer"}, lint.Options{}, lint.Access, "B", []string{"typ-generic"}},
		{"Keycloak refresh token", object{"typ": "JWT"}, object{"typ": "Refresh"}, lint.Options{}, lint.Refresh, "B", []string{"refresh-jwt", "typ-generic"}},
		{"refresh token by type", object{"typ": "rt+jwt"}, nil, lint.Options{}, lint.Refresh, "B", []string{"refresh-jwt"}},
		{"log-out token", object{"typ": "logout+jwt"}, object{"exp": nil, "sub": nil, "nbf": nil}, lint.Options{}, lint.Other, "A", nil},
		{"DPoP proof", object{"typ": "dpop+jwt", "kid": nil, "jwk": object{"kty": "EC"}}, object{"exp": nil, "iss": nil, "aud": nil}, lint.Options{}, lint.Other, "A", []string{"kid-missing"}},
		{"status list", object{"typ": "statuslist+jwt"}, object{"exp": nil}, lint.Options{}, lint.Other, "D", []string{"exp-missing"}},
	} {
		r := check(token(t, c.header, c.claims), c.opts)
		expect(t, c.what, r, c.grade, c.want...)
		if r.Kind != c.kind {
			t.Errorf("%s: kind %s, want %s", c.what, r.Kind, c.kind)
		}
	}
}

func TestForm(t *testing.T) {
	h, c := good()
	head, payload := h.part(t), c.part(t)
	raw := func(header, claims string) string {
		return encode([]byte(header)) + "." + encode([]byte(claims)) + "." + someSignature
	}
	const es = `{"typ":"at+jwt","alg":"ES256","kid":"k"}`
	claims := mustJSON(c)
	for _, tt := range []struct {
		what, text, grade string
		want              []string
	}{
		{"nothing", "", "F", []string{"form-parts"}},
		{"a word", "hello", "F", []string{"form-parts"}},
		{"dots", strings.Repeat(".", 1000), "F", []string{"form-parts"}},
		{"four parts", head + "." + payload + ".a.b", "F", []string{"form-parts"}},
		{"two tokens", head + "." + payload + ".AA\n" + head + "." + payload + ".AA", "F", []string{"form-parts"}},
		{"JSON serialisation", `{"payload":"","signature":""}`, "F", []string{"form-json"}},
		{"no third part", head + "." + payload, "F", []string{"form-parts"}},
		{"no signature", head + "." + payload + ".", "F", []string{"sig-empty"}},
		{"none", encode([]byte(`{"alg":"none","typ":"at+jwt","kid":"k"}`)) + "." + payload + ".", "F", []string{"alg-none"}},
		{"encrypted", encode([]byte(`{"alg":"ECDH-ES","enc":"A256GCM"}`)) + ".AA.AA.AA.AA", "A", []string{"form-encrypted"}},
		{"encrypted, badly", encode([]byte(`{"alg":"RSA1_5","enc":"A256GCM","zip":"DEF"}`)) + ".AA.A=.AA.AA", "D", []string{"alg-deprecated", "form-base64", "form-encrypted", "zip"}},
		{"encrypted with a password", encode([]byte(`{"alg":"PBES2-HS256+A128KW","p2c":1000000}`)) + ".AA.AA.AA.AA", "B", []string{"alg-password", "form-encrypted"}},
		{"padded", head + "=." + payload + "." + someSignature, "D", []string{"form-base64"}},
		{"white space", head + "." + payload[:8] + "\n" + payload[8:] + "." + someSignature, "D", []string{"form-base64"}},
		{"stray bits", head + "." + payload + "." + someSignature[:85] + "x", "D", []string{"form-base64"}},
		{"standard alphabet", head + "." + payload + "." + strings.ReplaceAll(someSignature, "-", "+"), "D", []string{"form-base64"}},
		{"no base64", head + ".!!!." + someSignature, "F", []string{"form-base64", "json-broken"}},

		{"header is a list", raw(`[]`, claims), "F", []string{"json-broken"}},
		{"payload is text", raw(es, `hello`), "F", []string{"json-broken"}},
		{"twice", raw(es, `{"sub":"a",`+claims[1:]), "D", []string{"json-duplicate"}},
		{"twice by an escape", raw(es, `{"s\u0075b":"a",`+claims[1:]), "D", []string{"json-duplicate"}},
		{"twice, deep within", raw(es, `{"x":{"a":1,"a":2},`+claims[1:]), "D", []string{"json-duplicate"}},
		{"twice in the header", raw(`{"alg":"none",`+es[1:], claims), "D", []string{"json-duplicate"}},
		{"in another case", raw(es, `{"SUB":"a",`+claims[1:]), "D", []string{"json-case"}},
		{"two of their own in two cases", raw(es, `{"plan":1,"Plan":2,`+claims[1:]), "D", []string{"json-case"}},
		{"not UTF-8", raw(es, `{"x":"`+"\xff"+`",`+claims[1:]), "D", []string{"json-utf8"}},
		{"byte order mark", raw(es, "\xef\xbb\xbf"+claims), "D", []string{"json-strict"}},
		{"text behind", raw(es, claims+`{}`), "D", []string{"json-strict"}},
		{"endless number", raw(es, `{"x":1e999,`+claims[1:]), "D", []string{"json-strict"}},
		{"lone surrogate", raw(es, `{"x":"\ud800",`+claims[1:]), "D", []string{"json-strict"}},
		{"deep", raw(es, `{"x":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+","+claims[1:]), "D", []string{"json-strict"}},
		{"never closed", raw(es, claims[:len(claims)-1]), "F", []string{"json-broken"}},

		{"as large as a cookie", raw(es, padded(claims, 4096)), "A", nil},
		{"larger than a cookie", raw(es, padded(claims, 4100)), "B", []string{"size-cookie"}},
		{"larger than a header", raw(es, padded(claims, 8008)), "D", []string{"size-header"}},
	} {
		expect(t, tt.what, check(tt.text, lint.Options{}), tt.grade, tt.want...)
	}
}

// padded is claims with one more, so that the whole token has about size bytes,
// and never more.
func padded(claims string, size int) string {
	const rest = len(someSignature) + 2 + 54 // the header's part is 54
	n := (size-rest)/4*3 - len(claims) - len(`"x":"",`)
	return `{"x":"` + strings.Repeat("z", n) + `",` + claims[1:]
}

func TestSignature(t *testing.T) {
	h, c := good()
	payload := c.part(t)
	signed := func(alg string, sig []byte) string {
		return h.with(object{"alg": alg}).part(t) + "." + payload + "." + encode(sig)
	}
	varied := func(n int) []byte {
		sig := make([]byte, n)
		for i := range sig {
			sig[i] = byte(i*7 + 1)
		}
		return sig
	}
	der := append([]byte{0x30, 68, 2, 32}, varied(66)...)
	for _, tt := range []struct {
		what, text, grade string
		want              []string
	}{
		{"ES256", signed("ES256", varied(64)), "A", nil},
		{"ES256 of zeros", signed("ES256", make([]byte, 64)), "F", []string{"sig-constant"}},
		{"ES256 in DER", signed("ES256", der), "D", []string{"sig-length"}},
		{"ES384", signed("ES384", varied(96)), "A", nil},
		{"ES512", signed("ES512", varied(132)), "A", nil},
		{"ES512 as long as ES256", signed("ES512", varied(64)), "D", []string{"sig-length"}},
		{"RS256, 2048 bits", signed("RS256", varied(256)), "A", nil},
		{"PS256, 4096 bits", signed("PS256", varied(512)), "A", nil},
		{"RS256, 1024 bits", signed("RS256", varied(128)), "D", []string{"sig-rsa-small"}},
		{"HS256", signed("HS256", varied(32)), "A", []string{"alg-shared"}},
		{"HS256, cut off", signed("HS256", varied(16)), "D", []string{"alg-shared", "sig-length"}},
		{"not base64", signed("ES256", nil) + "!!", "D", []string{"form-base64", "sig-length"}},
		{"ML-DSA-44", signed("ML-DSA-44", varied(2420)), "A", nil},
	} {
		expect(t, tt.what, check(tt.text, lint.Options{}), tt.grade, tt.want...)
	}
	r := check(h.with(object{"alg": "HS256"}).part(t)+"."+c.with(object{"aud": []string{"a", "b"}}).part(t)+"."+encode(varied(32)), lint.Options{})
	expect(t, "one secret for two", r, "B", "alg-shared-many", "aud-many")
}

func TestKnownSecrets(t *testing.T) {
	sign := func(text string, key []byte) string {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(text))
		return text + "." + encode(mac.Sum(nil))
	}
	h, c := good()
	text := h.with(object{"alg": "HS256"}).part(t) + "." + c.part(t)
	rfc, err := base64.RawURLEncoding.DecodeString("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
	if err != nil {
		t.Fatal(err)
	}
	for _, known := range []string{"secret", "secret\n", "your-256-bit-secret", "", "shop", "https://auth.example.com", string(rfc)} {
		expect(t, known, check(sign(text, []byte(known)), lint.Options{}), "F", "alg-shared", "secret-known")
	}
	expect(t, "a good secret", check(sign(text, []byte("Pmw1Jm9hbi0xcD5zNXU3LTg2aXJhZmtqc2Rm")), lint.Options{}), "A", "alg-shared")
}

func TestKey(t *testing.T) {
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	other, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	rsa, err := jwk.Generate(jwk.RS256)
	if err != nil {
		t.Fatal(err)
	}
	h, c := good()
	text := h.with(object{"kid": key.KeyID()}).part(t) + "." + c.part(t)
	sig, err := key.Sign([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	signed := text + "." + encode(sig)
	expect(t, "its key", check(signed, lint.Options{Key: key.Public()}), "A")
	expect(t, "another key", check(signed, lint.Options{Key: other.Public()}), "F", "sig-key")
	expect(t, "a key for another algorithm", check(signed, lint.Options{Key: rsa.Public()}), "F", "sig-key")
	sig[10] ^= 1
	expect(t, "changed", check(text+"."+encode(sig), lint.Options{Key: key.Public()}), "F", "sig-key")
}

// TestRules: every rule explains itself, and none claims that a token is
// genuine.
func TestRules(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range lint.Rules() {
		if r.ID == "" || r.Title == "" || r.Why == "" || r.Reference == "" {
			t.Errorf("rule %+v is incomplete", r)
		}
		if seen[r.ID] {
			t.Errorf("two rules are called %s", r.ID)
		}
		seen[r.ID] = true
		for _, text := range []string{r.Title, r.Why} {
			if strings.Contains(strings.ToLower(text), "valid") {
				t.Errorf("%s says %q; a linter can't know what is valid", r.ID, text)
			}
		}
		if r.Fatal && r.Level != lint.Error {
			t.Errorf("%s is fatal and no error", r.ID)
		}
	}
}

// FuzzCheck: no text panics, hangs, or gets a good grade for nothing.
func FuzzCheck(f *testing.F) {
	h, c := good()
	head, payload := h.part(f), c.part(f)
	f.Add(head + "." + payload + "." + someSignature)
	f.Add("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
	f.Add(encode([]byte(`{"alg":"dir","enc":"A256GCM"}`)) + ".AA.AA.AA.AA")
	f.Add(encode([]byte(`{"crit":[1,null,"x"],"kid":{},"typ":null}`)) + "." + encode([]byte(`{"aud":[null],"exp":1e999,"address":{"a":[]},"realm_access":{"roles":1}}`)) + ".")
	f.Add(`{"payload":"x"}`)
	f.Add("Bearer a.b.c\xff")
	known := map[string]bool{}
	for _, r := range lint.Rules() {
		known[r.ID] = true
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := check(text, lint.Options{})
		if len(r.Grade) != 1 || !strings.Contains("ABCDF", r.Grade) || r.Verified {
			t.Fatalf("grade %q, verified %v", r.Grade, r.Verified)
		}
		if r.Count(lint.Error) > 0 && strings.Contains("ABC", r.Grade) {
			t.Fatalf("grade %s with errors: %q", r.Grade, rules(r))
		}
		if r.Grade == "A" && strings.Count(text, ".") != 2 && strings.Count(text, ".") != 4 {
			t.Fatalf("%q, which is no token, has grade A", text)
		}
		for _, finding := range r.Findings {
			if !known[finding.Rule] || finding.Why == "" || len(finding.Where) > 8 {
				t.Fatalf("finding %+v", finding)
			}
		}
		if _, err := json.Marshal(r); err != nil {
			t.Fatal(err)
		}
	})
}
