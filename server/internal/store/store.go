// Package store keeps everything that outlives a request: one [Store] over
// database/sql that implements the interfaces of package auth. Nothing else
// in the server imports a database driver.
//
// Two engines are known. SQLite is one file, for one process. PostgreSQL is for
// any number of them, a fleet: each node keeps some of the database in memory
// and follows what the others change (follow.go).
//
// Writes go through one goroutine that commits all waiting transactions
// together (writer.go), and a method that wrote returns only after the commit
// is durable; on PostgreSQL, what every refresh writes goes past it (hot.go),
// many together (lanes.go). Reads use a pool of their own and wait for no writer;
// they see every commit that was answered before they began.
//
// All SQL is in the common subset of both, with $1 for parameters. What differs
// is in engine.go, in how they are opened (sqlite.go, postgres.go), in the
// errors' codes (error.go, pgerror.go) and in the folders of migrations.
//
// SQLite holds no checksums: a damage that leaves its structures intact, a
// letter in a name, is not noticed.
package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/store/vfs"
)

// Options say which database to open, and how.
type Options struct {
	// DSN is "sqlite:" and the path of a file, which is made if it is not
	// there (0600); its directory must be there. Or it is a URL of PostgreSQL,
	// postgres://user:password@host/database, of which the schema is made; see
	// postgres.go for what it may set.
	DSN string
	// Existing refuses an empty PostgreSQL database with ErrEmpty.
	Existing bool
	// Guest opens the database beside those that serve, such as for a back-up: on
	// PostgreSQL it is no node of the fleet, and OtherNodes doesn't name it.
	Guest bool
	// Now is the clock; nil: this machine's on SQLite, the database's on
	// PostgreSQL.
	Now func() time.Time
	// Logger hears of migrations; nil: nobody does.
	Logger *slog.Logger
	// AuditRetention is how long Sweep leaves the audit; 0: for ever.
	AuditRetention time.Duration
	// Readers is how many reads, on PostgreSQL also writes, run at once; 0:
	// on SQLite twice the number of CPUs the program may use, at least 4, on
	// PostgreSQL 16.
	Readers int

	// wrap lets tests watch the writing connection, or make it fail.
	wrap func(driver.Connector) driver.Connector
	// elapsed is the process's life so far, which no clock's leap changes.
	elapsed func() time.Duration
	// smallFile lets tests see a checkpointer at work; 0: see checkpoint.go.
	smallFile int64
}

// Store is an open database. Its methods may be called at once from anywhere.
type Store struct {
	path         string
	engine       *engine
	now          func() time.Time
	lock         *os.File // on SQLite
	writer       *writer
	pool         *sql.DB
	sql          *statements   // on pool
	columns      *columns      // of the writer's connection, on SQLite
	checkpointer *checkpointer // on SQLite
	original     original      // on SQLite
	vfs          *vfs.VFS      // of the writer's connection, on SQLite
	clients      clientCache
	registry     registry

	logNews, keyNews bell
	seen             seen

	swept
	retention time.Duration // of the audit; 0: for ever
	elapsed   func() time.Duration

	// On PostgreSQL.
	clock    clock
	link     *link
	follower *follower
	lanes    *lanes
	grants   remembered
	node     node
}

// Close waits for the transactions under way, then closes the database.
// Methods called afterwards fail with ErrClosed.
func (s *Store) Close() error {
	s.follower.close()
	s.lanes.close()
	err := errors.Join(s.writer.close(), s.checkpointer.close(), s.sql.close(), s.pool.Close(), s.vfs.Close())
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// Path is the absolute path of the database's file; of a PostgreSQL database
// its host and name.
func (s *Store) Path() string { return s.path }

// Ping reports whether the database can be read now.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.Setting(ctx, settingLogID)
	return err
}

// Check looks through the whole SQLite database for damage, which takes two
// seconds for 100 MB and stops nobody. ErrCorrupt says what was found first.
// PostgreSQL looks after itself.
func (s *Store) Check(ctx context.Context) error {
	if s.fleet() {
		return s.Ping(ctx)
	}
	return integrity(ctx, s.pool, fullCheck)
}

// Checkpoint moves what was committed from SQLite's write-ahead log into the
// file. SQLite does so by itself as the log grows; a database in its first hour
// may be in the log alone, where damage is noticed less.
func (s *Store) Checkpoint(ctx context.Context) error {
	if s.fleet() {
		return nil
	}
	c, err := connector(s.path, "busy_timeout(5000)")
	if err != nil {
		return err
	}
	db := sql.OpenDB(c)
	_, err = db.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
	return errors.Join(classify(err), db.Close())
}

// write runs fn in a transaction; see writer.write.
func (s *Store) write(ctx context.Context, fn func(context.Context, *tx) error) error {
	return s.writer.write(ctx, fn)
}

// limitOf is how many things a page holds.
func limitOf(p auth.Page) int {
	switch {
	case p.Limit <= 0:
		return 50
	case p.Limit > 200:
		return 200
	}
	return p.Limit
}

// list runs a query for a page of things in order of id. Its parameters are
// the cursor, the pattern and the limit, then args. One row more than is
// answered shows whether there is another page.
func list[T any](ctx context.Context, q *statements, p auth.Page, dest func(*T) []any, id func(*T) string, text string, args ...any) (items []T, next string, err error) {
	limit := limitOf(p)
	args = append([]any{p.Cursor, pattern(p.Query), limit + 1}, args...)
	items, err = all(ctx, q, dest, text, args...)
	if err != nil || len(items) <= limit {
		return items, "", err
	}
	items = items[:limit]
	return items, id(&items[limit-1]), nil
}

// all scans every row of a query.
func all[T any](ctx context.Context, q *statements, dest func(*T) []any, text string, args ...any) (items []T, err error) {
	err = q.each(ctx, func(scan func(...any) error) error {
		var item T
		if err := scan(dest(&item)...); err != nil {
			return err
		}
		items = append(items, item)
		return nil
	}, text, args...)
	return items, err
}

// found makes ErrNotFound of a statement that met no row.
func found(rows int64, err error) error {
	if err == nil && rows == 0 {
		return auth.ErrNotFound
	}
	return err
}
