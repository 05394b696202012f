package store_test

import (
	"errors"
	"testing"

	"github.com/writ-auth/writ/internal/pgtest"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/store"
)

// TestRefusedByPostgres has the server let nobody into the database any more: to
// clients that is as if it weren't there, and no fault of theirs or ours.
func TestRefusedByPostgres(t *testing.T) {
	server := pgtest.StartOwn(t, "fsync=off")
	dsn := server.Database(t)
	s, name := opened(t, dsn, 1)[0], pgtest.NameOf(dsn)
	if err := create(t, s, 1); err != nil {
		t.Fatal(err)
	}
	server.SQL(t, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS false")
	server.SQL(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+name+"'")
	for what, err := range map[string]error{"a write": create(t, s, 2), "a hot write": s.Record(t.Context(), auth.Event{}), "a read": s.Ping(t.Context())} {
		if !errors.Is(err, store.ErrUnreachable) {
			t.Errorf("%s: %v, want ErrUnreachable", what, err)
		}
	}
	for what, other := range map[string]string{"no such database": server.URL("nothing"), "a database that lets nobody in": dsn} {
		if _, err := store.Open(t.Context(), store.Options{DSN: other}); !errors.Is(err, store.ErrUnreachable) {
			t.Errorf("Open of %s: %v, want ErrUnreachable", what, err)
		}
	}
	server.SQL(t, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS true")
	soon(t, "the store works again", func() error { return create(t, s, 3) })
}
