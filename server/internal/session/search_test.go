package session_test

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/session"
)

// This file is a model of everything around the rotation function: a browser
// whose tabs share one jar, requests and answers that are late or lost, nodes
// that read the row and swap it later, crashes, the clock, and a thief. The
// function itself is not modelled: each decision is Rule.Decide's own. The
// search walks every order of events, breadth first, so that the first trace
// that it finds to a bad end is a shortest one.
//
// It is no search to a depth: the states are finite and all of them are
// visited. For what a token gets depends only on whether it is the current
// generation, the confirmed one or neither (TestDecideSeesOrderOnly), and what
// is neither stays so for ever. So generations are renumbered after each step.

// Generations of a canonical state. The current one is used if the grant has
// not been refreshed yet, else current.
const (
	dead    = 0 // an orphan, or older than confirmed
	used    = 1 // confirmed
	current = 2
)

// world is one state. It is comparable: the search remembers it as it is.
type world struct {
	confirmed, current uint8
	fresh              bool // inside the grace of the last issue
	ended              bool
	jar                uint8 // what the browser would present
	stolen             int8  // what the thief would present; none: nothing was stolen
	turns              uint8 // since the theft, how often the other one came
	thiefWasLast       bool
	requests           [maxRequests]request // in order; stage nowhere comes last
}

const (
	none        = -1
	maxRequests = 6
	// blindGenerations bounds the one search that does not renumber.
	blindGenerations = 6
)

// request is one refresh under way.
type request struct {
	stage   stage
	token   uint8
	thief   bool
	awaited bool // a tab waits for the answer; else it has given up
	// Of a request that a node has read the row for:
	verdict       session.Verdict
	fresh         bool  // as the node saw it
	unchanged     bool  // nobody swapped the row since
	snapConfirmed uint8 // the row as the node saw it; kept where swaps are blind
	snapCurrent   uint8
	out           uint8 // a repeat's and an answer's token
}

type stage uint8

const (
	answered stage = iota + 1 // the answer is on its way
	read                      // a node has read the row, and decided
	sent                      // the request is on its way
	nowhere  stage = 0
)

// search is a question about the rotation function.
type search struct {
	rule     session.Rule
	tabs     int  // of the browser that may wait for an answer at once
	requests int  // in flight at once, those included on which a tab has given up
	thief    bool // may copy the jar once, and then refresh as the client does
	turns    int  // thief and client refresh one after the other, outside each other's grace; this many turns at most

	// What is assumed of clients and clocks, taken away one by one.
	lateRequests bool // a refresh begins while a request with an older token is under way
	lateAnswers  bool // likewise an answer to one
	longFlights  bool // the grace ends, or the clock jumps back, while anything is under way
	blindSwaps   bool // a planted fault: the update does not compare
	endless      bool // the rule's grace has no end: turns may be taken inside it

	seen   map[world]from
	queue  []world
	bad    string // what was found first, "" if nothing bad can happen
	how    string // the shortest way there
	most   int    // turns
	mostIn world
}

// from is the step that led to a state first.
type from struct {
	world world
	step  step
}

// step is an event, and the token that it is about.
type step struct{ what, token string }

const searchGrace = time.Second

func (s *search) run() {
	start := world{confirmed: used, current: used, jar: used, stolen: none}
	s.seen = map[world]from{start: {}}
	s.queue = []world{start}
	for len(s.queue) > 0 && s.bad == "" {
		w := s.queue[0]
		s.queue = s.queue[1:]
		if !w.ended && w.current < blindGenerations {
			s.expand(w)
		}
	}
}

// reach notes a state that a step leads to.
func (s *search) reach(before, after world, what, token string) {
	if !s.blindSwaps {
		after = after.canonical()
	}
	after = after.sorted()
	if _, ok := s.seen[after]; ok {
		return
	}
	s.seen[after] = from{before, step{what, token}}
	s.queue = append(s.queue, after)
	if int(after.turns) > s.most {
		s.most, s.mostIn = int(after.turns), after
	}
	if after.ended && !s.thief && s.bad == "" {
		s.bad, s.how = "an honest client is signed out", s.trace(after)
	}
}

// fail stops the search at a step that nothing excuses.
func (s *search) fail(w world, why string) {
	if s.bad == "" {
		s.bad, s.how = why, s.trace(w)
	}
}

// trace is the way to a state.
func (s *search) trace(w world) string {
	var steps []string
	for f := s.seen[w]; f.step.what != ""; f = s.seen[f.world] {
		steps = append(steps, strings.TrimSpace(f.step.what+" "+f.step.token))
	}
	slices.Reverse(steps)
	return strings.Join(steps, "; ")
}

