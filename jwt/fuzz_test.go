package jwt_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

var fuzzSecret = []byte("\x8f\x1c\x02\xe9\xa7\x5b\x90\x33\xd4\x6e\x71\xf8\x0d\x2a\xbc\x47\x19\xe5\x63\x9a\xf0\x84\x3b\xc6\x58\x27\xde\x95\x4c\xb1\x7a\x06")

func FuzzDecodeUnverified(f *testing.F) {
	for _, s := range []string{"", "..", "e30.e30.", "e30.e30.AA", b64(`{"alg":"none"}`) + "." + b64(good) + ".", "e30.W10.", "A.A.A"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		u, err := jwt.DecodeUnverified(token)
		if err != nil {
			return
		}
		parts := strings.Split(token, ".")
		if len(parts) != 3 || parts[0] != b64(string(u.Header())) || parts[1] != b64(string(u.Payload())) {
			t.Errorf("%q is read as %s and %s", token, u.Header(), u.Payload())
		}
		for _, object := range []json.RawMessage{u.Header(), u.Payload()} {
			if err := json.Unmarshal(object, &map[string]json.RawMessage{}); err != nil {
				t.Errorf("%s: %v", object, err)
			}
		}
	})
}

// FuzzVerify takes whole tokens: what is accepted has a good MAC, computed here
// by other means, over exactly the bytes that were sent.
func FuzzVerify(f *testing.F) {
	key := must[*jwk.Secret](f)(jwk.NewSecret(jwk.HS256, fuzzSecret))
	v := newVerifier(f, key)
	for _, s := range []string{
		hs256(fuzzSecret, `{"alg":"HS256"}`, good), hs256(fuzzSecret, `{"alg":"HS256","typ":"JWT","kid":"x"}`, with("nbf", "1")),
		hs256(fuzzSecret, `{"alg":"none"}`, good), hs256(fuzzSecret, `{"alg":"HS256","crit":["x"]}`, good), "", "..",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		tok, err := v.Verify(context.Background(), token)
		if err != nil {
			if tok != nil {
				t.Error("a token came with an error")
			}
			return
		}
		dot := strings.LastIndexByte(token, '.')
		mac := hmac.New(sha256.New, fuzzSecret)
		mac.Write([]byte(token[:dot]))
		if want := base64.RawURLEncoding.EncodeToString(mac.Sum(nil)); token[dot+1:] != want {
			t.Errorf("%q is accepted", token)
		}
	})
}

