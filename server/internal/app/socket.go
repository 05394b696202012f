package app

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/writ-auth/writ/server/internal/config"
)

// maxSocketPath is the longest path of a Unix socket that every system takes,
// less what the name of the private directory adds while it is being made.
const maxSocketPath = 80

// SocketPath is where the server of cfg takes the commands of its operator.
func SocketPath(cfg *config.Config) string { return filepath.Join(cfg.Data, "writ.sock") }

// listenSocket makes the operator's socket, which only the user of the server
// may open: it asks for no password. It is made in a private directory and
// moved into place, so that at no moment anybody else could connect, and so
// that it replaces one that a killed server left behind.
func listenSocket(path string) (*net.UnixListener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("%s is too long for a socket; give a shorter --data", path)
	}
	if SocketAnswers(path) {
		return nil, fmt.Errorf("another server answers at %s; stop it, or give another --data", path)
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".sock")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	private := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: private, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // it won't be there any more
	if err := errors.Join(os.Chmod(private, 0o600), os.Rename(private, path)); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// SocketAnswers reports whether a server accepts connections at a socket.
func SocketAnswers(path string) bool {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
