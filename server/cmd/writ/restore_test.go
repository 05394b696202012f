package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/backup"
	"github.com/writ-auth/writ/server/internal/store"
)

// manyUsers is how many the back-up of TestRestoreKilled has: enough for a
// restore to take a while.
const manyUsers = 5000

// crowd is the source of a back-up with many users.
type crowd struct {
	version int64
	tables  []auth.Table
}

func (c crowd) Setting(context.Context, string) (string, error) { return "http://localhost:8080", nil }

func (c crowd) Dump(_ context.Context, begin func(int64, []auth.Table) error, row func(int, []any) error) error {
	if err := begin(c.version, c.tables); err != nil {
		return err
	}
	for i, table := range c.tables {
		for n := 0; n < manyUsers && table.Name == "users"; n++ {
			values := make([]any, len(table.Columns))
			for j, column := range table.Columns {
				values[j] = map[auth.ColumnType]any{auth.ColumnText: fmt.Sprint("x", n), auth.ColumnInteger: int64(0)}[column.Type]
			}
			if err := row(i, values); err != nil {
				return err
			}
		}
	}
	return nil
}

func writeCrowd(t *testing.T, path string) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{DSN: "sqlite:" + filepath.Join(t.TempDir(), "writ.db")})
	if err != nil {
		t.Fatal(err)
	}
	version, tables, err := s.Layout(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	err = backup.Write(t.Context(), f, crowd{version, tables}, "", time.Now())
	if err := errors.Join(err, f.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
}

// users counts the users of a database; -1 if there is none.
func users(t *testing.T, path string) (n int) {
	t.Helper()
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return -1
	}
	s, err := store.Open(t.Context(), store.Options{DSN: "sqlite:" + path})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if keys, err := s.Keys(t.Context()); err != nil || len(keys) == 0 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	for p := (auth.Page{Limit: 200}); ; {
		page, next, err := s.Users(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		n += len(page)
		if p.Cursor = next; next == "" {
			return n
		}
	}
}

// TestRestoreKilled kills a restore at moments all over its time. What is there
// afterwards is what was there before, or all of the back-up.
func TestRestoreKilled(t *testing.T) {
	program := filepath.Join(t.TempDir(), "writ")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, program); err != nil { // TestMain is main, under this name
		t.Fatal(err)
	}
	dir := t.TempDir()
	saved, database := filepath.Join(dir, "many.backup"), filepath.Join(dir, "data", "writ.db")
	writeCrowd(t, saved)
	restore := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), program, append([]string{"restore", saved, "--data", filepath.Join(dir, "data")}, args...)...)
		cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=10")
		return cmd
	}
	start := time.Now()
	if out, err := restore().CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	whole := time.Since(start)
	if n := users(t, database); n != manyUsers {
		t.Fatalf("%d users, want %d", n, manyUsers)
	}

	// First where nothing is, then in place of a database with one user less.
	if err := os.Remove(database); err != nil {
		t.Fatal(err)
	}
	killed := 0
	const kills = 8
	for i := range kills {
		cmd := restore()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(whole * time.Duration(i) / kills) // any moment will do
		_ = cmd.Process.Kill()
		if cmd.Wait() != nil {
			killed++
		}
		switch n := users(t, database); n {
		case -1:
		case manyUsers:
			if err := os.Remove(database); err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatalf("killed after %d/%d of its time, it left %d users", i, kills, n)
		}
	}
	if killed == 0 {
		t.Error("no restore was killed")
	}
	if out, err := restore().CombinedOutput(); err != nil { // over what the others left
		t.Fatalf("%v\n%s", err, out)
	}
	lose(t, database)
	for i := range kills {
		cmd := restore("--replace")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(whole * time.Duration(i) / kills)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		switch n := users(t, database); n {
		case manyUsers - 1:
		case manyUsers:
			lose(t, database)
		default:
			t.Fatalf("killed after %d/%d of its time, it left %d users", i, kills, n)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "data", "*.restoring*"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := restore("--replace").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if still, _ := filepath.Glob(filepath.Join(dir, "data", "*.restoring*")); len(still) != 0 {
		t.Errorf("%q are still there; a kill had left %q", still, left)
	}
}

// lose removes one user.
func lose(t *testing.T, path string) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{DSN: "sqlite:" + path})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.DeleteUser(t.Context(), "x7", time.Now(), auth.Event{})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
}
