package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/keyring"
	"github.com/writ-auth/writ/server/internal/store"
)

// clock is set by hand.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func openStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{DSN: "sqlite:" + filepath.Join(t.TempDir(), "writ.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func openRing(t *testing.T, s *store.Store, master byte) (*keyring.Ring, error) {
	t.Helper()
	return openRingAt(t, s, master, func() time.Time { return noon }, 0)
}

const announce = 24 * time.Hour

func openRingAt(t *testing.T, s *store.Store, master byte, now func() time.Time, period time.Duration) (*keyring.Ring, error) {
	t.Helper()
	sealer, err := keyring.NewSealer(bytes.Repeat([]byte{master}, keyring.MasterSize))
	if err != nil {
		t.Fatal(err)
	}
	return keyring.Open(t.Context(), keyring.Options{Keys: s, Secrets: s, Sealer: sealer,
		Algorithm: jwk.ES256, Period: period, Announce: announce, Now: now})
}

func ring(t *testing.T, s *store.Store) *keyring.Ring {
	t.Helper()
	r, err := openRing(t, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFirstStartMakesKeys(t *testing.T) {
	s := openStore(t)
	r := ring(t, s)
	first, err := r.Signing(t.Context(), "")
	if err != nil || first.Algorithm() != jwk.ES256 {
		t.Fatalf("Signing = %v, %v; want an ES256 key", first, err)
	}
	if want := first.Public().Thumbprint(); first.KeyID() != want {
		t.Errorf("kid %q, want the thumbprint %q", first.KeyID(), want)
	}
	if _, err := r.FindKey(t.Context(), jwk.ES256, first.KeyID()); err != nil {
		t.Errorf("the key that signs is not published: %v", err)
	}
	if number, secret := r.CurrentTag(); number != 1 || len(secret) != 32 {
		t.Errorf("tag key %d of %d bytes", number, len(secret))
	}
	again := ring(t, s)
	second, err := again.Signing(t.Context(), jwk.ES256)
	if err != nil || second.KeyID() != first.KeyID() {
		t.Errorf("after a restart %v, %v signs; want the same key", second, err)
	}
	if !bytes.Equal(again.Tag(1), r.Tag(1)) {
		t.Error("after a restart the tag key is another: every refresh token would be refused")
	}
}

func TestAnotherMasterKey(t *testing.T) {
	s := openStore(t)
	ring(t, s)
	if _, err := openRing(t, s, 2); !errors.Is(err, keyring.ErrSealed) {
		t.Errorf("Open = %v, want ErrSealed", err)
	}
}

// TestOneFirstKey: many requests for an algorithm's first key get one key.
func TestOneFirstKey(t *testing.T) {
	s := openStore(t)
	rings := []*keyring.Ring{ring(t, s), ring(t, s)} // as two nodes would
	var mu sync.Mutex
	var wg sync.WaitGroup
	kids := map[string]bool{}
	for i := range 20 {
		wg.Go(func() {
			k, err := rings[i%2].Signing(context.Background(), jwk.EdDSA)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			kids[k.KeyID()] = true
		})
	}
	wg.Wait()
	if len(kids) != 1 {
		t.Errorf("%d keys were made, want 1", len(kids))
	}
}

func TestAPISecret(t *testing.T) {
	s := openStore(t)
	r := ring(t, s)
	for alg, size := range map[jwk.Algorithm]int{jwk.HS256: 43, jwk.HS384: 64, jwk.HS512: 86} {
		api := auth.API{ID: auth.NewID(auth.PrefixAPI), Audience: "https://" + string(alg), Algorithm: alg}
		shown, row, err := r.NewAPISecret(api.ID, alg)
		if err != nil || len(shown) != size {
			t.Fatalf("%s: %d characters, %v; want %d", alg, len(shown), err, size)
		}
		if bytes.Contains(row.Sealed, []byte(shown)) {
			t.Errorf("%s: the row shows the secret", alg)
		}
		if err := s.CreateAPI(t.Context(), api, &row, auth.Event{}); err != nil {
			t.Fatal(err)
		}
		secret, err := r.APISecret(t.Context(), api)
		if err != nil || string(secret.ExportBytes()) != shown || secret.KeyID() != row.KID {
			t.Errorf("%s: the secret that signs is not the one that was shown: %v", alg, err)
		}
		if _, err := r.FindKey(t.Context(), alg, row.KID); err == nil {
			t.Errorf("%s: a shared secret is found among the server's own keys", alg)
		}
	}
	if _, _, err := r.NewAPISecret("api_x", jwk.ES256); err == nil {
		t.Error("a shared secret was made for ES256")
	}
}
