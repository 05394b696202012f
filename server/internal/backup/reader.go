package backup

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/writ-auth/writ/internal/strictjson"
	"github.com/writ-auth/writ/server/internal/auth"
)

// Reader reads a back-up, whoever made it. Nothing that it has answered may
// count before Next answers io.EOF: until then the back-up may be cut short or
// changed.
type Reader struct {
	Header Header

	raw    *bufio.Reader
	zip    *gzip.Reader
	lines  *bufio.Reader
	digest hash.Hash
	table  int
	rows   int64
	total  int64
	sum    string
	tell   Progress
	line   []byte
}

// NewReader reads the header: ErrForeign if it is none of ours, ErrNewer if this
// program doesn't know the format.
func NewReader(r io.Reader, progress Progress) (*Reader, error) {
	in := &Reader{raw: bufio.NewReaderSize(r, 64<<10), digest: sha256.New(), tell: progress}
	var err error
	if in.zip, err = gzip.NewReader(in.raw); err != nil {
		if isFormat(err) {
			return nil, ErrForeign
		}
		return nil, err
	}
	in.zip.Multistream(false)
	in.lines = bufio.NewReaderSize(in.zip, 64<<10)
	line, err := in.nextLine()
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(line, []byte(`{"writ_backup":`)) {
		return nil, ErrForeign
	}
	var version struct {
		Format int `json:"writ_backup"` // a newer format may have other members: it comes first
	}
	if json.Unmarshal(line, &version) == nil && version.Format > formatVersion {
		return nil, fmt.Errorf("%w (format %d, this program knows %d)", ErrNewer, version.Format, formatVersion)
	}
	if err := decode(line, &in.Header); err != nil {
		return nil, err
	}
	in.digest.Write(line)
	return in, in.Header.check()
}

// isFormat reports whether an error is about the data in contrast to the disk
// or the network.
func isFormat(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &corrupt) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// Next answers the next row and the number of its table; io.EOF after the last,
// when all of the back-up was found to be whole. The values are the caller's.
func (r *Reader) Next() (table int, values []any, err error) {
	for r.sum == "" {
		line, err := r.nextLine()
		if err != nil {
			return 0, nil, err
		}
		switch {
		case line[0] == '[' && r.table < len(r.Header.Tables):
			r.digest.Write(line)
			r.rows++
			values, err := parseRow(line, r.Header.Tables[r.table])
			if err == nil {
				r.tell.tell(r.Header.Tables[r.table].Name, r.rows, false)
			}
			return r.table, values, err
		case line[0] == '{' && r.table < len(r.Header.Tables):
			err = r.endTable(line)
		case line[0] == '{':
			err = r.end(line)
		default:
			err = damaged("a line that is neither a row nor an end")
		}
		if err != nil {
			return 0, nil, err
		}
	}
	return 0, nil, io.EOF
}

// Sum is the SHA-256 of the back-up's lines, once Next has answered io.EOF.
func (r *Reader) Sum() string { return r.sum }

// Rows is how many rows were read.
func (r *Reader) Rows() int64 { return r.total + r.rows }

func (r *Reader) endTable(line []byte) error {
	var end tableEnd
	if err := decode(line, &end); err != nil {
		return err
	}
	name := r.Header.Tables[r.table].Name
	if end.Table != name || end.Rows != r.rows {
		return damaged("%d rows of table %s, then the end of %d rows of table %.64q", r.rows, name, end.Rows, end.Table)
	}
	r.digest.Write(line)
	r.tell.tell(name, r.rows, true)
	r.total += r.rows
	r.table, r.rows = r.table+1, 0
	return nil
}

func (r *Reader) end(line []byte) error {
	var end trailer
	if err := decode(line, &end); err != nil {
		return err
	}
	sum := hex.EncodeToString(r.digest.Sum(nil))
	if end.Tables != len(r.Header.Tables) || end.Rows != r.total || end.SHA256 != sum {
		return damaged("its checksum is another")
	}
	if _, err := r.lines.ReadByte(); !errors.Is(err, io.EOF) {
		return orDamaged(err, "something follows its end")
	}
	if _, err := r.raw.ReadByte(); !errors.Is(err, io.EOF) {
		return orDamaged(err, "something follows its end")
	}
	r.sum = sum
	return nil
}

func orDamaged(err error, what string) error {
	if err == nil || isFormat(err) {
		return damaged("%s", what)
	}
	return err
}

// nextLine answers a line with its end; it is good until the next call.
func (r *Reader) nextLine() ([]byte, error) {
	r.line = r.line[:0]
	for {
		part, err := r.lines.ReadSlice('\n')
		r.line = append(r.line, part...)
		switch {
		case len(r.line) > maxLine:
			return nil, damaged("a line of more than %d bytes", maxLine)
		case err == nil:
			return r.line, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil, damaged("it is cut short")
		default:
			return nil, orDamaged(err, "its compressed data is changed")
		}
	}
}

// decode reads a line that is an object with no other members than v's.
func decode(line []byte, v any) error {
	if err := strictjson.Check(line); err != nil {
		return damaged("%v", err)
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return damaged("%v", err)
	}
	return nil
}

// parseRow reads a row of a table.
func parseRow(line []byte, t auth.Table) ([]any, error) {
	in := strictjson.NewReader(string(line))
	values := make([]any, 0, len(t.Columns))
	if err := in.BeginArray(); err != nil {
		return nil, damaged("%v", err)
	}
	for {
		more, err := in.NextElement()
		if err != nil {
			return nil, damaged("a row of table %s: %v", t.Name, err)
		}
		if !more {
			break
		}
		if len(values) == len(t.Columns) {
			return nil, damaged("a row of table %s has more than %d values", t.Name, len(t.Columns))
		}
		v, err := parseValue(in, t.Columns[len(values)].Type)
		if err != nil {
			return nil, damaged("%s.%s: %v", t.Name, t.Columns[len(values)].Name, err)
		}
		values = append(values, v)
	}
	if err := in.End(); err != nil || len(values) != len(t.Columns) {
		return nil, damaged("a row of table %s has %d values, not %d", t.Name, len(values), len(t.Columns))
	}
	return values, nil
}

func parseValue(in *strictjson.Reader, t auth.ColumnType) (any, error) {
	if in.Kind() == strictjson.Null {
		return nil, in.ReadNull()
	}
	if t == auth.ColumnInteger {
		token, err := in.ReadNumber()
		if err != nil {
			return nil, err
		}
		return strictjson.Int64(token)
	}
	text, err := in.ReadString()
	if err != nil || t == auth.ColumnText {
		return text, err
	}
	return base64.RawURLEncoding.Strict().DecodeString(text)
}

// Copy copies a back-up and verifies it on the way: what w got is a back-up
// only if Copy says so.
func Copy(w io.Writer, r io.Reader, progress Progress) (*Reader, error) {
	in, err := NewReader(io.TeeReader(r, w), progress)
	if err != nil {
		return nil, err
	}
	for {
		if _, _, err := in.Next(); errors.Is(err, io.EOF) {
			return in, nil
		} else if err != nil {
			return nil, err
		}
	}
}
