package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"modernc.org/sqlite"

	"github.com/writ-auth/writ/server/internal/auth"
)

const (
	applicationID = 0x57524954 // "WRIT", in the header of the file
	// checkedSize is the size up to which Open reads the whole file in search
	// of damaged pages, at about 400 MB a second. Above, a start would take
	// longer than an operator waits for: Check, for a schedule or a doctor,
	// looks at files of every size, and closer.
	checkedSize = 32 << 20
)

// Open opens the database, makes it if it is not there and migrates it if it is
// old. It refuses, and changes nothing then: a database that is open elsewhere
// (ErrLocked), a file that is not ours (ErrForeign), one of a newer version
// (ErrNewer), and a damaged one (ErrCorrupt).
func Open(ctx context.Context, o Options) (*Store, error) {
	path, err := parseDSN(o.DSN)
	if err != nil {
		return nil, err
	}
	o = o.withDefaults()
	lock, err := acquire(path + ".lock")
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, now: o.Now, lock: lock}
	if err := s.open(ctx, o); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

func parseDSN(dsn string) (path string, err error) {
	engine, path, ok := strings.Cut(dsn, ":")
	switch {
	case !ok, engine != "sqlite":
		return "", fmt.Errorf("store: the database must be sqlite:<path>, not an engine %q", engine)
	case path == "", strings.HasPrefix(path, ":"):
		return "", errors.New("store: sqlite: needs the path of a file")
	}
	return filepath.Abs(path)
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Readers <= 0 {
		o.Readers = max(4, 2*runtime.GOMAXPROCS(0))
	}
	return o
}

// open does the rest of Open with the lock in hand.
func (s *Store) open(ctx context.Context, o Options) (err error) {
	if err := prepareFile(ctx, s.path); err != nil {
		return err
	}
	w, err := connector(s.path, o.wrap, "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "busy_timeout(5000)",
		"temp_store(MEMORY)", "cache_size(-8000)", "journal_size_limit(67108864)")
	if err != nil {
		return err
	}
	db := sql.OpenDB(w)
	db.SetMaxOpenConns(1)
	from, to, err := migrate(ctx, db)
	if err != nil {
		return errors.Join(fmt.Errorf("store: migrate %s from version %d to %d: %w", s.path, from, to, classify(err)), db.Close())
	}
	if from != to {
		o.Logger.InfoContext(ctx, "database migrated", "path", s.path, "from", from, "to", to)
	}
	if s.writer, err = newWriter(ctx, db, s.now, s.news.publish, s.registry.forget); err != nil {
		return errors.Join(err, db.Close())
	}
	r, err := connector(s.path, nil, "query_only(1)", "busy_timeout(5000)")
	if err != nil {
		return errors.Join(err, s.writer.close())
	}
	s.readers = sql.OpenDB(r)
	// As many idle as busy: otherwise every burst opens and closes connections.
	s.readers.SetMaxOpenConns(o.Readers)
	s.readers.SetMaxIdleConns(o.Readers)
	s.sql = &statements{on: s.readers, slots: make(chan struct{}, o.Readers)}
	if err := s.seed(ctx); err != nil {
		return errors.Join(err, s.writer.close(), s.readers.Close())
	}
	return nil
}

// seed stores what every database has and no migration can make up: random
// values.
func (s *Store) seed(ctx context.Context) error {
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.settingOnce(ctx, settingLogID, auth.Random128()); err != nil {
			return err
		}
		built := auth.Client{
			ID:                      auth.ClientWrit,
			Name:                    "Writ",
			TokenEndpointAuthMethod: "none",
			Epoch:                   auth.Random128(),
		}
		err := t.insertClient(ctx, built)
		if errors.Is(err, auth.ErrConflict) {
			return nil
		}
		return err
	})
}

// connector makes connections to a file with pragmas of their own.
func connector(path string, wrap func(driver.Connector) driver.Connector, pragmas ...string) (driver.Connector, error) {
	c, err := sqlite.NewConnector(uri(path, url.Values{"_pragma": pragmas}))
	if err == nil && wrap != nil {
		c = wrap(c)
	}
	return c, err
}

// uri escapes the path, which may hold a question mark or a percent sign.
func uri(path string, query url.Values) string {
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
	if info.Size() == 0 {
		return nil
	}
	if err := inspect(ctx, path, info.Size()); err != nil {
		return fmt.Errorf("%w (file %s)%s", err, path, advice(err))
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
	_, latest, err := schema()
	if err != nil {
		return err
	}
	version, err := schemaVersion(ctx, db)
	switch {
	case err != nil:
		return plain(err)
	case version > latest:
		return fmt.Errorf("%w: its schema has version %d, this program knows %d", ErrNewer, version, latest)
	case size > checkedSize:
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