// expand takes every step that can be taken.
func (s *search) expand(w world) {
	s.time(w)
	s.begin(w)
	for i, r := range w.requests {
		switch r.stage {
		case sent:
			s.arriveAtNode(w, i)
		case read:
			s.commit(w, i)
		case answered:
			s.arriveAtClient(w, i)
		}
		if r.stage != nowhere {
			s.lose(w, i)
		}
	}
}

// time lets the grace end, and the clock jump back.
func (s *search) time(w world) {
	if w.idle() || s.longFlights {
		after := w
		after.fresh = !w.fresh
		switch {
		case w.fresh:
			s.reach(w, after, "the grace ends", "")
		case s.turns == 0 && w.current != w.confirmed:
			s.reach(w, after, "the clock jumps back", "")
		}
	}
}

// begin lets a tab, or the thief, send a request; or the thief copy the jar.
func (s *search) begin(w world) {
	if s.thief && w.stolen == none {
		after := w
		after.stolen = int8(w.jar)
		s.reach(w, after, "the thief copies the jar", "")
	}
	if w.count(func(r request) bool { return true }) >= s.requests {
		return
	}
	tabs := w.count(func(r request) bool { return r.awaited && !r.thief })
	if tabs < s.tabs && s.mayTurn(w, false) && !w.any(s.older(w.jar)) {
		s.reach(w, w.with(request{stage: sent, token: w.jar, awaited: true}), "a tab sends", w.name(w.jar))
	}
	if w.stolen != none && !w.any(func(r request) bool { return r.thief }) && s.mayTurn(w, true) {
		s.reach(w, w.with(request{stage: sent, token: uint8(w.stolen), awaited: true, thief: true}), "the thief sends", w.name(uint8(w.stolen)))
	}
}

// older is what must be over before a tab begins to refresh with a token.
func (s *search) older(jar uint8) func(request) bool {
	return func(r request) bool {
		late := s.lateRequests && r.stage != answered || s.lateAnswers && r.stage == answered
		return !r.thief && r.token != jar && !late
	}
}

// mayTurn keeps thief and client outside each other's grace where turns are
// counted: inside it a thief can't be told from a second tab.
func (s *search) mayTurn(w world, thief bool) bool {
	if s.turns == 0 || w.stolen == none {
		return true
	}
	if w.thiefWasLast == thief {
		return !w.any(func(r request) bool { return r.thief != thief })
	}
	return (!w.fresh || s.endless) && int(w.turns) < s.turns && w.idle()
}

// decide asks the function under test.
func (s *search) decide(confirmed, newest uint8, fresh bool, token uint8) (session.Verdict, auth.Rotation) {
	issued := time.Unix(0, 0)
	now := issued
	if !fresh {
		now = now.Add(searchGrace + 1)
	}
	return s.rule.Decide(auth.Rotation{Confirmed: uint64(confirmed), Current: uint64(newest), IssuedAt: issued}, uint64(token), now, 1)
}

// arriveAtNode is a node's reading of the row, and its decision.
func (s *search) arriveAtNode(w world, i int) {
	after := w
	r := &after.requests[i]
	r.verdict, _ = s.decide(w.confirmed, w.current, w.fresh, r.token)
	r.stage, r.fresh, r.unchanged = read, w.fresh, true
	if s.blindSwaps {
		r.snapConfirmed, r.snapCurrent = w.confirmed, w.current
	}
	if r.verdict == session.VerdictRepeat {
		r.out = w.current
	}
	if r.verdict == session.VerdictStateLost {
		s.fail(w, "a token is newer than the row")
		return
	}
	s.reach(w, after, "a node decides to "+r.verdict.String(), w.name(r.token))
}

// commit carries a decision out.
func (s *search) commit(w world, i int) {
	r := w.requests[i]
	after := w
	if s.turns > 0 && w.stolen != none && r.thief != w.thiefWasLast {
		after.turns++
		after.thiefWasLast = r.thief
	}
	switch r.verdict {
	case session.VerdictTheft, session.VerdictLate: // ends whatever the row is now
		after.ended = true
		s.reach(w, after, "the node ends the grant for", w.name(r.token))
	case session.VerdictRepeat:
		after.requests[i].stage = answered
		s.reach(w, after, "the node repeats", w.name(r.out))
		if !r.unchanged { // where a mark must be raised, the update compares
			s.again(w, i)
		}
	default:
		s.swap(w, after, i)
	}
}

