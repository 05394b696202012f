package guard

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// stored returns an access of which the cache needs no more than the token.
func stored(token string) *Access { return &Access{raw: token} }

// tokenOf looks like a token of 500 letters that ends in n.
func tokenOf(n int) string { return fmt.Sprintf("%0500d", n) }

func (c *cache) longestChain() (longest int) {
	for i := range c.chains {
		length := 0
		for e := c.chains[i].Load(); e != nil; e = e.chain.Load() {
			length++
		}
		longest = max(longest, length)
	}
	return longest
}

// However full the cache is, a look-up passes few others.
func TestChainsAreShort(t *testing.T) {
	for _, size := range []int{300_000, DefaultCacheBytes} {
		c := newCache(size)
		for n := range 2 * size / entryBytes {
			c.add(stored(tokenOf(n)))
		}
		if got := c.longestChain(); got > 20 {
			t.Errorf("%d bytes: %d entries in a chain, want a few", size, got)
		}
		if entries, bytes := c.usage(); bytes > size || entries < size/entryBytes/4 {
			t.Errorf("%d bytes: %d entries of %d bytes, want it well filled", size, entries, bytes)
		}
	}
}

// Tokens with the same end have one place: the last one has it, and no other is
// taken for it.
func TestTokensWithTheSameEnd(t *testing.T) {
	c := newCache(DefaultCacheBytes)
	end := strings.Repeat("e", hashedTail)
	token := func(n int) string { return tokenOf(n) + end }
	for n := range 5000 {
		c.add(stored(token(n)))
		if a := c.get(token(n)); a == nil || a.raw != token(n) {
			t.Fatalf("token %d isn't found", n)
		}
		if n > 0 && c.get(token(n-1)) != nil {
			t.Fatalf("token %d is found still", n-1)
		}
	}
	if entries, _ := c.usage(); entries != 1 || c.longestChain() != 1 {
		t.Errorf("%d entries, %d in a chain; want 1, 1", entries, c.longestChain())
	}
	if c.get(end) != nil || c.get("x"+token(4999)[1:]) != nil || c.get("") != nil {
		t.Error("what agrees with the token only at its end was found")
	}
}

// Another access of the same token is not the one that is to be removed.
func TestRemoveTheSame(t *testing.T) {
	c := newCache(DefaultCacheBytes)
	old, next := stored("token"), stored("token")
	c.add(old)
	c.add(next)
	c.remove(old)
	if c.get("token") != next {
		t.Error("the access that took the place of the removed one is gone")
	}
	c.remove(next)
	c.remove(next)
	if entries, bytes := c.usage(); c.get("token") != nil || entries != 0 || bytes != 0 {
		t.Errorf("%d entries of %d bytes, want none", entries, bytes)
	}
}

// Readers take no lock. What they find while others write is the token that they
// look for or nothing, and in the end the chains hold what the queues hold.
func TestReadersTakeNoLock(t *testing.T) {
	const tokens = 600
	c := newCache(tokens / 2 * (entryBytes + bytesOfChar*500))
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for n := range 6000 {
				token := tokenOf((n*7 + worker*n/3) % tokens)
				a := c.get(token)
				switch {
				case a != nil && a.raw != token:
					t.Error("found another token")
				case a == nil:
					c.add(stored(token))
				case n%5 == worker:
					c.remove(a)
				}
			}
		})
	}
	all.Wait()
	entries, bytes := c.usage()
	found := 0
	for n := range tokens {
		if c.get(tokenOf(n)) != nil {
			found++
		}
	}
	if want := found * stored(tokenOf(0)).size(); found != entries || bytes != want {
		t.Errorf("%d found, %d entries of %d bytes, want as many as are found, of %d bytes", found, entries, bytes, want)
	}
}
