package edge_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge"
)

func ok(w http.ResponseWriter, _ *http.Request) error {
	_, err := io.WriteString(w, "fine")
	return err
}

func TestSecurityHeaders(t *testing.T) {
	h, _ := front(ok)
	res := serve(h, httptest.NewRequest("GET", "/x", nil))
	want := map[string]string{
		"X-Content-Type-Options":       "nosniff",
		"Cache-Control":                "no-store",
		"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
		"X-Frame-Options":              "DENY",
		"Referrer-Policy":              "same-origin",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Strict-Transport-Security":    "max-age=31536000",
	}
	for name, value := range want {
		if got := res.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	for name, h := range map[string]func(http.ResponseWriter, *http.Request) error{
		"JSON": func(w http.ResponseWriter, _ *http.Request) error { return edge.WriteJSON(w, 200, 1) },
		"made": func(w http.ResponseWriter, _ *http.Request) error { return edge.WriteJSON(w, 201, 1) },
	} {
		inner, _ := front(h)
		if got := serve(inner, httptest.NewRequest("GET", "/x", nil)).Header.Get("Cross-Origin-Opener-Policy"); got != "same-origin" {
			t.Errorf("%s in a window: Cross-Origin-Opener-Policy: %q", name, got)
		}
		for sent, r := range map[string]*http.Request{"a credential": credited(), "JSON": withJSON("application/json")} {
			header := serve(inner, r).Header
			for field, value := range want {
				switch field {
				case "X-Frame-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy": // say nothing of JSON
					value = ""
				}
				if got := header.Get(field); got != value {
					t.Errorf("%s for %s, %s: %q, want %q", name, sent, field, got, value)
				}
			}
		}
		for _, sent := range []string{"", "text/plain", "application/x-www-form-urlencoded"} { // as a form may
			if got := serve(inner, withJSON(sent)).Header.Get("X-Frame-Options"); got != "DENY" {
				t.Errorf("%s for what is %q: X-Frame-Options: %q", name, sent, got)
			}
		}
	}
	for name, h := range map[string]func(http.ResponseWriter, *http.Request) error{
		"no body":            func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(204); return nil },
		"refused":            func(http.ResponseWriter, *http.Request) error { return auth.Errorf(auth.CodeForbidden, "no") },
		"refused in JSON":    func(w http.ResponseWriter, _ *http.Request) error { return edge.WriteJSON(w, 400, 1) },
		"nothing":            func(http.ResponseWriter, *http.Request) error { return nil },
		"JSON as it is read": func(w http.ResponseWriter, _ *http.Request) error { _, err := io.WriteString(w, "{}"); return err },
		"two kinds": func(w http.ResponseWriter, _ *http.Request) error {
			w.Header()["Content-Type"] = []string{"application/json", "text/html"}
			_, err := io.WriteString(w, "<p>")
			return err
		},
	} {
		inner, _ := front(h)
		if got := serve(inner, credited()).Header.Get("X-Frame-Options"); got != "DENY" {
			t.Errorf("%s: X-Frame-Options: %q", name, got)
		}
	}
	log, _ := logged()
	plain := (&edge.Front{Issuer: "http://localhost:8080", Log: log, Now: time.Now}).Handler(edge.Handler(ok))
	if got := serve(plain, httptest.NewRequest("GET", "/x", nil)).Header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("a plain-http issuer sends Strict-Transport-Security: %s", got)
	}
}

// withJSON is a request with a body that is said to be of a kind.
func withJSON(kind string) *http.Request {
	r := httptest.NewRequest("POST", "/x", strings.NewReader("{}"))
	r.Header.Set("Content-Type", kind)
	return r
}

// credited is a request with a credential that no window sends.
func credited() *http.Request {
	r := httptest.NewRequest("GET", "/x", nil)
	r.Header.Set("Authorization", "Bearer x")
	return r
}

func TestRequestID(t *testing.T) {
	var seen string
	h, _ := front(func(_ http.ResponseWriter, r *http.Request) error {
		seen = edge.RequestID(r)
		return nil
	})
	r := httptest.NewRequest("GET", "/x", nil)
	r.Header.Set("X-Request-Id", "mine")
	first := serve(h, r).Header.Get("X-Request-Id")
	if first == "mine" || first != seen || len(first) != len("req_")+22 {
		t.Errorf("request id %q, handler saw %q", first, seen)
	}
	if second := serve(h, r).Header.Get("X-Request-Id"); second == first {
		t.Error("two requests have one id")
	}
}

