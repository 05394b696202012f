package revlog

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// AppendJSON appends the entry's JSON to dst.
func (e Entry) AppendJSON(dst []byte) []byte {
	dst = append(dst, '[')
	dst = strconv.AppendUint(dst, e.Seq, 10)
	dst = append(dst, ',')
	dst = strconv.AppendUint(dst, uint64(e.Kind), 10)
	dst = append(dst, `,"`...)
	dst = base64.RawURLEncoding.AppendEncode(dst, e.Hash[:])
	dst = append(dst, `",`...)
	dst = strconv.AppendInt(dst, e.Expiry, 10)
	return append(dst, ']')
}

// MarshalJSON writes the entry as an array of four.
func (e Entry) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil), nil }

// UnmarshalJSON reads an array of exactly four.
func (e *Entry) UnmarshalJSON(data []byte) error {
	parts, err := tuple(data)
	if err != nil {
		return err
	}
	var out Entry
	if out.Seq, err = strconv.ParseUint(parts[0], 10, 64); err != nil || out.Seq == 0 {
		return malformed("entry number")
	}
	kind, err := strconv.ParseUint(parts[1], 10, 8)
	if err != nil {
		return malformed("kind of entry %d", out.Seq)
	}
	out.Kind = Kind(kind)
	if out.Hash, err = parseHash(parts[2]); err != nil {
		return malformed("hash of entry %d", out.Seq)
	}
	if out.Expiry, err = strconv.ParseInt(parts[3], 10, 64); err != nil || out.Expiry < 0 {
		return malformed("expiry of entry %d", out.Seq)
	}
	*e = out
	return nil
}

// tuple splits a JSON array of four scalars. The json package has checked the
// syntax when it hands the array over; a comma can't stand inside a number or
// inside a base64url string, so splitting at commas is exact for all that is
// accepted afterwards.
func tuple(data []byte) (parts [4]string, err error) {
	data = bytes.TrimSpace(data)
	if len(data) < 2 || data[0] != '[' || data[len(data)-1] != ']' {
		return parts, malformed("entry is not an array")
	}
	rest := data[1 : len(data)-1]
	for i := range parts {
		part, after, found := bytes.Cut(rest, []byte{','})
		if found != (i < len(parts)-1) {
			return parts, malformed("entry is not an array of four")
		}
		parts[i], rest = string(bytes.TrimSpace(part)), after
	}
	return parts, nil
}

func parseHash(s string) (hash [HashSize]byte, err error) {
	const encoded = (HashSize*8 + 5) / 6
	if len(s) != encoded+2 || s[0] != '"' || s[len(s)-1] != '"' {
		return hash, errors.New("length")
	}
	// The decoder skips line breaks: then fewer bytes come out than must.
	n, err := base64.RawURLEncoding.Strict().Decode(hash[:], []byte(s[1:len(s)-1]))
	if err == nil && n != HashSize {
		err = errors.New("length")
	}
	return hash, err
}

// MarshalJSON writes the page as [Decode] reads it.
func (p *Page) MarshalJSON() ([]byte, error) {
	id, err := json.Marshal(p.Log)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, 128+72*len(p.Entries))
	out = append(append(out, `{"log":`...), id...)
	out = strconv.AppendUint(append(out, `,"first":`...), p.First, 10)
	out = strconv.AppendUint(append(out, `,"head":`...), p.Head, 10)
	out = strconv.AppendInt(append(out, `,"time":`...), p.Time, 10)
	out = append(out, `,"entries":[`...)
	for i, e := range p.Entries {
		if i > 0 {
			out = append(out, ',')
		}
		out = e.AppendJSON(out)
	}
	out = append(out, `],"more":`...)
	return append(strconv.AppendBool(out, p.More), '}'), nil
}

// UnmarshalJSON is [Decode].
func (p *Page) UnmarshalJSON(data []byte) error {
	page, err := Decode(data)
	if err != nil {
		return err
	}
	*p = *page
	return nil
}

// Decode reads a page. It refuses, with an error that wraps [ErrMalformed]:
// invalid UTF-8, data after the object, a known member that is missing, twice
// there or of another type, an entry that isn't exactly [seq, kind, hash,
// expiry], entries out of order or above the head, a page without entries that
// promises more, and one above the limits of this package. Members it doesn't
// know are passed over, so that a later server may add some; member names are
// compared byte for byte.
func Decode(data []byte) (*Page, error) {
	if len(data) > MaxBytes {
		return nil, malformed("%d bytes are too many", len(data))
	}
	if !utf8.Valid(data) {
		return nil, malformed("invalid UTF-8")
	}
	members, err := object(data)
	if err != nil {
		return nil, err
	}
	page := new(Page)
	for _, field := range []struct {
		name string
		into any
	}{
		{"log", &page.Log}, {"first", &page.First}, {"head", &page.Head},
		{"time", &page.Time}, {"entries", &page.Entries}, {"more", &page.More},
	} {
		raw, ok := members[field.name]
		// json leaves a variable alone when it meets null: refuse that first.
		if !ok || string(raw) == "null" {
			return nil, malformed("no %q", field.name)
		}
		if err := json.Unmarshal(raw, field.into); err != nil {
			return nil, malformed("bad %q", field.name)
		}
	}
	if err := page.check(); err != nil {
		return nil, err
	}
	return page, nil
}

// object splits a JSON object into its members, refusing a name that comes
// twice, which json.Unmarshal would let override the first.
func object(data []byte) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, malformed("not an object")
	}
	members := make(map[string]json.RawMessage, 8)
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, malformed("syntax")
		}
		key, _ := name.(string)
		if _, twice := members[key]; twice {
			return nil, malformed("a member stands there twice")
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, malformed("syntax")
		}
		members[key] = raw
	}
	if _, err := dec.Token(); err != nil {
		return nil, malformed("syntax")
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, malformed("data after the object")
	}
	return members, nil
}

// check refuses a page that contradicts itself.
func (p *Page) check() error {
	switch {
	case p.Log == "" || len(p.Log) > MaxLogID:
		return malformed("length of the log id")
	case p.Time <= 0:
		return malformed("time")
	case len(p.Entries) > MaxEntries:
		return malformed("%d entries are too many", len(p.Entries))
	case p.More && len(p.Entries) == 0:
		return malformed("more after nothing")
	}
	last := uint64(0)
	for _, e := range p.Entries {
		if e.Seq <= last || e.Seq > p.Head {
			return malformed("entry %d is out of order or above the head", e.Seq)
		}
		last = e.Seq
	}
	return nil
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}
