package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"modernc.org/sqlite"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/store"
)

var s0 = time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)

const pageSize = 4096

// fill makes a database of some pages and closes it.
func fill(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "writ.db")
	s := open(t, store.Options{DSN: "sqlite:" + path})
	for i := range 60 {
		u := auth.User{ID: fmt.Sprintf("usr_%03d", i), Email: fmt.Sprintf("user%d@example.com", i), Name: strings.Repeat("n", 900), Epoch: "e"}
		if err := s.CreateUser(t.Context(), u, auth.Event{Action: "user.create"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// refused checks that Open answers want, names the file, and changes nothing.
func refused(t *testing.T, path string, want error) {
	t.Helper()
	files := func() (all []string) {
		entries, err := os.ReadDir(filepath.Dir(path))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := filepath.Join(filepath.Dir(path), e.Name())
			if !strings.HasSuffix(name, "-shm") && !strings.HasSuffix(name, ".lock") { // hold no data
				all = append(all, fmt.Sprintf("%s %x", e.Name(), sha256.Sum256(read(t, name))))
			}
		}
		return all
	}
	before := files()
	s, err := store.Open(context.Background(), store.Options{DSN: "sqlite:" + path})
	if err == nil {
		s.Close()
	}
	if !errors.Is(err, want) || !strings.Contains(fmt.Sprint(err), path) {
		t.Errorf("Open: %v, want %v and the file's name", err, want)
	}
	if after := files(); strings.Join(before, "\n") != strings.Join(after, "\n") {
		t.Errorf("Open changed files, from\n%s\nto\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
}

func TestDamagedPages(t *testing.T) {
	path := fill(t)
	whole := read(t, path)
	pages := len(whole) / pageSize
	if pages < 20 {
		t.Fatalf("%d pages are too few to damage one in the middle", pages)
	}
	noise := bytes.Repeat([]byte{0xa5, 0x5a, 0xff, 0x01}, pageSize/4)
	for page := range pages {
		damaged := bytes.Clone(whole)
		copy(damaged[page*pageSize:], noise)
		write(t, path, damaged)
		refused(t, path, store.ErrCorrupt)
	}
	write(t, path, whole)
	s := open(t, store.Options{DSN: "sqlite:" + path})
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("the undamaged file: %v", err)
	}
}

func TestDamagedOtherwise(t *testing.T) {
	path := fill(t)
	whole := read(t, path)
	for name, b := range map[string][]byte{
		"cut in half":          whole[:len(whole)/2/pageSize*pageSize],
		"cut within a page":    whole[:len(whole)-pageSize/2],
		"header overwritten":   append(bytes.Repeat([]byte("x"), 100), whole[100:]...),
		"another kind of file": []byte(strings.Repeat("This is a letter to my aunt.\n", 500)),
	} {
		t.Run(name, func(t *testing.T) {
			write(t, path, b)
			refused(t, path, store.ErrCorrupt)
		})
	}
}

// After a crash there is a log of writes beside the file; to look at the
// damage must not carry those writes into the file.
func TestDamagedAfterCrash(t *testing.T) {
	path := crashed(t)
	damaged := read(t, path)
	middle := len(damaged) / pageSize / 2 * pageSize
	copy(damaged[middle:], bytes.Repeat([]byte{0xa5}, pageSize))
	write(t, path, damaged)
	refused(t, path, store.ErrCorrupt)
}

// crashed leaves the files of a process that was killed after its last answer.
func crashed(t *testing.T) (path string) {
	t.Helper()
	live := fill(t)
	s := open(t, store.Options{DSN: "sqlite:" + live})
	for i := range 10 {
		if err := create(t, s, i); err != nil {
			t.Fatal(err)
		}
	}
	path = filepath.Join(t.TempDir(), "writ.db")
	for _, suffix := range []string{"", "-wal"} {
		b := read(t, live+suffix)
		if len(b) == 0 {
			t.Fatalf("the file writ.db%s is empty", suffix)
		}
		write(t, path+suffix, b)
	}
	return path
}

func TestReopenAfterCrash(t *testing.T) {
	s := open(t, store.Options{DSN: "sqlite:" + crashed(t)})
	for i := range 10 {
		if !stored(t, s, i) {
			t.Errorf("role %d was answered and is not stored", i)
		}
	}
}

func TestReopenKeepsWhatIsRandom(t *testing.T) {
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "writ.db")
	var log, epoch [2]string
	for i := range 2 {
		s := open(t, store.Options{DSN: dsn})
		c, err := s.ClientByID(t.Context(), auth.ClientWrit)
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.LogPage(t.Context(), 0, 1, s0)
		if err != nil {
			t.Fatal(err)
		}
		log[i], epoch[i] = p.Log, c.Epoch
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if log[0] != log[1] || epoch[0] != epoch[1] || len(log[0]) != 22 || len(epoch[0]) != 22 {
		t.Errorf("log ids %q, epochs %q, want the same twice", log, epoch)
	}
}

// other runs statements on a file behind the store's back.
func other(t *testing.T, path string, texts ...string) {
	t.Helper()
	c, err := sqlite.NewConnector(path)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	defer db.Close()
	for _, text := range texts {
		if _, err := db.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
}

func TestForeignDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "writ.db")
	other(t, path, "CREATE TABLE recipes (name TEXT)")
	refused(t, path, store.ErrForeign)
	other(t, path, "PRAGMA application_id = 7")
	refused(t, path, store.ErrForeign)
}

// A program starts on a newer schema if that says so, and not otherwise.
func TestNewerDatabase(t *testing.T) {
	path := fill(t)
	latest, err := store.Latest()
	if err != nil {
		t.Fatal(err)
	}
	other(t, path, fmt.Sprintf("INSERT INTO goose_db_version (version_id, is_applied) VALUES (%d, 1)", latest+1))
	s := open(t, store.Options{DSN: "sqlite:" + path})
	if err := create(t, s, 1); err != nil {
		t.Errorf("writing to a newer schema that allows it: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]string{
		"it is for newer programs alone": fmt.Sprintf("UPDATE settings SET value = '%d' WHERE name = 'compatible'", latest+1),
		"it doesn't say":                 "DELETE FROM settings WHERE name = 'compatible'",
	} {
		t.Run(name, func(t *testing.T) {
			other(t, path, change)
			refused(t, path, store.ErrNewer)
		})
	}
}

// A first start that was cut short leaves an empty file, or one without tables.
func TestUnfinishedFirstStart(t *testing.T) {
	for name, prepare := range map[string]func(string){
		"empty file": func(path string) { write(t, path, nil) },
		"no tables":  func(path string) { other(t, path, "CREATE TABLE t (x)", "DROP TABLE t") },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "writ.db")
			prepare(path)
			if err := open(t, store.Options{DSN: "sqlite:" + path}).Ping(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOneProcessAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "writ.db")
	s := open(t, store.Options{DSN: "sqlite:" + path})
	_, err := store.Open(t.Context(), store.Options{DSN: "sqlite:" + path})
	if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("a second Open: %v, want ErrLocked and the path", err)
	}
	other := t.TempDir()
	link, dir := filepath.Join(other, "link.db"), filepath.Join(other, "dir")
	if err := errors.Join(os.Symlink(path, link), os.Symlink(filepath.Dir(path), dir)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{link, filepath.Join(dir, "writ.db")} {
		if _, err := store.Open(t.Context(), store.Options{DSN: "sqlite:" + name}); !errors.Is(err, store.ErrLocked) {
			t.Errorf("Open by another name: %v, want ErrLocked", err)
		}
		if _, err := store.Reserve("sqlite:" + name); !errors.Is(err, store.ErrLocked) {
			t.Errorf("Reserve by another name: %v, want ErrLocked", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, store.Options{DSN: "sqlite:" + path})
}

func TestNewFileInLinkedDirectory(t *testing.T) {
	real, link := t.TempDir(), filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	s := open(t, store.Options{DSN: "sqlite:" + filepath.Join(link, "writ.db")})
	if want := filepath.Join(real, "writ.db"); s.Path() != want {
		t.Errorf("the file is %s, want %s", s.Path(), want)
	}
}

func TestFilesArePrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "writ.db")
	s := open(t, store.Options{DSN: "sqlite:" + path})
	if err := create(t, s, 1); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("mode of writ.db%s is %o, want 600", suffix, mode)
		}
	}
}

func TestDSN(t *testing.T) {
	odd := filepath.Join(t.TempDir(), "a ?%41#&=b.db")
	s := open(t, store.Options{DSN: "sqlite:" + odd})
	if _, err := os.Stat(odd); err != nil || s.Path() != odd {
		t.Errorf("Path = %q, %v, want %q", s.Path(), err, odd)
	}
	for _, dsn := range []string{"", "writ.db", "sqlite:", "sqlite::memory:", "postgres:writ", "mysql:x"} {
		if s, err := store.Open(t.Context(), store.Options{DSN: dsn}); err == nil {
			s.Close()
			t.Errorf("DSN %q was accepted", dsn)
		}
	}
	if s, err := store.Open(t.Context(), store.Options{DSN: "sqlite:" + filepath.Join(t.TempDir(), "none", "writ.db")}); !errors.Is(err, os.ErrNotExist) {
		if err == nil {
			s.Close()
		}
		t.Errorf("a missing directory: %v, want os.ErrNotExist", err)
	}
}

// The promise of a durable answer hangs on these.
func TestPragmas(t *testing.T) {
	s := open(t, store.Options{})
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "application_id": "1465010516"} {
		if got, err := s.WriterQuery(t.Context(), "PRAGMA "+pragma); err != nil || got != want {
			t.Errorf("%s = %s, %v, want %s", pragma, got, err, want)
		}
	}
	if got, err := s.Query(t.Context(), "PRAGMA query_only"); err != nil || got != "1" {
		t.Errorf("readers: query_only = %s, %v, want 1", got, err)
	}
}

