package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/jwt"
)

// TestNothingIsMissed cuts the connections of guards, and of a relay before
// others, and kills the server among revocations, by a seed. A guard that says
// that it has an entry refuses the token, and each has all of them soon.
func TestNothingIsMissed(t *testing.T) {
	rounds, half, killed := 40, 5, func(n, random int) bool { return n%5 == random }
	long := os.Getenv("TEST_LOG") == "long"
	if long {
		rounds, half, killed = 120, 30, func(n, random int) bool { return n%6 > 0 }
	}
	s := running(t)
	s.makeAPI()
	network := newProxy(t, s.url("")[len("http://"):])
	logURL := fmt.Sprintf("http://localhost:%d/v1/revocations", network.port())
	guards := followers(t, s, half, logURL, nil)
	guards = append(guards, followers(t, s, half, relayOf(t, logURL), nil)...)
	random := rand.New(rand.NewPCG(1, 2))
	v := newVictim(s)
	var revoked []string
	cuts, kills := 0, 0
	for n := range rounds {
		if long {
			time.Sleep(lasting)
		}
		for i, g := range guards {
			if err := g.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := g.Verify(t.Context(), v.held.AccessToken); err != nil && !errors.Is(err, jwt.ErrUnavailable) {
				t.Errorf("round %d, guard %d, before: %v", n, i, err)
			}
		}
		kill := killed(n, random.IntN(2))
		before, after := random.IntN(2) == 0, random.IntN(2) == 0
		if long { // one thing at a time, or a stream would be a short one
			before, after = before && !kill, !before && !kill
		}
		if before || !after && !long {
			network.cut()
			cuts++
		}
		seq := v.revoke()
		revoked = append(revoked, v.held.AccessToken)
		if after {
			network.cut()
			cuts++
		}
		if kill {
			s.kill()
			s.start()
			kills++
		}
		refusedEverywhere(t, s, guards, v.held.AccessToken, seq)
		v.renew()
		if n%100 == 99 {
			v.admin = s.signIn("").AccessToken
		}
	}
	refusedStill(t, guards, revoked)
	var reconnects uint64
	for _, g := range guards {
		reconnects += g.Stats().Issuers[0].Reconnects
	}
	t.Logf("%d cuts and %d restarts among %d revocations: %d streams of %d guards were opened again", cuts, kills, rounds, reconnects, len(guards))
}

// lasting is how long a stream must last before it is cut so that a guard goes on
// streaming: it gives up on a network that cuts one after the other sooner, as
// the short form does, and polls.
const lasting = 7 * time.Second

// refusedStill wants guards to refuse all tokens that were revoked, or to say
// that they can't know. Tokens that are over by now prove nothing.
func refusedStill(t *testing.T, guards []*guard.Guard, revoked []string) {
	t.Helper()
	until := time.Now().Add(time.Minute)
	for i, g := range guards {
		for !g.Stats().Issuers[0].Fresh && time.Now().Before(until) {
			time.Sleep(50 * time.Millisecond) // until another process answers
		}
		known := 0
		for n, token := range revoked {
			_, err := g.Verify(t.Context(), token)
			switch {
			case errors.Is(err, guard.ErrRevoked):
				known++
			case !errors.Is(err, jwt.ErrExpired):
				t.Errorf("guard %d, revocation %d: %v", i, n, err)
			}
		}
		if known == 0 {
			t.Errorf("guard %d: all tokens are over, which proves nothing", i)
		}
	}
}
