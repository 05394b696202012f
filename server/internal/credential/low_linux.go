package credential

import (
	"os/exec"
	"runtime"
	"syscall"
)

// lower is how much nicer than this process the one beside it is. Where both
// want a processor, that one gets a tenth of it: a flood of refreshes doesn't
// keep everybody from signing in.
const lower = 10

// Lowers reports whether this system lets a process have a priority of its own.
const Lowers = true

// startLow starts a process of lower priority. Here threads have priorities, and
// a process begins with that of the thread that made it. A thread which has
// given up some can't have it back, so it ends with its goroutine: one that
// ends while it is locked to its thread takes the thread along.
func startLow(cmd *exec.Cmd) error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if raised, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0); err == nil { // the system call answers 20 less the niceness
			_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, min(20-raised+lower, 19))
		}
		started <- cmd.Start()
	}()
	return <-started
}
