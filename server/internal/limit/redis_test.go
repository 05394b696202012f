package limit_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/writ-auth/writ/internal/testenv"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/limit"
)

// redisServer is a throwaway Redis or Valkey on a socket.
type redisServer struct {
	program, socket string
	args            []string
	cmd             *exec.Cmd
}

func startRedis(t *testing.T, args ...string) *redisServer {
	t.Helper()
	program := testenv.Need(t, testenv.Redis)
	dir, err := os.MkdirTemp("", "redis") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	s := &redisServer{program: program, socket: filepath.Join(dir, "s"), args: append([]string{"--port", "0"}, args...)}
	t.Cleanup(func() { s.kill(); os.RemoveAll(dir) })
	s.start(t)
	return s
}

func (s *redisServer) start(t *testing.T) {
	t.Helper()
	args := []string{"--unixsocket", s.socket, "--save", "", "--appendonly", "no", "--dir", filepath.Dir(s.socket)}
	s.cmd = exec.Command(s.program, append(args, s.args...)...)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if conn, err := net.Dial("unix", s.socket); err == nil {
			conn.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatal("Redis doesn't start")
		}
	}
}

func (s *redisServer) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	os.Remove(s.socket)
}

func (s *redisServer) url() string { return "unix://" + s.socket }

// open connects a node. Without a key it shares with nobody; without a log it
// has time.
func (s *redisServer) open(t *testing.T, key []byte, log ...*lines) *limit.Redis {
	t.Helper()
	if key == nil {
		key = []byte(rand.Text())
	}
	out := &lines{}
	if len(log) > 0 {
		out = log[0]
	}
	r, err := limit.OpenRedis(limit.RedisOptions{URL: s.url(), Key: key, Logger: slog.New(slog.NewTextHandler(out, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	if len(log) == 0 {
		r.Patient()
	}
	return r
}

// lines is a log.
type lines struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(b)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.String(), text)
}

// dump answers all keys and values of a Redis, and the longest time to live.
func (s *redisServer) dump(t *testing.T) (all string, keys int, longest time.Duration) {
	t.Helper()
	c := s.client(t)
	names, err := redis.Strings(c.Do("KEYS", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		value, err1 := redis.String(c.Do("GET", name))
		ttl, err2 := redis.Int64(c.Do("PTTL", name))
		if err := errors.Join(err1, err2); err != nil || ttl <= 0 {
			t.Errorf("%s lives for %d ms, %v", name, ttl, err)
		}
		all += name + " " + value + "\n"
		longest = max(longest, time.Duration(ttl)*time.Millisecond)
	}
	return all, len(names), longest
}

// client is somebody else's connection to it.
func (s *redisServer) client(t *testing.T) redis.Conn {
	t.Helper()
	c, err := redis.Dial("unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestNodesCountTogether: what one node sees counts at the other.
func TestNodesCountTogether(t *testing.T) {
	server, c, key := startRedis(t), newClock(), []byte("a secret of the fleet")
	a := limit.NewShared(c.now, server.open(t, key), "people")
	b := limit.NewShared(c.now, server.open(t, key), "people")
	for range 5 {
		failTimes(t, a, 1, "ann@example.com", home)
		failTimes(t, b, 1, "Ann@example.com", home)
	}
	if d := fail(t, a, "ann@example.com", home); d != time.Second {
		t.Errorf("after ten failures at two nodes: wait %s, want 1s", d)
	}
	c.advance(time.Second)
	failTimes(t, b, 1, "ann@example.com", home)
	if d := fail(t, a, "ann@example.com", home); d != 2*time.Second {
		t.Errorf("after eleven: wait %s, want 2s", d)
	}
	if d := fail(t, limit.NewShared(c.now, server.open(t, key), "clients"), "ann@example.com", home); d != 0 {
		t.Errorf("a throttle of another name: wait %s", d)
	}
	if d := fail(t, limit.NewShared(c.now, server.open(t, []byte("another fleet's")), "people"), "ann@example.com", home); d != 0 {
		t.Errorf("another fleet: wait %s", d)
	}

	// A success at one node makes the address known at the other, however many
	// guess at the account from elsewhere.
	c.advance(2 * time.Second)
	if d := succeed(t, a, "ann@example.com", home); d != 0 {
		t.Fatalf("wait %s", d)
	}
	for i := range 44 { // after eleven from home
		failTimes(t, a, 1, "ann@example.com", fmt.Sprintf("10.0.%d.1", i))
		failTimes(t, b, 1, "ann@example.com", fmt.Sprintf("10.1.%d.1", i))
	}
	failTimes(t, a, 1, "ann@example.com", "10.2.0.1")
	if d := fail(t, b, "ann@example.com", "10.2.0.2"); d != time.Second {
		t.Errorf("guess 101 from a fresh address: wait %s, want 1s", d)
	}
	if d := succeed(t, b, "ann@example.com", home); d != 0 {
		t.Errorf("the owner waits %s at the other node", d)
	}
}

// TestNoNamesInRedis: whoever reads Redis learns of nobody, and it forgets.
func TestNoNamesInRedis(t *testing.T) {
	server, c := startRedis(t), newClock()
	c.redis = server.open(t, nil)
	th := c.throttle()
	failTimes(t, th, 3, "ann@example.com", home)
	succeed(t, th, "bob@example.com", other)
	if err := limit.Signups(c.now, c.redis).Take(t.Context(), home); err != nil {
		t.Fatal(err)
	}
	all, keys, longest := server.dump(t)
	for _, secret := range []string{"ann", "bob", "example", home, other, "192.0.2", "203.0.113"} {
		if strings.Contains(all, secret) {
			t.Errorf("%q is in Redis:\n%s", secret, all)
		}
	}
	if keys != 5 || longest > 30*24*time.Hour {
		t.Errorf("%d keys, the longest for %s:\n%s", keys, longest, all)
	}
	for line := range strings.Lines(all) {
		if !strings.HasPrefix(line, "writ:limit:") {
			t.Errorf("a key outside our name: %s", line)
		}
	}
}

// TestRedisGone: a node goes on for itself at once, and together when it can.
func TestRedisGone(t *testing.T) {
	for name, c := range map[string]struct {
		leave, back func(*testing.T, *redisServer)
	}{
		"killed":  {func(_ *testing.T, s *redisServer) { s.kill() }, func(t *testing.T, s *redisServer) { s.start(t) }},
		"stopped": {signal(syscall.SIGSTOP), signal(syscall.SIGCONT)},
	} {
		t.Run(name, func(t *testing.T) {
			server, clock, log, key := startRedis(t), newClock(), &lines{}, []byte("k")
			th := limit.NewShared(clock.now, server.open(t, key, log), "people")
			quota := limit.NewQuota(3, time.Hour, "enough", clock.now, server.open(t, key, &lines{}), "signups")
			failTimes(t, th, 5, "ann", home)
			if err := quota.Take(t.Context(), home); err != nil {
				t.Fatal(err)
			}
			c.leave(t, server)
			failTimes(t, th, 5, "ann", home) // what was counted together isn't forgotten
			if d := fail(t, th, "ann", home); d != time.Second {
				t.Errorf("while Redis is gone: wait %s, want 1s", d)
			}
			for range 2 {
				if err := quota.Take(t.Context(), home); err != nil {
					t.Errorf("while Redis is gone: %v", err)
				}
			}
			if err := quota.Take(t.Context(), home); err == nil {
				t.Error("while Redis is gone there is no quota")
			}
			if n := log.count("can't be reached"); n != 1 {
				t.Errorf("logged %d times:\n%s", n, log)
			}
			c.back(t, server)
			end := time.Now().Add(30 * time.Second)
			for i := 0; log.count("reached again") == 0; i++ {
				if time.Now().After(end) {
					t.Fatalf("it isn't noticed that Redis is back:\n%s", log)
				}
				_ = succeed(t, th, fmt.Sprint("somebody", i), other)
				time.Sleep(5 * time.Millisecond)
			}
			// Another node hears of the failures that were counted meanwhile.
			clock.advance(time.Second)
			failTimes(t, th, 1, "ann", home)
			if d := fail(t, limit.NewShared(clock.now, server.open(t, key), "people"), "ann", home); d == 0 {
				all, _, _ := server.dump(t)
				t.Log(all)
				t.Error("another node knows nothing of what happened while Redis was gone")
			}
			if n := log.count("can't be reached") + log.count("reached again"); n != 2 {
				t.Errorf("%d lines in the log, want 2:\n%s", n, log)
			}
		})
	}
}

func signal(s syscall.Signal) func(*testing.T, *redisServer) {
	return func(t *testing.T, server *redisServer) {
		if err := server.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRedisStartsLater: a node starts without it.
func TestRedisStartsLater(t *testing.T) {
	server, clock, log := startRedis(t), newClock(), &lines{}
	server.kill()
	th := limit.NewShared(clock.now, server.open(t, []byte("k"), log), "people")
	failTimes(t, th, 10, "ann", home)
	if d := fail(t, th, "ann", home); d != time.Second {
		t.Errorf("without Redis: wait %s, want 1s", d)
	}
	server.start(t)
	for end := time.Now().Add(30 * time.Second); log.count("reached again") == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it isn't noticed that Redis is there:\n%s", log)
		}
		_ = succeed(t, th, "somebody", other)
	}
}

func TestRedisURL(t *testing.T) {
	for _, url := range []string{"", "redis", "http://localhost", "redis://:hunter2@[::1", "redis://:hunter2@",
		"redis://cache/one", "redis://:hunter2@cache/0?master_set=main", "rediss://cache?skip_verify", "unix://"} {
		r, err := limit.OpenRedis(limit.RedisOptions{URL: url, Logger: slog.New(slog.DiscardHandler)})
		if err == nil {
			r.Close()
			t.Errorf("%q was taken", url)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error has the password: %v", err)
		}
	}
}

// TestForeignValues: what somebody else wrote under our names counts as nothing.
func TestForeignValues(t *testing.T) {
	server, c := startRedis(t), newClock()
	c.redis = server.open(t, nil)
	failTimes(t, c.throttle(), 3, "ann", home)
	if err := limit.Signups(c.now, c.redis).Take(t.Context(), home); err != nil {
		t.Fatal(err)
	}
	client := server.client(t)
	names, err := redis.Strings(client.Do("KEYS", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, err := client.Do("SET", name, "precious"); err != nil {
			t.Fatal(err)
		}
	}
	failTimes(t, c.throttle(), 10, "ann", home)
	if err := limit.Signups(c.now, c.redis).Take(t.Context(), home); err != nil {
		t.Error(err)
	}
}

func TestQuota(t *testing.T) {
	both(t, func(t *testing.T, fresh func() *clock) {
		c := fresh()
		q := limit.NewQuota(4, time.Hour, "enough", c.now, c.redis, "test")
		take := func(address string) time.Duration {
			t.Helper()
			err := q.Take(context.Background(), address)
			var e *auth.Error
			if errors.As(err, &e) && (e.Code != auth.CodeTooMany || e.Message != "enough" || e.RetryAfter <= 0) {
				t.Errorf("%+v", e)
			}
			return wait(t, err)
		}
		for range 4 {
			if d := take(home); d != 0 {
				t.Fatalf("one of the first four waits %s", d)
			}
		}
		if d := take(home); d != 15*time.Minute {
			t.Errorf("the fifth waits %s, want 15m", d)
		}
		if d := take(other); d != 0 {
			t.Errorf("another address waits %s", d)
		}
		c.advance(10 * time.Minute)
		if d := take(home); d != 5*time.Minute {
			t.Errorf("later it waits %s, want 5m: being refused costs nothing", d)
		}
		c.advance(5 * time.Minute)
		if d := take(home); d != 0 {
			t.Errorf("after what it was told: %s", d)
		}
		if d := take(home); d != 15*time.Minute {
			t.Errorf("and the next: %s, want 15m", d)
		}
		c.advance(24 * time.Hour)
		for range 4 {
			if d := take(home); d != 0 {
				t.Errorf("a day later: %s", d)
			}
		}
		key := limit.Network(home).String()
		for range 2 {
			q.GiveBackBy(t.Context(), key)
		}
		for i, want := range []time.Duration{0, 0, 15 * time.Minute} {
			if d := take(home); d != want {
				t.Errorf("take %d after two were given back: %s, want %s", i, d, want)
			}
		}
		for range 9 { // more than were taken: nobody gets more than all of it
			q.GiveBackBy(t.Context(), key)
		}
		for i, want := range []time.Duration{0, 0, 0, 0, 15 * time.Minute} {
			if d := take(home); d != want {
				t.Errorf("take %d after all was given back: %s, want %s", i, d, want)
			}
		}
		for i := range 4 {
			take(fmt.Sprintf("2001:db8::%x", i))
		}
		if d := take("2001:db8::ffff"); d == 0 {
			t.Error("another address of the same /64 has a quota of its own")
		}
	})
}

// TestQuotaTogether: two nodes have one quota.
func TestQuotaTogether(t *testing.T) {
	server, c, key := startRedis(t), newClock(), []byte("k")
	a := limit.NewQuota(4, time.Hour, "enough", c.now, server.open(t, key), "x")
	b := limit.NewQuota(4, time.Hour, "enough", c.now, server.open(t, key), "x")
	for i := range 4 {
		if err := []*limit.Quota{a, b}[i%2].Take(t.Context(), home); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range []*limit.Quota{a, b} {
		if err := q.Take(t.Context(), home); err == nil {
			t.Error("the fifth passes")
		}
	}
}
