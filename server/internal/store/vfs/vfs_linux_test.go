package vfs

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	_ "modernc.org/sqlite"
)

// temporary is a file with something in it that isn't on the disk yet.
func temporary(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	dirty(t, f)
	return f
}

func dirty(t *testing.T, f *os.File) {
	t.Helper()
	if _, err := f.WriteAt(make([]byte, 16<<10), 0); err != nil {
		t.Fatal(err)
	}
}

// With one processor others run while somebody waits for the disk. A call of the
// system that waits keeps it: they ran 5 to 20 times out of 100.
func TestOthersRunMeanwhile(t *testing.T) {
	f := temporary(t)
	var where syscall.Statfs_t
	if err := syscall.Statfs(f.Name(), &where); err != nil {
		t.Fatal(err)
	}
	const tmpfs = 0x01021994
	if where.Type == tmpfs {
		t.Skip("the temporary directory is in memory, where nobody waits for a disk")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var k kernel
	const times = 100
	ran := 0
	for range times {
		dirty(t, f)
		var other atomic.Bool
		go other.Store(true)
		if err := k.sync(int(f.Fd())); err != nil {
			t.Fatalf("%v; on a kernel or in a sandbox without io_submit the usual way is taken", err)
		}
		if other.Load() {
			ran++
		}
	}
	if ran < times/2 {
		t.Errorf("somebody else ran during %d of %d syncs", ran, times)
	}
}

func TestManyFilesAtOnce(t *testing.T) {
	var k kernel
	var all sync.WaitGroup
	for range 16 {
		f := temporary(t)
		all.Go(func() {
			for range 20 {
				if err := k.sync(int(f.Fd())); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := len(k.idle); n == 0 || n > 16 {
		t.Errorf("%d queues for 16 files at once", n)
	}
}

// What the kernel refuses is asked for in the usual way: at once where it is about
// this file, and always where it would refuse everything.
func TestRefused(t *testing.T) {
	f := temporary(t)
	var k kernel
	if err := k.sync(1 << 20); !errors.Is(err, errUnsupported) || k.without.Load() {
		t.Errorf("no such file: %v, for ever %v", err, k.without.Load())
	}
	if err := k.sync(int(f.Fd())); err != nil {
		t.Errorf("another file after that: %v", err)
	}
	if len(k.idle) != 1 {
		t.Errorf("%d queues, want the one that was there before", len(k.idle))
	}
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer out.Close()
	if err := k.sync(int(out.Fd())); !errors.Is(err, errUnsupported) || !k.without.Load() {
		t.Errorf("a pipe: %v, for ever %v", err, k.without.Load())
	}
	if err := k.sync(int(f.Fd())); !errors.Is(err, errUnsupported) {
		t.Errorf("a file after that: %v", err)
	}
}

// A database keeps what is committed through it, in a log that is synced by it.
func TestDatabase(t *testing.T) {
	v, err := New()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.db")
	open := func(more string) *sql.DB {
		db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"+more)
		if err != nil {
			t.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		t.Cleanup(func() { db.Close() })
		return db
	}
	db := open("&vfs=" + v.Name())
	for _, text := range []string{"CREATE TABLE t (n INTEGER)", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)"} {
		if _, err := db.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	if len(v.kernel.idle) != 1 || v.kernel.without.Load() {
		t.Errorf("%d queues, without %v: the log was synced in the usual way", len(v.kernel.idle), v.kernel.without.Load())
	}
	var n int
	if err := open("").QueryRow("SELECT SUM(n) FROM t").Scan(&n); err != nil || n != 3 {
		t.Errorf("read through the usual VFS: %d, %v; want 3", n, err)
	}
	if err := errors.Join(db.Close(), v.Close(), v.Close()); err != nil {
		t.Error(err)
	}
	if err := open("&vfs=" + v.Name()).Ping(); err == nil {
		t.Error("a connection through a VFS that is closed")
	}
}
