//go:build linux

// Package vfs is a way for SQLite to reach its files, a "virtual file system":
// the usual one but for how a write-ahead log is synced.
//
// Who syncs a file waits for the disk inside a call of the system. Go's runtime
// doesn't know beforehand that it will be long, and leaves the goroutine its
// processor: with one processor nothing else runs, mostly until the disk is done.
// Here the kernel is asked to sync and to say when it has (io_submit(2)), and the
// goroutine waits as it would for the network, while others make the answers that
// leave after the commit.
package vfs

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Name is of the VFS, for the parameter vfs of a database's address. It makes it
// known to SQLite first, once in a process.
func Name() (string, error) {
	if _, err := registered(); err != nil {
		return "", err
	}
	return name, nil
}

const name = "writ"

var registered = sync.OnceValues(register)

// shim stands before the usual VFS. SQLite, which the collector knows nothing of,
// keeps pointers to its functions; registered keeps it alive.
type shim struct {
	own  *sqlite3.Tsqlite3_vfs // SQLite's memory
	open func(tls *libc.TLS, vfs, path, file uintptr, flags int32, outFlags uintptr) int32
	sync func(tls *libc.TLS, file uintptr, flags int32) int32

	usualOpen func(tls *libc.TLS, vfs, path, file uintptr, flags int32, outFlags uintptr) int32
	usualSync func(tls *libc.TLS, file uintptr, flags int32) int32
	once      sync.Once
	methods   *sqlite3.Tsqlite3_io_methods // of a log; SQLite's memory; nil before once
	kernel    kernel
}

func register() (*shim, error) {
	tls := libc.NewTLS()
	usual := sqlite3.Xsqlite3_vfs_find(tls, 0)
	text, err := libc.CString(name)
	if err != nil || usual == 0 {
		return nil, fmt.Errorf("vfs: SQLite has none: %w", err)
	}
	s := new(shim)
	s.own = room[sqlite3.Tsqlite3_vfs](tls)
	if s.own == nil {
		return nil, errors.New("vfs: out of memory")
	}
	*s.own = *at[sqlite3.Tsqlite3_vfs](usual)
	s.own.FzName, s.own.FpNext = text, 0
	s.usualOpen = *(*func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32)(unsafe.Pointer(&s.own.FxOpen))
	s.open, s.sync = s.openFile, s.syncLog
	s.own.FxOpen = *(*uintptr)(unsafe.Pointer(&s.open))
	if code := sqlite3.Xsqlite3_vfs_register(tls, uintptr(unsafe.Pointer(s.own)), 0); code != sqlite3.SQLITE_OK {
		return nil, fmt.Errorf("vfs: SQLite refused it (%d)", code)
	}
	return s, nil
}

// room is memory that the collector doesn't look at; nil: there is none.
func room[T any](tls *libc.TLS) *T {
	var t T
	return at[T](libc.Xcalloc(tls, 1, libc.Tsize_t(unsafe.Sizeof(t))))
}

// at is what is at an address of SQLite's memory, which doesn't move.
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// openFile opens a file in the usual way. A write-ahead log gets our way to sync.
func (s *shim) openFile(tls *libc.TLS, vfs, path, file uintptr, flags int32, outFlags uintptr) int32 {
	code := s.usualOpen(tls, vfs, path, file, flags, outFlags)
	if code != sqlite3.SQLITE_OK || flags&sqlite3.SQLITE_OPEN_WAL == 0 {
		return code
	}
	f := at[sqlite3.Tsqlite3_file](file)
	s.once.Do(func() { // all logs have the same methods
		if m := room[sqlite3.Tsqlite3_io_methods](tls); m != nil {
			*m = *at[sqlite3.Tsqlite3_io_methods](f.FpMethods)
			s.usualSync = *(*func(*libc.TLS, uintptr, int32) int32)(unsafe.Pointer(&m.FxSync))
			m.FxSync = *(*uintptr)(unsafe.Pointer(&s.sync))
			s.methods = m
		}
	})
	if s.methods != nil {
		f.FpMethods = uintptr(unsafe.Pointer(s.methods))
	}
	return code
}

// dirSync is the flag of a file whose name is not durable yet (UNIXFILE_DIRSYNC).
const dirSync = 0x08

// syncLog syncs a log as the usual way does. The first time of a new file, when
// its directory is synced as well, it is the usual way; and so where the kernel
// can't.
func (s *shim) syncLog(tls *libc.TLS, file uintptr, flags int32) int32 {
	f := at[sqlite3.TunixFile](file)
	if f.FctrlFlags&dirSync != 0 {
		return s.usualSync(tls, file, flags)
	}
	switch err := s.kernel.sync(int(f.Fh)); {
	case errors.Is(err, errUnsupported):
		return s.usualSync(tls, file, flags)
	case err != nil:
		return sqlite3.SQLITE_IOERR_FSYNC
	}
	return sqlite3.SQLITE_OK
}
