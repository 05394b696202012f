//go:build !race

package jwk_test

import (
	"strings"
	"testing"

	"github.com/writ-auth/writ/jwk"
)

// Under the race detector sync.Pool drops entries at random, so this is only
// built without it; make test runs it on its own.
func TestHMACAllocations(t *testing.T) {
	s := must(jwk.GenerateSecret(jwk.HS256))(t)
	message := []byte(strings.Repeat("x", 400))
	sig := must(s.Sign(message))(t)
	if got := testing.AllocsPerRun(100, func() { s.Verify(message, sig) }); got > 0 {
		t.Errorf("Verify allocates %v times, want 0", got)
	}
}
