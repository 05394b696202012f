package guard

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
)

// pruneBatch is how many entries are deleted in one go. Look-ups wait for no
// more than that.
const pruneBatch = 1024

// index holds the revocations in force. Many read it, one goroutine writes. The
// hash of an entry covers its kind, so one map serves all kinds.
type index struct {
	// state changes after every addition: who has found nothing in one state
	// needn't look again until there is another. It begins at 1, so that 0 can
	// stand for "never looked".
	state atomic.Uint64

	mu      sync.RWMutex
	entries map[[revlog.HashSize]byte]int64 // → unix seconds until which to keep it, 0: for ever
}

func newIndex() *index {
	x := &index{entries: make(map[[revlog.HashSize]byte]int64)}
	x.state.Store(1)
	return x
}

// has reports whether one of the identifiers was revoked.
func (x *index) has(ids [][revlog.HashSize]byte) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, id := range ids {
		if _, ok := x.entries[id]; ok {
			return true
		}
	}
	return false
}

func (x *index) len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.entries)
}

// add takes entries of known kinds over. An entry that is there already keeps
// the later expiry.
func (x *index) add(entries []revlog.Entry) {
	if len(entries) == 0 {
		return
	}
	x.mu.Lock()
	for _, e := range entries {
		if !e.Kind.Known() {
			continue
		}
		if old, ok := x.entries[e.Hash]; !ok || later(e.Expiry, old) {
			x.entries[e.Hash] = e.Expiry
		}
	}
	x.mu.Unlock()
	x.state.Add(1)
}

// later compares expiries, 0 being the latest.
func later(a, b int64) bool { return b != 0 && (a == 0 || a > b) }

// prune drops what expired before now. The caller is the one writer, so it may
// read without the lock; deletions take it for a batch at a time. When more
// than half is gone the rest moves to a new map, since maps don't shrink.
func (x *index) prune(now time.Time) {
	var gone [][revlog.HashSize]byte
	for hash, expiry := range x.entries {
		if expiry != 0 && expiry < now.Unix() {
			gone = append(gone, hash)
		}
	}
	if len(gone) > len(x.entries)/2 {
		x.rebuild(now)
		return
	}
	for len(gone) > 0 {
		batch := gone[:min(pruneBatch, len(gone))]
		gone = gone[len(batch):]
		x.mu.Lock()
		for _, hash := range batch {
			delete(x.entries, hash)
		}
		x.mu.Unlock()
	}
}

func (x *index) rebuild(now time.Time) {
	rest := make(map[[revlog.HashSize]byte]int64)
	for hash, expiry := range maps.All(x.entries) {
		if expiry == 0 || expiry >= now.Unix() {
			rest[hash] = expiry
		}
	}
	x.mu.Lock()
	x.entries = rest
	x.mu.Unlock()
}
