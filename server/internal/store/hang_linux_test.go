package store_test

import (
	"errors"
	"sync"
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
