package app_test

import (
	"testing"

	"github.com/writ-auth/writ/fast"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/app"
)

// TestKeysArePrepared: the server verifies its own tokens with prepared keys,
// which is seen from what the standard library allocates and tables do not.
func TestKeysArePrepared(t *testing.T) {
	a, err := app.New(t.Context(), settings(t, nil), options())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	key, err := a.Keys().Signing(t.Context(), jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	found, err := a.Keys().FindKey(t.Context(), jwk.ES256, key.KeyID())
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("m")
	sig, err := key.Sign(message)
	if err != nil {
		t.Fatal(err)
	}
	if !found.Verify(message, sig) || found.Verify(nil, sig) {
		t.Error("a good signature is refused, or a bad one accepted")
	}
	plain := testing.AllocsPerRun(20, func() { key.Public().Verify(message, sig) })
	prepared := testing.AllocsPerRun(20, func() { found.Verify(message, sig) })
	if fast.Prepare(key.Public()) == key.Public() {
		t.Skip("no ES256 key is prepared on this machine: FIPS mode, or s390x")
	}
	if plain == 0 || prepared != 0 {
		t.Errorf("a verification by the server's key set allocates %v times, and %v times without preparing", prepared, plain)
	}
}
