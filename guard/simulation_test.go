package guard_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/internal/revlog"
)

// simulation is a signed log of two nodes, of which one is a moment behind, with
// a relay before them that lies, loses and repeats, clocks that are set, keys
// that turn and databases that are restored. Chance decides, from a seed.
type simulation struct {
	*signedLog
	random  *rand.Rand     // of what happens
	chance  *rand.Rand     // of what the relay makes up
	seen    []*revlog.Page // genuine pages, to be replayed
	lying   bool
	revoked []end
}

// end is a session, when it was revoked, and at which number.
type end struct {
	sid string
	at  time.Time
	seq uint64
}

// relay is what the one in the middle makes of an answer. It is called with the
// log's lock held.
func (s *simulation) relay(p *revlog.Page) *revlog.Page {
	if len(s.seen) < 200 {
		s.seen = append(s.seen, p)
	} else {
		s.seen[s.chance.IntN(len(s.seen))] = p
	}
	if !s.lying {
		return p
	}
	lie, old := *p, s.seen[s.chance.IntN(len(s.seen))]
	switch s.chance.IntN(9) {
	case 0: // withhold all
		lie.Entries, lie.More = nil, false
	case 1: // withhold the last, or all but some
		lie.Entries = lie.Entries[:s.chance.IntN(len(lie.Entries)+1)]
		lie.More = len(lie.Entries) > 0 && lie.Entries[len(lie.Entries)-1].Seq < lie.Head
	case 2: // an old answer
		return old
	case 3: // an old head over what there is now
		lie.Head, lie.First, lie.Proof = old.Head, old.First, old.Proof
	case 4: // the head of now over old entries
		lie.Entries, lie.More = old.Entries, old.More
	case 5: // the times of now on an old answer
		proof := *old.Proof
		proof.TimeMS = p.Proof.TimeMS
		lie = *old
		lie.Time, lie.Proof = p.Time, &proof
	case 6: // all is over
		lie.First, lie.Entries, lie.More = lie.Head+1, nil, false
	case 7: // an entry of its own
		lie.Entries = append([]revlog.Entry{}, lie.Entries...)
		for i := range lie.Entries {
			lie.Entries[i].Hash[0] ^= byte(s.chance.IntN(2))
		}
	case 8: // no lie, this time
	}
	return &lie
}

// step lets something happen.
func (s *simulation) step(n int) {
	switch s.random.IntN(40) {
	case 0, 1, 2, 3, 4, 5, 6, 7:
		sid := fmt.Sprint("ended-", n)
		seq := s.revoke(revlog.Session, sid)
		s.revoked = append(s.revoked, end{sid, time.Now(), seq})
	case 8:
		s.with(func() { s.lying = !s.lying })
	case 9:
		s.with(func() { s.cut = []time.Duration{0, time.Nanosecond, 7 * time.Second}[s.random.IntN(3)] })
	case 10:
		s.with(func() { s.silent = !s.silent })
	case 11:
		s.with(func() { s.closed = !s.closed })
	case 12:
		s.with(func() { s.ahead = time.Duration(s.random.IntN(9)-4) * time.Second })
	case 13:
		s.fails([][]string{nil, nil, {logPath}, {logKeysPath}, {logPath, logKeysPath, discoveryPath}}[s.random.IntN(5)]...)
	case 14:
		s.with(s.turnKey)
	case 15:
		if s.random.IntN(4) == 0 { // a restore: another log, other keys, and all tokens from before are void
			s.with(func() { s.begin(fmt.Sprint("log-", n)); s.turnKey() })
			s.revoked = nil
		}
	case 16: // the oldest tokens are over, and so are their entries
		s.with(func() { s.first = max(s.first, uint64(s.random.IntN(len(s.entries)+1))) })
		s.revoked = slices.DeleteFunc(s.revoked, func(e end) bool { return e.seq < s.first })
	}
}

// TestSimulation: whatever happens, no token is accepted whose end is older than
// what the guard allows itself, which is MaxStale and what clocks may differ; and
// what was refused as revoked stays so.
func TestSimulation(t *testing.T) {
	const allowed = guard.DefaultMaxStale + 5*time.Second + 4*time.Second
	const seeds = 5
	accepted, fresh, refused := 0, 0, 0
	for seed := range uint64(seeds) {
		synctest.Test(t, func(t *testing.T) {
			s := &simulation{signedLog: newSignedLog(t), random: rand.New(rand.NewPCG(seed, 1)), chance: rand.New(rand.NewPCG(seed, 2))}
			s.tamper = s.relay
			g := s.guard(t, nil)
			known := map[string]bool{}
			for n := range 1200 {
				s.step(n)
				time.Sleep(time.Second)
				if g.Stats().Issuers[0].Fresh {
					fresh++
				}
				for _, e := range pick(s.random, s.revoked) {
					_, err := g.Verify(t.Context(), s.tokenOf(e.sid))
					got := status(err)
					switch age := time.Since(e.at); {
					case got == 200 && age > allowed:
						t.Fatalf("seed %d, second %d: %s is accepted %v after its end", seed, n, e.sid, age)
					case got == 200 && known[e.sid]:
						t.Fatalf("seed %d, second %d: %s was refused, and is accepted now", seed, n, e.sid)
					case got == 200:
						accepted++
					case got == 401:
						known[e.sid] = true
						refused++
					}
				}
				if _, err := g.Verify(t.Context(), s.tokenOf("good")); status(err) == 401 {
					t.Fatalf("seed %d, second %d: a good token is refused for good: %v", seed, n, err)
				}
			}
		})
	}
	t.Logf("fresh for %d s of %d, %d refused, %d accepted in time", fresh, seeds*1200, refused, accepted)
	if fresh < 1200 || refused < 1200 {
		t.Errorf("fresh for %d s, %d refused: too little happened to prove anything", fresh, refused)
	}
}

// pick answers the newest of a list and one other.
func pick(random *rand.Rand, all []end) []end {
	if len(all) == 0 {
		return nil
	}
	return []end{all[len(all)-1], all[random.IntN(len(all))]}
}
