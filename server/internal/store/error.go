package store

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/writ-auth/writ/server/internal/auth"
)

// What can be wrong with the database as a whole. Open returns them wrapped
// with the file's name; methods return them inside an *auth.Error of
// auth.CodeUnavailable, which tells a client nothing but that.
var (
	ErrLocked   = errors.New("store: the database is open in another process")
	ErrForeign  = errors.New("store: the file is not a database of Writ")
	ErrNewer    = errors.New("store: the database was written by a newer version of Writ")
	ErrCorrupt  = errors.New("store: the database is damaged")
	ErrFull     = errors.New("store: the disk is full")
	ErrReadOnly = errors.New("store: the database can't be written to")
	ErrIO       = errors.New("store: the disk failed")
	ErrBusy     = errors.New("store: the database is held by another program")
	ErrMoved    = errors.New("store: the database was moved or deleted while it is open")
	ErrClosed   = errors.New("store: closed")

	ErrUnreachable = errors.New("store: the database can't be reached")
	ErrEmpty       = errors.New("store: the database is empty")
)

// A PanicError is what a method returns when its transaction panicked: a
// defect of this package. The transaction is rolled back, others are unharmed.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("store: panic: %v\n%s", e.Value, e.Stack) }

// retryAfter is what a client is told when the database can't answer.
const retryAfter = 5 * time.Second

func unavailable(kind, cause error) error {
	err := kind
	if cause != nil {
		err = fmt.Errorf("%w: %w", kind, cause)
	}
	return &auth.Error{
		Code:       auth.CodeUnavailable,
		Message:    "The server can't reach its storage at the moment.",
		RetryAfter: retryAfter,
		Err:        err,
	}
}

// classify turns what a driver says into what callers branch on.
func classify(err error) error {
	if err == nil {
		return nil // and no room is made for what there isn't
	}
	return classifyFault(err)
}

func classifyFault(err error) error {
	var lite *sqlite.Error
	var post *pgconn.PgError
	var shown *auth.Error
	switch {
	case errors.As(err, &shown): // the second time round
		return err
	case errors.Is(err, sql.ErrNoRows):
		return auth.ErrNotFound
	case unconnected(err): // whatever the server says against letting us in
		return unavailable(ErrUnreachable, err)
	case errors.As(err, &lite):
		return classifySQLite(err, lite)
	case errors.As(err, &post):
		return classifyPostgres(err, post)
	case errors.Is(err, sql.ErrConnDone), err.Error() == "sql: database is closed":
		return unavailable(ErrClosed, nil)
	case !isContext(err) && cutOff(err):
		return unavailable(ErrUnreachable, err)
	}
	return err
}

func classifySQLite(err error, lite *sqlite.Error) error {
	switch lite.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return &auth.ConflictError{Field: conflictField(lite.Error())}
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return errReferred()
	}
	if kind := condition(lite.Code()); kind != nil {
		return unavailable(kind, err)
	}
	return err
}

func errReferred() error { return fmt.Errorf("%w: a row that is referred to", auth.ErrNotFound) }

// condition names what is wrong with the database as a whole, or nil.
func condition(code int) error {
	switch code {
	case sqlite3.SQLITE_IOERR_CORRUPTFS:
		return ErrCorrupt
	case sqlite3.SQLITE_IOERR_SHMSIZE: // no room for the log's index
		return ErrFull
	}
	switch code & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return ErrCorrupt
	case sqlite3.SQLITE_FULL:
		return ErrFull
	case sqlite3.SQLITE_READONLY:
		return ErrReadOnly
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM:
		return ErrIO
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return ErrBusy
	}
	return nil
}

// conflictField finds the field in SQLite's "… UNIQUE constraint failed:
// users.email_key (2067)": the last column, without the suffix that marks a
// lower-case copy.
func conflictField(message string) string {
	_, columns, _ := strings.Cut(message, "constraint failed: UNIQUE constraint failed: ")
	columns, _, _ = strings.Cut(columns, " (")
	column := columns[strings.LastIndex(columns, " ")+1:]
	if column == "clients.id" {
		return "client_id" // as RFC 7591 names it
	}
	return strings.TrimSuffix(column[strings.Index(column, ".")+1:], "_key")
}
