package session

import (
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// Verdict is what a presented refresh token gets.
type Verdict int

// The verdicts. The zero value refuses.
const (
	VerdictStateLost Verdict = iota // above current: the database is older than the token; never theft
	VerdictRotate                   // current: it is confirmed, and a new one issued
	VerdictRepeat                   // just used: the same successor again, nothing forks
	VerdictRecover                  // used a while ago, its answer lost: a new successor, the unused one orphaned
	VerdictLate                     // the same, where the policy is to refuse: ends the grant
	VerdictTheft                    // an orphan, or older than confirmed: ends the grant
)

// String names the verdict as metrics and the audit do.
func (v Verdict) String() string {
	return [...]string{"state_lost", "rotate", "repeat", "recover", "late", "theft"}[v]
}

// Late says what a just-used refresh token gets after the grace.
type Late string

// The policies of --refresh-late.
const (
	LateRecover Late = "recover"
	LateRefuse  Late = "refuse"
)

// Rule is the rotation function's policy.
type Rule struct {
	Grace time.Duration // how long a just-used refresh token repeats its successor
	Late  Late
}

// Decide is the rotation function: pure, total, and the only place that knows
// it. before is the grant's state, presented the generation of a refresh token
// whose tag is valid, tagKey the key that tags new ones. It answers the verdict
// and the state that follows (before itself, where nothing is issued).
//
// A thief and the client can't both go on: whoever refreshes second presents
// a token that is confirmed (and so recovers, orphaning what the other holds)
// or older (and so ends the grant). An answer that was lost, a second tab, a
// retry never end it: each presents current or confirmed.
//
// Time may jump back: a negative age counts as inside the grace, where a
// repeat hands out nothing that was not handed out before.
func (r Rule) Decide(before auth.Rotation, presented uint64, now time.Time, tagKey uint32) (Verdict, auth.Rotation) {
	switch {
	case presented > before.Current:
		return VerdictStateLost, before
	case presented == before.Current:
		after := before
		after.Confirmed = before.Current
		return VerdictRotate, issue(after, now, tagKey)
	case presented != before.Confirmed:
		return VerdictTheft, before
	case now.Sub(before.IssuedAt) <= r.Grace:
		return VerdictRepeat, before
	case r.Late == LateRefuse:
		return VerdictLate, before
	default:
		after := before
		after.Recoveries++
		return VerdictRecover, issue(after, now, tagKey)
	}
}

func issue(s auth.Rotation, now time.Time, tagKey uint32) auth.Rotation {
	s.Current++
	s.IssuedAt, s.TagKey = now, tagKey
	return s
}
