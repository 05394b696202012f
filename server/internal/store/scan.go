package store

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// How Go values travel to columns and back, the same on every engine: times as
// microseconds with 0 for none, truth as 0 and 1, lists and objects as JSON.

// micros is the column of a time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// encoded is the column of a list or a map: NULL for nil, so that "none given"
// and "empty" stay apart.
func encoded[T ~[]string | ~map[string]string](v T) any {
	if v == nil {
		return nil
	}
	b, _ := json.Marshal(v) // strings always encode
	return string(b)
}

// raw is the column of JSON that is kept as it came.
func raw(m json.RawMessage) any {
	if m == nil {
		return nil
	}
	return string(m)
}

// blob is the column of bytes that may be missing.
func blob(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

// fold is the lower-case form by which names and e-mail addresses are found
// and kept unique. It maps letters by Unicode's simple rules, domain and local
// part alike: no mail system in use tells addresses apart by case, and two
// accounts that differ by it are one person's trap.
func fold(s string) string { return strings.ToLower(s) }

// key is fold for a unique column: NULL for none.
func key(s string) any {
	if s == "" {
		return nil
	}
	return fold(s)
}

// pattern makes a LIKE pattern (ESCAPE '\') of a Page's Query: "" for all.
func pattern(query string) string {
	if query == "" {
		return ""
	}
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(fold(query)) + "%"
}

// into adapts a function of a column's value to sql.Scanner.
type into func(src any) error

func (f into) Scan(src any) error { return f(src) }

var _ sql.Scanner = into(nil)

func toTime(t *time.Time) any {
	return into(func(src any) error {
		n, ok := src.(int64)
		if !ok {
			return fmt.Errorf("store: a time is a %T", src)
		}
		*t = fromMicros(n)
		return nil
	})
}

func toBool(b *bool) any {
	return into(func(src any) error {
		n, ok := src.(int64)
		if !ok {
			return fmt.Errorf("store: a truth value is a %T", src)
		}
		*b = n != 0
		return nil
	})
}

func toJSON[T any](v *T) any {
	return into(func(src any) error {
		s, err := textOf(src)
		if err != nil || s == "" {
			return err
		}
		return json.Unmarshal([]byte(s), v)
	})
}

// toTexts is toJSON for the lists that every refresh reads, most of which have a
// word or two.
func toTexts(list *[]string) any {
	return into(func(src any) error {
		s, err := textOf(src)
		if err != nil || s == "" {
			return err
		}
		if words, ok := plainList(s); ok {
			*list = words
			return nil
		}
		return json.Unmarshal([]byte(s), list)
	})
}

// plainList reads a JSON list of texts in which nothing is escaped and nothing
// stands between, as encoded writes them. It reports false for any other.
func plainList(s string) (words []string, ok bool) {
	s, ok = strings.CutPrefix(s, `["`)
	if !ok {
		return nil, false
	}
	s, ok = strings.CutSuffix(s, `"]`)
	if !ok || strings.IndexByte(s, '\\') >= 0 || !utf8.ValidString(s) {
		return nil, false
	}
	words = make([]string, 0, 2)
	for word := range strings.SplitSeq(s, `","`) {
		if strings.IndexByte(word, '"') >= 0 || strings.IndexFunc(word, func(r rune) bool { return r < ' ' }) >= 0 {
			return nil, false
		}
		words = append(words, word)
	}
	return words, true
}

func toRaw(m *json.RawMessage) any {
	return into(func(src any) error {
		s, err := textOf(src)
		if err == nil && s != "" {
			*m = json.RawMessage(s)
		}
		return err
	})
}

// toBytes copies, since a driver may reuse what it hands over.
func toBytes(b *[]byte) any {
	return into(func(src any) error {
		if src == nil {
			return nil
		}
		p, ok := src.([]byte)
		if !ok {
			return fmt.Errorf("store: bytes are a %T", src)
		}
		*b = append([]byte{}, p...)
		return nil
	})
}

// toArray fills an array of fixed size and refuses another length.
func toArray(dst []byte) any {
	return into(func(src any) error {
		p, ok := src.([]byte)
		if !ok || len(p) != len(dst) {
			return fmt.Errorf("store: a hash is not %d bytes", len(dst))
		}
		copy(dst, p)
		return nil
	})
}

// separator joins role names in one column; the schema keeps it out of names.
const separator = "\x1f"

// toNames sorts: SQLite would open a table of its own for that at each query,
// also where there is no name.
func toNames(names *[]string) any {
	return into(func(src any) error {
		s, err := textOf(src)
		if err == nil && s != "" {
			*names = strings.Split(s, separator)
			slices.Sort(*names)
		}
		return err
	})
}

func textOf(src any) (string, error) {
	switch s := src.(type) {
	case nil:
		return "", nil
	case string:
		return read(s), nil
	case []byte:
		return read(string(s)), nil
	}
	return "", fmt.Errorf("store: a text is a %T", src)
}

func toDuration(d *time.Duration) any {
	return into(func(src any) error {
		n, ok := src.(int64)
		if !ok {
			return fmt.Errorf("store: a duration is a %T", src)
		}
		*d = time.Duration(n) * time.Microsecond
		return nil
	})
}
