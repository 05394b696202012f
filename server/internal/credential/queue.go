package credential

import (
	"context"
	"net/netip"
	"slices"
	"sync"
)

// queue hands out bytes of memory to those who wait for them, first come first
// served within each client's network, and the networks in turn: whoever sends
// sign-ins without end, even with good passwords, waits for their own and delays
// others by one of them. When there is no more room to wait, the last of the
// longest line gives way to those who have fewer places.
type queue struct {
	mu      sync.Mutex
	free    int64
	room    int // how many may wait
	waiting int
	lines   []*line // those with somebody in them; the first is served next
}

// line is those of one network who wait.
type line struct {
	network netip.Prefix
	waiters []*waiter
}

type waiter struct {
	weight int64
	line   *line
	turn   chan bool // true: go on; false: gave way. Has room for one
}

// acquire takes weight, or waits for it until ctx ends. It answers errFull at
// once if there is no room to wait, and later if somebody else needed it more.
func (q *queue) acquire(ctx context.Context, network netip.Prefix, weight int64) error {
	w, err := q.enter(network, weight)
	if w == nil {
		return err
	}
	select {
	case ok := <-w.turn:
		if !ok {
			return errFull
		}
		return nil
	case <-ctx.Done():
		q.giveUp(w)
		return ctx.Err()
	}
}

// enter takes weight without a waiter if it is free and nobody waits.
func (q *queue) enter(network netip.Prefix, weight int64) (*waiter, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting == 0 && q.free >= weight {
		q.free -= weight
		return nil, nil
	}
	own := q.lineOf(network)
	if q.waiting >= q.room && !q.bump(len(own.waiters)) {
		return nil, errFull
	}
	if len(own.waiters) == 0 {
		q.lines = append(q.lines, own)
	}
	w := &waiter{weight: weight, line: own, turn: make(chan bool, 1)}
	own.waiters = append(own.waiters, w)
	q.waiting++
	return w, nil
}

func (q *queue) lineOf(network netip.Prefix) *line {
	for _, l := range q.lines {
		if l.network == network {
			return l
		}
	}
	return &line{network: network}
}

// bump makes room for one who has so many places, if somebody has more than
// that with the new one.
func (q *queue) bump(places int) bool {
	longest := q.lines[0]
	for _, l := range q.lines {
		if len(l.waiters) > len(longest.waiters) {
			longest = l
		}
	}
	if len(longest.waiters) <= places+1 {
		return false
	}
	last := longest.waiters[len(longest.waiters)-1]
	q.remove(last)
	last.turn <- false
	return true
}

// giveUp leaves the line, or gives back what came at the same moment.
func (q *queue) giveUp(w *waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case ok := <-w.turn:
		if ok {
			q.free += w.weight
		}
	default:
		q.remove(w)
	}
	q.serve()
}

func (q *queue) release(weight int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.free += weight
	q.serve()
}

// serve gives what is free to those whose turn it is. One who needs more than
// that is waited for: cheaper ones would pass by without end.
func (q *queue) serve() {
	for len(q.lines) > 0 && q.lines[0].waiters[0].weight <= q.free {
		l := q.lines[0]
		w := l.waiters[0]
		q.free -= w.weight
		q.remove(w)
		if len(l.waiters) > 0 {
			q.lines = append(q.lines[1:], l)
		}
		w.turn <- true
	}
}

// remove takes w out of its line, and the line out if it is empty then.
func (q *queue) remove(w *waiter) {
	l := w.line
	l.waiters = slices.DeleteFunc(l.waiters, func(other *waiter) bool { return other == w })
	if len(l.waiters) == 0 {
		q.lines = slices.DeleteFunc(q.lines, func(other *line) bool { return other == l })
	}
	q.waiting--
}

func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting
}
