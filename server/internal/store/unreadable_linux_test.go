package store_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/writ-auth/writ/server/internal/store"
)

const somebodyElse = 65534

// A database that root has restored, or a log that a verb of root's has left,
// belongs to root. That is no fault of the disk's.
func TestFilesOfAnotherUser(t *testing.T) {
	for _, name := range []string{"writ.db", "writ.db-wal", "writ.db-shm"} {
		t.Run(name, func(t *testing.T) {
			path := fill(t)
			dir := filepath.Dir(path)
			for _, d := range []string{filepath.Dir(dir), dir} {
				if err := os.Chmod(d, 0o777); err != nil {
					t.Fatal(err)
				}
			}
			for _, file := range []string{path, path + ".lock"} {
				if err := os.Chmod(file, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			if name != "writ.db" {
				write(t, filepath.Join(dir, name), []byte("something"))
			}
			if err := os.Chmod(filepath.Join(dir, name), 0); err != nil {
				t.Fatal(err)
			}
			err := asAnother(func() error {
				s, err := store.Open(t.Context(), store.Options{DSN: "sqlite:" + path})
				if err == nil {
					s.Close()
				}
				return err
			})
			if !errors.Is(err, fs.ErrPermission) || errors.Is(err, store.ErrIO) {
				t.Errorf("Open: %v, want that permission is denied", err)
			}
		})
	}
}

// asAnother runs fn without root's rights to files, on a thread that ends with it.
func asAnother(fn func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		if os.Geteuid() == 0 {
			if err := syscall.Setfsuid(somebodyElse); err != nil {
				result <- err
				return
			}
		}
		result <- fn()
	}()
	return <-result
}
