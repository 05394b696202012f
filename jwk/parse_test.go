package jwk_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/writ-auth/writ/jwk"
)

// object is a JWK to be changed member by member.
type object map[string]any

func (o object) with(name string, v any) object {
	c := maps.Clone(o)
	if v == nil {
		delete(c, name)
	} else {
		c[name] = v
	}
	return c
}

func (o object) text(t testing.TB) []byte { return must(json.Marshal(o))(t) }

// privateObject is the private JWK of a new key.
func privateObject(t *testing.T, alg jwk.Algorithm) object {
	t.Helper()
	var o object
	if err := json.Unmarshal(must(pair(t, alg).ExportJWK())(t), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func publicObject(t *testing.T, alg jwk.Algorithm) object {
	t.Helper()
	var o object
	if err := json.Unmarshal(must(json.Marshal(pair(t, alg).Public()))(t), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// raw decodes a member.
func (o object) raw(t *testing.T, name string) []byte {
	t.Helper()
	return must(base64.RawURLEncoding.DecodeString(o[name].(string)))(t)
}

func TestJWKRoundTrip(t *testing.T) {
	for _, alg := range keyPairAlgorithms {
		key := pair(t, alg).WithKeyID("name")
		private := must(jwk.ParsePrivateJWK(must(key.ExportJWK())(t)))(t)
		public := must(jwk.ParsePublicJWK(must(json.Marshal(key.Public()))(t)))(t)
		if private.Algorithm() != alg || public.Algorithm() != alg || private.KeyID() != "name" || public.KeyID() != "name" {
			t.Errorf("%s: read back as %v and %s %s", alg, private, public.Algorithm(), public.KeyID())
		}
		sig := must(private.Sign([]byte("m")))(t)
		if !key.Public().Verify([]byte("m"), sig) || !public.Verify([]byte("m"), sig) {
			t.Errorf("%s: read back as another key", alg)
		}
		if strings.Contains(string(must(json.Marshal(private.Public()))(t)), `"d"`) {
			t.Errorf("%s: the public JWK has a private member", alg)
		}
	}
}

func TestJWKDefaults(t *testing.T) {
	for alg, want := range map[jwk.Algorithm]jwk.Algorithm{
		jwk.RS512: jwk.RS256, jwk.ES256: jwk.ES256, jwk.ES384: jwk.ES384, jwk.ES512: jwk.ES512, jwk.Ed25519: jwk.EdDSA,
	} {
		o := publicObject(t, alg).with("alg", nil).with("kid", nil).with("use", nil)
		key := must(jwk.ParsePublicJWK(o.text(t)))(t)
		if key.Algorithm() != want || key.KeyID() != key.Thumbprint() || key.KeyID() == "" {
			t.Errorf("%s key without alg and kid: %s, kid %q, thumbprint %q; want %s", alg, key.Algorithm(), key.KeyID(), key.Thumbprint(), want)
		}
		if key := must(jwk.ParsePublicJWK(o.with("kid", "").text(t)))(t); key.KeyID() != "" {
			t.Errorf("%s key with an empty kid has %q", alg, key.KeyID())
		}
	}
}

func TestParsePublicJWK(t *testing.T) {
	ec, rs, ed := publicObject(t, jwk.ES256), publicObject(t, jwk.RS256), publicObject(t, jwk.EdDSA)
	x, n, edX := ec.raw(t, "x"), rs.raw(t, "n"), ed.raw(t, "x")
	evenN := append(n[:len(n)-1:len(n)-1], n[len(n)-1]&0xfe)
	for _, tt := range []struct {
		name string
		jwk  object
		want error
	}{
		{"as it is", ec, nil},
		{"unknown members", ec.with("x5u", "https://evil.example").with("x5c", []string{"MIIB"}).with("ext", true).with("foo", nil), nil},
		{"key_ops to verify", ec.with("key_ops", []string{"verify"}), nil},
		{"key_ops among others", ec.with("key_ops", []string{"encrypt", "verify"}), nil},
		{"RSA as PS512", rs.with("alg", "PS512"), nil},
		{"Ed25519 by its new name", ed.with("alg", "Ed25519"), nil},
		{"RSA with a crv, which means nothing", rs.with("crv", "P-256"), nil},

		{"kty missing", ec.with("kty", nil), jwk.ErrMalformed},
		{"kty in lower case", ec.with("kty", "ec"), jwk.ErrUnsupported},
		{"kty unknown", ec.with("kty", "XYZ"), jwk.ErrUnsupported},
		{"kty RSA", ec.with("kty", "RSA"), jwk.ErrMismatch},
		{"kty oct", ec.with("kty", "oct"), jwk.ErrMismatch},
		{"crv missing", ec.with("crv", nil), jwk.ErrUnsupported},
		{"crv secp256k1", ec.with("crv", "secp256k1"), jwk.ErrUnsupported},
		{"crv P-384 with alg ES256", ec.with("crv", "P-384"), jwk.ErrMismatch},
		{"crv P-384 without alg", ec.with("crv", "P-384").with("alg", nil), jwk.ErrMalformed},
		{"crv of another kty", ec.with("crv", "Ed25519"), jwk.ErrUnsupported},
		{"X25519", ed.with("crv", "X25519").with("alg", nil), jwk.ErrUnsupported},
		{"Ed448", ed.with("crv", "Ed448"), jwk.ErrUnsupported},
		{"alg none", ec.with("alg", "none"), jwk.ErrUnsupported},
		{"alg HS256", ec.with("alg", "HS256"), jwk.ErrMismatch},
		{"alg HS256 on RSA", rs.with("alg", "HS256"), jwk.ErrMismatch},
		{"alg ES384", ec.with("alg", "ES384"), jwk.ErrMismatch},
		{"alg RS256", ec.with("alg", "RS256"), jwk.ErrMismatch},
		{"alg ES256 on RSA", rs.with("alg", "ES256"), jwk.ErrMismatch},
		{"alg in lower case", ec.with("alg", "es256"), jwk.ErrUnsupported},
		{"alg empty", ec.with("alg", ""), jwk.ErrUnsupported},
		{"alg is a number", ec.with("alg", 1), jwk.ErrMalformed},
		{"alg is a list", ec.with("alg", []string{"ES256"}), jwk.ErrMalformed},
		{"alg for encryption", rs.with("alg", "RSA-OAEP"), jwk.ErrUnsupported},
		{"use enc", ec.with("use", "enc"), jwk.ErrMismatch},
		{"use empty", ec.with("use", ""), jwk.ErrMismatch},
		{"use is a list", ec.with("use", []string{"sig"}), jwk.ErrMalformed},
		{"key_ops to sign", ec.with("key_ops", []string{"sign"}), jwk.ErrMismatch},
		{"key_ops empty", ec.with("key_ops", []string{}), jwk.ErrMismatch},
		{"key_ops is a string", ec.with("key_ops", "verify"), jwk.ErrMalformed},
		{"key_ops has a number", ec.with("key_ops", []any{"verify", 1}), jwk.ErrMalformed},
		{"key_ops twice the same", ec.with("key_ops", []string{"verify", "verify"}), jwk.ErrMalformed},
		{"kid is a number", ec.with("kid", 7), jwk.ErrMalformed},
		{"kid of 257 bytes", ec.with("kid", strings.Repeat("k", 257)), jwk.ErrMalformed},
		{"kid of 256 bytes", ec.with("kid", strings.Repeat("k", 256)), nil},

		{"x missing", ec.with("x", nil), jwk.ErrMalformed},
		{"x a number", ec.with("x", 1), jwk.ErrMalformed},
		{"x padded", ec.with("x", b64(x)+"="), jwk.ErrMalformed},
		{"x one byte short", ec.with("x", b64(x[1:])), jwk.ErrMalformed},
		{"x with a leading zero", ec.with("x", b64(append([]byte{0}, x...))), jwk.ErrMalformed},
		{"x and y swapped", ec.with("x", ec["y"]).with("y", ec["x"]), jwk.ErrMalformed},
		{"the point (0, 0)", ec.with("x", b64(make([]byte, 32))).with("y", b64(make([]byte, 32))), jwk.ErrMalformed},
		{"x empty", ec.with("x", ""), jwk.ErrMalformed},

		{"n missing", rs.with("n", nil), jwk.ErrMalformed},
		{"n with a leading zero", rs.with("n", b64(append([]byte{0}, n...))), jwk.ErrMalformed},
		{"n empty", rs.with("n", ""), jwk.ErrMalformed},
		{"n of 1024 bits", rs.with("n", b64(must(rsa.GenerateKey(rand.Reader, 1024))(t).N.Bytes())), jwk.ErrWeak},
		{"n even", rs.with("n", b64(evenN)), jwk.ErrMalformed},
		{"n in standard base64", rs.with("n", base64.StdEncoding.EncodeToString(n)), jwk.ErrMalformed},
		{"e = 1", rs.with("e", "AQ"), jwk.ErrWeak},
		{"e even", rs.with("e", "AQAA"), jwk.ErrWeak},
		{"e zero", rs.with("e", "AA"), jwk.ErrMalformed},
		{"e with a leading zero", rs.with("e", "AAEAAQ"), jwk.ErrMalformed},
		{"e of 32 bits", rs.with("e", "gAAAAQ"), jwk.ErrUnsupported},
		{"e of 2048 bits", rs.with("e", rs["n"]), jwk.ErrUnsupported},

		{"Ed25519 x short", ed.with("x", b64(edX[1:])), jwk.ErrMalformed},
		{"Ed25519 of order 1", ed.with("x", b64(append([]byte{1}, make([]byte, 31)...))), jwk.ErrWeak},
		{"Ed25519 with y", ed.with("y", "AA"), jwk.ErrMalformed},

		{"EC private", privateObject(t, jwk.ES256), jwk.ErrMismatch},
		{"RSA private", privateObject(t, jwk.RS256), jwk.ErrMismatch},
		{"Ed25519 private", privateObject(t, jwk.EdDSA), jwk.ErrMismatch},
		{"with d of another type", ec.with("d", 1), jwk.ErrMismatch},
		{"with k", ec.with("k", "AA"), jwk.ErrMismatch},
		{"with one of the primes", rs.with("q", "AA"), jwk.ErrMismatch},
	} {
		if key, err := jwk.ParsePublicJWK(tt.jwk.text(t)); !errors.Is(err, tt.want) || (key == nil) != (err != nil) {
			t.Errorf("%s: ParsePublicJWK = %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestParseJWKText(t *testing.T) {
	good := string(publicObject(t, jwk.ES256).text(t))
	for name, text := range map[string]string{
		"nothing":                 "",
		"a list":                  "[" + good + "]",
		"a set":                   `{"keys":[` + good + `]}`,
		"text after it":           good + "x",
		"two":                     good + good,
		"byte order mark":         "\ufeff" + good,
		"kty twice":               strings.Replace(good, "{", `{"kty":"EC",`, 1),
		"kty twice by an escape":  strings.Replace(good, "{", `{"\u006bty":"EC",`, 1),
		"invalid UTF-8":           strings.Replace(good, `"kid":"`, "\"kid\":\"\xff", 1),
		"lone surrogate":          strings.Replace(good, `"kid":"`, `"kid":"\ud800`, 1),
		"names in other case":     strings.ReplaceAll(good, `"kty"`, `"KTY"`),
		"more than 64 KiB":        good + strings.Repeat(" ", 64<<10),
		"deep nesting":            strings.Replace(good, "{", `{"x5c":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+",", 1),
		"100,000 brackets":        `{"kty":` + strings.Repeat("[", 60_000),
		"a number beyond float64": strings.Replace(good, "{", `{"z":1e999,`, 1),
	} {
		if _, err := jwk.ParsePublicJWK([]byte(text)); !errors.Is(err, jwk.ErrMalformed) {
			t.Errorf("%s: ParsePublicJWK = %v, want ErrMalformed", name, err)
		}
		if _, err := jwk.ParsePrivateJWK([]byte(text)); !errors.Is(err, jwk.ErrMalformed) {
			t.Errorf("%s: ParsePrivateJWK = %v, want ErrMalformed", name, err)
		}
		if _, err := jwk.ParseSecretJWK([]byte(text)); !errors.Is(err, jwk.ErrMalformed) {
			t.Errorf("%s: ParseSecretJWK = %v, want ErrMalformed", name, err)
		}
	}
}

func TestParsePrivateJWK(t *testing.T) {
	ec, rs, ed := privateObject(t, jwk.ES256), privateObject(t, jwk.RS256), privateObject(t, jwk.EdDSA)
	other := privateObject(t, jwk.ES256)
	d := ec.raw(t, "d")
	for _, tt := range []struct {
		name string
		jwk  object
		want error
	}{
		{"as it is", ec, nil},
		{"key_ops to sign", ec.with("key_ops", []string{"sign"}), nil},
		{"key_ops to verify", ec.with("key_ops", []string{"verify"}), jwk.ErrMismatch},
		{"use enc", ec.with("use", "enc"), jwk.ErrMismatch},
		{"public", ec.with("d", nil), jwk.ErrMalformed},
		{"RSA public", rs.with("d", nil), jwk.ErrMalformed},
		{"d of another key", ec.with("d", other["d"]), jwk.ErrMalformed},
		{"d zero", ec.with("d", b64(make([]byte, 32))), jwk.ErrMalformed},
		{"d the order", ec.with("d", "_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE"), jwk.ErrMalformed},
		{"d too long", ec.with("d", b64(append([]byte{0}, d...))), jwk.ErrMalformed},
		{"d too short", ec.with("d", b64(d[1:])), jwk.ErrMalformed},
		{"d a number", ec.with("d", 1), jwk.ErrMalformed},
		{"Ed25519 seed too short", ed.with("d", b64(ed.raw(t, "d")[1:])), jwk.ErrMalformed},
		{"Ed25519 seed of another key", ed.with("d", privateObject(t, jwk.EdDSA)["d"]), jwk.ErrMalformed},
		{"RSA primes swapped", rs.with("p", rs["q"]).with("q", rs["p"]), jwk.ErrMalformed},
		{"RSA without p", rs.with("p", nil), jwk.ErrMalformed},
		{"RSA with another dp", rs.with("dp", rs["dq"]), jwk.ErrMalformed},
		{"RSA with another qi", rs.with("qi", rs["dq"]), jwk.ErrMalformed},
		{"RSA with another d", rs.with("d", rs["dp"]), jwk.ErrMalformed},
		{"RSA with a huge d", rs.with("d", b64(make([]byte, 2000))), jwk.ErrMalformed},
		{"RSA with p zero", rs.with("p", "AA"), jwk.ErrMalformed},
		{"RSA of three primes", rs.with("oth", []any{map[string]string{"r": "AA"}}), jwk.ErrUnsupported},
		{"RSA with e = 1", rs.with("e", "AQ"), jwk.ErrWeak},
		{"a secret", object{"kty": "oct", "k": "AAAA"}, jwk.ErrUnsupported},
		{"X25519", object{"kty": "OKP", "crv": "X25519", "x": "AA", "d": "AA"}, jwk.ErrUnsupported},
	} {
		if key, err := jwk.ParsePrivateJWK(tt.jwk.text(t)); !errors.Is(err, tt.want) || (key == nil) != (err != nil) {
			t.Errorf("%s: ParsePrivateJWK = %v, want %v", tt.name, err, tt.want)
		}
	}
}

// toy is an algorithm of an extension; its "signature" is the key's parameter.
func toy(calls *[]string) jwk.Extension {
	parse := func(p jwk.Params) (*jwk.PublicKey, error) {
		*calls = append(*calls, p["kty"])
		if p["kty"] != "TOY" {
			return nil, jwk.ErrUnsupported
		}
		v, err := p.Bytes("v")
		if err != nil {
			return nil, err
		}
		return jwk.NewCustomPublicKey("TOY1", jwk.Params{"kty": "TOY", "v": p["v"]}, func(_, sig []byte) bool { return string(sig) == string(v) })
	}
	return jwk.Extension{Public: parse, Private: func(p jwk.Params) (*jwk.PrivateKey, error) {
		pub, err := parse(p)
		if err != nil {
			return nil, err
		}
		return jwk.NewCustomPrivateKey(pub, func([]byte) ([]byte, error) { return p.Bytes("d") })
	}}
}

func TestExtension(t *testing.T) {
	var calls []string
	none := jwk.Extension{}
	parser := jwk.Parser{Extensions: []jwk.Extension{none, toy(&calls)}}
	key, err := parser.Private([]byte(`{"kty":"TOY","v":"AQID","d":"AQID","kid":"t1","x5c":["MIIB"]}`))
	if err != nil {
		t.Fatal(err)
	}
	sig := must(key.Sign([]byte("m")))(t)
	if !key.Public().Verify([]byte("m"), sig) || key.KeyID() != "t1" || key.Algorithm() != "TOY1" {
		t.Errorf("the extension's key is %v, signature %x", key, sig)
	}
	text := must(json.Marshal(key.Public()))(t)
	if want := `{"kty":"TOY","alg":"TOY1","use":"sig","kid":"t1","v":"AQID"}`; string(text) != want {
		t.Errorf("marshals as %s, want %s", text, want)
	}
	set, err := parser.Set([]byte(`{"keys":[` + string(text) + `,` + string(publicObject(t, jwk.ES256).text(t)) + `,{"kty":"XYZ"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if set.Len() != 2 || len(set.Skipped()) != 1 {
		t.Errorf("%d keys and skipped %v, want 2 and one", set.Len(), set.Skipped())
	}
	if got := strings.Join(calls, " "); got != "TOY TOY XYZ" {
		t.Errorf("the extension was asked about %q; want nothing that the package knows", got)
	}
	if _, err := key.ExportJWK(); !errors.Is(err, jwk.ErrUnsupported) {
		t.Errorf("ExportJWK of a custom key: %v, want ErrUnsupported", err)
	}
	if _, err := key.Public().ExportPEM(); !errors.Is(err, jwk.ErrUnsupported) {
		t.Errorf("ExportPEM of a custom key: %v, want ErrUnsupported", err)
	}
}

func TestExtensionLimits(t *testing.T) {
	var calls []string
	parser := jwk.Parser{Extensions: []jwk.Extension{toy(&calls)}}
	for name, tt := range map[string]struct {
		text string
		want error
	}{
		"use enc":          {`{"kty":"TOY","v":"AQID","use":"enc"}`, jwk.ErrMismatch},
		"key_ops to sign":  {`{"kty":"TOY","v":"AQID","key_ops":["sign"]}`, jwk.ErrMismatch},
		"private":          {`{"kty":"TOY","v":"AQID","priv":"AQID"}`, jwk.ErrMismatch},
		"malformed for it": {`{"kty":"TOY","v":"AQID="}`, jwk.ErrMalformed},
		"without v":        {`{"kty":"TOY"}`, jwk.ErrMalformed},
		"of nobody":        {`{"kty":"XYZ"}`, jwk.ErrUnsupported},
		"another alg":      {`{"kty":"TOY","v":"AQID","alg":"TOY2"}`, jwk.ErrMismatch},
	} {
		if _, err := parser.Public([]byte(tt.text)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	nothing := jwk.Parser{Extensions: []jwk.Extension{{
		Public:  func(jwk.Params) (*jwk.PublicKey, error) { return nil, nil },
		Private: func(jwk.Params) (*jwk.PrivateKey, error) { return nil, nil },
	}}}
	if key, err := nothing.Public([]byte(`{"kty":"TOY"}`)); !errors.Is(err, jwk.ErrUnsupported) {
		t.Errorf("an extension that returns nothing gives %v, %v", key, err)
	}
	if key, err := nothing.Private([]byte(`{"kty":"TOY"}`)); !errors.Is(err, jwk.ErrUnsupported) {
		t.Errorf("an extension that returns nothing gives %v, %v", key, err)
	}
}

func TestCustomKeyRefuses(t *testing.T) {
	yes := func(_, _ []byte) bool { return true }
	for name, tt := range map[string]struct {
		alg      jwk.Algorithm
		required jwk.Params
		verify   func(_, _ []byte) bool
	}{
		"none":               {"none", jwk.Params{"kty": "TOY"}, yes},
		"none in capitals":   {"NONE", jwk.Params{"kty": "TOY"}, yes},
		"none with a space":  {" none", jwk.Params{"kty": "TOY"}, yes},
		"no algorithm":       {"", jwk.Params{"kty": "TOY"}, yes},
		"a known algorithm":  {jwk.ES256, jwk.Params{"kty": "TOY"}, yes},
		"HMAC":               {jwk.HS256, jwk.Params{"kty": "TOY"}, yes},
		"no kty":             {"TOY1", jwk.Params{"v": "AA"}, yes},
		"kty oct":            {"TOY1", jwk.Params{"kty": "oct"}, yes},
		"no function":        {"TOY1", jwk.Params{"kty": "TOY"}, nil},
		"another alg inside": {"TOY1", jwk.Params{"kty": "TOY", "alg": "TOY2"}, yes},
		"invalid UTF-8":      {"TOY1", jwk.Params{"kty": "TOY", "v": "\xff"}, yes},
	} {
		if key, err := jwk.NewCustomPublicKey(tt.alg, tt.required, tt.verify); err == nil {
			t.Errorf("%s: NewCustomPublicKey gives %s", name, key.Algorithm())
		}
	}
	pub := must(jwk.NewCustomPublicKey("TOY1", jwk.Params{"kty": "TOY", "alg": "TOY1"}, yes))(t)
	if got, want := string(must(json.Marshal(pub.WithKeyID("")))(t)), `{"kty":"TOY","alg":"TOY1","use":"sig"}`; got != want {
		t.Errorf("a key of which alg is part marshals as %s, want %s", got, want)
	}
	if _, err := jwk.NewCustomPrivateKey(pub, nil); err == nil {
		t.Error("NewCustomPrivateKey takes no function")
	}
	if _, err := jwk.NewCustomPrivateKey(nil, func([]byte) ([]byte, error) { return nil, nil }); err == nil {
		t.Error("NewCustomPrivateKey takes no public key")
	}
}
