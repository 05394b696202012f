package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/testenv"
)

const (
	adminEmail    = "root@example.com"
	adminPassword = "correct horse battery staple"
	audience      = "https://api.example.com"
)

// binary builds the program once for all tests.
var binary = sync.OnceValues(func() (string, error) { return build("writ") })

// build compiles cmd/writ under a name in a directory that TestMain removes.
func build(name string, flags ...string) (string, error) {
	out := filepath.Join(buildDir, name)
	args := append([]string{"build", "-trimpath", "-ldflags=-s -w", "-o", out}, flags...)
	cmd := exec.Command("go", append(args, "./cmd/writ")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as make run builds it
	cmd.Dir = filepath.Join("..", "server")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, text)
	}
	return out, nil
}

var buildDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "writ-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	buildDir = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// server is a running program on a data directory that outlives it.
type server struct {
	t           testing.TB
	binary, dir string
	port, admin int
	behind      int // the port it listens at, if a proxy has port; else 0
	flags       []string
	under       []string // the command, such as a tracer, that runs it; nil: none
	cmd         *exec.Cmd
	output      *transcript
}

// newServer prepares a server on free ports and an empty data directory.
func newServer(t testing.TB, binary string, flags ...string) *server {
	t.Helper()
	s := &server{t: t, binary: binary, dir: t.TempDir(), port: freePort(t), admin: freePort(t), flags: flags}
	t.Cleanup(s.kill)
	return s
}

// running starts a server of the current build.
func running(t testing.TB, flags ...string) *server {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, bin, flags...)
	s.start()
	return s
}

// in is the server as a subtest sees it: what fails there, fails there.
func (s *server) in(t testing.TB) *server {
	copied := *s
	copied.t = t
	return &copied
}

func freePort(t testing.TB) int {
	port, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (s *server) url(path string) string { return fmt.Sprintf("http://localhost:%d%s", s.port, path) }

func (s *server) adminURL(path string) string {
	return fmt.Sprintf("http://127.0.0.1:%d%s", s.admin, path)
}

// start runs the program and returns when it answers.
func (s *server) start() {
	s.t.Helper()
	listen := s.port
	if s.behind != 0 {
		listen = s.behind
	}
	args := append([]string{"serve",
		"--listen", fmt.Sprintf("127.0.0.1:%d", listen), "--issuer", s.url(""),
		"--admin-listen", fmt.Sprintf("127.0.0.1:%d", s.admin), "--data", filepath.Join(s.dir, "data")}, s.flags...)
	line := slices.Concat(s.under, []string{s.binary}, args)
	s.cmd = exec.Command(line[0], line[1:]...)
	s.output = new(transcript)
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	s.cmd.Dir = s.dir
	s.cmd.Env = append(os.Environ(), "WRIT_ADMIN_EMAIL="+adminEmail, "WRIT_ADMIN_PASSWORD="+adminPassword)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	for {
		req, _ := http.NewRequestWithContext(ctx, "GET", s.url("/.well-known/jwks.json"), nil)
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-ctx.Done():
			s.kill()
			s.t.Fatalf("the server did not start: %s", s.output)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// kill ends the program with SIGKILL and waits until it is gone.
func (s *server) kill() {
	if s.cmd != nil && s.cmd.Process != nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
	}
}

// answer is an HTTP answer, read whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// get decodes the answer's body.
func (a answer) get(t testing.TB, dst any) {
	t.Helper()
	if err := json.Unmarshal(a.body, dst); err != nil {
		t.Fatalf("answer %d is not JSON: %v: %s", a.status, err, a.body)
	}
}

// code is the code of a problem document.
func (a answer) code() string {
	var p struct{ Code string }
	json.Unmarshal(a.body, &p)
	return p.Code
}

var errNoAnswer = errors.New("no answer")

// call sends a JSON request; errNoAnswer if none came back whole.
func call(ctx context.Context, method, url, bearer string, body any) (answer, error) {
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		payload = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, payload)
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, errors.Join(errNoAnswer, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}, errors.Join(errNoAnswer, err)
	}
	return answer{res.StatusCode, res.Header, text}, nil
}

// must is call that wants a status.
func (s *server) must(status int, method, path, bearer string, body any) answer {
	s.t.Helper()
	a, err := call(s.t.Context(), method, s.url(path), bearer, body)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", method, path, err, s.output)
	}
	if a.status != status {
		s.t.Fatalf("%s %s: %d, want %d: %s", method, path, a.status, status, a.body)
	}
	return a
}

// transcript is what a server has written so far; it may be read meanwhile.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// tokens is what /v1/login and /v1/refresh answer in token mode.
type tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    int    `json:"expires_in"`
	SessionID    string `json:"session_id"`
}

func (s *server) signIn(aud string) tokens {
	s.t.Helper()
	body := map[string]string{"email": adminEmail, "password": adminPassword}
	if aud != "" {
		body["audience"] = aud
	}
	var out tokens
	s.must(200, "POST", "/v1/login", "", body).get(s.t, &out)
	return out
}
