package backup_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/backup"
	"github.com/writ-auth/writ/server/internal/keyring"
)

// database is a source in memory.
type database struct {
	tables []auth.Table
	rows   [][][]any // by table
}

func (d database) Dump(_ context.Context, begin func(int64, []auth.Table) error, row func(int, []any) error) error {
	if err := begin(1, d.tables); err != nil {
		return err
	}
	for i, rows := range d.rows {
		for _, values := range rows {
			if err := row(i, values); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d database) Setting(_ context.Context, name string) (string, error) {
	return map[string]string{"issuer": "https://auth.example.com", "log_id": "log1"}[name], nil
}

func table(name string, columns ...string) auth.Table {
	t := auth.Table{Name: name}
	for _, c := range columns {
		name, kind, _ := strings.Cut(c, " ")
		t.Columns = append(t.Columns, auth.Column{Name: name, Type: auth.ColumnType(kind)})
	}
	return t
}

func small() database {
	return database{
		[]auth.Table{table("settings", "name text", "value text"), table("users", "id text", "age integer", "photo bytes"), table("empty", "id text")},
		[][][]any{
			{{"log_id", "log1"}, {"issuer", "https://auth.example.com"}},
			{{"usr_1", int64(-9223372036854775808), []byte{0, 255}}, {"ü\n\"\u2028", nil, []byte{}}, {"", int64(1), nil}},
			nil,
		},
	}
}

var noon = time.Date(2031, 3, 1, 12, 0, 0, 0, time.UTC)

func write(t *testing.T, d database) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := backup.Write(t.Context(), &b, d, "1.2.3", noon); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// readAll answers the rows of a back-up, by table.
func readAll(data []byte) (h backup.Header, rows [][][]any, err error) {
	r, err := backup.NewReader(bytes.NewReader(data), nil)
	if err != nil {
		return h, nil, err
	}
	rows = make([][][]any, len(r.Header.Tables))
	for {
		i, values, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Header, rows, nil
		}
		if err != nil {
			return h, nil, err
		}
		rows[i] = append(rows[i], values)
	}
}

func TestRoundTrip(t *testing.T) {
	d := small()
	h, rows, err := readAll(write(t, d))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(rows, d.rows) {
		t.Errorf("read %q, want %q", rows, d.rows)
	}
	want := backup.Header{Format: 1, Contents: 1, Issuer: "https://auth.example.com", Log: "log1", Time: noon, Version: "1.2.3", Tables: d.tables}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("header %+v, want %+v", h, want)
	}
}

// TestTextIsMended: what SQLite takes for text and nobody else does, a file
// must not hold.
func TestTextIsMended(t *testing.T) {
	d := small()
	d.rows[0] = [][]any{{"a\xffb\x00c", ""}}
	_, rows, err := readAll(write(t, d))
	if err != nil || rows[0][0][0] != "a\uFFFDb\uFFFDc" {
		t.Errorf("%q, %v", rows, err)
	}
}

func TestWriteRefusesOtherTypes(t *testing.T) {
	for _, values := range [][]any{{"usr_1", "1", nil}, {int64(1), nil, nil}, {"usr_1", nil, "text"}, {"usr_1", nil}, {1.5, nil, nil}} {
		d := small()
		d.rows[1] = [][]any{values}
		if err := backup.Write(t.Context(), io.Discard, d, "", noon); err == nil {
			t.Errorf("%v was written", values)
		}
	}
}

// failing fails at a byte, as a full disk does.
type failing struct{ left int }

func (f *failing) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}

var errFull = errors.New("the disk is full")

func TestFullDisk(t *testing.T) {
	data := write(t, small())
	for n := 0; n < len(data); n += 7 {
		if err := backup.Write(t.Context(), &failing{n}, small(), "1.2.3", noon); !errors.Is(err, errFull) {
			t.Fatalf("with room for %d of %d bytes: %v", n, len(data), err)
		}
		if _, err := backup.Copy(&failing{n}, bytes.NewReader(data), nil); !errors.Is(err, errFull) {
			t.Fatalf("copied, with room for %d of %d bytes: %v", n, len(data), err)
		}
	}
}

