package revlog

import (
	"fmt"
	"strconv"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/internal/strictjson"
)

// PageSize is how many entries a full page has. Page k holds the numbers from
// k·PageSize+1 to (k+1)·PageSize.
const PageSize = 4096

// FullPage is a part of the log that never changes, so that caches may keep it
// for ever. It isn't signed: the head that covers it is.
type FullPage struct {
	Log     string
	Number  uint64  // from 0
	Prev    Chain   // before the first entry
	Entries []Entry // PageSize of them
}

// AppendJSON appends the page's JSON, as [DecodeFull] reads it, to dst.
func (p *FullPage) AppendJSON(dst []byte) ([]byte, error) {
	out, err := strictjson.AppendString(append(dst, `{"log":`...), p.Log)
	if err != nil {
		return dst, err
	}
	out = strconv.AppendUint(append(out, `,"page":`...), p.Number, 10)
	out = base64url.AppendEncode(append(out, `,"prev":"`...), p.Prev[:])
	return append(appendEntries(append(out, `","entries":`...), p.Entries), '}'), nil
}

// DecodeFull reads a full page as strictly as [Decode] reads an answer.
func DecodeFull(data []byte) (*FullPage, error) {
	if len(data) > MaxBytes {
		return nil, malformed("%d bytes are too many", len(data))
	}
	page := new(FullPage)
	seen, err := readObject(strictjson.NewReader(string(data)), page.member)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	case seen != 4:
		return nil, malformed("a member is missing")
	case page.Log == "" || len(page.Log) > MaxLogID:
		return nil, malformed("length of the log id")
	case len(page.Entries) != PageSize || page.Number >= 1<<40:
		return nil, malformed("a page of %d entries", len(page.Entries))
	case page.Entries[0].Seq != page.Number*PageSize+1 || !gapless(page.Entries):
		return nil, malformed("numbers of the entries")
	}
	return page, nil
}

func (p *FullPage) member(r *strictjson.Reader, name string) (known bool, err error) {
	switch name {
	case "log":
		p.Log, err = r.ReadString()
	case "page":
		p.Number, err = readUint(r)
	case "prev":
		err = readBytes(r, p.Prev[:])
	case "entries":
		p.Entries, err = readEntries(r)
	default:
		return false, r.Skip()
	}
	return true, err
}

// gapless reports whether each entry has the number after the one before.
func gapless(entries []Entry) bool {
	for i, e := range entries {
		if e.Seq != entries[0].Seq+uint64(i) || e.Expiry < 0 {
			return false
		}
	}
	return true
}
