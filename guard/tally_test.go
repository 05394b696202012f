package guard

import (
	"runtime"
	"sync"
	"testing"
)

// Whatever the garbage collector does to the pool, nothing is lost.
func TestTally(t *testing.T) {
	var count tally
	var all sync.WaitGroup
	const workers, each = 200, 500 // more workers than stripes
	for range workers {
		all.Go(func() {
			for n := range each {
				count.add()
				if n%100 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	for range 5 {
		runtime.GC()
	}
	all.Wait()
	if got := count.load(); got != workers*each {
		t.Errorf("counted %d, want %d", got, workers*each)
	}
	if n := testing.AllocsPerRun(100, count.add); n != 0 {
		t.Errorf("counting allocates %v times, want 0", n)
	}
}
