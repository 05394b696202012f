package browser

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/testenv"
)

const apiAudience = "https://api.example.com"

// startNode runs a program of Node.js until the test ends, and returns what the
// first group of ready matches in a line of its output.
func startNode(t testing.TB, dir, ready string, env []string, args ...string) string {
	t.Helper()
	cmd := exec.Command(testenv.NeedNodeModules(t, dir), args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timeout := time.AfterFunc(60*time.Second, func() { cmd.Process.Kill() })
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	pattern := regexp.MustCompile(ready)
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if found := pattern.FindStringSubmatch(lines.Text()); found != nil {
			timeout.Stop()
			go io.Copy(io.Discard, stdout)
			return found[1]
		}
	}
	cmd.Wait()
	t.Fatalf("%s did not start:\n%s", dir, &stderr)
	return ""
}

// cable is what leads to the revocation log, and can be cut.
type cable struct {
	mu  sync.Mutex
	ctx context.Context
	cut context.CancelFunc
}

func newCable() *cable {
	c := &cable{}
	c.mend()
	return c
}

func (c *cable) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ctx, c.cut = context.WithCancel(context.Background())
}

// carry forwards a request for the log while the cable is whole.
func (c *cable) carry(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	if !strings.HasPrefix(r.URL.Path, "/v1/revocations") || strings.HasSuffix(r.URL.Path, "/keys") {
		forward.ServeHTTP(w, r)
		return
	}
	c.mu.Lock()
	whole := c.ctx
	c.mu.Unlock()
	ctx, cancel := context.WithCancel(r.Context())
	defer context.AfterFunc(whole, cancel)()
	defer cancel()
	if whole.Err() == nil {
		forward.ServeHTTP(w, r.WithContext(ctx))
	}
	if whole.Err() != nil {
		panic(http.ErrAbortHandler)
	}
}

// status is what an API answers to a token.
func (s *site) status(t testing.TB, url, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	status, _ := s.read(t, req)
	return status
}

// awaitStatus asks until the API answers with the status, and fails at once if
// it answers with one that isn't among those that may come before.
func (s *site) awaitStatus(t testing.TB, what, url, token string, want int, before ...int) time.Duration {
	t.Helper()
	begun := time.Now()
	for {
		got := s.status(t, url, token)
		switch {
		case got == want:
			return time.Since(begun)
		case !slices.Contains(before, got):
			t.Fatalf("%s: %d, want %d after %v", what, got, want, before)
		case time.Since(begun) > 30*time.Second:
			t.Fatalf("%s: still %d after %s, want %d", what, got, time.Since(begun), want)
		}
		time.Sleep(time.Millisecond)
	}
}

// apiToken signs alice in for the API.
func (s *site) apiToken(t testing.TB) string {
	t.Helper()
	var in struct {
		AccessToken string `json:"access_token"`
	}
	s.must(t, 200, "POST", "/v1/login", "", map[string]any{"email": aliceEmail, "password": alicePassword, "audience": apiAudience, "mode": "token"}, &in)
	return in.AccessToken
}

// TestClientExpress revokes tokens that Express accepts by writ/express: with
// the log within reach, cut off, and back.
func TestClientExpress(t *testing.T) {
	dir := filepath.Join("..", "..", "examples", "express")
	testenv.NeedNodeModules(t, dir)
	s := startSite(t)
	line := newCable()
	s.setWay(line.carry)
	s.must(t, 201, "POST", "/v1/admin/apis", s.bearer, map[string]any{"audience": apiAudience, "algorithm": "RS256"}, nil)
	s.must(t, 201, "POST", "/v1/admin/roles", s.bearer, map[string]any{"name": "admin"}, nil)
	api := startNode(t, dir, `^listening on (\S+) for`, []string{"PORT=0", "ISSUER=" + s.origin, "AUDIENCE=" + apiAudience, "MAX_STALE=3"}, "server.js")
	invoices := api + "/invoices/"

	if got := s.status(t, api+"/invoices/terms", ""); got != 200 {
		t.Errorf("the public route: %d", got)
	}
	if got := s.status(t, invoices, ""); got != 401 {
		t.Errorf("without a token: %d", got)
	}
	if got := s.status(t, invoices, s.bearer); got != 401 {
		t.Errorf("with a token for Writ itself: %d", got)
	}
	good := s.apiToken(t)
	req, _ := http.NewRequestWithContext(t.Context(), "DELETE", invoices+"7", nil)
	req.Header.Set("Authorization", "Bearer "+good)
	if got, body := s.read(t, req); got != 403 {
		t.Errorf("without the role: %d %s", got, body)
	}

	var took []time.Duration
	for range 15 {
		token := s.apiToken(t)
		s.awaitStatus(t, "a good token", invoices, token, 200)
		s.must(t, 200, "POST", "/v1/logout", token, nil, nil)
		took = append(took, s.awaitStatus(t, "a revoked token", invoices, token, 401, 200))
	}
	slices.Sort(took)
	t.Logf("from the answer of the revoking call to the refusal: median %s, longest of %d %s", took[len(took)/2], len(took), took[len(took)-1])

	revoked := s.apiToken(t)
	s.awaitStatus(t, "before the cut", invoices, revoked, 200)
	line.cut()
	s.must(t, 200, "POST", "/v1/logout", revoked, nil, nil)
	cut := s.awaitStatus(t, "a token that was revoked behind the cut", invoices, revoked, 503, 200)
	s.awaitStatus(t, "a good token behind the cut", invoices, good, 503, 200)
	t.Logf("503 after %s without the log, at a maxStale of 3 s", cut.Round(time.Millisecond))
	line.mend()
	s.awaitStatus(t, "the revoked token once the log is back", invoices, revoked, 401, 503)
	s.awaitStatus(t, "the good token once the log is back", invoices, good, 200, 503)
}
