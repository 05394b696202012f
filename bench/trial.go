package main

import (
	"fmt"
	"runtime"
	"slices"
	"time"
)

// minRounds is how often everything is measured however slow the machine is.
const minRounds = 3

// trial is one thing to be timed.
type trial struct {
	name    string
	op      func() error
	prepare func() error // before each sample, not timed; may be nil
	n       int          // operations in a sample; 0: as many as fill the slice

	samples []float64 // ns per operation
	allocs  float64   // per operation
}

// measure takes a sample of each trial in turn, round after round, until the
// time is over. Only one processor is used meanwhile, so that the garbage
// collector can't work for free on another.
func measure(trials []*trial, slice, limit time.Duration) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, t := range trials {
		if err := t.setUp(slice); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return rounds(limit, func(round int) error {
		for i := range trials {
			t := trials[(i+round)%len(trials)]
			if err := t.sample(); err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
		}
		return nil
	})
}

// rounds calls f as long as another call fits into the limit, and minRounds
// times at least.
func rounds(limit time.Duration, f func(round int) error) error {
	began := time.Now()
	for n := range 1 << 20 {
		spent := time.Since(began)
		if n >= minRounds && spent+spent/time.Duration(n) > limit {
			break
		}
		if err := f(n); err != nil {
			return err
		}
	}
	return nil
}

// setUp finds out how many operations fill a slice, and counts allocations. It
// does everything once before: the first time isn't like the others.
func (t *trial) setUp(slice time.Duration) error {
	for n := 1; t.n == 0; n *= 2 {
		spent, err := t.time(n)
		if err != nil {
			return err
		}
		if spent >= slice/8 {
			t.n = max(1, int(float64(n)*float64(slice)/float64(spent)))
		}
	}
	if _, err := t.time(t.n); err != nil {
		return err
	}
	if err := t.ready(); err != nil {
		return err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := t.time(t.n)
	runtime.ReadMemStats(&after)
	t.allocs = float64(after.Mallocs-before.Mallocs) / float64(t.n)
	return err
}

// ready does what comes before a sample. Nobody is to collect the garbage that
// the one before has left.
func (t *trial) ready() error {
	if t.prepare != nil {
		if err := t.prepare(); err != nil {
			return err
		}
	}
	runtime.GC()
	return nil
}

// sample measures one slice.
func (t *trial) sample() error {
	if err := t.ready(); err != nil {
		return err
	}
	spent, err := t.time(t.n)
	t.samples = append(t.samples, float64(spent)/float64(t.n))
	return err
}

// time returns the CPU time of n operations.
func (t *trial) time(n int) (time.Duration, error) {
	before := cpuTime()
	for range n {
		if err := t.op(); err != nil {
			return 0, err
		}
	}
	return cpuTime() - before, nil
}

// median returns the middle of some numbers.
func median(numbers []float64) float64 {
	sorted := slices.Sorted(slices.Values(numbers))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

// ratios divides round by round.
func ratios(a, b []float64) []float64 {
	r := make([]float64, len(a))
	for i := range a {
		r[i] = a[i] / b[i]
	}
	return r
}
