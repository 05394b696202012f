package metric_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/metric"
)

func admin(m *metric.Metrics, change func(*metric.Admin)) (http.Handler, *bytes.Buffer) {
	var log bytes.Buffer
	a := &metric.Admin{Metrics: m, Ready: func(context.Context) error { return nil }, Log: slog.New(slog.NewTextHandler(&log, nil))}
	if change != nil {
		change(a)
	}
	return a.Handler(), &log
}

func get(h http.Handler, host, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	r.Host = host
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestMetrics(t *testing.T) {
	m := metric.New("1.2.3")
	m.Request("POST /v1/login", 200, 30*time.Millisecond)
	m.Request("POST /v1/login", 401, 40*time.Millisecond)
	m.Request("", 404, time.Millisecond)
	m.SignIn("ok")
	m.SignIn("ok")
	m.SignIn("wrong")
	m.Refresh("rotate")
	m.TokenIssued("at+jwt")
	m.RevocationLog(func() (uint64, error) { return 42, nil })
	m.HashPool(func() (int, int) { return 2, 7 })
	m.Throttle(func() int { return 11 }, func() uint64 { return 3 })
	h, _ := admin(m, nil)
	w := get(h, "localhost:9090", "/metrics")
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	for _, line := range []string{
		`writ_http_requests_total{route="POST /v1/login",status="200"} 1`,
		`writ_http_requests_total{route="POST /v1/login",status="401"} 1`,
		`writ_http_requests_total{route="none",status="404"} 1`,
		`writ_http_request_duration_seconds_bucket{class="2xx",route="POST /v1/login",le="0.025"} 0`,
		`writ_http_request_duration_seconds_bucket{class="2xx",route="POST /v1/login",le="0.05"} 1`,
		`writ_http_request_duration_seconds_count{class="4xx",route="POST /v1/login"} 1`,
		`writ_sign_ins_total{outcome="ok"} 2`,
		`writ_sign_ins_total{outcome="wrong"} 1`,
		`writ_refreshes_total{verdict="rotate"} 1`,
		`writ_tokens_issued_total{typ="at+jwt"} 1`,
		`writ_revocation_log_head 42`,
		`writ_password_hashes_running 2`,
		`writ_password_hashes_waiting 7`,
		`writ_throttle_entries 11`,
		`writ_throttle_evictions_total 3`,
		`version="1.2.3"} 1`,
		`go_goroutines `,
	} {
		if !strings.Contains(w.Body.String(), line) {
			t.Errorf("the metrics have no %q", line)
		}
	}
	if other := metric.New("1"); strings.Contains(scrape(other), `outcome="ok"`) {
		t.Error("two registries share a counter")
	}
}

func scrape(m *metric.Metrics) string {
	h, _ := admin(m, nil)
	return get(h, "localhost", "/metrics").Body.String()
}

func TestAdminHosts(t *testing.T) {
	h, _ := admin(metric.New("1"), func(a *metric.Admin) { a.Hosts = []string{"metrics.internal"} })
	good := []string{"localhost", "localhost:9090", "LOCALHOST:9090", "127.0.0.1", "127.0.0.1:9090", "[::1]", "[::1]:9090", "10.1.2.3:9090", "metrics.internal", "Metrics.internal:9090"}
	bad := []string{"", "evil.example", "evil.example:9090", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.1.nip.io:9090", "metrics.internal.evil.example", "x.metrics.internal", "2130706433"}
	for _, host := range good {
		if w := get(h, host, "/healthz"); w.Code != 200 {
			t.Errorf("Host %q: %d, want 200", host, w.Code)
		}
	}
	for _, host := range bad {
		for _, path := range []string{"/healthz", "/metrics", "/readyz"} {
			if w := get(h, host, path); w.Code != http.StatusMisdirectedRequest || strings.Contains(w.Body.String(), "ok\n") {
				t.Errorf("Host %q, %s: %d, want 421", host, path, w.Code)
			}
		}
	}
}

func TestReady(t *testing.T) {
	down := true
	h, log := admin(metric.New("1"), func(a *metric.Admin) {
		a.Ready = func(ctx context.Context) error {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("a readiness check may take for ever")
			}
			if down {
				return errors.New("database at 10.0.0.7 is gone")
			}
			return nil
		}
	})
	if w := get(h, "localhost", "/readyz"); w.Code != 503 || w.Body.String() != "not ready\n" {
		t.Errorf("not ready: %d %q", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "10.0.0.7") {
		t.Errorf("why isn't in the log: %s", log)
	}
	if w := get(h, "localhost", "/healthz"); w.Code != 200 {
		t.Errorf("a server that isn't ready is still alive: %d", w.Code)
	}
	down = false
	if w := get(h, "localhost", "/readyz"); w.Code != 200 {
		t.Errorf("ready: %d", w.Code)
	}
}

func TestPprof(t *testing.T) {
	off, _ := admin(metric.New("1"), nil)
	if w := get(off, "localhost", "/debug/pprof/"); w.Code != 404 {
		t.Errorf("profiles are served without being asked for: %d", w.Code)
	}
	on, _ := admin(metric.New("1"), func(a *metric.Admin) { a.Pprof = true })
	if w := get(on, "localhost", "/debug/pprof/goroutine?debug=1"); w.Code != 200 || !strings.Contains(w.Body.String(), "goroutine profile") {
		t.Errorf("profiles: %d", w.Code)
	}
	if w := get(on, "evil.example", "/debug/pprof/"); w.Code != http.StatusMisdirectedRequest {
		t.Errorf("profiles for another host: %d", w.Code)
	}
}
