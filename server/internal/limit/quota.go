package limit

import (
	"context"
	"sync"
	"time"
)

// Quota bounds how often something that leaves a mark may be done from one
// address (IPv6 by /64), right or wrong: a number at once, and as many again
// over a time. It is safe for concurrent use. Use NewQuota.
type Quota struct {
	now    func() time.Time
	most   int
	per    time.Duration
	text   string // what is said to who has had enough
	shared *shared

	// The moment from which a network, or a key of TakeBy, has all of it again. Two
	// generations, so that what was forgotten needs no search: older moments have
	// passed.
	mu       sync.Mutex
	new, old map[string]time.Time
	turned   time.Time
}

// NewQuota allows most acts at once and in each per. redis, where the nodes of a
// fleet count those of this name together, may be nil. text is the message of
// the error.
func NewQuota(most int, per time.Duration, text string, now func() time.Time, redis *Redis, name string) *Quota {
	q := &Quota{now: now, most: most, per: per, text: text, new: map[string]time.Time{}, turned: now()}
	if redis != nil {
		q.shared = &shared{redis, name}
	}
	return q
}

// each is how long one act counts.
func (q *Quota) each() time.Duration { return q.per / time.Duration(q.most) }

// Take counts an act; CodeTooMany with RetryAfter, and nothing counted, if there
// were too many.
func (q *Quota) Take(ctx context.Context, address string) error {
	return q.TakeBy(ctx, Network(address).String())
}

// TakeBy is Take for a quota that counts by something else than addresses.
func (q *Quota) TakeBy(ctx context.Context, key string) error {
	if wait := q.count(ctx, key, q.each()); wait > 0 {
		return tooMany(wait, q.text)
	}
	return nil
}

// GiveBackBy undoes a TakeBy, for an act that turned out to be none of those that
// are counted. What is counted first and given back can't be exceeded by acts at
// one moment.
func (q *Quota) GiveBackBy(ctx context.Context, key string) { q.count(ctx, key, -q.each()) }

// count counts an act that takes so long, or gives one back, here and together
// with others. It answers how long to wait, 0 if the act was counted.
func (q *Quota) count(ctx context.Context, key string, each time.Duration) (wait time.Duration) {
	now := q.now()
	wait = q.take(key, now, each)
	if q.shared != nil {
		if together, ok := q.takeTogether(ctx, key, now, each); ok {
			wait = together
		}
	}
	return wait
}

// take is count for this node alone.
func (q *Quota) take(key string, now time.Time, each time.Duration) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if now.Sub(q.turned) >= q.per || len(q.new) >= maxEntries {
		q.new, q.old, q.turned = map[string]time.Time{}, q.new, now
	}
	free, ok := q.new[key]
	if !ok {
		free = q.old[key]
	}
	if free.Before(now) {
		free = now
	}
	free = free.Add(each)
	if wait := free.Sub(now) - q.per; wait > 0 {
		return wait
	}
	q.new[key] = free
	return 0
}

// quotaScript is take.
const quotaScript = `
local now, each, per = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local free = math.max(tonumber(redis.call('GET', KEYS[1]) or 0) or 0, now) + each
if free - now > per then return free - now - per end
if free <= now then redis.call('DEL', KEYS[1]) return 0 end
redis.call('SET', KEYS[1], string.format('%d', free), 'PX', string.format('%d', free - now))
return 0`

func (q *Quota) takeTogether(ctx context.Context, key string, now time.Time, each time.Duration) (wait time.Duration, ok bool) {
	name := q.shared.redis.name(q.shared.name, key)
	answers, ok := q.shared.redis.ask(ctx, command{
		"EVAL", quotaScript, 1, name, now.UnixMilli(), each.Milliseconds(), q.per.Milliseconds(),
	})
	if !ok {
		return 0, false
	}
	n, ok := answers[0].(int64)
	return time.Duration(n) * time.Millisecond, ok
}

// The quota of sign-ups: a school behind one address gets by, who wants to fill
// the database doesn't.
const (
	signups   = 60
	signupPer = time.Hour
)

// Signups bounds how many accounts strangers make from one address.
func Signups(now func() time.Time, redis *Redis) *Quota {
	return NewQuota(signups, signupPer, "Too many accounts were made from this address; try again later.", now, redis, "signups")
}
