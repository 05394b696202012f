package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/pgtest"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/store"
)

// TestFleet runs several stores on one database.
func TestFleet(t *testing.T) {
	server := pgtest.Start(t)
	for name, test := range map[string]func(*testing.T, string){
		"all migrate at once":         migrateTogether,
		"entries reach everybody":     entriesReachEverybody,
		"numbers follow commits":      numbersFollowCommits,
		"changes reach everybody":     changesReachEverybody,
		"a missed notification":       missedNotification,
		"a change that is lost":       changeIsLost,
		"a foreign schema":            foreignSchema,
		"a newer schema":              newerSchema,
		"a stopped node":              stoppedNode,
		"a lock that nobody releases": lockForEver,
		"locks that cross":            locksThatCross,
		"one clock":                   oneClock,
		"settings of the connection":  connectionSettings,
		"plans":                       plans,
		"a sweep beside another":      sweepBesideAnother,
	} {
		t.Run(name, func(t *testing.T) { test(t, server.Database(t)) })
	}
}

// opened opens n stores on one database.
func opened(t *testing.T, dsn string, n int) (stores []*store.Store) {
	t.Helper()
	for range n {
		stores = append(stores, open(t, store.Options{DSN: dsn}))
	}
	return stores
}

func connected(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// soon asks, as long as a slow machine may take, until there is no error.
func soon(t *testing.T, what string, ask func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(time.Millisecond)
	}
}

