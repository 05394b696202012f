package e2e

import (
	"syscall"
	"testing"
)

// TestHangUp sends what elsewhere means that files are to be read again: it must
// not end the server, which ends in good order when it is told to.
func TestHangUp(t *testing.T) {
	s := running(t)
	s.signal(syscall.SIGHUP)
	s.must(200, "GET", "/.well-known/jwks.json", "", nil)
	s.signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("the server ended with %v, want status 0; its output:\n%s", err, s.output)
	}
}
