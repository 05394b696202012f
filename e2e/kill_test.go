package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const refreshers = 16

// TestKill kills the server in the middle of concurrent refreshes, again and
// again, and asks afterwards for all that it had answered. TEST_KILLS says how
// often; the default is short.
func TestKill(t *testing.T) {
	kills := 20
	if n, err := strconv.Atoi(os.Getenv("TEST_KILLS")); err == nil {
		kills = n
	}
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	history := killLoop(t, bin, kills)
	for _, v := range history.violations {
		t.Error(v)
	}
	t.Logf("%d kills, %d refreshes acknowledged, %d answers lost, %d log-outs kept", kills, history.refreshed, history.lost, len(history.ended))
	if history.refreshed < kills*refreshers || history.lost == 0 {
		t.Errorf("too little happened to prove anything: %d refreshes, %d lost answers", history.refreshed, history.lost)
	}
}

// TestKillCatchesEarlyAnswers plants the fault that TestKill looks for, a
// writer that answers before its commit, and wants the same checker to see it.
func TestKillCatchesEarlyAnswers(t *testing.T) {
	bin, err := build("writ-early", "-overlay", earlyAnswers(t))
	if err != nil {
		t.Fatal(err)
	}
	history := killLoop(t, bin, 10)
	if len(history.violations) == 0 {
		t.Errorf("ten kills of a server that answers before it commits went unnoticed (%d refreshes)", history.refreshed)
	}
}

// earlyAnswers writes a build overlay in which the store's writer, when several
// wait, answers first and commits a little later. (When one waits it does not:
// a server that can't read its own first keys back would not start.)
func earlyAnswers(t *testing.T) string {
	t.Helper()
	return overlay(t, "../server/internal/store/writer.go",
		turn{`	if _, err := w.sql.exec(ctx, "COMMIT"); err != nil {`, `	early := len(batch) > 1
	if early {
		for _, j := range batch {
			close(j.done)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if _, err := w.sql.exec(ctx, "COMMIT"); err != nil {`},
		turn{"			j.err = err\n		}\n		close(j.done)\n", "			j.err = err\n		}\n		if len(ran) == 1 {\n			close(j.done)\n		}\n"})
}

// turn replaces a piece of source that stands there once.
type turn struct{ from, to string }

// overlay writes a build overlay in which a file is changed. It fails when the
// source no longer looks as expected, so that a planted fault can't silently
// vanish.
func overlay(t *testing.T, file string, turns ...turn) string {
	t.Helper()
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	planted := string(source)
	for _, turn := range turns {
		if strings.Count(planted, turn.from) != 1 {
			t.Fatalf("%s no longer has, once, what this test turns around:\n%s", file, turn.from)
		}
		planted = strings.Replace(planted, turn.from, turn.to, 1)
	}
	replaced := filepath.Join(t.TempDir(), filepath.Base(file))
	list := filepath.Join(t.TempDir(), "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{path: replaced}})
	if err := errors.Join(err, os.WriteFile(replaced, []byte(planted), 0o600), os.WriteFile(list, text, 0o600)); err != nil {
		t.Fatal(err)
	}
	return list
}

// history is what the clients saw.
type history struct {
	mu              sync.Mutex
	refreshed, lost int
	ended           []string // refresh tokens of sessions whose log-out was acknowledged
	violations      []string
}

func (h *history) violation(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.violations = append(h.violations, fmt.Sprintf(format, args...))
}

// killLoop runs refreshers against a server that is killed and started again,
// and checks after each start that nothing acknowledged was forgotten.
func killLoop(t *testing.T, bin string, kills int) *history {
	s := newServer(t, bin)
	s.start()
	h := &history{}
	clients := make([]*refresher, refreshers)
	for i := range clients {
		clients[i] = &refresher{server: s, history: h, name: strconv.Itoa(i)}
		clients[i].token = s.signIn("").RefreshToken
	}
	for round := range kills {
		load(t.Context(), s, clients)
		s.start()
		for _, c := range clients {
			c.check(t.Context(), round)
		}
		h.checkEnded(t.Context(), s)
		if round%5 == 4 {
			clients[rand.IntN(len(clients))].replace(t.Context())
		}
	}
	return h
}

// load lets all clients refresh until the server is killed among them.
func load(ctx context.Context, s *server, clients []*refresher) {
	var wg sync.WaitGroup
	for _, c := range clients {
		wg.Go(func() { c.run(ctx) })
	}
	// The moment of the kill is the experiment: it must fall anywhere.
	time.Sleep(50*time.Millisecond + rand.N(200*time.Millisecond))
	s.kill()
	wg.Wait()
}

// refresher is one client with one session.
type refresher struct {
	server  *server
	history *history
	name    string
	token   string // the newest one that it was given
}

// run refreshes until no answer comes any more.
func (c *refresher) run(ctx context.Context) {
	for c.refresh(ctx) == nil {
	}
}

// refresh presents the newest token. Every answer but a new token is a
// violation: this client never did anything wrong.
func (c *refresher) refresh(ctx context.Context) error {
	a, err := call(ctx, "POST", c.server.url("/v1/refresh"), "", map[string]string{"refresh_token": c.token})
	c.history.mu.Lock()
	defer c.history.mu.Unlock()
	if err != nil {
		c.history.lost++
		return err
	}
	var out tokens
	if a.status != 200 || json.Unmarshal(a.body, &out) != nil || out.RefreshToken == "" {
		c.history.violations = append(c.history.violations, fmt.Sprintf("client %s: refresh answered %d %s", c.name, a.status, a.code()))
		return errors.New("refused")
	}
	c.token = out.RefreshToken
	c.history.refreshed++
	return nil
}

// check refreshes once against the restarted server.
func (c *refresher) check(ctx context.Context, round int) {
	if err := c.refresh(ctx); errors.Is(err, errNoAnswer) {
		c.history.violation("client %s: no answer after restart %d: %v", c.name, round, err)
	} else if err != nil { // signed out: noted already; go on with a new session
		c.token = c.server.signIn("").RefreshToken
	}
}

// replace logs out, which must stay so for ever, and signs in again.
func (c *refresher) replace(ctx context.Context) {
	a, err := call(ctx, "POST", c.server.url("/v1/logout"), "", map[string]string{"refresh_token": c.token})
	if err != nil || a.status != 200 {
		c.history.violation("client %s: log-out answered %d %v", c.name, a.status, err)
		return
	}
	c.history.ended = append(c.history.ended, c.token)
	c.token = c.server.signIn("").RefreshToken
}

// checkEnded presents the tokens of ended sessions.
func (h *history) checkEnded(ctx context.Context, s *server) {
	for _, token := range h.ended {
		a, err := call(ctx, "POST", s.url("/v1/refresh"), "", map[string]string{"refresh_token": token})
		if err != nil || a.status != 401 || a.code() != "session_ended" {
			h.violation("a session that was logged out answered %d %s %v", a.status, a.code(), err)
		}
	}
}
