package edge

import (
	"io"
	"log/slog"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Log is a slog.Handler for the program's log that knows one line by heart: the
// access log's, of which there is one for each request. Written by package slog
// it takes longer than a small request's own work. All other lines are slog's,
// and so are those of a logger with attributes of its own (With).
type Log struct {
	slog.Handler
	to    io.Writer
	json  bool
	rooms sync.Pool              // of *[]byte, for a line
	clock atomic.Pointer[second] // the last that was written
}

// second is how a time of it is written, whatever its fraction is.
type second struct {
	unix int64
	zone *time.Location
	text string
}

// NewLog writes lines of text, or JSON, to a writer that several may use at once,
// as Lines is. A nil level is slog.LevelInfo.
func NewLog(to io.Writer, json bool, level slog.Leveler) *Log {
	options := &slog.HandlerOptions{Level: level}
	if json {
		return &Log{Handler: slog.NewJSONHandler(to, options), to: to, json: true}
	}
	return &Log{Handler: slog.NewTextHandler(to, options), to: to}
}

// access writes the line, if all of it is plain.
func (h *Log) access(l *accessLine) bool {
	room, ok := h.rooms.Get().(*[]byte)
	if !ok {
		room = new([]byte)
	}
	defer h.rooms.Put(room)
	line := (*room)[:0]
	if h.json {
		line, ok = l.appendJSON(line)
	} else {
		line, ok = l.appendText(line, h)
	}
	*room = line
	if lines, together := h.to.(*Lines); ok && together {
		lines.calm(line)
	} else if ok {
		_, _ = h.to.Write(line) // as slog.Logger does: there is nowhere to say so
	}
	return ok
}

// appendTime appends a time as slog.TextHandler has it. To write out a date takes
// longer than the rest of a line, and most lines are of the same second.
func (h *Log) appendTime(dst []byte, t time.Time) []byte {
	const kept = len("2006-01-02T15:04:05.")
	s := h.clock.Load()
	if s == nil || s.unix != t.Unix() || s.zone != t.Location() {
		s = &second{t.Unix(), t.Location(), string(appendMillis(nil, t))}
		h.clock.Store(s)
	}
	from, ms := len(dst)+kept, t.Nanosecond()/1e6
	dst = append(dst, s.text...)
	dst[from], dst[from+1], dst[from+2] = byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10)
	return dst
}

// accessLine is what the log says of a request that went as it should.
type accessLine struct {
	at      time.Time
	method  string
	route   string
	status  int
	took    time.Duration
	id      string
	address netip.Addr
}

func (l *accessLine) attrs() []slog.Attr {
	return []slog.Attr{
		slog.String("method", l.method), slog.String("route", l.route), slog.Int("status", l.status),
		slog.Duration("duration", l.took), slog.String("request", l.id), slog.String("address", addressText(l.address)),
	}
}

// accessMessage is the msg of the line.
const accessMessage = "request"

// appendText appends the line as slog.TextHandler writes it. It reports false
// for what that would escape.
func (l *accessLine) appendText(dst []byte, h *Log) ([]byte, bool) {
	if !plain(l.method) || !plain(l.route) || !plain(l.id) || !l.address.IsValid() || l.address.Zone() != "" {
		return dst, false
	}
	dst = append(dst, "time="...)
	dst = h.appendTime(dst, l.at)
	dst = append(dst, " level=INFO msg="+accessMessage+" method="...)
	dst = append(dst, l.method...)
	dst = append(dst, ` route="`...) // which has a space in it
	dst = append(dst, l.route...)
	dst = append(dst, `" status=`...)
	dst = strconv.AppendInt(dst, int64(l.status), 10)
	dst = append(dst, " duration="...)
	dst = append(dst, l.took.String()...)
	dst = append(dst, " request="...)
	dst = append(dst, l.id...)
	dst = append(dst, " address="...)
	dst = l.address.AppendTo(dst)
	return append(dst, '\n'), hasSpace(l.route) && !hasSpace(l.method) && !hasSpace(l.id)
}

// appendJSON is appendText for slog.JSONHandler.
func (l *accessLine) appendJSON(dst []byte) ([]byte, bool) {
	if !plain(l.method) || !plain(l.route) || !plain(l.id) || !l.address.IsValid() || l.address.Zone() != "" {
		return dst, false
	}
	dst = append(dst, `{"time":"`...)
	dst = l.at.AppendFormat(dst, time.RFC3339Nano)
	dst = append(dst, `","level":"INFO","msg":"`+accessMessage+`","method":"`...)
	dst = append(dst, l.method...)
	dst = append(dst, `","route":"`...)
	dst = append(dst, l.route...)
	dst = append(dst, `","status":`...)
	dst = strconv.AppendInt(dst, int64(l.status), 10)
	dst = append(dst, `,"duration":`...)
	dst = strconv.AppendInt(dst, int64(l.took), 10)
	dst = append(dst, `,"request":"`...)
	dst = append(dst, l.id...)
	dst = append(dst, `","address":"`...)
	dst = l.address.AppendTo(dst)
	return append(dst, `"}`+"\n"...), true
}

// appendMillis appends a time as slog.TextHandler has it. Rounded so, with a
// fourth digit to drop, all three are always there.
func appendMillis(dst []byte, t time.Time) []byte {
	const kept = len("2006-01-02T15:04:05.000")
	from := len(dst)
	dst = t.Truncate(time.Millisecond).Add(time.Millisecond/10).AppendFormat(dst, time.RFC3339Nano)
	return append(dst[:from+kept], dst[from+kept+1:]...)
}

// plain says that a value stands in a line as it is, if need be between quotes.
func plain(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c > '~':
			return false
		case c == '"' || c == '\\' || c == '=' || c == '<' || c == '>' || c == '&':
			return false
		}
	}
	return s != ""
}

func hasSpace(s string) bool {
	for i := range len(s) {
		if s[i] == ' ' {
			return true
		}
	}
	return false
}
