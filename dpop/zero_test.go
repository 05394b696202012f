package dpop_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/writ-auth/writ/dpop"
	"github.com/writ-auth/writ/jwk"
)

// What no constructor has made refuses everything, and doesn't panic.
func TestZeroValues(t *testing.T) {
	key := must[*jwk.PrivateKey](t)(jwk.Generate(jwk.ES256))
	text := must[string](t)(must[*dpop.Signer](t)(dpop.NewSigner(key, clock)).Sign(get, ""))
	verifier := must[*dpop.Verifier](t)(dpop.NewVerifier(dpop.Config{Now: clock}))
	proof := must[*dpop.Proof](t)(verifier.Verify(ctx, text, get))

	for name, m := range map[string]*dpop.Memory{"nil": nil, "zero": {}} {
		if err := m.Use(proof); err == nil {
			t.Errorf("%s Memory: a proof was used", name)
		}
	}
	m := dpop.NewMemory(0, clock)
	for name, p := range map[string]*dpop.Proof{"nil": nil, "zero": {}} {
		if err := m.Use(p); err == nil || m.Len() != 0 {
			t.Errorf("%s Proof: got %v, %d remembered; want an error and none", name, err, m.Len())
		}
	}
	for name, v := range map[string]*dpop.Verifier{"nil": nil, "zero": {}} {
		if p, err := v.Verify(ctx, text, get); !errors.Is(err, dpop.ErrProof) || p != nil {
			t.Errorf("%s Verifier: got %v, %v; want ErrProof", name, p, err)
		}
	}
	for name, s := range map[string]*dpop.Signer{"nil": nil, "zero": {}} {
		if signed, err := s.Sign(get, ""); err == nil || signed != "" || s.Thumbprint() != "" {
			t.Errorf("%s Signer: got %q, %v, thumbprint %q; want an error", name, signed, err, s.Thumbprint())
		}
	}
}

func TestZeroNonces(t *testing.T) {
	for name, n := range map[string]*dpop.Nonces{"nil": nil, "zero": {}} {
		if got := n.Current(); got != "" {
			t.Errorf("%s Nonces: gave out %q", name, got)
		}
	}
	key := must[*jwk.PrivateKey](t)(jwk.Generate(jwk.ES256))
	nonce := must[*dpop.Nonces](t)(dpop.NewNonces(func() [][]byte { return [][]byte{make([]byte, 16)} }, clock)).Current()
	text := must[string](t)(must[*dpop.Signer](t)(dpop.NewSigner(key, clock)).Sign(get, nonce))
	v := must[*dpop.Verifier](t)(dpop.NewVerifier(dpop.Config{Nonces: new(dpop.Nonces), Now: clock}))
	if p, err := v.Verify(ctx, text, get); !errors.Is(err, dpop.ErrNonce) || p != nil {
		t.Errorf("a nonce to a zero Nonces: got %v, %v; want ErrNonce", p, err)
	}
}

func TestZeroTransport(t *testing.T) {
	asked := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer server.Close()
	client := http.Client{Transport: new(dpop.Transport)}
	if res, err := client.Get(server.URL); err == nil {
		res.Body.Close()
		t.Error("a request was sent without a proof")
	}
	if asked {
		t.Error("the server was asked")
	}
}
