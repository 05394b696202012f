package store_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/pgtest"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/store"
)

// TestNodesSpeak has three nodes of one database know and hear each other, and a
// fourth in another schema of it, for which all that is nothing.
func TestNodesSpeak(t *testing.T) {
	dsn := pgtest.Start(t).Database(t)
	nodes := opened(t, dsn, 3)
	other := inSchema(t, dsn, "apart")
	others := func(s *store.Store) []string {
		t.Helper()
		ids, err := s.OtherNodes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(ids)
		return ids
	}
	for i, n := range nodes {
		want := []string{nodes[(i+1)%3].NodeID(), nodes[(i+2)%3].NodeID()}
		slices.Sort(want)
		if got := others(n); !slices.Equal(got, want) {
			t.Errorf("node %d: others %q, want %q", i, got, want)
		}
	}
	if got := others(other); len(got) != 0 {
		t.Errorf("in another schema: %q", got)
	}

	guest := open(t, store.Options{DSN: dsn, Guest: true})
	err := nodes[0].Dump(t.Context(), func(int64, []auth.Table) error { // it has a connection of its own
		want := []string{nodes[0].NodeID(), nodes[2].NodeID()}
		slices.Sort(want)
		if got := others(nodes[1]); !slices.Equal(got, want) {
			t.Errorf("with a guest (%s) and during a back-up: others %q, want %q", guest.NodeID(), got, want)
		}
		return nil
	}, func(int, []any) error { return nil })
	if err != nil {
		t.Fatal(err)
	}

	long := strings.Repeat("x", 7000)
	for _, message := range []string{"", "0 0 0", "it's said", long} {
		if err := nodes[0].Tell(t.Context(), message); err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes[1:] {
			if got := <-n.Told(); got != message {
				t.Errorf("told %.40q, heard %.40q", message, got)
			}
		}
	}
	select {
	case got := <-nodes[0].Told():
		t.Errorf("who speaks hears itself: %.40q", got)
	case got := <-other.Told():
		t.Errorf("heard in another schema: %.40q", got)
	default:
	}

	if err := nodes[2].Close(); err != nil {
		t.Fatal(err)
	}
	soon(t, "a node that has stopped isn't among the others", func() error {
		if got := others(nodes[0]); !slices.Equal(got, []string{nodes[1].NodeID()}) {
			return fmt.Errorf("others %q", got)
		}
		return nil
	})
}

// TestWhoDoesNotListen: what nobody takes is lost and holds nothing up.
func TestWhoDoesNotListen(t *testing.T) {
	nodes := opened(t, pgtest.Start(t).Database(t), 2)
	for i := range 2000 {
		if err := nodes[0].Tell(t.Context(), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	news := nodes[1].Published()
	if _, err := nodes[0].Revoke(t.Context(), revlog.Token, "x", time.Time{}, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	<-news
	if got := <-nodes[1].Told(); got != "0" {
		t.Errorf("heard %q first, want what was said first", got)
	}
}

// TestSchemasApart has one database hold two logs, of which one is far ahead.
// A node of the other hears of its own entries all the same, by the notification.
func TestSchemasApart(t *testing.T) {
	dsn := pgtest.Start(t).Database(t)
	ahead := inSchema(t, dsn, "ahead")
	for i := range 50 {
		if _, err := ahead.Revoke(t.Context(), revlog.Token, fmt.Sprint(i), time.Time{}, auth.Event{}); err != nil {
			t.Fatal(err)
		}
	}
	nodes := opened(t, dsn, 2)
	if _, err := ahead.Revoke(t.Context(), revlog.Token, "more", time.Time{}, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		news := nodes[1].Published()
		seq, err := nodes[0].Revoke(t.Context(), revlog.Token, fmt.Sprint(i), time.Time{}, auth.Event{})
		if err != nil || seq != uint64(i+1) {
			t.Fatalf("number %d, %v, want %d", seq, err, i+1)
		}
		<-news
	}
}

// inSchema opens the database in a schema of its own, which it makes.
func inSchema(t *testing.T, dsn, schema string) *store.Store {
	t.Helper()
	if _, err := connected(t, dsn).ExecContext(t.Context(), "CREATE SCHEMA "+schema); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set("search_path", schema)
	u.RawQuery = query.Encode()
	return open(t, store.Options{DSN: u.String()})
}

func TestNodesOfOneFile(t *testing.T) {
	s := open(t, store.Options{DSN: "sqlite:" + t.TempDir() + "/writ.db"})
	if ids, err := s.OtherNodes(t.Context()); len(ids) != 0 || err != nil {
		t.Errorf("%q, %v", ids, err)
	}
}