func TestPing(t *testing.T) {
	s := open(t, store.Options{Readers: 1})
	release := hold(t, s)
	defer release()
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("while a write is under way: %v", err)
	}
}

func TestFullDisk(t *testing.T) {
	limit := 200
	w := &watch{connect: func(c driver.Conn) error {
		_, err := c.(driver.ExecerContext).ExecContext(context.Background(), fmt.Sprintf("PRAGMA max_page_count = %d", limit), nil)
		return err
	}}
	s := open(t, store.Options{}.Wrapped(w.wrap))
	big := func(i int) error {
		u := auth.User{ID: fmt.Sprintf("usr_%d", i), Name: strings.Repeat("n", 20_000), Epoch: "e"}
		return s.CreateUser(t.Context(), u, auth.Event{Action: "user.create"})
	}
	var err error
	made := 0
	for ; err == nil && made < 1000; made++ {
		err = big(made)
	}
	made-- // the last one failed
	var shown *auth.Error
	if !errors.Is(err, store.ErrFull) || !errors.As(err, &shown) || shown.Code != auth.CodeUnavailable {
		t.Fatalf("after %d users: %v, want ErrFull and %s", made, err, auth.CodeUnavailable)
	}
	if strings.Contains(shown.Message, "disk") {
		t.Errorf("the client is told %q", shown.Message)
	}
	for i := range 3 {
		if err := big(2000 + i); !errors.Is(err, store.ErrFull) {
			t.Errorf("still full: %v, want ErrFull", err)
		}
	}
	if _, err := s.UserByID(t.Context(), fmt.Sprint("usr_", made-1)); err != nil {
		t.Errorf("reading while full: %v", err)
	}
	events, _, err := s.Events(t.Context(), auth.Page{Query: "user.create", Limit: 200})
	if err != nil || len(events) != made {
		t.Errorf("%d events, %v, want %d: an event without its act, or the reverse", len(events), err, made)
	}

	limit = 100_000
	if _, err := s.WriterQuery(t.Context(), "PRAGMA max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	if err := big(3000); err != nil {
		t.Errorf("after room was made: %v", err)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// A session may hold grants of several clients; each is logged.
func TestEndOfSessionLogsEveryGrant(t *testing.T) {
	s := open(t, store.Options{})
	u := auth.User{ID: "usr_1", Epoch: "e"}
	c, err := s.ClientByID(t.Context(), auth.ClientWrit)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CreateUser(t.Context(), u, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	g := grantOf(u, c)
	if err := s.Begin(t.Context(), auth.Session{ID: g.SessionID, UserID: u.ID}, g, auth.Marks{}, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	err = s.Transact(t.Context(), func(exec func(string, ...any) error) error {
		for _, id := range []string{"second", "third"} {
			const twin = `INSERT INTO grants SELECT $1, session_id, client_id, user_id, audience, org_id, scope, mode, NULL,
				confirmed_gen, current_gen, issued_at, recoveries, tag_key, user_epoch, client_epoch, idle_expiry,
				absolute_expiry, dpop_thumbprint, status_index, mark, created_at, ended_at, end_reason, auth_time FROM grants WHERE id = $2`
			if err := exec(twin, id, g.ID); err != nil {
				return err
			}
		}
		return exec(`UPDATE grants SET ended_at = 1 WHERE id = 'third'`)
	})
	if err != nil {
		t.Fatal(err)
	}
	seq, err := s.End(t.Context(), auth.Ending{SessionID: g.SessionID}, s0, auth.Event{})
	if err != nil || seq != 2 {
		t.Errorf("End = %d, %v, want the number of the second entry", seq, err)
	}
	for id, want := range map[string]bool{g.ID: true, "second": true, "third": false} {
		got, err := s.Revoked(t.Context(), [][16]byte{hashOf(id)}, s0)
		if err != nil || got != want {
			t.Errorf("grant %q: Revoked = %v, %v, want %v", id, got, err, want)
		}
	}
}