func TestNoRoute(t *testing.T) {
	log, _ := logged()
	inner := http.NewServeMux()
	inner.Handle("GET /v1/deep/{id}", edge.Handler(ok))
	mux := http.NewServeMux()
	mux.Handle("POST /x", edge.Handler(ok))
	mux.Handle("PUT /x", edge.Handler(ok))
	mux.Handle("/v1/deep/", inner)
	mux.Handle("GET /own", http.NotFoundHandler())
	h := (&edge.Front{Log: log, Now: time.Now}).Handler(mux)
	tests := []struct {
		method, path string
		status       int
		allow, code  string
	}{
		{"GET", "/nothing", 404, "", "not_found"},
		{"GET", "/x", 405, "POST, PUT", "method_not_allowed"},
		{"GET", "/v1/deep/a/b", 404, "", "not_found"},
		{"DELETE", "/v1/deep/a", 405, "GET, HEAD", "method_not_allowed"},
	}
	for _, tt := range tests {
		res := serve(h, httptest.NewRequest(tt.method, tt.path, nil))
		if res.StatusCode != tt.status || res.Header.Get("Allow") != tt.allow || res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %d, Allow %q, %s", tt.method, tt.path, res.StatusCode, res.Header.Get("Allow"), res.Header.Get("Content-Type"))
		}
		body, _ := io.ReadAll(res.Body)
		var p map[string]any
		if err := json.Unmarshal(body, &p); err != nil || p["code"] != tt.code {
			t.Errorf("%s %s: body %q, want one document with code %s", tt.method, tt.path, body, tt.code)
		}
	}
	if res := serve(h, httptest.NewRequest("GET", "/own", nil)); !strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") {
		t.Error("a handler's own 404 was replaced")
	}
	if res := serve(h, httptest.NewRequest("POST", "/x", nil)); res.StatusCode != 200 {
		t.Errorf("POST /x: %d", res.StatusCode)
	}
}

func TestAccessLog(t *testing.T) {
	log, buf := logged()
	now := time.Unix(1000, 0)
	clock := func() time.Time {
		now = now.Add(time.Second)
		return now
	}
	var observed []edge.Observation
	mux := http.NewServeMux()
	mux.Handle("POST /v1/sessions/{id}", edge.Handler(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusCreated)
		return nil
	}))
	h := (&edge.Front{
		Log: log, Now: clock, Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")},
		Observe: func(o edge.Observation) { observed = append(observed, o) },
	}).Handler(mux)
	r := httptest.NewRequest("POST", "/v1/sessions/hunter2?token=hunter2", strings.NewReader("hunter2"))
	r.Header.Set("Authorization", "Bearer hunter2")
	r.Header.Set("X-Forwarded-For", "198.51.100.9")
	res := serve(h, r)
	serve(h, httptest.NewRequest("BREW", "/v1/sessions/x", nil))

	lines := strings.Split(strings.TrimSpace(buf.String()), "\n")
	var line map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &line); err != nil {
		t.Fatal(err)
	}
	delete(line, "time")
	want := map[string]any{
		"level": "INFO", "msg": "request", "method": "POST", "route": "POST /v1/sessions/{id}", "status": float64(201),
		"duration": float64(time.Second), "request": res.Header.Get("X-Request-Id"), "address": "198.51.100.9",
	}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Errorf("access log (-want +got):\n%s", diff)
	}
	if strings.Contains(buf.String(), "hunter2") {
		t.Errorf("the access log holds what a client sent: %s", buf)
	}
	wantSeen := []edge.Observation{
		{Method: "POST", Route: "POST /v1/sessions/{id}", Status: 201, Duration: time.Second},
		{Method: "other", Route: "", Status: 405, Duration: time.Second},
	}
	if diff := cmp.Diff(wantSeen, observed); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}

// Overload shows in the log, but isn't a fault.
func TestOverloadIsAWarning(t *testing.T) {
	h, log := front(func(http.ResponseWriter, *http.Request) error { return context.DeadlineExceeded })
	r := httptest.NewRequest("GET", "/x", nil)
	r.RemoteAddr = "@"
	serve(h, r)
	if !strings.Contains(log.String(), `"level":"WARN"`) || !strings.Contains(log.String(), `"address":""`) {
		t.Errorf("log: %s", log)
	}
}

