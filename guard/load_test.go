package guard_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
)

// BenchmarkColdStart is a guard's start on a signed log of a million entries,
// from New to Ready, with what the log's side costs in the same process.
func BenchmarkColdStart(b *testing.B) {
	const entries = 1_000_000
	l := newSignedLog(b)
	l.pageSize = 5000
	for n := range entries {
		e := revlog.Entry{Seq: uint64(n) + 1, Kind: revlog.Token, Hash: revlog.Hash(revlog.Token, fmt.Sprint(n)),
			Expiry: time.Now().Add(time.Hour).Unix()}
		l.entries, l.chains = append(l.entries, e), append(l.chains, l.chains[n].Next(e))
	}
	var peak, held uint64
	for b.Loop() {
		before := inUse(true)
		g := l.guard(b, nil)
		if err := g.Ready(b.Context()); err != nil {
			b.Fatal(err)
		}
		peak = max(peak, inUse(false)-before)
		held = inUse(true) - before
		if n := g.Stats().Issuers[0].Revoked; n != entries {
			b.Fatalf("%d entries", n)
		}
		if err := g.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(held)/1e6, "MB-held")
	b.ReportMetric(float64(peak)/1e6, "MB-at-its-end")
}

// inUse answers how many bytes are in use.
func inUse(collected bool) uint64 {
	if collected {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
