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
