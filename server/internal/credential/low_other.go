//go:build !linux

package credential

import (
	"errors"
	"os/exec"
)

// Lowers reports whether this system lets a process have a priority of its own.
const Lowers = false

func startLow(*exec.Cmd) error { return errors.ErrUnsupported }
