package jwk_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/writ-auth/writ/jwk"
)

func unbase64(t testing.TB, s string) []byte {
	t.Helper()
	return must(base64.RawURLEncoding.DecodeString(s))(t)
}

func vector(t testing.TB, name string) []byte {
	t.Helper()
	return must(os.ReadFile("testdata/" + name))(t)
}

// RFC 7515, appendices A.2 to A.4: RSA and two curves. The secret of A.1 is known
// to everybody.
func TestRFC7515(t *testing.T) {
	if _, err := jwk.ParseSecretJWK(vector(t, "rfc7515/rfc7515_A.1.jwk")); !errors.Is(err, jwk.ErrWeak) {
		t.Errorf("A.1: %v, want ErrWeak", err)
	}
	for name, alg := range map[string]jwk.Algorithm{"A.2": jwk.RS256, "A.3": jwk.ES256, "A.4": jwk.ES512} {
		jws := strings.TrimSpace(string(vector(t, "rfc7515/rfc7515_"+name+".jwsc")))
		dot := strings.LastIndexByte(jws, '.')
		message, sig := []byte(jws[:dot]), unbase64(t, jws[dot+1:])
		text := vector(t, "rfc7515/rfc7515_"+name+".jwk")
		key := must(jwk.ParsePrivateJWK(text))(t).Public()
		if key.Algorithm() != alg || !key.Verify(message, sig) {
			t.Errorf("%s: key for %s refuses the example's signature", name, key.Algorithm())
		}
		sig[0] ^= 1
		if key.Verify(message, sig) {
			t.Errorf("%s: accepted with a changed signature", name)
		}
	}
}

// RFC 7515 A.2 is deterministic: our signature is the example's.
func TestRFC7515SignRS256(t *testing.T) {
	jws := strings.TrimSpace(string(vector(t, "rfc7515/rfc7515_A.2.jwsc")))
	dot := strings.LastIndexByte(jws, '.')
	key := must(jwk.ParsePrivateJWK(vector(t, "rfc7515/rfc7515_A.2.jwk")))(t)
	if got := b64(must(key.Sign([]byte(jws[:dot])))(t)); got != jws[dot+1:] {
		t.Errorf("signature %s, want %s", got, jws[dot+1:])
	}
}

// RFC 7517 A.1 has an encryption key beside a signature key; A.2 is private and
// A.3 symmetric, so neither may be taken for a published set.
func TestRFC7517Sets(t *testing.T) {
	set := must(jwk.ParseSet(vector(t, "rfc7517/rfc7517_A.1.jwkset")))(t)
	if _, err := set.FindKey(t.Context(), jwk.RS256, "2011-04-29"); err != nil || set.Len() != 1 || len(set.Skipped()) != 1 {
		t.Errorf("A.1: %d keys, skipped %v, RS256: %v", set.Len(), set.Skipped(), err)
	}
	for _, name := range []string{"A.2", "A.3"} {
		if _, err := jwk.ParseSet(vector(t, "rfc7517/rfc7517_"+name+".jwkset")); !errors.Is(err, jwk.ErrMismatch) {
			t.Errorf("%s: %v, want ErrMismatch", name, err)
		}
	}
	if _, err := jwk.ParseSet(vector(t, "rfc7515/rfc7515_A.6.jwkset")); !errors.Is(err, jwk.ErrMismatch) {
		t.Errorf("RFC 7515 A.6, which is private: %v, want ErrMismatch", err)
	}
}

// RFC 7517 appendix B: x5c is ignored, the key beside it counts.
func TestRFC7517Certificate(t *testing.T) {
	key := must(jwk.ParsePublicJWK(vector(t, "rfc7517/rfc7517_B.jwk")))(t)
	if key.KeyID() != "1b94c" || key.Algorithm() != jwk.RS256 {
		t.Errorf("read as %s with kid %q", key.Algorithm(), key.KeyID())
	}
}

func TestRFC7638(t *testing.T) {
	key := must(jwk.ParsePublicJWK(vector(t, "rfc7638/rfc7638_3.1.jwk")))(t)
	want := strings.TrimSpace(string(vector(t, "rfc7638/rfc7638_3.1.thp")))
	if got := key.Thumbprint(); got != want {
		t.Errorf("thumbprint %s, want %s", got, want)
	}
	if got := key.WithKeyID("other").Thumbprint(); got != want {
		t.Errorf("thumbprint under another kid %s, want %s", got, want)
	}
}

// RFC 8037, appendices A.1 to A.4.
func TestRFC8037(t *testing.T) {
	key := must(jwk.ParsePrivateJWK(vector(t, "rfc8037/a.1.jwk.json")))(t)
	public := must(jwk.ParsePublicJWK(vector(t, "rfc8037/a.2.jwk.json")))(t)
	var a3, a4 map[string]string
	if err := json.Unmarshal(vector(t, "rfc8037/a.3.json"), &a3); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(vector(t, "rfc8037/a.4.json"), &a4); err != nil {
		t.Fatal(err)
	}
	if got, want := public.Thumbprint(), a3["a.3.thumbprint+b64"]; got != want {
		t.Errorf("thumbprint %s, want %s", got, want)
	}
	want := must(hex.DecodeString(a4["a.4.sig+hex"]))(t)
	message := []byte(a4["a.4.signing-input"])
	if got := must(key.Sign(message))(t); !bytes.Equal(got, want) {
		t.Errorf("signature %x, want %x", got, want)
	}
	if !public.Verify(message, want) {
		t.Error("the example's signature is refused")
	}
}
