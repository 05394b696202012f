package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is the CPU time that this process has used: of all its threads, so
// that whoever makes garbage pays for its collection. Time in which another
// process had the processor doesn't count.
func cpuTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err != nil {
		panic(err) // every Linux has this clock
	}
	return time.Duration(ts.Nano())
}
