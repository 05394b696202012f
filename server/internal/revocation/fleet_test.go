package revocation_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/server/internal/revocation"
)

// bus is a fleet's database as far as its nodes speak over it.
type bus struct {
	mu    sync.Mutex
	nodes map[string]*member
}

// member is a node's place on the bus.
type member struct {
	bus    *bus
	id     string
	told   chan string
	said   int   // messages of this node
	deaf   bool  // hears nothing
	broken error // of both directions
}

func (b *bus) join(id string) *member {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.nodes == nil {
		b.nodes = map[string]*member{}
	}
	m := &member{bus: b, id: id, told: make(chan string, 100)}
	b.nodes[id] = m
	return m
}

func (b *bus) leave(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.nodes, id)
}

func (m *member) set(change func(*member)) {
	m.bus.mu.Lock()
	defer m.bus.mu.Unlock()
	change(m)
}

func (m *member) messages() int {
	m.bus.mu.Lock()
	defer m.bus.mu.Unlock()
	return m.said
}

func (m *member) NodeID() string      { return m.id }
func (m *member) Told() <-chan string { return m.told }

func (m *member) OtherNodes(context.Context) (ids []string, err error) {
	m.bus.mu.Lock()
	defer m.bus.mu.Unlock()
	for id := range m.bus.nodes {
		if id != m.id {
			ids = append(ids, id)
		}
	}
	return ids, m.broken
}

func (m *member) Tell(_ context.Context, message string) error {
	m.bus.mu.Lock()
	defer m.bus.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	m.said++
	for id, other := range m.bus.nodes {
		if id != m.id && !other.deaf {
			other.told <- message
		}
	}
	return nil
}

// fleetOf is n running nodes of one log.
func fleetOf(t *testing.T, n int) (members []*member, nodes []*revocation.Service) {
	var b bus
	l := &table{id: "l"}
	for i := range n {
		m := b.join(fmt.Sprintf("node%d", i))
		members, nodes = append(members, m), append(nodes, l.runningIn(t, m))
	}
	return members, nodes
}

func TestAwaitTheFleet(t *testing.T) {
	const soon = 300 * time.Millisecond // a node that couldn't speak tries again now and then
	all := func(count, of int) revocation.Acknowledged {
		return revocation.Acknowledged{Count: count, Of: of, Scope: revocation.ScopeAll}
	}
	some := func(count, of int) revocation.Acknowledged {
		return revocation.Acknowledged{Count: count, Of: of, Scope: revocation.ScopeSome}
	}
	ack := func(t *testing.T, s *revocation.Service, id string, seq uint64) {
		t.Helper()
		if err := s.Acknowledge(t.Context(), id, "l", seq); err != nil {
			t.Error(err)
		}
	}
	for name, c := range map[string]struct {
		play func(t *testing.T, members []*member, nodes []*revocation.Service)
		want revocation.Acknowledged
		at   time.Duration // what it takes, but for soon
	}{
		"nobody follows": {func(*testing.T, []*member, []*revocation.Service) {}, all(0, 0), 0},
		"all have come already": {func(t *testing.T, _ []*member, nodes []*revocation.Service) {
			for i, s := range nodes {
				s.Follow(fmt.Sprint(i))
				ack(t, s, fmt.Sprint(i), 7)
			}
		}, all(3, 3), 0},
		"the last comes elsewhere": {func(t *testing.T, _ []*member, nodes []*revocation.Service) {
			nodes[0].Follow("a")
			nodes[1].Follow("b")
			nodes[1].Follow("c")
			ack(t, nodes[0], "a", 7)
			ack(t, nodes[1], "b", 9)
			time.AfterFunc(time.Second, func() { ack(t, nodes[1], "c", 7) })
		}, all(3, 3), time.Second},
		"one elsewhere doesn't come": {func(t *testing.T, _ []*member, nodes []*revocation.Service) {
			nodes[1].Follow("b")
			nodes[2].Follow("c")
			ack(t, nodes[1], "b", 6)
			ack(t, nodes[2], "c", 8)
		}, all(1, 2), 5 * time.Second},
		"one elsewhere goes": {func(t *testing.T, _ []*member, nodes []*revocation.Service) {
			time.AfterFunc(time.Second, nodes[2].Follow("c"))
		}, all(0, 0), time.Second},
		"one comes meanwhile": {func(t *testing.T, _ []*member, nodes []*revocation.Service) {
			time.AfterFunc(2*time.Second, nodes[2].Follow("c"))
			time.AfterFunc(time.Second, func() { nodes[1].Follow("b") })
			time.AfterFunc(3*time.Second, func() { ack(t, nodes[1], "b", 7) })
		}, all(1, 1), 3 * time.Second},
		"a node hears nothing": {func(t *testing.T, members []*member, nodes []*revocation.Service) {
			nodes[0].Follow("a")
			nodes[1].Follow("b")
			ack(t, nodes[0], "a", 7)
			ack(t, nodes[1], "b", 7)
			nodes[2].Follow("c")
			members[2].set(func(m *member) { m.deaf = true })
		}, some(2, 2), 5 * time.Second},
		"a node hears nothing for a while": {func(t *testing.T, members []*member, nodes []*revocation.Service) {
			nodes[2].Follow("c")
			ack(t, nodes[2], "c", 7)
			members[2].set(func(m *member) { m.deaf = true })
			time.AfterFunc(1500*time.Millisecond, func() { members[2].set(func(m *member) { m.deaf = false }) })
		}, all(1, 1), 2 * time.Second},
		"a node goes": {func(t *testing.T, members []*member, nodes []*revocation.Service) {
			nodes[0].Follow("a")
			ack(t, nodes[0], "a", 7)
			nodes[2].Follow("c")
			time.AfterFunc(1500*time.Millisecond, func() { members[2].bus.leave("node2") })
		}, all(1, 1), 2 * time.Second},
		"a node comes that wasn't asked": {func(t *testing.T, members []*member, nodes []*revocation.Service) {
			nodes[1].Follow("b")
			time.AfterFunc(1500*time.Millisecond, func() { members[2].bus.join("another"); ack(t, nodes[1], "b", 7) })
		}, all(1, 1), 1500 * time.Millisecond},
		"a node that wasn't asked is there when nodes are looked for": {func(t *testing.T, members []*member, nodes []*revocation.Service) {
			nodes[1].Follow("b")
			time.AfterFunc(1500*time.Millisecond, func() { members[2].bus.join("another") })
			time.AfterFunc(2500*time.Millisecond, func() { ack(t, nodes[1], "b", 7) })
		}, some(1, 1), 5 * time.Second},
		"this node can't speak": {func(t *testing.T, members []*member, nodes []*revocation.Service) {
			nodes[0].Follow("a")
			ack(t, nodes[0], "a", 7)
			members[0].set(func(m *member) { m.broken = errors.New("cut off") })
		}, some(1, 1), 5 * time.Second},
		"this node can speak again": {func(t *testing.T, members []*member, nodes []*revocation.Service) {
			members[1].bus.leave("node1")
			members[1].bus.leave("node2")
			members[0].set(func(m *member) { m.broken = errors.New("cut off") })
			time.AfterFunc(1500*time.Millisecond, func() { members[0].set(func(m *member) { m.broken = nil }) })
		}, all(0, 0), 2 * time.Second},
		"another could not speak for a while": {func(t *testing.T, members []*member, nodes []*revocation.Service) {
			nodes[2].Follow("c")
			members[2].set(func(m *member) { m.broken = errors.New("cut off") })
			ack(t, nodes[2], "c", 7)
			time.AfterFunc(time.Second, func() { members[2].set(func(m *member) { m.broken = nil }) })
		}, all(1, 1), time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				members, nodes := fleetOf(t, 3)
				c.play(t, members, nodes)
				began := time.Now()
				a, err := nodes[0].Await(t.Context(), 7, 5*time.Second)
				if took := time.Since(began); err != nil || a != c.want || took < c.at || took > c.at+soon {
					t.Errorf("%+v, %v after %v, want %+v after %v", a, err, took, c.want, c.at)
				}
				time.Sleep(10 * time.Second) // who was asked stops when the time is up, at the latest
				before := members[1].messages() + members[2].messages()
				nodes[1].Follow("late")
				nodes[2].Follow("late")
				time.Sleep(time.Minute)
				if n := members[1].messages() + members[2].messages() - before; n != 0 {
					t.Errorf("%d messages though nobody waits", n)
				}
			})
		})
	}
}

