package app_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/internal/pgtest"
)

// TestAwaitTheFleet has one guard follow each of three nodes with credentials.
// What is revoked on any of them waits for all three.
func TestAwaitTheFleet(t *testing.T) {
	nodes, _ := fleet(t, pgtest.Start(t), 3)
	const issuer = "http://localhost:8080"
	admin := text(t, nodes[0].signIn(), "access_token")
	made := nodes[0].call(201, "POST", nodes[0].public+"/v1/admin/clients", admin, map[string]any{"client_id": "guards", "grant_types": []string{"client_credentials"}})
	known := &guard.Credentials{ClientID: "guards", ClientSecret: text(t, made, "client_secret")}
	user := nodes[0].call(201, "POST", nodes[0].public+"/v1/admin/users", admin, map[string]any{"email": "ann@example.com", "password": "correct horse battery"})
	var guards []*guard.Guard
	for _, n := range nodes {
		g, err := guard.New(guard.Config{Client: &http.Client{Transport: at{n}}, Issuers: []guard.Issuer{{URL: issuer, Audience: []string{issuer}, Credentials: known}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { g.Close() })
		guards = append(guards, g)
	}
	complete := func(end map[string]any) bool {
		return end["scope"] == "all" && end["of"] == 3.0 && end["acknowledged"] == 3.0
	}
	for i, n := range nodes {
		access := text(t, n.signIn(), "access_token")
		until(t, "the streams are open", func() error {
			for _, g := range guards {
				if err := g.Ready(t.Context()); err != nil {
					return err
				}
			}
			return nil
		})
		// A guard may be up to date a moment before its stream counts.
		for again := 0; ; again++ {
			end := n.call(200, "POST", n.public+"/v1/admin/revocations?wait=30s", admin, map[string]string{"token": access})
			if complete(end) {
				break
			}
			if again == 50 {
				t.Fatalf("revoked on node %d: %v", i, end)
			}
		}
		for k, g := range guards {
			if _, err := g.Verify(context.Background(), access); err == nil {
				t.Errorf("guard %d takes a token that it has acknowledged the end of", k)
			}
		}
		n.call(200, "POST", n.public+"/v1/login", "", map[string]string{"email": "ann@example.com", "password": "correct horse battery"})
		changed := n.call(200, "PATCH", n.public+"/v1/admin/users/"+text(t, user, "id")+"?wait=30s", admin, map[string]any{"disabled": true})
		if !complete(changed) || changed["disabled"] != true {
			t.Errorf("a user disabled on node %d: %v", i, changed)
		}
		n.call(200, "PATCH", n.public+"/v1/admin/users/"+text(t, user, "id"), admin, map[string]any{"disabled": false})
	}
}
