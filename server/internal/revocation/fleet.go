package revocation

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// Fleet is the nodes that publish one log.
type Fleet interface {
	// NodeID names this node.
	NodeID() string
	// OtherNodes answers who else is there now.
	OtherNodes(ctx context.Context) ([]string, error)
	// Tell says something to all others. Nothing is promised to be heard.
	Tell(ctx context.Context, message string) error
	// Told gives out what others say.
	Told() <-chan string
}

// A node on which somebody waits asks the others to count their verifiers:
//
//	ask <wait> <log> <seq> <milliseconds>
//
// Each of them has its verifiers asked, and says what it has counted, at once
// and whenever that changes:
//
//	has <wait> <node> <come> <all>
//
// until the time is up or it hears
//
//	end <wait>
type question struct {
	wait, log string
	seq       uint64
	most      time.Duration
}

func (q question) String() string {
	return fmt.Sprintf("ask %s %s %d %d", q.wait, q.log, q.seq, q.most.Milliseconds())
}

// count is how many verifiers follow a node and how many of them have come to a
// number.
type count struct{ come, all int }

// answer is what a node has counted.
type answer struct {
	wait, node string
	count
}

func (a answer) String() string {
	return fmt.Sprintf("has %s %s %d %d", a.wait, a.node, a.come, a.all)
}

// fleet is what this node and the others ask each other.
type fleet struct {
	mu      sync.Mutex
	waits   map[string]*wait              // of this node, by name
	reports map[string]context.CancelFunc // to others, by their waits' names
}

// wait is somebody's waiting on this node for the verifiers of others.
type wait struct {
	mu     sync.Mutex
	counts map[string]count // of the nodes that have answered
	moved  chan struct{}    // holds one when there is another answer
}

const (
	// reportEvery keeps nodes from saying each of a thousand acknowledgements.
	reportEvery = 10 * time.Millisecond
	retryEvery  = 250 * time.Millisecond
	// maxReports bounds how many waits of others a node counts for at once. Who
	// isn't answered says so.
	maxReports = 1000
	// censusEvery is how often one who waits looks which nodes are there.
	censusEvery = time.Second
	// tellTime is how long a node takes to speak.
	tellTime = 2 * time.Second
)

// hear takes part in what the nodes ask each other, until ctx ends.
func (s *Service) hear(ctx context.Context) {
	var reports sync.WaitGroup
	defer reports.Wait()
	for {
		select {
		case message := <-s.Fleet.Told():
			s.heard(ctx, message, &reports)
		case <-ctx.Done():
			return
		}
	}
}

// heard acts on a message. What it doesn't understand another version has said.
func (s *Service) heard(ctx context.Context, message string, reports *sync.WaitGroup) {
	kind, rest, _ := strings.Cut(message, " ")
	switch kind {
	case "ask":
		var q question
		var ms int64
		if n, err := fmt.Sscanf(rest, "%s %s %d %d", &q.wait, &q.log, &q.seq, &ms); err == nil && n == 4 {
			q.most = min(max(time.Duration(ms)*time.Millisecond, 0), MaxAwait)
			s.beginReport(ctx, q, reports)
		}
	case "has":
		var a answer
		if n, err := fmt.Sscanf(rest, "%s %s %d %d", &a.wait, &a.node, &a.come, &a.all); err == nil && n == 4 && 0 <= a.come && a.come <= a.all {
			s.fleet.answered(a)
		}
	case "end":
		s.fleet.endReport(rest)
	}
}

func (f *fleet) answered(a answer) {
	f.mu.Lock()
	w := f.waits[a.wait]
	f.mu.Unlock()
	if w == nil {
		return
	}
	w.mu.Lock()
	w.counts[a.node] = a.count
	w.mu.Unlock()
	select {
	case w.moved <- struct{}{}:
	default:
	}
}

func (s *Service) beginReport(ctx context.Context, q question, reports *sync.WaitGroup) {
	ctx, cancel := context.WithTimeout(ctx, q.most)
	if !s.fleet.register(q.wait, cancel) {
		cancel()
		return
	}
	reports.Go(func() {
		defer s.fleet.endReport(q.wait)
		s.report(ctx, q)
	})
}

