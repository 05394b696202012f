package cli

import (
	"os/exec"

	"github.com/writ-auth/writ/server/internal/credential"
)

// hashChildCmd is what serve starts beside itself while many sign in. It ends
// with its standard input, and so with the server, whatever became of that.
type hashChildCmd struct{}

// Run hashes what the server asks for.
func (hashChildCmd) Run(p *program) error { return credential.Serve(p.Stdin, p.Stdout) }

// hashChild is its command line, nil where nothing is known of this program. It
// has nothing of the environment, in which the master key may be.
func (p *program) hashChild() func() *exec.Cmd {
	if p.Self == "" {
		return nil
	}
	return func() *exec.Cmd {
		return &exec.Cmd{Path: p.Self, Args: []string{"writ", "hash-child"}, Env: []string{}}
	}
}
