package limit

import (
	"crypto/sha256"
	"net/netip"
	"strings"
	"time"
)

// kind says what an entry counts by.
type kind byte

const (
	perBoth kind = iota // account and address
	perAccount
	perAddress
)

// key names an entry. The account is hashed, for what a client calls an account
// may be as long as a request.
type key struct {
	kind    kind
	account [16]byte
	network netip.Prefix
}

func keysOf(account, address string) [3]key {
	sum := sha256.Sum256([]byte(strings.ToLower(account)))
	name, network := [16]byte(sum[:16]), Network(address)
	return [3]key{
		perBoth:    {kind: perBoth, account: name, network: network},
		perAccount: {kind: perAccount, account: name},
		perAddress: {kind: perAddress, network: network},
	}
}

// Network is the smallest network that one client can be told by: a customer
// with IPv6 has at least 2^64 addresses to choose from. What is no address (a
// local socket) counts as one client, the zero Prefix.
func Network(address string) netip.Prefix {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	network, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return network
}

// rule says how many failures are allowed at once, and how long until one is
// forgotten.
type rule struct {
	free   int
	forget time.Duration
}

func ruleOf(k kind) rule {
	switch k {
	case perBoth:
		return rule{10, 10 * time.Minute}
	case perAccount:
		return rule{100, time.Minute}
	}
	return rule{100, 30 * time.Second}
}

// goodFor is how long a success makes an address known to an account.
const goodFor = 30 * 24 * time.Hour

// entry counts the failures of one key.
type entry struct {
	key      key
	rule     rule
	level    int       // failures not forgotten yet, as of since
	since    time.Time // when the last one was forgotten, or the first came
	last     time.Time // the last failure
	goodTill time.Time // for perBoth: the account signed in from here
	pending  int       // attempts without an outcome yet
	changed  chan struct{}
}

// admit says whether an attempt may begin: a delay to come back after, or busy
// if that depends on the attempts under way, or neither.
func (e *entry) admit(now time.Time) (delay time.Duration, busy bool) {
	e.forget(now)
	if e.level+e.pending < e.rule.free {
		return 0, false
	}
	if e.level >= e.rule.free {
		if delay := e.last.Add(delayAt(e.level - e.rule.free)).Sub(now); delay > 0 {
			return delay, false
		}
	}
	return 0, e.pending > 0
}

// delayAt is the delay for so many failures beyond the allowance.
func delayAt(over int) time.Duration {
	return min(firstDelay<<min(over, 20), MaxDelay)
}

// forget takes off one failure for each interval that has passed.
func (e *entry) forget(now time.Time) {
	n := int(now.Sub(e.since) / e.rule.forget)
	if n <= 0 {
		return
	}
	e.level = max(0, e.level-n)
	e.since = e.since.Add(time.Duration(n) * e.rule.forget)
}

func (e *entry) failed(now time.Time) {
	e.forget(now)
	if e.level == 0 {
		e.since = now
	}
	e.level++
	e.last = now
}

func (e *entry) succeeded(now time.Time) {
	if e.key.kind == perBoth {
		e.level, e.goodTill = 0, now.Add(goodFor)
	}
}

func (e *entry) knownGood(now time.Time) bool { return now.Before(e.goodTill) }

// turn is closed at the next outcome.
func (e *entry) turn() <-chan struct{} {
	if e.changed == nil {
		e.changed = make(chan struct{})
	}
	return e.changed
}

func (e *entry) announce() {
	if e.changed != nil {
		close(e.changed)
		e.changed = nil
	}
}
