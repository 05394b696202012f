package guard

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"
)

// cache remembers verified tokens within a bound of memory. Only tokens with a
// good signature get in, so what an attacker can flood it with is good tokens
// of his own; the queue of each shard (SIEVE, by Zhang and others, NSDI 2024)
// lets those that were asked for only once pass through without pushing out
// those that are in use: a hit sets a mark, and the hand that looks for something
// to drop takes away marks before it drops what has none. So a hit writes
// nothing but the mark, once.
type cache struct {
	seed   maphash.Seed
	shards []shard
}

const (
	maxShards   = 64
	minShard    = 256 << 10 // bytes: some 80 tokens, so that shards fill evenly enough
	hashedTail  = 64        // of the token: the signature is as good as random, and short
	entryBytes  = 1024      // Access, claims, map and queue
	bytesOfChar = 3         // the token, its payload, and the claims in it
)

type shard struct {
	mu         sync.RWMutex
	entries    map[uint64]*entry
	head, tail *entry // newest, oldest
	hand       *entry // where the search for something to drop goes on
	used       int
	limit      int
	_          [40]byte // shards share no cache line
}

type entry struct {
	access     *Access
	hash       uint64
	prev, next *entry // towards the head, towards the tail
	used       atomic.Bool
}

// newCache returns a cache for so many bytes, nil if they are negative.
func newCache(size int) *cache {
	if size < 0 {
		return nil
	}
	n := min(max(size/minShard, 1), maxShards)
	n = 1 << (bits.Len(uint(n)) - 1)
	c := &cache{seed: maphash.MakeSeed(), shards: make([]shard, n)}
	for i := range c.shards {
		c.shards[i].entries = make(map[uint64]*entry)
		c.shards[i].limit = size / n
	}
	return c
}

// hash covers the end of the token. Tokens that agree there and differ
// elsewhere share a place, which costs them a verification, nothing more: what
// is compared at a hit is the whole token.
func (c *cache) hash(token string) uint64 {
	return maphash.String(c.seed, token[max(len(token)-hashedTail, 0):])
}

func (c *cache) shard(hash uint64) *shard { return &c.shards[hash&uint64(len(c.shards)-1)] }

func (c *cache) get(token string) *Access {
	if c == nil {
		return nil
	}
	hash := c.hash(token)
	s := c.shard(hash)
	s.mu.RLock()
	e := s.entries[hash]
	s.mu.RUnlock()
	if e == nil || e.access.raw != token {
		return nil
	}
	if !e.used.Load() {
		e.used.Store(true)
	}
	return e.access
}

func (c *cache) add(a *Access) {
	if c == nil {
		return
	}
	hash := c.hash(a.raw)
	s, size := c.shard(hash), a.size()
	s.mu.Lock()
	defer s.mu.Unlock()
	if size > s.limit {
		return
	}
	if old := s.entries[hash]; old != nil {
		s.drop(old)
	}
	for s.used+size > s.limit {
		s.evict()
	}
	e := &entry{access: a, hash: hash, next: s.head}
	if s.head != nil {
		s.head.prev = e
	} else {
		s.tail = e
	}
	s.head = e
	s.entries[hash] = e
	s.used += size
}

// remove forgets an access, and not another one that has taken its place.
func (c *cache) remove(a *Access) {
	if c == nil {
		return
	}
	hash := c.hash(a.raw)
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[hash]; e != nil && e.access == a {
		s.drop(e)
	}
}

// evict drops the next entry without a mark, from old to new and round again.
// There is an entry: the caller found the shard over its limit.
func (s *shard) evict() {
	e := s.hand
	for {
		if e == nil {
			e = s.tail
		}
		if !e.used.Swap(false) {
			break
		}
		e = e.prev
	}
	s.hand = e
	s.drop(e)
}

// drop unlinks an entry. A hand that points to it moves on.
func (s *shard) drop(e *entry) {
	if s.hand == e {
		s.hand = e.prev
	}
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		s.head = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		s.tail = e.prev
	}
	delete(s.entries, e.hash)
	s.used -= e.access.size()
}

// size is what an access takes, about; it never changes.
func (a *Access) size() int { return entryBytes + bytesOfChar*len(a.raw) }

// usage counts entries and bytes.
func (c *cache) usage() (entries, bytes int) {
	if c == nil {
		return 0, 0
	}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		entries += len(s.entries)
		bytes += s.used
		s.mu.RUnlock()
	}
	return entries, bytes
}
