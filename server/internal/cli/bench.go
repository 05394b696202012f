package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/kong"

	"github.com/writ-auth/writ/server/internal/load"
)

// benchCmd measures a server, its operator's own or one that it starts itself.
type benchCmd struct {
	URL         string        `arg:"" optional:"" help:"The server's address. Default: its issuer, if that is on this machine."`
	Local       bool          `help:"Measure a throwaway server of this program, on an empty database in a temporary directory, or on the empty PostgreSQL database that --database names."`
	Remote      string        `placeholder:"HOST" help:"Measure another machine. Name its host again: load hurts whom it hits."`
	Only        []string      `placeholder:"STEP" help:"Measure these alone: ${bench_steps}."`
	Connections []int         `default:"16,64" help:"How many connections ask at once; each number in turn."`
	Rate        float64       `placeholder:"N" help:"Offer so many requests a second, whether they are answered in time or not. Default: each connection asks again when it was answered."`
	Duration    time.Duration `default:"2s" help:"How long each step is measured in each round."`
	Rounds      int           `default:"3" help:"How often the steps take turns."`
	AtMost      time.Duration `default:"15m" help:"End the whole run after so long."`
	NoBare      bool          `help:"Don't measure bare handlers beside the server."`
	Flood       int           `placeholder:"N" help:"Measure what refreshes suffer while N accounts sign in without end."`
	ServerCPUs  string        `name:"server-cpus" placeholder:"LIST" help:"The processors for the server that --local starts and for the bare handlers, as taskset has it. With --local the default is 0."`
	LoadCPUs    string        `name:"load-cpus" placeholder:"LIST" help:"The processors for the load. With --local the default is 1, if there is one."`
	Profile     string        `type:"path" placeholder:"DIR" help:"With --local: write a processor profile of the server in each step there."`
	Settings    kong.Plugins  `embed:""`
}

// benchWarmup goes before each measurement and isn't counted.
const benchWarmup = 300 * time.Millisecond

// Run measures, removes what it made, and fails if an answer was wrong.
func (c benchCmd) Run(ctx context.Context, p *program) error {
	if err := c.check(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.AtMost)
	defer cancel()
	b := &benchRun{benchCmd: c, program: p}
	err := errors.Join(b.run(ctx), b.close())
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the run was cut off after %s; measure less, or give it more time with --at-most", c.AtMost)
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted; what was made for the measurement is removed")
	}
	return err
}

func (c *benchCmd) check() error {
	switch {
	case c.Local && (c.URL != "" || c.Remote != ""):
		return usagef("--local starts a server of its own; leave out the URL and --remote")
	case c.Profile != "" && !c.Local:
		return usagef("--profile needs --local")
	case c.Duration < 100*time.Millisecond || c.Duration > 10*time.Minute:
		return usagef("--duration must be between 100ms and 10m")
	case c.Rounds < 1 || c.Rounds > 1000:
		return usagef("--rounds must be between 1 and 1000")
	case c.Rate < 0:
		return usagef("--rate must not be negative")
	case c.Flood < 0 || c.Flood > 10_000:
		return usagef("--flood must be between 1 and 10000")
	case c.AtMost <= 0:
		return usagef("--at-most must be more than 0")
	}
	for _, n := range c.Connections {
		if n < 1 || n > 10_000 {
			return usagef("--connections must be between 1 and 10000")
		}
	}
	_, err := c.steps()
	return err
}

func (c *benchCmd) steps() (steps []load.Step, err error) {
	if len(c.Only) == 0 {
		return load.Steps(), nil
	}
	for _, name := range c.Only {
		step := load.Step(name)
		if !strings.Contains(","+benchSteps()+",", ","+name+",") {
			return nil, usagef("--only must be of %s, not %q", benchSteps(), name)
		}
		steps = append(steps, step)
	}
	return steps, nil
}

// benchSteps is the list of steps, with commas.
func benchSteps() string {
	var names []string
	for _, step := range load.Steps() {
		names = append(names, string(step))
	}
	return strings.Join(names, ",")
}

// benchRun is a run of bench.
type benchRun struct {
	benchCmd
	*program
	server   *child // that --local started, else nil
	children []*child
	admin    *adminClient
	closers  []func() error

	mu       sync.Mutex
	progress string // what was last said
}

