package jwt_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// decoded returns header and payload of a token.
func decoded(t *testing.T, token string) (header, payload string) {
	t.Helper()
	u := must[*jwt.Unverified](t)(jwt.DecodeUnverified(token))
	return string(u.Header()), string(u.Payload())
}

func TestSignFillsIn(t *testing.T) {
	key := newSecret(t).WithKeyID("k1")
	opts := jwt.SignOptions{Lifetime: 15 * time.Minute, Issuer: "https://issuer.example", Now: func() time.Time { return time.Unix(now, 999_999_999) }}
	for _, c := range []struct {
		claims jwt.Claims
		want   string
	}{
		{jwt.Claims{}, `{"iss":"https://issuer.example","exp":1800000900,"iat":1800000000}`},
		{jwt.Claims{Issuer: "me", Audience: jwt.Audience{"a"}, ID: "1"},
			`{"iss":"me","aud":"a","exp":1800000900,"iat":1800000000,"jti":"1"}`},
		{jwt.Claims{Audience: jwt.Audience{"a", "b"}, Expiry: jwt.NumericDate(time.Unix(5, 0)), IssuedAt: jwt.NumericDate(time.Unix(4, 1)), NotBefore: jwt.NumericDate(time.Unix(3, 999))},
			`{"iss":"https://issuer.example","aud":["a","b"],"exp":5,"nbf":3,"iat":4}`},
	} {
		header, payload := decoded(t, must[string](t)(jwt.Sign(key, c.claims, opts)))
		if payload != c.want {
			t.Errorf("payload\n     %s\nwant %s", payload, c.want)
		}
		if want := `{"typ":"JWT","alg":"HS256","kid":"k1"}`; header != want {
			t.Errorf("header\n     %s\nwant %s", header, want)
		}
	}
}

func TestSignNewID(t *testing.T) {
	s := must[*jwt.Signer[jwt.Claims]](t)(jwt.NewSigner[jwt.Claims](newSecret(t), jwt.SignOptions{Lifetime: time.Minute, NewID: true}))
	seen := map[string]bool{}
	for range 100 {
		var c jwt.Claims
		_, payload := decoded(t, must[string](t)(s.Sign(jwt.Claims{})))
		if err := json.Unmarshal([]byte(payload), &c); err != nil || len(c.ID) != 22 || seen[c.ID] {
			t.Fatalf("jti %q (%v), want 22 characters that were not there before", c.ID, err)
		}
		seen[c.ID] = true
	}
	_, payload := decoded(t, must[string](t)(s.Sign(jwt.Claims{ID: "mine"})))
	if !strings.Contains(payload, `"jti":"mine"`) {
		t.Errorf("payload %s, want the jti of the claims", payload)
	}
}

func TestSignNeedsAnExpiry(t *testing.T) {
	key := newSecret(t)
	if token, err := jwt.Sign(key, jwt.Claims{}, jwt.SignOptions{}); token != "" || err == nil || !strings.Contains(err.Error(), "expiry") {
		t.Errorf("got %v, want an error about the expiry", err)
	}
	_, payload := decoded(t, must[string](t)(jwt.Sign(key, jwt.Claims{Subject: "u"}, jwt.SignOptions{AllowNoExpiry: true})))
	if payload != `{"sub":"u"}` {
		t.Errorf("payload %s", payload)
	}
}

