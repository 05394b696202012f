package jwt

import (
	"fmt"
	"strings"
	"testing"
)

// What is remembered of headers is bounded: eight, of a KiB each at most, whatever
// good tokens somebody has.
func TestHeaderCacheIsBounded(t *testing.T) {
	c, h := new(headerCache), new(header)
	for size, kept := range map[int]bool{100: true, 1024: true, 1025: false, 16 << 10: false} {
		encoded := strings.Repeat("a", size)
		c.put(encoded, h)
		if got := c.get(encoded) == h; got != kept {
			t.Errorf("a header of %d bytes: kept %v, want %v", size, got, kept)
		}
	}
	names := make([]string, 20)
	for n := range names {
		names[n] = fmt.Sprint("header-", n)
		c.put(names[n], h)
	}
	kept := 0
	for n, name := range names {
		if c.get(name) == nil {
			continue
		}
		if kept++; n < len(names)-8 {
			t.Errorf("%s is kept, and isn't among the last eight", name)
		}
	}
	if kept != 8 {
		t.Errorf("%d headers are kept, want 8", kept)
	}
}
