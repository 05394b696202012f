package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/writ-auth/writ/internal/testenv"
)

// TestFullDisk fills the disk under the server in the middle of its work, and
// makes room again, several times: it says so and can't be made to lie, it
// comes back by itself, and what it acknowledged is there.
func TestFullDisk(t *testing.T) {
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, bin)
	disk := smallDisk(t, s, 12<<20)
	s.start()
	h := newHistory(t, s, refreshers, visitors)
	n := kills(4)
	for range n {
		h.load(t, func() { disk.fill(t) })
		h.untilRefused(t.Context())
		disk.empty(t)
		s.waitReady()
		h.audit(t.Context())
	}
	h.load(t, s.kill) // and it is on that disk, not in the program's memory
	s.start()
	h.audit(t.Context())
	h.report(t)
	h.provesSomething(t, n+1)
	if h.outages == 0 {
		t.Error("the disk was never full enough")
	}
}

// untilRefused refreshes until the full disk is felt: there may be room left in
// what the log has taken before. If there is always, nothing is amiss.
func (h *history) untilRefused(ctx context.Context) {
	for range 500 {
		switch err := h.refreshers[0].refresh(ctx); {
		case errors.Is(err, errBusy):
			h.becomesUnready(ctx)
			h.outages++
			return
		case err != nil:
			h.violation("on a full disk: %v", err)
			return
		}
	}
}

// disk is a small file system.
type disk struct{ root string }

// smallDisk puts a server's data on a tmpfs in a mount namespace, for which no
// privilege is needed. It is there as long as the process that made it.
func smallDisk(t *testing.T, s *server, size int) disk {
	t.Helper()
	unshare := testenv.Need(t, testenv.Unshare)
	data := filepath.Join(s.dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf(`mount -t tmpfs -o size=%d,mode=700 none "$0" && echo mounted && exec cat`, size)
	keeper := exec.Command(unshare, "-rm", "sh", "-c", script, data)
	stdin, err1 := keeper.StdinPipe()
	stdout, err2 := keeper.StdoutPipe()
	if err := errors.Join(err1, err2, keeper.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); keeper.Wait() })
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatalf("no small disk: %q %v", line, err)
	}
	pid := strconv.Itoa(keeper.Process.Pid)
	s.under = []string{"nsenter", "-t", pid, "-U", "-m", "--preserve-credentials", "--"}
	return disk{filepath.Join("/proc", pid, "root", data)}
}

// fill leaves no byte free.
func (d disk) fill(t *testing.T) {
	t.Helper()
	f, err := os.Create(filepath.Join(d.root, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// empty makes room again.
func (d disk) empty(t *testing.T) {
	t.Helper()
	if err := os.Remove(filepath.Join(d.root, "filler")); err != nil {
		t.Fatal(err)
	}
}
