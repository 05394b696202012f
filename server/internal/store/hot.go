package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
)

// Most writes go through the writer, one after the other over the whole fleet.
// Those that every sign-in and refresh make are too many for that. On
// PostgreSQL they run at once, on any connection of the pool, at READ COMMITTED:
// a statement sees what was committed when it began, but a row that it changes
// it sees, and tests again, as it is when its turn at that row comes. What must
// hold at that very moment is therefore asked of the row that is changed, or of
// one that is locked; what a subquery says of others may be a moment old.
//
// Rows are locked in one order, so that no two wait for each other: users,
// clients, keys, grants, sessions. Where one transaction of the writer carries
// several acts even that doesn't hold between them; who loses then is run again.
//
// On SQLite all of it goes through the writer.

// hot runs fn in a transaction of its own. It may be run more than once.
func (s *Store) hot(ctx context.Context, fn func(context.Context, *tx) error) error {
	if !s.fleet() {
		return s.write(ctx, fn)
	}
	return s.again(ctx, func() error { return s.onConn(ctx, fn) })
}

// single runs fn, which changes something by one statement at most. What it
// reads beside is of another moment. It may be run more than once.
func (s *Store) single(ctx context.Context, fn func(context.Context, *tx) error) error {
	if !s.fleet() {
		return s.write(ctx, fn)
	}
	return s.again(ctx, func() error { return fn(ctx, &tx{statements: s.sql, now: s.now()}) })
}

// fleet says that other processes may use the database.
func (s *Store) fleet() bool { return s.engine.direct }

// again runs what lost against others once more.
func (s *Store) again(ctx context.Context, run func() error) (err error) {
	for attempt := range retries {
		if err = run(); !lost(err) {
			return err
		}
		wait(ctx, backOff(attempt))
	}
	return unavailable(ErrBusy, err)
}

// onConn runs fn in a transaction on one connection of the pool.
func (s *Store) onConn(ctx context.Context, fn func(context.Context, *tx) error) error {
	if err := s.sql.slots.enter(ctx); err != nil {
		return err
	}
	defer s.sql.slots.leave()
	ctx = context.WithoutCancel(ctx)
	conn, err := s.pool.Conn(ctx)
	if err != nil {
		return classify(err)
	}
	defer conn.Close()
	t := &tx{statements: &statements{on: conn, direct: true}, now: s.now(), engine: s.engine}
	if _, err := t.exec(ctx, "BEGIN"); err != nil {
		return err
	}
	if err := guarded(ctx, t, fn); err != nil {
		undo(ctx, t, conn)
		return err
	}
	if err := s.engine.commit(ctx, t.statements, new(outcome)); err != nil {
		undo(ctx, t, conn)
		return err
	}
	if len(t.changed) > 0 { // marks: no other node needs to know
		s.registry.forget(t.changed)
	}
	return nil
}

// undo rolls back, or throws the connection away with all that it holds.
func undo(ctx context.Context, t *tx, conn *sql.Conn) {
	if _, err := t.exec(ctx, "ROLLBACK"); err != nil {
		conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}
