package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestDocs: the table of docs/scale.md is what the simulation says.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/scale.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows bytes.Buffer
	writeRows(&rows, table())
	if !strings.Contains(string(text), rows.String()) {
		t.Errorf("docs/scale.md should have\n%s", &rows)
	}
}

func TestLevels(t *testing.T) {
	for verifiers, want := range map[int][]int{1: nil, 2500: nil, 2501: {2}, 1_000_000: {400}, 10_000_000: {2, 4000}} {
		m := measured()
		m.verifiers = verifiers
		if got := m.levels(); !slices.Equal(got, want) {
			t.Errorf("%d verifiers: %v, want %v", verifiers, got, want)
		}
	}
}

// What comes while a node sends goes out together in its next round.
func TestRounds(t *testing.T) {
	ms := time.Millisecond
	got := rounds([]news{{10 * ms, 1}, {11 * ms, 2}, {29 * ms, 3}, {31 * ms, 4}, {100 * ms, 5}}, 20*ms)
	if want := []news{{10 * ms, 1}, {30 * ms, 3}, {50 * ms, 4}, {100 * ms, 5}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// By hand: without jitter and load, a lone revocation takes the links, the place
// in each node's round, and the check.
func TestOneRevocation(t *testing.T) {
	m := measured()
	m.verifiers, m.fanOut, m.jitter, m.rate = 100, 10, 0, 0.2
	r := m.run()
	least := 2*(m.oneWay+m.send/2) + m.check
	most := 2*(m.oneWay+10*m.send/2) + m.check
	if r.relays != 10 || r.delays[0] < least || r.part(1) > (most+ms(21)).Round(time.Millisecond) {
		t.Errorf("%d relays, %v to %v; want 10, and at least %v", r.relays, r.delays[0], r.part(1), least)
	}
}

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }
