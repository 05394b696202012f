package store

import (
	"context"
	"database/sql/driver"
	"strings"
	"time"
)

// FleetLock takes the lock that a writer's transaction begins with.
const FleetLock = `SELECT pg_advisory_xact_lock(6292172254516084737)`

// Stored and Read are a text's way into a column and back.
func Stored(s string) string { return stored(s) }
func Read(s string) string   { return read(s) }

// PlainList reads the lists that need no JSON.
func PlainList(s string) ([]string, bool) { return plainList(s) }

// Clock is the database's clock, as nodes have it.
type Clock struct{ clock }

// At is what the clock shows at a moment of this machine.
func (c *Clock) At(local time.Time) time.Time { return c.reading.Load().at(local) }

// Measured tells the clock what the database answered.
func (c *Clock) Measured(database, sent, received time.Time) { c.measured(database, sent, received) }

// Link is what a node knows of when it last heard from the database.
type Link struct{ *link }

// NewLink makes one that has heard at this moment.
func NewLink() Link { return Link{newLink()} }

// Alive notes an answer to a question.
func (l Link) Alive(asked time.Time) { l.alive(asked) }

// Check is an error when it is too long ago.
func (l Link) Check() error { return l.check() }

// Arrivals makes the runtime look at the network.
type Arrivals struct{ *arrivals }

// NewArrivals makes one.
func NewArrivals() (Arrivals, error) {
	a, err := newArrivals()
	return Arrivals{a}, err
}

// Look lets those run who have something to read.
func (a Arrivals) Look() { a.look() }

// Close ends it.
func (a Arrivals) Close() error { return a.close() }

// Wrapped makes Open put wrap around the connector of the writing connection.
func (o Options) Wrapped(wrap func(driver.Connector) driver.Connector) Options {
	o.wrap = wrap
	return o
}

// Elapsing makes the store's life as long as elapsed says.
func (o Options) Elapsing(elapsed func() time.Duration) Options {
	o.elapsed = elapsed
	return o
}

// Checkpointed has files of so many bytes checkpointed beside the writer.
func (o Options) Checkpointed(from int64) Options {
	o.smallFile = from
	return o
}

// Transact runs fn in a transaction, handing it a way to run statements.
func (s *Store) Transact(ctx context.Context, fn func(exec func(text string, args ...any) error) error) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		return fn(func(text string, args ...any) error {
			_, err := t.exec(ctx, text, args...)
			return err
		})
	})
}

// Seen is how many changes of clients the node knows of.
func (s *Store) Seen() int64 {
	s.seen.mu.Lock()
	defer s.seen.mu.Unlock()
	return s.seen.clients
}

// Waiting is the number of transactions that wait for the writer.
func (s *Store) Waiting() int { return len(s.writer.jobs) }

// Query reads one value through the pool of readers.
func (s *Store) Query(ctx context.Context, text string) (value string, err error) {
	err = s.sql.get(ctx, []any{&value}, text)
	return value, err
}

// WriterQuery reads one value through the writing connection.
func (s *Store) WriterQuery(ctx context.Context, text string) (value string, err error) {
	err = s.write(ctx, func(ctx context.Context, t *tx) error { return t.get(ctx, []any{&value}, text) })
	return value, err
}

// Latest is the newest version of the schema.
func Latest() (int64, error) {
	_, latest, err := sqliteEngine().schema()
	return latest, err
}

// HotPlans is how PostgreSQL carries out what a refresh does, a step a line.
func (s *Store) HotPlans(ctx context.Context) (steps []string, err error) {
	conn, err := s.pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "SET enable_bitmapscan = off"); err != nil { // as on a lane
		return nil, err
	}
	parameters := map[string]int{"write": 15, "many": 22, "many_seen": 22}
	for name, text := range map[string]string{
		"read": selectHeldShort + byHandle, "read_many": heldOfMany, "write": rotateOnce, "many": rotateMany, "many_seen": rotateManySeen,
	} {
		if _, err := conn.ExecContext(ctx, "PREPARE "+name+" AS "+text); err != nil {
			return nil, err
		}
		args := "NULL" + strings.Repeat(", NULL", max(parameters[name]-1, 0))
		rows, err := conn.QueryContext(ctx, "EXPLAIN EXECUTE "+name+"("+args+")")
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			var step string
			if err := rows.Scan(&step); err != nil {
				return nil, err
			}
			steps = append(steps, step)
		}
		if err := rows.Close(); err != nil {
			return nil, err
		}
	}
	return steps, nil
}

// LogPagePlan is how the engine carries out LogPage, a step a line.
func (s *Store) LogPagePlan(ctx context.Context) (steps []string, err error) {
	err = s.sql.each(ctx, func(scan func(...any) error) error {
		var id, parent, unused int
		var step string
		err := scan(&id, &parent, &unused, &step)
		steps = append(steps, step)
		return err
	}, "EXPLAIN QUERY PLAN "+selectLogPage, 0, 1)
	return steps, err
}

// Paced is how many rows the transaction of a sweep removes after one that
// removed so many and took so long.
func Paced(rows int64, took time.Duration) int64 { return paced(rows, took) }
