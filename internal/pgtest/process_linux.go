package pgtest

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
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