func TestClientAddress(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	if got := edge.ClientAddress(r); got != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("without a Front: %s", got)
	}
	log, _ := logged()
	called := false
	h := (&edge.Front{Log: log, Now: time.Now, Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}).
		Handler(edge.Handler(func(http.ResponseWriter, *http.Request) error { called = true; return nil }))
	r.Header.Set("X-Forwarded-For", "nonsense")
	if res := serve(h, r); res.StatusCode != 400 || called {
		t.Errorf("a malformed X-Forwarded-For: %d, handler called: %v", res.StatusCode, called)
	}
}

func TestPanic(t *testing.T) {
	h, log := front(func(http.ResponseWriter, *http.Request) error { panic("at the disco") })
	res := serve(h, httptest.NewRequest("GET", "/x", nil))
	p := bodyOf(t, res)
	if res.StatusCode != 500 || p["code"] != "internal_error" || strings.Contains(fmt.Sprint(p), "disco") {
		t.Errorf("status %d, %v", res.StatusCode, p)
	}
	if !strings.Contains(log.String(), "at the disco") || !strings.Contains(log.String(), "front_test.go") {
		t.Errorf("the log has no panic with its stack: %s", log)
	}
}

// Half an answer must not look like a whole one.
func TestPanicAfterBegin(t *testing.T) {
	h, _ := front(func(w http.ResponseWriter, _ *http.Request) error {
		_, _ = io.WriteString(w, "half")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		panic("then")
	})
	srv := httptest.NewServer(h)
	defer srv.Close()
	res, err := srv.Client().Get(srv.URL + "/x")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.ReadAll(res.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reading the rest: %v, want a cut connection", err)
	}
}

func start(t *testing.T, h http.Handler, change func(*http.Server)) string {
	t.Helper()
	log, _ := logged()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := edge.NewServer(h, log)
	if change != nil {
		change(s)
	}
	done := make(chan struct{})
	go func() { _ = s.Serve(l); close(done) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return l.Addr().String()
}

func TestServerLimits(t *testing.T) {
	log, _ := logged()
	s := edge.NewServer(nil, log)
	if s.ReadHeaderTimeout != 5*time.Second || s.ReadTimeout != 15*time.Second || s.WriteTimeout != 30*time.Second ||
		s.IdleTimeout != 2*time.Minute || s.MaxHeaderBytes != 32<<10 {
		t.Errorf("limits are not what the documentation says: %+v", s)
	}
}

// A large body is answered before it is sent, and the connection closed.
func TestServerLargeBody(t *testing.T) {
	h, _ := front(func(w http.ResponseWriter, r *http.Request) error { return edge.ReadJSON(w, r, &request{}) })
	conn, err := net.Dial("tcp", start(t, h, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 10485760\r\n\r\n{")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("no answer before the body was sent: %v", err)
	}
	defer res.Body.Close()
	if res.StatusCode != 413 || !res.Close {
		t.Errorf("status %d, close %v; want 413 and a closed connection", res.StatusCode, res.Close)
	}
}

// Extend carries a request beyond the server's timeouts, without its context
// being cancelled; without Extend both happen.
func TestExtend(t *testing.T) {
	const limit = 100 * time.Millisecond
	poll := func(extend bool) error {
		result := make(chan error, 1)
		h := edge.Handler(func(w http.ResponseWriter, r *http.Request) error {
			if extend {
				if err := edge.Extend(w, time.Minute); err != nil {
					result <- err
					return err
				}
			}
			select {
			case <-r.Context().Done():
				result <- context.Cause(r.Context())
			case <-time.After(5 * limit): // longer than the limit is the point
				result <- nil
			}
			return ok(w, r)
		})
		log, _ := logged()
		front := (&edge.Front{Log: log, Now: time.Now}).Handler(h)
		addr := start(t, front, func(s *http.Server) { s.ReadTimeout, s.WriteTimeout = limit, limit })
		res, err := http.Get("http://" + addr + "/x")
		if err == nil {
			_, err = io.ReadAll(res.Body)
			res.Body.Close()
		}
		return errors.Join(<-result, err)
	}
	if err := poll(true); err != nil {
		t.Errorf("extended: %v", err)
	}
	if err := poll(false); err == nil {
		t.Error("a request outlived the server's timeouts without Extend")
	}
}
