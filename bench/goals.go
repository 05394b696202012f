package main

import (
	"fmt"
	"math"

	"github.com/writ-auth/writ/jwk"
)

// goal is what this library sets itself.
type goal struct {
	name, goal, measured string
	met                  bool
}

// atMost compares as shown, so that no reader finds "1.04×, goal 1.04×: missed".
func atMost(name string, measured, limit float64, show func(float64) string) goal {
	return goal{name, "≤ " + show(limit), show(measured), round(measured) <= limit}
}

func atLeast(name string, measured, limit float64, show func(float64) string) goal {
	return goal{name, "≥ " + show(limit), show(measured), round(measured) >= limit}
}

func round(x float64) float64 { return math.Round(x*100) / 100 }

func count(n float64) string { return fmt.Sprintf("%.0f", n) }

func nanoseconds(n float64) string { return fmt.Sprintf("%.0f ns", n) }

func (r *Report) goals() []goal {
	goals := append(r.verifyGoals(), r.peerGoals()...)
	for _, alg := range []jwk.Algorithm{jwk.ES256, jwk.EdDSA} {
		if x := r.find(opSign, alg, ourName); x != nil {
			goals = append(goals, atMost("sign with "+string(alg), x.Ratio, 1.06, times))
		}
	}
	for _, x := range r.Guard {
		if x.Name == knownVerify || x.Name == knownCheck {
			goals = append(goals,
				atMost("guard: "+x.Name, x.Minimum, 150, nanoseconds),
				atMost("guard: "+x.Name+", allocations", x.Allocs, 0, count))
		}
	}
	for _, x := range r.Route {
		if x.Name == routeGuard {
			goals = append(goals, atLeast("a route behind the guard, of an empty handler's requests/s", x.Ratio, 0.85, times))
		}
	}
	for _, x := range r.Scaling {
		// The floor is the machine's affair. The best rounds of one and of two
		// may have had different neighbours; those of a pair had the same.
		if !x.Floor {
			goals = append(goals, atLeast("two processors: "+x.Name, x.Median, 1.7, times))
		}
	}
	return goals
}

// verifyGoals are those against raw cryptography.
func (r *Report) verifyGoals() []goal {
	var goals []goal
	for _, g := range []struct {
		alg        jwk.Algorithm
		contestant string
		limit      float64
	}{
		{jwk.HS256, ourName, 5},
		{jwk.RS256, ourName, 1.04}, {jwk.PS256, ourName, 1.04}, {jwk.ES256, ourName, 1.04}, {jwk.EdDSA, ourName, 1.04},
		{jwk.RS256, fastName, 0.72}, {jwk.ES256, fastName, 0.60}, {jwk.EdDSA, fastName, 0.50},
	} {
		if x := r.find(opVerify, g.alg, g.contestant); x != nil {
			goals = append(goals, atMost(fmt.Sprintf("verify %s, %s", g.alg, g.contestant), x.Ratio, g.limit, times))
		}
	}
	if x := r.find(opVerify, jwk.HS256, ourName); x != nil {
		goals = append(goals, atMost("verify HS256, allocations", x.Allocs, 5, count))
	}
	return goals
}

// peerGoals want ours to be faster than the fastest other library.
func (r *Report) peerGoals() []goal {
	var goals []goal
	for _, alg := range algorithms() {
		best := math.Inf(1)
		for _, name := range r.contestants(opVerify) {
			x := r.find(opVerify, alg, name)
			if x != nil && name != rawName && name != ourName && name != fastName {
				best = min(best, x.Minimum)
			}
		}
		if x := r.find(opVerify, alg, ourName); x != nil {
			goals = append(goals, goal{
				"verify " + string(alg) + ", µs, faster than each other library",
				"< " + micros(best), micros(x.Minimum), x.Minimum < best,
			})
		}
	}
	return goals
}