// A thousand verifiers at another node, which acknowledge one after the other
// within a second: that isn't a thousand messages.
func TestAwaitManyElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		members, nodes := fleetOf(t, 2)
		for i := range 1000 {
			defer nodes[1].Follow(fmt.Sprint(i))()
			time.AfterFunc(time.Duration(i)*time.Millisecond, func() {
				if err := nodes[1].Acknowledge(t.Context(), fmt.Sprint(i), "l", 1); err != nil {
					t.Error(err)
				}
			})
		}
		a, err := nodes[0].Await(t.Context(), 1, time.Minute)
		if err != nil || a.Count != 1000 || a.Of != 1000 || a.Scope != revocation.ScopeAll {
			t.Errorf("%+v, %v", a, err)
		}
		if n := members[1].messages(); n > 110 {
			t.Errorf("%d messages", n)
		}
	})
}

// What other nodes say is no more than a count.
func TestStrangeMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bus
		l := &table{id: "l"}
		s := l.runningIn(t, b.join("a"))
		other := b.join("b")
		heard := make(chan string, 100)
		go func() {
			for message := range other.told {
				heard <- message
			}
		}()
		defer close(other.told)
		for _, message := range []string{"", "ask", "ask w", "ask w l x 5", "ask w l -1 5", "ask w l 1 -5", "has", "has w b 1 1", "has w b -1 0", "end", "end w", "and what later versions say"} {
			if err := other.Tell(t.Context(), message); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		if len(heard) != 0 {
			t.Errorf("it says %q to that", <-heard)
		}
		var question string
		time.AfterFunc(10*time.Millisecond, func() {
			question = <-heard
			var name, log string
			var seq, ms uint64
			if n, err := fmt.Sscanf(question, "ask %s %s %d %d", &name, &log, &seq, &ms); err != nil || n != 4 || log != "l" || seq != 3 || ms != 5000 {
				t.Errorf("asked with %q", question)
			}
			for _, answer := range []string{"has %s b 5 4", "has %s b -1 4", "has %s b 1", "has %s nobody 5 5"} {
				if err := other.Tell(t.Context(), fmt.Sprintf(answer, name)); err != nil {
					t.Error(err)
				}
			}
		})
		a, err := s.Await(t.Context(), 3, 5*time.Second)
		if err != nil || a != (revocation.Acknowledged{Scope: revocation.ScopeSome}) {
			t.Errorf("%+v, %v", a, err)
		}
	})
}
