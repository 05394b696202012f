package guard

import (
	"sync"
	"sync/atomic"
)

// tally is a counter for what each request counts. Processors that write to one
// place take turns, which costs each of them as much as everything else that a
// guard does for a known token; so each has a stripe of its own. What keeps a
// stripe at hand where it was last used is sync.Pool. Two processors may come to
// share one: then they count as slowly as with any counter, and as exactly.
type tally struct {
	_       [128]byte // all read the pool's place, so nobody should write beside it
	pool    sync.Pool // of *stripe
	given   atomic.Uint32
	stripes [maxStripes]stripe
}

const maxStripes = 64

// stripe fills the cache line that it is on, and the one that is fetched along.
type stripe struct {
	n atomic.Uint64
	_ [120]byte
}

func (t *tally) add() {
	s, ok := t.pool.Get().(*stripe)
	if !ok { // the first time here, or the garbage collector has emptied the pool
		s = &t.stripes[t.given.Add(1)%maxStripes]
	}
	s.n.Add(1)
	t.pool.Put(s)
}

func (t *tally) load() (n uint64) {
	for i := range t.stripes {
		n += t.stripes[i].n.Load()
	}
	return n
}
