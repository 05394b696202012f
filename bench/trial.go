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

// setUp finds out how many operations fill a slice, and counts allocations.
func (t *trial) setUp(slice time.Duration) error {
	warm := max(t.n, 1)
	for t.n == 0 {
		spent, err := t.time(warm)
		if err != nil {
			return err
		}
		if spent < slice/8 {
			warm *= 2
			continue
		}
		t.n = max(1, int(float64(warm)*float64(slice)/float64(spent)))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := t.time(warm); err != nil {
		return err
	}
	runtime.ReadMemStats(&after)
	t.allocs = float64(after.Mallocs-before.Mallocs) / float64(warm)
	return nil
}

// sample measures one slice. It begins with no garbage, since nobody is to
// collect what the one before has left.
func (t *trial) sample() error {
	if t.prepare != nil {
		if err := t.prepare(); err != nil {
			return err
		}
	}
	runtime.GC()
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
