package fast_test

import (
	"testing"

	"github.com/writ-auth/writ/fast"
	"github.com/writ-auth/writ/jwk"
)

// TestAllocations: what a verification leaves for the garbage collector.
func TestAllocations(t *testing.T) {
	for alg, want := range map[jwk.Algorithm]float64{jwk.RS256: 0, jwk.PS256: 0, jwk.ES256: 0, jwk.EdDSA: 0} {
		key := pair(t, alg)
		prepared, sig := fast.Prepare(key.Public()), must(key.Sign(message))(t)
		got := testing.AllocsPerRun(20, func() { prepared.Verify(message, sig) })
		if got > want {
			t.Errorf("%s: a verification allocates %v times, want %v", alg, got, want)
		}
	}
}
