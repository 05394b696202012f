package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/store"
)

// content is what Dump reads, by table; rows in an order of their own.
type content struct {
	tables []auth.Table
	rows   map[string][]string
	values [][][]any
}

func dump(t *testing.T, s *store.Store) content {
	t.Helper()
	c := content{rows: map[string][]string{}}
	begin := func(_ int64, tables []auth.Table) error {
		c.tables, c.values = tables, make([][][]any, len(tables))
		return nil
	}
	err := s.Dump(t.Context(), begin, func(table int, values []any) error {
		name := c.tables[table].Name
		c.rows[name] = append(c.rows[name], fmt.Sprintf("%#v", values))
		c.values[table] = append(c.values[table], values)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range c.rows {
		if name != "log" && name != "audit" {
			slices.Sort(c.rows[name])
		}
	}
	return c
}

func (c content) load(t *testing.T, s *store.Store) error {
	t.Helper()
	return s.Load(t.Context(), c.tables, func(row func(int, []any) error) error {
		for i, rows := range c.values {
			for _, values := range rows {
				if err := row(i, values); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// TestDump tries each engine, and from each to the other.
func TestDump(t *testing.T) {
	lite := func(t *testing.T) *store.Store { return open(t, store.Options{Readers: 1}) }
	all := func(t *testing.T, fresh func(*testing.T) *store.Store) {
		t.Run("and load", func(t *testing.T) { testDumpAndLoad(t, fresh(t), fresh(t)) })
		t.Run("names every table", func(t *testing.T) { testDumpNamesEveryTable(t, fresh(t)) })
		t.Run("is one moment", func(t *testing.T) { testDumpIsOneMoment(t, fresh(t)) })
		t.Run("ends", func(t *testing.T) { testDumpEnds(t, fresh(t)) })
		t.Run("loads all or nothing", func(t *testing.T) { testLoadIsAllOrNothing(t, fresh) })
	}
	t.Run("SQLite", func(t *testing.T) { all(t, lite) })
	t.Run("PostgreSQL", func(t *testing.T) {
		copies := postgres(t)
		fresh := func(t *testing.T) *store.Store { return open(t, store.Options{DSN: copies(t), Readers: 1}) }
		all(t, fresh)
		t.Run("from SQLite", func(t *testing.T) { testDumpAndLoad(t, lite(t), fresh(t)) })
		t.Run("waits for a slow file", func(t *testing.T) {
			testLoadWaits(t, lite(t), open(t, store.Options{DSN: withParameter(copies(t), "idle_in_transaction_session_timeout=50"), Readers: 1}))
		})
		t.Run("to SQLite", func(t *testing.T) { testDumpAndLoad(t, fresh(t), lite(t)) })
	})
}

// fillAll makes something of everything.
func fillAll(t *testing.T, s *store.Store) {
	t.Helper()
	ctx, now := t.Context(), time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	ev := auth.Event{At: now, Actor: "a", Action: "b", Target: "c", Address: "d", Verdict: "e", Reason: "f"}
	var err error
	must := func(e error) { err = errors.Join(err, e) }
	must(s.CreateRole(ctx, auth.Role{ID: "rol_1", Name: "editor", Permissions: []string{"x"}, CreatedAt: now}, ev))
	for i := range 150 { // more than one statement's worth
		must(s.CreateUser(ctx, auth.User{ID: fmt.Sprintf("usr_%d", i), Email: fmt.Sprintf("u%d@example.com", i), Name: "Ü'\"\xff\x00\U0010ffff", PasswordHash: "h",
			Roles: []string{"editor"}, Claims: []byte(`{"a":1}`), Epoch: fmt.Sprint("e", i), CreatedAt: now, UpdatedAt: now}, ev))
	}
	must(s.CreateOrg(ctx, auth.Org{ID: "org_1", Slug: "acme", Name: "Acme", CreatedAt: now}, ev))
	_, err = s.PutMember(ctx, auth.Member{OrgID: "org_1", UserID: "usr_1", Roles: []string{"editor"}}, nil, nil, now, ev)
	must(err)
	must(s.CreateAPI(ctx, auth.API{ID: "api_1", Audience: "urn:a", Algorithm: "HS256", CreatedAt: now, UpdatedAt: now},
		&auth.APISecret{ID: "sec_1", APIID: "api_1", KID: "k1", Sealed: []byte{1, 0, 255}, CreatedAt: now, SignsFrom: now}, ev))
	must(s.CreateClient(ctx, auth.Client{ID: "reporter", Name: "R", TokenEndpointAuthMethod: "client_secret_basic", Audiences: []string{"urn:a"},
		Epoch: "ce", CreatedAt: now, UpdatedAt: now}, &auth.ClientSecret{ID: "sec_2", ClientID: "reporter", Hash: [32]byte{1}, CreatedAt: now}, ev))
	must(s.AddConsent(ctx, auth.Consent{UserID: "usr_1", ClientID: "reporter", Audience: "urn:a", Scope: []string{"read"}, UpdatedAt: now}, ev))
	_, e := s.UseAssertion(ctx, "reporter", [32]byte{2}, now)
	must(e)
	must(s.AddKey(ctx, auth.Key{ID: "kid1", Purpose: auth.KeySign, Algorithm: "ES256", State: auth.KeySigning, Public: []byte("{}"), Sealed: []byte("sealed private part"), CreatedAt: now}, ev))
	must(s.AddKey(ctx, auth.Key{ID: "1", Purpose: auth.KeyTag, Number: 1, State: auth.KeySigning, Sealed: []byte("sealed tag"), CreatedAt: now}, ev))
	for i := range 3 {
		_, e := s.Revoke(ctx, revlog.Session, fmt.Sprint("sid", i), now.Add(time.Hour), ev)
		must(e)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// testLoadWaits takes longer over a row than a transaction may be idle.
func testLoadWaits(t *testing.T, from, to *store.Store) {
	fillAll(t, from)
	c := dump(t, from)
	c.tables, c.values = without(c, "keys")
	err := to.Load(t.Context(), c.tables, func(row func(int, []any) error) error {
		for table, rows := range c.values {
			for _, values := range rows {
				if err := row(table, values); err != nil {
					return err
				}
			}
		}
		time.Sleep(300 * time.Millisecond) // the rest of the file is slow to come
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.OrgByID(t.Context(), "acme"); err != nil {
		t.Error(err)
	}
}

func withParameter(dsn, parameter string) string {
	if strings.Contains(dsn, "?") {
		return dsn + "&" + parameter
	}
	return dsn + "?" + parameter
}

func testDumpAndLoad(t *testing.T, a, b *store.Store) {
	fillAll(t, a)
	want := dump(t, a)
	for _, table := range want.tables {
		if len(want.rows[table.Name]) == 0 {
			t.Errorf("this test has nothing in the table %s", table.Name)
		}
	}
	for _, secret := range []string{"sealed private part", "sealed tag"} {
		if strings.Contains(fmt.Sprint(want.rows["keys"]), secret) {
			t.Errorf("the private part of a key is in a back-up")
		}
	}
	want.tables, want.values = without(want, "keys")
	if err := want.load(t, b); err != nil {
		t.Fatal(err)
	}
	got := dump(t, b)
	delete(want.rows, "keys")
	if !reflect.DeepEqual(got.rows, want.rows) {
		t.Errorf("loaded\n%v\nwant\n%v", got.rows, want.rows)
	}
	if u, err := b.UserByID(t.Context(), "usr_7"); err != nil || u.Name != "Ü'\"\xff\x00\U0010ffff" || !slices.Equal(u.Roles, []string{"editor"}) {
		t.Errorf("a loaded user: %+v, %v", u, err)
	}
	if c, err := b.Registration(t.Context(), "reporter"); err != nil || len(c.Secrets) != 1 {
		t.Errorf("a loaded client: %+v, %v", c, err)
	}
	if err := want.load(t, b); !errors.Is(err, store.ErrNotEmpty) {
		t.Errorf("loaded into a full database: %v", err)
	}
}

// without drops a table, as a restore does with the keys.
func without(c content, name string) (tables []auth.Table, values [][][]any) {
	for i, table := range c.tables {
		if table.Name != name {
			tables, values = append(tables, table), append(values, c.values[i])
		}
	}
	return tables, values
}

// testDumpNamesEveryTable: a table that somebody adds is in a back-up, or named
// as one that no back-up holds.
func testDumpNamesEveryTable(t *testing.T, s *store.Store) {
	query := `SELECT string_agg(name, ' ') FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'`
	if !filepath.IsAbs(s.Path()) {
		query = `SELECT string_agg(relname, ' ') FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace`
	}
	names, err := s.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	_, tables, err := s.Layout(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	known := slices.DeleteFunc(store.Unportable(), func(name string) bool { return name == "fleet" && !strings.Contains(names, name) })
	for _, table := range tables {
		known = append(known, table.Name)
	}
	all := strings.Fields(names)
	slices.Sort(all)
	slices.Sort(known)
	if !slices.Equal(all, known) {
		t.Errorf("tables %q, back-ups know %q", all, known)
	}
}

// testDumpIsOneMoment: what is committed while a dump is under way isn't in it,
// in no table, and waits for nothing.
func testDumpIsOneMoment(t *testing.T, s *store.Store) {
	fillAll(t, s)
	want := dump(t, s)
	add := func(name string) {
		t.Helper()
		if err := s.CreateUser(t.Context(), auth.User{ID: "usr_" + name, Username: name, Epoch: "e"}, auth.Event{Action: "new"}); err != nil {
			t.Error(err)
		}
		if _, err := s.UserByID(t.Context(), "usr_"+name); err != nil {
			t.Error(err)
		}
	}
	rows := map[string]int{}
	var tables []auth.Table
	err := s.Dump(t.Context(), func(_ int64, found []auth.Table) error {
		tables = found
		add("begun")
		return nil
	}, func(table int, _ []any) error {
		name := tables[table].Name
		if rows[name]++; rows[name] == 1 {
			add("during_" + strings.ReplaceAll(name, "_", ""))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, list := range want.rows {
		if rows[name] != len(list) {
			t.Errorf("%d rows of %s, want %d", rows[name], name, len(list))
		}
	}
}

func testDumpEnds(t *testing.T, s *store.Store) {
	fillAll(t, s)
	stop := errors.New("stop")
	if err := s.Dump(t.Context(), func(int64, []auth.Table) error { return stop }, nil); !errors.Is(err, stop) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Dump(ctx, func(int64, []auth.Table) error { cancel(); return nil }, func(int, []any) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
}

// testLoadIsAllOrNothing: rows that fail, or contradict what the schema asks,
// leave the database as it was.
func testLoadIsAllOrNothing(t *testing.T, fresh func(*testing.T) *store.Store) {
	a := fresh(t)
	fillAll(t, a)
	full := dump(t, a)
	users := slices.IndexFunc(full.tables, func(t auth.Table) bool { return t.Name == "users" })
	stop := errors.New("stop")
	for name, change := range map[string]func(c *content) error{
		"a row twice": func(c *content) error {
			c.values[users] = append(c.values[users], c.values[users][0])
			return auth.ErrConflict
		},
		"a parent missing": func(c *content) error { c.values[users] = c.values[users][:1]; return auth.ErrNotFound },
		"a number for a text": func(c *content) error {
			c.values[users] = [][]any{slices.Clone(c.values[users][0])}
			c.values[users][0][8] = "x"
			return nil
		},
		"no value": func(c *content) error {
			c.values[users] = [][]any{make([]any, len(c.tables[users].Columns))}
			return nil
		},
		"an empty epoch": func(c *content) error {
			c.values[users] = [][]any{slices.Clone(c.values[users][0])}
			c.values[users][0][12] = ""
			return nil
		},
		"a statement in names": func(c *content) error {
			c.tables = slices.Clone(c.tables)
			c.tables[users].Name = "users; DROP TABLE users"
			return nil
		},
	} {
		c := content{tables: full.tables, values: slices.Clone(full.values)}
		want := change(&c)
		b := fresh(t)
		before := dump(t, b)
		if err := c.load(t, b); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if after := dump(t, b); !reflect.DeepEqual(after.rows, before.rows) {
			t.Errorf("%s: the database has changed", name)
		}
		if err := b.Load(t.Context(), full.tables, func(row func(int, []any) error) error {
			return errors.Join(row(0, full.values[0][0]), stop)
		}); !errors.Is(err, stop) {
			t.Errorf("%v, want the error of the rows", err)
		}
	}
}

// TestPlace puts a new database where an old one is, of which nothing is lost.
func TestPlace(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "writ.db")
	o := store.Options{DSN: "sqlite:" + path}
	old, err := store.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	fillAll(t, old)
	if _, err := store.Reserve(o.DSN); !errors.Is(err, store.ErrLocked) {
		t.Errorf("reserved what a server has open: %v", err)
	}
	before := dump(t, old)
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}

	p, err := store.Reserve(o.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := store.Open(ctx, o); !errors.Is(err, store.ErrLocked) {
		t.Errorf("opened what is reserved: %v", err)
	}
	if kids, err := p.KeyIDs(ctx); err != nil || !slices.Equal(kids, []string{"k1", "kid1"}) {
		t.Errorf("key ids %q, %v", kids, err)
	}
	made, err := p.Build(ctx, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(made.CreateOrg(ctx, auth.Org{ID: "org_new", Slug: "new", Name: "New"}, auth.Event{}), made.Close()); err != nil {
		t.Fatal(err)
	}
	if empty, err := p.Empty(); empty || err != nil {
		t.Errorf("there is a database, and yet: empty %v, %v", empty, err)
	}
	aside, err := p.Install(ctx, time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC))
	if err != nil || aside != path+".before-restore-20310203T040506Z" {
		t.Fatalf("%s, %v", aside, err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, o).OrgByID(ctx, "new"); err != nil {
		t.Errorf("the new database: %v", err)
	}
	if after := dump(t, open(t, store.Options{DSN: "sqlite:" + aside})); !reflect.DeepEqual(after.rows, before.rows) {
		t.Error("the old database is another")
	}
}

// TestPlaceKeepsWholeFiles puts no database into the place of which a part is
// elsewhere. Here it is a reader that keeps SQLite from bringing the log into the
// file, on a full disk it would be the disk.
func TestPlaceKeepsWholeFiles(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "writ.db")
	p, err := store.Reserve("sqlite:" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	made, err := p.Build(ctx, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	reader, err := sql.Open("sqlite", path+".restoring")
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	reading, err := reader.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	var orgs int
	if _, err := reading.ExecContext(ctx, "BEGIN"); err != nil {
		t.Fatal(err)
	}
	if err := reading.QueryRowContext(ctx, "SELECT COUNT(*) FROM orgs").Scan(&orgs); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(made.CreateOrg(ctx, auth.Org{ID: "org_new", Slug: "new"}, auth.Event{}), made.Close()); err != nil {
		t.Fatal(err)
	}
	if aside, err := p.Install(ctx, time.Unix(0, 0)); !errors.Is(err, store.ErrIO) || aside != "" {
		t.Errorf("installed half a database: %q, %v", aside, err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is something in the place: %v", err)
	}
}

// TestPlaceMovesTheLog: a write-ahead log whose database was removed, or can't
// be read, must not be played back into the new one.
func TestPlaceMovesTheLog(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"removed": os.Remove,
		"damaged": func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("precious", 1024)), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, dir := t.Context(), t.TempDir()
			path := filepath.Join(dir, "writ.db")
			old, err := store.Open(ctx, store.Options{DSN: "sqlite:" + filepath.Join(dir, "old.db")})
			if err != nil {
				t.Fatal(err)
			}
			fillAll(t, old)
			for _, end := range []string{"", "-wal"} { // as a killed server leaves them
				data, err := os.ReadFile(filepath.Join(dir, "old.db") + end)
				if err == nil {
					err = os.WriteFile(path+end, data, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(old.Close(), damage(path)); err != nil {
				t.Fatal(err)
			}
			p, err := store.Reserve("sqlite:" + path)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			made, err := p.Build(ctx, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			want := dump(t, made)
			if err := made.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Install(ctx, time.Unix(0, 0)); err != nil {
				t.Fatal(err)
			}
			if left, _ := filepath.Glob(path + ".before-restore-*-wal"); name == "removed" && len(left) != 1 {
				t.Errorf("the old log was not kept: %q", left)
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			if got := dump(t, open(t, store.Options{DSN: "sqlite:" + path})); !reflect.DeepEqual(got.rows, want.rows) {
				t.Error("the new database has something of the old one")
			}
		})
	}
}
