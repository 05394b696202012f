package e2e

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/pgtest"
)

// onPostgres prepares a server whose database is PostgreSQL's.
func onPostgres(t *testing.T, binary, database string, flags ...string) *server {
	t.Helper()
	s := newServer(t, binary, flags...)
	key := make([]byte, 32)
	rand.Read(key)
	file := filepath.Join(s.dir, "master.key")
	if err := os.WriteFile(file, []byte(base64.RawURLEncoding.EncodeToString(key)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.flags = append(s.flags, "--database", database, "--master-key-file", file)
	return s
}

// TestKillOnPostgres is TestKill with the other engine: the server is killed,
// its database is not.
func TestKillOnPostgres(t *testing.T) {
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	n := kills(8)
	h := killLoop(t, onPostgres(t, bin, pgtest.Start(t).Database(t)), n)
	h.report(t)
	h.provesSomething(t, n)
}

// TestKillOnPostgresCatchesEarlyAnswers plants a store that answers a refresh
// before it commits.
func TestKillOnPostgresCatchesEarlyAnswers(t *testing.T) {
	pg := pgtest.Start(t)
	bin, err := build("writ-early-pg", "-overlay", overlay(t, "../server/internal/store/lanes.go",
		turn{`		err = l.conn.send()
`, `		for _, j := range batch {
			close(j.ran)
			j.end(true, nil)
		}
		time.Sleep(50 * time.Millisecond)
		if l.conn.send() == nil {
			l.conn.receive(func(int, []driver.Value) error { return nil })
		}
		return
`}))
	if err != nil {
		t.Fatal(err)
	}
	killLoop(t, onPostgres(t, bin, pg.Database(t)), 5).mustCatch(t)
}

// TestKillPostgres kills the database under the server, and starts it again:
// the server says that it can't answer, comes back by itself, and neither of
// the two has forgotten anything.
func TestKillPostgres(t *testing.T) {
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	n := kills(5)
	pg := pgtest.StartOwn(t)
	h := killDatabase(t, pg, onPostgres(t, bin, pg.Database(t)), n)
	h.report(t)
	h.provesSomething(t, n)
}

// TestKillPostgresCatchesAsynchronousCommits plants commits that are answered
// before PostgreSQL has written them.
func TestKillPostgresCatchesAsynchronousCommits(t *testing.T) {
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	pg := pgtest.StartOwn(t, "wal_writer_delay=10s")
	killDatabase(t, pg, onPostgres(t, bin, pg.Database(t)+"?synchronous_commit=off"), 3).mustCatch(t)
}

// killDatabase is load, a kill of the database, a start and an audit, n times.
func killDatabase(t *testing.T, pg *pgtest.Server, s *server, n int) *history {
	t.Helper()
	s.start()
	h := newHistory(t, s, refreshers, visitors)
	for range n {
		h.load(t, func() { pg.Kill(t) })
		h.outage(t.Context())
		pg.Resume(t)
		s.waitReady()
		h.audit(t.Context())
	}
	return h
}

// outage wants what needs no database to be answered, and the rest refused.
func (h *history) outage(ctx context.Context) {
	s := h.server
	if a, err := call(ctx, "GET", s.url("/.well-known/jwks.json"), "", nil); err != nil || a.status != 200 {
		h.violation("the key set in an outage: %d %v", a.status, err)
	}
	h.becomesUnready(ctx)
	a, err := call(ctx, "POST", s.url("/v1/refresh"), "", map[string]string{"refresh_token": h.refreshers[0].token})
	if err != nil || a.status != 503 || a.code() != "unavailable" || a.header.Get("Retry-After") == "" {
		h.violation("a refresh in an outage: %d %s %v", a.status, a.code(), err)
	}
}

// becomesUnready waits until the readiness check has noticed: it looks once a
// second at most.
func (h *history) becomesUnready(ctx context.Context) {
	for deadline := time.Now().Add(20 * time.Second); h.server.ready(ctx) != http.StatusServiceUnavailable; {
		if time.Now().After(deadline) {
			h.violation("readyz does not notice an outage")
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// ready is the status of the readiness check, 0 if there is no answer.
func (s *server) ready(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	a, err := call(ctx, "GET", s.adminURL("/readyz"), "", nil)
	if err != nil {
		return 0
	}
	return a.status
}

// waitReady waits until the server says by itself that it is well again.
func (s *server) waitReady() {
	s.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for s.ready(s.t.Context()) != http.StatusOK {
		if time.Now().After(deadline) {
			s.t.Fatalf("the server does not recover: %s", s.output)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
