// Command bench measures what verifying and signing tokens costs: with this
// library, with others, and with nothing but the cryptography that nobody can
// do without. All are measured in one run, in turn, since only what ran side by
// side compares.
//
//	go run ./bench               a table, in about two and a half minutes
//	go run ./bench -quick        a rougher one, in about 15 seconds
//	go run ./bench -write docs   also into docs/performance.md and its picture
//
// Run it on a machine that does nothing else. docs/performance.md says what is
// measured, and how.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

func main() {
	if os.Getenv(serveVariable) != "" {
		exit(serve(os.Stdin, os.Stdout))
	}
	exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func exit(err error) {
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// plan says how long each part may take. The parts do as many rounds as fit, so
// a slower machine is measured less often, not longer.
type plan struct {
	slice                       time.Duration // CPU time of one sample
	matrix, guard, route, scale time.Duration
}

func fullPlan() plan {
	return plan{
		slice: 20 * time.Millisecond, matrix: 120 * time.Second,
		guard: 15 * time.Second, route: 12 * time.Second, scale: 12 * time.Second,
	}
}

func quickPlan() plan {
	return plan{
		slice: 3 * time.Millisecond, matrix: 5 * time.Second,
		guard: time.Second, route: 2 * time.Second, scale: 2 * time.Second,
	}
}

// run is the program with its arguments; progress goes to status.
func run(args []string, out, status io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(status)
	quick := flags.Bool("quick", false, "measure for some 15 seconds instead of two and a half minutes: rougher numbers")
	docs := flags.String("write", "", "write the tables and the picture into performance.md of this `folder`, too")
	results := flags.String("json", "", "write all results to this `file`, too")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	p := fullPlan()
	if *quick {
		p = quickPlan()
	}
	report, err := measureAll(p, status)
	if err != nil {
		return err
	}
	return report.write(out, *results, *docs)
}

// write writes the report as text, and to the file and the folder if they are
// named.
func (r *Report) write(out io.Writer, results, docs string) error {
	if err := r.writeText(out); err != nil {
		return err
	}
	if results != "" {
		if err := writeJSON(results, r); err != nil {
			return err
		}
	}
	if docs != "" {
		return r.writeDocs(docs)
	}
	return nil
}

func writeJSON(name string, report *Report) error {
	data, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(data, '\n'), 0o644)
}

// measureAll measures everything, one part after the other.
func measureAll(p plan, status io.Writer) (*Report, error) {
	report := &Report{Machine: thisMachine()}
	began := time.Now()
	for _, part := range []struct {
		name    string
		measure func(plan, *Report) error
	}{
		{"verify and sign", measureMatrix},
		{"known tokens", measureGuard},
		{"a protected route", measureRoute},
		{"two cores", measureScaling},
	} {
		fmt.Fprintf(status, "bench: %s …\n", part.name)
		if err := part.measure(p, report); err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	fmt.Fprintf(status, "bench: done in %s\n", time.Since(began).Round(time.Second))
	return report, nil
}
