package jwk_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/writ-auth/writ/jwk"
)

// hidden is what must never be seen of a key, in every spelling that a careless
// print could give it.
func hidden(raw []byte) []string {
	decimal := fmt.Sprint(raw)
	part := decimal[1 : len(decimal)/3]
	return []string{
		string(raw), hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)), part, strings.ReplaceAll(part, " ", ", "),
		base64.StdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw), fmt.Sprintf("%#v", raw[:8])[7:],
	}
}

// holders put a key where fmt can call no method of it.
type holder struct {
	key    *jwk.PrivateKey
	secret *jwk.Secret
	inline jwk.PrivateKey
	plain  jwk.Secret
	any    any
}

func TestKeysStayHidden(t *testing.T) {
	raw := []byte("0kd8Jq2mPz7Wv5Xn3Rt9Yb1Lc6Hf4GsE")
	secret := must(jwk.NewSecret(jwk.HS256, raw))(t).WithKeyID("the-kid")
	key := pair(t, jwk.Ed25519)
	var members map[string]string
	if err := json.Unmarshal(must(key.ExportJWK())(t), &members); err != nil {
		t.Fatal(err)
	}
	seed := must(base64.RawURLEncoding.DecodeString(members["d"]))(t)
	leaks := append(hidden(raw), hidden(seed)...)
	h := holder{key, secret, *key, *secret, *secret}
	values := []any{key, *key, secret, *secret, h, &h, []any{key, secret}, map[string]any{"k": *key, "s": secret}, []jwk.Secret{*secret}}
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%o", "%b", "%c", "%U", "%t", "%e", "%T", "%w", "%p"} {
			assertHidden(t, fmt.Sprintf("fmt %s of %T", verb, v), fmt.Sprintf(verb, v), leaks)
		}
		assertHidden(t, fmt.Sprintf("Sprint of %T", v), fmt.Sprint(v), leaks)
		for name, out := range logged(v) {
			assertHidden(t, fmt.Sprintf("slog %s of %T", name, v), out, leaks)
		}
		if out, err := json.Marshal(v); err == nil {
			assertHidden(t, fmt.Sprintf("json of %T", v), string(out), leaks)
		}
		if out, err := xml.Marshal(v); err == nil {
			assertHidden(t, fmt.Sprintf("xml of %T", v), string(out), leaks)
		}
	}
}

func assertHidden(t *testing.T, where, out string, leaks []string) {
	t.Helper()
	for _, leak := range leaks {
		if strings.Contains(out, leak) {
			t.Fatalf("%s shows the key: %s", where, out)
		}
	}
}

func logged(v any) map[string]string {
	var text, js bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("m", "key", v)
	slog.New(slog.NewJSONHandler(&js, nil)).Info("m", "key", v)
	return map[string]string{"text": text.String(), "json": js.String()}
}

func TestWhatIsShown(t *testing.T) {
	secret := must(jwk.GenerateSecret(jwk.HS384))(t).WithKeyID("k1")
	if got, want := fmt.Sprintf("%#v", secret), `jwk.Secret(alg=HS384 kid="k1")`; got != want {
		t.Errorf("a Secret is shown as %s, want %s", got, want)
	}
	key := pair(t, jwk.ES256).WithKeyID("k2")
	if got, want := fmt.Sprintf("%v", key), `jwk.PrivateKey(alg=ES256 kid="k2")`; got != want {
		t.Errorf("a PrivateKey is shown as %s, want %s", got, want)
	}
	for name, out := range logged(key) {
		if !strings.Contains(out, "ES256") || !strings.Contains(out, "k2") {
			t.Errorf("slog %s does not show algorithm and key ID: %s", name, out)
		}
	}
	for _, v := range []any{secret, *secret, key, *key} {
		if out, err := json.Marshal(v); err == nil {
			t.Errorf("json.Marshal of %T = %s, want an error", v, out)
		}
	}
}
