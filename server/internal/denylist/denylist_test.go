package denylist_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/internal/testenv"
	"github.com/writ-auth/writ/server/internal/denylist"
	"github.com/writ-auth/writ/server/internal/limit"
)

const (
	issuer = "https://auth.example.com"
	key    = "writ:revoked:https://auth.example.com"
)

// redisServer is a throwaway Redis or Valkey on a socket.
type redisServer struct {
	t      *testing.T
	socket string
	cmd    *exec.Cmd
}

func startRedis(t *testing.T) *redisServer {
	t.Helper()
	program := testenv.Need(t, testenv.Redis)
	dir, err := os.MkdirTemp("", "redis") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	s := &redisServer{t: t, socket: filepath.Join(dir, "s")}
	t.Cleanup(func() { s.kill(); os.RemoveAll(dir) })
	s.start(program)
	return s
}

func (s *redisServer) start(program string) {
	s.t.Helper()
	s.cmd = exec.Command(program, "--port", "0", "--unixsocket", s.socket, "--save", "", "--appendonly", "no", "--dir", filepath.Dir(s.socket))
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.until("Redis to start", func() bool {
		conn, err := net.Dial("unix", s.socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

func (s *redisServer) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	os.Remove(s.socket)
}

func (s *redisServer) url() string { return "unix://" + s.socket }

// do runs a command.
func (s *redisServer) do(name string, args ...any) any {
	s.t.Helper()
	conn, err := limit.Dial(s.t.Context(), s.url())
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	reply, err := conn.Do(name, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply
}

// until polls what another process does.
func (s *redisServer) until(what string, done func() bool) {
	s.t.Helper()
	for end := time.Now().Add(60 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// list answers the hash.
func (s *redisServer) list() map[string]string {
	s.t.Helper()
	all, err := redis.StringMap(s.do("HGETALL", key), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// head is what readers look at.
type head struct {
	Version   int
	Log       string
	Seq, Time int64
}

func (s *redisServer) head() (h head) {
	s.t.Helper()
	text, ok := s.list()["head"]
	if ok {
		if err := json.Unmarshal([]byte(text), &h); err != nil {
			s.t.Fatal(err)
		}
	}
	return h
}

// book is a revocation log in memory.
type book struct {
	mu      sync.Mutex
	id      string
	now     int64
	entries []revlog.Entry
	grown   chan struct{}
	away    bool
}

func newBook(id string) *book { return &book{id: id, now: 1_900_000_000, grown: make(chan struct{})} }

// name is what stands for an identifier.
func name(kind revlog.Kind, id string) string {
	h := revlog.Hash(kind, id)
	return base64url.Encode(h[:])
}

// change does something to the log and wakes who waits.
func (b *book) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	close(b.grown)
	b.grown = make(chan struct{})
}

// revoke adds entries for sessions, for an hour.
func (b *book) revoke(ids ...string) {
	b.change(func() {
		for _, id := range ids {
			b.entries = append(b.entries, revlog.Entry{Seq: uint64(len(b.entries) + 1), Kind: revlog.Session,
				Hash: revlog.Hash(revlog.Session, id), Expiry: b.now + 3600})
		}
	})
}

func (b *book) Page(ctx context.Context, after uint64, limit int, wait time.Duration) (revlog.Page, error) {
	p, grown, err := b.page(after, limit)
	if err != nil || len(p.Entries) > 0 || wait == 0 {
		return p, err
	}
	timer := time.NewTimer(min(wait, 10*time.Millisecond)) // a heartbeat needs no second here
	defer timer.Stop()
	select {
	case <-grown:
	case <-timer.C:
	case <-ctx.Done():
		return p, ctx.Err()
	}
	p, _, err = b.page(after, limit)
	return p, err
}

func (b *book) page(after uint64, limit int) (revlog.Page, chan struct{}, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away {
		return revlog.Page{}, nil, errors.New("no database")
	}
	p := revlog.Page{Log: b.id, First: 1, Head: uint64(len(b.entries)), Time: b.now}
	p.Entries = slices.Clone(b.entries[min(after, p.Head):])
	if len(p.Entries) > limit {
		p.Entries, p.More = p.Entries[:limit], true
	}
	return p, b.grown, nil
}

// lines is a log for operators.
type lines struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(b)
}
func (l *lines) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.Buffer.String() }

// run writes b's list until the test ends; through, if not nil, stands between.
func (s *redisServer) run(b *book, through func(denylist.Conn) denylist.Conn) *lines {
	s.t.Helper()
	out := &lines{}
	service := denylist.New(denylist.Options{Issuer: issuer, Log: b, Logger: slog.New(slog.NewTextHandler(out, nil)),
		Dial: func(ctx context.Context) (denylist.Conn, error) {
			conn, err := limit.Dial(ctx, s.url())
			if err != nil || through == nil {
				return conn, err
			}
			return through(conn), nil
		}})
	s.t.Cleanup(begin(service))
	return out
}

// runUntil writes b's list until stop is called.
func (s *redisServer) runUntil(b *book) (stop func()) {
	return begin(denylist.New(denylist.Options{Issuer: issuer, Log: b, Logger: slog.New(slog.DiscardHandler),
		Dial: func(ctx context.Context) (denylist.Conn, error) { return limit.Dial(ctx, s.url()) }}))
}

func begin(service *denylist.Service) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { service.Run(ctx) })
	return func() { cancel(); running.Wait() }
}

// current waits until the list says that it is whole, up to where the log is.
func (s *redisServer) current(b *book) {
	s.t.Helper()
	s.until("the list to be current", func() bool {
		b.mu.Lock()
		want := head{1, b.id, int64(len(b.entries)), b.now}
		b.mu.Unlock()
		return s.head() == want
	})
}

// holds checks that sessions are in the list.
func (s *redisServer) holds(when string, ids ...string) {
	s.t.Helper()
	list := s.list()
	holds(s.t, when, list, ids...)
	for field := range list {
		if strings.HasPrefix(field, "loading:") {
			s.t.Errorf("%s: left behind: %s", when, field)
		}
	}
}

func holds(t *testing.T, when string, list map[string]string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if _, ok := list[name(revlog.Session, id)]; !ok {
			t.Errorf("%s: %s is not in the list", when, id)
		}
	}
}

func TestFollowsTheLog(t *testing.T) {
	s, b := startRedis(t), newBook("log-1")
	b.revoke("a", "b")
	s.run(b, nil)
	s.current(b)
	s.holds("at first", "a", "b")
	b.revoke("c")
	s.current(b)
	s.holds("then", "a", "b", "c")
	b.change(func() { b.now += 5 })
	s.current(b) // the heartbeat, though nothing is revoked
	if n := len(s.list()); n != 4 {
		t.Errorf("%d fields, want three names and the head: %v", n, s.list())
	}
	if keys, _ := redis.Strings(s.do("KEYS", "*"), nil); !slices.Equal(keys, []string{key}) {
		t.Errorf("keys %q", keys)
	}
}

// TestRedisForgets: whatever Redis loses is written again.
func TestRedisForgets(t *testing.T) {
	s, b := startRedis(t), newBook("log-1")
	out := s.run(b, nil)
	b.revoke("a", "b")
	s.current(b)
	for what, lose := range map[string]func(){
		"flushed": func() { s.do("FLUSHALL") },
		"a replica without the last write was promoted": func() {
			s.do("EVAL", `redis.call('HDEL', KEYS[1], ARGV[1]); redis.call('HSET', KEYS[1], 'head', ARGV[2])`, 1, key,
				name(revlog.Session, "b"), `{"version":1,"log":"log-1","seq":1,"time":1900000000}`)
		},
		"started anew": func() { s.kill(); s.start(testenv.Need(t, testenv.Redis)) },
		"another log":  func() { s.do("HSET", key, "head", `{"version":1,"log":"other","seq":9,"time":1900000000}`) },
	} {
		lose()
		b.change(func() { b.now++ })
		s.current(b)
		s.holds(what, "a", "b")
	}
	if log := out.String(); strings.Count(log, "can't be kept current") != 1 || strings.Count(log, "current again") != 1 {
		t.Errorf("one outage, and the log says\n%s", log)
	}
}

// TestAnotherLog: after a restore the new log counts, and what was revoked stays.
func TestAnotherLog(t *testing.T) {
	s, b := startRedis(t), newBook("log-1")
	s.run(b, nil)
	b.revoke("a", "b")
	s.current(b)
	b.change(func() { b.id, b.entries = "log-2", nil })
	b.revoke("c")
	s.current(b)
	s.holds("after the restore", "a", "b", "c")
}

// TestLogAway: a node that can't read its database leaves the head to grow old.
func TestLogAway(t *testing.T) {
	s, b := startRedis(t), newBook("log-1")
	out := s.run(b, nil)
	b.revoke("a")
	s.current(b)
	before := s.head()
	b.change(func() { b.away, b.now = true, b.now+60 })
	if got := s.head(); got != before {
		t.Errorf("head %+v, want %+v", got, before)
	}
	b.change(func() { b.away = false })
	s.current(b)
	if strings.Contains(out.String(), "denylist") {
		t.Errorf("others say what is wrong with the database: %s", out)
	}
}

// TestManyEntriesAndNodes: pages, parts of pages, and several writers at once.
func TestManyEntriesAndNodes(t *testing.T) {
	s, b := startRedis(t), newBook("log-1")
	var ids []string
	for i := range 12_345 {
		ids = append(ids, fmt.Sprint("s", i))
	}
	b.revoke(ids...)
	s.run(b, nil)
	s.run(b, nil)
	s.current(b)
	b.revoke("late")
	s.current(b)
	s.holds("two nodes", append(ids, "late")...)
}

// lossy loses everything after some calls.
type lossy struct {
	denylist.Conn
	calls, loseAfter int
}

func (l *lossy) Do(command string, args ...any) (any, error) {
	if l.calls++; l.calls == l.loseAfter {
		if _, err := l.Conn.Do("FLUSHALL"); err != nil {
			return nil, err
		}
	}
	return l.Conn.Do(command, args...)
}

// TestLostWhileLoading: a list that lost its beginning before its end was
// written never has a head.
func TestLostWhileLoading(t *testing.T) {
	for after := 2; after <= 9; after++ { // head, begin, six parts, sweep
		s, b := startRedis(t), newBook("log-1")
		var ids []string
		for i := range 5_500 {
			ids = append(ids, fmt.Sprint("s", i))
		}
		b.revoke(ids...)
		dials := 0
		s.run(b, func(conn denylist.Conn) denylist.Conn {
			if dials++; dials > 1 {
				return conn
			}
			return &lossy{Conn: conn, loseAfter: after}
		})
		var list map[string]string // at one moment: it may be lost again
		s.until("a head", func() bool { list = s.list(); return list["head"] != "" })
		holds(t, fmt.Sprintf("lost before call %d", after), list, ids...)
	}
}

// TestExpiry: what has expired goes; of two entries for one identifier the longer
// counts, and what is for ever stays.
func TestExpiry(t *testing.T) {
	s, b := startRedis(t), newBook("log-1")
	entry := func(id string, expiry int64) {
		b.entries = append(b.entries, revlog.Entry{Seq: uint64(len(b.entries) + 1), Kind: revlog.Key, Hash: revlog.Hash(revlog.Key, id), Expiry: expiry})
	}
	b.change(func() {
		entry("short", b.now+10)
		entry("twice", b.now+100)
		entry("twice", b.now+10)
		entry("for ever", 0)
		entry("for ever", b.now+10)
	})
	s.run(b, nil)
	s.current(b)
	b.change(func() { b.now += 10 })
	s.until("the short one to go", func() bool { return s.list()[name(revlog.Key, "short")] == "" })
	list := s.list()
	if list[name(revlog.Key, "twice")] != fmt.Sprint(b.now+90) || list[name(revlog.Key, "for ever")] != "0" {
		t.Errorf("the list is %v", list)
	}
	b.change(func() { b.now += 90 })
	s.until("the other to go", func() bool { return s.list()[name(revlog.Key, "twice")] == "" })
	if list := s.list(); list[name(revlog.Key, "for ever")] != "0" || len(list) != 2 {
		t.Errorf("at last the list is %v", list)
	}
}
