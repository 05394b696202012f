package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/keyring"
)

// maxKeys bounds what is remembered of a file that nobody vouches for.
const maxKeys = 100_000

// Checked is what is known of a back-up that was found to be whole.
type Checked struct {
	Header  Header
	Rows    int64
	Keys    []string // ids of its signing keys, and of shared secrets
	Secrets []Secret // shared secrets of APIs
	sum     string
}

// Secret is a shared secret of an API.
type Secret struct {
	Audience string
	KeyID    string // as it was; a restored secret has another
	api      string
}

// Check reads all of a back-up and changes nothing: its form, counts and
// checksum, and that sealer opens what is sealed in it, else keyring.ErrSealed.
// A nil sealer opens nothing.
func Check(r io.Reader, sealer *keyring.Sealer, progress Progress) (*Checked, error) {
	in, err := NewReader(r, progress)
	if err != nil {
		return nil, err
	}
	c := &Checked{Header: in.Header}
	audiences := map[string]string{}
	for {
		table, values, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := c.note(row{in.Header.Tables[table], values}, sealer, audiences); err != nil {
			return nil, err
		}
	}
	for i, s := range c.Secrets {
		c.Secrets[i].Audience = audiences[s.api]
	}
	c.Rows, c.sum = in.Rows(), in.Sum()
	return c, nil
}

// note remembers of a row what a restore has to know before it begins.
func (c *Checked) note(r row, sealer *keyring.Sealer, audiences map[string]string) error {
	if len(c.Keys) > maxKeys || len(audiences) > maxKeys {
		return damaged("more than %d keys", maxKeys)
	}
	switch r.table.Name {
	case "keys":
		c.Keys = append(c.Keys, r.text("id"))
	case "apis":
		audiences[r.text("id")] = r.text("audience")
	case "api_secrets":
		if err := opens(sealer, r); err != nil {
			return err
		}
		c.Keys = append(c.Keys, r.text("kid"))
		c.Secrets = append(c.Secrets, Secret{KeyID: r.text("kid"), api: r.text("api_id")})
	}
	return nil
}

func opens(sealer *keyring.Sealer, r row) error {
	if sealer == nil {
		return keyring.ErrSealed
	}
	_, err := sealer.Open(keyring.SealAPISecret, "api_secrets", r.text("id"), r.bytes("sealed"))
	return err
}

// row is a row with its table.
type row struct {
	table  auth.Table
	values []any
}

func (r row) find(column string) *any {
	i := slices.IndexFunc(r.table.Columns, func(c auth.Column) bool { return c.Name == column })
	if i < 0 {
		return new(any)
	}
	return &r.values[i]
}

func (r row) text(column string) string {
	text, _ := (*r.find(column)).(string)
	return text
}

func (r row) number(column string) int64 {
	n, _ := (*r.find(column)).(int64)
	return n
}

func (r row) bytes(column string) []byte {
	b, _ := (*r.find(column)).([]byte)
	return b
}

// Target is a database that a back-up can be loaded into.
type Target interface {
	// Layout answers what a back-up of it would hold.
	Layout(ctx context.Context) (contents int64, tables []auth.Table, err error)
	// Load fills an empty database in one transaction: with the rows that rows
	// hands on, of these tables, parents first. It may call rows more than once,
	// for a transaction that has to be tried again.
	Load(ctx context.Context, tables []auth.Table, rows func(row func(table int, values []any) error) error) error
}

// Restoration makes the server of a back-up anew, so that nothing which was
// revoked since comes back:
//
//   - the revocation log has a new id and lists every key of the back-up (and
//     those of Keys), so that whoever follows it refuses every token made before;
//   - signing keys and the keys of refresh tokens aren't restored: the next start
//     makes new ones;
//   - sessions and grants aren't in a back-up: everybody signs in again;
//   - users and clients have new epochs, for the old ones may be on the log that
//     verifiers remember;
//   - shared secrets of APIs stay, or the APIs would be cut off, but have new key
//     IDs: a token with the old one is refused by whoever asks or follows us.
type Restoration struct {
	Keys     []string // further key IDs whose tokens must not be accepted
	Issuer   string   // of the restored server; "": as it was
	Now      time.Time
	Progress Progress
}

// Restored is what came of a restore.
type Restored struct {
	Rows int64
	Log  string // the id of the new revocation log
}

// Run loads a back-up that was checked into an empty database, all of it or
// nothing. The file is read again from its beginning, and must be the same.
func (x Restoration) Run(ctx context.Context, file io.ReadSeeker, c *Checked, to Target) (Restored, error) {
	if err := fits(ctx, c.Header, to); err != nil {
		return Restored{}, err
	}
	l := &loading{Restoration: x, from: c, revoked: slices.Concat(c.Keys, x.Keys)}
	var tables []auth.Table
	for _, t := range c.Header.Tables {
		l.index = append(l.index, len(tables))
		if t.Name == "keys" {
			l.index[len(l.index)-1] = -1
			continue
		}
		tables = append(tables, t)
	}
	slices.Sort(l.revoked)
	l.revoked = slices.DeleteFunc(slices.Compact(l.revoked), func(kid string) bool { return kid == "" })
	err := to.Load(ctx, tables, func(load func(int, []any) error) error { return l.run(ctx, file, load) })
	if errors.Is(err, auth.ErrConflict) || errors.Is(err, auth.ErrNotFound) {
		err = damaged("its rows contradict each other: %v", err)
	}
	return Restored{Rows: l.rows, Log: l.log}, err
}

