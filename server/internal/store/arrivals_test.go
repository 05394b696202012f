package store_test

import (
	"os"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/writ-auth/writ/server/internal/store"
)

// TestArrivals: who had something to read before somebody looks has read it by
// the time that the one who looked has given way.
func TestArrivals(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // nobody else looks
	a, err := store.NewArrivals()
	if err != nil {
		t.Fatal(err)
	}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var read atomic.Int32
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for one := make([]byte, 1); ; read.Add(1) {
			if _, err := out.Read(one); err != nil {
				return
			}
		}
	}()
	inTime := 0
	for n := range int32(1000) {
		if _, err := in.Write([]byte{0}); err != nil {
			t.Fatal(err)
		}
		a.Look()
		for range 10 { // now and then the scheduler lets who gave way go first
			runtime.Gosched()
		}
		if read.Load() == n+1 {
			inTime++
		}
	}
	// A busy machine takes the processor away in between. Without the look it is a
	// few.
	if inTime < 500 {
		t.Errorf("in time %d times of 1000, want most", inTime)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	a.Look() // doesn't wait
	in.Close()
	<-ended
	out.Close()
}
