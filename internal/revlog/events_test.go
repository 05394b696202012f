package revlog_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/writ-auth/writ/internal/revlog"
)

// events reads a stream to its end.
func events(r io.Reader) (data []string, err error) {
	reader := revlog.NewEventReader(r)
	for {
		event, err := reader.Next()
		if err != nil {
			return data, err
		}
		data = append(data, string(event))
	}
}

func TestEvents(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for stream, want := range map[string]struct {
		data []string
		err  error
	}{
		"":                                   {nil, io.EOF},
		"\n\n\n":                             {nil, io.EOF},
		"data: a\n\n":                        {[]string{"a"}, io.EOF},
		"data:a\n\ndata: b\n\n":              {[]string{"a", "b"}, io.EOF},
		"id: 7\r\ndata:  a\r\n\r\n":          {[]string{" a"}, io.EOF},
		": awake\n\n:\n\ndata: a\nid: 1\n\n": {[]string{"a"}, io.EOF},
		"event: x\nretry: 5\nother\n\n":      {nil, io.EOF},
		"data\n\n":                           {[]string{""}, io.EOF},
		"data: " + long + "\n\n":             {[]string{long}, io.EOF},
		"data: a\n":                          {nil, io.ErrUnexpectedEOF},
		"data: a":                            {nil, io.ErrUnexpectedEOF},
		"data: " + long:                      {nil, io.ErrUnexpectedEOF},
		"data: a\n\ndata: b\n":               {[]string{"a"}, io.ErrUnexpectedEOF},
		"data: a\ndata: b\n\n":               {nil, revlog.ErrEvent},
		"data: " + strings.Repeat("x", revlog.MaxBytes+5000) + "\n\n": {nil, revlog.ErrEvent},
		strings.Repeat(": awake\n", 200_000):                          {nil, revlog.ErrEvent},
		strings.Repeat("\n", revlog.MaxBytes+5000):                    {nil, revlog.ErrEvent},
	} {
		for name, r := range map[string]io.Reader{
			"at once": strings.NewReader(stream), "bytes": iotest.OneByteReader(strings.NewReader(stream)),
		} {
			if data, err := events(r); !reflect.DeepEqual(data, want.data) || !errors.Is(err, want.err) {
				t.Errorf("%.40q, %s: got %.60q, %v; want %.60q, %v", stream, name, data, err, want.data, want.err)
			}
		}
	}
}

func TestEventsOfPages(t *testing.T) {
	first, _ := signedPage(t)
	second := &revlog.Page{Log: "a\nb", First: 1, Head: 3, Time: 5, Entries: []revlog.Entry{}}
	var stream []byte
	for _, p := range []*revlog.Page{first, second} {
		var err error
		if stream, err = revlog.AppendEvent(stream, p); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.HasPrefix(stream, []byte("id: 2\ndata: {")) || !bytes.Contains(stream, []byte("\n\nid: 3\ndata: {")) {
		t.Errorf("stream %q", stream)
	}
	reader := revlog.NewEventReader(bytes.NewReader(stream))
	for _, want := range []*revlog.Page{first, second} {
		data, err := reader.Next()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := revlog.Decode(data); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
}

// An event asks for an acknowledgement, or doesn't; its neighbours have no part
// in that.
func TestAckWanted(t *testing.T) {
	page := &revlog.Page{Log: "l", First: 1, Head: 0, Time: 5, Entries: []revlog.Entry{}}
	plain, err := revlog.AppendEvent(nil, page)
	if err != nil {
		t.Fatal(err)
	}
	asks, err := revlog.AppendEvent(revlog.AppendAsk(nil), page)
	if err != nil {
		t.Fatal(err)
	}
	stream := bytes.Join([][]byte{plain, asks, plain, []byte("ack: wanted\n\n"), plain, []byte("data: x\nack: wanted\n\n"),
		[]byte("ack:wanted\ndata: x\n\nack: no\ndata: x\n\n: ack: wanted\ndata: x\n\n")}, nil)
	reader := revlog.NewEventReader(bytes.NewReader(stream))
	for i, want := range []bool{false, true, false, false, true, false, false, false} {
		if _, err := reader.Next(); err != nil || reader.AckWanted() != want {
			t.Errorf("event %d asks: %v, %v; want %v", i, reader.AckWanted(), err, want)
		}
	}
}

// What comes out was in an event of its own, whatever the pieces in which it
// arrived.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("id: 7\r\ndata: a\r\n\r\n: awake\n\ndata: b\n\n"))
	f.Add([]byte("data: a\ndata: b\n\n"))
	f.Add([]byte("ack: wanted\ndata: a\n\nack: wanted\n\ndata: b\n\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		whole, err := events(bytes.NewReader(stream))
		pieces, err2 := events(iotest.HalfReader(bytes.NewReader(stream)))
		if err == nil || !reflect.DeepEqual(whole, pieces) || err.Error() != err2.Error() {
			t.Fatalf("at once %q, %v; in pieces %q, %v", whole, err, pieces, err2)
		}
		if n := bytes.Count(stream, []byte("data")); len(whole) > n {
			t.Fatalf("%d events from %d lines of data", len(whole), n)
		}
		for _, data := range whole {
			if !bytes.Contains(stream, []byte(data)) || strings.Contains(data, "\n") {
				t.Fatalf("made up %q", data)
			}
		}
	})
}

func FuzzDecodeFull(f *testing.F) {
	data, err := fullPage(0).AppendJSON(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := revlog.DecodeFull(data)
		if err != nil {
			if p != nil || !errors.Is(err, revlog.ErrMalformed) {
				t.Fatalf("got %v with %v", p, err)
			}
			return
		}
		again, err := p.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := revlog.DecodeFull(again); err != nil || !reflect.DeepEqual(p, twice) {
			t.Fatalf("own encoding: %v", err)
		}
	})
}
