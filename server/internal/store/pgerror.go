package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/writ-auth/writ/server/internal/auth"
)

// SQLSTATE, the codes of PostgreSQL's errors (appendix A of its manual).
const (
	stateForeignKey = "23503"
	stateUnique     = "23505"
	stateReadOnly   = "25006"
	stateIdle       = "25P03" // idle in a transaction for too long
	stateSerial     = "40001"
	stateDeadlock   = "40P01"
	stateDiskFull   = "53100"
	stateLock       = "55P03" // the wait for a lock was too long
	stateCancelled  = "57014" // the statement took too long
)

func classifyPostgres(err error, post *pgconn.PgError) error {
	switch post.Code {
	case stateUnique:
		return &auth.ConflictError{Field: takenField(post.TableName, post.ConstraintName)}
	case stateForeignKey:
		return errReferred()
	}
	if kind := stateOf(post.Code); kind != nil {
		return unavailable(kind, err)
	}
	return err
}

// stateOf names what is wrong with the database as a whole, or nil.
func stateOf(code string) error {
	switch code {
	case stateReadOnly:
		return ErrReadOnly
	case stateDiskFull:
		return ErrFull
	case stateLock, stateCancelled:
		return ErrBusy
	case stateIdle:
		return ErrUnreachable
	}
	switch code[:min(2, len(code))] {
	case "08", "57", "53": // connection, operator's intervention, resources
		return ErrUnreachable
	case "58", "F0":
		return ErrIO
	case "XX":
		return ErrCorrupt
	}
	return nil
}

// lost says that a transaction was given up by the engine for the sake of
// another, and may succeed if it is run again.
func lost(err error) bool {
	var post *pgconn.PgError
	return errors.As(err, &post) && (post.Code == stateDeadlock || post.Code == stateSerial)
}

// crossed is lost, or too long a wait for a lock of another, who may wait for one
// of ours.
func crossed(err error) bool {
	var post *pgconn.PgError
	return lost(err) || errors.As(err, &post) && post.Code == stateLock
}

// cutOff says that an error is about the connection: whether the statement had
// an effect is not known then.
func cutOff(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, pgconn.ErrConnClosed) || pgconn.SafeToRetry(err)
}

// unconnected says that no connection could be made.
func unconnected(err error) bool {
	var connect *pgconn.ConnectError
	return errors.As(err, &connect)
}

// takenField finds the field in the name of a constraint or an index: the
// column's, without the suffixes that mark a lower-case copy and a constraint.
func takenField(table, constraint string) string {
	switch constraint {
	case "keys_signing", "keys_next", "keys_log_signing", "keys_log_next":
		return "algorithm"
	case "keys_tag":
		return "number"
	case "clients_pkey":
		return "client_id" // as RFC 7591 names it
	case "settings_pkey":
		return "name"
	case "api_secrets_api_id_kid_key":
		return "kid"
	}
	if strings.HasSuffix(constraint, "_pkey") {
		return "id"
	}
	column := strings.TrimSuffix(strings.TrimPrefix(constraint, table+"_"), "_key")
	return strings.TrimSuffix(column, "_key")
}

// isContext says that a caller gave up.
func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
