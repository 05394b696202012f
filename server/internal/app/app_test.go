package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/writ-auth/writ/server/internal/app"
	"github.com/writ-auth/writ/server/internal/config"
)

const (
	email    = "root@example.com"
	password = "correct horse battery staple"
)

// settings loads a configuration with its data in a temporary directory.
func settings(t *testing.T, flags map[string]string, environ ...string) *config.Config {
	t.Helper()
	all := map[string]string{
		"listen": "127.0.0.1:0", "admin-listen": "127.0.0.1:0", "issuer": "http://localhost:8080",
		"data": filepath.Join(t.TempDir(), "data"),
	}
	for name, value := range flags {
		all[name] = value
	}
	environ = append(environ, "WRIT_ADMIN_EMAIL="+email, "WRIT_ADMIN_PASSWORD="+password)
	cfg, err := config.Load(config.Source{Flags: all, Environ: environ, ReadFile: os.ReadFile})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func options() app.Options {
	return app.Options{Logger: slog.New(slog.DiscardHandler)}
}

// running is a server on ports of its own.
type running struct {
	t      *testing.T
	public string // base URL
	admin  string
	stop   context.CancelFunc
	done   chan error
	client *http.Client
}

// start opens and runs a server until stopped; the test fails if it ends with
// an error.
func start(t *testing.T, cfg *config.Config) *running {
	t.Helper()
	listeners, err := app.Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	a, err := app.New(ctx, cfg, options())
	if err != nil {
		t.Fatal(errors.Join(err, listeners.Close()))
	}
	r := &running{
		t: t, public: "http://" + listeners.Public.Addr().String(), admin: "http://" + listeners.Admin.Addr().String(),
		stop: stop, done: make(chan error, 1), client: &http.Client{Transport: &http.Transport{}},
	}
	go func() { r.done <- errors.Join(a.Run(ctx, listeners), a.Close()) }()
	t.Cleanup(r.end)
	return r
}

// end stops the server and waits until it is gone.
func (r *running) end() {
	r.t.Helper()
	r.client.CloseIdleConnections()
	r.stop()
	if err, open := <-r.done; open && err != nil {
		r.t.Errorf("the server ended with %v", err)
	}
	select {
	case <-r.done:
	default:
		close(r.done)
	}
}

// call sends JSON and reads JSON; want is the status.
func (r *running) call(want int, method, url, bearer string, body any) map[string]any {
	r.t.Helper()
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			r.t.Fatal(err)
		}
		payload = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, url, payload)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if res.StatusCode != want {
		r.t.Fatalf("%s %s: %d, want %d: %s", method, url, res.StatusCode, want, text)
	}
	var answer map[string]any
	if len(text) > 0 && text[0] == '{' {
		if err := json.Unmarshal(text, &answer); err != nil {
			r.t.Fatal(err)
		}
	}
	return answer
}

func (r *running) signIn() map[string]any {
	r.t.Helper()
	return r.call(200, "POST", r.public+"/v1/login", "", map[string]string{"email": email, "password": password})
}

func text(t *testing.T, answer map[string]any, member string) string {
	t.Helper()
	s, ok := answer[member].(string)
	if !ok || s == "" {
		t.Fatalf("the answer has no %s: %v", member, answer)
	}
	return s
}

// TestLife signs in, refreshes, logs out and stops; a second start finds all as
// it was, and nothing is left running.
func TestLife(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	cfg := settings(t, nil)
	t.Run("first start", func(t *testing.T) {
		r := start(t, cfg)
		first := r.signIn()
		r.call(200, "GET", r.public+"/v1/me", text(t, first, "access_token"), nil)
		second := r.call(200, "POST", r.public+"/v1/refresh", "", map[string]string{"refresh_token": text(t, first, "refresh_token")})
		access := text(t, second, "access_token")
		ended := r.call(200, "POST", r.public+"/v1/logout", access, nil)
		if seq, ok := ended["seq"].(float64); !ok || seq < 1 {
			t.Errorf("log-out answered %v, want a number of the log", ended)
		}
		r.call(401, "GET", r.public+"/v1/me", access, nil)
		page := r.call(200, "GET", r.public+"/v1/revocations", "", nil)
		if entries, _ := page["entries"].([]any); len(entries) != 1 {
			t.Errorf("the log has %v, want the one ended grant", page["entries"])
		}
		keys := r.call(200, "GET", r.public+"/jwks.json", "", nil)
		if list, _ := keys["keys"].([]any); len(list) != 1 {
			t.Errorf("the set has %v, want one key", keys["keys"])
		}
		r.call(200, "GET", r.admin+"/readyz", "", nil)
	})
	t.Run("second start", func(t *testing.T) {
		r := start(t, cfg)
		r.signIn()
		page := r.call(200, "GET", r.public+"/v1/revocations", "", nil)
		if entries, _ := page["entries"].([]any); len(entries) != 1 {
			t.Errorf("after a restart the log has %v, want the one ended grant", page["entries"])
		}
	})
}

