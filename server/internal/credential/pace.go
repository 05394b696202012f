package credential

import (
	"sync"
	"time"
)

// pace leaves processor time to others. A hash takes all of a processor for as
// long as it lasts, and Go's scheduler lets it go on for ten milliseconds where
// a request needs one: a flood of sign-ins would slow down everything else to a
// crawl. How much others want can be seen in the hash itself: beside others it
// takes longer than it would alone. Then its place in the pool stays empty for
// as long again, and hashing has half of the time at most, while others have
// something to do. On an idle machine nobody rests.
type pace struct {
	mu      sync.Mutex
	fastest map[string]time.Duration // by what the hash costs
}

const (
	contended = 1.3 // so much longer than alone means that others are at work
	maxRest   = 500 * time.Millisecond
	maxPaces  = 32 // kinds of hashes; imported ones bring their own parameters
)

// rest is for how long the place of a hash stays empty that took so long; cost
// names what it should take, "" for what nobody compares. What
// is taken for the fastest grows by one in a thousand each time, so that a
// machine that became slower isn't taken for a busy one for ever.
func (p *pace) rest(cost string, took time.Duration) time.Duration {
	if cost == "" {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fastest, known := p.fastest[cost]
	if !known && len(p.fastest) >= maxPaces {
		clear(p.fastest)
	}
	if p.fastest == nil {
		p.fastest = make(map[string]time.Duration)
	}
	if !known || took < fastest {
		p.fastest[cost] = took
		return 0
	}
	p.fastest[cost] = fastest + fastest/1000
	if float64(took) < contended*float64(fastest) {
		return 0
	}
	return min(took, maxRest)
}
