package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/internal/pgtest"
)

// laterMigration is one as a later version may have: it adds what a program that
// doesn't know it need not look at.
const laterMigration = `-- +goose Up
ALTER TABLE grants ADD COLUMN later TEXT;
ALTER TABLE sessions ADD COLUMN later BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN later BIGINT NOT NULL DEFAULT 0;
CREATE TABLE later (id BIGINT PRIMARY KEY, grant_id TEXT COLLATE "C" REFERENCES grants (id) ON DELETE CASCADE);
CREATE INDEX later_grant ON later (grant_id);
`

// versions builds the program and one with a further migration. Where
// TEST_UPGRADE_FROM names a program of an earlier version, it is that and today's.
func versions(t *testing.T) (older, newer string) {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	if earlier := os.Getenv("TEST_UPGRADE_FROM"); earlier != "" {
		return earlier, bin
	}
	added, err := filepath.Abs("../server/internal/store/migrations/postgres/9001_later.sql")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	text, list := filepath.Join(dir, "later.sql"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{added: text}})
	if err := errors.Join(err, os.WriteFile(text, []byte(laterMigration), 0o600), os.WriteFile(list, replace, 0o600)); err != nil {
		t.Fatal(err)
	}
	next, err := build("writ-later", "-overlay", list)
	if err != nil {
		t.Fatal(err)
	}
	return bin, next
}

// balancer stands before both nodes, at the issuer's address, and sends every
// request to the one it is told.
type balancer struct {
	port int
	to   atomic.Int64 // the port of a node
}

func newBalancer(t *testing.T) *balancer {
	b := &balancer{port: freePort(t)}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: "127.0.0.1:" + strconv.FormatInt(b.to.Load(), 10)})
		r.Out.Host = r.In.Host
	}, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }}
	server := &http.Server{Addr: "127.0.0.1:" + strconv.Itoa(b.port), Handler: proxy}
	go server.ListenAndServe()
	t.Cleanup(func() { server.Close() })
	return b
}

// node starts a server behind the balancer, and answers it as it is reached
// without that.
func (b *balancer) node(t *testing.T, s *server) (direct *server) {
	t.Helper()
	s.port, s.behind = b.port, freePort(t)
	b.to.Store(int64(s.behind))
	s.start()
	return s.direct()
}

// direct is a server as it is reached past the balancer, whose port it remembers.
func (s *server) direct() *server {
	copied := *s
	copied.port, copied.behind = s.behind, s.port
	return &copied
}

// TestRollingUpgrade starts a newer version beside an older one on one
// PostgreSQL. The older one serves while the newer migrates, and after it, and
// may start again; both have the rules of one.
func TestRollingUpgrade(t *testing.T) {
	earlier, later := versions(t)
	database := pgtest.Start(t).Database(t)
	b := newBalancer(t)
	first := onPostgres(t, earlier, database)
	older := b.node(t, first)
	older.makeAPI()

	stop := refreshing(t, older)
	second := newServer(t, later, first.flags...)
	newer := b.node(t, second)
	if n := stop(); n == 0 {
		t.Error("nobody refreshed while the newer version started")
	}
	t.Run("both", func(t *testing.T) { ruleOfOne(t, older.in(t), newer.in(t)) })

	first.kill()
	b.to.Store(int64(first.behind))
	first.start()
	t.Run("the older one again", func(t *testing.T) { ruleOfOne(t, first.direct().in(t), newer.in(t)) })
}

// refreshing refreshes a session at a server until stop is called, which answers
// how often. Whatever isn't 200 fails the test.
func refreshing(t *testing.T, s *server) (stop func() int) {
	ctx, cancel := context.WithCancel(t.Context())
	var busy sync.WaitGroup
	count, token := 0, s.signIn("").RefreshToken
	busy.Go(func() {
		for ctx.Err() == nil {
			a, err := call(t.Context(), "POST", s.url("/v1/refresh"), "", map[string]string{"refresh_token": token})
			if err != nil || a.status != 200 {
				t.Errorf("refresh %d at the older version: %d, %v: %s", count, a.status, err, a.body)
				return
			}
			var out tokens
			if err := json.Unmarshal(a.body, &out); err != nil {
				t.Error(err)
				return
			}
			token = out.RefreshToken
			count++
		}
	})
	return func() int { cancel(); busy.Wait(); return count }
}

// ruleOfOne plays sessions over two servers, each in both directions.
func ruleOfOne(t *testing.T, a, b *server) {
	for _, pair := range [][2]*server{{a, b}, {b, a}} {
		here, there := pair[0], pair[1]
		begun := here.signIn(audience)
		second := there.refresh(200, begun.RefreshToken)
		if again := here.refresh(200, begun.RefreshToken); again.RefreshToken != second.RefreshToken {
			t.Error("a second refresh with one token, on the other server, forked the session")
		}
		third := here.refresh(200, second.RefreshToken)
		there.refresh(401, begun.RefreshToken) // older than what was confirmed: theft
		here.refresh(401, third.RefreshToken)

		ended := here.signIn("")
		there.must(200, "GET", "/v1/me", ended.AccessToken, nil)
		here.must(200, "POST", "/v1/logout", ended.AccessToken, nil)
		there.refresh(401, ended.RefreshToken)
		there.becomes(401, ended.AccessToken)
		followed(t, here, there)
	}
}

func (s *server) refresh(status int, token string) (out tokens) {
	s.t.Helper()
	a := s.must(status, "POST", "/v1/refresh", "", map[string]string{"refresh_token": token})
	if status == 200 {
		a.get(s.t, &out)
	}
	return out
}

// becomes waits until the server answers so to an access token.
func (s *server) becomes(status int, token string) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		a, err := call(s.t.Context(), "GET", s.url("/v1/me"), token, nil)
		switch {
		case err == nil && a.status == status:
			return
		case time.Now().After(end):
			s.t.Fatalf("/v1/me: %d, %v, want %d", a.status, err, status)
		}
	}
}

// followed ends a session at one server while a guard follows the other.
func followed(t *testing.T, here, there *server) {
	t.Helper()
	g := follower(t, there.direct(), there.url("/v1/revocations"), nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := g.Ready(ctx); err != nil {
		t.Error(err)
		return
	}
	begun := here.signIn(audience)
	if _, err := g.Verify(ctx, begun.AccessToken); err != nil {
		t.Errorf("the guard refuses a good token: %v", err)
	}
	here.must(200, "POST", "/v1/logout", "", map[string]string{"refresh_token": begun.RefreshToken})
	refused(t, ctx, g, begun.AccessToken)
}

// refused waits until the guard knows that a token was revoked: to refuse it for
// any other reason is not enough.
func refused(t *testing.T, ctx context.Context, g *guard.Guard, token string) {
	t.Helper()
	for {
		_, err := g.Verify(ctx, token)
		if errors.Is(err, guard.ErrRevoked) {
			return
		}
		select {
		case <-ctx.Done():
			t.Errorf("the guard doesn't learn that a token was revoked: %v", err)
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}
