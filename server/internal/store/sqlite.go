package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/store/vfs"
)

const (
	applicationID = 0x57524954 // "WRIT", in the header of the file
	// checkedSize is the size up to which Open reads the whole file in search
	// of damaged pages, at about 400 MB a second. Above, a start would take
	// longer than an operator waits for: Check, for a schedule or a doctor,
	// looks at files of every size, and closer.
	checkedSize = 32 << 20
)

// parseDSN answers the path in "sqlite:<path>".
func parseDSN(dsn string) (path string, err error) {
	path, ok := strings.CutPrefix(dsn, "sqlite:")
	if !ok {
		return "", errors.New("store: this needs a SQLite database, sqlite:<path>")
	}
	if path == "" || strings.HasPrefix(path, ":") {
		return "", errors.New("store: sqlite: needs the path of a file")
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	return followed(path)
}

// followed is the file that a path leads to over symbolic links: the lock and
// what SQLite keeps beside the file have its name, and two names of one file
// would be two locks.
func followed(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		return real, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("store: %w", err)
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil // whoever opens it says so
	}
	if err != nil {
		return "", fmt.Errorf("store: %w", err)
	}
	return filepath.Join(dir, filepath.Base(path)), nil
}

// openSQLite opens the file, for this process alone.
func (s *Store) openSQLite(ctx context.Context, o Options) (err error) {
	if s.path, err = parseDSN(o.DSN); err != nil {
		return err
	}
	if s.lock, err = acquire(s.path + ".lock"); err != nil {
		return err
	}
	s.engine = sqliteEngine()
	if err := s.openFile(ctx, o); err != nil {
		return errors.Join(err, s.vfs.Close(), s.lock.Close())
	}
	return nil
}

// openFile does the rest with the lock in hand.
func (s *Store) openFile(ctx context.Context, o Options) (err error) {
	if err := prepareFile(ctx, s.path); err != nil {
		return err
	}
	s.columns = new(columns)
	query := pragmas("journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "busy_timeout(5000)",
		"temp_store(MEMORY)", "cache_size(-8000)", "journal_size_limit(67108864)", fmt.Sprintf("wal_autocheckpoint(%d)", checkpointLate))
	if s.vfs, err = vfs.New(); err != nil {
		return err
	}
	if name := s.vfs.Name(); name != "" {
		query.Set("vfs", name)
	}
	w, err := s.columns.connector(uri(s.path, query))
	if err != nil {
		return err
	}
	if o.wrap != nil {
		w = o.wrap(w)
	}
	db := sql.OpenDB(w)
	db.SetMaxOpenConns(1)
	if err := s.migrate(ctx, db, o.Logger); err != nil {
		return errors.Join(err, db.Close())
	}
	r, err := connector(s.path, "query_only(1)", "busy_timeout(5000)")
	if err != nil {
		return errors.Join(err, db.Close())
	}
	if s.original, err = originalOf(s.path); err != nil { // by now made, and written to
		return errors.Join(err, db.Close())
	}
	if s.checkpointer, err = newCheckpointer(s.original, cmp.Or(o.smallFile, smallFile), o.Logger); err != nil {
		return errors.Join(err, db.Close())
	}
	if err := s.start(ctx, db, connectTo(r, o.Readers), o); err != nil {
		return errors.Join(err, s.checkpointer.close())
	}
	return nil
}

// connector makes connections to a file with pragmas of their own.
func connector(path string, given ...string) (driver.Connector, error) {
	return sqlite.NewConnector(uri(path, pragmas(given...)))
}

func pragmas(given ...string) url.Values { return url.Values{"_pragma": given} }

// uri escapes the path, which may hold a question mark or a percent sign. No
// connection makes the file: an empty one in the place of what was moved away
// would take the write-ahead log for its own, and throw it away.
func uri(path string, query url.Values) string {
	if !query.Has("mode") {
		query.Set("mode", "rw")
	}
	query.Set("_dqs", "false")
	query.Set("_error_rc", "true")
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: query.Encode()}
	return u.String()
}

// prepareFile makes a missing file, for the owner's eyes only, and looks at one
// that is there through a connection that can't write.
func prepareFile(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		return f.Close()
	}
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := readable(path, path+"-wal", path+"-shm"); err != nil {
		return err
	}
	if info.Size() == 0 {
		return nil
	}
	if err := inspect(ctx, path, info.Size()); err != nil {
		return fmt.Errorf("%w (file %s)%s", err, path, advice(err))
	}
	return nil
}

// readable answers why one of these files can't be read, which SQLite doesn't
// tell: to it a file of another user's is as bad as a broken disk. It comes before
// every connection, for closing a file gives up all locks that this process has on
// it, those of SQLite's too.
func readable(paths ...string) error {
	for _, path := range paths {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		if err := f.Close(); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	return nil
}

func advice(err error) string {
	switch {
	case errors.Is(err, ErrCorrupt):
		return "; nothing was changed: keep a copy of the file and restore a back-up"
	case errors.Is(err, ErrNewer):
		return "; nothing was changed: start the version that wrote it, or a newer one"
	case errors.Is(err, ErrForeign):
		return "; nothing was changed: name another file"
	}
	return ""
}

// inspect finds out whether the file is ours, of a version we know, and whole.
func inspect(ctx context.Context, path string, size int64) error {
	query := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(5000)"}}
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() == 0 {
		query.Set("immutable", "1") // no writes wait beside the file: make no files for them
	}
	c, err := sqlite.NewConnector(uri(path, query))
	if err != nil {
		return err
	}
	db := sql.OpenDB(c)
	defer db.Close()
	db.SetMaxOpenConns(1)
	if err := ours(ctx, db); err != nil {
		return err
	}
	e := sqliteEngine()
	_, latest, err := e.schema()
	if err != nil {
		return err
	}
	version, err := e.schemaVersion(ctx, db)
	if err != nil {
		return plain(err)
	}
	if version > latest {
		if err := checkCompatible(ctx, db, version, latest); err != nil {
			return plain(err)
		}
	}
	if size > checkedSize {
		return nil
	}
	return integrity(ctx, db, quickCheck)
}

// ours reads the application's number. A database without one is ours if it is
// empty: a first start may have been cut short.
func ours(ctx context.Context, db *sql.DB) error {
	var id, others int64
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return plain(err)
	}
	const tables = `SELECT COUNT(*) FROM sqlite_master WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name <> 'goose_db_version'`
	if err := db.QueryRowContext(ctx, tables).Scan(&others); err != nil {
		return plain(err)
	}
	if id == applicationID || id == 0 && others == 0 {
		return nil
	}
	return fmt.Errorf("%w: its application id is %#x", ErrForeign, id)
}

// What SQLite offers: quick_check reads every page and finds what is no sound
// tree of rows, integrity_check also compares every index with its table and
// takes seven times as long.
const (
	quickCheck = "PRAGMA quick_check(1)"
	fullCheck  = "PRAGMA integrity_check(1)"
)

// integrity answers ErrCorrupt with the first damage that the check finds.
func integrity(ctx context.Context, db *sql.DB, check string) error {
	var verdict string
	if err := db.QueryRowContext(ctx, check).Scan(&verdict); err != nil {
		return plain(err)
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", ErrCorrupt, strings.TrimSpace(verdict))
	}
	return nil
}

// plain is classify for operators: without the wrapping for clients.
func plain(err error) error {
	var shown *auth.Error
	if err = classify(err); errors.As(err, &shown) && shown.Err != nil {
		return shown.Err
	}
	return err
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
