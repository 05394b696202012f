package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/keyring"
	"github.com/writ-auth/writ/server/internal/store"
)

// population is what a database is filled with: people and, in turn, a session
// with its grant for each of them, spread over all of both tables and all of
// their indexes as random ids are, and no two in the same order. Of the grants
// some, at even distances, have a refresh token that a test knows.
type population struct {
	users, sessions, known int
}

// filled is a database with its master key and the known tokens.
type filled struct {
	dsn    string
	master []byte
	tokens []known
}

// known is a session that can be refreshed.
type known struct{ session, token string }

// fill makes a database of the store's own schema and fills it by SQL inside of
// the engine: through the store it would take hours.
func fill(t *testing.T, dsn string, p population) filled {
	t.Helper()
	f := filled{dsn: dsn, master: make([]byte, keyring.MasterSize)}
	rand.Read(f.master)
	number, secret := f.prepare(t)
	b := openBulk(t, dsn)
	defer b.db.Close()
	b.insert(t, p)
	for k := range p.known {
		handle := make([]byte, 16)
		rand.Read(handle)
		hash := sha256.Sum256(handle)
		row := k * (p.sessions / p.known)
		b.exec(t, `UPDATE grants SET handle_hash = $1, tag_key = $2 WHERE id = `+b.id("$3"), hash[:], int64(number), b.at(row, p.sessions))
		var session string
		if err := b.db.QueryRowContext(t.Context(), `SELECT session_id FROM grants WHERE handle_hash = $1`, hash[:]).Scan(&session); err != nil {
			t.Fatal(err)
		}
		f.tokens = append(f.tokens, known{session, refreshToken(number, secret, handle)})
	}
	b.settle(t)
	return f
}

