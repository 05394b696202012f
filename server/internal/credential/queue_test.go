package credential_test

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/server/internal/credential"
)

// crowd is clients who sign in from networks of their own.
type crowd struct {
	t      *testing.T
	hasher *credential.Hasher

	mu      sync.Mutex
	served  []string       // networks, in the order in which they got a hash
	refused map[string]int // by network
}

// signIn begins a sign-in and returns when it waits, was served, or refused.
func (c *crowd) signIn(network string) {
	c.t.Helper()
	ctx := credential.Network(c.t.Context(), netip.MustParsePrefix(network))
	go func() {
		err := c.hasher.Run(ctx, 19*mib, func() { c.note(network, nil) })
		if err != nil {
			wantBusy(c.t, err)
			c.note(network, err)
		}
	}()
	synctest.Wait()
}

func (c *crowd) note(network string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.served = append(c.served, network)
		return
	}
	c.refused[network]++
}

// Whoever fills the queue waits for their own: others come in and have their
// turn next but one.
func TestNetworksTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, free := occupied(t)
		c := &crowd{t: t, hasher: h, refused: make(map[string]int)}
		const greedy, modest, third = "192.0.2.1/32", "198.51.100.9/32", "2001:db8::/64"
		for range 100 {
			c.signIn(greedy)
		}
		c.signIn(modest)
		c.signIn(third)
		c.signIn(modest)
		time.Sleep(time.Second) // a refusal takes as long
		synctest.Wait()
		if want := 36 + 3; c.refused[greedy] != want || c.refused[modest] != 0 || c.refused[third] != 0 {
			t.Errorf("refused: %v, want %d of the greedy one's and nobody else's", c.refused, want)
		}
		if _, waiting := h.Depth(); waiting != 64 {
			t.Errorf("%d wait, want 64", waiting)
		}
		free()
		synctest.Wait()
		want := []string{greedy, modest, third, greedy, modest, greedy}
		if len(c.served) != 64 || !slices.Equal(c.served[:6], want) {
			t.Errorf("%d served, first %v, want 64, first %v", len(c.served), c.served[:6], want)
		}
	})
}

// When everybody has a fair share, who comes is refused, and nobody gives way.
func TestNobodyGivesWayToAnEqual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, free := occupied(t)
		c := &crowd{t: t, hasher: h, refused: make(map[string]int)}
		for i := range 64 {
			c.signIn(fmt.Sprintf("10.0.0.%d/32", i))
		}
		c.signIn("10.9.9.9/32")
		c.signIn("10.0.0.1/32")
		time.Sleep(time.Second) // a refusal takes as long
		synctest.Wait()
		if c.refused["10.9.9.9/32"] != 1 || c.refused["10.0.0.1/32"] != 1 || len(c.refused) != 2 {
			t.Errorf("refused: %v, want the two that came last", c.refused)
		}
		free()
		synctest.Wait()
		if len(c.served) != 64 {
			t.Errorf("%d served, want 64", len(c.served))
		}
	})
}