func known(err error) bool {
	return errors.Is(err, backup.ErrDamaged) || errors.Is(err, backup.ErrForeign) || errors.Is(err, backup.ErrNewer)
}

// TestCutShort cuts a back-up at every length.
func TestCutShort(t *testing.T) {
	data := write(t, small())
	for n := range len(data) {
		if _, _, err := readAll(data[:n]); !known(err) || strings.Contains(err.Error(), "\n") {
			t.Fatalf("cut after %d of %d bytes: %v", n, len(data), err)
		}
	}
}

// TestFlippedBits flips each bit of a back-up. What is read must be an error, or
// what was written: a few bits of gzip's header mean nothing.
func TestFlippedBits(t *testing.T) {
	d := small()
	data := write(t, d)
	harmless := 0
	for i := range len(data) * 8 {
		changed := bytes.Clone(data)
		changed[i/8] ^= 1 << (i % 8)
		_, rows, err := readAll(changed)
		switch {
		case err == nil && reflect.DeepEqual(rows, d.rows):
			harmless++
		case !known(err):
			t.Fatalf("bit %d: %v", i, err)
		}
	}
	if harmless > 8*8 {
		t.Errorf("%d flipped bits made no difference", harmless)
	}
}

// pack makes a back-up of lines, with a right checksum in place of SUM.
func pack(lines ...string) []byte {
	digest := sha256.New()
	var text strings.Builder
	for _, line := range lines {
		if strings.Contains(line, "SUM") {
			line = strings.ReplaceAll(line, "SUM", hex.EncodeToString(digest.Sum(nil)))
		}
		digest.Write([]byte(line + "\n"))
		text.WriteString(line + "\n")
	}
	return zipped(text.String())
}

func zipped(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.Bytes()
}

const (
	head = `{"writ_backup":1,"contents":1,"issuer":"i","log":"l","time":"2031-03-01T12:00:00Z","version":"v","tables":[` +
		`{"name":"a","columns":[{"name":"x","type":"text"}]},{"name":"b","columns":[{"name":"y","type":"integer"},{"name":"z","type":"bytes"}]}]}`
	endA = `{"table":"a","rows":1}`
	endB = `{"table":"b","rows":1}`
	end  = `{"tables":2,"rows":2,"sha256":"SUM"}`
)

