package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// original is a database's file as it was when it was opened. SQLite goes on
// with a file that somebody has moved or deleted, and what it commits then is
// gone with the process.
type original struct {
	path string
	info os.FileInfo
}

func originalOf(path string) (original, error) {
	info, err := os.Stat(path)
	if err != nil {
		return original{}, fmt.Errorf("store: %w", err)
	}
	return original{path, info}, nil
}

// inPlace answers the file as it is now; ErrMoved if it has its name no longer, or
// the log beside it is gone, which is there for as long as the database is open.
func (o original) inPlace() (os.FileInfo, error) {
	info, err := os.Stat(o.path)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !os.SameFile(info, o.info):
		return nil, unavailable(ErrMoved, fmt.Errorf("file %s", o.path))
	case err != nil:
		return nil, unavailable(ErrIO, err)
	}
	if _, err := os.Stat(o.path + "-wal"); errors.Is(err, fs.ErrNotExist) {
		return nil, unavailable(ErrMoved, fmt.Errorf("file %s-wal", o.path))
	}
	return info, nil
}
