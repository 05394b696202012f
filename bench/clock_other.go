//go:build !linux

package main

import (
	"syscall"
	"time"
)

// cpuTime is the CPU time that this process has used, in microseconds at best.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // it fails for bad arguments alone
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
