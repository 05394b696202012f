package revocation

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// verifiers knows who follows the log on this node under a name of its own, and
// how far each says that it has come. They say so when they are asked, which
// they are while somebody waits: if every one of many acknowledged everything,
// that would cost more than publishing it. Names count only where the door has
// seen credentials: a stranger could else make everybody wait, or nobody.
type verifiers struct {
	mu      sync.Mutex
	all     map[string]*verifier
	moved   chan struct{} // closed, and replaced, when a count may be another
	waiting int           // who want to know
	asked   chan struct{} // see begun
}

type verifier struct {
	streams int    // of this one; a new one may begin before the old one is found dead
	log     string // that seq is a number of
	seq     uint64
}

// forgetAfter is how long a verifier whose stream was cut is remembered: it
// comes back, and need not say again what it said.
const forgetAfter = time.Minute

// maxRemembered bounds those who are remembered beyond their streams.
const maxRemembered = 20_000

// follow notes that a verifier follows, until leave is called.
func (v *verifiers) follow(id string) (leave func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.all == nil {
		v.all = map[string]*verifier{}
	}
	one := v.all[id]
	if one == nil {
		one = &verifier{}
		v.all[id] = one
	}
	one.streams++
	v.ring()
	return sync.OnceFunc(func() { v.leave(id, one) })
}

func (v *verifiers) leave(id string, one *verifier) {
	v.mu.Lock()
	defer v.mu.Unlock()
	one.streams--
	v.ring()
	if len(v.all) > maxRemembered {
		v.forget(id, one)
		return
	}
	time.AfterFunc(forgetAfter, func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.forget(id, one)
	})
}

// forget is called with mu held.
func (v *verifiers) forget(id string, one *verifier) {
	if one.streams == 0 && v.all[id] == one {
		delete(v.all, id)
	}
}

// ring tells those who wait. It is called with mu held.
func (v *verifiers) ring() {
	if v.moved != nil {
		close(v.moved)
		v.moved = nil
	}
}

// acknowledge notes how far a verifier has come; false if it doesn't follow here.
func (v *verifiers) acknowledge(id, log string, seq uint64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	one := v.all[id]
	if one == nil {
		return false
	}
	if one.log != log {
		one.log, one.seq = log, 0
	}
	if seq > one.seq {
		one.seq = seq
		v.ring()
	}
	return true
}

// count answers how many follow, how many of them have come to a number of a
// log, and what is closed when that may be different.
func (v *verifiers) count(log string, seq uint64) (come, all int, moved <-chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, one := range v.all {
		if one.streams == 0 {
			continue
		}
		if all++; one.log == log && one.seq >= seq {
			come++
		}
	}
	if v.moved == nil {
		v.moved = make(chan struct{})
	}
	return come, all, v.moved
}

// ask has verifiers asked how far they have come, until enough is called.
func (v *verifiers) ask() (enough func()) {
	v.mu.Lock()
	v.waiting++
	v.mu.Unlock()
	select {
	case v.begun() <- struct{}{}:
	default:
	}
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.waiting--
	}
}

// begun holds one when somebody has begun to wait.
func (v *verifiers) begun() chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.asked == nil {
		v.asked = make(chan struct{}, 1)
	}
	return v.asked
}

// wanted reports whether somebody waits.
func (v *verifiers) wanted() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.waiting > 0
}

// Acknowledged says how many verifiers have applied a revocation.
type Acknowledged struct {
	Count int    `json:"acknowledged"`
	Of    int    `json:"of"`    // who follow with credentials and a name
	Scope string `json:"scope"` // ScopeAll or ScopeSome
}

// What an [Acknowledged] is about: all verifiers there are, or those of the nodes
// that have said how many they have; another hasn't.
const (
	ScopeAll  = "all"
	ScopeSome = "some"
)

// Follow notes that a verifier follows the log on this node, until leave is
// called. Its id names the client and the instance.
func (s *Service) Follow(id string) (leave func()) { return s.verifiers.follow(id) }

// Acknowledge notes that a verifier has applied all of a log up to a number.
// CodeConflict if this is another log, CodeNotFound if the verifier has no
// stream on this node.
func (s *Service) Acknowledge(ctx context.Context, id, log string, seq uint64) error {
	name, err := s.logID(ctx)
	switch {
	case err != nil:
		return err
	case log != name:
		return auth.Errorf(auth.CodeConflict, "This server has another log.")
	case !s.verifiers.acknowledge(id, log, seq):
		return auth.Errorf(auth.CodeNotFound, "This verifier has no stream here.")
	}
	return nil
}

func (s *Service) logID(ctx context.Context) (string, error) {
	if v := s.current.Load(); v != nil {
		return v.Head.Log, nil
	}
	page, err := s.Log.LogPage(ctx, math.MaxInt64, 1, s.Now())
	return page.Log, err
}

// countPause keeps a thousand acknowledgements from being counted a thousand
// times.
const countPause = 2 * time.Millisecond

// Await waits until every verifier that follows the log has applied it up to a
// number, but no longer than wait, and answers how many have. One that comes
// meanwhile counts, one that goes doesn't. Where there are other nodes, they
// count theirs; what one of them doesn't say is missing, and ScopeSome says so.
func (s *Service) Await(ctx context.Context, seq uint64, wait time.Duration) (Acknowledged, error) {
	log, err := s.logID(ctx)
	if err != nil {
		return Acknowledged{Scope: ScopeSome}, err
	}
	wait = min(wait, MaxAwait)
	over := time.NewTimer(wait)
	defer over.Stop()
	others := s.ask(ctx, log, seq, wait)
	defer others.end(ctx)
	a, done, _ := s.tally(others, log, seq)
	if done {
		return a, nil
	}
	defer s.verifiers.ask()()
	return s.await(ctx, others, log, seq, over.C)
}

func (s *Service) await(ctx context.Context, others *others, log string, seq uint64, over <-chan time.Time) (Acknowledged, error) {
	census := time.NewTicker(censusEvery)
	defer census.Stop()
	for {
		a, done, moved := s.tally(others, log, seq)
		if done {
			return a, nil
		}
		select {
		case <-moved:
			pause(ctx, nil, nil, countPause)
		case <-others.moved():
		case <-census.C:
			others.again(ctx)
		case <-over:
			a, _, _ = s.tally(others, log, seq)
			return a, nil
		case <-ctx.Done():
			return a, ctx.Err()
		}
	}
}

// tally adds up this node's verifiers and the others'. done: all have come, and
// nobody's are missing.
func (s *Service) tally(others *others, log string, seq uint64) (a Acknowledged, done bool, moved <-chan struct{}) {
	come, all, moved := s.verifiers.count(log, seq)
	elsewhere, complete := others.sum()
	a = Acknowledged{Count: come + elsewhere.come, Of: all + elsewhere.all, Scope: ScopeAll}
	if !complete {
		a.Scope = ScopeSome
	}
	return a, complete && a.Count == a.Of, moved
}

// MaxAwait is the longest that a revocation waits for verifiers.
const MaxAwait = 30 * time.Second
