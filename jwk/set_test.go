package jwk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/writ-auth/writ/jwk"
)

func TestSetFindKey(t *testing.T) {
	es := pair(t, jwk.ES256).Public().WithKeyID("a")
	es2 := pair(t, jwk.ES256).Public().WithKeyID("b")
	rs := pair(t, jwk.RS256).Public().WithKeyID("a") // the same kid under another algorithm is another key
	bare := pair(t, jwk.EdDSA).Public().WithKeyID("")
	set := must(jwk.NewSet(es, es2, rs, bare))(t)
	for _, tt := range []struct {
		alg  jwk.Algorithm
		kid  string
		want *jwk.PublicKey
	}{
		{jwk.ES256, "a", es},
		{jwk.ES256, "b", es2},
		{jwk.RS256, "a", rs},
		{jwk.RS256, "", rs},
		{jwk.EdDSA, "", bare},
		{jwk.ES256, "", nil}, // two to choose from
		{jwk.RS256, "b", nil},
		{jwk.EdDSA, "a", nil}, // a kid must match, also against none
		{jwk.PS256, "a", nil},
		{jwk.Ed25519, "", nil},
		{jwk.HS256, "a", nil},
		{"none", "", nil},
		{"", "", nil},
	} {
		got, err := set.FindKey(t.Context(), tt.alg, tt.kid)
		if tt.want == nil {
			if !errors.Is(err, jwk.ErrNotFound) || got != nil {
				t.Errorf("FindKey(%q, %q) = %v, %v; want ErrNotFound", tt.alg, tt.kid, got, err)
			}
			continue
		}
		if err != nil || got != tt.want {
			t.Errorf("FindKey(%q, %q) = %v, %v; want the key %q", tt.alg, tt.kid, got, err, tt.want.KeyID())
		}
	}
	if got := slices.Collect(set.All()); !slices.Equal(got, []*jwk.PublicKey{es, es2, rs, bare}) {
		t.Errorf("All yields %d keys in another order", len(got))
	}
}

func TestSetRefuses(t *testing.T) {
	a, b := pair(t, jwk.ES256).Public(), pair(t, jwk.ES256).Public()
	for name, keys := range map[string][]*jwk.PublicKey{
		"the same key twice":     {a, a},
		"the same name twice":    {a.WithKeyID("x"), b.WithKeyID("x")},
		"two without a name":     {a.WithKeyID(""), b.WithKeyID("")},
		"nil":                    {a, nil},
		"zero":                   {new(jwk.PublicKey)},
		"two of one name, apart": {a, b, a.WithKeyID(b.KeyID())},
	} {
		if _, err := jwk.NewSet(keys...); err == nil {
			t.Errorf("NewSet takes %s", name)
		}
	}
}

func TestSetIsCopied(t *testing.T) {
	a, b := pair(t, jwk.ES256).Public(), pair(t, jwk.ES256).Public()
	keys := []*jwk.PublicKey{a}
	set := must(jwk.NewSet(keys...))(t)
	keys[0] = b
	if got := slices.Collect(set.All()); got[0] != a {
		t.Error("changing the caller's slice changed the set")
	}
}

func TestSetJSON(t *testing.T) {
	key := pair(t, jwk.ES384).Public().WithKeyID(`a "name"`)
	other := pair(t, jwk.EdDSA).Public().WithKeyID("")
	text := must(json.Marshal(must(jwk.NewSet(key, other))(t)))(t)
	var doc struct{ Keys []map[string]string }
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Keys) != 2 {
		t.Fatalf("%d keys in %s, want 2", len(doc.Keys), text)
	}
	for name, want := range map[string]string{"kty": "EC", "alg": "ES384", "use": "sig", "kid": `a "name"`, "crv": "P-384"} {
		if got := doc.Keys[0][name]; got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if _, ok := doc.Keys[1]["kid"]; ok {
		t.Errorf("a key without a name has a kid: %s", text)
	}
	back := must(jwk.ParseSet(text))(t)
	got := must(back.FindKey(t.Context(), jwk.ES384, `a "name"`))(t)
	if got.(*jwk.PublicKey).Thumbprint() != key.Thumbprint() {
		t.Error("read back as another key")
	}
}

