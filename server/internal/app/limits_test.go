package app_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/pgtest"
	"github.com/writ-auth/writ/internal/testenv"
	"github.com/writ-auth/writ/server/internal/app"
)

// startRedis starts a throwaway Redis or Valkey and answers its URL.
func startRedis(t *testing.T) (url string) {
	t.Helper()
	program := testenv.Need(t, testenv.Redis)
	dir, err := os.MkdirTemp("", "redis") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	cmd := exec.Command(program, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _, _ = cmd.Process.Kill(), cmd.Wait(), os.RemoveAll(dir) })
	waitFor(t, "Redis starts", func() bool {
		conn, err := net.DialTimeout("unix", socket, time.Second)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return "unix://" + socket
}

// TestNodesThrottleTogether: who guesses at two nodes in turn gets no more
// guesses than at one.
func TestNodesThrottleTogether(t *testing.T) {
	redis, database := startRedis(t), pgtest.Start(t).Database(t)
	environ := "WRIT_MASTER_KEY=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	stands := time.Now() // or a slow machine would let the delay pass
	node := func() desk {
		cfg, opts := settings(t, map[string]string{"database": database, "redis": redis}, environ), options()
		opts.Now = func() time.Time { return stands }
		a, err := app.New(t.Context(), cfg, opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { a.Close() })
		return desk{t, cfg, a}
	}
	nodes := []desk{node(), node()}
	guess := func(d desk) int {
		return d.status("POST", "/v1/login", `{"email":"`+email+`","password":"wrong password"}`, "")
	}
	for i := range 10 {
		if status := guess(nodes[i%2]); status != 401 {
			t.Fatalf("guess %d: status %d, want 401", i+1, status)
		}
	}
	// A node that has to wait for Redis longer than 50 ms counts for itself, as on a
	// machine that has much else to do. Two that count apart take 20 guesses.
	for i, d := range nodes {
		status := guess(d)
		for more := 0; status == 401 && more < 3; more++ {
			status = guess(d)
		}
		if status != 429 {
			t.Errorf("more guesses at node %d: status %d, want 429", i+1, status)
		}
	}
}
