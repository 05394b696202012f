package admin_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/writ-auth/writ/server/internal/app"
	"github.com/writ-auth/writ/server/internal/config"
)

const (
	issuer    = "http://localhost:8080"
	adminMail = "root@example.com"
	password  = "correct horse battery staple"
)

// server is the whole application on a database of its own, without a port.
type server struct {
	t   *testing.T
	app *app.App
}

func start(t *testing.T) *server {
	t.Helper()
	cfg, err := config.Load(config.Source{
		Flags:   map[string]string{"data": t.TempDir(), "issuer": issuer},
		Environ: []string{"WRIT_ADMIN_EMAIL=" + adminMail, "WRIT_ADMIN_PASSWORD=" + password},
	})
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), cfg, app.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return &server{t, a}
}

// caller is who sends requests: with a bearer token, or as the operator.
type caller struct {
	t     *testing.T
	h     http.Handler
	token string
}

func (s *server) operator() caller { return caller{s.t, s.app.Operator(), ""} }

func (s *server) stranger() caller { return caller{s.t, s.app.Handler(), ""} }

// as signs in.
func (s *server) as(email string) caller {
	s.t.Helper()
	a := s.stranger().do("POST", "/v1/login", `{"email":"`+email+`","password":"`+password+`"}`).is(200, "")
	return caller{s.t, s.app.Handler(), a.str("access_token")}
}

// lesser makes an administrator with some permissions alone, and signs in.
func (s *server) lesser(name string, permissions ...string) caller {
	s.t.Helper()
	list, _ := json.Marshal(append([]string{}, permissions...))
	op := s.operator()
	op.do("POST", "/v1/admin/roles", `{"name":"`+name+`","permissions":`+string(list)+`}`).is(201, "")
	s.user(name+"@example.com", name)
	return s.as(name + "@example.com")
}

// user makes a user with roles, and answers the id.
func (s *server) user(email string, roles ...string) string {
	s.t.Helper()
	list, _ := json.Marshal(append([]string{}, roles...))
	return s.operator().do("POST", "/v1/admin/users", `{"email":"`+email+`","password":"`+password+`","roles":`+string(list)+`}`).is(201, "").str("id")
}

type answer struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	text   string
	body   map[string]any
}

func (c caller) do(method, path, body string, changes ...func(*http.Request)) *answer {
	c.t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(c.t.Context(), method, path, content)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for _, change := range changes {
		change(r)
	}
	w := httptest.NewRecorder()
	c.h.ServeHTTP(w, r)
	a := &answer{t: c.t, what: method + " " + path, status: w.Code, header: w.Header(), text: w.Body.String()}
	if strings.Contains(w.Header().Get("Content-Type"), "json") {
		if err := json.Unmarshal(w.Body.Bytes(), &a.body); err != nil {
			c.t.Errorf("%s: the answer is no JSON: %v: %s", a.what, err, a.text)
		}
	}
	return a
}

func (a *answer) is(status int, code string) *answer {
	a.t.Helper()
	got, _ := a.body["code"].(string)
	if a.status != status || got != code {
		a.t.Errorf("%s: status %d code %q, want %d %q: %s", a.what, a.status, got, status, code, a.text)
	}
	return a
}

func (a *answer) ok() *answer { a.t.Helper(); return a.is(http.StatusOK, "") }

func (a *answer) str(name string) string {
	a.t.Helper()
	v, ok := a.body[name].(string)
	if !ok || v == "" {
		a.t.Fatalf("%s: no %s in %s", a.what, name, a.text)
	}
	return v
}

// has checks a member, compared as JSON.
func (a *answer) has(name, want string) *answer {
	a.t.Helper()
	got, err := json.Marshal(a.body[name])
	if err != nil || string(got) != want {
		a.t.Errorf("%s: %s is %s, want %s", a.what, name, got, want)
	}
	return a
}

// column lists one member of every item of a list.
func (a *answer) column(name string) []string {
	a.t.Helper()
	var out []string
	items, ok := a.body["items"].([]any)
	if !ok {
		a.t.Fatalf("%s: no items in %s", a.what, a.text)
	}
	for _, item := range items {
		v, _ := item.(map[string]any)[name].(string)
		out = append(out, v)
	}
	return out
}
