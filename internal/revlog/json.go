package revlog

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/internal/strictjson"
)

// AppendJSON appends the entry's JSON to dst.
func (e Entry) AppendJSON(dst []byte) []byte {
	dst = append(dst, '[')
	dst = strconv.AppendUint(dst, e.Seq, 10)
	dst = append(dst, ',')
	dst = strconv.AppendUint(dst, uint64(e.Kind), 10)
	dst = append(dst, `,"`...)
	dst = base64url.AppendEncode(dst, e.Hash[:])
	dst = append(dst, `",`...)
	dst = strconv.AppendInt(dst, e.Expiry, 10)
	return append(dst, ']')
}

// MarshalJSON writes the entry as an array of four.
func (e Entry) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil), nil }

// AppendJSON appends the page's JSON, as [Decode] reads it, to dst. The error
// is that of a log id which isn't UTF-8.
func (p *Page) AppendJSON(dst []byte) ([]byte, error) {
	out, err := strictjson.AppendString(append(dst, `{"log":`...), p.Log)
	if err != nil {
		return dst, err
	}
	out = strconv.AppendUint(append(out, `,"first":`...), p.First, 10)
	out = strconv.AppendUint(append(out, `,"head":`...), p.Head, 10)
	out = strconv.AppendInt(append(out, `,"time":`...), p.Time, 10)
	out = appendEntries(append(out, `,"entries":`...), p.Entries)
	out = strconv.AppendBool(append(out, `,"more":`...), p.More)
	if p.Proof != nil {
		if out, err = p.Proof.appendMembers(out); err != nil {
			return dst, err
		}
	}
	return append(out, '}'), nil
}

func appendEntries(dst []byte, entries []Entry) []byte {
	dst = append(dst, '[')
	for i, e := range entries {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = e.AppendJSON(dst)
	}
	return append(dst, ']')
}

// appendMembers appends the members of a page that has a proof.
func (p *Proof) appendMembers(dst []byte) ([]byte, error) {
	out := base64url.AppendEncode(append(dst, `,"prev":"`...), p.Prev[:])
	out = base64url.AppendEncode(append(out, `","chain":"`...), p.Chain[:])
	out = strconv.AppendInt(append(out, `","time_ms":`...), p.TimeMS, 10)
	out, err := strictjson.AppendString(append(out, `,"key":`...), p.KeyID)
	if err != nil {
		return dst, err
	}
	out = base64url.AppendEncode(append(out, `,"sig":"`...), p.Signature[:])
	return append(out, '"'), nil
}