func migrateTogether(t *testing.T, dsn string) {
	var all sync.WaitGroup
	logs := make([]string, 5)
	for i := range logs {
		all.Go(func() {
			s, err := store.Open(t.Context(), store.Options{DSN: dsn})
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			logs[i], err = s.Setting(t.Context(), "log_id")
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, id := range logs {
		if id != logs[0] || len(id) != 22 {
			t.Errorf("the nodes have the logs %q, want one", logs)
		}
	}
}

func entriesReachEverybody(t *testing.T, dsn string) {
	nodes := opened(t, dsn, 3)
	for i := range 6 {
		var bells []<-chan struct{}
		for _, n := range nodes {
			bells = append(bells, n.Published())
		}
		seq, err := nodes[i%3].Revoke(t.Context(), revlog.Token, fmt.Sprint(i), time.Time{}, auth.Event{})
		if err != nil || seq != uint64(i+1) {
			t.Fatalf("Revoke = %d, %v, want %d", seq, err, i+1)
		}
		for k, n := range nodes {
			<-bells[k]
			p, err := n.LogPage(t.Context(), seq-1, 1, s0)
			if err != nil || len(p.Entries) != 1 {
				t.Errorf("node %d was told and has %v, %v", k, p.Entries, err)
			}
		}
	}
}

// numbersFollowCommits: on three nodes many write, on three others somebody
// follows; nobody finds a number after a higher one.
func numbersFollowCommits(t *testing.T, dsn string) {
	nodes := opened(t, dsn, 3)
	const writers, each = 6, 20
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				if _, err := nodes[w%3].Revoke(t.Context(), revlog.Token, fmt.Sprintf("%d-%d", w, i), time.Time{}, auth.Event{}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for _, n := range nodes {
		all.Go(func() {
			for last := uint64(0); last < writers*each; {
				news := n.Published()
				p, err := n.LogPage(t.Context(), last, 7, s0)
				if err != nil {
					t.Error(err)
					return
				}
				for _, e := range p.Entries {
					if e.Seq != last+1 {
						t.Errorf("number %d after %d", e.Seq, last)
						return
					}
					last = e.Seq
				}
				if len(p.Entries) == 0 {
					<-news
				}
			}
		})
	}
	all.Wait()
}

func changesReachEverybody(t *testing.T, dsn string) {
	nodes := opened(t, dsn, 2)
	ctx := t.Context()
	c := auth.Client{ID: "svc", Name: "0", Epoch: "e"}
	if err := nodes[0].CreateClient(ctx, c, nil, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		for _, n := range nodes { // each has it in memory
			if _, err := n.Registration(ctx, "svc"); err != nil {
				t.Fatal(err)
			}
		}
		read, err := nodes[i%2].ClientByID(ctx, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		c.Name = fmt.Sprint(i + 1)
		if _, err := nodes[i%2].UpdateClient(ctx, c, read.UpdatedAt, nil, s0, auth.Event{}); err != nil {
			t.Fatal(err)
		}
		soon(t, "the other node forgets what it held", func() error {
			reg, err := nodes[1-i%2].Registration(ctx, "svc")
			if err == nil && reg.Client.Name != c.Name {
				err = fmt.Errorf("it has %s, not %s", reg.Client.Name, c.Name)
			}
			return err
		})
	}
	changed := nodes[1].KeysChanged()
	if err := nodes[0].AddKey(ctx, auth.Key{ID: "kid", Purpose: auth.KeySign, Algorithm: "ES256", State: auth.KeySigning}, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	<-changed
}

// missedNotification: whoever was told nothing asks.
func missedNotification(t *testing.T, dsn string) {
	s := opened(t, dsn, 1)[0]
	news, keys := s.Published(), s.KeysChanged()
	db := connected(t, dsn)
	for _, text := range []string{
		`INSERT INTO log (seq, kind, hash, expires_at, created_at) VALUES (1, 1, decode(repeat('00', 16), 'hex'), 0, 0)`,
		`UPDATE fleet SET keys = keys + 1`,
	} {
		if _, err := db.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	<-news
	<-keys
}

// changeIsLost: a replica was promoted that lacked a change of a client, and has
// another in its place. Who followed the database loses it too.
func changeIsLost(t *testing.T, dsn string) {
	s := opened(t, dsn, 1)[0]
	g := heldGrant(t, s)
	c, err := s.ClientByID(t.Context(), g.ClientID)
	if err != nil {
		t.Fatal(err)
	}
	read := c.UpdatedAt
	c.Scope = "lost"
	if _, err := s.UpdateClient(t.Context(), c, read, nil, time.Now(), auth.Event{}); err != nil {
		t.Fatal(err)
	}
	var scope string
	see := func() {
		t.Helper()
		err := refreshed(t.Context(), s, g, func(h auth.Held) (*auth.Turn, error) {
			scope = h.Client.Scope
			return rotating(h)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	see()
	db, news := connected(t, dsn), s.Published()
	var ended int
	err = db.QueryRow(`WITH other AS (UPDATE clients SET scope = 'kept' WHERE id = $1)
		SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%FROM fleet%' AND datname = current_database()
			AND pid <> pg_backend_pid()`, g.ClientID).Scan(&ended)
	if err != nil || ended != 1 {
		t.Fatalf("%d connections ended, %v, want that of the follower", ended, err)
	}
	<-news // it is back
	if see(); scope != "kept" {
		t.Errorf("decided by a client with the scope %q, want %q", scope, "kept")
	}
	if held, err := s.HeldByGrant(t.Context(), g.ID); err != nil || held.Client.Scope != "kept" {
		t.Errorf("the client has the scope %q, %v, want %q", held.Client.Scope, err, "kept")
	}
}

func foreignSchema(t *testing.T, dsn string) {
	if _, err := connected(t, dsn).Exec(`CREATE TABLE recipes (name TEXT)`); err != nil {
		t.Fatal(err)
	}
	if s, err := store.Open(t.Context(), store.Options{DSN: dsn}); !errors.Is(err, store.ErrForeign) {
		if err == nil {
			s.Close()
		}
		t.Errorf("Open: %v, want ErrForeign", err)
	}
}

// newerSchema: a program goes on, and starts, beside a newer one that only added
// to the schema.
func newerSchema(t *testing.T, dsn string) {
	s := opened(t, dsn, 1)[0]
	db := connected(t, dsn)
	for _, text := range []string{
		`ALTER TABLE users ADD COLUMN nickname TEXT NOT NULL DEFAULT ''`,
		`INSERT INTO goose_db_version (version_id, is_applied) VALUES (1000, TRUE)`,
	} {
		if _, err := db.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range append(opened(t, dsn, 1), s) {
		u := auth.User{ID: fmt.Sprint("usr_", i), Epoch: "e"}
		if err := n.CreateUser(t.Context(), u, auth.Event{}); err != nil {
			t.Error(err)
		}
		if got, err := n.UserByID(t.Context(), u.ID); err != nil || got.ID != u.ID {
			t.Errorf("UserByID = %v, %v", got, err)
		}
	}
	if _, err := db.Exec(`UPDATE settings SET value = '1000' WHERE name = 'compatible'`); err != nil {
		t.Fatal(err)
	}
	if s, err := store.Open(t.Context(), store.Options{DSN: dsn}); !errors.Is(err, store.ErrNewer) {
		if err == nil {
			s.Close()
		}
		t.Errorf("Open: %v, want ErrNewer", err)
	}
}

// stoppedNode: a node stops while it has the fleet's lock. PostgreSQL takes it
// away, and the others go on.
func stoppedNode(t *testing.T, dsn string) {
	nodes := opened(t, dsn, 2)
	held, let := make(chan struct{}), make(chan struct{})
	stopped := make(chan error, 1)
	go func() {
		stopped <- nodes[0].Transact(t.Context(), func(exec func(string, ...any) error) error {
			if err := exec(`INSERT INTO settings (name, value) VALUES ('half', 'done')`); err != nil {
				return err
			}
			close(held)
			<-let
			return exec(`INSERT INTO settings (name, value) VALUES ('other half', 'done')`)
		})
	}()
	<-held
	soon(t, "another node writes", func() error { return create(t, nodes[1], 1) })
	close(let)
	if err := <-stopped; !errors.Is(err, store.ErrUnreachable) {
		t.Errorf("the transaction of the stopped node: %v, want ErrUnreachable", err)
	}
	if _, err := nodes[1].Setting(t.Context(), "half"); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("half of the transaction: %v, want ErrNotFound", err)
	}
	soon(t, "the stopped node writes again", func() error { return create(t, nodes[0], 2) })
}

// lockForEver: the fleet's lock is held by somebody whom PostgreSQL lets hold it.
// Writers say so instead of waiting with their callers, and refreshes go on.
func lockForEver(t *testing.T, dsn string) {
	s := opened(t, dsn, 1)[0]
	tx, err := connected(t, dsn).Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(store.FleetLock); err != nil {
		t.Fatal(err)
	}
	err = create(t, s, 1)
	var shown *auth.Error
	if !errors.Is(err, store.ErrBusy) || !errors.As(err, &shown) || shown.Code != auth.CodeUnavailable || shown.RetryAfter == 0 {
		t.Errorf("a write: %v, want ErrBusy as %s with when to retry", err, auth.CodeUnavailable)
	}
	if err := s.Record(t.Context(), auth.Event{Action: "refresh"}); err != nil {
		t.Errorf("what needs no lock: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := create(t, s, 2); err != nil {
		t.Errorf("after the lock was free: %v", err)
	}
}

// locksThatCross: another program, or a transaction of the pool, has the row that
// one job of a batch wants, and wants the row that the job before it has locked.
// Nobody is refused, and neither has to be given up by the database.
func locksThatCross(t *testing.T, dsn string) {
	s := opened(t, dsn, 1)[0]
	for i := range 3 {
		if err := create(t, s, i); err != nil {
			t.Fatal(err)
		}
	}
	db := connected(t, dsn)
	other, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	const take = `UPDATE roles SET name_key = name_key WHERE id = $1`
	if _, err := other.Exec(take, role(1).ID); err != nil {
		t.Fatal(err)
	}
	theirs := make(chan error, 1)
	cross := sync.OnceFunc(func() {
		go func() {
			_, err := other.Exec(take, role(0).ID)
			theirs <- errors.Join(err, other.Commit())
		}()
	})
	change := func(i int) func() error {
		return func() error {
			return s.Transact(context.Background(), func(exec func(string, ...any) error) error {
				if i == 1 { // the batch has role 0 by now
					cross()
				}
				return exec(`UPDATE roles SET name = name || '!' WHERE id = $1`, role(i).ID)
			})
		}
	}
	for i, err := range batch(t, s, change(0), change(1), change(2)) {
		if err != nil {
			t.Errorf("job %d: %v", i, err)
		}
	}
	if err := <-theirs; err != nil {
		t.Errorf("the other transaction: %v", err)
	}
	var n int
	if err := db.QueryRow(`SELECT COUNT(*) FROM roles WHERE name IN ('role 0!', 'role 1!', 'role 2!')`).Scan(&n); err != nil || n != 3 {
		t.Errorf("%d of 3 changes were made once, %v", n, err)
	}
}

// oneClock: the nodes go by the database's time.
func oneClock(t *testing.T, dsn string) {
	nodes := opened(t, dsn, 2)
	db := connected(t, dsn)
	for _, n := range nodes {
		before := n.Now()
		var database time.Time
		if err := db.QueryRow(`SELECT clock_timestamp()`).Scan(&database); err != nil {
			t.Fatal(err)
		}
		after := n.Now()
		// One machine has one clock: what could be off is the measurement.
		if database.Before(before.Add(-2*time.Second)) || database.After(after.Add(2*time.Second)) {
			t.Errorf("the node has %v to %v, the database %v", before, after, database)
		}
	}
}

func connectionSettings(t *testing.T, dsn string) {
	for url, want := range map[string]string{dsn + "?statement_timeout=7s": "7s", dsn: "4s"} {
		s := opened(t, url, 1)[0]
		for name, want := range map[string]string{"statement_timeout": want, "lock_timeout": "3s",
			"idle_in_transaction_session_timeout": "2s", "synchronous_commit": "on", "transaction_isolation": "read committed"} {
			if got, err := s.Query(t.Context(), "SHOW "+name); err != nil || got != want {
				t.Errorf("%s = %s, %v, want %s", name, got, err, want)
			}
			if name == "lock_timeout" { // of its jobs
				want = "250ms"
			}
			if got, err := s.WriterQuery(t.Context(), "SHOW "+name); err != nil || got != want {
				t.Errorf("%s of the writer = %s, %v, want %s", name, got, err, want)
			}
		}
	}
	if _, err := connected(t, dsn).Exec(`ALTER DATABASE ` + pgtest.NameOf(dsn) + ` SET synchronous_commit = off`); err != nil {
		t.Fatal(err)
	}
	s := opened(t, dsn, 1)[0]
	if got, err := s.Query(t.Context(), "SHOW synchronous_commit"); err != nil || got != "on" {
		t.Errorf("synchronous_commit = %s, %v, want on: an answer is durable", got, err)
	}
	for _, url := range []string{dsn + "?pool_max_conns=0", dsn + "?pool_max_conns=many", "postgres://127.0.0.1:1/nothing?connect_timeout=1"} {
		if s, err := store.Open(t.Context(), store.Options{DSN: url}); err == nil {
			s.Close()
			t.Errorf("DSN %q was accepted", url)
		}
	}
}

// plans: a refresh reads no table as a whole, though all are empty.
func plans(t *testing.T, dsn string) {
	steps, err := opened(t, dsn, 1)[0].HotPlans(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	indexes := 0
	for _, step := range steps {
		if strings.Contains(step, "Seq Scan") {
			t.Errorf("the plan has %q", step)
		}
		if strings.Contains(step, "Index") {
			indexes++
		}
	}
	if indexes < 8 {
		t.Errorf("%d steps use an index, want one for each table: %q", indexes, steps)
	}
}

// TestLostPostgres kills the server, and starts it again. What is in memory and
// may be old by then is not answered.
func TestLostPostgres(t *testing.T) {
	server := pgtest.StartOwn(t)
	s := opened(t, server.Database(t), 1)[0]
	ctx := t.Context()
	if _, err := s.Registration(ctx, auth.ClientWrit); err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		if err := create(t, s, round); err != nil {
			t.Fatal(err)
		}
		server.Kill(t)
		for what, err := range map[string]error{
			"a write": create(t, s, "lost"), "a hot write": s.Record(ctx, auth.Event{}), "a read": s.Ping(ctx),
		} {
			var shown *auth.Error
			if !errors.Is(err, store.ErrUnreachable) || !errors.As(err, &shown) || shown.Code != auth.CodeUnavailable {
				t.Errorf("%s without a server: %v, want ErrUnreachable as %s", what, err, auth.CodeUnavailable)
			}
		}
		soon(t, "a client from memory is refused", func() error {
			_, err := s.Registration(ctx, auth.ClientWrit)
			if !errors.Is(err, store.ErrUnreachable) {
				return fmt.Errorf("Registration: %v", err)
			}
			return nil
		})
		news := s.Published()
		server.Resume(t)
		<-news // all may be new
		soon(t, "the client is there again", func() error { _, err := s.Registration(ctx, auth.ClientWrit); return err })
		if !stored(t, s, round) {
			t.Error("what was answered before the crash is not there")
		}
	}
	if err := create(t, s, "after"); err != nil {
		t.Error(err)
	}
}

// While another node sweeps this one removes nothing, passes nothing over that it
// should have removed, and removes it when it is its turn.
func sweepBesideAnother(t *testing.T, dsn string) {
	var elapsed time.Duration
	s := open(t, store.Options{DSN: dsn, AuditRetention: time.Hour}.Elapsing(func() time.Duration { return elapsed }))
	ctx := t.Context()
	for range 450 {
		if err := s.Record(ctx, auth.Event{At: s0, Action: "act"}); err != nil {
			t.Fatal(err)
		}
	}
	other, err := connected(t, dsn).Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.ExecContext(ctx, `SELECT pg_advisory_lock(6292172254516084739)`); err != nil {
		t.Fatal(err)
	}
	sweep := func(want int64) {
		t.Helper()
		elapsed += 3 * time.Hour
		if n, err := s.Sweep(ctx, s0.Add(elapsed)); err != nil || n != want {
			t.Errorf("Sweep = %d, %v, want %d", n, err, want)
		}
	}
	sweep(0)
	sweep(0)
	if _, err := other.ExecContext(ctx, `SELECT pg_advisory_unlock(6292172254516084739)`); err != nil {
		t.Fatal(err)
	}
	sweep(450)
}
