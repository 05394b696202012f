package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/config"
	"github.com/writ-auth/writ/server/internal/store"
)

// openStore opens the database that the settings name. The error says what to do.
func openStore(ctx context.Context, cfg *config.Config, opts store.Options) (*store.Store, error) {
	if wantDatabase(cfg) != nil {
		opts.Logger = nil // to make a new one is no migration worth a line
	}
	opts.DSN, opts.AuditRetention = cfg.Database, cfg.AuditRetention
	s, err := store.Open(ctx, opts)
	return s, describe(cfg, err)
}

// describe puts an error of the store into words for an operator, and leaves
// others as they are.
func describe(cfg *config.Config, err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	var shown *auth.Error
	if errors.As(err, &shown) && shown.Err != nil {
		text = shown.Err.Error()
	}
	text = strings.TrimPrefix(text, "store: ")
	hint := ""
	switch {
	case errors.Is(err, store.ErrLocked):
		text, hint = fmt.Sprintf("the database %s is open in another process, perhaps a second writ", cfg.SQLitePath()), "stop that first, or give another --data"
	case errors.Is(err, store.ErrEmpty):
		text, hint = "the database is empty", "start the server once (writ serve), or name another --database"
	case errors.Is(err, store.ErrUnreachable):
		hint = "is PostgreSQL running there, and may this user enter?"
	case errors.Is(err, store.ErrBusy) && cfg.Postgres():
		hint = "try again: other nodes, or a migration, hold it"
	case errors.Is(err, store.ErrBusy):
		hint = "close the program that has it open"
	case errors.Is(err, store.ErrFull):
		hint = "make room on the disk and start again"
	case errors.Is(err, store.ErrMoved):
		hint = "put it back before the server stops, or what was committed since is lost"
	case errors.Is(err, store.ErrReadOnly), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		hint = "make the file and its directory this user's own (chown), and writable"
	case errors.Is(err, store.ErrIO):
		hint = "look at the disk's health before anything else"
	case errors.Is(err, fs.ErrNotExist):
		hint = "make its directory, or give another --database"
	}
	if hint != "" {
		text += "; " + hint
	}
	return &storageError{text, err}
}

// storageError is an error of the store in words for an operator.
type storageError struct {
	text  string
	cause error
}

func (e *storageError) Error() string { return e.text }
func (e *storageError) Unwrap() error { return e.cause }

// ErrNoDatabase says that a verb needs a database and there is none.
var ErrNoDatabase = errors.New("there is no database")

// wantDatabase keeps a verb from making an empty database by a wrong --data. Of
// PostgreSQL the store says it, when it is opened.
func wantDatabase(cfg *config.Config) error {
	if cfg.Postgres() {
		return nil
	}
	info, err := os.Stat(cfg.SQLitePath())
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return fmt.Errorf("%w at %s; start the server once (writ serve), or name its directory with --data", ErrNoDatabase, cfg.SQLitePath())
	}
	return err
}
