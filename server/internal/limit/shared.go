package limit

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// shared is what the throttles of one name on all nodes have counted.
//
// A key holds the four numbers of an entry in milliseconds: level, since, last
// and goodTill. A node reads them before it judges an attempt, and judges by
// them as it would by its own; what attempts are under way each node knows for
// itself.
type shared struct {
	redis *Redis
	name  string
}

// memory is what Redis remembers of an entry.
type memory struct {
	level                 int
	since, last, goodTill time.Time
}

func (s *shared) key(k key) string {
	network := ""
	if k.kind != perAccount {
		network = k.network.String()
	}
	return s.redis.name(s.name, strconv.Itoa(int(k.kind)), string(k.account[:]), network)
}

// read answers what is remembered of keys; false if that is not known now.
func (s *shared) read(ctx context.Context, keys []key) (found []memory, ok bool) {
	commands := make([]command, len(keys))
	for i, k := range keys {
		commands[i] = command{"GET", s.key(k)}
	}
	answers, ok := s.redis.ask(ctx, commands...)
	for _, answer := range answers {
		text, _ := answer.([]byte)
		found = append(found, parseMemory(string(text)))
	}
	return found, ok
}

// parseMemory is nothing remembered for what isn't ours.
func parseMemory(text string) (m memory) {
	var since, last, good int64
	if n, err := fmt.Sscanf(text, "%d %d %d %d", &m.level, &since, &last, &good); n != 4 || err != nil || m.level < 0 {
		return memory{}
	}
	m.since, m.last, m.goodTill = fromMillis(since), fromMillis(last), fromMillis(good)
	return m
}

func fromMillis(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMilli(n)
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// failedScript counts a failure as entry.failed does. Its last argument is what
// the node knows of: more than Redis, if that was gone for a while.
const failedScript = `
local level, since, last, good = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+) (%d+) (%d+)$')
level, since, last, good = tonumber(level or 0), tonumber(since or 0), tonumber(last or 0), tonumber(good or 0)
local now, forget, least, known = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local n = math.floor((now - since) / forget)
if n > 0 then
	level = math.max(0, level - n)
	since = since + n * forget
end
if level == 0 then since = now end
level = math.max(level + 1, known)
local ttl = math.max(level * forget, least, good - now)
redis.call('SET', KEYS[1], string.format('%d %d %d %d', level, since, math.max(last, now), good), 'PX', string.format('%d', ttl))
return level`

func (s *shared) failed(ctx context.Context, all []remembered, now time.Time) {
	commands := make([]command, len(all))
	for i, e := range all {
		commands[i] = command{
			"EVAL", failedScript, 1, s.key(e.key),
			now.UnixMilli(), ruleOf(e.key.kind).forget.Milliseconds(), MaxDelay.Milliseconds(), e.level,
		}
	}
	s.redis.ask(ctx, commands...)
}

// succeeded forgets the failures of an account at an address.
func (s *shared) succeeded(ctx context.Context, k key, m memory) {
	value := fmt.Sprintf("%d %d %d %d", m.level, millis(m.since), millis(m.last), millis(m.goodTill))
	s.redis.ask(ctx, command{"SET", s.key(k), value, "PX", goodFor.Milliseconds()})
}

// touched is when a memory last changed but for forgetting, as Redis rounds it.
func (m memory) touched() time.Time {
	at := m.last
	if good := m.goodTill.Add(-goodFor); good.After(at) && !m.goodTill.IsZero() {
		at = good
	}
	return at.Truncate(time.Millisecond)
}

// adopt takes over what the fleet knows, unless this node knows more: while
// Redis was gone.
func (e *entry) adopt(m memory) {
	own := memory{e.level, e.since, e.last, e.goodTill}
	switch later := own.touched().Compare(m.touched()); {
	case later > 0, later == 0 && own.level > m.level && !m.goodTill.After(own.goodTill):
		return
	}
	e.level, e.since, e.last, e.goodTill = m.level, m.since, m.last, m.goodTill
}

// refresh reads what the fleet knows before an attempt is judged.
func (t *Throttle) refresh(ctx context.Context, keys []key) {
	if t.shared == nil {
		return
	}
	found, ok := t.shared.read(ctx, keys)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for i, m := range found {
		if e := t.find(keys[i]); e != nil || m.level > 0 || now.Before(m.goodTill) {
			t.touch(keys[i], now).adopt(m)
		}
	}
}
