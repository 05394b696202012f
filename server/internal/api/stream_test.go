package api_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/api"
	"github.com/writ-auth/writ/server/internal/edge/caller"
	"github.com/writ-auth/writ/server/internal/revocation"
)

// events is a log that is streamed as the test says.
type events func(ctx context.Context, after uint64, send func([]byte) error) error

func (events) Follow(string) func()                                      { return func() {} }
func (events) Acknowledge(context.Context, string, string, uint64) error { return nil }
func (events) Await(context.Context, uint64, time.Duration) (revocation.Acknowledged, error) {
	return revocation.Acknowledged{}, nil
}

func (e events) Stream(ctx context.Context, after uint64, send func([]byte) error) error {
	return e(ctx, after, send)
}

func (events) Page(context.Context, uint64, int, time.Duration) (revlog.Page, error) {
	return revlog.Page{Log: "l", Time: 1}, nil
}

func (events) FullPage(context.Context, uint64) (*revlog.FullPage, revlog.Chain, error) {
	return nil, revlog.Chain{}, errors.New("not here")
}

// streamDoor serves a log over HTTP, with two places for verifiers, who say that
// they are some, and one for all others.
func streamDoor(t *testing.T, e events) string {
	mux := http.NewServeMux()
	none := func(context.Context) ([]string, error) { return nil, nil }
	api.New(api.Options{
		Revocations: e, Callers: &caller.Finder{Origins: none}, Now: time.Now, Streams: 1, VerifierStreams: 2,
		Verifier: func(r *http.Request) (string, bool) {
			client, secret, _ := r.BasicAuth()
			return client, secret == "right"
		},
	}).Register(mux)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL + "/v1/revocations"
}

func open(t *testing.T, address string, header http.Header) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func accept(kind string, more ...string) http.Header {
	h := http.Header{"Accept": {kind}}
	for i := 0; i < len(more); i += 2 {
		h.Set(more[i], more[i+1])
	}
	return h
}

// Each event arrives when it is sent, not when there are enough to fill a buffer.
func TestStreamOverHTTP(t *testing.T) {
	next := make(chan string)
	ended := make(chan error, 1)
	address := streamDoor(t, func(ctx context.Context, after uint64, send func([]byte) error) (err error) {
		defer func() { ended <- err }()
		if after != 7 {
			t.Errorf("after %d, want 7", after)
		}
		for {
			select {
			case event := <-next:
				if err := send([]byte(event)); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	go func() { next <- "id: 8\ndata: first\n\n" }()
	resp := open(t, address+"?after=3", accept("application/json;q=0.5, text/event-stream", "Last-Event-ID", "7"))
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no", "Vary": "Origin,Accept",
	} {
		if got := strings.Join(resp.Header.Values(name), ","); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	reader := bufio.NewReader(resp.Body)
	read := func() string {
		var lines strings.Builder
		for range 3 {
			line, err := reader.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			lines.WriteString(line)
		}
		return lines.String()
	}
	if got := read(); got != "id: 8\ndata: first\n\n" {
		t.Errorf("got %q", got)
	}
	next <- "id: 9\ndata: next\n\n"
	if got := read(); got != "id: 9\ndata: next\n\n" {
		t.Errorf("got %q", got)
	}
	resp.Body.Close() // the reader goes: the stream ends
	if err := <-ended; err == nil {
		t.Error("the stream ended without a reason")
	}
}

func TestStreamsAreAskedFor(t *testing.T) {
	address := streamDoor(t, func(_ context.Context, _ uint64, send func([]byte) error) error {
		return errors.Join(send([]byte("data: x\n\n")), errors.New("over"))
	})
	for accepted, want := range map[string]string{
		"": "application/json", "*/*": "application/json", "application/json": "application/json", "text/*": "application/json",
		"text/event-stream": "text/event-stream", "Text/Event-Stream;q=1": "text/event-stream", "a/b, text/event-stream": "text/event-stream",
	} {
		resp := open(t, address, accept(accepted))
		if got := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || got != want {
			t.Errorf("Accept %q: %d %q, want %q", accepted, resp.StatusCode, got, want)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil { // its end: the place is free again
			t.Error(err)
		}
		resp.Body.Close()
	}
	for _, id := range []string{"x", "-1", "1 2", "18446744073709551616"} {
		if resp := open(t, address, accept("text/event-stream", "Last-Event-ID", id)); resp.StatusCode != 400 {
			t.Errorf("Last-Event-ID %q: %d", id, resp.StatusCode)
		}
	}
}

// A stream that can't begin is an answer like any other.
func TestStreamThatDoesNotBegin(t *testing.T) {
	address := streamDoor(t, func(context.Context, uint64, func([]byte) error) error { return errors.New("disk on fire") })
	resp := open(t, address, accept("text/event-stream"))
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || resp.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}

// Strangers can't take the places of verifiers, nor these theirs.
func TestPlacesForStreams(t *testing.T) {
	leave := make(chan struct{})
	gone := make(chan struct{}, 10)
	address := streamDoor(t, func(ctx context.Context, _ uint64, send func([]byte) error) error {
		defer func() { gone <- struct{}{} }()
		if err := send([]byte("data: x\n\n")); err != nil {
			return err
		}
		select {
		case <-leave:
		case <-ctx.Done():
		}
		return nil
	})
	stranger, wrong := accept("text/event-stream"), accept("text/event-stream")
	wrong.Set("Authorization", "Basic YTp3cm9uZw==") // a:wrong
	verifier := accept("text/event-stream")
	verifier.Set("Authorization", "Basic YTpyaWdodA==") // a:right
	for n, c := range []struct {
		header http.Header
		want   int
	}{{stranger, 200}, {stranger, 503}, {wrong, 503}, {verifier, 200}, {verifier, 200}, {verifier, 503}} {
		resp := open(t, address, c.header)
		if resp.StatusCode != c.want {
			t.Errorf("stream %d: %d, want %d", n, resp.StatusCode, c.want)
		}
		if c.want == 503 && resp.Header.Get("Retry-After") == "" {
			t.Errorf("stream %d: no Retry-After", n)
		}
	}
	if resp := open(t, address, accept("application/json")); resp.StatusCode != 200 {
		t.Errorf("a page while all places are taken: %d", resp.StatusCode)
	}
	close(leave)
	for range 3 {
		<-gone
	}
}

// deadlines is an answer that notes how long each write may take.
type deadlines struct {
	*httptest.ResponseRecorder
	write   []time.Time
	refuses bool
}

func (d *deadlines) SetReadDeadline(time.Time) error { return nil }

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.write = append(d.write, t)
	return nil
}

func (d *deadlines) Write(b []byte) (int, error) {
	if d.refuses && len(d.write) > 2 {
		return 0, errors.New("deadline exceeded")
	}
	return d.ResponseRecorder.Write(b)
}

// Each write has a deadline of its own, and one who misses it is dropped.
func TestEachWriteHasADeadline(t *testing.T) {
	sent := 0
	h := http.NewServeMux()
	none := func(context.Context) ([]string, error) { return nil, nil }
	api.New(api.Options{Callers: &caller.Finder{Origins: none}, Now: time.Now,
		Revocations: events(func(_ context.Context, _ uint64, send func([]byte) error) error {
			for {
				if err := send([]byte("data: x\n\n")); err != nil {
					return err
				}
				sent++
			}
		})}).Register(h)
	w := &deadlines{ResponseRecorder: httptest.NewRecorder(), refuses: true}
	r := httptest.NewRequest("GET", "/v1/revocations", nil)
	r.Header.Set("Accept", "text/event-stream")
	before := time.Now()
	h.ServeHTTP(w, r)
	if sent != 2 || len(w.write) != 3 {
		t.Fatalf("%d events, %d deadlines, want 2 and 3", sent, len(w.write))
	}
	for _, at := range w.write {
		if at.Before(before) || at.After(time.Now().Add(time.Minute)) {
			t.Errorf("a deadline of %v", at.Sub(before))
		}
	}
}
