package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/writ-auth/writ/server/internal/app"
	"github.com/writ-auth/writ/server/internal/load"
)

// benchReport is what bench says with --json. Times are in microseconds.
type benchReport struct {
	Version    string     `json:"version"`
	Go         string     `json:"go"`
	CPUs       int        `json:"cpus"`
	ServerCPUs string     `json:"server_cpus,omitempty"`
	LoadCPUs   string     `json:"load_cpus,omitempty"`
	Rate       float64    `json:"offered_rate,omitempty"` // of an open loop
	Machine    *quiet     `json:"machine,omitempty"`      // what else it did
	Rows       []benchRow `json:"rows"`
}

type benchRow struct {
	Step        load.Step  `json:"step"`
	Connections int        `json:"connections"`
	Seconds     float64    `json:"seconds"`
	Rate        float64    `json:"rate"`                // right answers a second, median of the rounds
	Rates       []float64  `json:"rates"`               // of each round
	Bare        load.Step  `json:"bare,omitempty"`      // what it is compared with
	Ratio       float64    `json:"ratio,omitempty"`     // of the rates, median of the rounds
	CPURatio    float64    `json:"cpu_ratio,omitempty"` // the same by processor time
	CPU         float64    `json:"cpu_us,omitempty"`    // the server's processor time for an answer
	P50         int64      `json:"p50_us"`
	P90         int64      `json:"p90_us"`
	P99         int64      `json:"p99_us"`
	Max         int64      `json:"max_us"`
	Right       uint64     `json:"right"`
	Refused     uint64     `json:"refused"`
	Wrong       uint64     `json:"wrong"`
	Missed      uint64     `json:"missed"`
	First       string     `json:"first_wrong,omitempty"`
	Histogram   [][2]int64 `json:"histogram"` // up to so many microseconds, and how many
}

func (b *benchRun) report(opts load.Options, rows []*load.Row) benchReport {
	out := benchReport{Version: app.Version(), Go: runtime.Version(), CPUs: runtime.NumCPU(),
		ServerCPUs: b.ServerCPUs, LoadCPUs: b.LoadCPUs, Rate: opts.Rate, Rows: []benchRow{}}
	for _, row := range rows {
		out.Rows = append(out.Rows, reportRow(row))
	}
	return out
}

func reportRow(row *load.Row) benchRow {
	l := &row.Latency
	out := benchRow{Step: row.Step, Connections: row.Connections, Seconds: row.Elapsed.Seconds(), Rate: row.MedianRate(), Rates: row.Rates,
		Ratio: row.Ratio(), CPURatio: row.CPURatio(), CPU: float64(row.CPUPer()) / 1e3, P50: l.Quantile(.5).Microseconds(), P90: l.Quantile(.9).Microseconds(),
		P99: l.Quantile(.99).Microseconds(), Max: l.Max().Microseconds(), Right: row.Right, Refused: row.Refused, Wrong: row.Wrong,
		Missed: row.Missed, Histogram: [][2]int64{}}
	if out.Ratio > 0 || out.CPURatio > 0 {
		out.Bare = row.Step.Baseline()
	}
	if row.First != nil {
		out.First = row.First.Error()
	}
	for _, bar := range l.Bars() {
		out.Histogram = append(out.Histogram, [2]int64{bar.Upper.Microseconds(), int64(bar.Count)})
	}
	return out
}

// print writes the table, and what must be known to read it.
func (b *benchRun) print(w io.Writer, rows []*load.Row, machine *quiet) error {
	heads := []string{"STEP", "CONNECTIONS", "RATE", "OF BARE", "BY CPU", "P50", "P90", "P99", "MAX", "CPU", "REFUSED", "WRONG"}
	var cells [][]string
	for _, row := range rows {
		cells = append(cells, benchCells(row))
	}
	if err := table(w, heads, cells); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nRATE: right answers a second, the median of %d rounds of %s. OF BARE: that rate to a handler's that does nothing else,\n"+
		"in the same round; BY CPU: the same of the processor time for an answer, which others on the machine disturb less.\n"+
		"CPU: the server's processor time for an answer.\n%s\n", b.Rounds, b.Duration, b.placement())
	if err == nil && machine != nil {
		_, err = fmt.Fprintln(w, machine)
	}
	return err
}

func (b *benchRun) placement() string {
	if b.ServerCPUs == "" && b.LoadCPUs == "" {
		return "Server, bare handlers and load share all processors of their machine, so each takes from the other."
	}
	return fmt.Sprintf("Server and bare handlers on processor %s, load on %s.", orAny(b.ServerCPUs), orAny(b.LoadCPUs))
}

