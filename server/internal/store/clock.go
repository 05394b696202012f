package store

import (
	"sync/atomic"
	"time"
)

// clock is the database's: each node of a fleet goes by it, so that none is
// early or late because of its own. In between measurements it advances by the
// machine's monotonic clock, which nobody sets.
type clock struct {
	reading atomic.Pointer[reading]
}

// reading is one measurement: the database's time at a moment of this machine.
type reading struct {
	database time.Time
	local    time.Time // with its monotonic part
}

// now is the database's time; this machine's before the first measurement.
func (c *clock) now() time.Time {
	r := c.reading.Load()
	if r == nil {
		return time.Now()
	}
	return r.at(time.Now())
}

func (r *reading) at(local time.Time) time.Time { return r.database.Add(local.Sub(r.local)) }

// measured takes the time that the database told between sent and received. It
// is taken to be that of the middle. What lies within that error of the clock
// leaves it as it is: it shall not tremble with every measurement.
func (c *clock) measured(database, sent, received time.Time) {
	most := received.Sub(sent) / 2
	next := &reading{database: database, local: sent.Add(most)}
	if old := c.reading.Load(); old != nil {
		if off := old.at(next.local).Sub(database).Abs(); off <= most+time.Millisecond {
			return
		}
	}
	c.reading.Store(next)
}

// Now is the time that the store goes by: the clock that it was opened with,
// else the database's on PostgreSQL and this machine's on SQLite. Whoever works
// with the store's times uses it.
func (s *Store) Now() time.Time { return s.now() }
