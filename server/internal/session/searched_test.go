package session_test

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/session"
)

// policy is one of the three for a used token after the grace. To repeat for
// ever is no setting of the server, but the same function with a grace without
// end.
func policy(name string) session.Rule {
	switch name {
	case "refuse":
		return session.Rule{Grace: searchGrace, Late: session.LateRefuse}
	case "repeat":
		return session.Rule{Grace: math.MaxInt64, Late: session.LateRecover}
	default:
		return session.Rule{Grace: searchGrace, Late: session.LateRecover}
	}
}

// of starts a search with a policy: three tabs and four requests under way at
// once, so that one at least is of a tab that gave up; by TEST_SEARCH=deep four
// tabs and six requests.
func of(name string) *search {
	if os.Getenv("TEST_SEARCH") == "deep" {
		return &search{rule: policy(name), tabs: 4, requests: maxRequests}
	}
	return &search{rule: policy(name), tabs: 3, requests: 4}
}

// TestNoHonestClientIsSignedOut visits every state that a browser of three tabs
// can bring a grant into, whatever is lost, late, concurrent or crashes.
func TestNoHonestClientIsSignedOut(t *testing.T) {
	for _, c := range []struct {
		policy, bad string
		steps       int // of the shortest trace
	}{
		{"recover", "", 0},
		{"repeat", "", 0},
		{"refuse", "an honest client is signed out", 8},
	} {
		t.Run(c.policy, func(t *testing.T) {
			s := of(c.policy)
			s.run()
			t.Logf("%d states: %q %s", len(s.seen), s.bad, s.how)
			s.wants(t, c.bad, c.steps)
		})
	}
}

// wants checks what a search found, and how soon.
func (s *search) wants(t *testing.T, bad string, steps int) {
	t.Helper()
	if s.bad != bad {
		t.Fatalf("found %q after: %s", s.bad, s.how)
	}
	if bad == "" && len(s.seen) < 400 {
		t.Errorf("only %d states were searched", len(s.seen))
	}
	if got := strings.Count(s.how, ";") + 1; bad != "" && got != steps {
		t.Errorf("the shortest trace has %d steps, want %d: %s", got, steps, s.how)
	}
}

// TestThiefIsCaught lets a thief copy the jar at any moment, and the client
// and the thief come one after the other, outside each other's grace: how
// often can they?
func TestThiefIsCaught(t *testing.T) {
	const bound = 8
	for name, turns := range map[string]int{"recover": 3, "refuse": 2, "repeat": bound} {
		t.Run(name, func(t *testing.T) {
			s := of(name)
			s.thief, s.turns = true, bound
			s.endless = name == "repeat" // which knows no "outside the grace"
			s.run()
			t.Logf("%d states, at most %d turns: %s", len(s.seen), s.most, s.trace(s.mostIn))
			s.wants(t, "", 0)
			if s.most != turns {
				t.Errorf("the grant ends by turn %d, want %d", s.most, turns)
			}
		})
	}
}

// TestThiefInTheGrace lets thief and client do what they like at once. Inside
// the grace nothing tells them apart, but there too no used token makes another.
func TestThiefInTheGrace(t *testing.T) {
	for _, name := range []string{"recover", "refuse", "repeat"} {
		t.Run(name, func(t *testing.T) {
			s := of(name)
			s.thief = true
			s.run()
			t.Logf("%d states", len(s.seen))
			s.wants(t, "", 0)
		})
	}
}

// TestWhatClientsAreAskedFor takes away, one by one, what clients are asked to
// do, and finds what it is good for: each is a way to be signed out.
func TestWhatClientsAreAskedFor(t *testing.T) {
	for name, c := range map[string]struct {
		without func(*search)
		steps   int
	}{
		"no refresh beside an older request": {func(s *search) { s.lateRequests = true }, 10},
		"no refresh beside an older answer":  {func(s *search) { s.lateAnswers = true }, 18},
		"nothing outlives the grace":         {func(s *search) { s.longFlights = true }, 12},
	} {
		t.Run(name, func(t *testing.T) {
			s := of("recover")
			c.without(s)
			s.run()
			t.Logf("%d states: %s", len(s.seen), s.how)
			s.wants(t, "an honest client is signed out", c.steps)
		})
	}
}

// TestSearchFindsBlindSwaps plants the fault that two nodes invite: an update
// that does not compare with what was read.
func TestSearchFindsBlindSwaps(t *testing.T) {
	s := of("recover")
	s.thief, s.blindSwaps = true, true
	s.run()
	t.Logf("%d states: %s: %s", len(s.seen), s.bad, s.how)
	s.wants(t, "a token is newer than the row", 13)
}

// TestDecideSeesOrderOnly is what lets the search renumber generations: what a
// token gets depends on which of the two it equals, and on nothing else.
func TestDecideSeesOrderOnly(t *testing.T) {
	for _, name := range []string{"recover", "refuse", "repeat"} {
		for _, age := range []time.Duration{0, searchGrace + 1} {
			rule := policy(name)
			small := func(confirmed, newest, presented uint64) (session.Verdict, [2]uint64) {
				before := auth.Rotation{Confirmed: confirmed, Current: newest, IssuedAt: time.Unix(0, 0)}
				v, after := rule.Decide(before, presented, time.Unix(0, 0).Add(age), 1)
				return v, [2]uint64{after.Confirmed - confirmed, after.Current - newest}
			}
			for confirmed := range uint64(7) {
				for newest := confirmed; newest < 9; newest++ {
					for presented := range newest + 1 {
						got, moved := small(confirmed, newest, presented)
						c, n, p := uint64(used), uint64(current), uint64(dead)
						if confirmed == newest {
							n = used
						}
						switch presented {
						case newest:
							p = n
						case confirmed:
							p = c
						}
						want, wantMoved := small(c, n, p)
						if got == session.VerdictRotate { // confirmed becomes current
							moved[0], wantMoved[0] = moved[0]-(newest-confirmed), wantMoved[0]-(n-c)
						}
						if got != want || moved != wantMoved {
							t.Fatalf("%s: (%d, %d) and %d: %v, but %v as (%d, %d) and %d", name, confirmed, newest, presented, got, want, c, n, p)
						}
					}
				}
			}
		}
	}
}
