package jwk_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/writ-auth/writ/jwk"
)

// TestExtensionIsNotAsked: keys of the types and curves of this package are its
// own, also where they name an algorithm that it doesn't know.
func TestExtensionIsNotAsked(t *testing.T) {
	asked := 0
	parser := jwk.Parser{Extensions: []jwk.Extension{{
		Public:  func(jwk.Params) (*jwk.PublicKey, error) { asked++; return nil, jwk.ErrUnsupported },
		Private: func(jwk.Params) (*jwk.PrivateKey, error) { asked++; return nil, jwk.ErrUnsupported },
	}}}
	for _, text := range []string{
		`{"kty":"EC","crv":"P-256","alg":"ES256K","x":"AA","y":"AA","d":"AA"}`,
		`{"kty":"OKP","crv":"Ed25519","alg":"ML-DSA-44","x":"AA","d":"AA"}`,
		`{"kty":"RSA","alg":"RS1","n":"AA","e":"AQAB","d":"AA"}`,
		`{"kty":"oct","alg":"ES256K","k":"AA"}`,
	} {
		if _, err := parser.Private([]byte(text)); !errors.Is(err, jwk.ErrUnsupported) {
			t.Errorf("%s: %v, want ErrUnsupported", text, err)
		}
		if _, err := parser.Public([]byte(withoutPrivate(text))); err == nil {
			t.Errorf("%s: a public key", text)
		}
	}
	if asked != 0 {
		t.Errorf("the extension was asked %d times about types that are known here", asked)
	}
	if _, err := parser.Public([]byte(`{"kty":"EC","crv":"secp256k1"}`)); !errors.Is(err, jwk.ErrUnsupported) || asked != 1 {
		t.Errorf("about a curve that is not known here: asked %d times, %v", asked, err)
	}
}

func withoutPrivate(text string) string {
	return strings.NewReplacer(`,"d":"AA"`, "", `"kty":"oct"`, `"kty":"RSA"`).Replace(text)
}

// TestExtensionCannotClaim: an extension that returns a key for an algorithm of
// this package would let whoever writes a key set choose the arithmetic.
func TestExtensionCannotClaim(t *testing.T) {
	key := pair(t, jwk.ES256)
	parser := jwk.Parser{Extensions: []jwk.Extension{{
		Public:  func(jwk.Params) (*jwk.PublicKey, error) { return key.Public(), nil },
		Private: func(jwk.Params) (*jwk.PrivateKey, error) { return key, nil },
		SPKI:    func(jwk.Algorithm, []byte) (*jwk.PublicKey, error) { return key.Public(), nil },
		PKCS8:   func(jwk.Algorithm, []byte) (*jwk.PrivateKey, error) { return key, nil },
	}}}
	for _, text := range []string{`{"kty":"TOY"}`, `{"kty":"TOY","alg":"ES256"}`} {
		if _, err := parser.Public([]byte(text)); !errors.Is(err, jwk.ErrMismatch) {
			t.Errorf("%s: public: %v, want ErrMismatch", text, err)
		}
		if _, err := parser.Private([]byte(text)); !errors.Is(err, jwk.ErrMismatch) {
			t.Errorf("%s: private: %v, want ErrMismatch", text, err)
		}
	}
	if k, err := parser.PublicPEM("TOY1", toyPEM("PUBLIC KEY")); !errors.Is(err, jwk.ErrMismatch) {
		t.Errorf("public PEM: %v, %v, want ErrMismatch", k, err)
	}
	if k, err := parser.PrivatePEM("TOY1", toyPEM("PRIVATE KEY")); !errors.Is(err, jwk.ErrMismatch) {
		t.Errorf("private PEM: %v, %v, want ErrMismatch", k, err)
	}
}

func toyPEM(blockType string) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: blockType, Bytes: []byte("toy")})
}

// toyPair is a custom key pair that can be exported.
func toyPair(t *testing.T) *jwk.PrivateKey {
	t.Helper()
	verify := func(_, sig []byte) bool { return string(sig) == "s" }
	pub := must(jwk.NewCustomPublicKey("TOY1", jwk.Params{"kty": "TOY", "v": "AQID"}, verify))(t).WithSPKI([]byte("toy"))
	k := must(jwk.NewCustomPrivateKey(pub, func([]byte) ([]byte, error) { return []byte("s"), nil }))(t)
	return must(k.WithExport(jwk.Params{"d": "BAUG"}, []byte("toy")))(t)
}

func TestCustomExport(t *testing.T) {
	k := toyPair(t).WithKeyID("t1")
	if got, want := string(must(k.ExportJWK())(t)), `{"kty":"TOY","alg":"TOY1","use":"sig","kid":"t1","d":"BAUG","v":"AQID"}`; got != want {
		t.Errorf("JWK %s, want %s", got, want)
	}
	if got, want := string(must(k.ExportPEM())(t)), string(toyPEM("PRIVATE KEY")); got != want {
		t.Errorf("private PEM %s, want %s", got, want)
	}
	if got, want := string(must(k.Public().ExportPEM())(t)), string(toyPEM("PUBLIC KEY")); got != want {
		t.Errorf("public PEM %s, want %s", got, want)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if text := fmt.Sprintf(verb, k); strings.Contains(text, "BAUG") || strings.Contains(text, "746f79") {
			t.Errorf("%s shows the private key: %s", verb, text)
		}
	}
	if pub := pair(t, jwk.ES256).Public(); pub.WithSPKI([]byte("toy")) != pub {
		t.Error("a key that is not custom took another PEM form")
	}
}

