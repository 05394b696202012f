package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Step names what is measured.
type Step string

// The steps. The last four have nothing of Writ in them; see [Baselines].
const (
	SignIn            Step = "sign-in"
	Refresh           Step = "refresh"               // each with the token that the one before gave
	ClientCredentials Step = "client-credentials"    // an ES256 token for a service, or whatever the server's algorithm is
	CodeFlow          Step = "code-flow"             // a browser that is signed in: request, code, tokens; ES256 for both tokens
	Introspect        Step = "introspection"         // of a person's access token
	IntrospectService Step = "introspection-service" // of a service's
	Protected         Step = "protected-route"       // /v1/me with an access token
	Empty             Step = "bare: empty"           // GET, without a body
	EmptyPost         Step = "bare: empty, POST"     // the same handler, asked as for an introspection
	Sign              Step = "bare: ES256"
	Hash              Step = "bare: Argon2id"
)

// Steps lists what can be measured of Writ, in the order of the report.
func Steps() []Step {
	return []Step{Refresh, ClientCredentials, CodeFlow, Introspect, IntrospectService, Protected, SignIn}
}

// Baseline is the bare handler that a step is compared with.
func (s Step) Baseline() Step {
	switch s {
	case Refresh, ClientCredentials, CodeFlow:
		return Sign
	case SignIn:
		return Hash
	}
	return Empty
}

// path is where a baseline is found; "" for a step of Writ.
func (s Step) path() string {
	return map[Step]string{Empty: "/empty", EmptyPost: "/empty", Sign: "/sign", Hash: "/hash"}[s]
}

// Process answers what the operating system says of a server; either may be nil.
type Process struct {
	CPU    func() (time.Duration, error) // processor time used so far
	Memory func() (int64, error)         // resident bytes
}

// Options say what is measured, and how. Base, Admin, Steps, Connections and
// Duration are required.
type Options struct {
	Base     string // the address of the server
	Admin    Admin  // of the same server
	Server   Process
	Baseline string  // the address of a server of Baselines; "" for no comparison
	Bare     Process // of that server

	Steps       []Step
	Connections []int         // each number of connections in turn
	Rate        float64       // offered requests a second of an open loop; 0: closed
	Rounds      int           // how often all steps take turns; default 1
	Duration    time.Duration // of one step in one round
	Warmup      time.Duration

	Progress func(text string)                       // told what is going on; may be nil
	Around   func(step Step, connections int) func() // called before each measurement, its answer after; may be nil
}

// Row is one line of a report: a step with a number of connections.
type Row struct {
	Step        Step
	Connections int
	Result                // of all rounds together
	Rates       []float64 // of each round
	Ratios      []float64 // of each round: to the baseline's rate in that round
	CPURatios   []float64 // of each round: the baseline's processor time for an answer to this one's
}

// MedianRate is that of the rounds.
func (r *Row) MedianRate() float64 { return median(r.Rates) }

// Ratio is the median of the rounds' ratios to the baseline; 0 without one.
func (r *Row) Ratio() float64 { return median(r.Ratios) }

// CPURatio is the median of the rounds' ratios by processor time; 0 if unknown.
// It says what Ratio would be on a machine that has nothing else to do.
func (r *Row) CPURatio() float64 { return median(r.CPURatios) }

// CPUPer is the server's processor time for one answer; 0 if unknown.
func (r *Result) CPUPer() time.Duration {
	answers := r.Right + r.Refused
	if answers == 0 {
		return 0
	}
	return r.CPU / time.Duration(answers)
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

// bench is a measurement under way.
type bench struct {
	Options
	target, bare Target
	subject      *subject
	rows         []*Row
	chains       []*refreshing // kept from round to round
	flows        []*codeFlow   // likewise
}

// Bench measures. It removes what it made on the server, also when ctx ends;
// then, as after a failure, it answers what there is with the error. Wrong
// answers are no error of Bench: they are counted in the rows.
func Bench(ctx context.Context, opts Options) (rows []*Row, err error) {
	b, err := begin(ctx, &opts)
	if b == nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.subject.remove(ctx)) }()
	if err != nil {
		return nil, err
	}
	if err := b.subject.prepare(ctx); err != nil {
		return nil, err
	}
	for _, connections := range opts.Connections {
		for round := range opts.Rounds {
			if err := b.round(ctx, connections, round); err != nil {
				return b.rows, err
			}
		}
	}
	return b.rows, nil
}

