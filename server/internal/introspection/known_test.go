package introspection_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/introspection"
)

func TestKnown(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	m, news, token := introspection.NewMemory(time.Second), make(chan struct{}), &introspection.Token{}
	m.Keep("a.b.c", token, start, start.Add(time.Minute), news)
	m.Keep("short", token, start, start.Add(time.Millisecond), news)
	for _, c := range []struct {
		why   string
		raw   string
		after time.Duration
		known bool
	}{
		{"at once", "a.b.c", 0, true},
		{"almost too old", "a.b.c", time.Second - 1, true},
		{"too old", "a.b.c", time.Second, false},
		{"the clock went back", "a.b.c", -1, false},
		{"another token", "a.b.d", 0, false},
		{"the beginning of it", "a.b.", 0, false},
		{"not expired", "short", time.Millisecond - 1, true},
		{"expired", "short", time.Millisecond, false},
	} {
		if got := m.Find(c.raw, start.Add(c.after)); (got != nil) != c.known {
			t.Errorf("%s: known %v, want %v", c.why, got != nil, c.known)
		}
	}
	close(news)
	if m.Find("a.b.c", start) != nil {
		t.Error("known although the log has grown")
	}
}

func TestKnownIsBounded(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	m, news := introspection.NewMemory(time.Second), make(chan struct{})
	for i := range introspection.MaxKnown + 100 {
		m.Keep(strconv.Itoa(i), &introspection.Token{}, start, start.Add(time.Minute), news)
	}
	m.Keep(strings.Repeat("x", introspection.MaxKnownSize+1), &introspection.Token{}, start, start.Add(time.Minute), news)
	if m.Len() != introspection.MaxKnown {
		t.Errorf("%d tokens are kept, want %d", m.Len(), introspection.MaxKnown)
	}
	if last := strconv.Itoa(introspection.MaxKnown + 99); m.Find(last, start) == nil {
		t.Error("the newest made no room for itself")
	}
}