func orAny(list string) string {
	if list == "" {
		return "any"
	}
	return list
}

func benchCells(row *load.Row) []string {
	l := &row.Latency
	cells := []string{string(row.Step), strconv.Itoa(row.Connections), fmt.Sprintf("%.0f/s", row.MedianRate()), "–", "–",
		brief(l.Quantile(.5)), brief(l.Quantile(.9)), brief(l.Quantile(.99)), brief(l.Max()), "–",
		strconv.FormatUint(row.Refused, 10), strconv.FormatUint(row.Wrong, 10)}
	if ratio := row.Ratio(); ratio > 0 {
		cells[3] = fmt.Sprintf("%.2f×", ratio)
	}
	if ratio := row.CPURatio(); ratio > 0 {
		cells[4] = fmt.Sprintf("%.2f×", ratio)
	}
	if cpu := row.CPUPer(); cpu > 0 {
		cells[9] = brief(cpu)
	}
	return cells
}

// brief is a duration with three digits or so.
func brief(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.2fms", d.Seconds()*1e3)
	case d < time.Second:
		return fmt.Sprintf("%.0fms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.2fs", d.Seconds())
}

// siegeReport is what bench --flood says with --json.
type siegeReport struct {
	Accounts int      `json:"accounts"`
	Capacity benchRow `json:"capacity"`
	Calm     benchRow `json:"calm"`
	Flooded  benchRow `json:"flooded"`
	SignIns  benchRow `json:"sign_ins"`
	Cost     float64  `json:"cost"` // part of the calm rate that the flood took
	Idle     int64    `json:"memory_before,omitempty"`
	Memory   int64    `json:"memory_in_flood,omitempty"`
}

func (b *benchRun) besiege(ctx context.Context, opts load.Options) error {
	out, err := load.Flood(ctx, opts, b.Flood)
	if err != nil {
		return err
	}
	r := siegeReport{Accounts: b.Flood, Capacity: reportRow(&out.Capacity), Calm: reportRow(&out.Calm), Flooded: reportRow(&out.Flooded),
		SignIns: reportRow(&out.SignIns), Cost: out.Cost(), Idle: out.Idle, Memory: out.Memory}
	return errors.Join(
		b.show(r, func(w io.Writer) error { return printSiege(w, out, b.Flood) }),
		wrongAnswers([]*load.Row{&out.Capacity, &out.Calm, &out.Flooded, &out.SignIns}))
}

func printSiege(w io.Writer, s *load.Siege, accounts int) error {
	var cells [][]string
	for _, line := range []struct {
		name string
		row  *load.Row
	}{
		{"refreshes, without end", &s.Capacity}, {"refreshes, at half of that", &s.Calm},
		{"the same, in the flood", &s.Flooded}, {"sign-ins of " + strconv.Itoa(accounts) + " accounts", &s.SignIns},
	} {
		c := benchCells(line.row)
		cells = append(cells, append([]string{line.name}, append(c[1:3], c[5:]...)...))
	}
	err := table(w, []string{"PHASE", "CONNECTIONS", "RATE", "P50", "P90", "P99", "MAX", "CPU", "REFUSED", "WRONG"}, cells)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "\nThe flood took %.1f %% of the refreshes that were offered.\n", 100*s.Cost())
	if err == nil && s.Memory > 0 {
		_, err = fmt.Fprintf(w, "The server's memory: %d MB before it, at most %d MB in it.\n", s.Idle>>20, s.Memory>>20)
	}
	return err
}

// around writes a profile of the server while a step is measured.
func (b *benchRun) around(ctx context.Context) func(load.Step, int) func() {
	if b.Profile == "" {
		return nil
	}
	return func(step load.Step, connections int) func() {
		name := fmt.Sprintf("%s-%d.pprof", strings.ReplaceAll(string(step), ": ", "-"), connections)
		done := make(chan error, 1)
		go func() { done <- b.profile(ctx, filepath.Join(b.Profile, name)) }()
		return func() {
			if err := <-done; err != nil {
				b.tell("no profile: " + err.Error())
			}
		}
	}
}

// profile asks the server for a profile of the time that a step takes.
func (b *benchRun) profile(ctx context.Context, path string) error {
	seconds := max(1, int(b.Duration/time.Second))
	address := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", b.server.AdminListen, seconds)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}