// begin makes the subject. What it made must be removed even if it fails.
func begin(ctx context.Context, opts *Options) (*bench, error) {
	opts.Rounds = max(opts.Rounds, 1)
	if opts.Progress == nil {
		opts.Progress = func(string) {}
	}
	b := &bench{Options: *opts}
	var err error
	if b.target, err = NewTarget(opts.Base); err != nil {
		return nil, err
	}
	if opts.Baseline != "" {
		if b.bare, err = NewTarget(opts.Baseline); err != nil {
			return nil, err
		}
	}
	b.Progress("making a client and a user to work with")
	b.subject, err = newSubject(ctx, opts.Base, b.target, opts.Admin)
	return b, err
}

// round measures every step once, with its baseline before it.
func (b *bench) round(ctx context.Context, connections, round int) error {
	// Anew in each round: the server may give short lives.
	if err := b.subject.signInUser(ctx); err != nil {
		return err
	}
	bare := map[Step]*Result{}
	for _, step := range b.Steps {
		if err := b.beside(ctx, step, connections, round, bare); err != nil {
			return err
		}
		out, err := b.measure(ctx, step, connections, round)
		if err != nil {
			return err
		}
		b.row(step, connections).compare(out, bare[step.Baseline()], b.Rate <= 0)
	}
	return nil
}

// beside measures, once a round, the bare handlers that a step is read beside.
func (b *bench) beside(ctx context.Context, step Step, connections, round int, bare map[Step]*Result) error {
	bases := []Step{step.Baseline()}
	if step == Introspect || step == IntrospectService {
		bases = append(bases, EmptyPost)
	}
	for _, base := range bases {
		if bare[base] != nil || b.Baseline == "" {
			continue
		}
		out, err := b.measure(ctx, base, connections, round)
		if err != nil {
			return err
		}
		if bare[base] = out; base == EmptyPost {
			b.row(base, connections).compare(out, bare[Empty], b.Rate <= 0)
		}
	}
	return nil
}

// compare notes how a round's result is to the baseline's. In an open loop both
// rates are what was offered.
func (r *Row) compare(out, bare *Result, closed bool) {
	if bare == nil {
		return
	}
	if closed && bare.Right > 0 {
		r.Ratios = append(r.Ratios, out.Rate()/bare.Rate())
	}
	if own, its := out.CPUPer(), bare.CPUPer(); own > 0 && its > 0 {
		r.CPURatios = append(r.CPURatios, float64(its)/float64(own))
	}
}

func (b *bench) row(step Step, connections int) *Row {
	for _, row := range b.rows {
		if row.Step == step && row.Connections == connections {
			return row
		}
	}
	row := &Row{Step: step, Connections: connections}
	b.rows = append(b.rows, row)
	return row
}

// measure carries out one step.
func (b *bench) measure(ctx context.Context, step Step, connections, round int) (*Result, error) {
	title := fmt.Sprintf("%s, %d connections, round %d of %d", step, connections, round+1, b.Rounds)
	b.Progress(title)
	tasks, err := b.tasks(ctx, step, connections)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", title, err)
	}
	plan := Plan{Target: b.target, Tasks: tasks, Rate: b.Rate, Warmup: b.Warmup, Duration: b.Duration, Pause: 50 * time.Millisecond,
		CPU: b.Server.CPU, Progress: func(answers uint64, elapsed time.Duration) {
			b.Progress(fmt.Sprintf("%s: %.0f/s", title, float64(answers)/elapsed.Seconds()))
		}}
	if step.path() != "" {
		plan.Target, plan.CPU = b.bare, b.Bare.CPU
	}
	stop := func() {}
	if b.Around != nil {
		stop = b.Around(step, connections)
	}
	out, err := Run(ctx, plan)
	stop()
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", title, err)
	}
	b.verify(ctx, tasks, out)
	row := b.row(step, connections)
	row.add(out)
	row.Rates = append(row.Rates, out.Rate())
	return out, nil
}

