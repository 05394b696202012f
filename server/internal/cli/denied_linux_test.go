package cli_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/cli"
)

// A data directory of another user's, as after a restore by root: nobody can
// tell from outside whether a server runs on it.
func TestDataOfAnotherUser(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Dir(filepath.Dir(data)), filepath.Dir(data)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() != 0 {
		if err := os.Chmod(data, 0); err != nil {
			t.Fatal(err)
		}
	}
	var stderr bytes.Buffer
	code := make(chan int)
	go func() {
		runtime.LockOSThread() // and end with it: the thread has no longer root's rights to files
		if os.Geteuid() == 0 {
			if err := syscall.Setfsuid(65534); err != nil {
				t.Error(err)
			}
		}
		code <- cli.Run(t.Context(), cli.Environment{
			Args: []string{"users", "list", "--data", data}, Stdout: io.Discard, Stderr: &stderr, Now: time.Now,
		})
	}()
	if got := <-code; got != 1 || !strings.Contains(stderr.String(), "may not look into "+data) {
		t.Errorf("exit status %d, %q, want 1 and that the directory is another's", got, stderr.String())
	}
}
