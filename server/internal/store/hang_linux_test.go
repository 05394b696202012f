package store_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/writ-auth/writ/internal/pgtest"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/store"
)

// TestHungPostgres stops the server where it is: whoever asks is told that it
// can't be reached, and does not wait for ever; then all goes on.
func TestHungPostgres(t *testing.T) {
	server := pgtest.StartOwn(t, "fsync=off")
	s := opened(t, server.Database(t), 1)[0]
	if err := create(t, s, 1); err != nil {
		t.Fatal(err)
	}
	g := heldGrant(t, s)
	refresh := func() error { return s.Refresh(t.Context(), g.HandleHash, rotating, func() error { return nil }) }
	if err := refresh(); err != nil {
		t.Fatal(err)
	}
	server.Pause(t)
	errs := make([]error, 4)
	var all sync.WaitGroup
	for i, act := range []func() error{
		func() error { return create(t, s, 2) },
		func() error { return s.Record(t.Context(), auth.Event{}) },
		func() error { return s.Ping(t.Context()) },
		refresh,
	} {
		all.Go(func() { errs[i] = act() })
	}
	all.Wait()
	server.Continue(t)
	for i, err := range errs {
		if !errors.Is(err, store.ErrUnreachable) {
			t.Errorf("act %d: %v, want ErrUnreachable", i, err)
		}
	}
	soon(t, "the store works again", func() error { return create(t, s, 3) })
	soon(t, "it refreshes again", refresh)
	soon(t, "it reads again", func() error { return s.Ping(t.Context()) })
}

// TestHungPostgresIsAskedOnce has many wait for a server that hangs: the first
// find out, and those behind them are told, without a try of their own.
func TestHungPostgresIsAskedOnce(t *testing.T) {
	server := pgtest.StartOwn(t, "fsync=off")
	var connects atomic.Int32
	s := open(t, store.Options{DSN: server.Database(t)}.Wrapped(func(c driver.Connector) driver.Connector {
		return counting{c, &connects}
	}))
	if err := create(t, s, 1); err != nil {
		t.Fatal(err)
	}
	before := connects.Load()
	server.Pause(t)
	var all sync.WaitGroup
	var wrong atomic.Int32
	for i := range 400 { // more than eight commits carry
		all.Go(func() {
			if err := create(t, s, i+2); !errors.Is(err, store.ErrUnreachable) {
				wrong.Add(1)
			}
		})
	}
	all.Wait()
	server.Continue(t)
	if n := connects.Load() - before; n > 2 || wrong.Load() > 0 {
		t.Errorf("the server was asked for %d connections, want 2 at most; %d answers were not ErrUnreachable", n, wrong.Load())
	}
}

// counting counts the connections that are made.
type counting struct {
	driver.Connector
	n *atomic.Int32
}

func (c counting) Connect(ctx context.Context) (driver.Conn, error) {
	c.n.Add(1)
	return c.Connector.Connect(ctx)
}
