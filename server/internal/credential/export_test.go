package credential

import (
	"context"
	"time"
)

// Run occupies a place of the pool while work runs, and never rests after it.
func (h *Hasher) Run(ctx context.Context, bytes int64, work func()) error {
	return h.run(ctx, bytes, "", func() bool { work(); return true })
}

// Pace says for how long a place stays empty.
type Pace struct{ pace }

// NewPace makes one that knows no hash.
func NewPace() *Pace { return &Pace{} }

// Rest is for how long, after a hash that took so long.
func (p *Pace) Rest(cost string, took time.Duration) time.Duration { return p.rest(cost, took) }

// Kinds is how many kinds of hashes it knows.
func (p *Pace) Kinds() int { return len(p.fastest) }

// Beside is the id of the process that hashes beside this one; 0: none.
func (h *Hasher) Beside() int {
	h.beside.mu.Lock()
	defer h.beside.mu.Unlock()
	if h.beside.process == nil {
		return 0
	}
	return h.beside.process.cmd.Process.Pid
}

// CommonPasswords counts the list for as far as it is sorted.
func CommonPasswords() (n int) {
	for last := ""; (n+1)*commonSize <= len(commonHashes); n++ {
		next := commonHashes[n*commonSize : (n+1)*commonSize]
		if next <= last {
			break
		}
		last = next
	}
	return n
}
