//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package store

import (
	"fmt"
	"os"
	"runtime"
)

// acquire refuses: without a lock that goes with the process, two could open
// one database.
func acquire(path string) (*os.File, error) {
	return nil, fmt.Errorf("store: %s: a SQLite database can't be locked on %s", path, runtime.GOOS)
}
