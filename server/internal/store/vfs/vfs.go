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

// VFS stands before the usual one. SQLite, whose memory the collector knows nothing
// of, keeps pointers to its functions: whoever has a connection through it keeps it,
// too.
type VFS struct {
	tls  *libc.TLS
	own  *sqlite3.Tsqlite3_vfs // SQLite's memory
	name uintptr               // likewise
	open func(tls *libc.TLS, vfs, path, file uintptr, flags int32, outFlags uintptr) int32
	sync func(tls *libc.TLS, file uintptr, flags int32) int32

	usualOpen func(tls *libc.TLS, vfs, path, file uintptr, flags int32, outFlags uintptr) int32
	usualSync func(tls *libc.TLS, file uintptr, flags int32) int32
	once      sync.Once
	methods   *sqlite3.Tsqlite3_io_methods // of a log; SQLite's memory; nil before once
	kernel    kernel
	closing   sync.Once
}

// New makes a VFS that SQLite finds by its name.
func New() (*VFS, error) {
	v := &VFS{tls: libc.NewTLS()}
	if err := v.register(); err != nil {
		v.free()
		return nil, err
	}
	return v, nil
}

func (v *VFS) register() (err error) {
	usual := sqlite3.Xsqlite3_vfs_find(v.tls, 0)
	if v.own = room[sqlite3.Tsqlite3_vfs](v.tls); usual == 0 || v.own == nil {
		return errors.New("vfs: SQLite has no memory, or no files")
	}
	*v.own = *at[sqlite3.Tsqlite3_vfs](usual)
	if v.name, err = libc.CString(v.Name()); err != nil {
		return err
	}
	v.own.FzName, v.own.FpNext = v.name, 0
	v.usualOpen = *(*func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32)(unsafe.Pointer(&v.own.FxOpen))
	v.open, v.sync = v.openFile, v.syncLog
	v.own.FxOpen = *(*uintptr)(unsafe.Pointer(&v.open))
	if code := sqlite3.Xsqlite3_vfs_register(v.tls, address(v.own), 0); code != sqlite3.SQLITE_OK {
		return fmt.Errorf("vfs: SQLite refused it (%d)", code)
	}
	return nil
}

// Name is for the parameter vfs of a database's address.
func (v *VFS) Name() string { return fmt.Sprintf("writ-%x", address(v.own)) }

// Close makes SQLite forget it. No connection is open through it any more. Of a nil
// VFS, and the second time, there is nothing to do.
func (v *VFS) Close() (err error) {
	if v == nil {
		return nil
	}
	v.closing.Do(func() {
		sqlite3.Xsqlite3_vfs_unregister(v.tls, address(v.own))
		err = v.kernel.close()
		v.free()
	})
	return err
}

func (v *VFS) free() {
	libc.Xfree(v.tls, v.name)
	libc.Xfree(v.tls, address(v.own))
	libc.Xfree(v.tls, address(v.methods))
	v.tls.Close()
}

// room is memory that the collector doesn't look at; nil: there is none.
func room[T any](tls *libc.TLS) *T {
	var t T
	return at[T](libc.Xcalloc(tls, 1, libc.Tsize_t(unsafe.Sizeof(t))))
}

func address[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// at is what is at an address of SQLite's memory, which doesn't move.
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// openFile opens a file in the usual way. A write-ahead log gets our way to sync.
func (v *VFS) openFile(tls *libc.TLS, vfs, path, file uintptr, flags int32, outFlags uintptr) int32 {
	code := v.usualOpen(tls, vfs, path, file, flags, outFlags)
	if code != sqlite3.SQLITE_OK || flags&sqlite3.SQLITE_OPEN_WAL == 0 {
		return code
	}
	f := at[sqlite3.Tsqlite3_file](file)
	v.once.Do(func() { // all logs have the same methods
		if m := room[sqlite3.Tsqlite3_io_methods](tls); m != nil {
			*m = *at[sqlite3.Tsqlite3_io_methods](f.FpMethods)
			v.usualSync = *(*func(*libc.TLS, uintptr, int32) int32)(unsafe.Pointer(&m.FxSync))
			m.FxSync = *(*uintptr)(unsafe.Pointer(&v.sync))
			v.methods = m
		}
	})
	if v.methods != nil {
		f.FpMethods = address(v.methods)
	}
	return code
}

// dirSync is the flag of a file whose name is not durable yet (UNIXFILE_DIRSYNC).
const dirSync = 0x08

// syncLog syncs a log as the usual way does. The first time of a new file, when
// its directory is synced as well, it is the usual way; and so where the kernel
// can't.
func (v *VFS) syncLog(tls *libc.TLS, file uintptr, flags int32) int32 {
	f := at[sqlite3.TunixFile](file)
	if f.FctrlFlags&dirSync != 0 {
		return v.usualSync(tls, file, flags)
	}
	switch err := v.kernel.sync(int(f.Fh)); {
	case errors.Is(err, errUnsupported):
		return v.usualSync(tls, file, flags)
	case err != nil:
		return sqlite3.SQLITE_IOERR_FSYNC
	}
	return sqlite3.SQLITE_OK
}
