// Package limit slows down those who guess passwords.
//
// A Throttle counts failures, and nothing but failures, in three places: per
// account and address together, per account, and per address (IPv6 by /64,
// the least a customer gets). Each allows a number of failures at once; beyond
// it the next attempt must wait, twice as long after each further failure but
// never longer than MaxDelay. Failures are forgotten one by one, so nobody is
// locked out for good:
//
//	counted per           at once  one forgotten each
//	account and address   10       10 minutes
//	account               100      minute
//	address               100      30 seconds
//
// The first stops whoever guesses at one account, long before the second, which
// is there for those who guess from many addresses. Because they could use the
// second to keep the owner out, an address from which the account signed in
// successfully is counted by the first alone. Nor does the third concern it: a
// neighbour behind the same NAT can't keep it out either.
//
// An attempt is counted before its password is checked, so that guesses sent in
// parallel don't all pass before the first has failed: while the attempts that
// are under way could fill the allowance, others wait for their outcome. Honest
// ones in parallel all get their turn.
//
// Everything is in the memory of one process and bounded: the entry that was
// used least recently makes room. A restart forgets. The nodes of a fleet count
// together where there is a [Redis], each for itself where there is none or while
// it is gone.
//
// A Quota counts every act, for what leaves a mark though nothing fails.
package limit

import (
	"container/list"
	"context"
	"math"
	"sync"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

const (
	// MaxDelay is the longest that anybody must wait for the next attempt.
	MaxDelay = 15 * time.Minute

	firstDelay  = time.Second
	maxEntries  = 1 << 16
	maxWaiting  = 1024             // attempts that wait for others, of all accounts together
	waitForTurn = 10 * time.Second // more than the hash pool lets anybody wait
)

// Throttle counts failures. Use New.
type Throttle struct {
	now     func() time.Time
	most    int     // entries
	shared  *shared // nil: what this node has counted is all there is
	mu      sync.Mutex
	entries map[key]*list.Element // of *entry
	recent  *list.List            // the most recently used first
	waiting int
	evicted uint64
}

// New makes a Throttle that reads the time from now.
func New(now func() time.Time) *Throttle {
	return &Throttle{now: now, most: maxEntries, entries: make(map[key]*list.Element), recent: list.New()}
}

// NewShared makes a Throttle that counts together with those of its name on the
// nodes that share redis; nil: for itself.
func NewShared(now func() time.Time, redis *Redis, name string) *Throttle {
	t := New(now)
	if redis != nil {
		t.shared = &shared{redis, name}
	}
	return t
}

// Stats is the size of a Throttle, for metrics.
type Stats struct {
	Entries int
	Waiting int
	Evicted uint64 // entries that had to make room; many mean that somebody has many addresses
}

// Stats answers the current size.
func (t *Throttle) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Stats{Entries: t.recent.Len(), Waiting: t.waiting, Evicted: t.evicted}
}

// Attempt asks to check a password of account for address. The account is what
// the client named, existing or not, without regard to letter case. CodeTooMany
// with RetryAfter means that it is too early; the answer must be the same for
// every account. Otherwise the caller checks, says Failed or Succeeded, and
// calls Release in any case.
//
// It may wait for the outcome of other attempts, and fails with ctx's error if
// that ends first.
func (t *Throttle) Attempt(ctx context.Context, account, address string) (*Attempt, error) {
	keys := keysOf(account, address)
	t.refresh(ctx, keys[:])
	a, turn, err := t.reserve(keys)
	if turn == nil {
		return a, err // as most do: nobody else is guessing
	}
	timeout := time.NewTimer(waitForTurn)
	defer timeout.Stop()
	for turn != nil {
		select {
		case <-turn:
		case <-timeout.C:
			err = busy()
		case <-ctx.Done():
			err = ctx.Err()
		}
		t.leave()
		if err != nil {
			return nil, err
		}
		a, turn, err = t.reserve(keys)
	}
	return a, err
}

// reserve counts an attempt everywhere at once, or nowhere: then it answers an
// error, or a channel that is closed when it is worth asking again.
func (t *Throttle) reserve(keys [3]key) (*Attempt, <-chan struct{}, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	var wait *entry
	counted := keys[:t.counted(&keys, now)]
	for _, k := range counted {
		e := t.find(k)
		if e == nil {
			continue
		}
		switch delay, busy := e.admit(now); {
		case delay > 0:
			return nil, nil, tooMany(delay, failures)
		case busy:
			wait = e
		}
	}
	if wait == nil {
		return t.take(counted, now), nil, nil
	}
	if t.waiting >= maxWaiting {
		return nil, nil, busy()
	}
	t.waiting++
	return nil, wait.turn(), nil
}

