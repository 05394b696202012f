package cli

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// machineTime is what the processors of a machine have done since it started,
// all of them together.
type machineTime struct {
	busy, idle, stolen time.Duration
}

// readMachine asks Linux; elsewhere nobody knows.
func readMachine() (machineTime, bool) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return machineTime{}, false
	}
	return parseMachine(string(text))
}

// parseMachine reads the first line of /proc/stat (proc_stat(5)): user, nice,
// system, idle, iowait, irq, softirq and steal, in hundredths of a second.
func parseMachine(text string) (m machineTime, ok bool) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return m, false
	}
	for i, field := range fields[1:9] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return m, false
		}
		d := time.Duration(n) * 10 * time.Millisecond
		switch i {
		case 3, 4:
			m.idle += d
		case 7:
			m.stolen += d
		default:
			m.busy += d
		}
	}
	return m, true
}

// quiet says how much of the machine had nothing to do with a measurement.
type quiet struct {
	Idle   float64 `json:"idle"`   // part of all processors' time
	Others float64 `json:"others"` // of other programs, a database among them
	Steal  float64 `json:"steal"`  // of other virtual machines on this hardware
}

// disturbed is more than what leaves the rates alone.
func (q *quiet) disturbed() bool { return q.Others > .05 || q.Steal > .02 }

// between is what the time from one reading to another was used for; own is
// the processor time of the measurement itself. Nil for no time at all.
func (m machineTime) between(later machineTime, own time.Duration) *quiet {
	busy, idle, stolen := later.busy-m.busy, later.idle-m.idle, later.stolen-m.stolen
	total := (busy + idle + stolen).Seconds()
	if total <= 0 {
		return nil
	}
	return &quiet{Idle: idle.Seconds() / total, Others: max(busy-own, 0).Seconds() / total, Steal: stolen.Seconds() / total}
}

// String tells readers whether to trust the rates.
func (q *quiet) String() string {
	advice := "The machine was quiet."
	if q.disturbed() {
		advice = "That disturbs the rates, and the times even of BY CPU a little; measure again when the machine has nothing else to do."
	}
	return fmt.Sprintf("Of the %d processors' time, other programs (a database among them) took %.0f %%, other virtual machines %.1f %%; %.0f %% was idle.\n%s",
		runtime.NumCPU(), 100*q.Others, 100*q.Steal, 100*q.Idle, advice)
}

// watchMachine begins to watch; its answer says what was seen until then, nil if
// nobody knows.
func (b *benchRun) watchMachine() func() *quiet {
	before, ok := readMachine()
	own := b.ownTime()
	return func() *quiet {
		after, still := readMachine()
		if !ok || !still {
			return nil
		}
		return before.between(after, b.ownTime()-own)
	}
}

// ownTime is the processor time of this process and of those it started.
func (b *benchRun) ownTime() (total time.Duration) {
	dirs := []string{"/proc/self"}
	for _, c := range b.children {
		dirs = append(dirs, c.dir())
	}
	for _, dir := range dirs {
		if t, err := processorTime(dir); err == nil { // else it has ended
			total += t
		}
	}
	return total
}
