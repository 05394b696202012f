package edge_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/edge"
)

// TestAccessLogText: the line of a request is the same whether it is written the
// short way or by package slog, whatever is in it.
func TestAccessLogText(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 80_900_000, time.FixedZone("", 5400))
	for _, whole := range []time.Time{at, at.UTC(), at.Truncate(time.Second)} {
		for _, c := range []struct {
			pattern, method, path, remote string
			status                        int
		}{
			{"POST /v1/refresh", "POST", "/v1/refresh", "192.0.2.7:1234", 200},
			{"GET /users/{id}", "GET", "/users/x", "[2001:db8::1]:80", 304},
			{"GET /", "GET", "/", "[fe80::1%eth0]:80", 200},
			{"/", "BREW", "/", "192.0.2.7:1", 418},
			{"/whatever", "GET", "/whatever", "192.0.2.7:1", 200}, // no space in the route
			{"GET /a%22=", "GET", "/a%22=", "192.0.2.7:1", 200},
			{"GET /ä", "GET", "/%C3%A4", "192.0.2.7:1", 200},
			{"GET /", "GET", "/missing", "@", 200}, // of a Unix socket
			{"GET /here", "GET", "/elsewhere", "192.0.2.7:1", 404},
			{"GET /", "GET", "/", "192.0.2.7:1", 503},
		} {
			for _, json := range []bool{false, true} {
				line := func(wrap func(slog.Handler) slog.Handler) string {
					var out bytes.Buffer
					clock := whole.Add(-1234567 * time.Nanosecond)
					now := func() time.Time { // twice a request: its begin, and its end
						before := clock
						clock = whole
						return before
					}
					front := &edge.Front{Issuer: "http://x", Now: now, Log: slog.New(wrap(edge.NewLog(&out, json, nil)))}
					mux := http.NewServeMux()
					mux.HandleFunc(c.pattern, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(c.status) })
					r := httptest.NewRequest(c.method, c.path, nil)
					r.RemoteAddr = c.remote
					w := httptest.NewRecorder()
					front.Handler(mux).ServeHTTP(w, r)
					return string(bytes.ReplaceAll(out.Bytes(), []byte(w.Header().Get("X-Request-Id")), []byte("req_")))
				}
				quick := line(func(h slog.Handler) slog.Handler { return h })
				slow := line(func(h slog.Handler) slog.Handler { return struct{ slog.Handler }{h} })
				if quick != slow || quick == "" {
					t.Errorf("%s %s, JSON %v:\n%s not as slog has it:\n%s", c.method, c.path, json, quick, slow)
				}
			}
		}
	}
}

// TestAccessLogTimes: one log, lines of the same second and of others.
func TestAccessLogTimes(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 10, 25, 0, 59, 59, 0, time.UTC) // a second before Berlin's clocks go back
	var now time.Time
	var out, want bytes.Buffer
	front := func(h slog.Handler) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /", func(http.ResponseWriter, *http.Request) {})
		return (&edge.Front{Issuer: "http://x", Now: func() time.Time { return now }, Log: slog.New(h)}).Handler(mux)
	}
	quick := front(edge.NewLog(&out, false, nil))
	slow := front(struct{ slog.Handler }{edge.NewLog(&want, false, nil)})
	times := []time.Time{
		at, at.Add(time.Millisecond), at.Add(999_999_999), at.Add(1234567), at.In(berlin), at.In(berlin).Add(70 * time.Millisecond),
		at.In(berlin).Add(time.Second), at.In(berlin).Add(1005 * time.Millisecond), at, at.Add(-time.Hour), time.Unix(-1, 5e8).UTC(), at,
		at.In(time.FixedZone("", 3600)), at.In(time.FixedZone("", 3600)).Add(8 * time.Millisecond), at.In(time.FixedZone("", -3600)),
	}
	for _, now = range times {
		r := httptest.NewRequest("GET", "/", nil)
		quick.ServeHTTP(httptest.NewRecorder(), r)
		slow.ServeHTTP(httptest.NewRecorder(), r)
	}
	got, right := strings.Split(out.String(), "\n"), strings.Split(want.String(), "\n")
	if len(got) != len(times)+1 || len(right) != len(got) {
		t.Fatalf("%d and %d lines of %d requests", len(got), len(right), len(times))
	}
	for i, line := range got {
		mine, _, _ := strings.Cut(line, " ")
		if theirs, _, _ := strings.Cut(right[i], " "); mine != theirs {
			t.Errorf("line %d: %s, want %s", i, mine, theirs)
		}
	}
}

// TestAccessLogLevel: a level that leaves requests out leaves them out, and a
// fault is still told.
func TestAccessLogLevel(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(edge.NewLog(&out, false, slog.LevelWarn))
	front := &edge.Front{Issuer: "http://x", Now: time.Now, Log: log}
	mux := http.NewServeMux()
	mux.Handle("GET /well", edge.Handler(func(http.ResponseWriter, *http.Request) error { return nil }))
	mux.Handle("GET /ill", edge.Handler(func(http.ResponseWriter, *http.Request) error { return http.ErrBodyNotAllowed }))
	for _, path := range []string{"/well", "/ill"} {
		front.Handler(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	text := out.String()
	if bytes.Count(out.Bytes(), []byte("\n")) != 1 || !bytes.Contains(out.Bytes(), []byte(`level=ERROR msg=request method=GET route="GET /ill" status=500`)) ||
		!bytes.Contains(out.Bytes(), []byte(`error="`+http.ErrBodyNotAllowed.Error()+`"`)) {
		t.Errorf("the log is %q, want one line of the fault", text)
	}
}
