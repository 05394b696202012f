package main

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/pgtest"
	"github.com/writ-auth/writ/server/internal/load"
)

// TestFleetThroughput refreshes at one, two and three nodes of one PostgreSQL at
// once, each with connections and sessions of its own. That every answer is right
// is tested; rates are logged, for a person to read: nodes, database and load
// share the processors of one machine.
func TestFleetThroughput(t *testing.T) {
	const most, sessions = 3, 4 // nodes; of each connection
	c, settings := scaleOf(t), []string(nil)
	if c.rounds == 1 { // not for its times
		settings = append(settings, "fsync=off")
	}
	all := most * connections * sessions
	f := fill(t, pgtest.StartOwn(t, settings...).Database(t), population{all, all, all})
	var nodes []*scaled
	for i := range most {
		part := f
		part.tokens = f.tokens[i*all/most : (i+1)*all/most]
		nodes = append(nodes, serve(t, part, 1))
		c.rate = 0 // as many as are answered
		for range c.rounds {
			t.Logf("nodes: %d; refreshes a second: %s", len(nodes), refreshAtOnce(t, nodes, c))
		}
	}
}

// refreshAtOnce answers the nodes' rates, and their sum.
func refreshAtOnce(t *testing.T, nodes []*scaled, c scale) string {
	t.Helper()
	results := make([]*load.Result, len(nodes))
	var wg sync.WaitGroup
	for i, node := range nodes {
		wg.Go(func() { results[i] = node.refresh(t, node.tasks(), c) })
	}
	wg.Wait()
	sum, text := 0., ""
	var p99 time.Duration
	for _, r := range results {
		if r == nil {
			t.FailNow()
		}
		sum += r.Rate()
		p99 = max(p99, r.Latency.Quantile(.99))
		text += fmt.Sprintf("%.0f + ", r.Rate())
	}
	return fmt.Sprintf("%s = %.0f, p99 %v", text[:len(text)-3], sum, p99.Round(100*time.Microsecond))
}
