package browser

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/testenv"
)

const (
	adminEmail    = "root@example.com"
	adminPassword = "correct horse battery staple"
	aliceEmail    = "alice@example.com"
	alicePassword = "a long password of alice"
)

// started is what all tests share.
type started struct {
	dir    string
	binary func() (string, error)
	mu     sync.Mutex
	c      *chromium
}

var shared started

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "writ-browser-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	shared.dir = dir
	shared.binary = sync.OnceValues(func() (string, error) { return build(filepath.Join(dir, "writ")) })
	code := m.Run()
	if shared.c != nil {
		shared.c.stop()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

func (s *started) browser(node, program string) (*chromium, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c != nil {
		return s.c, nil
	}
	var err error
	s.c, err = startChromium(node, program)
	return s.c, err
}

// build compiles the program as make run does.
func build(out string) (string, error) {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "./cmd/writ")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Dir = filepath.Join("..", "..", "server")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, text)
	}
	return out, nil
}

// server is a running Writ.
type server struct {
	base   string // where it listens, past any proxy
	admin  string // the admin listener
	client *http.Client
	bearer string // the administrator's token
	cmd    *exec.Cmd
	output bytes.Buffer
}

// startServer runs Writ for an issuer on a free port of 127.0.0.1, and adds the
// user alice. The scheme is that of the listener, not of the issuer.
func startServer(t testing.TB, scheme, issuer string, port int, flags ...string) *server {
	t.Helper()
	binary, err := shared.binary()
	if err != nil {
		t.Fatal(err)
	}
	admin := freePort(t)
	s := &server{base: fmt.Sprintf("%s://127.0.0.1:%d", scheme, port), admin: fmt.Sprintf("http://127.0.0.1:%d", admin)}
	// The certificate is the browser's to judge; this client is the test's own.
	s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, Timeout: 20 * time.Second}
	dir := t.TempDir()
	args := append([]string{"serve", "--issuer", issuer, "--listen", fmt.Sprintf("127.0.0.1:%d", port),
		"--admin-listen", fmt.Sprintf("127.0.0.1:%d", admin), "--data", filepath.Join(dir, "data")}, flags...)
	s.cmd = exec.Command(binary, args...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = dir, &s.output, &s.output
	s.cmd.Env = append(os.Environ(), "WRIT_ADMIN_EMAIL="+adminEmail, "WRIT_ADMIN_PASSWORD="+adminPassword)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	s.awaitReady(t)
	var in struct {
		AccessToken string `json:"access_token"`
	}
	s.must(t, 200, "POST", "/v1/login", "", map[string]any{"email": adminEmail, "password": adminPassword}, &in)
	s.bearer = in.AccessToken
	s.addUser(t, aliceEmail, alicePassword, nil)
	return s
}

func freePort(t testing.TB) int {
	t.Helper()
	port, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (s *server) stop() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

func (s *server) awaitReady(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		req, _ := http.NewRequestWithContext(ctx, "GET", s.base+"/.well-known/jwks.json", nil)
		if res, err := s.client.Do(req); err == nil {
			res.Body.Close()
			return
		}
		select {
		case <-ctx.Done():
			s.stop()
			t.Fatalf("the server did not start: %s", &s.output)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// call sends JSON to Writ, past the browser. header has names and values in
// turn.
func (s *server) call(t testing.TB, method, path, bearer string, body any, header ...string) (int, []byte) {
	t.Helper()
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		payload = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, s.base+path, payload)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return s.read(t, req)
}

func (s *server) read(t testing.TB, req *http.Request) (int, []byte) {
	t.Helper()
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, text
}

// must is call that wants a status; dst, if any, takes the answer.
func (s *server) must(t testing.TB, status int, method, path, bearer string, body, dst any) {
	t.Helper()
	got, text := s.call(t, method, path, bearer, body)
	if got != status {
		t.Fatalf("%s %s: %d, want %d: %s", method, path, got, status, text)
	}
	if dst == nil {
		return
	}
	if err := json.Unmarshal(text, dst); err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
}

// addUser makes a user and answers the id.
func (s *server) addUser(t testing.TB, email, password string, claims map[string]any) string {
	t.Helper()
	var made struct{ ID string }
	if claims == nil {
		claims = map[string]any{}
	}
	s.must(t, 201, "POST", "/v1/admin/users", s.bearer, map[string]any{"email": email, "password": password, "claims": claims}, &made)
	return made.ID
}

// state is what the server knows of its users and their sessions, in text: all
// that a page of another origin could want to change. Two states are equal
// unless something happened.
func (s *server) state(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	for _, path := range []string{"/v1/admin/users", "/v1/admin/sessions"} {
		var list struct{ Items []json.RawMessage }
		s.must(t, 200, "GET", path, s.bearer, nil, &list)
		for _, item := range list.Items {
			fmt.Fprintf(&b, "%s\n", item)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.admin+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, metrics := s.read(t, req)
	for line := range strings.Lines(string(metrics)) {
		for _, counter := range []string{"writ_sign_ins_total", "writ_refreshes_total", "writ_tokens_issued_total", "writ_revocations_total"} {
			if strings.HasPrefix(line, counter) {
				b.WriteString(line)
			}
		}
	}
	return b.String()
}
