// Package cli is the command writ: its verbs and flags, its output, and the
// one line that says what to try next when something fails.
//
// Each verb is a struct whose fields are its flags and whose Run method does
// the work. Passwords, secrets and key files never come from a flag's value,
// for a process list shows those to everybody on the machine: they come from a
// prompt without echo, a file, or standard input.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// Environment is all of the process that a command may touch.
type Environment struct {
	Args           []string // without the program's name
	Environ        []string // as os.Environ answers
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Now            func() time.Time
	Self           string // the file of this program, which serve starts again to hash passwords; "" for a program that isn't writ
}

// program is a run of the command.
type program struct {
	Environment
	json bool
}

// grammar is the command line.
type grammar struct {
	JSON bool `name:"json" help:"Write JSON for programs instead of text for people."`

	Serve    serveCmd    `cmd:"" help:"Start the server."`
	Relay    relayCmd    `cmd:"" help:"Pass a server's revocation log on to many verifiers."`
	Users    usersCmd    `cmd:"" help:"Add, list, show, change and remove users."`
	Orgs     orgsCmd     `cmd:"" help:"Add, list, show, change and remove organisations, and their members."`
	Roles    rolesCmd    `cmd:"" help:"Add, list, show, change and remove roles."`
	Apis     apisCmd     `cmd:"" name:"apis" help:"Add, list, show, change and remove APIs: the audiences that tokens are made for."`
	Clients  clientsCmd  `cmd:"" help:"Add, list, show, change and remove clients: the applications that ask for tokens."`
	Sessions sessionsCmd `cmd:"" help:"List and revoke sessions."`
	Keys     keysCmd     `cmd:"" help:"Make, convert and inspect keys; import, export and rotate the server's."`
	Token    tokenCmd    `cmd:"" help:"Sign, verify, decode and lint tokens."`
	Revoke   revokeCmd   `cmd:"" help:"Revoke a token, a session, a user's or client's sessions, or a key."`
	Bench    benchCmd    `cmd:"" help:"Measure a server under load, and check every answer."`
	Backup   backupCmd   `cmd:"" help:"Back a server up, while it runs or not."`
	Restore  restoreCmd  `cmd:"" help:"Make a server of a back-up."`
	Doctor   doctorCmd   `cmd:"" help:"Check the configuration, the data and the running server."`
	Version  versionCmd  `cmd:"" help:"Print the version."`

	BenchChild benchChildCmd `cmd:"" hidden:""`
	HashChild  hashChildCmd  `cmd:"" hidden:""`
}

// Run carries out one command line and answers the exit status: 0, 1 when the
// command failed, 2 when the command line itself is wrong. Every failure is one
// line on Stderr.
func Run(ctx context.Context, env Environment) int {
	p := &program{Environment: env}
	err := p.run(ctx)
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errInterrupted
	}
	fmt.Fprintln(env.Stderr, "writ: "+oneLine(strings.ReplaceAll(err.Error(), "\n", "; ")))
	var usage *usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// errInterrupted stands for whatever was under way when a signal came.
var errInterrupted = errors.New("interrupted")

func (p *program) run(ctx context.Context) error {
	helped := false
	g, parser, err := p.parser(ctx, func(int) { helped = true })
	if err != nil {
		return err
	}
	command, err := parser.Parse(customary(p.Args))
	if helped { // by --help, which has printed everything
		return nil
	}
	if err != nil {
		return usagef("%s; see %s --help", readable(err.Error()), helpCommand(err))
	}
	p.json = g.JSON
	return command.Run()
}

// customary understands what people try first of a program they don't know:
// writ help, writ help VERB, writ --version.
func customary(args []string) []string {
	if len(args) > 0 && args[0] == "help" {
		return append(slices.Clone(args[1:]), "--help")
	}
	if i := slices.Index(args, "--version"); i == 0 || i == 1 && args[0] == "--json" {
		args = slices.Clone(args)
		args[i] = "version"
	}
	return args
}

// readable turns the parser's list of what a flag may be, "a","b","c", into
// a, b or c.
func readable(text string) string {
	before, rest, found := strings.Cut(text, " must be one of ")
	list, got, closed := strings.Cut(rest, " but got ")
	if !found || !closed {
		return text
	}
	return before + " must be " + alternatives(strings.Split(strings.ReplaceAll(list, `"`, ""), ",")) + ", not " + got
}

// alternatives is "a, b or c".
func alternatives(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func (p *program) parser(ctx context.Context, exit func(int)) (*grammar, *kong.Kong, error) {
	g := newGrammar()
	parser, err := kong.New(g,
		kong.Name("writ"),
		kong.Description("JWT authentication: a server, and tools for keys and tokens."),
		kong.Writers(p.Stdout, p.Stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Vars{"bench_steps": strings.ReplaceAll(benchSteps(), ",", ", ")},
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(p),
		kong.WithHyphenPrefixedParameters(true), // one key ID of 64 begins with a hyphen
		kong.Exit(exit),
	)
	return g, parser, err
}

// helpCommand is the command line whose --help explains a parse error.
func helpCommand(err error) string {
	var parse *kong.ParseError
	if !errors.As(err, &parse) || parse.Context == nil {
		return "writ"
	}
	name := []string{"writ"}
	for _, step := range parse.Context.Path {
		if step.Command != nil {
			name = append(name, step.Command.Name)
		}
	}
	return strings.Join(name, " ")
}

// usageError is a command line that is wrong in itself: exit status 2.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}