// fits refuses a back-up with tables or columns that the database hasn't: one of
// a newer version, or a forgery.
func fits(ctx context.Context, h Header, to Target) error {
	contents, tables, err := to.Layout(ctx)
	if err != nil {
		return err
	}
	if h.Contents > contents {
		return fmt.Errorf("%w (contents %d, this program knows %d)", ErrNewer, h.Contents, contents)
	}
	for _, name := range []string{"settings", "users", "clients", "keys", "log", "audit"} {
		if !slices.ContainsFunc(h.Tables, func(t auth.Table) bool { return t.Name == name }) {
			return damaged("there is no table %s", name)
		}
	}
	for _, t := range h.Tables {
		i := slices.IndexFunc(tables, func(own auth.Table) bool { return own.Name == t.Name })
		if i < 0 {
			return damaged("no server has a table %.64q in this place", t.Name)
		}
		for _, c := range t.Columns {
			if !slices.Contains(tables[i].Columns, c) {
				return damaged("table %s has no column %.64q of type %s", t.Name, c.Name, c.Type)
			}
		}
		tables = tables[i+1:] // parents first, in our order
	}
	return nil
}

// loading is one restore under way.
type loading struct {
	Restoration
	from    *Checked
	index   []int // of each table of the file, among those that are loaded
	revoked []string

	load func(int, []any) error
	seq  int64
	log  string
	rows int64
}

// run reads the file once more and loads what becomes of each row.
func (l *loading) run(ctx context.Context, file io.ReadSeeker, load func(int, []any) error) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	in, err := NewReader(file, l.Progress)
	if err != nil {
		return err
	}
	l.load, l.seq, l.rows, l.log = load, 0, 0, auth.Random128()
	for table := 0; ; {
		next, values, err := in.Next()
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return err
		}
		if last {
			next = len(in.Header.Tables)
		}
		for ; table < next; table++ {
			if err := l.finish(table); err != nil {
				return err
			}
		}
		if last {
			break
		}
		if err := errors.Join(ctx.Err(), l.one(table, row{in.Header.Tables[table], values})); err != nil {
			return err
		}
	}
	if in.Sum() != l.from.sum {
		return damaged("it was changed while it was read")
	}
	return nil
}

// one loads a row, as it is or changed.
func (l *loading) one(table int, r row) error {
	switch r.table.Name {
	case "keys":
		return nil
	case "settings":
		if name := r.text("name"); name == settingLogID || name == settingIssuer {
			return nil
		}
	case "users", "clients":
		*r.find("epoch") = auth.Random128()
	case "api_secrets":
		*r.find("kid") = auth.Random128()
	case "log":
		if expiry := r.number("expires_at"); expiry != 0 && expiry <= l.Now.UnixMicro() {
			return nil
		}
		if len(r.bytes("hash")) != revlog.HashSize {
			return damaged("an entry of the revocation log has no hash")
		}
		l.seq++
		*r.find("seq") = l.seq
	}
	return l.put(table, r)
}

func (l *loading) put(table int, r row) error {
	l.rows++
	return l.load(l.index[table], r.values)
}

// finish adds to a table what the restore itself has to say.
func (l *loading) finish(table int) error {
	t := l.from.Header.Tables[table]
	switch t.Name {
	case "settings":
		issuer := l.Issuer
		if issuer == "" {
			issuer = l.from.Header.Issuer
		}
		return errors.Join(
			l.add(table, map[string]any{"name": settingIssuer, "value": issuer}),
			l.add(table, map[string]any{"name": settingLogID, "value": l.log}))
	case "log":
		return l.revokeKeys(table)
	case "audit":
		return l.add(table, map[string]any{
			"at": l.Now.UnixMicro(), "actor": "operator", "action": "backup.restore", "target": l.from.Header.Issuer, "address": "",
			"verdict": "allowed", "reason": "of " + l.from.Header.Time.UTC().Format(time.RFC3339) + ", log " + l.from.Header.Log,
		})
	}
	return nil
}

func (l *loading) revokeKeys(table int) error {
	for _, kid := range l.revoked {
		hash := revlog.Hash(revlog.Key, kid)
		l.seq++
		err := l.add(table, map[string]any{
			"seq": l.seq, "kind": int64(revlog.Key), "hash": hash[:], "expires_at": int64(0), "created_at": l.Now.UnixMicro(),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// add makes a row of values by column.
func (l *loading) add(table int, values map[string]any) error {
	t := l.from.Header.Tables[table]
	r := row{t, make([]any, len(t.Columns))}
	for name, v := range values {
		*r.find(name) = v
	}
	return l.put(table, r)
}