// swap is the conditional update: it compares with what the node read.
func (s *search) swap(w, after world, i int) {
	r := w.requests[i]
	from := [2]uint8{w.confirmed, w.current}
	if s.blindSwaps {
		from = [2]uint8{r.snapConfirmed, r.snapCurrent}
	} else if !r.unchanged {
		s.again(w, i)
		return
	}
	_, row := s.decide(from[0], from[1], r.fresh, r.token)
	if !s.blindSwaps && !(r.token == w.current || r.token == w.confirmed && !r.fresh) {
		s.fail(w, "a token that was used, or never confirmed, makes another")
		return
	}
	after.confirmed, after.current, after.fresh = uint8(row.Confirmed), uint8(row.Current), true
	after.requests[i].stage, after.requests[i].out = answered, uint8(row.Current)
	for j := range after.requests {
		after.requests[j].unchanged = false
	}
	s.reach(w, after, "the node swaps the row for", w.name(r.token))
}

// again is what a node does when the row is not what it read: it reads anew.
func (s *search) again(w world, i int) {
	after := w
	r := w.requests[i]
	after.requests[i] = request{stage: sent, token: r.token, thief: r.thief, awaited: r.awaited}
	s.reach(w, after, "the node finds the row changed", "")
}

// arriveAtClient puts an answer into the jar, over whatever is there: a cookie
// knows no order.
func (s *search) arriveAtClient(w world, i int) {
	r := w.requests[i]
	if !r.awaited {
		return
	}
	after := w
	after.requests[i] = request{}
	if r.thief {
		after.stolen = int8(r.out)
	} else {
		after.jar = r.out
	}
	s.reach(w, after, "an answer arrives with", w.name(r.out))
}

// lose is a lost request or answer, a crash of the node, or a tab that gives
// up while its request goes on. What the thief sends is never lost: that would
// be a thief who did nothing.
func (s *search) lose(w world, i int) {
	if w.requests[i].thief {
		return
	}
	gone := w
	gone.requests[i] = request{}
	s.reach(w, gone, "a request or its answer is lost, with", w.name(w.requests[i].token))
	if w.requests[i].awaited {
		patience := w
		patience.requests[i].awaited = false
		s.reach(w, patience, "a tab gives up, but not its request with", w.name(w.requests[i].token))
	}
}

func (w world) count(which func(request) bool) (n int) {
	for _, r := range w.requests {
		if r.stage != nowhere && which(r) {
			n++
		}
	}
	return n
}

func (w world) any(which func(request) bool) bool { return w.count(which) > 0 }

func (w world) idle() bool { return w.requests[0].stage == nowhere }

func (w world) with(r request) world {
	i := slices.IndexFunc(w.requests[:], func(r request) bool { return r.stage == nowhere })
	w.requests[i] = r
	return w
}

// name says what a generation is at present.
func (w world) name(token uint8) string {
	switch token {
	case w.current:
		return "the current token"
	case w.confirmed:
		return "the used token"
	default:
		return "a dead token"
	}
}

// canonical renumbers the generations.
func (w world) canonical() world {
	confirmed, newest := w.confirmed, w.current
	number := func(token uint8) uint8 {
		switch token {
		case confirmed:
			return used
		case newest:
			return current
		default:
			return dead
		}
	}
	w.confirmed, w.current, w.jar = number(confirmed), number(newest), number(w.jar)
	if w.stolen != none {
		w.stolen = int8(number(uint8(w.stolen)))
	}
	for i := range w.requests {
		r := &w.requests[i]
		if r.stage != nowhere {
			r.token = number(r.token)
		}
		switch {
		case r.stage == answered:
			*r = request{stage: answered, token: r.token, thief: r.thief, awaited: r.awaited, out: number(r.out)}
		case r.stage == read && r.verdict == session.VerdictRepeat:
			r.out, r.fresh = number(r.out), false
		}
	}
	return w
}

// sorted puts requests, which have no order, into one.
func (w world) sorted() world {
	slices.SortFunc(w.requests[:], func(a, b request) int { return bytes.Compare(b.key(), a.key()) })
	return w
}

func (r request) key() []byte {
	flags := byte(0)
	for i, set := range []bool{r.thief, r.awaited, r.fresh, r.unchanged} {
		if set {
			flags |= 1 << i
		}
	}
	return []byte{byte(r.stage), flags, r.token, byte(r.verdict), r.out, r.snapConfirmed, r.snapCurrent}
}
