package jwt_test

import (
	"context"
	"strings"
	"testing"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

func TestBase64IsCanonical(t *testing.T) {
	key := newSecret(t)
	v := newVerifier(t, key)
	parts := strings.Split(forge(t, key, header(key), good), ".")
	verify(t, v, strings.Join(parts, "."), nil, "")
	for i, part := range parts {
		for name, bad := range map[string]string{
			"padding":             part + "=",
			"more padding":        part + "==",
			"line feed":           part[:4] + "\n" + part[4:],
			"carriage return":     part + "\r\n",
			"leading space":       " " + part,
			"inner space":         part[:5] + " " + part[5:],
			"plus":                "+" + part[1:],
			"slash":               part[:2] + "/" + part[3:],
			"character to skip":   part[:8] + "!" + part[8:],
			"NUL":                 part + "\x00",
			"beyond ASCII":        part + "é",
			"one character":       "A",
			"percent encoding":    part[:3] + "%41" + part[4:],
			"impossible length":   part + strings.Repeat("A", (5-len(part)%4)%4),
			"unused bits set":     part[:len(part)-len(part)%4] + "AB",
			"unused bits of two":  part[:len(part)-len(part)%4] + "AAB",
			"quotation mark":      `"` + part,
			"another dialect":     strings.Repeat("~", len(part)),
			"standard last digit": part[:len(part)-1] + "/",
		} {
			changed := []string{parts[0], parts[1], parts[2]}
			changed[i] = bad
			t.Run(name, func(t *testing.T) { verify(t, v, strings.Join(changed, "."), jwt.ErrMalformed, "") })
		}
	}
}

// Every other spelling of a signature's last character must fail, else a token
// has several forms and a list of revoked ones can be evaded.
func TestSignatureHasOneSpelling(t *testing.T) {
	key := newSecret(t)
	v := newVerifier(t, key)
	token := forge(t, key, header(key), good)
	accepted := 0
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
		if _, err := v.Verify(context.Background(), token[:len(token)-1]+string(c)); err == nil {
			accepted++
		}
	}
	if accepted != 1 {
		t.Errorf("%d last characters are accepted, want 1", accepted)
	}
}

func TestNumberOfParts(t *testing.T) {
	key := newSecret(t)
	v := newVerifier(t, key)
	token := forge(t, key, header(key), good)
	parts := strings.Split(token, ".")
	for name, c := range map[string]struct {
		token  string
		reason error
	}{
		"nothing":                 {"", jwt.ErrMalformed},
		"one dot":                 {".", jwt.ErrMalformed},
		"two dots":                {"..", jwt.ErrHeader},
		"three dots":              {"...", jwt.ErrMalformed},
		"ten thousand dots":       {strings.Repeat(".", 10_000), jwt.ErrMalformed},
		"no dot":                  {parts[0], jwt.ErrMalformed},
		"no signature":            {parts[0] + "." + parts[1], jwt.ErrMalformed},
		"empty signature":         {parts[0] + "." + parts[1] + ".", jwt.ErrSignature},
		"empty payload":           {parts[0] + ".." + parts[2], jwt.ErrSignature},
		"empty header":            {"." + parts[1] + "." + parts[2], jwt.ErrHeader},
		"dot before":              {"." + token, jwt.ErrMalformed},
		"dot after":               {token + ".", jwt.ErrMalformed},
		"encrypted, five parts":   {token + "." + parts[0] + "." + parts[1], jwt.ErrMalformed},
		"two tokens":              {token + "." + token, jwt.ErrMalformed},
		"bearer prefix":           {"Bearer " + token, jwt.ErrMalformed},
		"flattened JSON":          {`{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`, jwt.ErrMalformed},
		"JSON with dots":          {`{"a":"` + token + `"}`, jwt.ErrMalformed},
		"JSON and compact in one": {`{"` + token, jwt.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) { verify(t, v, c.token, c.reason, "") })
	}
}

func TestSize(t *testing.T) {
	key := newSecret(t)
	v := newVerifier(t, key, func(e *jwt.Expect) { e.MaxSize = 1000 })
	sized := func(n int) string { // a genuine token of n bytes
		for pad := range n {
			if token := forge(t, key, header(key), with("pad", `"`+strings.Repeat("x", pad)+`"`)); len(token) == n {
				return token
			}
		}
		t.Fatalf("no token has %d bytes", n)
		return ""
	}
	verify(t, v, sized(1000), nil, "")
	verify(t, v, sized(1001), jwt.ErrTooLarge, "")
	verify(t, newVerifier(t, key), strings.Repeat("x", jwt.DefaultMaxSize), jwt.ErrMalformed, "")
	verify(t, newVerifier(t, key), strings.Repeat("x", jwt.DefaultMaxSize+1), jwt.ErrTooLarge, "")
	if _, err := jwt.DecodeUnverified(strings.Repeat("x", jwt.DefaultMaxSize+1)); err == nil {
		t.Error("DecodeUnverified has no limit")
	}
}

