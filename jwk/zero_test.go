package jwk_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/writ-auth/writ/jwk"
)

// Zero values and nil pointers refuse everything and never panic.
func TestZeroValues(t *testing.T) {
	for _, k := range []jwk.VerifyingKey{
		new(jwk.PublicKey), (*jwk.PublicKey)(nil), new(jwk.Secret), (*jwk.Secret)(nil), new(jwk.PrivateKey).Public(), (*jwk.PrivateKey)(nil).Public(),
	} {
		if k.Verify(nil, nil) || k.Verify([]byte("m"), make([]byte, 32)) {
			t.Errorf("%T accepts a signature", k)
		}
		if k.Algorithm() != "" || k.KeyID() != "" {
			t.Errorf("%T has algorithm %q and key ID %q", k, k.Algorithm(), k.KeyID())
		}
		if _, err := jwk.NewRing(k); err == nil {
			t.Errorf("NewRing takes a zero %T", k)
		}
	}
	for _, k := range []jwk.SigningKey{new(jwk.PrivateKey), (*jwk.PrivateKey)(nil), new(jwk.Secret), (*jwk.Secret)(nil)} {
		if sig, err := k.Sign([]byte("m")); err == nil {
			t.Errorf("%T signs: %x", k, sig)
		}
		if k.Algorithm() != "" || k.KeyID() != "" {
			t.Errorf("%T has algorithm %q and key ID %q", k, k.Algorithm(), k.KeyID())
		}
	}
}

func TestZeroKeysFindNothing(t *testing.T) {
	for name, find := range map[string]func() (jwk.VerifyingKey, error){
		"PublicKey":     func() (jwk.VerifyingKey, error) { return new(jwk.PublicKey).FindKey(t.Context(), "", "") },
		"nil PublicKey": func() (jwk.VerifyingKey, error) { return (*jwk.PublicKey)(nil).FindKey(t.Context(), "", "") },
		"Secret":        func() (jwk.VerifyingKey, error) { return new(jwk.Secret).FindKey(t.Context(), "", "") },
		"nil Secret":    func() (jwk.VerifyingKey, error) { return (*jwk.Secret)(nil).FindKey(t.Context(), "", "") },
		"Set":           func() (jwk.VerifyingKey, error) { return new(jwk.Set).FindKey(t.Context(), "", "") },
		"nil Set":       func() (jwk.VerifyingKey, error) { return (*jwk.Set)(nil).FindKey(t.Context(), jwk.ES256, "x") },
		"Ring":          func() (jwk.VerifyingKey, error) { return new(jwk.Ring).FindKey(t.Context(), "", "") },
		"nil Ring":      func() (jwk.VerifyingKey, error) { return (*jwk.Ring)(nil).FindKey(t.Context(), jwk.ES256, "") },
	} {
		if k, err := find(); !errors.Is(err, jwk.ErrNotFound) || k != nil {
			t.Errorf("%s: FindKey = %v, %v; want ErrNotFound", name, k, err)
		}
	}
}

func TestZeroExports(t *testing.T) {
	for name, export := range map[string]func() ([]byte, error){
		"PublicKey.ExportPEM":      new(jwk.PublicKey).ExportPEM,
		"nil PublicKey.ExportPEM":  (*jwk.PublicKey)(nil).ExportPEM,
		"PublicKey.MarshalJSON":    func() ([]byte, error) { return json.Marshal(new(jwk.PublicKey)) },
		"PrivateKey.ExportPEM":     new(jwk.PrivateKey).ExportPEM,
		"PrivateKey.ExportJWK":     new(jwk.PrivateKey).ExportJWK,
		"nil PrivateKey.ExportJWK": (*jwk.PrivateKey)(nil).ExportJWK,
		"Secret.ExportJWK":         new(jwk.Secret).ExportJWK,
		"nil Secret.ExportJWK":     (*jwk.Secret)(nil).ExportJWK,
	} {
		if out, err := export(); err == nil {
			t.Errorf("%s = %q, want an error", name, out)
		}
	}
	if b := new(jwk.Secret).ExportBytes(); b != nil {
		t.Errorf("ExportBytes of the zero Secret = %x, want nil", b)
	}
	if key := new(jwk.PublicKey).CryptoKey(); key != nil {
		t.Errorf("CryptoKey of the zero PublicKey = %v, want nil", key)
	}
	if s := new(jwk.PublicKey).Thumbprint(); s != "" {
		t.Errorf("Thumbprint of the zero PublicKey = %q, want none", s)
	}
}

// A zero key that is given a name is still a zero key.
func TestZeroWithKeyID(t *testing.T) {
	if new(jwk.PublicKey).WithKeyID("x").Verify(nil, nil) || (*jwk.PublicKey)(nil).WithKeyID("x").Verify(nil, nil) {
		t.Error("a zero PublicKey accepts after WithKeyID")
	}
	if (*jwk.Secret)(nil).WithKeyID("x").Verify(nil, nil) || new(jwk.Secret).WithKeyID("x").Verify(nil, nil) {
		t.Error("a zero Secret accepts after WithKeyID")
	}
	if _, err := (*jwk.PrivateKey)(nil).WithKeyID("x").Sign(nil); err == nil {
		t.Error("a nil PrivateKey signs after WithKeyID")
	}
	if _, err := jwk.NewSet(new(jwk.PublicKey).WithKeyID("x")); err == nil {
		t.Error("NewSet takes a zero key with a name")
	}
	if _, err := jwk.NewRing(new(jwk.Secret).WithKeyID("x")); err == nil {
		t.Error("NewRing takes a zero secret with a name")
	}
	if _, err := jwk.NewRing(nil); err == nil {
		t.Error("NewRing takes nil")
	}
	if _, err := jwk.NewCustomPrivateKey(new(jwk.PublicKey), func([]byte) ([]byte, error) { return nil, nil }); err == nil {
		t.Error("NewCustomPrivateKey takes a zero public key")
	}
}

func TestEmptySet(t *testing.T) {
	set := must(jwk.NewSet())(t)
	for _, s := range []*jwk.Set{new(jwk.Set), set} {
		if got := string(must(json.Marshal(s))(t)); got != `{"keys":[]}` {
			t.Errorf("an empty set marshals as %s", got)
		}
		for range s.All() {
			t.Error("an empty set has a key")
		}
	}
}