// verify counts signatures that are not good.
func (b *bench) verify(ctx context.Context, tasks []Task, out *Result) {
	for _, task := range tasks {
		looked, ok := task.(interface{ tokens() *inspector })
		if !ok {
			continue
		}
		in := looked.tokens()
		err := in.verify(ctx, b.subject.verifier[in.want.Audience])
		if flow, ok := task.(*codeFlow); ok {
			err = errors.Join(err, b.subject.verifyIdentity(ctx, flow))
		}
		if err != nil {
			out.Wrong++
			out.First = errors.Join(out.First, err)
		}
	}
}

// tasks makes a task for each connection.
func (b *bench) tasks(ctx context.Context, step Step, n int) (tasks []Task, err error) {
	s := b.subject
	switch step {
	case Refresh:
		b.chains, err = grow(b.chains, n, func() (*refreshing, error) { return s.chain(ctx) })
		return asTasks(b.chains, n), err
	case CodeFlow:
		b.flows, err = grow(b.flows, n, func() (*codeFlow, error) { return s.browser(ctx) })
		return asTasks(b.flows, n), err
	}
	for range n {
		tasks = append(tasks, s.task(b.bare, step))
	}
	return tasks, nil
}

// task is what one connection does in a step that keeps nothing.
func (s *subject) task(bare Target, step Step) Task {
	switch step {
	case SignIn:
		return newSignIn(s.target, s.Issuer, s.User, "", "")
	case ClientCredentials:
		return newClientToken(s.target, s)
	case Introspect:
		return newIntrospection(s.target, s, s.Person, claims{Issuer: s.Issuer, Subject: s.User.ID, ClientID: "writ", Audience: s.Audience, Session: s.Sid})
	case IntrospectService:
		return newIntrospection(s.target, s, s.Token, claims{Issuer: s.Issuer, Subject: s.ClientID, ClientID: s.ClientID, Audience: s.Audience})
	case EmptyPost:
		return &fixed{askAbout(bare, step.path(), s, s.Person)}
	case Protected:
		return newOwn(s.target, s.User.ID, s.Session, s.Own)
	}
	return Get(bare, step.path())
}

// signingIn is how many sign in at once while sessions are made.
const signingIn = 4

// grow adds to what connections keep from round to round, until there is one
// for each of n; those that there are go on where they are.
func grow[T any](kept []T, n int, begin func() (T, error)) ([]T, error) {
	missing := max(n-len(kept), 0)
	added, errs := make([]T, missing), make([]error, missing)
	var group sync.WaitGroup
	places := make(chan struct{}, signingIn)
	for i := range missing {
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			added[i], errs[i] = begin()
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return kept, err
	}
	return append(kept, added...), nil
}

func asTasks[T Task](kept []T, n int) []Task {
	tasks := make([]Task, min(n, len(kept)))
	for i := range tasks {
		tasks[i] = kept[i]
	}
	return tasks
}

// chain begins a session to be refreshed.
func (s *subject) chain(ctx context.Context) (*refreshing, error) {
	in := newSignIn(s.target, s.Issuer, s.User, "", "")
	if _, err := s.once(ctx, in); err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	return &refreshing{
		inspector: inspector{want: in.want}, head: newHead(s.target, "POST", "/v1/refresh", "Content-Type", typeJSON),
		token: in.last.RefreshToken, session: in.last.Session,
	}, nil
}