// FuzzHeader signs any header.
func FuzzHeader(f *testing.F) {
	key := must[*jwk.Secret](f)(jwk.NewSecret(jwk.HS256, fuzzSecret))
	v := newVerifier(f, key)
	for _, s := range []string{
		`{"alg":"HS256"}`, `{"typ":"JWT","alg":"HS256","kid":"k"}`, `{"alg":"none"}`, `{"alg":"HS256","alg":"none"}`, `{"alg":"HS256","crit":[]}`,
		`{"alg":"HS256","b64":false}`, `{"\u0061lg":"HS256","ALG":1}`, `{"alg":"HS256","jwk":{"kty":"oct","k":"AA"}}`, `[]`, `{"alg":"HS256","typ":"at+jwt"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, h string) {
		if _, err := v.Verify(context.Background(), hs256(fuzzSecret, h, good)); err != nil {
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal([]byte(h), &members); err != nil {
			t.Fatalf("%q is accepted: %v", h, err)
		}
		var alg, typ string
		if err := json.Unmarshal(members["alg"], &alg); err != nil || alg != "HS256" {
			t.Errorf("%q is accepted with the algorithm %q", h, alg)
		}
		if raw, ok := members["typ"]; ok && json.Unmarshal(raw, &typ) != nil || ok && !strings.EqualFold(strings.TrimPrefix(strings.ToLower(typ), "application/"), "jwt") {
			t.Errorf("%q is accepted with the type %q", h, typ)
		}
		if members["crit"] != nil || members["b64"] != nil {
			t.Errorf("%q is accepted", h)
		}
	})
}

// FuzzPayload signs any payload: its claims are refused, or read as
// encoding/json reads them.
func FuzzPayload(f *testing.F) {
	key := must[*jwk.Secret](f)(jwk.NewSecret(jwk.HS256, fuzzSecret))
	v := must[*jwt.Verifier[everything]](f)(jwt.NewVerifier[everything](key, expect()))
	for _, members := range []string{
		`"string":"a\u00e9","int":5,"int8":-1,"uint64":7,"float":1.5,"bool":true`, `"number":1e3,"raw":{"a":[1]},"date":1.5,"names":["x"],"scope":"a b"`,
		`"list":["a"],"ints":[1],"points":[{"x":1}],"map":{"a":1},"deep":{"a":[null,{"y":1}]},"point":{"x":2},"pointer":null,"flag":false`,
		`"when":"2027-01-15T08:00:00Z","address":"::1","hosts":{"a":"1.2.3.4"},"times":[],"act":{"sub":"a","act":{"sub":"b"}},"x5t#S256":{},"nested":{"n":{"iss":"i"}}`,
		`"Int":1`, `"int":1.0`, `"exp":1e400`, `"EXP":1`, `"exp":1`, `"int8":300`, `"raws":{"a":null}`,
	} {
		f.Add(strings.TrimSuffix(good, "}") + "," + members + "}")
	}
	names := jsonNames(reflect.TypeFor[everything](), map[string]bool{})
	f.Fuzz(func(t *testing.T, payload string) {
		tok, err := v.Verify(context.Background(), hs256(fuzzSecret, `{"alg":"HS256"}`, payload))
		if err != nil {
			return
		}
		var anything any
		if err := json.Unmarshal([]byte(payload), &anything); err != nil {
			t.Fatalf("%q is accepted: %v", payload, err)
		}
		if foldsInto(anything, names) {
			return // encoding/json would take another claim for one of ours
		}
		var want everything
		if err := json.Unmarshal([]byte(payload), &want); err != nil {
			t.Fatalf("%q is accepted: %v", payload, err)
		}
		if got := tok.Claims(); !reflect.DeepEqual(got, want) {
			t.Errorf("%q is read as\n%+v\nwant\n%+v", payload, got, want)
		}
	})
}

// jsonNames collects the names of t's fields and of those of the types in it.
func jsonNames(t reflect.Type, names map[string]bool) map[string]bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return jsonNames(t.Elem(), names)
	case reflect.Struct:
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			if name == "" || !names[name] {
				names[name] = true
				jsonNames(t.Field(i).Type, names)
			}
		}
	}
	return names
}

// foldsInto reports whether an object in v has a name that is one of names but
// for its letter case, which encoding/json ignores.
func foldsInto(v any, names map[string]bool) bool {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			if foldsInto(element, names) {
				return true
			}
		}
	case map[string]any:
		for name, value := range v {
			if !names[name] {
				for known := range names {
					if strings.EqualFold(name, known) {
						return true
					}
				}
			}
			if foldsInto(value, names) {
				return true
			}
		}
	}
	return false
}

// FuzzNumericDate compares with exact arithmetic.
func FuzzNumericDate(f *testing.F) {
	for _, s := range []string{"0", "1700000000", "1.5", "1e9", "1700000000.123456789123", "253402300799.9", "253402300800", "-1", "5e-9", "0.17e10", "12e-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var d jwt.NumericDate
		if err := d.UnmarshalJSON([]byte(text)); err != nil || text == "null" {
			return
		}
		if !json.Valid([]byte(text)) {
			t.Fatalf("%q is read as %v", text, d)
		}
		exact, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%q is read as %v", text, d)
		}
		nanos := exact.Mul(exact, big.NewRat(1e9, 1))
		whole := new(big.Int).Quo(nanos.Num(), nanos.Denom())
		got := new(big.Int).Mul(big.NewInt(d.Time().Unix()), big.NewInt(1e9))
		got.Add(got, big.NewInt(int64(d.Time().Nanosecond())))
		if got.Cmp(whole) != 0 {
			t.Errorf("%q is read as %v ns, want %v", text, got, whole)
		}
	})
}

// FuzzSign: what Sign takes is read again as it was.
func FuzzSign(f *testing.F) {
	f.Add("subject", "list", int64(5), 1.5, []byte(`{"a":1}`), int64(now))
	f.Add("\u2028\"\\\x00", "\xff", int64(-1), 1e300, []byte(``), int64(-5))
	f.Add("", "", int64(0), 0.0, []byte(`1,"exp":1`), int64(1)<<60)
	key := must[*jwk.Secret](f)(jwk.NewSecret(jwk.HS256, fuzzSecret))
	e := expect()
	e.Audience, e.AnyAudience, e.AllowNoExpiry = nil, true, true
	v := must[*jwt.Verifier[everything]](f)(jwt.NewVerifier[everything](key, e))
	f.Fuzz(func(t *testing.T, subject, element string, n int64, x float64, raw []byte, date int64) {
		in := everything{
			Claims: jwt.Claims{Issuer: "https://issuer.example", Subject: subject, Audience: jwt.Audience{element}},
			List:   []string{element, subject}, Map: map[string]int{element: int(n)}, Int64: n, Float: x, Raw: raw,
			Date: jwt.NumericDate(time.Unix(date, 0).UTC()),
		}
		token, err := jwt.Sign(key, in, jwt.SignOptions{AllowNoExpiry: true})
		if err != nil {
			if utf8.ValidString(subject) && utf8.ValidString(element) && json.Valid(raw) && date >= 0 && date < 1e11 && !strings.ContainsAny(string(raw), `\{eE`) {
				t.Errorf("not signed: %v", err)
			}
			return
		}
		if len(token) > jwt.DefaultMaxSize {
			return
		}
		tok, err := v.Verify(context.Background(), token)
		if err != nil {
			t.Fatalf("signed, but refused: %v", err)
		}
		out := tok.Claims()
		want := strings.Trim(string(raw), " \t\r\n")
		if raw != nil && len(raw) == 0 {
			want = "null" // no JSON at all
		}
		if string(out.Raw) != want {
			t.Errorf("raw is read as %q, want %q", out.Raw, want)
		}
		out.Raw, in.Raw = nil, nil
		if !reflect.DeepEqual(out, in) {
			t.Errorf("read\n%+v\nwant\n%+v", out, in)
		}
	})
}