// counted is at how many of the keys an attempt counts: at an address that has
// signed in to the account, for the two of them alone, which come first.
func (t *Throttle) counted(keys *[3]key, now time.Time) int {
	if e := t.find(keys[perBoth]); e != nil && e.knownGood(now) {
		return int(perBoth) + 1
	}
	return len(keys)
}

func (t *Throttle) take(keys []key, now time.Time) *Attempt {
	a := &Attempt{throttle: t}
	a.entries = a.room[:0]
	for _, k := range keys {
		e := t.touch(k, now)
		e.pending++
		a.entries = append(a.entries, e)
	}
	return a
}

func (t *Throttle) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting--
}

func (t *Throttle) find(k key) *entry {
	if at, ok := t.entries[k]; ok {
		return at.Value.(*entry)
	}
	return nil
}

// touch finds or makes an entry and makes it the most recently used.
func (t *Throttle) touch(k key, now time.Time) *entry {
	if at, ok := t.entries[k]; ok {
		t.recent.MoveToFront(at)
		return at.Value.(*entry)
	}
	t.makeRoom()
	e := &entry{key: k, rule: ruleOf(k.kind), since: now}
	t.entries[k] = t.recent.PushFront(e)
	return e
}

// makeRoom drops the least recently used entry that no attempt holds. Attempts
// under way are few: each is about to cost a hash.
func (t *Throttle) makeRoom() {
	if t.recent.Len() < t.most {
		return
	}
	for at := t.recent.Back(); at != nil; at = at.Prev() {
		if e := at.Value.(*entry); e.pending == 0 {
			t.recent.Remove(at)
			delete(t.entries, e.key)
			t.evicted++
			return
		}
	}
}

// Attempt is a password check that was allowed.
type Attempt struct {
	throttle *Throttle
	entries  []*entry // in room
	room     [3]*entry
	done     bool
}

// Failed says that the password was wrong.
func (a *Attempt) Failed() {
	now, all := a.end(func(e *entry, now time.Time) { e.failed(now) })
	if len(all) > 0 {
		a.throttle.shared.failed(context.Background(), all, now)
	}
}

// Succeeded says that it was right: the failures of this account at this
// address are forgotten. Those of the account and of the address are not, for
// they may be somebody else's, or those of one who also has an account.
func (a *Attempt) Succeeded() {
	_, all := a.end(func(e *entry, now time.Time) { e.succeeded(now) })
	for _, e := range all {
		if e.key.kind == perBoth {
			a.throttle.shared.succeeded(context.Background(), e.key, e.memory)
		}
	}
}

// Release ends an attempt that had no outcome; after Failed or Succeeded it does
// nothing.
func (a *Attempt) Release() { a.end(func(*entry, time.Time) {}) }

// remembered is an entry as it was after an outcome, to be shared.
type remembered struct {
	key key
	memory
}

// end answers what the other nodes have to know; nothing where there are none.
func (a *Attempt) end(outcome func(*entry, time.Time)) (now time.Time, all []remembered) {
	a.throttle.mu.Lock()
	defer a.throttle.mu.Unlock()
	if a.done {
		return now, nil
	}
	a.done = true
	now = a.throttle.now()
	for _, e := range a.entries {
		e.pending--
		outcome(e, now)
		e.announce()
		if a.throttle.shared != nil {
			all = append(all, remembered{e.key, memory{e.level, e.since, e.last, e.goodTill}})
		}
		a.throttle.dropEmpty(e, now)
	}
	return now, all
}

// dropEmpty forgets an entry that remembers nothing. Attempts that end without
// an outcome cost a guesser little: were their entries kept, a flood of them
// would push out those that hold failures.
func (t *Throttle) dropEmpty(e *entry, now time.Time) {
	if e.pending > 0 || e.level > 0 || e.knownGood(now) {
		return
	}
	if at, ok := t.entries[e.key]; ok && at.Value.(*entry) == e {
		t.recent.Remove(at)
		delete(t.entries, e.key)
	}
}

// busy is for whoever has done nothing wrong: the server doesn't keep up with
// the attempts that are under way.
func busy() error {
	return &auth.Error{Code: auth.CodeUnavailable, Message: "The server is busy; try again.", RetryAfter: time.Second}
}

const failures = "too many failed attempts; try again later"

func tooMany(wait time.Duration, text string) error {
	seconds := time.Duration(math.Ceil(wait.Seconds())) * time.Second
	return &auth.Error{Code: auth.CodeTooMany, Message: text, RetryAfter: seconds}
}