// TestForgeries are files whose checksum is right and whose form is not.
func TestForgeries(t *testing.T) {
	if _, rows, err := readAll(pack(head, `["1"]`, endA, `[2,"AA"]`, endB, end)); err != nil || len(rows[0]) != 1 {
		t.Fatalf("the model is refused: %v", err)
	}
	header := func(old, with string) []byte {
		return pack(strings.Replace(head, old, with, 1), `["1"]`, endA, `[2,"AA"]`, endB, end)
	}
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"empty":                 {nil, backup.ErrForeign},
		"text":                  {[]byte("precious"), backup.ErrForeign},
		"another gzip":          {zipped("precious\n"), backup.ErrForeign},
		"SQLite":                {append([]byte("SQLite format 3\x00"), make([]byte, 4096)...), backup.ErrForeign},
		"format 2":              {header(`"writ_backup":1`, `"writ_backup":2,"more":[]`), backup.ErrNewer},
		"format 0":              {header(`"writ_backup":1`, `"writ_backup":0`), backup.ErrForeign},
		"format twice":          {header(`"writ_backup":1`, `"writ_backup":1,"writ_backup":1`), backup.ErrDamaged},
		"unknown member":        {header(`"contents":1`, `"contents":1,"x":1`), backup.ErrDamaged},
		"unknown type":          {header(`"type":"text"`, `"type":"float"`), backup.ErrDamaged},
		"two tables of a name":  {header(`"name":"b"`, `"name":"a"`), backup.ErrDamaged},
		"two columns of a name": {header(`"name":"z"`, `"name":"y"`), backup.ErrDamaged},
		"no tables":             {pack(head[:strings.Index(head, "[")]+"[]}", `{"tables":0,"rows":0,"sha256":"SUM"}`), backup.ErrDamaged},
		"a row too few":         {pack(head, endA, `[2,"AA"]`, endB, end), backup.ErrDamaged},
		"a row too many":        {pack(head, `["1"]`, `["1"]`, endA, `[2,"AA"]`, endB, end), backup.ErrDamaged},
		"tables swapped":        {pack(head, `[2,"AA"]`, endB, `["1"]`, endA, end), backup.ErrDamaged},
		"a table missing":       {pack(head, `["1"]`, endA, `{"tables":1,"rows":1,"sha256":"SUM"}`), backup.ErrDamaged},
		"a table twice":         {pack(head, `["1"]`, endA, endA, end), backup.ErrDamaged},
		"a wrong total":         {pack(head, `["1"]`, endA, `[2,"AA"]`, endB, `{"tables":2,"rows":3,"sha256":"SUM"}`), backup.ErrDamaged},
		"no end":                {pack(head, `["1"]`, endA, `[2,"AA"]`, endB), backup.ErrDamaged},
		"another checksum":      {pack(head, `["1"]`, endA, `[2,"AA"]`, endB, `{"tables":2,"rows":2,"sha256":"`+strings.Repeat("0", 64)+`"}`), backup.ErrDamaged},
		"more after the end":    {pack(head, `["1"]`, endA, `[2,"AA"]`, endB, end, `["2"]`), backup.ErrDamaged},
		"bytes after gzip":      {append(pack(head, `["1"]`, endA, `[2,"AA"]`, endB, end), 0), backup.ErrDamaged},
		"a second gzip":         {append(pack(head, `["1"]`, endA, `[2,"AA"]`, endB, end), zipped("x")...), backup.ErrDamaged},
		"a number for a text":   {pack(head, `[1]`, endA, `[2,"AA"]`, endB, end), backup.ErrDamaged},
		"a text for a number":   {pack(head, `["1"]`, endA, `["2","AA"]`, endB, end), backup.ErrDamaged},
		"a fraction":            {pack(head, `["1"]`, endA, `[2.5,"AA"]`, endB, end), backup.ErrDamaged},
		"a number too large":    {pack(head, `["1"]`, endA, `[9223372036854775808,"AA"]`, endB, end), backup.ErrDamaged},
		"no base64url":          {pack(head, `["1"]`, endA, `[2,"A+"]`, endB, end), backup.ErrDamaged},
		"loose base64url":       {pack(head, `["1"]`, endA, `[2,"AB"]`, endB, end), backup.ErrDamaged},
		"a value too few":       {pack(head, `["1"]`, endA, `[2]`, endB, end), backup.ErrDamaged},
		"a value too many":      {pack(head, `["1",null]`, endA, `[2,"AA"]`, endB, end), backup.ErrDamaged},
		"an object as a row":    {pack(head, `{"x":"1"}`, endA, `[2,"AA"]`, endB, end), backup.ErrDamaged},
		"no JSON":               {pack(head, `["1"`, endA, `[2,"AA"]`, endB, end), backup.ErrDamaged},
		"an empty line":         {pack(head, ``, `["1"]`, endA, `[2,"AA"]`, endB, end), backup.ErrDamaged},
		"a line without end":    {pack(head, `["`+strings.Repeat("x", 9<<20)+`"]`, endA, `[2,"AA"]`, endB, end), backup.ErrDamaged},
		"invalid UTF-8":         {pack(head, "[\"\xff\"]", endA, `[2,"AA"]`, endB, end), backup.ErrDamaged},
	} {
		_, _, err := readAll(c.data)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		} else if strings.Contains(err.Error(), "\n") || len(err.Error()) > 300 {
			t.Errorf("%s: not one line: %q", name, err)
		}
	}
}

