package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// statements runs SQL on one connection or one pool and prepares each text
// once. Texts are constants of this package, so there are few.
type statements struct {
	on runner
	// driven, if not nil, runs the statements instead.
	driven *driven
	// direct says that the driver prepares by itself; else it is done here.
	direct bool
	// slots, one for each connection of a pool, are where callers wait for
	// one and give up when their context ends; nil for a single connection.
	// Under a slot a short query runs without a context, which costs the
	// driver a goroutine and a handler for every call.
	slots *slots

	mu       sync.RWMutex
	prepared map[string]*sql.Stmt
}

// runner is a *sql.DB or a *sql.Conn.
type runner interface {
	PrepareContext(ctx context.Context, text string) (*sql.Stmt, error)
	ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row
}

func (s *statements) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	s.mu.RLock()
	stmt := s.prepared[text]
	s.mu.RUnlock()
	if stmt != nil {
		return stmt, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if stmt := s.prepared[text]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.on.PrepareContext(ctx, text)
	if err != nil {
		return nil, classify(err)
	}
	if s.prepared == nil {
		s.prepared = make(map[string]*sql.Stmt)
	}
	s.prepared[text] = stmt
	return stmt, nil
}

func (s *statements) close() error {
	if s.driven != nil {
		return s.driven.close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var first error
	for _, stmt := range s.prepared {
		if err := stmt.Close(); err != nil && first == nil {
			first = err
		}
	}
	s.prepared = nil
	return first
}

// exec answers the number of rows it changed.
func (s *statements) exec(ctx context.Context, text string, args ...any) (n int64, err error) {
	if s.driven != nil { // has no slots, and a context that never ends
		return s.driven.exec(ctx, text, storedArgs(args))
	}
	if err := s.slots.enter(ctx); err != nil {
		return 0, err
	}
	defer s.slots.leave()
	ctx = context.WithoutCancel(ctx)
	args = storedArgs(args)
	var result sql.Result
	if s.direct {
		result, err = s.on.ExecContext(ctx, text, args...)
	} else {
		var stmt *sql.Stmt
		if stmt, err = s.prepare(ctx, text); err != nil {
			return 0, err
		}
		result, err = stmt.ExecContext(ctx, args...)
	}
	if err != nil {
		return 0, classify(err)
	}
	return result.RowsAffected()
}

// get scans the first row into dest; auth.ErrNotFound if there is none. It is
// for queries that find their row by an index, and ends no sooner if ctx does.
func (s *statements) get(ctx context.Context, dest []any, text string, args ...any) error {
	if s.driven != nil {
		return s.driven.get(ctx, dest, text, storedArgs(args))
	}
	if err := s.slots.enter(ctx); err != nil {
		return err
	}
	defer s.slots.leave()
	ctx = context.WithoutCancel(ctx)
	args = storedArgs(args)
	var row *sql.Row
	if s.direct {
		row = s.on.QueryRowContext(ctx, text, args...)
	} else {
		stmt, err := s.prepare(ctx, text)
		if err != nil {
			return err
		}
		row = stmt.QueryRowContext(ctx, args...)
	}
	if err := row.Scan(dest...); err != nil {
		return classify(err)
	}
	readDest(dest)
	return nil
}

// each calls row for every row, with a scan function for it. row must run no
// statement: on a pool of one it would wait for its own connection.
func (s *statements) each(ctx context.Context, row func(scan func(dest ...any) error) error, text string, args ...any) error {
	if err := s.slots.enter(ctx); err != nil {
		return err
	}
	defer s.slots.leave()
	if s.driven != nil {
		return s.driven.each(ctx, func(values []driver.Value) error {
			return row(func(dest ...any) error { return assign(dest, values) })
		}, text, storedArgs(args))
	}
	rows, err := s.query(ctx, text, args)
	if err != nil {
		return classify(err)
	}
	defer rows.Close()
	scan := func(dest ...any) error {
		err := rows.Scan(dest...)
		readDest(dest)
		return err
	}
	for rows.Next() {
		if err := row(scan); err != nil {
			return classify(err)
		}
	}
	return classify(rows.Err())
}

func (s *statements) query(ctx context.Context, text string, args []any) (*sql.Rows, error) {
	args = storedArgs(args)
	if s.direct {
		// To give up a query would cost the connection; the engine bounds it.
		return s.on.QueryContext(context.WithoutCancel(ctx), text, args...)
	}
	stmt, err := s.prepare(context.WithoutCancel(ctx), text)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// exists reports whether a query answers a row.
func (s *statements) exists(ctx context.Context, text string, args ...any) (bool, error) {
	found := false
	err := s.each(ctx, func(func(...any) error) error { found = true; return nil }, text, args...)
	return found, err
}

// needs answers ErrNotFound if a query answers no row.
func (s *statements) needs(ctx context.Context, text string, args ...any) error {
	exists, err := s.exists(ctx, text, args...)
	if err == nil && !exists {
		return auth.ErrNotFound
	}
	return err
}

// slots let as many in as a pool has connections.
type slots struct {
	free chan struct{}
	link *link // nil: the database is never out of reach
}

// slotWait bounds how long a caller waits for a connection of a pool: a
// database that doesn't keep up shall be told of while somebody listens.
const slotWait = 5 * time.Second

func (s *slots) enter(ctx context.Context) error {
	if s == nil {
		return nil
	}
	if err := s.link.check(); err != nil {
		return err
	}
	select {
	case s.free <- struct{}{}:
		return nil
	default:
	}
	return s.wait(ctx)
}

func (s *slots) wait(ctx context.Context) error {
	timer := time.NewTimer(slotWait)
	defer timer.Stop()
	select {
	case s.free <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return unavailable(ErrBusy, nil)
	}
}

func (s *slots) leave() {
	if s != nil {
		<-s.free
	}
}
