package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
)

// A Place is where a SQLite database is to be, locked against every server for
// as long as the Place is open. What is there stays as it is until Install.
type Place struct {
	path string
	lock *os.File
}

// Reserve opens the place that a DSN names: ErrLocked if a server has it.
func Reserve(dsn string) (*Place, error) {
	path, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	lock, err := acquire(path + ".lock")
	if err != nil {
		return nil, err
	}
	return &Place{path, lock}, nil
}

// Path is the absolute path of the database's file.
func (p *Place) Path() string { return p.path }

// Empty reports whether there is no database.
func (p *Place) Empty() (bool, error) {
	info, err := os.Stat(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return err == nil && info.Size() == 0, err
}

// KeyIDs lists the ids of the signing keys and shared secrets in the database
// that is there, which it doesn't change.
func (p *Place) KeyIDs(ctx context.Context) (ids []string, err error) {
	query := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(5000)"}}
	if info, err := os.Stat(p.path + "-wal"); err != nil || info.Size() == 0 {
		query.Set("immutable", "1") // makes no files beside it
	}
	c, err := sqlite.NewConnector(uri(p.path, query))
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(c)
	defer db.Close()
	rows, err := db.QueryContext(ctx, `SELECT id FROM keys WHERE purpose = 'sign' UNION SELECT kid FROM api_secrets`)
	if err != nil {
		return nil, plain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, plain(err)
		}
		ids = append(ids, id)
	}
	return ids, plain(rows.Err())
}

// scratch is where the new database is made: in the same directory, so that it
// can be moved into place.
func (p *Place) scratch() string { return p.path + ".restoring" }

// Build opens an empty database beside the place. Close it before Install.
func (p *Place) Build(ctx context.Context, o Options) (*Store, error) {
	if err := p.Discard(); err != nil { // a restore that was killed may have left one
		return nil, err
	}
	o.DSN = "sqlite:" + p.scratch()
	return Open(ctx, o)
}

// Discard removes what Build made.
func (p *Place) Discard() error {
	var err error
	for _, end := range []string{"-wal", "-shm", ".lock", ""} {
		if e := os.Remove(p.scratch() + end); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// Install puts the database that Build made into the place, in one step: whoever
// looks, also after a power cut, finds the old one or the new one. The old one
// is kept under another name, which it answers; "" if there was none.
func (p *Place) Install(ctx context.Context, now time.Time) (aside string, err error) {
	if err := p.settled(); err != nil {
		return "", err
	}
	if err := syncFile(p.scratch()); err != nil {
		return "", err
	}
	if aside, err = p.keepOld(ctx, now); err != nil {
		return "", err
	}
	if err := os.Rename(p.scratch(), p.path); err != nil {
		return "", err
	}
	return aside, errors.Join(syncFile(filepath.Dir(p.path)), p.Discard())
}

// settled refuses a new database of which a part is still in its write-ahead
// log: SQLite closes a file without a word where it can't bring the log into it,
// as on a full disk.
func (p *Place) settled() error {
	info, err := os.Stat(p.scratch() + "-wal")
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil
	}
	return errors.Join(fmt.Errorf("%w: the new database could not be finished", ErrIO), err)
}

// keepOld gives the old database a second name. Its write-ahead log, which may
// be there without it, must be gone before another database has its first name:
// SQLite would play it back into that.
func (p *Place) keepOld(ctx context.Context, now time.Time) (aside string, err error) {
	name := p.path + ".before-restore-" + now.UTC().Format("20060102T150405Z")
	if _, err := os.Stat(p.path); err == nil {
		_ = p.settle(ctx) // a damaged one can't be settled, and is moved with its log
		if err := os.Link(p.path, name); err != nil {
			return "", fmt.Errorf("keep the old database: %w", err)
		}
		aside = name
	}
	for _, end := range []string{"-wal", "-shm"} {
		if err := os.Rename(p.path+end, name+end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("keep the old database: %w", err)
		}
	}
	return aside, syncFile(filepath.Dir(p.path))
}

// settle moves what waits in the write-ahead log into the file; SQLite removes
// the log with the last connection.
func (p *Place) settle(ctx context.Context) error {
	c, err := connector(p.path, "busy_timeout(5000)")
	if err != nil {
		return err
	}
	db := sql.OpenDB(c)
	_, err = db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return errors.Join(err, db.Close())
}

// Close gives the place free.
func (p *Place) Close() error { return p.lock.Close() }

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
