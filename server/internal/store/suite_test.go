package store_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/writ-auth/writ/internal/pgtest"
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

// postgres starts a server and makes a database with the newest schema there,
// of which fresh answers copies.
func postgres(t testing.TB) (fresh func(testing.TB) string) {
	t.Helper()
	server := pgtest.Start(t)
	template := server.Database(t)
	s, err := store.Open(t.Context(), store.Options{DSN: template})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return func(t testing.TB) string { return server.Copy(t, pgtest.NameOf(template)) }
}

func TestPostgres(t *testing.T) {
	dsn := postgres(t)(t)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, size := range map[string]int{"pool": 0, "pool of one": 1} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.Harness {
				empty(t, db)
				clock := storetest.NewClock()
				return storetest.Harness{Store: open(t, store.Options{DSN: dsn, Now: clock.Now, Readers: size}), Clock: clock}
			})
		})
	}
}

// opener opens a fresh store of an engine, closed after the test.
type opener func(*testing.T, store.Options) *store.Store

// TestEngines runs on both engines what asks more of a store than package auth
// does.
func TestEngines(t *testing.T) {
	tests := map[string]func(*testing.T, opener){
		"Sweep":        sweepOnce,
		"SweepEnded":   sweepEnded,
		"SweepDevices": sweepDevices,
		"SweepClient":  sweepClient,
		"SweepLeap":    sweepLeap,
		"SweepGrants":  sweepGrants,
		"SweepCrowd":   sweepCrowd,
		"SweepPlan":    sweepPlan,
		"EndCrowd":     endCrowd,
		"EndExpired":   endExpired,
		"EndUser":      endCrowdOfUser,
		"EndConsent":   endCrowdOfConsent,
		"EndLeft":      endInterrupted,
		"Renew":        renewCrowd,
		"DeleteUser":   deleteCrowd,
		"Room":         roomOfSession,
		"RoomInCrowd":  roomInCrowd,
		"BigClient":    deleteBigClient,
		"SweepAudit":   sweepAudit,
		"AuditLeap":    sweepAuditLeap,
		"SweepLog":     sweepLog,
		"SweepMoves":   sweepMoves,
		"OlderNode":    olderNode,
	}
	t.Run("SQLite", func(t *testing.T) {
		for name, test := range tests {
			t.Run(name, func(t *testing.T) { test(t, open) })
		}
	})
	t.Run("Postgres", func(t *testing.T) {
		fresh := postgres(t)
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				test(t, func(t *testing.T, o store.Options) *store.Store {
					o.DSN = fresh(t)
					return open(t, o)
				})
			})
		}
	})
}

// empty removes all that a test left, which is faster than another database.
func empty(t *testing.T, db *sql.DB) {
	t.Helper()
	for _, table := range []string{"users", "roles", "orgs", "clients", "apis", "keys", "log", "audit", "used_assertions", "statuses", "settings WHERE name <> 'compatible'"} {
		if _, err := db.Exec("DELETE FROM " + table); err != nil {
			t.Fatal(err)
		}
	}
}

func hashOf(sid string) [16]byte { return revlog.Hash(revlog.Session, sid) }

// A closed store leaves no goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
