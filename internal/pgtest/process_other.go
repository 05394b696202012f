//go:build !linux

package pgtest

import (
	"io"
	"os/exec"
	"syscall"
)

func unprivileged() *syscall.SysProcAttr { return nil }

func giveTo(string) error { return nil }

func run(cmd *exec.Cmd, dir string, out io.Writer) (*process, error) {
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	p := &process{cmd: cmd, done: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}
