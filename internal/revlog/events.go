package revlog

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// EventType is the media type of a stream of pages: server-sent events, as the
// HTML Standard has them. The data of each event is a page, its id the number
// up to which the page goes.
const EventType = "text/event-stream"

// ErrEvent is what every error of an [EventReader] wraps but those of the
// stream itself.
var ErrEvent = errors.New("revlog: malformed event")

// askLine asks in an event for an acknowledgement of what it brings. The HTML
// Standard has readers skip a field that they don't know.
const askLine = "ack: wanted"

// maxEvent bounds an event, and what stands between two: field names, ids and
// comments that keep a connection awake.
const maxEvent = MaxBytes + 4096

// EventReader reads the data of one event after the other. It is stricter than
// a browser, which this project's servers never notice: an event has one line
// of data, and lines end with LF or CR LF.
type EventReader struct {
	r     *bufio.Reader
	asked bool
}

// NewEventReader reads from r, of which it takes more than it gives out.
func NewEventReader(r io.Reader) *EventReader {
	return &EventReader{r: bufio.NewReaderSize(r, 16<<10)}
}

// AckWanted reports whether the event that Next returned last asks for an
// acknowledgement: somebody waits until all who follow have applied it.
func (e *EventReader) AckWanted() bool { return e.asked }

// Next returns the data of the next event that has any. io.EOF says that the
// stream has ended between two events, io.ErrUnexpectedEOF that it has ended
// within one: what came of that is not given out, since an event counts when
// the empty line after it is there.
func (e *EventReader) Next() ([]byte, error) {
	var data []byte
	e.asked = false
	for left := maxEvent; ; {
		line, err := e.line(left)
		if err != nil {
			if errors.Is(err, io.EOF) && (len(line) > 0 || data != nil) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		left -= len(line) + 1
		switch {
		case string(line) == askLine:
			e.asked = true
		case len(line) > 0:
			if data, err = field(data, line); err != nil {
				return nil, err
			}
		case data != nil:
			return data, nil
		default:
			e.asked = false
		}
	}
}

// field takes one line of an event over.
func field(data, line []byte) ([]byte, error) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	if string(name) != "data" {
		return data, nil // a comment, an id, or what a later server adds
	}
	if data != nil {
		return nil, fmt.Errorf("%w: two lines of data", ErrEvent)
	}
	return append([]byte{}, bytes.TrimPrefix(value, []byte(" "))...), nil
}

// line returns the next line without its end, of at most limit bytes. It lives
// until the next call, if it wasn't longer than the buffer.
func (e *EventReader) line(limit int) ([]byte, error) {
	line, err := e.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = e.long(line, limit)
	}
	switch {
	case err != nil:
		return line, err
	case len(line) > limit:
		return nil, errTooLong
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

var errTooLong = fmt.Errorf("%w: over %d bytes", ErrEvent, maxEvent)

func (e *EventReader) long(begun []byte, limit int) ([]byte, error) {
	line := bytes.Clone(begun)
	for {
		part, err := e.r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > limit:
			return nil, errTooLong
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		}
	}
}

// AppendEvent appends an event with a page that goes up to a number.
func AppendEvent(dst []byte, p *Page) ([]byte, error) {
	out, err := p.AppendJSON(fmt.Appendf(dst, "id: %d\ndata: ", p.Last()))
	if err != nil {
		return dst, err
	}
	return append(out, "\n\n"...), nil
}

// AppendAsk makes of the event that is appended to dst next one that asks for an
// acknowledgement.
func AppendAsk(dst []byte) []byte { return append(dst, askLine+"\n"...) }