// TestBomb: a small file that unpacks to a lot is read to where it breaks off.
func TestBomb(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	fmt.Fprintln(z, head)
	for range 1 << 20 {
		_, _ = io.WriteString(z, `["1"]`+"\n")
	}
	_ = z.Close()
	_, err := backup.Check(bytes.NewReader(b.Bytes()), nil, nil)
	if !errors.Is(err, backup.ErrDamaged) || !strings.Contains(err.Error(), "cut short") {
		t.Errorf("%v", err)
	}
}

func TestProgress(t *testing.T) {
	var seen []string
	tell := func(table string, rows int64, done bool) { seen = append(seen, fmt.Sprint(table, rows, done)) }
	if _, err := backup.Check(bytes.NewReader(write(t, small())), nil, tell); err != nil {
		t.Fatal(err)
	}
	if want := []string{"settings2 true", "users3 true", "empty0 true"}; !reflect.DeepEqual(seen, want) {
		t.Errorf("%q, want %q", seen, want)
	}
}

// TestSealed: a back-up with sealed secrets is good for the master key that
// sealed them alone, and nothing else of it needs one.
func TestSealed(t *testing.T) {
	mine, other := sealer(t, 1), sealer(t, 2)
	d := database{
		[]auth.Table{table("apis", "id text", "audience text"), table("api_secrets", "id text", "api_id text", "kid text", "sealed bytes")},
		[][][]any{
			{{"api_1", "urn:a"}},
			{{"sec_1", "api_1", "kid1", mine.Seal(keyring.SealAPISecret, "api_secrets", "sec_1", []byte("secret"))}},
		},
	}
	data := write(t, d)
	c, err := backup.Check(bytes.NewReader(data), mine, nil)
	if err != nil || c.Rows != 2 || !reflect.DeepEqual(c.Keys, []string{"kid1"}) || len(c.Secrets) != 1 || c.Secrets[0].Audience != "urn:a" {
		t.Errorf("%+v, %v", c, err)
	}
	for _, s := range []*keyring.Sealer{other, nil} {
		if _, err := backup.Check(bytes.NewReader(data), s, nil); !errors.Is(err, keyring.ErrSealed) {
			t.Errorf("with another master key: %v", err)
		}
	}
	d.rows[1] = nil
	if _, err := backup.Check(bytes.NewReader(write(t, d)), nil, nil); err != nil {
		t.Errorf("nothing is sealed, and yet: %v", err)
	}
}

func sealer(t *testing.T, fill byte) *keyring.Sealer {
	t.Helper()
	s, err := keyring.NewSealer(bytes.Repeat([]byte{fill}, keyring.MasterSize))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// FuzzReader: whatever the file is, the reader ends with an error of its own or
// with rows that can be written and read again.
func FuzzReader(f *testing.F) {
	var whole bytes.Buffer
	if err := backup.Write(f.Context(), &whole, small(), "", noon); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Bytes(), false)
	for _, lines := range [][]string{
		{head, `["1"]`, endA, `[2,"AA"]`, endB, end},
		{head, `[null]`, endA, `[-1,null]`, endB, end},
		{head, endA, end}, {head}, {`{"writ_backup":99}`}, {`["1"]`},
	} {
		f.Add([]byte(strings.Join(lines, "\n")+"\n"), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, plain bool) {
		if plain { // so that the fuzzer need not learn to compress and to sum up
			data = pack(strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")...)
		}
		h, rows, err := readAll(data)
		if err != nil {
			if !known(err) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%v", err)
			}
			return
		}
		again := database{h.Tables, rows}
		if _, second, err := readAll(write(t, again)); err != nil && !strings.Contains(err.Error(), "line of more") {
			t.Fatalf("what was read can't be written and read again: %v", err)
		} else if a, b := jsonOf(t, rows), jsonOf(t, second); err == nil && !strings.Contains(a, `\u0000`) && a != b {
			t.Fatalf("read %s, then %s", a, b)
		}
	})
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
