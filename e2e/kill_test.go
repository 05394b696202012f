package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The clients of a kill test.
const (
	refreshers = 16
	visitors   = 2
)

// kills is how often the tests kill: a few times, or TEST_KILLS.
func kills(few int) int {
	if n, err := strconv.Atoi(os.Getenv("TEST_KILLS")); err == nil {
		return n
	}
	return few
}

// TestKill kills the server in the middle of sign-ins, refreshes and log-outs,
// again and again, and asks afterwards for all that it had answered.
func TestKill(t *testing.T) {
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	n := kills(15)
	h := killLoop(t, newServer(t, bin), n)
	h.report(t)
	h.provesSomething(t, n)
}

// TestKillDuringCheckpoints is TestKill with a checkpointer that is always at
// work, as it is in a large database.
func TestKillDuringCheckpoints(t *testing.T) {
	n := kills(5)
	h := killLoop(t, newServer(t, checkpointing(t)), n)
	h.report(t)
	h.provesSomething(t, n)
}

// checkpointing builds a server that brings every few pages from the log into
// the file, however small that is.
func checkpointing(t *testing.T) string {
	t.Helper()
	overlay := overlay(t, "../server/internal/store/checkpoint.go",
		turn{"checkpointSoon, checkpointLate = 800,", "checkpointSoon, checkpointLate = 3,"},
		turn{"checkpointPause = 50 * time.Millisecond", "checkpointPause = time.Millisecond"},
		turn{"smallFile       = 64 << 20", "smallFile       = 1"})
	bin, err := build("writ-checkpoints", "-overlay", overlay)
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// provesSomething fails where too little happened between the faults.
func (h *history) provesSomething(t *testing.T, faults int) {
	t.Helper()
	if h.faults != faults || h.refreshed < 2*faults*refreshers || h.lost+h.refused == 0 || h.loggedOut < faults || h.repeated == 0 || h.caught == 0 {
		t.Errorf("too little happened to prove anything: %v", h)
	}
}

// killLoop is load, a kill, a start and an audit, n times.
func killLoop(t *testing.T, s *server, n int) *history {
	t.Helper()
	s.start()
	h := newHistory(t, s, refreshers, visitors)
	for range n {
		h.load(t, s.kill)
		s.start()
		h.audit(t.Context())
	}
	return h
}

// TestKillCatchesEarlyAnswers plants the fault that TestKill looks for, a
// writer that answers before its commit, and wants the audit to see it.
func TestKillCatchesEarlyAnswers(t *testing.T) {
	bin, err := build("writ-early", "-overlay", earlyAnswers(t))
	if err != nil {
		t.Fatal(err)
	}
	const n = 5
	h := killLoop(t, newServer(t, bin), n)
	h.mustCatch(t)
}

// mustCatch fails if the audits found nothing.
func (h *history) mustCatch(t *testing.T) {
	t.Helper()
	found := 0
	for _, v := range h.violations {
		if strings.HasPrefix(v, "audit: ") {
			found++
		}
	}
	t.Logf("audits found %d violations; %v", found, h)
	if found == 0 {
		t.Error("a planted fault went unnoticed")
	}
}

// earlyAnswers writes a build overlay in which the store's writer, when several
// wait, answers first and commits a little later. (When one waits it does not:
// a server that can't read its own first keys back would not start.)
func earlyAnswers(t *testing.T) string {
	t.Helper()
	return overlay(t, "../server/internal/store/writer.go",
		turn{`	if err := w.engine.commit(ctx, w.sql, &o); err != nil {`, `	if len(batch) > 1 {
		for _, j := range batch {
			close(j.done)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := w.engine.commit(ctx, w.sql, &o); err != nil {`},
		turn{"		} else {\n			close(j.done)\n", "		} else if len(batch) == 1 {\n			close(j.done)\n"})
}

// turn replaces a piece of source that stands there once.
type turn struct{ from, to string }

// overlay writes a build overlay in which a file is changed. It fails when the
// source no longer looks as expected, so that a planted fault can't silently
// vanish.
func overlay(t *testing.T, file string, turns ...turn) string {
	t.Helper()
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	planted := string(source)
	for _, turn := range turns {
		if strings.Count(planted, turn.from) != 1 {
			t.Fatalf("%s no longer has, once, what this test turns around:\n%s", file, turn.from)
		}
		planted = strings.Replace(planted, turn.from, turn.to, 1)
	}
	replaced := filepath.Join(t.TempDir(), filepath.Base(file))
	list := filepath.Join(t.TempDir(), "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{path: replaced}})
	if err := errors.Join(err, os.WriteFile(replaced, []byte(planted), 0o600), os.WriteFile(list, text, 0o600)); err != nil {
		t.Fatal(err)
	}
	return list
}
