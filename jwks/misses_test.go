package jwks

import (
	"fmt"
	"testing"
	"time"
)

// However many keys are made up, what is remembered of them is bounded.
func TestMissesAreBounded(t *testing.T) {
	var m misses
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for n := range 10 * maxMisses {
		id := keyID{"ES256", fmt.Sprint("made-up-", n)}
		m.add(id, now, DefaultCooldown, DefaultMaxAge)
		if len(m) > maxMisses {
			t.Fatalf("%d are remembered, want at most %d", len(m), maxMisses)
		}
		if !m.has(id, now.Add(DefaultCooldown-1)) || m.has(id, now.Add(DefaultCooldown)) {
			t.Fatal("the last one isn't remembered for the cool-down")
		}
	}
}
