package session

import (
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

var issued = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// TestDecide holds the rotation function against the design's table.
func TestDecide(t *testing.T) {
	const grace = 30 * time.Second
	fresh := auth.Rotation{Confirmed: 0, Current: 0, IssuedAt: issued, TagKey: 1}
	used := auth.Rotation{Confirmed: 4, Current: 5, IssuedAt: issued, TagKey: 1}
	orphaned := auth.Rotation{Confirmed: 4, Current: 6, IssuedAt: issued, Recoveries: 1, TagKey: 1}
	for _, c := range []struct {
		name      string
		before    auth.Rotation
		presented uint64
		after     time.Duration
		late      Late
		verdict   Verdict
		want      auth.Rotation
	}{
		{"first use", fresh, 0, time.Hour, LateRecover, VerdictRotate, auth.Rotation{Confirmed: 0, Current: 1, IssuedAt: issued.Add(time.Hour), TagKey: 2}},
		{"current", used, 5, 0, LateRecover, VerdictRotate, auth.Rotation{Confirmed: 5, Current: 6, IssuedAt: issued, TagKey: 2}},
		{"just used, at once", used, 4, 0, LateRecover, VerdictRepeat, used},
		{"just used, 1 ms before the grace ends", used, 4, grace - time.Millisecond, LateRecover, VerdictRepeat, used},
		{"just used, as the grace ends", used, 4, grace, LateRecover, VerdictRepeat, used},
		{"just used, 1 ms after the grace", used, 4, grace + time.Millisecond, LateRecover, VerdictRecover,
			auth.Rotation{Confirmed: 4, Current: 6, IssuedAt: issued.Add(grace + time.Millisecond), Recoveries: 1, TagKey: 2}},
		{"just used, 1 ms after the grace, refused", used, 4, grace + time.Millisecond, LateRefuse, VerdictLate, used},
		{"just used, refused only after the grace", used, 4, grace, LateRefuse, VerdictRepeat, used},
		{"just used, the clock jumped back", used, 4, -time.Hour, LateRecover, VerdictRepeat, used},
		{"older than confirmed", used, 3, 0, LateRecover, VerdictTheft, used},
		{"the first, long ago", used, 0, 0, LateRecover, VerdictTheft, used},
		{"the orphan, inside the grace", orphaned, 5, 0, LateRecover, VerdictTheft, orphaned},
		{"the orphan, after it", orphaned, 5, time.Hour, LateRecover, VerdictTheft, orphaned},
		{"recovered again", orphaned, 4, time.Hour, LateRecover, VerdictRecover,
			auth.Rotation{Confirmed: 4, Current: 7, IssuedAt: issued.Add(time.Hour), Recoveries: 2, TagKey: 2}},
		{"the recovered one", orphaned, 6, time.Hour, LateRecover, VerdictRotate,
			auth.Rotation{Confirmed: 6, Current: 7, IssuedAt: issued.Add(time.Hour), Recoveries: 1, TagKey: 2}},
		{"above current", used, 6, 0, LateRecover, VerdictStateLost, used},
		{"far above current", used, 1 << 63, time.Hour, LateRefuse, VerdictStateLost, used},
	} {
		t.Run(c.name, func(t *testing.T) {
			rule := Rule{Grace: grace, Late: c.late}
			verdict, after := rule.Decide(c.before, c.presented, c.before.IssuedAt.Add(c.after), 2)
			if verdict != c.verdict || after != c.want {
				t.Errorf("Decide(%+v, %d) = %v, %+v; want %v, %+v", c.before, c.presented, verdict, after, c.verdict, c.want)
			}
		})
	}
}

// TestDecideWithoutGrace: a grace of zero still repeats within one instant.
func TestDecideWithoutGrace(t *testing.T) {
	before := auth.Rotation{Confirmed: 1, Current: 2, IssuedAt: issued}
	if v, _ := (Rule{Late: LateRecover}).Decide(before, 1, issued.Add(time.Microsecond), 1); v != VerdictRecover {
		t.Errorf("after the instant: %v, want recover", v)
	}
}

// world is one point of the search below: a grant, an honest client whose
// answers may be lost, and a thief with a copy.
type world struct {
	grant        auth.Rotation
	held, stolen int64 // generations; -1: the thief has nothing
	client       bool  // whose turn the last refresh was
	turns        int
}

// TestNoHonestClientIsSignedOut searches every order of refreshes, lost
// answers and waits, sixteen steps deep, of one client without a thief.
func TestNoHonestClientIsSignedOut(t *testing.T) {
	rule := Rule{Grace: time.Second, Late: LateRecover}
	type point struct {
		grant auth.Rotation
		held  uint64
		now   time.Duration
	}
	seen := map[point]bool{}
	var walk func(p point, depth int, path string)
	walk = func(p point, depth int, path string) {
		if depth == 0 || seen[p] {
			return
		}
		seen[p] = true
		verdict, after := rule.Decide(p.grant, p.held, issued.Add(p.now), 1)
		if verdict == VerdictTheft || verdict == VerdictLate || verdict == VerdictStateLost {
			t.Fatalf("signed out by %v after:%s", verdict, path)
		}
		for _, wait := range []time.Duration{0, 2 * time.Second} {
			walk(point{after, after.Current, p.now + wait}, depth-1, path+" refresh")
			walk(point{after, p.held, p.now + wait}, depth-1, path+" lost")
		}
	}
	walk(point{grant: auth.Rotation{IssuedAt: issued}}, 16, "")
	if len(seen) < 1000 {
		t.Fatalf("only %d states were searched", len(seen))
	}
}

// TestThiefIsCaught searches every order in which a thief and the client take
// turns outside each other's grace: the grant ends by the third turn.
func TestThiefIsCaught(t *testing.T) {
	rule := Rule{Grace: time.Second, Late: LateRecover}
	most := 0
	var walk func(w world, now time.Duration, depth int)
	walk = func(w world, now time.Duration, depth int) {
		most = max(most, w.turns)
		if depth == 0 {
			return
		}
		now += 2 * time.Second
		for _, byClient := range []bool{true, false} {
			next := w
			presented := w.held
			if !byClient {
				presented = w.stolen
			}
			if byClient != w.client {
				next.turns++
			}
			next.client = byClient
			verdict, after := rule.Decide(w.grant, uint64(presented), issued.Add(now), 1)
			if verdict == VerdictTheft {
				most = max(most, next.turns)
				continue
			}
			next.grant = after
			if byClient {
				next.held = int64(after.Current)
			} else {
				next.stolen = int64(after.Current)
			}
			walk(next, now, depth-1)
		}
	}
	for confirmed := range uint64(2) {
		g := auth.Rotation{Confirmed: confirmed, Current: confirmed, IssuedAt: issued}
		walk(world{grant: g, held: int64(confirmed), stolen: int64(confirmed), client: true}, 0, 14)
	}
	if most != 3 {
		t.Errorf("thief and client took %d turns, want the grant to end by the third", most)
	}
}
