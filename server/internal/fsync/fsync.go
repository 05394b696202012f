// Package fsync makes names durable. What is in a file survives a power failure
// once the file was synced; that there is a file of this name does only once its
// directory was.
package fsync

import (
	"errors"
	"os"
	"path/filepath"
)

// Dir makes durable which files are in a directory, and under which names.
func Dir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// MkdirAll is os.MkdirAll, durable when it returns.
func MkdirAll(path string, mode os.FileMode) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	made := missing(path)
	if err := os.MkdirAll(path, mode); err != nil {
		return err
	}
	for _, dir := range made {
		if err := Dir(filepath.Dir(dir)); err != nil {
			return err
		}
	}
	return nil
}

// missing is those of a directory and the ones it is in that are not there.
func missing(path string) (paths []string) {
	for {
		if _, err := os.Lstat(path); err == nil || path == filepath.Dir(path) {
			return paths
		}
		paths = append(paths, path)
		path = filepath.Dir(path)
	}
}
