package cli_test

import (
	"testing"

	"github.com/writ-auth/writ/server/internal/cli"
)

// TestAcknowledged: who waits hears who is counted, and that nobody is where
// all verifiers are anonymous.
func TestAcknowledged(t *testing.T) {
	for _, c := range []struct {
		acknowledged, of int
		scope, want      string
	}{
		{3, 4, "all", "acknowledged by 3 of the 4 verifiers that follow with credentials; others aren't counted"},
		{3, 4, "some", "acknowledged by 3 of the 4 verifiers that follow with credentials, as far as nodes answered in time; others aren't counted"},
		{0, 0, "all", "no verifier follows with credentials; others aren't counted"},
		{0, 0, "some", "no verifier follows with credentials, as far as nodes answered in time; others aren't counted"},
	} {
		if got := cli.AcknowledgedText(c.acknowledged, c.of, c.scope); got != c.want {
			t.Errorf("%d of %d, %s: %q, want %q", c.acknowledged, c.of, c.scope, got, c.want)
		}
	}
}