const ed25519X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"

func TestParseSetSkips(t *testing.T) {
	good := string(must(json.Marshal(pair(t, jwk.ES256).Public()))(t))
	// odd is a good key but for one member more.
	odd := func(member string) string {
		return `{"kty":"OKP","crv":"Ed25519","x":"` + ed25519X + `",` + member + `}`
	}
	manyOps := ""
	for i := range 16 {
		manyOps += fmt.Sprintf(`,"%d"`, i)
	}
	for name, tt := range map[string]struct {
		key  string
		want error
	}{
		"an unknown kty":           {`{"kty":"XYZ","x":"AA"}`, jwk.ErrUnsupported},
		"an unknown curve":         {`{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}`, jwk.ErrUnsupported},
		"an encryption key":        {`{"kty":"OKP","crv":"X25519","x":"AA","use":"enc"}`, jwk.ErrMismatch},
		"an encryption alg":        {`{"kty":"RSA","alg":"RSA-OAEP","n":"AQ","e":"AQAB"}`, jwk.ErrUnsupported},
		"key_ops to encrypt":       {`{"kty":"RSA","key_ops":["encrypt"],"n":"AQ","e":"AQAB"}`, jwk.ErrMismatch},
		"a small RSA key":          {`{"kty":"RSA","n":"AQ","e":"AQAB"}`, jwk.ErrWeak},
		"a key without its parts":  {`{"kty":"EC","crv":"P-256","x":"AA"}`, jwk.ErrMalformed},
		"a key without kty":        {`{"x":"AA"}`, jwk.ErrUnsupported},
		"an empty object":          {`{}`, jwk.ErrUnsupported},
		"a new type and algorithm": {`{"kty":"NEW","alg":-48,"x":{"y":[1]}}`, jwk.ErrMalformed},
		"a kty that is a number":   {`{"kty":1}`, jwk.ErrMalformed},
		"a kid that is a number":   {odd(`"kid":1`), jwk.ErrMalformed},
		"a long kid":               {odd(`"kid":"` + strings.Repeat("x", 257) + `"`), jwk.ErrMalformed},
		"no use":                   {odd(`"use":null`), jwk.ErrMalformed},
		"a crv that is a list":     {`{"kty":"EC","crv":["P-256"],"x":"AA","y":"AA"}`, jwk.ErrMalformed},
		"key_ops of null":          {odd(`"key_ops":null`), jwk.ErrMalformed},
		"key_ops of text":          {odd(`"key_ops":"verify"`), jwk.ErrMalformed},
		"key_ops with a number":    {odd(`"key_ops":["verify",7,{"a":[]}]`), jwk.ErrMalformed},
		"key_ops that repeat":      {odd(`"key_ops":["verify","verify"]`), jwk.ErrMalformed},
		"many key_ops":             {odd(`"key_ops":["verify"` + manyOps + `]`), jwk.ErrMalformed},
	} {
		set, err := jwk.ParseSet([]byte(`{"keys":[` + tt.key + `,` + good + `],"more":1}`))
		if err != nil {
			t.Errorf("a set with %s: %v", name, err)
			continue
		}
		if set.Len() != 1 || len(set.Skipped()) != 1 || !errors.Is(set.Skipped()[0], tt.want) {
			t.Errorf("a set with %s: %d keys, skipped %v; want one, and %v", name, set.Len(), set.Skipped(), tt.want)
		}
		if _, err := jwk.ParsePublicJWK([]byte(tt.key)); err == nil {
			t.Errorf("%s alone is a key", name)
		}
	}
	if _, err := jwk.ParsePublicJWK([]byte(odd(`"kid":"a"`))); err != nil {
		t.Errorf("the key without anything odd: %v", err)
	}
}

