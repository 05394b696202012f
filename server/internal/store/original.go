package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"modernc.org/sqlite"
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

// CheckFile is Check for a SQLite database that another process has open, which
// goes on meanwhile; the file is only read.
func CheckFile(ctx context.Context, dsn string) error {
	path, err := parseDSN(dsn)
	if err != nil {
		return err
	}
	query := pragmas("busy_timeout(5000)")
	query.Set("mode", "ro")
	c, err := sqlite.NewConnector(uri(path, query))
	if err != nil {
		return err
	}
	db := connectTo(c, 1)
	return errors.Join(integrity(ctx, db, fullCheck), db.Close())
}

// inPlace answers ErrMoved if the file has its name no longer, or the log
// beside it is gone, which is there for as long as the database is open.
func (o original) inPlace() error {
	info, err := os.Stat(o.path)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !os.SameFile(info, o.info):
		return unavailable(ErrMoved, fmt.Errorf("file %s", o.path))
	case err != nil:
		return unavailable(ErrIO, err)
	}
	if _, err := os.Stat(o.path + "-wal"); errors.Is(err, fs.ErrNotExist) {
		return unavailable(ErrMoved, fmt.Errorf("file %s-wal", o.path))
	}
	return nil
}