func TestNewSignerRefuses(t *testing.T) {
	key := newSecret(t)
	for name, c := range map[string]struct {
		key  jwk.SigningKey
		opts jwt.SignOptions
	}{
		"no key":            {nil, jwt.SignOptions{}},
		"nil key":           {(*jwk.Secret)(nil), jwt.SignOptions{}},
		"zero key":          {new(jwk.PrivateKey), jwt.SignOptions{}},
		"negative lifetime": {key, jwt.SignOptions{Lifetime: -1}},
		"no unit":           {key, jwt.SignOptions{Lifetime: 900}},
		"secret to embed":   {key, jwt.SignOptions{EmbedKey: true}},
		"long kid":          {key.WithKeyID(strings.Repeat("x", 257)), jwt.SignOptions{}},
		"kid in Latin-1":    {key.WithKeyID("\xe9"), jwt.SignOptions{}},
		"typ in Latin-1":    {key, jwt.SignOptions{Type: "\xe9"}},
	} {
		if s, err := jwt.NewSigner[jwt.Claims](c.key, c.opts); s != nil || err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestSignerError(t *testing.T) {
	cause := errors.New("the HSM is on fire")
	key := must[*jwk.PrivateKey](t)(jwk.NewCustomPrivateKey(newKey(t, jwk.ES256).Public(), func([]byte) ([]byte, error) { return nil, cause }))
	token, err := jwt.Sign(key, jwt.Claims{}, jwt.SignOptions{Lifetime: time.Minute})
	if token != "" || !errors.Is(err, cause) {
		t.Errorf("got %q, %v; want the key's own error", token, err)
	}
}

// A DPoP proof: the key is in the header, and verifies only for who reads it
// from there on purpose.
func TestEmbedKey(t *testing.T) {
	type proof struct {
		jwt.Claims
		Method string `json:"htm"`
		URL    string `json:"htu"`
	}
	key := newKey(t, jwk.ES256)
	raw := must[string](t)(jwt.Sign(key, proof{Method: "GET", URL: "https://api.example/"},
		jwt.SignOptions{Lifetime: time.Minute, NewID: true, Type: "dpop+jwt", EmbedKey: true, Now: clock}))
	template := must[*jwt.Verifier[proof]](t)(jwt.NewVerifier[proof](newSecret(t),
		jwt.Expect{AnyIssuer: true, AnyAudience: true, AllowNoExpiry: true, Type: "dpop+jwt", MaxAge: time.Minute, Now: clock}))

	var header struct{ JWK json.RawMessage }
	u := must[*jwt.Unverified](t)(jwt.DecodeUnverified(raw))
	if err := json.Unmarshal(u.Header(), &header); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(header.JWK), `"d"`) {
		t.Fatal("the private key is in the header")
	}
	embedded := must[*jwk.PublicKey](t)(jwk.ParsePublicJWK(header.JWK))
	if embedded.Thumbprint() != key.Public().Thumbprint() {
		t.Errorf("another key is in the header")
	}
	tok, err := template.With("", embedded).Verify(context.Background(), raw)
	if err != nil || tok.Claims().Method != "GET" {
		t.Errorf("proof is refused: %v", err)
	}
	verify(t, template, raw, jwt.ErrKey, "kid")
}

// What is signed is read again as it was, by a verifier and by encoding/json.
func TestRoundTrip(t *testing.T) {
	yes := true
	in := everything{
		Claims: jwt.Claims{Issuer: "https://issuer.example", Subject: "u\"\\\u00e9\u2028\x01<&>", Audience: jwt.Audience{"api", ""},
			Expiry: jwt.NumericDate(time.Unix(now+900, 0).UTC()), IssuedAt: jwt.NumericDate(time.Unix(now, 0).UTC()), ID: "1"},
		embedded: embedded{Inner: "i"}, String: "s", Named: "n", Bool: true, Int: math.MinInt, Int8: -128, Int64: math.MaxInt64,
		Uint8: 255, Uint64: math.MaxUint64, Float: 1e-9, Float32: 0.1, Number: "1.50e2", Raw: json.RawMessage(`{"a":[1,null]}`),
		Date: jwt.NumericDate(time.Unix(1, 0).UTC()), Names: jwt.Audience{"x"}, Scope: jwt.Scope{"a", "b"}, List: []string{"", "x"},
		Ints: []int{1, -2}, Points: []point{{1, 2}, {}}, Map: map[string]int{"b": 1, "a": 2, "": 3},
		Deep: map[named][]*point{"k": {nil, {1, 0}}, "e": {}}, Point: point{0, 1}, Pointer: &point{}, Flag: &yes,
		When: time.Unix(now, 0).UTC(), Address: netip.MustParseAddr("::1"), Hosts: map[string]netip.Addr{"h": netip.MustParseAddr("192.0.2.1")},
		Times: []time.Time{time.Unix(0, 0).UTC()}, Actor: &actor{"a", &actor{"b", nil}}, Odd: map[string]*actor{"k": nil},
		Nested: map[string]jwt.Claims{"n": {Subject: "s", Expiry: jwt.NumericDate(time.Unix(1, 0).UTC())}}, Raws: map[string]rawOrAbsent{"r": rawOrAbsent(`null`)},
	}
	key := newSecret(t)
	raw := must[string](t)(jwt.Sign(key, in, jwt.SignOptions{}))
	v := must[*jwt.Verifier[everything]](t)(jwt.NewVerifier[everything](key, expect()))
	tok, err := v.Verify(context.Background(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if out := tok.Claims(); !reflect.DeepEqual(out, in) {
		t.Errorf("read\n%+v\nwant\n%+v", out, in)
	}
	var out everything
	if err := json.Unmarshal(tok.Payload(), &out); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(out, in) {
		t.Errorf("encoding/json read\n%+v\nwant\n%+v", out, in)
	}
}

func TestSignLeavesOut(t *testing.T) {
	_, payload := decoded(t, must[string](t)(jwt.Sign(newSecret(t), everything{List: []string{}, Ints: []int{}, Map: map[string]int{}}, jwt.SignOptions{AllowNoExpiry: true})))
	if want := `{"list":[]}`; payload != want { // omitzero keeps an empty list, omitempty doesn't; a date that is zero isn't there
		t.Errorf("payload %s, want %s", payload, want)
	}
	type always struct {
		jwt.Claims
		List []string        `json:"list"`
		Map  map[string]bool `json:"map"`
		Ptr  *int            `json:"ptr"`
		Raw  json.RawMessage `json:"raw"`
		Date jwt.NumericDate `json:"date"`
		Nest []point         `json:"nest"`
	}
	_, payload = decoded(t, must[string](t)(jwt.Sign(newSecret(t), always{}, jwt.SignOptions{AllowNoExpiry: true})))
	if want := `{"list":[],"map":{},"ptr":null,"raw":null,"nest":[]}`; payload != want { // null fits no list and no map
		t.Errorf("payload %s, want %s", payload, want)
	}
}

// What a verifier would refuse, or read otherwise than it was meant, is not
// signed in the first place.
func TestSignRefusesClaims(t *testing.T) {
	deep := &actor{}
	deep.Actor = deep
	for name, claims := range map[string]everything{
		"invalid UTF-8":        {String: "a\xff"},
		"invalid UTF-8 in id":  {Claims: jwt.Claims{ID: "\xff"}},
		"UTF-8 in a list":      {List: []string{"\xff"}},
		"UTF-8 in a map":       {Map: map[string]int{"\xff": 1}},
		"not a number":         {Float: math.NaN()},
		"infinite":             {Float: math.Inf(-1)},
		"infinite, 32 bits":    {Float32: float32(math.Inf(1))},
		"number":               {Number: "1x"},
		"number, hexadecimal":  {Number: "0x1"},
		"number, members":      {Number: `1,"exp":9999999999`},
		"number, huge":         {Number: `1e999`},
		"date before 1970":     {Date: jwt.NumericDate(time.Unix(-1, 0))},
		"date of milliseconds": {Date: jwt.NumericDate(time.Unix(now*1000, 0))},
		"exp of milliseconds":  {Claims: jwt.Claims{Expiry: jwt.NumericDate(time.Unix(now*1000, 0))}},
		"scope with a space":   {Scope: jwt.Scope{"a b"}},
		"empty scope":          {Scope: jwt.Scope{""}},
		"raw, malformed":       {Raw: json.RawMessage(`{`)},
		"raw, members":         {Raw: json.RawMessage(`1,"exp":9999999999`)},
		"raw, duplicate":       {Raw: json.RawMessage(`{"a":1,"a":2}`)},
		"raw, deep":            {Raw: json.RawMessage(strings.Repeat("[", 40) + strings.Repeat("]", 40))},
		"raw, too deep here":   {Raw: json.RawMessage(strings.Repeat("[", 32) + strings.Repeat("]", 32))},
		"endless":              {Actor: deep},
		"its own method":       {When: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		"zone":                 {Times: []time.Time{time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)}},
	} {
		if token, err := jwt.Sign(newSecret(t), claims, jwt.SignOptions{AllowNoExpiry: true}); token != "" || err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}

// The caller's claims stay as they are.
func TestSignDoesNotWrite(t *testing.T) {
	claims := jwt.AccessClaims{Roles: []string{"a"}}
	must[string](t)(jwt.Sign(newSecret(t), claims, jwt.SignOptions{Lifetime: time.Minute, Issuer: "x", NewID: true}))
	if !reflect.DeepEqual(claims, jwt.AccessClaims{Roles: []string{"a"}}) {
		t.Errorf("claims are %+v afterwards", claims)
	}
}

func TestEveryAlgorithm(t *testing.T) {
	for _, alg := range []jwk.Algorithm{jwk.RS256, jwk.RS384, jwk.RS512, jwk.PS256, jwk.PS384, jwk.PS512, jwk.ES256, jwk.ES384, jwk.ES512, jwk.EdDSA, jwk.Ed25519} {
		t.Run(string(alg), func(t *testing.T) {
			key := newKey(t, alg)
			raw := must[string](t)(jwt.Sign(key, jwt.Claims{Issuer: "https://issuer.example", Audience: jwt.Audience{"api"}}, jwt.SignOptions{Lifetime: time.Minute, Now: clock}))
			verify(t, newVerifier(t, key.Public()), raw, nil, "")
			verify(t, newVerifier(t, must[*jwk.Set](t)(jwk.NewSet(key.Public()))), raw, nil, "")
			other := newKey(t, alg).Public()
			verify(t, newVerifier(t, other), raw, jwt.ErrSignature, "")
			verify(t, newVerifier(t, other.WithKeyID(key.KeyID())), raw, jwt.ErrSignature, "")
		})
	}
	for _, alg := range []jwk.Algorithm{jwk.HS256, jwk.HS384, jwk.HS512} {
		key := must[*jwk.Secret](t)(jwk.GenerateSecret(alg))
		raw := must[string](t)(jwt.Sign(key, jwt.Claims{Issuer: "https://issuer.example", Audience: jwt.Audience{"api"}}, jwt.SignOptions{Lifetime: time.Minute, Now: clock}))
		verify(t, newVerifier(t, key), raw, nil, "")
	}
}
