package edge_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/server/internal/edge"
)

// sink counts how often it is written to, and fails if it shall.
type sink struct {
	mu     sync.Mutex
	text   strings.Builder
	writes int
	err    error
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	if s.err != nil {
		return 0, s.err
	}
	return s.text.Write(p)
}

func (s *sink) wrote() (string, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String(), s.writes
}

func TestLinesAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out sink
		l := edge.NewLines(&out, "level=ERROR")
		for i := range 10 {
			fmt.Fprintf(l, "level=INFO line %d\n", i)
		}
		if _, n := out.wrote(); n != 0 {
			t.Errorf("written %d times before it is time", n)
		}
		time.Sleep(51 * time.Millisecond)
		synctest.Wait()
		if text, n := out.wrote(); n != 1 || strings.Count(text, "\n") != 10 || !strings.HasPrefix(text, "level=INFO line 0\nlevel=INFO line 1\n") {
			t.Errorf("after 50 ms: %d times, %q", n, text)
		}
		fmt.Fprint(l, "level=INFO before\n")
		fmt.Fprint(l, "level=ERROR at once\n")
		if text, n := out.wrote(); n != 2 || !strings.HasSuffix(text, "level=INFO before\nlevel=ERROR at once\n") {
			t.Errorf("an error waits, or comes before its turn: %d times, %q", n, text)
		}
		line := strings.Repeat("x", 1023) + "\n"
		for range 64 {
			fmt.Fprint(l, line)
		}
		if _, n := out.wrote(); n != 3 {
			t.Errorf("64 KiB wait: written %d times", n)
		}
		fmt.Fprint(l, "the last\n")
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if text, _ := out.wrote(); !strings.HasSuffix(text, "the last\n") {
			t.Error("the last line is lost")
		}
		fmt.Fprint(l, "after the end\n")
		if text, _ := out.wrote(); !strings.HasSuffix(text, "after the end\n") {
			t.Error("a line after the end is lost")
		}
	})
}

func TestLinesTellOfFailure(t *testing.T) {
	out := sink{err: errors.New("disk full")}
	l := edge.NewLines(&out, "!")
	if _, err := l.Write([]byte("!\n")); !errors.Is(err, out.err) {
		t.Errorf("error %v", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("told twice: %v", err)
	}
}

// TestLinesLoseNothing: whoever writes beside others and the timer, every line
// comes whole and once.
func TestLinesLoseNothing(t *testing.T) {
	var out sink
	l := edge.NewLines(&out, "7 7")
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for i := range 500 {
				fmt.Fprintf(l, "%d %d\n", w, i)
			}
		})
	}
	writers.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	text, _ := out.wrote()
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		seen[line] = true
	}
	if len(seen) != 4000 || strings.Count(text, "\n") != 4000 {
		t.Errorf("%d lines of 4000, %d different", strings.Count(text, "\n"), len(seen))
	}
}
