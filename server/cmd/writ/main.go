// Writ is the authentication server and its tools; see package cli.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/writ-auth/writ/server/internal/cli"
)

func main() { os.Exit(run()) }

// run turns signals into the end of a context, and what became of the command
// into the exit status. A second signal ends the process at once.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return cli.Run(ctx, cli.Environment{
		Args: os.Args[1:], Environ: os.Environ(),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Now: time.Now,
		Self: "/proc/self/exe", // on Linux, where alone it is used: this file even where a newer one has taken its place
	})
}