func (b *benchRun) close() (err error) {
	for i := len(b.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, b.closers[i]())
	}
	return err
}

func (b *benchRun) run(ctx context.Context) error {
	opts, err := b.options(ctx)
	if err != nil {
		return err
	}
	if b.Flood > 0 {
		return b.besiege(ctx, opts)
	}
	seen := b.watchMachine()
	rows, err := load.Bench(ctx, opts)
	if len(rows) > 0 {
		report := b.report(opts, rows)
		report.Machine = seen()
		err = errors.Join(err, b.show(report, func(w io.Writer) error { return b.print(w, rows, report.Machine) }), wrongAnswers(rows))
	}
	return err
}

// options starts what must be started.
func (b *benchRun) options(ctx context.Context) (load.Options, error) {
	steps, err := b.steps()
	if err != nil {
		return load.Options{}, err
	}
	if err := b.placeLoad(ctx); err != nil {
		return load.Options{}, err
	}
	opts := load.Options{
		Steps: steps, Connections: b.Connections, Rate: b.Rate, Rounds: b.Rounds, Duration: b.Duration, Warmup: benchWarmup,
		Progress: b.tell, Around: b.around(ctx),
	}
	if b.Local {
		opts.Base, err = b.startServer(ctx)
	} else {
		opts.Base, err = b.reach(ctx)
	}
	if err != nil {
		return opts, err
	}
	opts.Admin = benchAdmin{b.admin}
	if b.server != nil {
		opts.Server = b.server.process()
	}
	if b.NoBare || b.Flood > 0 {
		return opts, nil
	}
	bare, err := b.startBare(ctx)
	if err == nil {
		opts.Baseline, opts.Bare = bare.address, bare.process()
	}
	return opts, err
}

// benchAdmin is the admin API as package load wants it.
type benchAdmin struct{ client *adminClient }

func (a benchAdmin) Call(ctx context.Context, method, path string, body, out any) error {
	return a.client.call(ctx, method, path, body, out)
}

// reach finds the server and its administration.
func (b *benchRun) reach(ctx context.Context) (base string, err error) {
	cfg, err := b.loadConfig(b.Settings)
	if err != nil {
		return "", err
	}
	if base = strings.TrimSuffix(b.URL, "/"); base == "" {
		base = cfg.Issuer
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Path != "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", usagef("%q is not the address of a server, such as http://localhost:8080", base)
	}
	switch {
	case b.Remote != "" && b.Remote != u.Hostname():
		return "", usagef("--remote %s is not the host of %s", b.Remote, base)
	case b.Remote == "" && !loopback(u.Hostname()):
		return "", usagef("%s is another machine, or may be; if load may hit it, say so with --remote %s", base, u.Hostname())
	}
	if b.getenv("WRIT_ADMIN_TOKEN") != "" {
		b.admin, err = b.remoteClient(base)
	} else {
		b.admin, err = b.socketAdmin(ctx)
	}
	if err == nil {
		b.closers = append(b.closers, b.admin.close)
	}
	return base, err
}

// tell says what is going on, to a person who may wait for minutes. Two phases
// that run at once both call it.
func (b *benchRun) tell(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if text != b.progress {
		b.progress = text
		fmt.Fprintln(b.Stderr, oneLine(text))
	}
}

// placeLoad moves this process to its processors.
func (b *benchRun) placeLoad(ctx context.Context) error {
	if b.Local && runtime.NumCPU() > 1 && taskset() != "" {
		if b.ServerCPUs == "" {
			b.ServerCPUs = "0"
		}
		if b.LoadCPUs == "" {
			b.LoadCPUs = "1"
		}
	}
	if b.LoadCPUs == "" {
		return nil
	}
	return pinSelf(ctx, b.LoadCPUs)
}

// wrongAnswers is the error of a run in which an answer was wrong.
func wrongAnswers(rows []*load.Row) error {
	for _, row := range rows {
		if row.Wrong > 0 {
			return fmt.Errorf("%s, %d connections: %d answers were wrong, such as: %w; the rates mean nothing then", row.Step, row.Connections, row.Wrong, row.First)
		}
	}
	return nil
}
