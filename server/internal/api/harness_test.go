package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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
	cfg *config.Config
	app *app.App
	log *syncBuffer

	mu  sync.Mutex
	now time.Time
}

func (s *server) clock() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.now }

func (s *server) advance(d time.Duration) { s.mu.Lock(); defer s.mu.Unlock(); s.now = s.now.Add(d) }

func start(t *testing.T, flags ...string) *server {
	t.Helper()
	s := &server{t: t, log: new(syncBuffer), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	given := map[string]string{"data": t.TempDir(), "issuer": issuer, "signup": "on"}
	for i := 0; i < len(flags); i += 2 {
		given[flags[i]] = flags[i+1]
	}
	cfg, err := config.Load(config.Source{Flags: given, Environ: []string{"WRIT_ADMIN_EMAIL=" + adminMail, "WRIT_ADMIN_PASSWORD=" + password}})
	if err != nil {
		t.Fatal(err)
	}
	s.cfg = cfg
	if s.app, err = app.New(t.Context(), cfg, app.Options{Logger: slog.New(slog.NewJSONHandler(s.log, nil)), Now: s.clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.app.Close(); err != nil {
			t.Error(err)
		}
		s.checkLog()
	})
	return s
}

// checkLog finds secrets that got into the log.
func (s *server) checkLog() {
	for _, secret := range []string{".eyJ", "writ_rt_", "writ_s_", password} {
		if strings.Contains(s.log.String(), secret) {
			s.t.Errorf("the log contains %q", secret)
		}
	}
	if strings.Contains(s.log.String(), "panic") {
		s.t.Errorf("a handler panicked: %s", s.log.String())
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}
func (b *syncBuffer) String() string { b.mu.Lock(); defer b.mu.Unlock(); return b.b.String() }

// with changes a request before it is sent.
type with func(*http.Request)

func bearer(token string) with {
	return func(r *http.Request) { r.Header.Add("Authorization", "Bearer "+token) }
}

func header(name, value string) with { return func(r *http.Request) { r.Header.Add(name, value) } }

func sameOrigin() with { return header("Sec-Fetch-Site", "same-origin") }

// cookies presents those that an answer set.
func cookies(of *answer) with {
	return func(r *http.Request) {
		for _, c := range of.cookies {
			if c.MaxAge > 0 {
				r.AddCookie(c)
			}
		}
	}
}

// answer is what came back.
type answer struct {
	t       *testing.T
	what    string
	status  int
	header  http.Header
	cookies []*http.Cookie
	text    string
	body    map[string]any
}

// do sends a request; body is JSON text, "" for none.
func (s *server) do(method, path, body string, changes ...with) *answer {
	s.t.Helper()
	return serve(s.t, s.app.Handler(), method, path, body, changes...)
}

func serve(t *testing.T, h http.Handler, method, path, body string, changes ...with) *answer {
	t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, path, content)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, change := range changes {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	a := &answer{t: t, what: method + " " + path, status: w.Code, header: w.Header(), cookies: w.Result().Cookies(), text: w.Body.String()}
	if strings.Contains(w.Header().Get("Content-Type"), "json") {
		if err := json.Unmarshal(w.Body.Bytes(), &a.body); err != nil {
			t.Errorf("%s: the answer is no JSON: %v: %s", a.what, err, a.text)
		}
	}
	return a
}

// is checks the status, and of a problem the code.
func (a *answer) is(status int, code string) *answer {
	a.t.Helper()
	got, _ := a.body["code"].(string)
	if a.status != status || got != code {
		a.t.Errorf("%s: status %d code %q, want %d %q: %s", a.what, a.status, got, status, code, a.text)
	}
	return a
}

func (a *answer) ok() *answer { a.t.Helper(); return a.is(http.StatusOK, "") }

// has checks a member of the body.
func (a *answer) has(name string, want any) *answer {
	a.t.Helper()
	if got := a.body[name]; got != want {
		a.t.Errorf("%s: %s is %v, want %v", a.what, name, got, want)
	}
	return a
}

func (a *answer) str(name string) string {
	a.t.Helper()
	v, ok := a.body[name].(string)
	if !ok || v == "" {
		a.t.Fatalf("%s: no %s in %s", a.what, name, a.text)
	}
	return v
}

func (a *answer) members() []string { return slices.Sorted(maps.Keys(a.body)) }

// cookie is one that the answer sets or clears, nil if it does neither.
func (a *answer) cookie(name string) *http.Cookie {
	for _, c := range a.cookies {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// encode makes JSON of name, value, name, value, …
func encode(t *testing.T, pairs ...any) string {
	t.Helper()
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// login signs in for tokens, more being further members of the body.
func (s *server) login(email string, more ...any) *answer {
	s.t.Helper()
	return s.do("POST", "/v1/login", encode(s.t, append([]any{"email", email, "password", password}, more...)...))
}

// browser signs in as a page of our own does.
func (s *server) browser(email, mode string) *answer {
	s.t.Helper()
	return s.do("POST", "/v1/login", encode(s.t, "email", email, "password", password, "mode", mode), sameOrigin()).ok()
}

// admin carries out a call of the admin API as its operator.
func (s *server) admin(method, path, body string) *answer {
	s.t.Helper()
	return serve(s.t, s.app.Operator(), method, path, body)
}

// user makes a user with the usual password.
func (s *server) user(email string, more ...any) string {
	s.t.Helper()
	body := encode(s.t, append([]any{"email", email, "password", password}, more...)...)
	return s.admin("POST", "/v1/admin/users", body).is(http.StatusCreated, "").str("id")
}

// api makes an API.
func (s *server) api(audience string, more ...any) *answer {
	s.t.Helper()
	return s.admin("POST", "/v1/admin/apis", encode(s.t, append([]any{"audience", audience}, more...)...)).is(http.StatusCreated, "")
}
