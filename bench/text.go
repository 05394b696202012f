package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

func (r *Report) writeText(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s\n", r.circumstances())
	fmt.Fprint(&b, "Times are CPU time: the minimum of all rounds, and its ratio to raw cryptography's.\n\n")
	for _, t := range append(r.medianTables(), r.tables()...) {
		t.writeText(&b)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// table is what the text and the page have in common.
type table struct {
	title string
	head  []string
	rows  [][]string
}

func (t table) writeText(b *strings.Builder) {
	fmt.Fprintf(b, "%s\n", t.title)
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{t.head}, t.rows...) {
		fmt.Fprintf(w, "  %s\n", strings.Join(row, "\t"))
	}
	w.Flush() // to memory
	b.WriteByte('\n')
}

// writeMarkdown aligns numbers to the right.
func (t table) writeMarkdown(b *strings.Builder) {
	fmt.Fprintf(b, "### %s\n\n| %s |\n|---%s|\n", t.title, strings.Join(t.head, " | "), strings.Repeat("|---:", len(t.head)-1))
	for _, row := range t.rows {
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
	}
	b.WriteByte('\n')
}

// tables are what everybody wants to know, and the goals.
func (r *Report) tables() []table {
	allocs := func(x *Result) string { return fmt.Sprintf("%.0f", x.Allocs) }
	tables := []table{
		r.timeTable("Verify and validate", opVerify),
		r.timeTable("Sign", opSign),
		r.numberTable("Verify and validate: allocations", opVerify, allocs),
		r.numberTable("Sign: allocations", opSign, allocs),
		r.guardTable(), r.routeTable(),
	}
	if len(r.Scaling) > 0 {
		tables = append(tables, r.scalingTable())
	}
	return append(tables, r.goalTable())
}

// medianTables say how far the rest can be trusted.
func (r *Report) medianTables() []table {
	ratio := func(x *Result) string { return times(x.MedianRatio) }
	return []table{
		r.numberTable("Verify and validate: ratio to raw cryptography, the median of all rounds", opVerify, ratio),
		r.numberTable("Sign: ratio to raw cryptography, the median of all rounds", opSign, ratio),
	}
}

// timeTable shows time and ratio in one cell.
func (r *Report) timeTable(title, operation string) table {
	return r.numberTable(title+", µs (× raw cryptography)", operation, func(x *Result) string {
		if x.Contestant == rawName {
			return micros(x.Minimum)
		}
		return fmt.Sprintf("%s (%s)", micros(x.Minimum), times(x.Ratio))
	})
}

// numberTable has a row for each contestant and a column for each algorithm.
func (r *Report) numberTable(title, operation string, show func(*Result) string) table {
	t := table{title: title, head: []string{""}}
	for _, alg := range algorithms() {
		t.head = append(t.head, string(alg))
	}
	for _, name := range r.contestants(operation) {
		row := []string{r.label(name)}
		for _, alg := range algorithms() {
			text := "–"
			if x := r.find(operation, alg, name); x != nil {
				text = show(x)
			}
			row = append(row, text)
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// label is a contestant's name with its version.
func (r *Report) label(name string) string {
	return strings.TrimSpace(name + " " + r.Machine.Versions[name])
}

func (r *Report) guardTable() table {
	t := table{title: "The guard, all checks", head: []string{"", "ns, minimum", "ns, median", "allocations"}}
	for _, x := range r.Guard {
		t.rows = append(t.rows, []string{
			x.Name, fmt.Sprintf("%.0f", x.Minimum), fmt.Sprintf("%.0f", x.Median), fmt.Sprintf("%.0f", x.Allocs),
		})
	}
	return t
}

func (r *Report) routeTable() table {
	t := table{
		title: fmt.Sprintf("A route over HTTP, %d connections kept alive", connections),
		head:  []string{"", "requests/s", "× the empty handler", "server CPU, µs", "empty handler's CPU ÷ this"},
	}
	for _, x := range r.Route {
		t.rows = append(t.rows, []string{
			x.Name, fmt.Sprintf("%.0f", x.PerSecond), times(x.Ratio), micros(x.CPU), times(x.CPUFraction),
		})
	}
	return t
}

func (r *Report) scalingTable() table {
	t := table{title: "Two processors instead of one, by the clock", head: []string{"", "best round", "median", "CPU time of one operation"}}
	for _, x := range r.Scaling {
		t.rows = append(t.rows, []string{x.Name, times(x.Best), times(x.Median), times(x.CPU)})
	}
	return t
}

func (r *Report) goalTable() table {
	t := table{title: "Goals", head: []string{"", "goal", "measured", ""}}
	for _, g := range r.goals() {
		verdict := "missed"
		if g.met {
			verdict = "met"
		}
		t.rows = append(t.rows, []string{g.name, g.goal, g.measured, verdict})
	}
	return t
}

// micros shows nanoseconds as microseconds, with three digits.
func micros(ns float64) string { return digits(ns / 1000) }

func times(ratio float64) string { return digits(ratio) + "×" }

func digits(x float64) string {
	switch {
	case x < 10:
		return fmt.Sprintf("%.2f", x)
	case x < 100:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.0f", x)
}
