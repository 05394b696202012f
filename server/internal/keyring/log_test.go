package keyring_test

import (
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/keyring"
)

// signs signs a head, and checks that the published log keys verify it.
func signs(t *testing.T, r *keyring.Ring) (kid string) {
	t.Helper()
	kid, signature, err := r.SignHead([]byte("head"))
	if err != nil || len(signature) != 64 {
		t.Fatalf("SignHead: %d bytes, %v", len(signature), err)
	}
	key, err := r.LogKeys().FindKey(t.Context(), jwk.EdDSA, kid)
	if err != nil || !key.Verify([]byte("head"), signature) {
		t.Errorf("the key %s is not published (%v), or not the one that signed", kid, err)
	}
	if _, err := r.FindKey(t.Context(), jwk.EdDSA, kid); err == nil {
		t.Error("a log key verifies tokens")
	}
	for k := range r.Public().All() {
		if k.KeyID() == kid {
			t.Error("a log key is in the JWKS")
		}
	}
	return kid
}

func TestLogKeyIsKept(t *testing.T) {
	s := openStore(t)
	r := ring(t, s)
	kid := signs(t, r)
	if again := signs(t, ring(t, s)); again != kid {
		t.Errorf("after a restart %s signs, want %s", again, kid)
	}
	if _, err := r.Signing(t.Context(), jwk.EdDSA); err != nil { // tokens get a key of their own
		t.Fatal(err)
	}
	if k, err := r.Signing(t.Context(), jwk.EdDSA); err != nil || k.KeyID() == kid {
		t.Errorf("tokens are signed by %v, %v", k, err)
	}
	signs(t, r)
}

func TestLogKeyRotates(t *testing.T) {
	s := openStore(t)
	now := noon
	r, err := openRingAt(t, s, 1, func() time.Time { return now }, 30*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	count := func() (n int) {
		for range r.LogKeys().All() {
			n++
		}
		return n
	}
	advance := func(to time.Duration) {
		t.Helper()
		now = noon.Add(to)
		if _, err := r.Advance(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	first := signs(t, r)
	advance(29 * 24 * time.Hour)
	if kid := signs(t, r); kid != first || count() != 2 {
		t.Errorf("a day before the change %s signs and %d keys are published, want the first and two", kid, count())
	}
	advance(30 * 24 * time.Hour)
	second := signs(t, r)
	if second == first || count() != 2 {
		t.Errorf("after the change %s signs and %d keys are published", second, count())
	}
	advance(30*24*time.Hour + auth.LogMemory)
	if kid := signs(t, r); kid != second || count() != 1 {
		t.Errorf("later %s signs and %d keys are published", kid, count())
	}
}

func TestLogKeyIsReplacedWithAllOthers(t *testing.T) {
	r := ring(t, openStore(t))
	first := signs(t, r)
	if _, err := r.AllCompromised(t.Context(), auth.Event{}); err != nil {
		t.Fatal(err)
	}
	if kid := signs(t, r); kid == first {
		t.Error("the same log key signs")
	}
	if _, err := r.LogKeys().FindKey(t.Context(), jwk.EdDSA, first); err == nil {
		t.Error("the old log key is still published")
	}
}
