package load_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/load"
)

func target(t *testing.T, h http.HandlerFunc) load.Target {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	at, err := load.NewTarget(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func tasks(at load.Target, n int) (list []load.Task) {
	for range n {
		list = append(list, load.Get(at, "/"))
	}
	return list
}

// TestRunJudges: every third answer is a refusal, every third of the rest wrong.
func TestRunJudges(t *testing.T) {
	var asked atomic.Int64
	at := target(t, func(w http.ResponseWriter, _ *http.Request) {
		switch asked.Add(1) % 3 {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	out, err := load.Run(t.Context(), load.Plan{Target: at, Tasks: tasks(at, 1), Duration: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	// One that comes when the plan has ended is not counted unless it is right.
	if total, given := out.Right+out.Refused+out.Wrong, uint64(asked.Load()); total != given && total+1 != given {
		t.Errorf("%d answers judged, %d given", total, given)
	}
	if out.Refused < out.Wrong || out.Refused > out.Wrong+1 || out.Wrong < out.Right || out.Wrong > out.Right+1 {
		t.Errorf("right %d, refused %d, wrong %d", out.Right, out.Refused, out.Wrong)
	}
	if out.First == nil || !strings.Contains(out.First.Error(), "404") || errors.Is(out.First, load.ErrRefused) {
		t.Errorf("the first wrong answer: %v", out.First)
	}
	if out.Latency.Count() != out.Right {
		t.Errorf("%d latencies of %d right answers", out.Latency.Count(), out.Right)
	}
}

// TestRunBroken: a connection that breaks is a wrong answer, and made anew.
func TestRunBroken(t *testing.T) {
	var asked atomic.Int64
	at := target(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 2 {
			panic(http.ErrAbortHandler)
		}
	})
	out, err := load.Run(t.Context(), load.Plan{Target: at, Tasks: tasks(at, 1), Duration: 200 * time.Millisecond})
	if err != nil || out.Wrong != 1 || out.Right+1 != uint64(asked.Load()) {
		t.Errorf("right %d, wrong %d of %d, %v", out.Right, out.Wrong, asked.Load(), err)
	}
}

// TestOpenLoopCountsFromDue: while the server stalls, many requests are due;
// each has waited, though only one was under way.
func TestOpenLoopCountsFromDue(t *testing.T) {
	const stall = 100 * time.Millisecond
	var asked atomic.Int64
	at := target(t, func(http.ResponseWriter, *http.Request) {
		if asked.Add(1) == 5 {
			time.Sleep(stall)
		}
	})
	out, err := load.Run(t.Context(), load.Plan{Target: at, Tasks: tasks(at, 1), Rate: 500, Duration: 400 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	var late uint64
	for _, bar := range out.Latency.Bars() {
		if bar.Upper > stall/4 {
			late += bar.Count
		}
	}
	if late < 10 {
		t.Errorf("%d requests were late after a stall in which 50 were due", late)
	}
	if total := out.Right + out.Missed; total > 200 {
		t.Errorf("%d requests, 200 were due", total)
	}
}

// TestOpenLoopMisses: what is due and can't be asked isn't forgotten.
func TestOpenLoopMisses(t *testing.T) {
	over := make(chan struct{})
	at := target(t, func(http.ResponseWriter, *http.Request) { <-over })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, func() { cancel(); close(over) })
	out, err := load.Run(ctx, load.Plan{Target: at, Tasks: tasks(at, 2), Rate: 1000, Duration: time.Minute})
	if err != nil || out.Missed < 200 || out.Right > 2 {
		t.Errorf("missed %d, right %d, %v", out.Missed, out.Right, err)
	}
}

func TestRunRefusesNothing(t *testing.T) {
	if _, err := load.Run(t.Context(), load.Plan{Duration: time.Second}); err == nil {
		t.Error("a plan without tasks was carried out")
	}
}

func TestNewTarget(t *testing.T) {
	for base, want := range map[string]load.Target{
		"http://localhost:8080":    {Address: "localhost:8080", Host: "localhost:8080"},
		"https://auth.example.com": {Address: "auth.example.com:443", Host: "auth.example.com", TLS: true},
		"http://[::1]:80":          {Address: "[::1]:80", Host: "[::1]:80"},
	} {
		if got, err := load.NewTarget(base); err != nil || got != want {
			t.Errorf("%s: %+v, %v", base, got, err)
		}
	}
	for _, base := range []string{"", "localhost:8080", "ftp://x", "http://", "://"} {
		if _, err := load.NewTarget(base); err == nil {
			t.Errorf("%q was taken", base)
		}
	}
}

func TestBaselines(t *testing.T) {
	h, err := load.Baselines()
	if err != nil {
		t.Fatal(err)
	}
	for path, length := range map[string][2]int{"/empty": {0, 0}, "/sign": {64, 72}, "/hash": {32, 32}} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if n := w.Body.Len(); w.Code != 200 || n < length[0] || n > length[1] {
			t.Errorf("%s: %d with %d bytes", path, w.Code, n)
		}
	}
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil)); w.Code != 404 {
		t.Errorf("/: %d", w.Code)
	}
}