// A refusal costs its *Error and nothing in proportion to the token.
func TestHostileSizesDontAllocate(t *testing.T) {
	key := newSecret(t)
	dots, letters := strings.Repeat(".", 1<<20), strings.Repeat("A", 1<<20)
	large := newVerifier(t, key, func(e *jwt.Expect) { e.MaxSize = 2 << 20 })
	for name, c := range map[string]struct {
		v     *jwt.Verifier[jwt.Claims]
		token string
	}{
		"1 MB above the limit": {newVerifier(t, key), letters},
		"1 MB of dots":         {large, dots},
		"1 MB without a dot":   {large, letters},
		"1 MB after two dots":  {large, "a.b." + letters + "."},
	} {
		got := testing.AllocsPerRun(10, func() { c.v.Verify(context.Background(), c.token) })
		if got > 1 {
			t.Errorf("%s: %v allocations, want 1", name, got)
		}
	}
}

func TestHeaderIsStrictJSON(t *testing.T) {
	key := newSecret(t)
	v := newVerifier(t, key)
	for name, h := range map[string]string{
		"nothing":             ``,
		"array":               `["alg","HS256"]`,
		"string":              `"HS256"`,
		"null":                `null`,
		"unclosed":            `{"alg":"HS256"`,
		"trailing data":       `{"alg":"HS256"}{}`,
		"trailing letter":     `{"alg":"HS256"}x`,
		"NUL after":           "{\"alg\":\"HS256\"}\x00",
		"byte order mark":     "\ufeff" + `{"alg":"HS256"}`,
		"UTF-16":              "\x00{\x00}",
		"invalid UTF-8":       "{\"alg\":\"HS256\",\"x\":\"\xff\"}",
		"overlong UTF-8":      "{\"alg\":\"HS256\",\"x\":\"\xc0\xae\"}",
		"surrogate":           `{"alg":"HS256","x":"\ud800"}`,
		"duplicate":           `{"alg":"HS256","alg":"HS256"}`,
		"duplicate, bad last": `{"alg":"HS256","alg":"none"}`,
		"duplicate, bad 1st":  `{"alg":"none","alg":"HS256"}`,
		"duplicate, escaped":  `{"alg":"HS256","\u0061lg":"HS256"}`,
		"duplicate, unknown":  `{"alg":"HS256","x":1,"x":1}`,
		"duplicate, nested":   `{"alg":"HS256","x":{"y":1,"y":1}}`,
		"deep":                `{"alg":"HS256","x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`,
		"comment":             `{"alg":"HS256"/**/}`,
		"single quotes":       `{'alg':'HS256'}`,
		"trailing comma":      `{"alg":"HS256",}`,
		"control character":   "{\"alg\":\"HS256\",\"x\":\"\x01\"}",
		"NaN":                 `{"alg":"HS256","x":NaN}`,
		"beyond float64":      `{"alg":"HS256","x":1e400}`,
	} {
		t.Run(name, func(t *testing.T) { verify(t, v, forge(t, key, h, good), jwt.ErrHeader, "") })
	}
	verify(t, v, forge(t, key, " {\n\t\"alg\" : \"HS256\" }\r\n", good), nil, "")
	verify(t, v, forge(t, key, `{"ALG":"none","\u0061lg":"HS256","x":{"alg":"none"}}`, good), nil, "")
}

