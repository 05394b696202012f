package store

import (
	"errors"
	"os"
	"time"
)

// arrivals makes the runtime look at the network now. A goroutine that gives way
// lets those run that can; requests that have come in the meantime are not among
// them, for the runtime looks for them only when nothing else is left to run. So
// a batch that is about to be written would leave without them, though they are
// there, and each would cost its own wait for the disk.
//
// It is done with a pipe: what is written to it while somebody waits to read is
// itself something that arrives, and is found together with all the rest.
type arrivals struct{ out, in *os.File }

func newArrivals() (*arrivals, error) {
	out, in, err := os.Pipe()
	return &arrivals{out, in}, err
}

// look returns when what had come over the network before has been found, and can
// run. It is for one goroutine at a time.
func (a *arrivals) look() {
	go func() { // runs when the other waits
		if _, err := a.in.Write([]byte{0}); err != nil {
			a.in.Close() // it shall not wait for ever
		}
	}()
	_, _ = a.out.Read(make([]byte, 1)) // it is all the same what comes of it
}

func (a *arrivals) close() error { return errors.Join(a.in.Close(), a.out.Close()) }

// gatherFor bounds for how long a batch grows, for a server so busy that somebody
// always comes.
const gatherFor = time.Millisecond
