package app_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/gomodule/redigo/redis"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/limit"
)

// TestDenylist: with --redis, who signed out is in Redis moments later.
func TestDenylist(t *testing.T) {
	url := startRedis(t)
	r := start(t, settings(t, map[string]string{"redis": url}))
	conn, err := limit.Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	list := func() map[string]string {
		all, err := redis.StringMap(conn.Do("HGETALL", "writ:revoked:http://localhost:8080"))
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	access := text(t, r.signIn(), "access_token")
	waitFor(t, "a list", func() bool { return list()["head"] != "" })
	var claims struct{ SID string }
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(access, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	hash := revlog.Hash(revlog.Session, claims.SID)
	name := base64.RawURLEncoding.EncodeToString(hash[:])
	if list()[name] != "" {
		t.Error("the session is in the list before its end")
	}
	r.call(200, "POST", r.public+"/v1/logout", access, nil)
	waitFor(t, "the session", func() bool { return list()[name] != "" })
}
