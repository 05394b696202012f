package guard

import (
	"sync"
	"time"
)

// pause keeps all requests together from asking an issuer again and again that
// doesn't answer: each would wait for its time-out, and the issuer would come
// back to a crowd. After a failure nobody asks for a while, which doubles with
// each failure up to maxBackoff; then one asks for all.
type pause struct {
	mu       sync.Mutex
	failures int       // in a row
	until    time.Time // real time, as waiting is
}

// attempt is a question that a pause has allowed.
type attempt struct{ failures int }

// begin reports whether somebody may ask now. After failures it takes the place
// for one attempt, so that others find it taken.
func (p *pause) begin() (attempt, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failures > 0 {
		now := time.Now()
		if now.Before(p.until) {
			return attempt{}, false
		}
		p.until = now.Add(introspectionTimeout)
	}
	return attempt{p.failures}, true
}

// succeeded ends the pause, and reports whether there was one.
func (p *pause) succeeded() (ended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ended = p.failures > 0
	p.failures, p.until = 0, time.Time{}
	return ended
}

// failed makes the pause longer, and reports whether it has begun one. Those who
// asked at the same time have failed together: that counts once.
func (p *pause) failed(a attempt) (begun bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a.failures != p.failures {
		return false
	}
	p.failures++
	p.until = time.Now().Add(backoff(p.failures, maxBackoff))
	return p.failures == 1
}
