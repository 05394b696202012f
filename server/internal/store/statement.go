package store

import (
	"context"
	"database/sql"
	"sync"

	"github.com/writ-auth/writ/server/internal/auth"
)

// statements runs SQL on one connection or one pool and prepares each text
// once. Texts are constants of this package, so there are few.
type statements struct {
	on interface {
		PrepareContext(ctx context.Context, text string) (*sql.Stmt, error)
	}
	// slots, one for each connection of a pool, are where callers wait for
	// one and give up when their context ends; nil for a single connection.
	// Under a slot a short query runs without a context, which costs the
	// driver a goroutine and a handler for every call.
	slots    chan struct{}
	mu       sync.RWMutex
	prepared map[string]*sql.Stmt
}

func (s *statements) enter(ctx context.Context) error {
	if s.slots == nil {
		return nil
	}
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *statements) leave() {
	if s.slots != nil {
		<-s.slots
	}
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
func (s *statements) exec(ctx context.Context, text string, args ...any) (int64, error) {
	stmt, err := s.prepare(ctx, text)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(ctx, args...)
	if err != nil {
		return 0, classify(err)
	}
	return result.RowsAffected()
}

// get scans the first row into dest; auth.ErrNotFound if there is none. It is
// for queries that find their row by an index, and ends no sooner if ctx does.
func (s *statements) get(ctx context.Context, dest []any, text string, args ...any) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	ctx = context.WithoutCancel(ctx)
	stmt, err := s.prepare(ctx, text)
	if err != nil {
		return err
	}
	return classify(stmt.QueryRowContext(ctx, args...).Scan(dest...))
}

// each calls row for every row, with a scan function for it. row must run no
// statement: on a pool of one it would wait for its own connection.
func (s *statements) each(ctx context.Context, row func(scan func(dest ...any) error) error, text string, args ...any) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	stmt, err := s.prepare(context.WithoutCancel(ctx), text)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return classify(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return classify(err)
		}
	}
	return classify(rows.Err())
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
