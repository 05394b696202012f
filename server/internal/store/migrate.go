package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/sqlite/*.sql
var migrations embed.FS

// migrate brings the schema up to the newest version this program knows, one
// transaction a migration, and reports the versions before and after.
func migrate(ctx context.Context, db *sql.DB) (from, to int64, err error) {
	files, to, err := schema()
	if err != nil {
		return 0, 0, err
	}
	if from, err = schemaVersion(ctx, db); err != nil || from == to {
		return from, to, err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return from, to, err
	}
	_, err = provider.Up(ctx)
	return from, to, err
}

// schema answers the embedded migrations and the number of the last.
func schema() (files fs.FS, latest int64, err error) {
	files, err = fs.Sub(migrations, "migrations/sqlite")
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
func schemaVersion(ctx context.Context, db *sql.DB) (version int64, err error) {
	const hasTable = `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'`
	var tables int
	if err := db.QueryRowContext(ctx, hasTable).Scan(&tables); err != nil || tables == 0 {
		return 0, err
	}
	const last = `SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version WHERE is_applied`
	err = db.QueryRowContext(ctx, last).Scan(&version)
	return version, err
}
