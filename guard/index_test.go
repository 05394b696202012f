package guard

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
)

func session(n int) hash { return revlog.Hash(revlog.Session, fmt.Sprint(n)) }

func revoked(n int, expiry int64) revlog.Entry {
	return revlog.Entry{Seq: uint64(n + 1), Kind: revlog.Session, Hash: session(n), Expiry: expiry}
}

func TestIndex(t *testing.T) {
	x := newIndex()
	var page []revlog.Entry
	for n := range 10_000 {
		page = append(page, revoked(n, int64(1000+n)))
		if len(page) == 37 {
			x.add(page)
			page = nil
		}
	}
	x.add(page)
	check := func(from, to int) {
		t.Helper()
		for n := range 20_000 {
			if got, want := x.has([]hash{session(n)}), n >= from && n < to; got != want {
				t.Fatalf("has(%d) is %v, want %v", n, got, want)
			}
		}
		if x.len() != to-from {
			t.Fatalf("%d entries, want %d", x.len(), to-from)
		}
	}
	check(0, 10_000)
	x.prune(time.Unix(1000, 0))
	check(0, 10_000)
	x.prune(time.Unix(4000, 0))
	check(3000, 10_000)
	x.add([]revlog.Entry{revoked(9000, 0), revoked(9001, 5), revoked(9002, 99_999_999_999)}) // for ever, shorter, beyond 2106
	x.prune(time.Unix(10_999, 0))
	for n, want := range map[int]bool{8999: false, 9000: true, 9001: false, 9002: true, 9998: false, 9999: true} {
		if got := x.has([]hash{session(n)}); got != want {
			t.Errorf("has(%d) is %v, want %v", n, got, want)
		}
	}
}

func TestIndexState(t *testing.T) {
	x := newIndex()
	before := x.news.Load().state
	x.add(nil)
	x.prune(time.Unix(1000, 0))
	if x.news.Load().state != before {
		t.Error("the state has changed though nothing was added")
	}
	x.add([]revlog.Entry{revoked(1, 0)})
	if x.news.Load().state == before {
		t.Error("the state has not changed though something was added")
	}
	if x.has(nil) {
		t.Error("a token without identifiers was found")
	}
}

// What was last looked at long ago, lately, just before, and never: all find
// what was added since.
func TestIndexNews(t *testing.T) {
	x := newIndex()
	const tokens = 3000
	checked := make([]atomic.Uint64, tokens)
	pages := rand.New(rand.NewPCG(1, 2))
	for next, last := 0, 0; next < tokens; last = next {
		var page []revlog.Entry
		for range pages.IntN(2 * maxNews / (1 + pages.IntN(20))) {
			page = append(page, revoked(next, 0))
			next++
		}
		page = append(page, revlog.Entry{Kind: 200, Hash: session(next)}) // of a kind to be passed over
		x.add(page)
		for n := range min(next, tokens) {
			if n < last && n%97 != 0 { // it was found before
				continue
			}
			if !x.revoked([]hash{session(-1), session(n)}, &checked[n]) {
				t.Fatalf("with %d in the log, %d isn't found", next, n)
			}
		}
		for n := next; n < tokens; n++ {
			if (n+next)%(1+n%50) != 0 { // some look each time, some seldom
				continue
			}
			if x.revoked([]hash{session(-1), session(n)}, &checked[n]) {
				t.Fatalf("with %d in the log, %d is found", next, n)
			}
		}
		if got := len(x.news.Load().added); got > maxNews {
			t.Fatalf("%d news, want at most %d", got, maxNews)
		}
	}
}

// A page that brings more than the news hold is not to be overlooked.
func TestIndexNewsOverflow(t *testing.T) {
	for _, size := range []int{1, maxNews - 1, maxNews, maxNews + 1, 3 * maxNews} {
		x := newIndex()
		var checked atomic.Uint64
		victim := []hash{session(0)}
		if x.revoked(victim, &checked) {
			t.Fatal("found in an empty log")
		}
		var page []revlog.Entry
		for n := range size {
			page = append(page, revoked(n, 0))
		}
		x.add(page)
		x.add([]revlog.Entry{revoked(size, 0)})
		for range 2 {
			if !x.revoked(victim, &checked) {
				t.Errorf("a page of %d and one more: the first entry isn't found", size)
			}
		}
	}
}

// The design allows 40 bytes an entry.
func TestIndexMemory(t *testing.T) {
	const n = 200_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	x := newIndex()
	for first := 0; first < n; first += 1000 {
		page := make([]revlog.Entry, 1000)
		for k := range page {
			page[k] = revoked(first+k, 1)
		}
		x.add(page)
		if size := cap(x.table.slots) * 20; x.len() > 2000 && size > 40*x.len() {
			t.Fatalf("%d bytes for %d entries, want at most 40 each", size, x.len())
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if used := int64(after.HeapAlloc) - int64(before.HeapAlloc); used > 40*n {
		t.Errorf("%d bytes of heap for %d entries, want at most 40 each", used, n)
	}
	runtime.KeepAlive(x)
}

func BenchmarkIndex(b *testing.B) {
	x := newIndex()
	for first := 0; first < 1_000_000; first += 10_000 {
		page := make([]revlog.Entry, 10_000)
		for k := range page {
			page[k] = revoked(first+k, 1)
		}
		x.add(page)
	}
	ids := []hash{session(-1), session(-2), session(-3), session(-4), session(-5)}
	b.ReportAllocs()
	for b.Loop() {
		if x.has(ids) {
			b.Fatal("found what isn't there")
		}
	}
}

// BenchmarkIndexNews is what a token costs at its first use after a revocation.
func BenchmarkIndexNews(b *testing.B) {
	x := newIndex()
	page := make([]revlog.Entry, 10_000)
	for k := range page {
		page[k] = revoked(k, 1)
	}
	x.add(page)
	before := x.news.Load().state
	x.add([]revlog.Entry{revoked(-6, 1)})
	ids := []hash{session(-1), session(-2), session(-3), session(-4), session(-5)}
	var checked atomic.Uint64
	b.ReportAllocs()
	for b.Loop() {
		checked.Store(before)
		if x.revoked(ids, &checked) {
			b.Fatal("found what isn't there")
		}
	}
}
