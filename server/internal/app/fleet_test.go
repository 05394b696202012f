package app_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/internal/pgtest"
	"github.com/writ-auth/writ/server/internal/app"
)

const fleetKey = "WRIT_MASTER_KEY=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

// fleet starts n nodes on one PostgreSQL, and answers its database.
func fleet(t *testing.T, server *pgtest.Server, n int) (nodes []*running, dsn string) {
	t.Helper()
	dsn = server.Database(t)
	for range n {
		nodes = append(nodes, start(t, settings(t, map[string]string{"database": dsn}, fleetKey)))
	}
	return nodes, dsn
}

func (r *running) refresh(want int, token string) map[string]any {
	r.t.Helper()
	return r.call(want, "POST", r.public+"/v1/refresh", "", map[string]string{"refresh_token": token})
}

// TestFleet plays one session over three nodes: they have the rules of one.
func TestFleet(t *testing.T) {
	nodes, _ := fleet(t, pgtest.Start(t), 3)
	first := nodes[0].signIn()
	parent := text(t, first, "refresh_token")
	second := nodes[1].refresh(200, parent)
	repeated := nodes[2].refresh(200, parent)
	if text(t, second, "refresh_token") != text(t, repeated, "refresh_token") {
		t.Error("a second refresh with one token, on another node, forked the session")
	}
	third := nodes[0].refresh(200, text(t, repeated, "refresh_token"))
	access := text(t, third, "access_token")
	for _, n := range nodes {
		n.call(200, "GET", n.public+"/v1/me", access, nil)
	}
	nodes[1].refresh(401, parent) // older than what was confirmed: theft, wherever it shows up
	for _, n := range nodes {
		n.call(401, "GET", n.public+"/v1/me", access, nil)
		n.refresh(401, text(t, third, "refresh_token"))
	}

	again := nodes[2].signIn()
	nodes[0].call(200, "POST", nodes[0].public+"/v1/logout", text(t, again, "access_token"), nil)
	for _, n := range nodes {
		n.call(401, "GET", n.public+"/v1/me", text(t, again, "access_token"), nil)
		n.refresh(401, text(t, again, "refresh_token"))
		page := n.call(200, "GET", n.public+"/v1/revocations", "", nil)
		if entries, _ := page["entries"].([]any); len(entries) != 2 {
			t.Errorf("the log has %v, want a theft and a log-out", page["entries"])
		}
		keys := n.call(200, "GET", n.public+"/jwks.json", "", nil)
		if list, _ := keys["keys"].([]any); len(list) != 1 {
			t.Errorf("the set has %v, want the one key that all share", keys["keys"])
		}
	}
}

// at sends all requests to one node, whatever host they name: the issuer's name
// is the balancer's.
type at struct{ node *running }

func (a at) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host, r.URL.Host = r.URL.Host, strings.TrimPrefix(a.node.public, "http://")
	return a.node.client.Transport.RoundTrip(r)
}

// follower is a guard that follows one node.
func (r *running) follower(issuer string) *guard.Guard {
	r.t.Helper()
	g, err := guard.New(guard.Config{Client: &http.Client{Transport: at{r}}, Issuers: []guard.Issuer{{URL: issuer, Audience: []string{issuer}}}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { g.Close() })
	return g
}

// TestRevocationReachesOtherNodes logs out on one node. Guards that follow the
// others refuse the token as soon as those have heard of it; how long that takes
// is logged, not judged.
func TestRevocationReachesOtherNodes(t *testing.T) {
	nodes, _ := fleet(t, pgtest.Start(t), 3)
	const issuer = "http://localhost:8080"
	guards := []*guard.Guard{nodes[1].follower(issuer), nodes[2].follower(issuer)}
	var slowest time.Duration
	for range 10 {
		access := text(t, nodes[0].signIn(), "access_token")
		for i, g := range guards {
			if _, err := g.Verify(t.Context(), access); err != nil {
				t.Fatalf("guard %d refuses a good token: %v", i, err)
			}
		}
		began := time.Now()
		nodes[0].call(200, "POST", nodes[0].public+"/v1/logout", access, nil)
		for _, g := range guards {
			until(t, "the guard refuses what was revoked", func() error {
				if _, err := g.Verify(t.Context(), access); err == nil {
					return errors.New("accepted")
				}
				return nil
			})
		}
		slowest = max(slowest, time.Since(began))
	}
	t.Logf("the slowest of 10 log-outs was known to both guards, and answered, after %v", slowest)
}

// until asks, for as long as a slow machine may take, until there is no error.
func until(t *testing.T, what string, ask func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestFleetKeys rotates on one node; the others publish the key and, once it is
// their turn, sign with it.
func TestFleetKeys(t *testing.T) {
	nodes, _ := fleet(t, pgtest.Start(t), 2)
	admin := text(t, nodes[0].signIn(), "access_token")
	next := nodes[0].call(202, "POST", nodes[0].public+"/v1/admin/keys/rotate", admin, map[string]string{})
	kid := text(t, next, "kid")
	published := func(want bool, kid string) {
		t.Helper()
		until(t, fmt.Sprintf("the other node publishes %s: %v", kid, want), func() error {
			set := nodes[1].call(200, "GET", nodes[1].public+"/jwks.json", "", nil)
			for _, k := range set["keys"].([]any) {
				if k.(map[string]any)["kid"] == kid {
					if want {
						return nil
					}
					return errors.New("it does")
				}
			}
			if want {
				return errors.New("it doesn't")
			}
			return nil
		})
	}
	published(true, kid)
	nodes[0].call(202, "POST", nodes[0].public+"/v1/admin/keys/rotate", admin, map[string]string{"compromised": kid})
	published(false, kid)
}

func TestFleetNeedsItsMasterKey(t *testing.T) {
	server := pgtest.Start(t)
	_, dsn := fleet(t, server, 1)
	other := settings(t, map[string]string{"database": dsn}, "WRIT_MASTER_KEY=AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
	a, err := app.New(t.Context(), other, options())
	if err == nil {
		a.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "WRIT_MASTER_KEY is not the one that sealed this database") {
		t.Errorf("a node with another master key: %v", err)
	}
	a, err = app.Open(t.Context(), settings(t, map[string]string{"database": server.Database(t)}, fleetKey), options())
	if err == nil {
		a.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "the database is empty") {
		t.Errorf("a verb on an empty database: %v", err)
	}
}

// TestLostDatabase takes PostgreSQL away: what rests on memory goes on, the rest
// says honestly that it can't, and all comes back by itself.
func TestLostDatabase(t *testing.T) {
	server := pgtest.StartOwn(t)
	nodes, _ := fleet(t, server, 1)
	n := nodes[0]
	tokens := n.signIn()
	server.Kill(t)
	n.call(503, "POST", n.public+"/v1/refresh", "", map[string]string{"refresh_token": text(t, tokens, "refresh_token")})
	n.call(503, "GET", n.admin+"/readyz", "", nil)
	n.call(200, "GET", n.public+"/jwks.json", "", nil)
	n.call(200, "GET", n.public+"/.well-known/openid-configuration", "", nil)
	server.Resume(t)
	until(t, "the node works again", func() error {
		req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), "GET", n.admin+"/readyz", nil)
		if err != nil {
			return err
		}
		res, err := n.client.Do(req)
		if err != nil {
			return err
		}
		res.Body.Close()
		if res.StatusCode != 200 {
			return errors.New(res.Status)
		}
		return nil
	})
	n.refresh(200, text(t, tokens, "refresh_token"))
}
