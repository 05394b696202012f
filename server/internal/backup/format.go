// Package backup keeps a server's data in one file and makes a server of it
// again, on whichever engine.
//
// A back-up is a gzip stream of lines of JSON:
//
//	{"writ_backup":1,"contents":1,"issuer":"…","log":"…","time":"…","version":"…","tables":[…]}
//	["usr_…","ada@example.com",null,1700000000000000]     a row of the first table, in the order of its columns
//	{"table":"users","rows":1}                            the end of that table
//	…
//	{"tables":14,"rows":420,"sha256":"…"}                 SHA-256 of all the lines before this one
//
// Bytes are base64url without padding; other values are as in JSON. All of it
// is read from the database at one moment.
//
// What a back-up doesn't hold, because a restore would have to throw it away:
// sessions and grants, and the private parts of signing keys. The master key
// isn't in it either, so that the shared secrets of APIs stay sealed. Hashes of
// passwords and client secrets are in it.
//
// A restored server is another one than the one that was backed up, for what
// was revoked since must not come back; see [Restoration].
package backup

import (
	"errors"
	"fmt"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// formatVersion is the version of the lines; what the tables hold has
// a version of its own.
const formatVersion = 1

// Limits of what a reader takes, many times what a server writes.
const (
	maxLine    = 8 << 20
	maxTables  = 200
	maxColumns = 200
)

// What can be wrong with a back-up. The errors that wrap them are one line for
// an operator.
var (
	ErrForeign = errors.New("this is no back-up of Writ")
	ErrNewer   = errors.New("the back-up was made by a newer version of Writ")
	ErrDamaged = errors.New("the back-up is damaged")
)

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// Header begins a back-up.
type Header struct {
	Format   int          `json:"writ_backup"`
	Contents int64        `json:"contents"` // version of what the tables hold
	Issuer   string       `json:"issuer"`
	Log      string       `json:"log"` // id of the revocation log
	Time     time.Time    `json:"time"`
	Version  string       `json:"version"` // of the program, for people
	Tables   []auth.Table `json:"tables"`  // in the order of their rows
}

// tableEnd ends the rows of a table.
type tableEnd struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
}

// trailer ends a back-up.
type trailer struct {
	Tables int    `json:"tables"`
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"` // hexadecimal
}

// check refuses a header that no server wrote.
func (h Header) check() error {
	switch {
	case h.Format > formatVersion:
		return fmt.Errorf("%w (format %d, this program knows %d)", ErrNewer, h.Format, formatVersion)
	case h.Format < 1:
		return ErrForeign
	case len(h.Tables) == 0 || len(h.Tables) > maxTables:
		return damaged("%d tables", len(h.Tables))
	}
	seen := map[string]bool{}
	for _, t := range h.Tables {
		if t.Name == "" || seen[t.Name] || len(t.Columns) == 0 || len(t.Columns) > maxColumns {
			return damaged("table %.64q", t.Name)
		}
		seen[t.Name] = true
		if err := checkColumns(t); err != nil {
			return err
		}
	}
	return nil
}

func checkColumns(t auth.Table) error {
	seen := map[string]bool{}
	for _, c := range t.Columns {
		if c.Name == "" || seen[c.Name] {
			return damaged("column %.64q of table %.64q", c.Name, t.Name)
		}
		seen[c.Name] = true
		switch c.Type {
		case auth.ColumnText, auth.ColumnInteger, auth.ColumnBytes:
		default:
			return damaged("column %.64q has the type %.64q", c.Name, c.Type)
		}
	}
	return nil
}

// Progress hears how far a table has come; done with its last row. It may be nil.
type Progress func(table string, rows int64, done bool)

func (p Progress) tell(table string, rows int64, done bool) {
	const each = 10_000
	if p != nil && (done || rows%each == 0) {
		p(table, rows, done)
	}
}
