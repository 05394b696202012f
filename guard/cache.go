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
// nothing but the mark, once, and takes no lock: processors that serve the same
// token don't wait for each other.
//
// Nobody who hasn't got the seed can choose tokens that fall into one chain, and
// tokens with the same hash have one place, so chains are short whatever comes.
type cache struct {
	seed   maphash.Seed
	chains []chain // by the low bits of the hash; their number never changes
	shards []shard // by fewer of these bits: each chain belongs to one shard
}

const (
	maxShards   = 64
	minShard    = 256 << 10 // bytes: some 80 tokens, so that shards fill evenly enough
	chainBytes  = 2048      // of the limit, for each chain: about a token
	hashedTail  = 64        // of the token: the signature is as good as random, and short
	entryBytes  = 1024      // Access, claims, chain and queue
	bytesOfChar = 3         // the token, its payload, and the claims in it
	bytesOfItem = 16        // of a list in the claims
)

// chain leads to the entries with the same low bits of the hash. Who reads while
// it is changed may miss one of them, which costs a verification.
type chain = atomic.Pointer[entry]

// shard is what writers lock.
type shard struct {
	mu         sync.Mutex
	head, tail *entry // newest, oldest
	hand       *entry // where the search for something to drop goes on
	entries    int
	used       int
	limit      int
	_          [72]byte // shards share no cache line, nor the one that is fetched along
}

type entry struct {
	hash   uint64
	access *Access
	size   int   // what it takes, about
	chain  chain // what comes after it
	used   atomic.Bool

	prev, next *entry // towards the head, towards the tail
}

// newCache returns a cache for so many bytes, nil if they are negative.
func newCache(size int) *cache {
	if size < 0 {
		return nil
	}
	shards := powerOfTwo(min(size/minShard, maxShards))
	c := &cache{
		seed:   maphash.MakeSeed(),
		chains: make([]chain, powerOfTwo(size/chainBytes)),
		shards: make([]shard, shards),
	}
	for i := range c.shards {
		c.shards[i].limit = size / shards
	}
	return c
}

// powerOfTwo returns the largest that is at most n, and at least 1.
func powerOfTwo(n int) int { return 1 << (bits.Len(uint(max(n, 1))) - 1) }

// hash covers the end of the token. Tokens that agree there and differ
// elsewhere share a place, which costs them a verification, nothing more: what
// is compared at a hit is the whole token.
func (c *cache) hash(token string) uint64 {
	return maphash.String(c.seed, token[max(len(token)-hashedTail, 0):])
}

func (c *cache) chain(hash uint64) *chain { return &c.chains[hash&uint64(len(c.chains)-1)] }
func (c *cache) shard(hash uint64) *shard { return &c.shards[hash&uint64(len(c.shards)-1)] }

// find returns the entry with a hash, nil if there is none.
func (c *cache) find(hash uint64) *entry {
	e := c.chain(hash).Load()
	for e != nil && e.hash != hash {
		e = e.chain.Load()
	}
	return e
}

func (c *cache) get(token string) *Access {
	if c == nil {
		return nil
	}
	e := c.find(c.hash(token))
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
	hash, size := c.hash(a.raw), a.size()
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if size > s.limit {
		return
	}
	if old := c.find(hash); old != nil {
		c.drop(old)
	}
	for s.used+size > s.limit {
		c.drop(s.choose())
	}
	e := &entry{access: a, hash: hash, size: size}
	s.link(e)
	first := c.chain(hash)
	e.chain.Store(first.Load())
	first.Store(e) // now it can be found, and is complete
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
	if e := c.find(hash); e != nil && e.access == a {
		c.drop(e)
	}
}

// drop forgets an entry. The caller has locked its shard.
func (c *cache) drop(e *entry) {
	at := c.chain(e.hash)
	for at.Load() != e {
		at = &at.Load().chain
	}
	at.Store(e.chain.Load()) // who has come to e goes on from there all the same
	c.shard(e.hash).unlink(e)
}

// choose returns the next entry without a mark, from old to new and round again.
// There is an entry: the caller found the shard over its limit.
func (s *shard) choose() *entry {
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
	return e
}

// link puts an entry at the head of the queue.
func (s *shard) link(e *entry) {
	e.next = s.head
	if s.head != nil {
		s.head.prev = e
	} else {
		s.tail = e
	}
	s.head = e
	s.entries++
	s.used += e.size
}

// unlink takes an entry out of the queue. A hand that points to it moves on.
func (s *shard) unlink(e *entry) {
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
	s.entries--
	s.used -= e.size
}

// size is what an access takes, about, and rather less than more. A list of
// short words takes many times what it took in the token.
func (a *Access) size() int {
	c := &a.claims
	items := cap(a.ids) + cap(c.Audience) + cap(c.Roles) + cap(c.Permissions) + cap(c.Scope) + cap(c.AMR) + cap(c.Epochs)
	return entryBytes + bytesOfChar*len(a.raw) + bytesOfItem*items
}

// usage counts entries and bytes.
func (c *cache) usage() (entries, bytes int) {
	if c == nil {
		return 0, 0
	}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		entries += s.entries
		bytes += s.used
		s.mu.Unlock()
	}
	return entries, bytes
}
