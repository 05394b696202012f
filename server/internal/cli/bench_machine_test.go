package cli

import (
	"strings"
	"testing"
	"time"
)

func TestParseMachine(t *testing.T) {
	const text = "cpu  100 20 30 400 50 6 7 80 9 0\ncpu0 1 2 3 4 5 6 7 8 9 0\n"
	got, ok := parseMachine(text)
	if want := (machineTime{busy: 1630 * time.Millisecond, idle: 4500 * time.Millisecond, stolen: 800 * time.Millisecond}); !ok || got != want {
		t.Errorf("%+v, %v; want %+v", got, ok, want)
	}
	for _, bad := range []string{"", "cpu", "cpu 1 2 3 4 5 6 7", "cpu 1 2 3 4 5 6 7 x", "intr 1 2 3 4 5 6 7 8 9"} {
		if got, ok := parseMachine(bad); ok {
			t.Errorf("%q is %+v", bad, got)
		}
	}
}

func TestQuiet(t *testing.T) {
	begin := machineTime{busy: time.Second, idle: time.Second, stolen: time.Second}
	for _, c := range []struct {
		busy, idle, stolen, own time.Duration
		want                    quiet
		disturbed               bool
	}{
		{busy: 8 * time.Second, idle: 2 * time.Second, own: 8 * time.Second, want: quiet{Idle: .2}},
		{busy: 8 * time.Second, idle: 2 * time.Second, own: 6 * time.Second, want: quiet{Idle: .2, Others: .2}, disturbed: true},
		{busy: 5 * time.Second, stolen: 5 * time.Second, own: 6 * time.Second, want: quiet{Steal: .5}, disturbed: true},
	} {
		later := machineTime{begin.busy + c.busy, begin.idle + c.idle, begin.stolen + c.stolen}
		got := begin.between(later, c.own)
		if got == nil || *got != c.want || got.disturbed() != c.disturbed || strings.Contains(got.String(), "was quiet") == c.disturbed {
			t.Errorf("%+v: %+v, want %+v, disturbed %v", c, got, c.want, c.disturbed)
		}
	}
	if got := begin.between(begin, 0); got != nil {
		t.Errorf("no time at all: %+v", got)
	}
}
