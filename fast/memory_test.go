package fast_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/writ-auth/writ/fast"
	"github.com/writ-auth/writ/jwk"
)

// TestMemoryPerKey holds what a Preparer counts, and the package documentation
// states, against what the heap grows by.
func TestMemoryPerKey(t *testing.T) {
	keys := map[string]*jwk.PrivateKey{"ES256": pair(t, jwk.ES256), "EdDSA": pair(t, jwk.EdDSA)}
	for _, bits := range []int{2048, 3072, 4096} {
		keys[fmt.Sprint("RS512 of ", bits)] = must(jwk.NewPrivateKey(jwk.RS512, rsaKey(bits)))(t)
	}
	stated := map[string]int64{
		"ES256": 86 << 10, "EdDSA": 129 << 10,
		"RS512 of 2048": 1536, "RS512 of 3072": 2048, "RS512 of 4096": 2560,
	}
	const copies = 64
	for name, key := range keys {
		t.Run(name, func(t *testing.T) {
			public := key.Public()
			var preparer fast.Preparer
			prepared := make([]*jwk.PublicKey, copies)
			before := heap()
			for i := range prepared {
				prepared[i] = preparer.Prepare(public)
			}
			grown := (heap() - before) / copies
			if counted := preparer.Bytes() / copies; counted != stated[name] {
				t.Errorf("%d bytes are counted for a key, want the %d that the documentation states", counted, stated[name])
			}
			// The allocator rounds up, and the key itself has some hundred bytes.
			if limit := stated[name] + stated[name]/12 + 1024; grown > limit {
				t.Errorf("the heap grows by %d bytes a key, want at most %d", grown, limit)
			}
			runtime.KeepAlive(prepared)
		})
	}
}

// heap is what is in use after everything else has been collected.
func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
