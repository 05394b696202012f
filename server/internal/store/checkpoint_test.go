package store_test

import (
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/store"
)

// logOf answers how many pages SQLite's write-ahead log has, and how many of
// them the file has, too.
func logOf(t *testing.T, path string) (inLog, moved int) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var busy int
	if err := db.QueryRowContext(t.Context(), "PRAGMA wal_checkpoint(NOOP)").Scan(&busy, &inLog, &moved); err != nil {
		t.Fatal(err)
	}
	return inLog, moved
}

// addPages writes at least so many pages, in transactions of ten.
func addPages(t *testing.T, s *store.Store, pages int) {
	t.Helper()
	for range pages / 10 {
		err := s.Transact(t.Context(), func(exec func(text string, args ...any) error) error {
			return exec(`INSERT INTO padding VALUES (zeroblob(40000))`)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func paddedStore(t *testing.T, o store.Options) (s *store.Store, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "writ.db")
	o.DSN = "sqlite:" + path
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	err = s.Transact(t.Context(), func(exec func(text string, args ...any) error) error {
		return exec(`CREATE TABLE padding (bytes BLOB)`)
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, path
}

// What was committed reaches a large file without the writer's doing, and then
// the log begins anew.
func TestCheckpointBesideTheWriter(t *testing.T) {
	s, path := paddedStore(t, store.Options{}.Checkpointed(1))
	addPages(t, s, 1000) // the writer itself would begin at 1500
	deadline := time.Now().Add(time.Minute)
	for {
		inLog, moved := logOf(t, path)
		if moved == inLog {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d pages were moved", moved, inLog)
		}
		time.Sleep(time.Millisecond) // another connection is at work
	}
	addPages(t, s, 10)
	if inLog, _ := logOf(t, path); inLog > 100 {
		t.Errorf("%d pages in the log, which should have begun anew", inLog)
	}
}

// A log is as long as the writer lets it become, however fast it writes.
func TestLogStaysShort(t *testing.T) {
	for name, from := range map[string]int64{"small file": 1 << 40, "large file": 1} {
		t.Run(name, func(t *testing.T) {
			s, path := paddedStore(t, store.Options{}.Checkpointed(from))
			for range 6 {
				addPages(t, s, 1000)
				if size := sizeOf(t, path+"-wal"); size > 16<<20 {
					t.Fatalf("the log has %d bytes", size)
				}
			}
		})
	}
}

// TestCheckpointFailsAloud has a file that can't be looked at, and then none: the
// operator hears once what is wrong, and once that it is over.
func TestCheckpointFailsAloud(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "writ.db")
	s, err := store.Open(t.Context(), store.Options{DSN: "sqlite:" + path})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	lines := make(chan string)
	logger := slog.New(slog.NewTextHandler(writeFunc(func(line []byte) { lines <- string(line) }), nil))
	committed, closeIt, err := store.NewCheckpointer(path, logger)
	if err != nil {
		t.Fatal(err)
	}
	says := func(want ...string) {
		t.Helper()
		committed()
		line := <-lines
		for _, w := range append(want, path) {
			if !strings.Contains(line, w) {
				t.Errorf("the log says %q, want %q in it", line, w)
			}
		}
	}
	move(t, dir, dir+".old")
	write(t, dir, nil) // a file in the way
	says("level=WARN", "can't be moved")
	committed() // and not a word more
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	move(t, dir+".old", dir)
	says("level=INFO", "again")

	move(t, path, path+".old")
	says("level=ERROR", "moved or deleted")
	committed()
	move(t, path+".old", path)
	says("level=INFO", "again")
	if err := closeIt(); err != nil {
		t.Error(err)
	}
}

type writeFunc func(line []byte)

func (f writeFunc) Write(line []byte) (int, error) {
	f(line)
	return len(line), nil
}
