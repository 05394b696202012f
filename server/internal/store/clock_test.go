package store_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/server/internal/store"
)

// The clock follows the database, not this machine, and doesn't tremble.
func TestClock(t *testing.T) {
	var c store.Clock
	local := time.Now()
	at := func(d time.Duration) time.Time { return local.Add(d) }
	c.Measured(s0, at(0), at(20*time.Millisecond)) // it was s0 in the middle, at 10 ms
	for d, want := range map[time.Duration]time.Time{
		10 * time.Millisecond: s0, time.Second: s0.Add(990 * time.Millisecond), -time.Hour: s0.Add(-time.Hour - 10*time.Millisecond),
	} {
		if got := c.At(at(d)); !got.Equal(want) {
			t.Errorf("after %v the clock shows %v, want %v", d, got, want)
		}
	}
	// A measurement that agrees within its error changes nothing.
	c.Measured(s0.Add(time.Second+4*time.Millisecond), at(time.Second), at(time.Second+20*time.Millisecond))
	if got, want := c.At(at(10*time.Millisecond)), s0; !got.Equal(want) {
		t.Errorf("after a measurement within the error: %v, want %v", got, want)
	}
	// One that doesn't is believed: the database's clock was set.
	c.Measured(s0.Add(time.Hour), at(2*time.Second), at(2*time.Second+2*time.Millisecond))
	if got, want := c.At(at(2*time.Second+time.Millisecond)), s0.Add(time.Hour); !got.Equal(want) {
		t.Errorf("after the database's clock was set: %v, want %v", got, want)
	}
}

// TestLink: a process that was stopped while an answer came, as a suspended
// machine is, doesn't take the answer for a new one.
func TestLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := store.NewLink()
		asked := time.Now()
		time.Sleep(6 * time.Second)
		if err := l.Check(); err == nil {
			t.Error("a node that has heard nothing for six seconds goes by its memory")
		}
		l.Alive(asked)
		if err := l.Check(); err == nil {
			t.Error("a node goes by what the database said to a question of six seconds ago")
		}
		l.Alive(time.Now())
		if err := l.Check(); err != nil {
			t.Errorf("a node that has just heard: %v", err)
		}
	})
}
