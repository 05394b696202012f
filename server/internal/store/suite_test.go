package store_test

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/store"
	"github.com/writ-auth/writ/server/internal/store/storetest"
)

// open opens a store for a test and closes it afterwards.
func open(t *testing.T, o store.Options) *store.Store {
	t.Helper()
	if o.DSN == "" {
		o.DSN = "sqlite:" + filepath.Join(t.TempDir(), "writ.db")
	}
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestSQLite(t *testing.T) {
	for name, readers := range map[string]int{"pool": 0, "pool of one": 1} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.Harness {
				clock := storetest.NewClock()
				return storetest.Harness{Store: open(t, store.Options{Now: clock.Now, Readers: readers}), Clock: clock}
			})
		})
	}
}

func hashOf(sid string) [16]byte { return revlog.Hash(revlog.Session, sid) }

// A closed store leaves no goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
