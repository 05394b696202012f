package edge_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
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
