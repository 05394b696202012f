package store

import (
	"os"
	"time"
)

// arrivals makes the runtime look at the network now. A goroutine that gives way
// lets those run that can; requests that have come in the meantime are not among
// them, for the runtime looks for them only when nothing else is left to run. So
// a batch that is about to be written would leave without them, though they are
// there, and each would cost its own wait for the disk.
//
// It is done with a pipe: what is written to it is itself something that arrives,
// and is found together with all the rest.
type arrivals struct {
	pipe *os.File      // to write to
	seen chan struct{} // has one for each byte that was found
}

func newArrivals() (*arrivals, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	a := &arrivals{pipe: in, seen: make(chan struct{}, 1)}
	go func() {
		defer out.Close()
		defer close(a.seen) // nobody waits for one that will never come
		for one := make([]byte, 1); ; {
			if _, err := out.Read(one); err != nil {
				return
			}
			a.seen <- struct{}{}
		}
	}()
	return a, nil
}

// look returns when what had come over the network before has been found, and can
// run. It is for one goroutine at a time.
func (a *arrivals) look() {
	if _, err := a.pipe.Write([]byte{0}); err == nil {
		<-a.seen
	}
}

func (a *arrivals) close() error { return a.pipe.Close() }

// gatherFor bounds for how long a batch grows, for a server so busy that somebody
// always comes.
const gatherFor = time.Millisecond

// gatherAll is gather, and waits for those who are at the door as well.
func gatherAll[J any](jobs <-chan J, batch []J, most int, a *arrivals) []J {
	batch = gather(jobs, batch, most)
	for begun, had := time.Now(), 0; len(batch) > had && len(batch) < most && time.Since(begun) < gatherFor; {
		had = len(batch)
		a.look()
		batch = gather(jobs, batch, most)
	}
	return batch
}
