package guard

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
)

type hash = [revlog.HashSize]byte

// index holds the revocations in force. Many read it, one goroutine writes. The
// hash of an entry covers its kind, so one table serves all kinds.
type index struct {
	news atomic.Pointer[news] // replaced after every addition

	mu    sync.RWMutex
	table table
}

func newIndex() *index {
	x := &index{table: newTable(0)}
	x.news.Store(&news{state: 1, since: 1})
	return x
}

// revoked reports whether one of the identifiers was revoked. checked is the
// state in which none of them was, 0 if none is known, and is replaced by a
// later one if that is still so. An unchanged log costs one comparison, and one
// that has changed a little costs a look at the change.
func (x *index) revoked(ids []hash, checked *atomic.Uint64) bool {
	news := x.news.Load() // before looking: what is added meanwhile makes another state
	last := checked.Load()
	if last == news.state {
		return false
	}
	if last < news.since && x.has(ids) || last >= news.since && news.has(ids, last) {
		return true
	}
	checked.Store(news.state)
	return false
}

// has reports whether one of the identifiers was revoked.
func (x *index) has(ids []hash) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, id := range ids {
		if x.table.find(id).hash == id {
			return true
		}
	}
	return false
}

func (x *index) len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.table.used
}

// add takes entries of known kinds over. An entry that is there already keeps
// the later expiry.
func (x *index) add(entries []revlog.Entry) {
	if len(entries) == 0 {
		return
	}
	if need := x.table.used + len(entries); need > x.table.room() {
		x.rebuild(need, always)
	}
	x.mu.Lock()
	for _, e := range entries {
		if e.Kind.Known() {
			x.table.put(slot{e.Hash, expirySeconds(e.Expiry)})
		}
	}
	x.mu.Unlock()
	x.news.Store(x.news.Load().with(entries))
}

// merge takes a table over that was filled elsewhere: a log that was loaded in
// parts. The caller doesn't use it any more.
func (x *index) merge(t table) {
	if x.table.used > 0 {
		next := x.table.copied(x.table.used+t.used, always)
		next.putAll(t, always)
		t = next
	}
	x.mu.Lock()
	x.table = t
	x.mu.Unlock()
	state := x.news.Load().state + 1
	x.news.Store(&news{state: state, since: state})
}

// news is what was added last. It never changes.
type news struct {
	// state counts additions: who has found nothing in one state needn't look
	// again until there is another. It begins at 1, so that 0 can stand for
	// "never looked".
	state uint64
	since uint64 // added holds all that made the states after this one
	added []addition
}

type addition struct {
	state uint64
	hash  hash
}

// maxNews bounds the list that is searched from end to end. A table is faster
// than a longer one.
const maxNews = 32

// with returns the news after another addition, without the oldest if there are
// too many.
func (n *news) with(entries []revlog.Entry) *news {
	next := &news{state: n.state + 1, since: n.since, added: slices.Clone(n.added)}
	for _, e := range entries {
		if e.Kind.Known() {
			next.added = append(next.added, addition{next.state, e.Hash})
		}
	}
	if excess := len(next.added) - maxNews; excess > 0 {
		next.since = next.added[excess-1].state
		next.added = slices.DeleteFunc(next.added, func(a addition) bool { return a.state <= next.since })
	}
	return next
}

// has reports whether one of the identifiers was added after a state, which is
// since or a later one.
func (n *news) has(ids []hash, after uint64) bool {
	for k := len(n.added) - 1; k >= 0 && n.added[k].state > after; k-- {
		for i := range ids {
			if ids[i] == n.added[k].hash {
				return true
			}
		}
	}
	return false
}

// prune drops what expired before now.
func (x *index) prune(now time.Time) {
	live := func(s slot) bool { return s.expiry == forever || int64(s.expiry) >= now.Unix() }
	n := 0
	for _, s := range x.table.slots {
		if s != (slot{}) && live(s) {
			n++
		}
	}
	if n < x.table.used {
		x.rebuild(n, live)
	}
}

// rebuild moves what is to be kept to a table for n entries. The caller is the
// one writer, so it may read without the lock, and those who look something up
// wait for no more than the exchange.
func (x *index) rebuild(n int, keep func(slot) bool) {
	next := x.table.copied(n, keep)
	x.mu.Lock()
	x.table = next
	x.mu.Unlock()
}

// table is an open-addressed hash table. A Go map of the same takes up to twice
// the memory, since it doubles; this one grows by a half, to 30 bytes an entry
// at most. The hashes are the issuer's, of random identifiers: their first bytes
// are spread as evenly as any function could spread them.
type table struct {
	slots []slot
	used  int
}

// slot is empty if its hash is all zeros, which no identifier that anybody will
// find has.
type slot struct {
	hash   hash
	expiry uint32 // unix seconds until which to keep it
}

// forever is the expiry of what is never dropped. In 2106 it will be a date.
const forever = math.MaxUint32

func expirySeconds(expiry int64) uint32 {
	if expiry == 0 || expiry >= forever {
		return forever
	}
	return uint32(expiry)
}

func newTable(n int) table { return table{slots: make([]slot, n+n/2+16)} }

// room is how many entries fit before look-ups get slow.
func (t *table) room() int { return len(t.slots) - len(t.slots)/5 }

// copied returns a table for n entries that has those of t that are to be kept.
func (t *table) copied(n int, keep func(slot) bool) table {
	next := newTable(n)
	next.putAll(*t, keep)
	return next
}

func always(slot) bool { return true }

// putAll adds entries of another table, for which there is room.
func (t *table) putAll(other table, keep func(slot) bool) {
	for _, s := range other.slots {
		if s != (slot{}) && keep(s) {
			t.put(s)
		}
	}
}

// find returns the slot of a hash: the one that has it, or the empty one where
// it would be.
func (t *table) find(h hash) *slot {
	n := len(t.slots)
	at, _ := bits.Mul64(binary.LittleEndian.Uint64(h[:]), uint64(n))
	for i := int(at); ; i++ {
		if i == n {
			i = 0
		}
		if s := &t.slots[i]; s.hash == h || s.hash == (hash{}) {
			return s
		}
	}
}

// put adds an entry, for which there is room. The latest expiry counts.
func (t *table) put(s slot) {
	there := t.find(s.hash)
	if *there == (slot{}) {
		t.used++
	}
	there.hash, there.expiry = s.hash, max(there.expiry, s.expiry)
}
