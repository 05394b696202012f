package keyring_test

import (
	"bytes"
	"crypto/ecdsa"
	"runtime"
	"testing"
	"time"

	"github.com/writ-auth/writ/fast"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/keyring"
)

// tableES256 is what fast keeps for an ES256 key, as its documentation says.
const tableES256 = 88064

// preparedRing is a ring that prepares its keys, and counts how often.
func preparedRing(t *testing.T, p *fast.Preparer) (m *moving, calls map[string]int) {
	t.Helper()
	m, calls = &moving{t: t, store: openStore(t), clock: &clock{noon}}, map[string]int{}
	sealer, err := keyring.NewSealer(bytes.Repeat([]byte{1}, keyring.MasterSize))
	if err != nil {
		t.Fatal(err)
	}
	m.Ring, err = keyring.Open(t.Context(), keyring.Options{
		Keys: m.store, Secrets: m.store, Sealer: sealer, Algorithm: jwk.ES256, Announce: announce, Now: m.clock.Now,
		Prepare: func(k *jwk.PublicKey) *jwk.PublicKey {
			calls[k.KeyID()]++
			return p.Prepare(k)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m, calls
}

// TestPreparedOnce: what the ring finds is the prepared key, which verifies what
// the key signs, and no reload prepares it again.
func TestPreparedOnce(t *testing.T) {
	var p fast.Preparer
	m, calls := preparedRing(t, &p)
	key, err := m.Signing(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	found, err := m.FindKey(t.Context(), jwk.ES256, key.KeyID())
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := m.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	again, err := m.FindKey(t.Context(), jwk.ES256, key.KeyID())
	if err != nil || again != found {
		t.Errorf("after a reload the ring finds another value, %v, %v", again, err)
	}
	if len(calls) != 1 || calls[key.KeyID()] != 1 || p.Bytes() != tableES256 {
		t.Errorf("prepared %v into %d bytes, want the one key once into %d", calls, p.Bytes(), tableES256)
	}
	sig, err := key.Sign([]byte("m"))
	if err != nil {
		t.Fatal(err)
	}
	if !found.Verify([]byte("m"), sig) || found.Verify([]byte("n"), sig) {
		t.Error("the prepared key refuses a good signature, or accepts a bad one")
	}
	if public, ok := found.(*jwk.PublicKey); !ok || public.KeyID() != key.KeyID() || !key.Public().CryptoKey().(*ecdsa.PublicKey).Equal(public.CryptoKey()) {
		t.Errorf("the ring finds %v, want the public key of %v", found, key)
	}
}

// TestPreparedAreReleased rotates through many keys: the tables in memory are
// those of the published keys, however many there were.
func TestPreparedAreReleased(t *testing.T) {
	var p fast.Preparer
	m, calls := preparedRing(t, &p)
	for i := range 12 {
		if _, err := m.Rotate(t.Context(), "", auth.Event{Action: "key.announce"}); err != nil {
			t.Fatal(err)
		}
		m.at(time.Duration(i+1) * 2 * announce) // the next one signs; the old one, which signed nothing, goes
		if _, err := m.Advance(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(calls) != 13 {
		t.Errorf("%d keys were prepared, want 13", len(calls))
	}
	for kid, n := range calls {
		if n != 1 {
			t.Errorf("key %s was prepared %d times", kid, n)
		}
	}
	want := int64(m.Public().Len() * tableES256)
	if m.Public().Len() > 3 {
		t.Fatalf("%d keys are published: nothing went", m.Public().Len())
	}
	for start := time.Now(); p.Bytes() != want; runtime.Gosched() {
		if runtime.GC(); time.Since(start) > 10*time.Second {
			t.Fatalf("%d bytes of tables are kept for %d published keys, want %d", p.Bytes(), m.Public().Len(), want)
		}
	}
	runtime.KeepAlive(m.Ring)
}

// TestPreparerBound: keys beyond the memory bound are published and verify as
// they are.
func TestPreparerBound(t *testing.T) {
	p := fast.Preparer{MaxBytes: tableES256}
	m, _ := preparedRing(t, &p)
	if _, err := m.Rotate(t.Context(), "", auth.Event{Action: "key.announce"}); err != nil {
		t.Fatal(err)
	}
	m.at(announce)
	key, err := m.Signing(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	sig, err := key.Sign([]byte("m"))
	if err != nil {
		t.Fatal(err)
	}
	found, err := m.FindKey(t.Context(), jwk.ES256, key.KeyID())
	if err != nil || !found.Verify([]byte("m"), sig) || p.Bytes() != tableES256 {
		t.Errorf("the second key does not verify: %v; %d bytes are kept", err, p.Bytes())
	}
}
