package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/writ-auth/writ/server/internal/auth"
)

// contents is the version of what portions hold. Raise it with a change of the
// schema that rows from before must be changed for; a back-up with a later one
// is refused. The schemas' own versions differ between the engines.
const contents = 1

// portion is what a back-up holds of a table.
type portion struct {
	table   string
	only    []string // these columns; nil: all but without
	without []string // what the database gives a row as it comes
	where   string
	order   string
}

// portions lists them, parents before what refers to them. Sessions and grants
// are none of them, nor are private keys: a restored server ends the ones and
// replaces the others. A new table joins this list or [unportable].
func portions() []portion {
	return []portion{
		{table: "settings", where: "name <> '" + settingCompatible + "'"},
		{table: "users"},
		{table: "roles"},
		{table: "user_roles"},
		{table: "orgs"},
		{table: "members"},
		{table: "member_roles"},
		{table: "clients"},
		{table: "client_secrets"},
		{table: "consents"},
		{table: "apis"},
		{table: "api_secrets"},
		{table: "used_assertions"},
		{table: "keys", only: []string{"id", "algorithm"}, where: "purpose = 'sign'"},
		{table: "log", without: []string{"id", "chain"}, order: "id"},
		{table: "audit", without: []string{"id"}, order: "id"},
	}
}

// unportable lists the tables that no back-up holds.
func unportable() []string {
	return []string{"sessions", "grants", "codes", "devices", "logouts", "endings", "statuses", "fleet", "goose_db_version"}
}

// Layout is what a back-up of this database holds, and the version of that.
func (s *Store) Layout(ctx context.Context) (version int64, tables []auth.Table, err error) {
	end, on, err := s.snapshot(ctx)
	if err != nil {
		return 0, nil, err
	}
	defer end()
	tables, err = s.layout(ctx, on)
	return contents, tables, err
}

func (s *Store) layout(ctx context.Context, on *sql.Conn) (tables []auth.Table, err error) {
	query := `SELECT name, type FROM pragma_table_info($1) ORDER BY cid`
	if s.fleet() {
		query = `SELECT column_name, data_type FROM information_schema.columns
			WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position`
	}
	for _, p := range portions() {
		columns, err := columnsOf(ctx, on, query, p.table)
		if err != nil {
			return nil, err
		}
		tables = append(tables, auth.Table{Name: p.table, Columns: p.choose(columns)})
	}
	return tables, nil
}

func (p portion) choose(columns []auth.Column) (chosen []auth.Column) {
	for _, c := range columns {
		if p.only == nil && !slices.Contains(p.without, c.Name) || slices.Contains(p.only, c.Name) {
			chosen = append(chosen, c)
		}
	}
	return chosen
}

// columnsOf lists a table's columns in their order.
func columnsOf(ctx context.Context, on *sql.Conn, query, table string) (columns []auth.Column, err error) {
	rows, err := on.QueryContext(ctx, query, table)
	if err != nil {
		return nil, plain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var c auth.Column
		var declared string
		if err := rows.Scan(&c.Name, &declared); err != nil {
			return nil, err
		}
		if c.Type, err = columnType(declared); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", table, c.Name, err)
		}
		columns = append(columns, c)
	}
	if err := rows.Err(); err != nil {
		return nil, plain(err)
	}
	if columns == nil {
		return nil, fmt.Errorf("store: there is no table %s", table)
	}
	return columns, nil
}

// columnType is what an engine's type is in a back-up.
func columnType(declared string) (auth.ColumnType, error) {
	switch strings.ToLower(declared) {
	case "text":
		return auth.ColumnText, nil
	case "integer", "bigint":
		return auth.ColumnInteger, nil
	case "blob", "bytea":
		return auth.ColumnBytes, nil
	}
	return "", fmt.Errorf("store: a column of type %q can't be backed up", declared)
}

// snapshot opens a connection of its own that sees the database as it is now,
// whatever is written meanwhile, until end is called. It takes none of the
// pool's: a back-up is as slow as who receives it.
func (s *Store) snapshot(ctx context.Context) (end func(), on *sql.Conn, err error) {
	c, begin := driver.Connector(nil), "BEGIN"
	if s.fleet() {
		// Not bounded in time, as those of the pool are.
		config := s.follower.config.Copy()
		config.RuntimeParams["application_name"] = guestOf(s.engine.channel, s.node.id)
		c, begin = stdlib.GetConnector(*config), "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	} else if c, err = connector(s.path, "query_only(1)", "busy_timeout(5000)"); err != nil {
		return nil, nil, err
	}
	db := sql.OpenDB(c)
	if on, err = db.Conn(ctx); err == nil {
		_, err = on.ExecContext(ctx, begin)
	}
	if err != nil {
		return nil, nil, errors.Join(plain(err), db.Close())
	}
	return func() { _, _ = on.Close(), db.Close() }, on, nil
}

// Dump reads what a back-up holds at one moment: begin is told the tables, then
// row every row, table by table. Nobody waits for it, but SQLite's write-ahead
// log grows as long as it takes, and PostgreSQL cleans up after it. An error of
// begin or row ends it.
func (s *Store) Dump(ctx context.Context, begin func(version int64, tables []auth.Table) error, row func(table int, values []any) error) error {
	end, on, err := s.snapshot(ctx)
	if err != nil {
		return err
	}
	defer end()
	tables, err := s.layout(ctx, on)
	if err != nil {
		return err
	}
	if err := begin(contents, tables); err != nil {
		return err
	}
	for i, p := range portions() {
		err := dump(ctx, on, p.query(tables[i]), tables[i], func(values []any) error { return row(i, values) })
		if err != nil && ctx.Err() != nil {
			return ctx.Err() // which a driver may not say
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p portion) query(t auth.Table) string {
	text := "SELECT " + columnNames(t) + " FROM " + p.table
	if p.where != "" {
		text += " WHERE " + p.where
	}
	if p.order != "" {
		text += " ORDER BY " + p.order
	}
	return text
}

func columnNames(t auth.Table) string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}

func dump(ctx context.Context, on *sql.Conn, query string, t auth.Table, row func([]any) error) error {
	rows, err := on.QueryContext(ctx, query)
	if err != nil {
		return plain(err)
	}
	defer rows.Close()
	for rows.Next() {
		values := make([]any, len(t.Columns))
		dest := make([]any, len(values))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return plain(err)
		}
		if err := row(values); err != nil {
			return err
		}
	}
	return plain(rows.Err())
}
