package pgtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// nobody is the user that PostgreSQL runs as where the tests run as root, for
// that it refuses.
const nobody = 65534

func unprivileged() *syscall.SysProcAttr {
	attr := new(syscall.SysProcAttr)
	if os.Geteuid() == 0 {
		attr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return attr
}

func giveTo(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(dir, nobody, nobody)
}

// run starts a program that ends with the tests, however they end: Linux tells
// it when the thread that started it does.
func run(cmd *exec.Cmd, dir string, out io.Writer) (*process, error) {
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = dir, out, out, unprivileged()
	cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(p.done)
		}
		runtime.UnlockOSThread()
	}()
	return p, <-started
}

// Pause stops all of the server's processes where they are, as a machine does
// that hangs: connections stay, and nobody answers. It is for Linux.
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	s.toAll(t, syscall.SIGSTOP)
}

// Continue lets a paused server go on.
func (s *Server) Continue(t testing.TB) {
	t.Helper()
	s.toAll(t, syscall.SIGCONT)
}

func (s *Server) toAll(t testing.TB, signal syscall.Signal) {
	t.Helper()
	parent := s.PID()
	pids := []int{parent}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		// 123 (name) S 45 …: process, name, state, parent. A name may hold anything.
		var state string
		var pid, of int
		end := bytes.LastIndexByte(text, ')')
		if _, err := fmt.Sscan(string(text[end+1:]), &state, &of); err != nil || of != parent {
			continue
		}
		if _, err := fmt.Sscan(string(text), &pid); err == nil {
			pids = append(pids, pid)
		}
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
	}
}
