package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// fakeTB notes how a test would have ended. Like testing.T it stops the
// goroutine that ends it.
type fakeTB struct {
	testing.TB
	skipped, failed string
}

func (f *fakeTB) Helper() {}

func (f *fakeTB) Skip(args ...any) {
	f.skipped = fmt.Sprint(args...)
	runtime.Goexit()
}

func (f *fakeTB) Fatal(args ...any) {
	f.failed = fmt.Sprint(args...)
	runtime.Goexit()
}

func (f *fakeTB) Fatalf(format string, args ...any) {
	f.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// run calls f as the test runner calls a test, in a goroutine of its own.
func run(f func(t testing.TB)) *fakeTB {
	tb, done := &fakeTB{}, make(chan struct{})
	go func() {
		defer close(done)
		f(tb)
	}()
	<-done
	return tb
}

// fakeNode makes a PATH on which only a node of the given version lies.
func fakeNode(t *testing.T, version string) { fake(t, "node", "echo "+version) }

// fake makes a PATH on which only a program of that name lies, and returns the
// program's path.
func fake(t *testing.T, name, script string) string {
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Dir(path))
	return path
}

func TestNeedMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	tests := []struct{ require, skipped, failed string }{
		{"", "node is not installed", ""},
		{"redis", "node is not installed", ""},
		{"redis, node", "", "TEST_REQUIRE names node: node is not installed"},
		{"nodejs", "", `TEST_REQUIRE: there is no tool "nodejs"`},
	}
	for _, tt := range tests {
		t.Setenv("TEST_REQUIRE", tt.require)
		got := run(func(tb testing.TB) { Need(tb, Node) })
		if got.skipped != tt.skipped || got.failed != tt.failed {
			t.Errorf("TEST_REQUIRE=%q: skipped %q, failed %q; want %q, %q",
				tt.require, got.skipped, got.failed, tt.skipped, tt.failed)
		}
	}
}

func TestNeedFindsNode(t *testing.T) {
	fakeNode(t, "v22.1.0")
	t.Setenv("TEST_REQUIRE", "node")
	var path string
	got := run(func(tb testing.TB) { path = Need(tb, Node) })
	if got.skipped+got.failed != "" || filepath.Base(path) != "node" {
		t.Errorf("Need: path %q, skipped %q, failed %q; want the path of node", path, got.skipped, got.failed)
	}
}

func TestNeedRefusesOldNode(t *testing.T) {
	fakeNode(t, "v18.20.4")
	t.Setenv("TEST_REQUIRE", "node")
	got := run(func(tb testing.TB) { Need(tb, Node) })
	if want := "TEST_REQUIRE names node: node v18.20.4 is older than 20"; got.failed != want {
		t.Errorf("failed %q, want %q", got.failed, want)
	}
}

func TestNeedPython(t *testing.T) {
	t.Setenv("TEST_REQUIRE", "python")
	var path string
	need := func(tb testing.TB) { path = Need(tb, Python) }

	able := fake(t, "python3", `test "$1" = -c`)
	if got := run(need); got.failed != "" || path != able {
		t.Errorf("Need: path %q, failed %q; want %q, the first on the PATH", path, got.failed, able)
	}
	// What is used instead depends on this machine; a Python without PyJWT never is.
	path = ""
	without := fake(t, "python3", "exit 1")
	got := run(need)
	refused := strings.Contains(got.failed, without+" has no PyJWT with cryptography")
	if path == without || path == "" && !refused {
		t.Errorf("a Python without PyJWT: path %q, failed %q; want another's path, or this one's lack", path, got.failed)
	}
}

func TestNeedNodeModules(t *testing.T) {
	fakeNode(t, "v20.0.0")
	t.Setenv("TEST_REQUIRE", "")
	dir := t.TempDir()
	need := func(tb testing.TB) { NeedNodeModules(tb, dir) }
	if got := run(need); !strings.Contains(got.skipped, "not installed (make npm installs them)") {
		t.Errorf("without node_modules: skipped %q, want what to do", got.skipped)
	}
	if err := os.Mkdir(filepath.Join(dir, "node_modules"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := run(need); got.skipped == "" {
		t.Error("with a node_modules that npm did not finish: not skipped")
	}
	if err := os.WriteFile(filepath.Join(dir, "node_modules", ".package-lock.json"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := run(need); got.skipped+got.failed != "" {
		t.Errorf("with node_modules: skipped %q, failed %q; want neither", got.skipped, got.failed)
	}
}

func TestStraceThatMayNotTrace(t *testing.T) {
	t.Setenv("TEST_REQUIRE", "")
	fake(t, "strace", "echo 'strace: PTRACE_TRACEME: Operation not permitted' >&2; exit 1")
	tb := run(func(t testing.TB) { Need(t, Strace) })
	if !strings.Contains(tb.skipped, "Operation not permitted") {
		t.Errorf("skipped with %q, want the reason", tb.skipped)
	}
	t.Setenv("TEST_REQUIRE", "strace")
	if tb := run(func(t testing.TB) { Need(t, Strace) }); tb.failed == "" {
		t.Error("required, and not usable, and yet not failed")
	}
}