func TestCustomExportRefuses(t *testing.T) {
	k := toyPair(t)
	for name, f := range map[string]func() (*jwk.PrivateKey, error){
		"a public name": func() (*jwk.PrivateKey, error) { return k.WithExport(jwk.Params{"seed": "AA"}, []byte("toy")) },
		"nothing":       func() (*jwk.PrivateKey, error) { return k.WithExport(nil, nil) },
		"no custom key": func() (*jwk.PrivateKey, error) {
			return pair(t, jwk.ES256).WithExport(jwk.Params{"d": "AA"}, []byte("toy"))
		},
		"zero": func() (*jwk.PrivateKey, error) {
			return new(jwk.PrivateKey).WithExport(jwk.Params{"d": "AA"}, []byte("toy"))
		},
	} {
		if made, err := f(); err == nil || made != nil {
			t.Errorf("%s: WithExport gives %v, %v", name, made, err)
		}
	}
	yes := func(_, _ []byte) bool { return true }
	if k, err := jwk.NewCustomPublicKey("TOY1", jwk.Params{"kty": "TOY", "priv": "AA"}, yes); !errors.Is(err, jwk.ErrMismatch) {
		t.Errorf("a public key with a private member: %v, %v", k, err)
	}
}

func TestParserPEM(t *testing.T) {
	k := toyPair(t)
	none := jwk.Extension{}
	other := jwk.Extension{
		SPKI:  func(jwk.Algorithm, []byte) (*jwk.PublicKey, error) { return nil, jwk.ErrUnsupported },
		PKCS8: func(jwk.Algorithm, []byte) (*jwk.PrivateKey, error) { return nil, jwk.ErrUnsupported },
	}
	own := jwk.Extension{
		SPKI: func(alg jwk.Algorithm, der []byte) (*jwk.PublicKey, error) {
			if alg != "TOY1" || string(der) != "toy" {
				return nil, jwk.ErrUnsupported
			}
			return k.Public(), nil
		},
		PKCS8: func(alg jwk.Algorithm, der []byte) (*jwk.PrivateKey, error) { return k, nil },
	}
	parser := jwk.Parser{Extensions: []jwk.Extension{none, other, own}}
	if got := must(parser.PublicPEM("TOY1", toyPEM("PUBLIC KEY")))(t); got.Thumbprint() != k.Public().Thumbprint() {
		t.Errorf("another public key was read: %v", got)
	}
	if got := must(parser.PrivatePEM("TOY1", toyPEM("PRIVATE KEY")))(t); got.KeyID() != k.KeyID() {
		t.Errorf("another private key was read: %v", got)
	}
	known := pair(t, jwk.ES256)
	if got := must(parser.PrivatePEM(jwk.ES256, must(known.ExportPEM())(t)))(t); got.KeyID() != known.KeyID() {
		t.Errorf("another ES256 key was read: %v", got)
	}
	if got := must(parser.PublicPEM(jwk.ES256, must(known.Public().ExportPEM())(t)))(t); got.KeyID() != known.KeyID() {
		t.Errorf("another public ES256 key was read: %v", got)
	}
}

func TestParserPEMRefuses(t *testing.T) {
	ec := must(x509.MarshalECPrivateKey(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)))(t)
	sec1 := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: ec})
	for name, tt := range map[string]struct {
		data            []byte
		public, private error
	}{
		"of nobody":   {toyPEM("PUBLIC KEY"), jwk.ErrUnsupported, jwk.ErrMismatch},
		"private":     {toyPEM("PRIVATE KEY"), jwk.ErrMismatch, jwk.ErrUnsupported},
		"SEC 1":       {sec1, jwk.ErrMismatch, jwk.ErrUnsupported},
		"certificate": {toyPEM("CERTIFICATE"), jwk.ErrUnsupported, jwk.ErrUnsupported},
		"twice":       {append(toyPEM("PUBLIC KEY"), toyPEM("PUBLIC KEY")...), jwk.ErrMalformed, jwk.ErrMalformed},
		"no PEM":      {[]byte("toy"), jwk.ErrMalformed, jwk.ErrMalformed},
	} {
		if _, err := (jwk.Parser{}).PublicPEM("TOY1", tt.data); !errors.Is(err, tt.public) {
			t.Errorf("%s: public: %v, want %v", name, err, tt.public)
		}
		if _, err := (jwk.Parser{}).PrivatePEM("TOY1", tt.data); !errors.Is(err, tt.private) {
			t.Errorf("%s: private: %v, want %v", name, err, tt.private)
		}
	}
}
