package guard

import (
	"fmt"
	"runtime"
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
	before := x.state.Load()
	x.add(nil)
	x.prune(time.Unix(1000, 0))
	if x.state.Load() != before {
		t.Error("the state has changed though nothing was added")
	}
	x.add([]revlog.Entry{revoked(1, 0)})
	if x.state.Load() == before {
		t.Error("the state has not changed though something was added")
	}
	if x.has(nil) {
		t.Error("a token without identifiers was found")
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