// TestStopReleasesLongPolls stops the server while a follower waits: it gets an
// answer, long before its wait is over.
func TestStopReleasesLongPolls(t *testing.T) {
	r := start(t, settings(t, nil))
	began := time.Now()
	answered := make(chan error, 1)
	go func() {
		req, err := http.NewRequestWithContext(t.Context(), "GET", r.public+"/v1/revocations?after=0&wait=25s", nil)
		if err != nil {
			answered <- err
			return
		}
		res, err := r.client.Do(req)
		if err == nil {
			defer res.Body.Close()
			if res.StatusCode != http.StatusOK {
				err = fmt.Errorf("status %d, want 200", res.StatusCode)
			}
		}
		answered <- err
	}()
	awaitCall(t, "revocation.(*Service).Page(") // net/http drops what it hasn't begun to read
	r.stop()
	if err := <-answered; err != nil {
		t.Errorf("a follower's long poll ended with %v", err)
	}
	if took := time.Since(began); took > 9*time.Second {
		t.Errorf("the long poll was held for %v", took)
	}
}

// awaitCall waits until some goroutine is in a function, which nothing tells from
// outside.
func awaitCall(t *testing.T, name string) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	for until := time.Now().Add(time.Minute); !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte(name)); {
		if time.Now().After(until) {
			t.Fatalf("nobody calls %s", name)
		}
		runtime.Gosched()
	}
}

// TestOperatorSocket uses the admin API without a credential: over the socket,
// which is for its owner alone, and nowhere else.
func TestOperatorSocket(t *testing.T) {
	cfg := settings(t, nil)
	r := start(t, cfg)
	r.signIn() // all listeners serve by now
	path := app.SocketPath(cfg)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("the socket has mode %04o, want 0600", got)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get("http://writ/v1/admin/users")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("over the socket: %d, want 200", res.StatusCode)
	}
	r.call(401, "GET", r.public+"/v1/admin/users", "", nil)
	r.call(404, "GET", r.admin+"/v1/admin/users", "", nil)
	r.call(405, "POST", r.public+"/v1/admin/keys", text(t, r.signIn(), "access_token"), map[string]string{})
}

// TestStaleSocket starts a server where a killed one has left its socket.
func TestStaleSocket(t *testing.T) {
	cfg := settings(t, nil)
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: app.SocketPath(cfg), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	r := start(t, cfg)
	r.signIn()
	if !app.SocketAnswers(app.SocketPath(cfg)) {
		t.Error("the socket does not answer")
	}
}

// TestOpenMakesNothing opens the data of a server that never ran.
func TestOpenMakesNothing(t *testing.T) {
	cfg := settings(t, nil)
	_, err := app.Open(t.Context(), cfg, options())
	if !errors.Is(err, app.ErrNoDatabase) {
		t.Errorf("got %v, want ErrNoDatabase", err)
	}
	if _, err := os.Stat(cfg.Data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data directory is there: %v", err)
	}
}

// TestPasswordFile keeps the generated password of an https issuer in a file,
// and demands another at the first sign-in.
func TestPasswordFile(t *testing.T) {
	cfg := settings(t, map[string]string{"issuer": "https://auth.example.com"})
	cfg.AdminPassword = ""
	a, err := app.New(t.Context(), cfg, options())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	first := a.FirstAdmin()
	if first == nil || first.Password != "" || first.File == "" {
		t.Fatalf("the first administrator is %+v, want one whose password is in a file", first)
	}
	secret, err := os.ReadFile(first.File)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]string{"email": email, "password": strings.TrimSpace(string(secret))})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", "https://auth.example.com/v1/login", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.RemoteAddr = "192.0.2.1:1234"
	w := newRecorder()
	a.Handler().ServeHTTP(w, req)
	if w.status != http.StatusForbidden || !strings.Contains(w.body.String(), "password_change_required") {
		t.Errorf("the first sign-in: %d %s, want 403 password_change_required", w.status, &w.body)
	}
}

type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newRecorder() *recorder { return &recorder{header: http.Header{}, status: http.StatusOK} }

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
func (r *recorder) WriteHeader(status int)      { r.status = status }

// TestNewDatabaseOldKey: a database that is gone while its key is there is
// worth a word, for a server that came up empty looks as if all were well.
func TestNewDatabaseOldKey(t *testing.T) {
	cfg := settings(t, nil)
	open := func() string {
		t.Helper()
		var log bytes.Buffer
		a, err := app.New(t.Context(), cfg, app.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		return log.String()
	}
	const word = "master key is not new"
	if log := open(); strings.Contains(log, word) {
		t.Errorf("at the first start: %s", log)
	}
	if log := open(); strings.Contains(log, word) {
		t.Errorf("at the second: %s", log)
	}
	if err := os.Remove(cfg.SQLitePath()); err != nil {
		t.Fatal(err)
	}
	if log := open(); !strings.Contains(log, word) {
		t.Errorf("without the database: %s", log)
	}
}
