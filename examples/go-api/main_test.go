package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/guardtest"
	"github.com/writ-auth/writ/jwt"
)

const audience = "https://api.example.com"

func TestAPI(t *testing.T) {
	issuer := guardtest.NewIssuer(t)
	cfg := issuer.Config(audience)
	cfg.Public = []string{"GET /healthz"}
	cfg.Render = refused
	g, err := guard.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	h := api(g)
	user := issuer.Token(audience, jwt.AccessClaims{Claims: jwt.Claims{Subject: "u1"}})
	admin := issuer.Token(audience, jwt.AccessClaims{Claims: jwt.Claims{Subject: "a1"}, Roles: []string{"admin"}})
	for _, c := range []struct {
		method, path, token string
		code                int
		body                string
	}{
		{"GET", "/healthz", "", 200, "ok\n"},
		{"GET", "/orders", "", 401, "Unauthorized\n"},
		{"GET", "/orders", user, 200, "orders of u1\n"},
		{"DELETE", "/orders/7", user, 403, ""},
		{"DELETE", "/orders/7", admin, 200, "order \"7\" deleted by a1\n"},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		if c.token != "" {
			guardtest.Bearer(r, c.token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.code || c.body != "" && w.Body.String() != c.body {
			t.Errorf("%s %s: got %d %q, want %d %q", c.method, c.path, w.Code, w.Body, c.code, c.body)
		}
	}
	for _, hostile := range issuer.Hostile(audience) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, guardtest.Bearer(httptest.NewRequest("GET", "/orders", nil), hostile.Token))
		if w.Code != 401 {
			t.Errorf("%s: got %d, want 401", hostile.Name, w.Code)
		}
	}
}

// The log says why a token is refused, and the answer doesn't.
func TestRefusalIsLogged(t *testing.T) {
	var lines bytes.Buffer
	previous := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&lines, nil)))
	defer slog.SetDefault(previous)

	issuer := guardtest.NewIssuer(t)
	cfg := issuer.Config(audience)
	cfg.Render = refused
	g, err := guard.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	token := issuer.Token("https://other.example.com", jwt.AccessClaims{Claims: jwt.Claims{Subject: "u1"}})
	w := httptest.NewRecorder()
	api(g).ServeHTTP(w, guardtest.Bearer(httptest.NewRequest("GET", "/orders", nil), token))
	if w.Code != 401 || w.Body.String() != "Unauthorized\n" {
		t.Errorf("got %d %q, want 401 and nothing of the reason", w.Code, w.Body)
	}
	want := `path=/orders status=401 why="guard: jwt: token is for another audience: aud: expected \"` + audience + `\""`
	if !strings.Contains(lines.String(), want) || strings.Contains(lines.String(), token) {
		t.Errorf("the log says %q, want %q and no token", lines.String(), want)
	}
}

func TestSettings(t *testing.T) {
	env := map[string]string{"ISSUER": "https://env.example", "AUDIENCE": "env"}
	got, err := parse([]string{"-issuer", "https://flag.example"}, func(name string) string { return env[name] })
	want := settings{"localhost:3000", "https://flag.example", "env"}
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

// The program starts while its issuer is down, and ends when it is told to.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		args := []string{"-listen", "localhost:0", "-issuer", "http://localhost:1"}
		done <- run(ctx, args, func(string) string { return "" }, in)
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address, _, _ := strings.Cut(strings.TrimPrefix(line, "listening on "), " ")
	resp, err := http.Get(address + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("GET /healthz: got %d, want 200", resp.StatusCode)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
	if err := run(t.Context(), []string{"-issuer", "http://auth.example.com"}, func(string) string { return "" }, in); err == nil {
		t.Error("an issuer over plain http: got no error")
	}
}
