package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
)

// engine is how the two databases differ, as far as it isn't an error's code
// (error.go) or the way they are opened (sqlite.go, postgres.go). All else is
// written once, in the SQL that both speak.
type engine struct {
	dialect goose.Dialect
	folder  string // of the migrations
	version string // query: does the table of the schema's version exist?

	// channel is where the nodes that share a database speak to each other.
	channel string

	// direct: the driver prepares statements by itself.
	direct bool
	// begin and commit bound the writer's transactions, in one round trip each.
	begin  string
	commit func(ctx context.Context, s *statements, o *outcome) error
	// maxBatch bounds how many transactions one commit carries, and so how long
	// the first of a batch waits for the last.
	maxBatch int

	// rotate, if not "", is a rotation with nothing beside it as one statement.
	rotate string
	// What locks the rows of the user and the client in epochsHold until the
	// transaction ends, for reading and for a later change of the user.
	share, update string
	// stays locks a row that was read against being deleted until the transaction ends.
	stays string
	// skipLocked lets Sweep leave alone what somebody is working on.
	skipLocked string
}

// outcome is what a transaction of the writer did that others must hear of.
type outcome struct {
	logged  bool     // the log is other than before
	head    uint64   // the last number it gave there
	changed []string // the clients that are other than before; see tx.concerns
	keys    bool     // so are keys

	// Where there is a fleet, its counts after the transaction; 0: unchanged.
	clientCount, keyCount int64
}

func (o *outcome) add(t *tx) {
	o.logged, o.head = o.logged || t.logged, max(o.head, t.head)
	o.changed = append(o.changed, t.changed...)
	o.keys = o.keys || t.keys
}

func sqliteEngine() *engine {
	return &engine{
		dialect: goose.DialectSQLite3, folder: "migrations/sqlite",
		version:  `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'`,
		begin:    "BEGIN IMMEDIATE",
		maxBatch: 512,
		commit: func(ctx context.Context, s *statements, _ *outcome) error {
			_, err := s.exec(ctx, "COMMIT")
			return err
		},
	}
}

// The fleet's locks, in PostgreSQL's space of advisory locks.
const (
	lockFleet   = 0x57524954_00000001 // whoever writes through a writer
	lockMigrate = 0x57524954_00000002
	lockSweep   = 0x57524954_00000003
)

// postgresEngine is for the nodes that tell each other of changes on a channel.
func postgresEngine(channel string) *engine {
	e := &engine{
		channel: channel,
		dialect: goose.DialectPostgres, folder: "migrations/postgres",
		version: `SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass('goose_db_version')`,
		direct:  true,
		begin:   fmt.Sprintf("BEGIN; SELECT pg_advisory_xact_lock(%d); SET LOCAL lock_timeout = %s", lockFleet, writerLock),
		// A transaction of more than 64 savepoints is dear to everybody else.
		maxBatch: 48,
		rotate:   rotateOnce,
		share:    ` FOR SHARE OF u FOR KEY SHARE OF c`,
		update:   ` FOR NO KEY UPDATE OF u FOR KEY SHARE OF c`,
		stays:    ` FOR KEY SHARE`,

		skipLocked: ` FOR UPDATE SKIP LOCKED`,
	}
	e.commit = e.commitAndTell
	return e
}

// commitAndTell commits and, by the same commit, tells the other nodes: they
// hear of nothing that didn't happen, and in the order in which it happened.
func (e *engine) commitAndTell(ctx context.Context, s *statements, o *outcome) error {
	const count = `UPDATE fleet SET clients = clients + $1, keys = keys + $2 WHERE id = 1 RETURNING clients, keys`
	clients, keys := bit(len(o.changed) > 0), bit(o.keys)
	if clients+keys > 0 {
		if err := s.get(ctx, []any{&o.clientCount, &o.keyCount}, count, clients, keys); err != nil {
			return err
		}
		// The other count may be as high as it is by another node's change, of which
		// this one has yet to hear.
		o.clientCount, o.keyCount = o.clientCount*clients, o.keyCount*keys
	}
	// In an aborted transaction COMMIT alone would roll back without an error.
	text := "SELECT 1"
	if o.logged || clients+keys > 0 {
		text = fmt.Sprintf("SELECT pg_notify('%s', '%s')", e.channel, counts{o.head, o.clientCount, o.keyCount})
	}
	// To notify takes a lock of the whole server's, which jobs' patience is not for.
	_, err := s.exec(ctx, "SET LOCAL lock_timeout TO DEFAULT; "+text+"; COMMIT")
	return err
}

// rotateOnce is swap and seen (see tx.swap) in one statement, so that a refresh
// is two round trips: one reads, one writes. The session's row, if it changes, is
// locked after the grant's, as everywhere.
const rotateOnce = `WITH swapped AS (` + swapGrant + ` RETURNING session_id), seen AS (
		UPDATE sessions SET idle_expiry = $15, last_seen_at = $14 FROM swapped
		WHERE sessions.id = swapped.session_id AND CAST($15 AS BIGINT) <> 0)
	SELECT COUNT(*) FROM swapped`

// connectTo is a pool of connections: as many idle as busy, since otherwise
// every burst opens and closes some.
func connectTo(c driver.Connector, size int) *sql.DB {
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db
}

// engineOf tells the engine of a DSN.
func engineOf(dsn string) (name string, err error) {
	scheme, rest, ok := strings.Cut(dsn, ":")
	switch {
	case ok && scheme == "sqlite":
		return "sqlite", nil
	case (scheme == "postgres" || scheme == "postgresql") && strings.HasPrefix(rest, "//"):
		return "postgres", nil
	}
	return "", fmt.Errorf("store: the database must be sqlite:<path> or postgres://…, not an engine %q", scheme)
}

// retries is how often a transaction is run that lost against others by the
// engine's choice, of two that wait for each other for one.
const retries = 5

// A writer's job waits for a lock this long, in milliseconds, and the first of a
// batch so often: as long as everybody else waits, all in all.
const (
	writerLock  = "250"
	writerTries = 12
)

// backOff is how long a transaction that lost waits before it is run again.
func backOff(attempt int) time.Duration { return time.Duration(attempt) * 5 * time.Millisecond }
