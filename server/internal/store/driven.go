package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"reflect"
	"strconv"

	"modernc.org/sqlite"

	"github.com/writ-auth/writ/server/internal/auth"
)

// driven runs statements on the driver's own connection. What package
// database/sql does around a statement, locks, conversions by reflection, costs
// more than a small statement itself, and the writer, alone with its
// connection, needs none of it. It is for one goroutine at a time.
type driven struct {
	conn     *sql.Conn
	columns  *columns // nil: the connection has no such function
	prepared map[string]driver.Stmt
	args     []driver.NamedValue // of the statement that runs; kept for the next
	held     *heldScan
}

// run prepares the text, once, and hands the statement to fn with its arguments.
func (d *driven) run(ctx context.Context, text string, args []any, fn func(driver.Stmt, []driver.NamedValue) error) error {
	return d.conn.Raw(func(c any) error {
		stmt, err := d.prepare(ctx, c, text)
		if err != nil {
			return err
		}
		named, err := d.named(args)
		if err != nil {
			return err
		}
		err = fn(stmt, named)
		clear(named)
		return err
	})
}

func (d *driven) prepare(ctx context.Context, conn any, text string) (driver.Stmt, error) {
	if stmt := d.prepared[text]; stmt != nil {
		return stmt, nil
	}
	stmt, err := conn.(driver.ConnPrepareContext).PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if d.prepared == nil {
		d.prepared = make(map[string]driver.Stmt)
	}
	d.prepared[text] = stmt
	return stmt, nil
}

func (d *driven) named(args []any) ([]driver.NamedValue, error) {
	d.args = d.args[:0]
	for i, arg := range args {
		switch arg.(type) {
		case nil, int64, string, []byte:
		default:
			v, err := driver.DefaultParameterConverter.ConvertValue(arg)
			if err != nil {
				return nil, fmt.Errorf("store: parameter %d: %w", i+1, err)
			}
			arg = v
		}
		d.args = append(d.args, driver.NamedValue{Ordinal: i + 1, Value: arg})
	}
	return d.args, nil
}

// exec answers the number of rows it changed.
func (d *driven) exec(ctx context.Context, text string, args []any) (n int64, err error) {
	err = d.run(ctx, text, args, func(stmt driver.Stmt, args []driver.NamedValue) error {
		result, err := stmt.(driver.StmtExecContext).ExecContext(ctx, args)
		if err == nil {
			n, err = result.RowsAffected()
		}
		return err
	})
	return n, classify(err)
}

// each calls row with the values of every row, which are good until it returns.
// row must run no statement.
func (d *driven) each(ctx context.Context, row func(values []driver.Value) error, text string, args []any) error {
	return classify(d.run(ctx, text, args, func(stmt driver.Stmt, args []driver.NamedValue) error {
		rows, err := stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
		if err != nil {
			return err
		}
		values := make([]driver.Value, len(rows.Columns()))
		for err == nil {
			if err = rows.Next(values); err == nil {
				err = row(values)
			}
		}
		if closed := rows.Close(); err == io.EOF { //nolint:errorlint // a driver answers it bare
			err = closed
		}
		return err
	}))
}

// get scans the first row into dest; auth.ErrNotFound if there is none.
func (d *driven) get(ctx context.Context, dest []any, text string, args []any) error {
	found := false
	err := d.each(ctx, func(values []driver.Value) error {
		if found {
			return nil
		}
		found = true
		return assign(dest, values)
	}, text, args)
	if err == nil && !found {
		return auth.ErrNotFound
	}
	return err
}

// close gives up the statements.
func (d *driven) close() (first error) {
	for _, stmt := range d.prepared {
		if err := stmt.Close(); err != nil && first == nil {
			first = err
		}
	}
	d.prepared = nil
	return first
}

// assign puts the values of a row where dest points, as sql.Rows.Scan does for
// what this package scans into.
func assign(dest []any, values []driver.Value) error {
	if len(dest) != len(values) {
		return fmt.Errorf("store: %d columns for %d places", len(values), len(dest))
	}
	for i, d := range dest {
		if err := assignOne(d, values[i]); err != nil {
			return fmt.Errorf("store: column %d: %w", i+1, err)
		}
	}
	return nil
}

func assignOne(dest any, value driver.Value) error {
	switch d := dest.(type) {
	case *string:
		if n, ok := value.(int64); ok {
			*d = strconv.FormatInt(n, 10)
			return nil
		}
		s, err := textOf(value)
		*d = s
		return err
	case *int64:
		n, ok := value.(int64)
		if !ok {
			return fmt.Errorf("a %T is no number", value)
		}
		*d = n
		return nil
	case sql.Scanner:
		return d.Scan(value)
	}
	v := reflect.ValueOf(dest).Elem()
	n, number := value.(int64)
	switch {
	case v.Kind() == reflect.String:
		s, err := textOf(value)
		v.SetString(s)
		return err
	case v.CanInt() && number && !v.OverflowInt(n):
		v.SetInt(n)
		return nil
	case v.CanUint() && number && n >= 0 && !v.OverflowUint(uint64(n)):
		v.SetUint(uint64(n))
		return nil
	}
	return fmt.Errorf("a %T does not fit a %s", value, v.Type())
}

// columns is a way for a row's values past the result: the driver asks SQLite
// for name, declared type and type of every column each time, and a wide row
// pays more for that than for being found. A query that selects columns(…) as
// its only column leaves the values here instead.
type columns struct{ values []driver.Value }

// connector makes connections that have the function.
func (c *columns) connector(dsn string) (driver.Connector, error) {
	d := new(sqlite.Driver)
	err := d.RegisterScalarFunction("columns", -1, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		c.values = append(c.values[:0], args...)
		return int64(len(args)), nil
	})
	return opener{d, dsn}, err
}

// opener is a driver.Connector for a driver that has none.
type opener struct {
	driver driver.Driver
	dsn    string
}

func (o opener) Driver() driver.Driver { return o.driver }

// Connect opens a connection; that can't be interrupted.
func (o opener) Connect(ctx context.Context) (driver.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return o.driver.Open(o.dsn)
}

// wide scans the one row of a query for columns(…) into dest; auth.ErrNotFound
// if there is none.
func (d *driven) wide(ctx context.Context, dest []any, text string, args ...any) error {
	found := false
	err := d.each(ctx, func([]driver.Value) error { found = true; return nil }, text, args)
	if err == nil && !found {
		return auth.ErrNotFound
	}
	if err != nil {
		return err
	}
	err = assign(dest, d.columns.values)
	clear(d.columns.values)
	return err
}
