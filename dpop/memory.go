package dpop

import (
	"errors"
	"sync"
	"time"
)

// DefaultMemory is how many proofs a [Memory] holds unless told otherwise: some
// 40 MB when it is full.
const DefaultMemory = 1 << 20

// What [Memory.Use] answers.
var (
	ErrReplayed = errors.New("dpop: proof was used before")
	ErrFull     = errors.New("dpop: too many proofs to remember at once")
)

// generation is how long proofs are gathered before those gathered earlier may be
// forgotten as one.
const generation = time.Minute

// Memory remembers in this process which proofs were used, so that each counts
// once. Another process has a memory of its own: behind a balancer, a proof
// counts once in each. It is safe for concurrent use. The zero Memory refuses
// every proof.
type Memory struct {
	now  func() time.Time
	most int

	mu           sync.Mutex
	current      map[key]struct{}
	begun        time.Time // when current was empty
	currentUntil time.Time // everything in current is over then
	last         map[key]struct{}
	lastUntil    time.Time
}

// key is the beginning of a proof's hash: nobody gains by two of his own proofs
// that have the same.
type key [16]byte

// NewMemory returns a Memory for so many proofs, DefaultMemory if most isn't
// positive. now may be nil.
func NewMemory(most int, now func() time.Time) *Memory {
	if most <= 0 {
		most = DefaultMemory
	}
	if now == nil {
		now = time.Now
	}
	return &Memory{now: now, most: most, current: make(map[key]struct{}), begun: now()}
}

var errZeroMemory = errors.New("dpop: memory not made by NewMemory, or proof not by a Verifier")

// Use uses a proof up. Of any number of calls with one proof exactly one
// answers nil, the others ErrReplayed. ErrFull, where there is no room for
// another: to forget one that is still good would let it count twice.
func (m *Memory) Use(p *Proof) error {
	if m == nil || m.now == nil || p == nil || p.key == nil {
		return errZeroMemory
	}
	now := m.now()
	k := key(p.hash[:len(key{})])
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn(now)
	if _, used := m.current[k]; used {
		return ErrReplayed
	}
	if _, used := m.last[k]; used {
		return ErrReplayed
	}
	if len(m.current)+len(m.last) >= m.most {
		return ErrFull
	}
	m.current[k] = struct{}{}
	if p.forget.After(m.currentUntil) {
		m.currentUntil = p.forget
	}
	return nil
}

// turn forgets what is over, and begins another generation.
func (m *Memory) turn(now time.Time) {
	m.forget(now)
	if len(m.last) > 0 || now.Sub(m.begun) < generation {
		return
	}
	m.last, m.lastUntil = m.current, m.currentUntil
	m.current, m.currentUntil, m.begun = make(map[key]struct{}), time.Time{}, now
	m.forget(now)
}

func (m *Memory) forget(now time.Time) {
	if !now.Before(m.lastUntil) {
		m.last = nil
	}
}

// Len returns how many proofs are remembered.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.current) + len(m.last)
}