func (f *fleet) register(name string, cancel context.CancelFunc) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.reports[name] != nil || len(f.reports) >= maxReports {
		return false
	}
	if f.reports == nil {
		f.reports = map[string]context.CancelFunc{}
	}
	f.reports[name] = cancel
	return true
}

func (f *fleet) endReport(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if cancel := f.reports[name]; cancel != nil {
		cancel()
		delete(f.reports, name)
	}
}

// report says how many verifiers of this node have come to a number, whenever
// that changes, until ctx ends.
func (s *Service) report(ctx context.Context, q question) {
	defer s.verifiers.ask()()
	for said := (count{-1, -1}); ctx.Err() == nil; {
		come, all, moved := s.verifiers.count(q.log, q.seq)
		if now := (count{come, all}); now != said {
			next := retryEvery // a count that can't be said is the asking node's to miss
			if s.tell(ctx, answer{q.wait, s.Fleet.NodeID(), now}.String()) == nil {
				said, next = now, reportEvery
			}
			pause(ctx, nil, nil, next)
			continue
		}
		select {
		case <-moved:
		case <-ctx.Done():
		}
	}
}

func (s *Service) tell(ctx context.Context, message string) error {
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	return s.Fleet.Tell(ctx, message)
}

// others waits along for the verifiers of other nodes. Without any it costs one
// query.
type others struct {
	s        *Service
	question question
	nodes    []string // who is there, besides this node
	known    bool     // nodes is who is there
	wait     *wait    // nil: this node is alone
}

// ask asks all others to count who has come to a number.
func (s *Service) ask(ctx context.Context, log string, seq uint64, most time.Duration) *others {
	o := &others{s: s, known: true}
	if s.Fleet == nil {
		return o
	}
	if o.census(ctx); o.known && len(o.nodes) == 0 {
		return o
	}
	o.question = question{auth.Random128(), log, seq, most}
	o.wait = &wait{counts: map[string]count{}, moved: make(chan struct{}, 1)}
	s.fleet.mu.Lock()
	if s.fleet.waits == nil {
		s.fleet.waits = map[string]*wait{}
	}
	s.fleet.waits[o.question.wait] = o.wait
	s.fleet.mu.Unlock()
	o.tell(ctx)
	return o
}

// tell asks. Who wasn't asked doesn't answer, and that is noticed.
func (o *others) tell(ctx context.Context) { _ = o.s.tell(ctx, o.question.String()) }

// census looks which nodes are there. One that has gone has no verifiers: they
// come back at another, which counts them.
func (o *others) census(ctx context.Context) {
	if nodes, err := o.s.Fleet.OtherNodes(ctx); err == nil {
		o.nodes, o.known = nodes, true
	} else {
		o.known = false
	}
}

// again looks who is there now, and asks once more if somebody hasn't answered:
// who has come since, or didn't hear. Who counts already passes it over.
func (o *others) again(ctx context.Context) {
	if o.wait == nil {
		return
	}
	o.census(ctx)
	if _, complete := o.sum(); !complete {
		o.tell(ctx)
	}
}

// sum adds up what the others have counted; complete says that all of them have.
func (o *others) sum() (total count, complete bool) {
	if o.wait == nil {
		return total, true
	}
	o.wait.mu.Lock()
	defer o.wait.mu.Unlock()
	complete = o.known
	for _, node := range o.nodes {
		c, answered := o.wait.counts[node]
		total.come, total.all = total.come+c.come, total.all+c.all
		complete = complete && answered
	}
	return total, complete
}

// moved holds one when there is another answer.
func (o *others) moved() <-chan struct{} {
	if o.wait == nil {
		return nil
	}
	return o.wait.moved
}

// end tells the others that nobody waits any more.
func (o *others) end(ctx context.Context) {
	if o.wait == nil {
		return
	}
	o.s.fleet.mu.Lock()
	delete(o.s.fleet.waits, o.question.wait)
	o.s.fleet.mu.Unlock()
	_ = o.s.tell(context.WithoutCancel(ctx), "end "+o.question.wait) // else they stop when the time is up
}
