package backup

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/writ-auth/writ/internal/strictjson"
	"github.com/writ-auth/writ/server/internal/auth"
)

// Source is a database that can be backed up.
type Source interface {
	// Dump reads the tables of a back-up at one moment: first which there are,
	// then every row, table by table in that order. An error of begin or row
	// ends it and is returned.
	Dump(ctx context.Context, begin func(contents int64, tables []auth.Table) error, row func(table int, values []any) error) error
	Setting(ctx context.Context, name string) (string, error)
}

// Names of settings, as the store and the wiring know them.
const (
	settingIssuer = "issuer"
	settingLogID  = "log_id"
)

// Write writes a back-up of src to w. It holds one row in memory, and others
// read and write meanwhile.
func Write(ctx context.Context, w io.Writer, src Source, version string, now time.Time) error {
	h := Header{Format: formatVersion, Time: now.UTC(), Version: version}
	var err error
	if h.Issuer, err = src.Setting(ctx, settingIssuer); err != nil {
		return err
	}
	if h.Log, err = src.Setting(ctx, settingLogID); err != nil {
		return err
	}
	var out *writer
	begin := func(contents int64, tables []auth.Table) (err error) {
		h.Contents, h.Tables = contents, tables
		out, err = newWriter(w, h)
		return err
	}
	row := func(table int, values []any) error { return out.row(table, values) }
	if err := src.Dump(ctx, begin, row); err != nil {
		return err
	}
	return out.close()
}

// writer writes the lines of a back-up.
type writer struct {
	zip    *gzip.Writer
	out    *bufio.Writer // into zip and digest
	digest hash.Hash
	tables []auth.Table
	table  int   // whose rows are being written
	rows   int64 // of it
	total  int64
	line   []byte
}

func newWriter(w io.Writer, h Header) (*writer, error) {
	zip, err := gzip.NewWriterLevel(w, gzip.BestSpeed) // the server has others to serve meanwhile
	if err != nil {
		return nil, err
	}
	out := &writer{zip: zip, digest: sha256.New(), tables: h.Tables}
	out.out = bufio.NewWriterSize(io.MultiWriter(zip, out.digest), 64<<10)
	return out, out.object(h)
}

func (w *writer) object(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.out.Write(append(data, '\n'))
	return err
}

// row writes a row. Tables come in their order.
func (w *writer) row(table int, values []any) error {
	for w.table < table {
		if err := w.endTable(); err != nil {
			return err
		}
	}
	columns := w.tables[table].Columns
	if table != w.table || len(values) != len(columns) {
		return fmt.Errorf("backup: a row with %d values at the wrong place", len(values))
	}
	line := append(w.line[:0], '[')
	for i, v := range values {
		if i > 0 {
			line = append(line, ',')
		}
		var err error
		if line, err = appendValue(line, columns[i].Type, v); err != nil {
			return fmt.Errorf("backup: %s.%s: %w", w.tables[table].Name, columns[i].Name, err)
		}
	}
	w.line = append(line, ']', '\n')
	w.rows++
	_, err := w.out.Write(w.line)
	return err
}

// appendValue appends a value. A text that isn't one, which SQLite takes and
// PostgreSQL doesn't, is mended: it can only be what a stranger sent and an
// audit kept.
func appendValue(line []byte, t auth.ColumnType, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(line, "null"...), nil
	case string:
		if t == auth.ColumnText {
			v = strings.ReplaceAll(strings.ToValidUTF8(v, "\uFFFD"), "\x00", "\uFFFD")
			return strictjson.AppendString(line, v)
		}
	case int64:
		if t == auth.ColumnInteger {
			return strconv.AppendInt(line, v, 10), nil
		}
	case []byte:
		if t == auth.ColumnBytes {
			line = append(line, '"')
			line = base64.RawURLEncoding.AppendEncode(line, v)
			return append(line, '"'), nil
		}
	}
	return line, fmt.Errorf("a %T in a column of type %s", v, t)
}

func (w *writer) endTable() error {
	end := tableEnd{w.tables[w.table].Name, w.rows}
	w.total += w.rows
	w.table, w.rows = w.table+1, 0
	return w.object(end)
}

// close writes what ends the back-up. Without it the file counts as cut short.
func (w *writer) close() error {
	for w.table < len(w.tables) {
		if err := w.endTable(); err != nil {
			return err
		}
	}
	if err := w.out.Flush(); err != nil {
		return err
	}
	end, err := json.Marshal(trailer{len(w.tables), w.total, hex.EncodeToString(w.digest.Sum(nil))})
	if err != nil {
		return err
	}
	if _, err := w.zip.Write(append(end, '\n')); err != nil {
		return err
	}
	return w.zip.Close()
}
