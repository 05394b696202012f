package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/pgtest"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/load"
	"github.com/writ-auth/writ/server/internal/store"
)

// scale is how much the tests fill a database with, and how long they refresh.
type scale struct {
	population
	starts int // of the program
	rounds int
	each   time.Duration
	rate   float64
}

// scaleOf is small, or by TEST_SCALE as large as is promised (long: a million
// people with ten million sessions), or of so many sessions.
func scaleOf(t *testing.T) scale {
	text := os.Getenv("TEST_SCALE")
	if text == "" {
		return scale{population{2_000, 20_000, 64}, 2, 1, 300 * time.Millisecond, 200}
	}
	if text == "long" {
		text = "10000000"
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 20_000 {
		t.Fatal("TEST_SCALE must be long, or a number of sessions from 20000")
	}
	return scale{population{n / 10, n, 5_000}, 4, 20, 3 * time.Second, 200}
}

// TestScaleSQLite: what a refresh costs does not hang on how much there is in
// the database. That every answer is right is tested; times are logged, for a
// person to read: an empty database and a full one take turns in one run.
func TestScaleSQLite(t *testing.T) {
	measureScale(t, func() string { return "sqlite:" + filepath.Join(t.TempDir(), "writ.db") })
}

// TestScalePostgres is TestScaleSQLite with the other engine.
func TestScalePostgres(t *testing.T) {
	settings := []string{"fsync=off"}
	if os.Getenv("TEST_SCALE") != "" {
		settings = []string{"shared_buffers=512MB", "maintenance_work_mem=512MB", "max_wal_size=4GB"}
	}
	server := pgtest.StartOwn(t, settings...)
	measureScale(t, func() string { return server.Database(t) })
}

func measureScale(t *testing.T, database func() string) {
	c := scaleOf(t)
	few := fill(t, database(), population{c.known, c.known, c.known})
	began := time.Now()
	many := fill(t, database(), c.population)
	took := time.Since(began)
	empty, full := serve(t, few, c.starts), serve(t, many, c.starts)
	t.Logf("%d people with %d sessions: %v to fill, %d MB; the first answer after %v (with %d sessions: %v)",
		c.users, c.sessions, took.Round(time.Millisecond), bytesOf(t, many.dsn)>>20, full.started, c.known, empty.started)
	var sums [2]load.Histogram
	var p99s [2][]time.Duration
	loads := [2][]load.Task{empty.tasks(), full.tasks()}
	for range c.rounds {
		for i, s := range []*scaled{empty, full} {
			result := s.refresh(t, loads[i], c)
			if result == nil {
				t.FailNow()
			}
			sums[i].Add(&result.Latency)
			p99s[i] = append(p99s[i], result.Latency.Quantile(.99))
		}
	}
	for i, name := range []string{"empty", "full "} {
		h := &sums[i]
		t.Logf("%s: %d refreshes at %.0f/s: p50 %v, p90 %v, p99 %v, worst %v; p99 of the rounds %v", name, h.Count(), c.rate,
			h.Quantile(.5), h.Quantile(.9), h.Quantile(.99), h.Max(), p99s[i])
	}
	t.Logf("resident: %d MB empty, %d MB full", empty.resident(t)>>20, full.resident(t)>>20)
	full.stop()
	sweepScale(t, many.dsn, c)
}

// sweepScale ends one session in a hundred and sweeps: those go, and no other.
func sweepScale(t *testing.T, dsn string, c scale) {
	b := openBulk(t, dsn)
	b.exec(t, fmt.Sprintf(`UPDATE sessions SET ended_at = 1, end_reason = 'logout', forget_at = 1 WHERE id < %s`, b.id("$1")),
		b.at(c.sessions/100, c.sessions))
	if err := b.db.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Options{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, want := range []int64{int64(c.sessions / 100), 0} {
		began := time.Now()
		ctx, done := context.WithCancel(t.Context())
		waits := writeBeside(ctx, t, s)
		n, err := s.Sweep(t.Context(), began)
		done()
		if err != nil || n != want {
			t.Errorf("a sweep removed %d rows, want %d; %v", n, want, err)
		}
		h := <-waits
		t.Logf("a sweep that removed %d sessions took %v; %d others wrote meanwhile and waited p50 %v, p99 %v, at most %v",
			n, time.Since(began).Round(time.Millisecond), h.Count(), h.Quantile(.5), h.Quantile(.99), h.Max())
	}
}

// writeBeside writes one small thing after the other until ctx ends, and answers
// how long each took.
func writeBeside(ctx context.Context, t *testing.T, s *store.Store) <-chan *load.Histogram {
	out := make(chan *load.Histogram, 1)
	go func() {
		h := new(load.Histogram)
		for ctx.Err() == nil {
			began := time.Now()
			if err := s.Record(ctx, auth.Event{At: began, Action: "test"}); err != nil && ctx.Err() == nil {
				t.Error(err)
				break
			}
			h.Record(time.Since(began))
		}
		out <- h
	}()
	return out
}

func bytesOf(t *testing.T, dsn string) int64 {
	if path, lite := strings.CutPrefix(dsn, "sqlite:"); lite {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	b := openBulk(t, dsn)
	defer b.db.Close()
	n, err := b.size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// scaled is a running server on a filled database.
type scaled struct {
	filled
	cmd     *exec.Cmd
	base    string
	started []time.Duration // from the start of the program to the first answer
	output  *bytes.Buffer
}

// serve starts the program a few times: the first start makes what is missing.
func serve(t *testing.T, f filled, starts int) *scaled {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "writ")
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, program) // TestMain is main, under this name
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &scaled{filled: f}
	t.Cleanup(s.stop)
	for range starts {
		s.stop()
		s.start(t, program, dir)
	}
	return s
}

func (s *scaled) start(t *testing.T, program, dir string) {
	t.Helper()
	var ports [2]string
	for i := range ports {
		var err error
		if ports[i], err = freePort(); err != nil {
			t.Fatal(err)
		}
	}
	s.base = "http://127.0.0.1:" + ports[0]
	s.cmd = exec.Command(program, "serve", "--listen", "127.0.0.1:"+ports[0], "--admin-listen", "127.0.0.1:"+ports[1],
		"--issuer", "http://localhost:8080", "--database", s.dsn, "--data", filepath.Join(dir, "data"))
	s.cmd.Env = append(os.Environ(), "WRIT_MASTER_KEY="+base64.RawURLEncoding.EncodeToString(s.master), "GORACE=atexit_sleep_ms=10")
	s.output = new(bytes.Buffer)
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for !answers(s.base) {
		if time.Since(began) > time.Minute {
			s.stop()
			t.Fatalf("the server does not start: %s", s.output)
		}
		time.Sleep(time.Millisecond) // another process: there is nothing to wait for but its answer
	}
	s.started = append(s.started, time.Since(began).Round(time.Millisecond))
}

func answers(base string) bool {
	res, err := http.Get(base + "/.well-known/jwks.json")
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

func (s *scaled) stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(os.Interrupt)
	_ = s.cmd.Wait()
	s.cmd = nil
}

// resident answers the bytes of memory that the server takes; 0 where the
// system doesn't say.
func (s *scaled) resident(t *testing.T) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kb, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// connections is how many connections the refreshes come over.
const connections = 16

// refresh offers refreshes at a rate, each of the next session, and wants every
// answer to be right. It may run beside others; then the test ends after all.
func (s *scaled) refresh(t *testing.T, tasks []load.Task, c scale) *load.Result {
	t.Helper()
	target, err := load.NewTarget(s.base)
	if err != nil {
		t.Error(err)
		return nil
	}
	out, err := load.Run(t.Context(), load.Plan{Target: target, Tasks: tasks, Rate: c.rate, Warmup: c.each / 5, Duration: c.each, Pause: 50 * time.Millisecond})
	switch {
	case err != nil:
		t.Error(err)
		return nil
	case out.Right == 0 || out.Wrong > 0:
		t.Errorf("%d right answers, %d wrong, such as: %v\n%s", out.Right, out.Wrong, out.First, s.output)
		return nil
	}
	return out
}

// tasks gives each connection its part of the sessions.
func (s *scaled) tasks() (out []load.Task) {
	each := len(s.tokens) / connections
	for i := range connections {
		out = append(out, &inTurn{target: strings.TrimPrefix(s.base, "http://"), sessions: s.tokens[i*each : (i+1)*each]})
	}
	return out
}

// inTurn refreshes one session after the other.
type inTurn struct {
	target   string
	sessions []known
	next     int
}

// Request asks for the next session.
func (r *inTurn) Request(dst []byte) []byte {
	r.next = (r.next + 1) % len(r.sessions)
	body := fmt.Sprintf(`{"refresh_token":%q}`, r.sessions[r.next].token)
	return fmt.Appendf(dst, "POST /v1/refresh HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", r.target, len(body), body)
}

// Answer wants another token for the same session.
func (r *inTurn) Answer(status int, body []byte) error {
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		return load.ErrRefused
	}
	var out struct {
		RefreshToken string `json:"refresh_token"`
		Session      string `json:"session_id"`
	}
	if err := json.Unmarshal(body, &out); status != http.StatusOK || err != nil {
		return fmt.Errorf("status %d: %.300s", status, body)
	}
	at := &r.sessions[r.next]
	if out.Session != at.session || out.RefreshToken == "" || out.RefreshToken == at.token {
		return errors.New("the answer is of another session, or the token was not rotated")
	}
	at.token = out.RefreshToken
	return nil
}
