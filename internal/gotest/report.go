package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// event is one line of go test -json, as go doc test2json describes it.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

// testID names a test, or with an empty test the package itself.
type testID struct{ pkg, test string }

// report collects events and prints what is worth reading.
type report struct {
	out            io.Writer
	passed, failed int
	skipped        []string            // one line each
	output         map[testID][]string // of tests that have not ended
	broken         map[string]bool     // packages in which a test failed
	notes          []string
}

func newReport(out io.Writer) *report {
	return &report{out: out, output: make(map[testID][]string), broken: make(map[string]bool)}
}

// note adds something other than a test to the list of what was skipped.
func (r *report) note(what, why string) {
	r.notes = append(r.notes, what+": "+why)
}

func (r *report) event(ev event) {
	id := testID{ev.Package, ev.Test}
	switch ev.Action {
	case "build-output":
		fmt.Fprint(r.out, ev.Output)
	case "output":
		if ev.Test == "" {
			r.packageLine(ev.Output)
		} else {
			r.output[id] = append(r.output[id], ev.Output)
		}
	case "pass", "skip", "fail":
		if ev.Test == "" {
			r.packageEnd(ev)
		} else {
			r.testEnd(id, ev.Action)
		}
	}
}

// packageLine prints what go test prints of a package without -v.
func (r *report) packageLine(line string) {
	if line != "PASS\n" && !strings.HasSuffix(line, "[no test files]\n") {
		fmt.Fprint(r.out, line)
	}
}

func (r *report) testEnd(id testID, action string) {
	lines := r.output[id]
	delete(r.output, id)
	switch action {
	case "pass":
		r.passed++
	case "fail":
		r.failed++
		r.broken[id.pkg] = true
		fmt.Fprint(r.out, strings.Join(lines, ""))
	case "skip":
		r.skipped = append(r.skipped, fmt.Sprintf("%s (%s): %s", id.test, id.pkg, reason(lines)))
	}
}

// packageEnd prints what is left of a package that failed: when a test panics
// or runs out of time, neither it nor those beside it come to an end. A
// package that fails without a test, because it doesn't build, counts as one.
func (r *report) packageEnd(ev event) {
	var left []testID
	for id := range r.output {
		if id.pkg == ev.Package {
			left = append(left, id)
		}
	}
	slices.SortFunc(left, func(a, b testID) int { return strings.Compare(a.test, b.test) })
	for _, id := range left {
		if ev.Action == "fail" {
			r.testEnd(id, "fail")
		}
		delete(r.output, id)
	}
	if ev.Action == "fail" && !r.broken[ev.Package] {
		r.failed++
	}
}

// reason finds in a skipped test's output what it said, without the position.
func reason(lines []string) string {
	var said []string
	for _, line := range lines {
		text := strings.TrimSpace(line)
		if text == "" || strings.HasPrefix(text, "=== ") || strings.HasPrefix(text, "--- ") {
			continue
		}
		if position, rest, ok := strings.Cut(text, ": "); ok && strings.Contains(position, ".go:") {
			text = rest
		}
		said = append(said, text)
	}
	if len(said) == 0 {
		return "no reason given"
	}
	return strings.Join(said, "; ")
}

// close prints the end of the report and answers the exit status. A run
// without a test proves nothing, so it is no success.
func (r *report) close(code int) int {
	skips := append(slices.Clone(r.notes), r.skipped...)
	if len(skips) > 0 {
		fmt.Fprintln(r.out, "\nskipped:")
		for _, s := range skips {
			fmt.Fprintln(r.out, "  "+s)
		}
		fmt.Fprintln(r.out)
	}
	if r.passed+r.failed == 0 && code == 0 {
		fmt.Fprintln(r.out, "no test ran")
		code = 1
	}
	fmt.Fprintf(r.out, "%d passed, %d failed, %d skipped\n", r.passed, r.failed, len(r.skipped))
	return code
}
