// Writ is the authentication server and its tools; see package cli.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/writ-auth/writ/server/internal/cli"
)

func main() { os.Exit(run()) }

// run turns signals into the end of a context, and what became of the command
// into the exit status. A second signal ends the process at once.
func run() int {
	runtime.MemProfileRate = 0 // a hundredth of a busy server's work; serve --pprof wants it
	ctx, stop := signal.NotifyContext(context.Background(), ends()...)
	defer stop()
	context.AfterFunc(ctx, stop)
	return cli.Run(ctx, cli.Environment{
		Args: os.Args[1:], Environ: os.Environ(),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Now: time.Now,
		Self: "/proc/self/exe", // on Linux, where alone it is used: this file even where a newer one has taken its place
	})
}

// ends are the signals that end the command in good order. When a terminal is
// closed SIGHUP is one of them. Sent to a server it asks for files to be read
// again, which the server does unasked: it must not end what everybody signs in
// with.
func ends() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	switch {
	case signal.Ignored(syscall.SIGHUP): // nohup
	case term.IsTerminal(int(os.Stdin.Fd())):
		signals = append(signals, syscall.SIGHUP)
	default:
		signal.Ignore(syscall.SIGHUP)
	}
	return signals
}