func TestPayloadIsStrictJSON(t *testing.T) {
	key := newSecret(t)
	v := newVerifier(t, key)
	for name, payload := range map[string]string{
		"nothing":               ``,
		"array":                 `[` + good + `]`,
		"string":                `"x"`,
		"null":                  `null`,
		"number":                `1`,
		"unclosed":              strings.TrimSuffix(good, "}"),
		"trailing data":         good + `{}`,
		"NUL after":             good + "\x00",
		"byte order mark":       "\ufeff" + good,
		"invalid UTF-8":         with("x", "\"\xff\""),
		"invalid UTF-8 in sub":  with("sub", "\"admin\xff\""),
		"surrogate":             with("sub", `"\ud800"`),
		"duplicate":             strings.Replace(good, `"sub":`, `"sub":"u2","sub":`, 1),
		"duplicate exp":         strings.Replace(good, `"exp":`, `"exp":1,"exp":`, 1),
		"duplicate exp, last":   with("\\u0065xp", "1"),
		"duplicate, unknown":    strings.Replace(good, `{`, `{"x":1,"x":1,`, 1),
		"duplicate, nested":     with("x", `{"y":{"z":1,"z":2}}`),
		"deep":                  with("x", strings.Repeat("[", 5000)+strings.Repeat("]", 5000)),
		"deep objects":          with("x", strings.Repeat(`{"a":`, 1500)+"1"+strings.Repeat("}", 1500)),
		"NaN":                   with("x", `NaN`),
		"Infinity":              with("x", `-Infinity`),
		"beyond float64":        with("x", `1e400`),
		"leading zero":          with("x", `01`),
		"comment":               with("x", `1//`),
		"trailing comma":        strings.TrimSuffix(good, "}") + ",}",
		"another token, nested": "eyJhbGciOiJub25lIn0.e30.",
	} {
		t.Run(name, func(t *testing.T) { verify(t, v, forge(t, key, header(key), payload), jwt.ErrMalformed, "") })
	}
	verify(t, v, forge(t, key, header(key), " \n"+with("x", `{"sub":[null,1e300,"\ud83d\ude00"]}`)+"\r\n"), nil, "")
}

// Before the signature is found good the payload is not even parsed.
func TestForgedPayloadIsNotParsed(t *testing.T) {
	key, other := newSecret(t), newSecret(t)
	v := newVerifier(t, key)
	for _, payload := range []string{``, `{`, `null`, with("exp", `"x"`), with("exp", `1`), with("iss", `"x"`), with("cnf", `{}`)} {
		verify(t, v, forge(t, other, header(key), payload), jwt.ErrSignature, "")
	}
}

// crit and b64 change what a token means, so they are refused in every form.
func TestExtensionsAreRefused(t *testing.T) {
	key := newSecret(t)
	v := newVerifier(t, key)
	for _, crit := range []string{
		`["x"]`, `["exp"]`, `["exp","exp"]`, `["alg"]`, `["b64"]`, `[]`, `[""]`, `[null]`, `"x"`, `null`, `{}`, `true`, `["http://example.com/x"]`,
	} {
		verify(t, v, forge(t, key, `{"alg":"HS256","crit":`+crit+`,"exp":1,"x":1}`, good), jwt.ErrHeader, "crit")
		verify(t, v, forge(t, key, `{"crit":`+crit+`,"alg":"HS256"}`, good), jwt.ErrHeader, "crit")
	}
	for _, b := range []string{`false`, `true`, `null`, `"false"`} {
		verify(t, v, forge(t, key, `{"alg":"HS256","b64":`+b+`}`, good), jwt.ErrHeader, "b64")
	}
	// RFC 7797 section 4.2: with an unencoded payload, dots come into it.
	unencoded := b64(`{"alg":"HS256","b64":false,"crit":["b64"]}`) + "." + `$.02` + "." + b64("x")
	verify(t, v, unencoded, jwt.ErrMalformed, "")
	verify(t, v, forge(t, key, `{"alg":"HS256","CRIT":["x"]}`, good), nil, "")
}

func TestContentType(t *testing.T) {
	key := newSecret(t)
	v := newVerifier(t, key)
	for _, cty := range []string{`"JWT"`, `"jwt"`, `"application/jwt"`, `1`, `""`} {
		verify(t, v, forge(t, key, `{"alg":"HS256","cty":`+cty+`}`, good), jwt.ErrHeader, "cty")
	}
	verify(t, v, forge(t, key, `{"alg":"HS256","cty":"json"}`, good), nil, "")
}

func TestChangedToken(t *testing.T) {
	for _, key := range []jwk.SigningKey{newSecret(t), newKey(t, jwk.ES256), newKey(t, jwk.EdDSA)} {
		source, ok := key.(jwt.KeySource)
		if !ok {
			source = key.(*jwk.PrivateKey).Public()
		}
		v := newVerifier(t, source)
		a := strings.Split(forge(t, key, header(key), good), ".")
		b := strings.Split(forge(t, key, header(key), with("sub", `"u2"`)), ".")
		verify(t, v, a[0]+"."+b[1]+"."+a[2], jwt.ErrSignature, "")
		verify(t, v, a[0]+"."+a[1]+"."+b[2], jwt.ErrSignature, "")
		verify(t, v, b64(header(key)+" ")+"."+a[1]+"."+a[2], jwt.ErrSignature, "")
		verify(t, v, a[0]+"."+a[1]+"."+a[2][:len(a[2])/8*4], jwt.ErrSignature, "")
		verify(t, v, a[0]+"."+a[1]+"."+a[2][:len(a[2])-len(a[2])%4]+"AAAA", jwt.ErrSignature, "")
	}
}