// prepare lets the store make the schema, and the keyring its keys.
func (f *filled) prepare(t *testing.T) (tagNumber uint32, tagSecret []byte) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{DSN: f.dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sealer, err := keyring.NewSealer(f.master)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.Open(t.Context(), keyring.Options{Keys: s, Secrets: s, Sealer: sealer, Algorithm: jwk.ES256, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return ring.CurrentTag()
}

// refreshToken makes the first token of a handle: version 1, the tag key's
// number, the handle, generation 0, and the tag over all of it.
func refreshToken(number uint32, secret, handle []byte) string {
	raw := binary.BigEndian.AppendUint32([]byte{1}, number)
	raw = append(raw, handle...)
	raw = binary.BigEndian.AppendUint64(raw, 0)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("writ refresh token v1\x00"))
	mac.Write(raw)
	return "writ_rt_" + base64.RawURLEncoding.EncodeToString(append(raw, mac.Sum(nil)[:16]...))
}

// bulk writes past the store, while nobody else has the database open.
type bulk struct {
	db       *sql.DB
	postgres bool
}

func openBulk(t *testing.T, dsn string) *bulk {
	t.Helper()
	driver, name := "pgx", dsn
	path, lite := strings.CutPrefix(dsn, "sqlite:")
	if lite {
		// Nothing is worth keeping if it fails: no journal.
		driver, name = "sqlite", "file:"+path+"?_pragma=synchronous(0)&_pragma=cache_size(-400000)"
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	b := &bulk{db, !lite}
	if lite {
		b.exec(t, `PRAGMA journal_mode = OFF`)
	} else {
		b.exec(t, `SET session_replication_role = replica`) // all rows fit by construction: don't look up each key
		b.exec(t, `SET synchronous_commit = off`)
	}
	return b
}

func (b *bulk) exec(t *testing.T, text string, args ...any) {
	t.Helper()
	if _, err := b.db.ExecContext(t.Context(), text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// at is the place of the row of a number among so many, on a line of 2^62.
func (b *bulk) at(number, of int) int64 { return int64(number) * (1 << 62 / int64(of)) }

// hex is an expression of 16 digits.
func (b *bulk) hex(number string) string {
	if b.postgres {
		return `LPAD(TO_HEX((` + number + `)::BIGINT), 16, '0')`
	}
	return `PRINTF('%016x', ` + number + `)`
}

// id is as long as the store's own, and in the order of its places.
func (b *bulk) id(place string) string { return `'xyz_' || ` + b.hex(place) + ` || '0123'` }

// rows is a table n(i) of the numbers below a limit.
func (b *bulk) rows(limit int) string {
	if b.postgres {
		return fmt.Sprintf(` FROM (SELECT GENERATE_SERIES(0::BIGINT, %d) AS i) n`, limit-1)
	}
	return fmt.Sprintf(` FROM (WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i FROM n) n`, limit-1)
}

// bytes is an expression of 32 bytes, in the order of their places.
func (b *bulk) bytes(place string) string {
	digits := b.hex(place) + `||` + strings.TrimSuffix(strings.Repeat(b.hex("i")+`||`, 3), `||`)
	if b.postgres {
		return `DECODE(` + digits + `, 'hex')`
	}
	return `UNHEX(` + digits + `)`
}

// insert fills the three tables, each in the order of its ids, and makes the
// other indexes afterwards: both go through the file from front to back.
func (b *bulk) insert(t *testing.T, p population) {
	t.Helper()
	again := b.dropIndexes(t)
	now := time.Now()
	micros := func(d time.Duration) int64 { return now.Add(d).UnixMicro() }
	user := func(i string) string {
		return b.id(fmt.Sprintf(`(%s) * %d`, i, b.at(1, p.users)))
	}
	session := func(i string) string {
		return b.id(fmt.Sprintf(`(%s) * %d`, i, b.at(1, p.sessions)))
	}
	// Two orders that have nothing to do with that of the rows.
	owner := fmt.Sprintf(`i * 7368787 %% %d`, p.users)
	of := fmt.Sprintf(`i * 4256249 %% %d`, p.sessions)
	ownerOf := fmt.Sprintf(`(%s) * 7368787 %% %d`, of, p.users)
	b.exec(t, fmt.Sprintf(`INSERT INTO users (id, email, email_key, username, username_key, name, name_key, verified_at, password_hash,
		must_change, disabled, claims, epoch, mark, created_at, updated_at)
		SELECT %s, 'p' || i || '@example.com', 'p' || %s || '@example.com', '', NULL, 'Person ' || i, 'person ' || i, 0,
			'$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$c29tZWhhc2hzb21laGFzaHNvbWVoYXNoc29tZWhhc2g', 0, 0, NULL, %s, 0, %d, %d%s`,
		user("i"), b.hex(fmt.Sprintf("i * %d", b.at(1, p.users))), user("i"), micros(-1000*time.Hour), micros(-1000*time.Hour), b.rows(p.users)))
	b.exec(t, fmt.Sprintf(`INSERT INTO sessions (id, user_id, cookie_hash, auth_time, amr, acr, device, address, created_at,
		last_seen_at, idle_expiry, absolute_expiry, ended_at, end_reason)
		SELECT %s, %s, NULL, %d, '["pwd"]', '', 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0', '192.0.2.1', %[3]d, %[3]d, %d, %d + i * 1000, 0, ''%s`,
		session("i"), user(owner), micros(-10*time.Hour), micros(100*time.Hour), micros(1000*time.Hour), b.rows(p.sessions)))
	b.exec(t, fmt.Sprintf(`INSERT INTO grants (id, session_id, client_id, user_id, audience, org_id, scope, mode, handle_hash,
		confirmed_gen, current_gen, issued_at, recoveries, tag_key, user_epoch, client_epoch, idle_expiry, absolute_expiry,
		dpop_thumbprint, status_index, mark, created_at, ended_at, end_reason)
		SELECT %s, %s, c.id, %s, '', '', NULL, 'token', %s, 0, 0, %d, 0, 1, %[3]s, c.epoch, %[6]d, %d,
			'', 0, %d, %[5]d, 0, ''%[9]s, (SELECT id, epoch FROM clients WHERE id = 'writ') c`,
		session("i"), session(of), user(ownerOf), b.bytes(fmt.Sprintf("i * %d", b.at(1, p.sessions))),
		micros(-10*time.Hour), micros(100*time.Hour), micros(1000*time.Hour), micros(-9*time.Hour), b.rows(p.sessions)))
	for _, text := range again {
		b.exec(t, text)
	}
}

// dropIndexes drops those that are no constraint, and answers how to make them
// again.
func (b *bulk) dropIndexes(t *testing.T) (again []string) {
	t.Helper()
	query := `SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ('users', 'sessions', 'grants')`
	if b.postgres {
		query = `SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename IN ('users', 'sessions', 'grants')
			AND indexname NOT IN (SELECT conname FROM pg_constraint)`
	}
	names, texts, err := pairs(t.Context(), b.db, query)
	if err != nil || len(names) < 5 {
		t.Fatalf("indexes: %q, %v", names, err)
	}
	for _, name := range names {
		b.exec(t, `DROP INDEX `+name)
	}
	return texts
}

func pairs(ctx context.Context, db *sql.DB, query string) (left, right []string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l, r string
		if err := rows.Scan(&l, &r); err != nil {
			return nil, nil, err
		}
		left, right = append(left, l), append(right, r)
	}
	return left, right, rows.Err()
}

// settle ends the filling as a database that grew would be: with statistics on
// PostgreSQL, and all of it on the disk.
func (b *bulk) settle(t *testing.T) {
	t.Helper()
	if b.postgres {
		b.exec(t, `VACUUM (ANALYZE) users, sessions, grants`)
		b.exec(t, `CHECKPOINT`)
	}
}

// size answers the bytes of a database.
func (b *bulk) size(ctx context.Context) (n int64, err error) {
	query := `SELECT page_count * page_size FROM pragma_page_count, pragma_page_size`
	if b.postgres {
		query = `SELECT pg_database_size(current_database())`
	}
	err = b.db.QueryRowContext(ctx, query).Scan(&n)
	return n, errors.Join(err)
}
