package e2e

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/testenv"
)

// redis is a throwaway Redis or Valkey that can be killed.
type redis struct {
	t           *testing.T
	program     string
	dir, socket string
	cmd         *exec.Cmd
}

func newRedis(t *testing.T) *redis {
	t.Helper()
	r := &redis{t: t, program: testenv.Need(t, testenv.Redis)}
	var err error
	if r.dir, err = os.MkdirTemp("", "redis"); err != nil { // a socket's path must be short
		t.Fatal(err)
	}
	r.socket = filepath.Join(r.dir, "s")
	t.Cleanup(func() { r.kill(); os.RemoveAll(r.dir) })
	r.start()
	return r
}

func (r *redis) start() {
	r.cmd = exec.Command(r.program, "--port", "0", "--unixsocket", r.socket, "--save", "", "--appendonly", "no", "--dir", r.dir)
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *redis) kill() {
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
}

// has waits until so many servers are connected.
func (r *redis) has(servers int) {
	r.t.Helper()
	var last string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("unix", r.socket)
		if err != nil {
			continue
		}
		fmt.Fprint(conn, "CLIENT LIST\r\nQUIT\r\n")
		text, _ := io.ReadAll(conn)
		conn.Close()
		if last = string(text); strings.Count(last, " name=writ ") == servers {
			return
		}
	}
	r.t.Fatalf("Redis never had %d servers: %s", servers, last)
}

// guesses is how many wrong passwords servers take in turn before one refuses to
// look at more, at most 16.
func guesses(t *testing.T, account string, servers ...*server) int {
	t.Helper()
	for i := range 16 {
		s := servers[i%len(servers)]
		a, err := call(t.Context(), "POST", s.url("/v1/login"), "", map[string]string{"email": account, "password": "a wrong password"})
		switch {
		case err == nil && a.status == 429:
			return i
		case err != nil || a.status != 401:
			t.Fatalf("guess %d at %s: %d, %v: %s", i+1, account, a.status, err, a.body)
		}
	}
	return 16
}

// allowed is how many guesses are free. The delay after them is a second at
// first, in which a busy machine may not get to the next.
const allowed, late = 10, 3

// together wants servers to have one allowance between them. A server doesn't
// wait for a Redis that takes longer than 50 ms, as it may on a busy machine: so
// one account of some is enough, which separate allowances of ten would never give.
func together(t *testing.T, servers ...*server) {
	t.Helper()
	for range 4 {
		if n := guesses(t, rand.Text()+"@example.com", servers...); n >= allowed && n <= allowed+late {
			return
		}
	}
	t.Error("the servers don't count together")
}

// signingIn signs in at all servers without end, one after the other, until
// stop is called. Whatever isn't 200 fails the test.
func signingIn(t *testing.T, servers ...*server) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var slowest time.Duration
	count := 0
	all.Go(func() {
		body := map[string]string{"email": adminEmail, "password": adminPassword}
		for ctx.Err() == nil {
			for _, s := range servers {
				began := time.Now()
				a, err := call(t.Context(), "POST", s.url("/v1/login"), "", body)
				if err != nil || a.status != 200 {
					t.Errorf("a sign-in: %d, %v: %s", a.status, err, a.body)
				}
				slowest = max(slowest, time.Since(began))
				count++
			}
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		all.Wait()
		t.Logf("%d sign-ins, the slowest took %s", count, slowest)
	})
	t.Cleanup(stop)
	return stop
}

// TestRedisKilled: two servers count together; while Redis is dead each counts
// for itself, and nobody who signs in notices; then together again.
func TestRedisKilled(t *testing.T) {
	r := newRedis(t)
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	key := make([]byte, 32)
	rand.Read(key)
	file := filepath.Join(t.TempDir(), "master.key")
	if err := os.WriteFile(file, []byte(base64.RawURLEncoding.EncodeToString(key)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--redis", "unix://" + r.socket, "--master-key-file", file}
	a, b := newServer(t, bin, flags...), newServer(t, bin, flags...)
	a.start()
	b.start()
	r.has(2)
	stop := signingIn(t, a, b)

	together(t, a, b)
	r.kill()
	for _, s := range []*server{a, b} {
		if n := guesses(t, "bob@example.com", s); n < allowed || n > allowed+late {
			t.Errorf("a server by itself takes %d guesses", n)
		}
	}
	r.start()
	r.has(2)
	together(t, a, b)
	stop()
}
