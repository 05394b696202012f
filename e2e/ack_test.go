package e2e

import (
	"testing"
	"time"

	"github.com/writ-auth/writ/guard"
)

// TestWaitForGuards revokes and waits: when the call answers, every guard with
// credentials refuses the token, and the answer counts them. A guard that has
// gone isn't waited for for ever.
func TestWaitForGuards(t *testing.T) {
	s := running(t)
	s.makeAPI()
	known := &guard.Credentials{ClientID: "guards", ClientSecret: s.service("guards", nil)}
	guards := followers(t, s, 10, "", known)
	followers(t, s, 3, "", nil) // strangers count for nothing
	v := newVictim(s)
	until := time.Now().Add(3 * time.Minute) // guards are up to date before their streams are open
	for complete := 0; complete < 5; {
		accepted(t, guards, v.held.AccessToken)
		var end struct {
			Seq              uint64
			Acknowledged, Of int
		}
		s.must(200, "POST", "/v1/admin/revocations?wait=10s", v.admin, map[string]string{"token": v.held.AccessToken}).get(t, &end)
		if end.Of == len(guards) && end.Acknowledged == len(guards) {
			for i, g := range guards {
				if sequence := g.Stats().Issuers[0].Sequence; sequence < end.Seq {
					t.Errorf("guard %d has acknowledged %d and has %d", i, end.Seq, sequence)
				}
				if _, err := g.Verify(t.Context(), v.held.AccessToken); err == nil {
					t.Errorf("guard %d takes a token that it has acknowledged the end of", i)
				}
			}
			complete++
		} else if time.Now().After(until) {
			t.Fatalf("%d of %d have acknowledged, want %d", end.Acknowledged, end.Of, len(guards))
		}
		v.renew()
	}
}
