package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*/*.sql
var migrations embed.FS

// settingCompatible names the oldest version of the schema that a program may
// know and yet work with the database. Migrations write it.
const settingCompatible = "compatible"

// migrate brings the schema up to the newest version this program knows, one
// transaction a migration, and reports the versions before and after.
// Migrations only lead forward, and most add what older programs don't look
// at: these keep serving meanwhile, and start on the newer schema too.
func (e *engine) migrate(ctx context.Context, db *sql.DB) (from, to int64, err error) {
	files, to, err := e.schema()
	if err != nil {
		return 0, 0, err
	}
	if from, err = e.schemaVersion(ctx, db); err != nil || from == to {
		return from, to, err
	}
	if from > to {
		return from, from, checkCompatible(ctx, db, from, to)
	}
	provider, err := goose.NewProvider(e.dialect, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return from, to, err
	}
	_, err = provider.Up(ctx)
	return from, to, err
}

// checkCompatible answers ErrNewer unless a program that knows the schema up to
// known works with a database of a later version.
func checkCompatible(ctx context.Context, db *sql.DB, version, known int64) error {
	var text string
	err := db.QueryRowContext(ctx, `SELECT value FROM settings WHERE name = '`+settingCompatible+`'`).Scan(&text)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	oldest, err := strconv.ParseInt(text, 10, 64)
	if err == nil && oldest <= known {
		return nil
	}
	return fmt.Errorf("%w: its schema has version %d, this program knows %d", ErrNewer, version, known)
}

// schema answers the embedded migrations and the number of the last.
func (e *engine) schema() (files fs.FS, latest int64, err error) {
	files, err = fs.Sub(migrations, e.folder)
	if err != nil {
		return nil, 0, err
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil || len(names) == 0 {
		return nil, 0, fmt.Errorf("store: no migrations: %w", err)
	}
	number, _, _ := strings.Cut(names[len(names)-1], "_")
	latest, err = strconv.ParseInt(number, 10, 64)
	return files, latest, err
}

// schemaVersion answers the number of the last migration that was applied, 0
// for none, and writes nothing.
func (e *engine) schemaVersion(ctx context.Context, db *sql.DB) (version int64, err error) {
	var tables int
	if err := db.QueryRowContext(ctx, e.version).Scan(&tables); err != nil || tables == 0 {
		return 0, err
	}
	const last = `SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version WHERE is_applied`
	err = db.QueryRowContext(ctx, last).Scan(&version)
	return version, err
}