func TestParseSetRefuses(t *testing.T) {
	good := string(must(json.Marshal(pair(t, jwk.ES256).Public()))(t))
	private := string(must(pair(t, jwk.ES256).ExportJWK())(t))
	secret := string(must(must(jwk.GenerateSecret(jwk.HS256))(t).ExportJWK())(t))
	for _, tt := range []struct {
		name, text string
		want       error
	}{
		{"a private key", `{"keys":[` + good + `,` + private + `]}`, jwk.ErrMismatch},
		{"a secret", `{"keys":[` + secret + `]}`, jwk.ErrMismatch},
		{"a secret without kty oct", `{"keys":[{"kty":"XYZ","k":"AA"}]}`, jwk.ErrMismatch},
		{"a private key of unknown type", `{"keys":[{"kty":"AKP","priv":"AA"}]}`, jwk.ErrMismatch},
		{"a private member that is no string", `{"keys":[{"kty":"EC","d":null}]}`, jwk.ErrMismatch},
		{"a private encryption key", `{"keys":[{"kty":"RSA","use":"enc","dp":"AA"}]}`, jwk.ErrMismatch},
		{"one key twice", `{"keys":[` + good + `,` + good + `]}`, jwk.ErrMalformed},
		{"a single key", good, jwk.ErrMalformed},
		{"no keys", `{}`, jwk.ErrMalformed},
		{"keys is no list", `{"keys":{}}`, jwk.ErrMalformed},
		{"keys is null", `{"keys":null}`, jwk.ErrMalformed},
		{"a key is no object", `{"keys":["x"]}`, jwk.ErrMalformed},
		{"keys twice", `{"keys":[],"keys":[]}`, jwk.ErrMalformed},
		{"KEYS", `{"KEYS":[]}`, jwk.ErrMalformed},
		{"a list", `[]`, jwk.ErrMalformed},
		{"HTML", `<!doctype html>`, jwk.ErrMalformed},
		{"nothing", ``, jwk.ErrMalformed},
		{"trailing text", `{"keys":[]}x`, jwk.ErrMalformed},
		{"an odd private key", `{"keys":[{"kty":1,"kid":2,"key_ops":null,"d":3}]}`, jwk.ErrMismatch},
		{"a secret after key_ops that repeat", `{"keys":[{"key_ops":["sign","sign"],"kty":"oct"}]}`, jwk.ErrMismatch},
		{"an odd member twice", `{"keys":[{"kid":1,"kid":1}]}`, jwk.ErrMalformed},
		{"a name twice inside an odd member", `{"keys":[{"alg":{"a":1,"a":1}}]}`, jwk.ErrMalformed},
		{"a name twice inside key_ops", `{"keys":[{"key_ops":[{"a":1,"a":1}]}]}`, jwk.ErrMalformed},
		{"key_ops without an end", `{"keys":[{"key_ops":["verify","verify"}]}`, jwk.ErrMalformed},
		{"too many keys", `{"keys":[` + strings.Repeat(`{},`, 1000) + `{}]}`, jwk.ErrMalformed},
		{"too large", `{"keys":[]}` + strings.Repeat(" ", 1<<20), jwk.ErrMalformed},
		{"100,000 brackets", `{"keys":[{"kty":` + strings.Repeat("[", 100_000), jwk.ErrMalformed},
	} {
		if set, err := jwk.ParseSet([]byte(tt.text)); !errors.Is(err, tt.want) || set != nil {
			t.Errorf("%s: ParseSet = %v, %v; want %v", tt.name, set, err, tt.want)
		}
	}
	if set, err := jwk.ParseSet([]byte(` { "keys" : [ ] } `)); err != nil || set.Len() != 0 {
		t.Errorf("an empty set: %v", err)
	}
}

