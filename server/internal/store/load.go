package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/writ-auth/writ/server/internal/auth"
)

// ErrNotEmpty says that a database can't be filled, since there is something in
// it.
var ErrNotEmpty = errors.New("store: the database is not empty")

// Load fills an empty database, which no node uses, with the rows of a back-up
// in one transaction: what it held from its making gives way. rows is called
// with where each row goes, and again if the transaction has to be tried again;
// its error is Load's, and nothing has happened then. ErrNotEmpty if there is a
// user, a client or a key.
func (s *Store) Load(ctx context.Context, tables []auth.Table, rows func(row func(table int, values []any) error) error) error {
	for _, t := range tables {
		if !identifiers(t) {
			return fmt.Errorf("store: no table %q has these columns", t.Name)
		}
	}
	return s.write(ctx, func(ctx context.Context, t *tx) error {
		if err := t.patient(ctx); err != nil {
			return err
		}
		if err := t.clear(ctx); err != nil {
			return err
		}
		l := &loader{tx: t, tables: tables}
		if err := rows(func(table int, values []any) error { return l.row(ctx, table, values) }); err != nil {
			return err
		}
		t.concerns(everyClient)
		t.logged, t.keys = true, true
		if err := l.flush(ctx); err != nil {
			return err
		}
		return t.mend(ctx) // the chain is of this log alone
	})
}

// identifiers reports whether the names are such as may stand in a statement.
// They come from a file.
func identifiers(t auth.Table) bool {
	names := []string{t.Name}
	for _, c := range t.Columns {
		names = append(names, c.Name)
	}
	return !slices.ContainsFunc(names, func(name string) bool { return name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" })
}

// patient lets the transaction wait for whoever brings the rows: a slow file, or
// one with millions that are left out.
func (t *tx) patient(ctx context.Context) error {
	if !t.engine.direct {
		return nil
	}
	_, err := t.exec(ctx, "SET LOCAL idle_in_transaction_session_timeout = 0")
	return err
}

// clear removes what the making of a database put there, if that is all.
func (t *tx) clear(ctx context.Context) error {
	for _, query := range []string{
		`SELECT 1 FROM users LIMIT 1`, `SELECT 1 FROM keys LIMIT 1`, `SELECT 1 FROM log LIMIT 1`, `SELECT 1 FROM clients WHERE id <> $1 LIMIT 1`,
	} {
		args := []any{auth.ClientWrit}[:strings.Count(query, "$1")]
		switch found, err := t.exists(ctx, query, args...); {
		case err != nil:
			return err
		case found:
			return ErrNotEmpty
		}
	}
	for _, p := range portions() {
		text := "DELETE FROM " + p.table
		if p.where != "" {
			text += " WHERE " + p.where
		}
		if _, err := t.exec(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// loader inserts rows, many in one statement, for each costs PostgreSQL a round
// trip.
type loader struct {
	*tx
	tables []auth.Table
	table  int
	args   []any
}

// rowsAtOnce is how many rows a statement inserts; the parameters of the widest
// table stay below what an engine takes.
const rowsAtOnce = 64

func (l *loader) row(ctx context.Context, table int, values []any) error {
	if table != l.table {
		if err := l.flush(ctx); err != nil {
			return err
		}
		l.table = table
	}
	for _, v := range values {
		if text, ok := v.(string); ok {
			v = read(text) // it comes as it was stored
		}
		l.args = append(l.args, v)
	}
	if len(l.args) < rowsAtOnce*len(values) {
		return nil
	}
	return l.insert(ctx, rowsAtOnce)
}

// flush inserts what is left, row by row: so there are two statements a table.
func (l *loader) flush(ctx context.Context) error {
	for len(l.args) > 0 {
		if err := l.insert(ctx, 1); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) insert(ctx context.Context, rows int) error {
	t := l.tables[l.table]
	n := rows * len(t.Columns)
	_, err := l.exec(ctx, insertText(t, rows), l.args[:n]...)
	if err != nil {
		return fmt.Errorf("table %s: %w", t.Name, err)
	}
	l.args = append(l.args[:0], l.args[n:]...)
	return nil
}

// insertText is INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4).
func insertText(t auth.Table, rows int) string {
	var b strings.Builder
	b.WriteString("INSERT INTO " + t.Name + " (" + columnNames(t) + ") VALUES ")
	for i := range rows * len(t.Columns) {
		switch {
		case i == 0:
			b.WriteString("(")
		case i%len(t.Columns) == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(i+1))
	}
	b.WriteString(")")
	return b.String()
}