// MarshalJSON is [Page.AppendJSON].
func (p *Page) MarshalJSON() ([]byte, error) {
	return p.AppendJSON(make([]byte, 0, 128+72*len(p.Entries)))
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
// whatever the strict JSON reader refuses, a member of the page that is missing
// or of another type, an entry that isn't exactly [seq, kind, hash, expiry],
// entries out of order or above the head, a page without entries that promises
// more, and one above the limits of this package. The members of a [Proof] come
// all or not at all, and then numbers have no gaps and the two times agree.
// Members it doesn't know are passed over, so that a later server may add some.
func Decode(data []byte) (*Page, error) {
	if len(data) > MaxBytes {
		return nil, malformed("%d bytes are too many", len(data))
	}
	d := new(decoder)
	if _, err := readObject(strictjson.NewReader(string(data)), d.member); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if d.required != members || d.proving != 0 && d.proving != proofMembers {
		return nil, malformed("a member is missing")
	}
	if d.proving != 0 {
		d.page.Proof = &d.proof
	}
	if err := d.page.check(); err != nil {
		return nil, err
	}
	return &d.page, nil
}

const (
	members      = 6 // of a page, all required
	proofMembers = 5 // of a proof
)

// decoder is a page under way, and how many of its members have come.
type decoder struct {
	page              Page
	proof             Proof
	required, proving int
}

// readObject reads an object and counts the members that it knows; the reader
// refuses one that comes twice.
func readObject(r *strictjson.Reader, member func(*strictjson.Reader, string) (bool, error)) (seen int, err error) {
	err = r.Members(func(name string) error {
		known, err := member(r, name)
		if err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		if known {
			seen++
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return seen, r.End()
}

func (d *decoder) member(r *strictjson.Reader, name string) (known bool, err error) {
	if known, err = d.page.member(r, name); known {
		d.required++
		return true, err
	}
	if known, err = d.proof.member(r, name); known {
		d.proving++
		return true, err
	}
	return false, r.Skip()
}

func (p *Proof) member(r *strictjson.Reader, name string) (known bool, err error) {
	switch name {
	case "prev":
		err = readBytes(r, p.Prev[:])
	case "chain":
		err = readBytes(r, p.Chain[:])
	case "time_ms":
		p.TimeMS, err = readInt(r)
	case "key":
		p.KeyID, err = r.ReadString()
	case "sig":
		err = readBytes(r, p.Signature[:])
	default:
		return false, nil
	}
	return true, err
}

func (p *Page) member(r *strictjson.Reader, name string) (known bool, err error) {
	switch name {
	case "log":
		p.Log, err = r.ReadString()
	case "first":
		p.First, err = readUint(r)
	case "head":
		p.Head, err = readUint(r)
	case "time":
		p.Time, err = readInt(r)
	case "entries":
		p.Entries, err = readEntries(r)
	case "more":
		p.More, err = r.ReadBool()
	default:
		return false, nil
	}
	return true, err
}

func readUint(r *strictjson.Reader) (uint64, error) {
	text, err := r.ReadNumber()
	if err != nil {
		return 0, err
	}
	return strictjson.Uint64(text)
}

func readInt(r *strictjson.Reader) (int64, error) {
	text, err := r.ReadNumber()
	if err != nil {
		return 0, err
	}
	return strictjson.Int64(text)
}

func readEntries(r *strictjson.Reader) ([]Entry, error) {
	if err := r.BeginArray(); err != nil {
		return nil, err
	}
	entries := []Entry{}
	for {
		more, err := r.NextElement()
		if err != nil || !more {
			return entries, err
		}
		if len(entries) == MaxEntries {
			return nil, fmt.Errorf("more than %d", MaxEntries)
		}
		e, err := readEntry(r)
		if err != nil {
			return nil, fmt.Errorf("entry %d of the page: %w", len(entries), err)
		}
		entries = append(entries, e)
	}
}

// readEntry reads one array of exactly four.
func readEntry(r *strictjson.Reader) (e Entry, err error) {
	if err := r.BeginArray(); err != nil {
		return e, err
	}
	for i := range 4 {
		if more, err := r.NextElement(); err != nil || !more {
			return e, errors.Join(errTuple, err)
		}
		if err := e.element(r, i); err != nil {
			return e, err
		}
	}
	if more, err := r.NextElement(); err != nil || more {
		return e, errors.Join(errTuple, err)
	}
	return e, nil
}

var errTuple = errors.New("not four elements")

func (e *Entry) element(r *strictjson.Reader, i int) (err error) {
	switch i {
	case 0:
		e.Seq, err = readUint(r)
	case 1:
		err = e.readKind(r)
	case 2:
		err = readBytes(r, e.Hash[:])
	case 3:
		e.Expiry, err = readInt(r)
	}
	return err
}

func (e *Entry) readKind(r *strictjson.Reader) error {
	kind, err := readUint(r)
	if err == nil && kind > 255 {
		err = strictjson.ErrRange
	}
	e.Kind = Kind(kind)
	return err
}

// readBytes reads exactly as many bytes as dst has.
func readBytes(r *strictjson.Reader, dst []byte) error {
	text, err := r.ReadString()
	if err != nil {
		return err
	}
	if len(text) != base64url.EncodedLen(len(dst)) {
		return strictjson.ErrRange
	}
	_, err = base64url.AppendDecode(dst[:0], text)
	return err
}

// check refuses a page that contradicts itself.
func (p *Page) check() error {
	switch {
	case p.Log == "" || len(p.Log) > MaxLogID:
		return malformed("length of the log id")
	case p.Time <= 0:
		return malformed("time")
	case p.More && len(p.Entries) == 0:
		return malformed("more after nothing")
	}
	last := uint64(0)
	for _, e := range p.Entries {
		if e.Seq <= last || e.Seq > p.Head {
			return malformed("entry %d is out of order or above the head", e.Seq)
		}
		if e.Expiry < 0 {
			return malformed("expiry of entry %d", e.Seq)
		}
		last = e.Seq
	}
	return p.checkProof()
}

// checkProof refuses a page whose proof can't be about it.
func (p *Page) checkProof() error {
	switch {
	case p.Proof == nil:
		return nil
	case p.Proof.KeyID == "" || len(p.Proof.KeyID) > MaxKeyID:
		return malformed("length of the key id")
	case p.Proof.TimeMS/1000 != p.Time:
		return malformed("two times that differ")
	case p.First == 0 || p.First > p.Head+1:
		return malformed("first number")
	case !gapless(p.Entries):
		return malformed("a gap")
	case len(p.Entries) > 0 && p.More != (p.Entries[len(p.Entries)-1].Seq < p.Head):
		return malformed("an end that isn't the head")
	}
	return nil
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}
