package store_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/store"
)

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// A file that is moved away while it is open: SQLite commits as before, to what
// nobody finds again, so Writable says so until it is back, and nothing that was
// committed meanwhile is lost then.
func TestMovedWhileOpen(t *testing.T) {
	for _, c := range []struct {
		name, file string
		replaced   bool // by another
	}{
		{name: "moved", file: "writ.db"},
		{name: "replaced", file: "writ.db", replaced: true},
		{name: "without its log", file: "writ.db-wal"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s := openIn(t, dir)
			if err := s.Writable(t.Context()); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, c.file)
			move(t, path, path+".old")
			if c.replaced {
				write(t, path, read(t, path+".old"))
			}
			if err := s.Writable(t.Context()); !errors.Is(err, store.ErrMoved) {
				t.Errorf("Writable: %v, want ErrMoved", err)
			}
			u := auth.User{ID: "usr_1", Epoch: "e"}
			if err := s.CreateUser(t.Context(), u, auth.Event{Action: "user.create"}); err != nil {
				t.Fatal(err)
			}
			move(t, path+".old", path)
			if err := s.Writable(t.Context()); err != nil {
				t.Errorf("Writable with the file back: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			again := openIn(t, dir)
			if _, err := again.UserByID(t.Context(), u.ID); err != nil {
				t.Errorf("what was committed meanwhile: %v", err)
			}
		})
	}
}

// A back-up of a server whose file was deleted opens a connection. It must not
// make an empty file, which would take the log with it.
func TestMovedAndBackedUp(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	path := filepath.Join(dir, "writ.db")
	u := auth.User{ID: "usr_1", Epoch: "e"}
	if err := s.CreateUser(t.Context(), u, auth.Event{Action: "user.create"}); err != nil {
		t.Fatal(err)
	}
	move(t, path, path+".old")
	if _, _, err := s.Layout(t.Context()); err == nil {
		t.Error("a new connection finds a database where none is")
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was made: %v", err)
	}
	move(t, path+".old", path)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := openIn(t, dir).UserByID(t.Context(), u.ID); err != nil {
		t.Errorf("what was committed: %v", err)
	}
}

func openIn(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{DSN: "sqlite:" + filepath.Join(dir, "writ.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// SQLite's codes for what an operator has to do something about.
func TestCondition(t *testing.T) {
	for code, want := range map[int]error{
		11:   store.ErrCorrupt,
		13:   store.ErrFull,
		4874: store.ErrFull, // SQLITE_IOERR_SHMSIZE: no room for the index of the log
		8:    store.ErrReadOnly,
		266:  store.ErrIO, // SQLITE_IOERR_READ
		5:    store.ErrBusy,
		1:    nil,
	} {
		if err := store.Condition(code); !errors.Is(err, want) {
			t.Errorf("%d: %v, want %v", code, err, want)
		}
	}
}