func TestParserRSA(t *testing.T) {
	key := must(json.Marshal(pair(t, jwk.RS256).Public().WithKeyID("r")))(t)
	noAlg := strings.Replace(string(key), `"alg":"RS256",`, "", 1)
	if strings.Contains(noAlg, "alg") {
		t.Fatal("alg is still there")
	}
	for _, tt := range []struct {
		parser jwk.Parser
		text   string
		want   jwk.Algorithm
	}{
		{jwk.Parser{}, noAlg, jwk.RS256},
		{jwk.Parser{RSA: jwk.PS256}, noAlg, jwk.PS256},
		{jwk.Parser{RSA: jwk.PS256}, string(key), jwk.RS256},
	} {
		k, err := tt.parser.Public([]byte(tt.text))
		if err != nil || k.Algorithm() != tt.want {
			t.Errorf("Parser.RSA = %q gives %v, %v; want %s", tt.parser.RSA, k.Algorithm(), err, tt.want)
		}
		set, err := tt.parser.Set([]byte(`{"keys":[` + tt.text + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := set.FindKey(t.Context(), tt.want, "r"); err != nil {
			t.Errorf("Parser.RSA = %q: %s is not in the set: %v", tt.parser.RSA, tt.want, err)
		}
	}
	for _, alg := range []jwk.Algorithm{jwk.ES256, jwk.HS256, "none", "RSA"} {
		if _, err := (jwk.Parser{RSA: alg}).Public([]byte(noAlg)); !errors.Is(err, jwk.ErrMismatch) {
			t.Errorf("Parser.RSA = %q: %v, want ErrMismatch", alg, err)
		}
		if _, err := (jwk.Parser{RSA: alg}).Set([]byte(`{"keys":[]}`)); !errors.Is(err, jwk.ErrMismatch) {
			t.Errorf("Parser.RSA = %q: %v, want ErrMismatch", alg, err)
		}
	}
}

func TestRing(t *testing.T) {
	before := must(jwk.GenerateSecret(jwk.HS256))(t).WithKeyID("2025")
	now := must(jwk.GenerateSecret(jwk.HS256))(t).WithKeyID("2026")
	pub := pair(t, jwk.ES256).Public()
	ring := must(jwk.NewRing(before, now, pub))(t)
	for _, k := range []jwk.VerifyingKey{before, now, pub} {
		if got, err := ring.FindKey(t.Context(), k.Algorithm(), k.KeyID()); err != nil || got != k {
			t.Errorf("FindKey(%s, %s) = %v, %v", k.Algorithm(), k.KeyID(), got, err)
		}
	}
	if got, err := ring.FindKey(t.Context(), jwk.ES256, ""); err != nil || got != pub {
		t.Errorf("the only key of its algorithm, without kid: %v, %v", got, err)
	}
	for _, r := range [][2]string{{"HS256", ""}, {"HS256", "2024"}, {"HS512", "2025"}, {"none", ""}} {
		if got, err := ring.FindKey(t.Context(), jwk.Algorithm(r[0]), r[1]); !errors.Is(err, jwk.ErrNotFound) || got != nil {
			t.Errorf("FindKey(%q, %q) = %v, %v; want ErrNotFound", r[0], r[1], got, err)
		}
	}
	if _, err := jwk.NewRing(before, now.WithKeyID("2025")); !errors.Is(err, jwk.ErrMalformed) {
		t.Errorf("two secrets of one name: %v, want ErrMalformed", err)
	}
}

func TestFindKeyAllocatesNothing(t *testing.T) {
	var keys []*jwk.PublicKey
	key := pair(t, jwk.ES256).Public()
	for i := range 1000 {
		keys = append(keys, key.WithKeyID(fmt.Sprint("kid-", i)))
	}
	set := must(jwk.NewSet(keys...))(t)
	got := testing.AllocsPerRun(100, func() {
		for _, kid := range []string{"kid-999", "unknown", ""} {
			set.FindKey(context.Background(), jwk.ES256, kid)
		}
	})
	if got != 0 {
		t.Errorf("FindKey among 1000 keys allocates %v times, want 0", got)
	}
}
