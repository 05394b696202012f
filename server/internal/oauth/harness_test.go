package oauth_test

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
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

	orders = "https://orders.example" // signed with the server's own algorithm
	stock  = "https://stock.example"
)

// server is the whole application behind a real port, on a database that
// outlives it, with a clock that is told to move.
type server struct {
	t    *testing.T
	dir  string
	app  *app.App
	http *httptest.Server
	log  *buffer

	settings map[string]string // besides the usual ones

	mu     sync.Mutex
	now    time.Time
	probe  string   // the secret of the client that asks whether tokens are good
	hidden []string // secrets and tokens that must be nowhere on the disk or in the log
}

func (s *server) clock() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.now }

func (s *server) advance(d time.Duration) { s.mu.Lock(); defer s.mu.Unlock(); s.now = s.now.Add(d) }

// hide remembers what must not be found afterwards.
func (s *server) hide(secret string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hidden = append(s.hidden, secret)
	return secret
}

// start starts a server with two APIs; settings are name, value, name, value, …
func start(t *testing.T, settings ...string) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), log: new(buffer), settings: map[string]string{}, now: time.Date(2026, 3, 1, 12, 10, 0, 500e6, time.UTC)}
	for i := 0; i < len(settings); i += 2 {
		s.settings[settings[i]] = settings[i+1]
	}
	s.open()
	t.Cleanup(func() {
		s.close()
		s.checkHidden()
	})
	s.admin("POST", "/v1/admin/apis", `{"audience":"`+orders+`","scopes":["read","write"]}`).is(201)
	s.admin("POST", "/v1/admin/apis", `{"audience":"`+stock+`"}`).is(201)
	return s
}

func (s *server) open() {
	s.t.Helper()
	flags := map[string]string{"data": s.dir, "issuer": issuer}
	maps.Copy(flags, s.settings)
	cfg, err := config.Load(config.Source{
		Flags:   flags,
		Environ: []string{"WRIT_ADMIN_EMAIL=" + adminMail, "WRIT_ADMIN_PASSWORD=" + password},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if s.app, err = app.New(s.t.Context(), cfg, app.Options{Logger: slog.New(slog.NewJSONHandler(s.log, nil)), Now: s.clock}); err != nil {
		s.t.Fatal(err)
	}
	s.http = httptest.NewServer(s.app.Handler())
}

func (s *server) close() {
	s.http.Close()
	if err := s.app.Close(); err != nil {
		s.t.Error(err)
	}
}

func (s *server) restart() { s.close(); s.open() }

// anyJWT finds a JWT by the start of its payload. Its first three letters alone
// would also turn up in a random id, once in some thousand runs.
var anyJWT = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.eyJ`)

// checkHidden looks for secrets in every file of the data directory and in the
// log.
func (s *server) checkHidden() {
	files := map[string]string{"the log": s.log.String()}
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		files[d.Name()] = string(content)
		return err
	})
	if err != nil || len(files["writ.db"]) == 0 {
		s.t.Errorf("the database was not looked at: %v", err)
	}
	for name, content := range files {
		for _, secret := range append(s.hidden, password) {
			if strings.Contains(content, secret) {
				s.t.Errorf("%s holds %q", name, secret)
			}
		}
		if jwt := anyJWT.FindString(content); jwt != "" {
			s.t.Errorf("%s holds a JWT: %s…", name, jwt)
		}
	}
	if strings.Contains(s.log.String(), "panic") {
		s.t.Errorf("a handler panicked: %s", s.log)
	}
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) { b.mu.Lock(); defer b.mu.Unlock(); return b.b.Write(p) }
func (b *buffer) String() string              { b.mu.Lock(); defer b.mu.Unlock(); return b.b.String() }

// answer is an HTTP answer, read whole.
type answer struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	text   string
	body   map[string]any
}

// with changes a request before it is sent.
type with func(*http.Request)

func header(name, value string) with { return func(r *http.Request) { r.Header.Add(name, value) } }

func basic(id, secret string) with { return func(r *http.Request) { r.SetBasicAuth(id, secret) } }

func bearer(token string) with { return header("Authorization", "Bearer "+token) }

// send sends a request to the public port.
func (s *server) send(method, path, contentType, body string, changes ...with) *answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.http.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for _, change := range changes {
		change(r)
	}
	client := *s.http.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return read(s.t, method+" "+path, res.StatusCode, res.Header, string(text))
}

func read(t *testing.T, what string, status int, header http.Header, text string) *answer {
	t.Helper()
	a := &answer{t: t, what: what, status: status, header: header, text: text}
	if strings.Contains(header.Get("Content-Type"), "json") {
		if err := json.Unmarshal([]byte(text), &a.body); err != nil {
			t.Errorf("%s: the answer is no JSON: %v: %s", what, err, text)
		}
	}
	return a
}

// admin carries out a call of the admin API as its operator.
func (s *server) admin(method, path, body string) *answer {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.app.Operator().ServeHTTP(w, r)
	return read(s.t, method+" "+path, w.Code, w.Header(), w.Body.String())
}

const formType = "application/x-www-form-urlencoded"

// post sends a form: name, value, name, value, …
func (s *server) post(path string, pairs []string, changes ...with) *answer {
	s.t.Helper()
	return s.send("POST", path, formType, form(pairs...), changes...)
}

func form(pairs ...string) string {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v.Encode()
}

// is checks the status.
func (a *answer) is(status int) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: status %d, want %d: %s", a.what, a.status, status, a.text)
	}
	return a
}

// fails checks an error of OAuth (RFC 6749, section 5.2).
func (a *answer) fails(status int, code string) *answer {
	a.t.Helper()
	got, _ := a.body["error"].(string)
	if a.status != status || got != code {
		a.t.Errorf("%s: status %d error %q, want %d %q: %s", a.what, a.status, got, status, code, a.text)
	}
	if want := a.header.Get("WWW-Authenticate"); (status == 401) != strings.HasPrefix(want, "Basic ") {
		a.t.Errorf("%s: status %d with WWW-Authenticate %q", a.what, a.status, want)
	}
	if a.header.Get("Cache-Control") != "no-store" {
		a.t.Errorf("%s: an error may be cached: %q", a.what, a.header.Get("Cache-Control"))
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

// service is a client with what it authenticates with.
type service struct{ id, secret string }

// service makes a client; fields are further members of the request.
func (s *server) service(id, fields string) service {
	s.t.Helper()
	body := `{"client_id":"` + id + `"` + fields + `}`
	a := s.admin("POST", "/v1/admin/clients", body).is(201)
	secret, _ := a.body["client_secret"].(string)
	if secret != "" {
		s.hide(secret)
	}
	return service{id, secret}
}

// usual is a service that may ask tokens for both APIs.
func (s *server) usual(id string) service {
	s.t.Helper()
	return s.service(id, `,"grant_types":["client_credentials"],"audiences":["`+orders+`","`+stock+`"],"scope":"read write admin"`)
}

// basic authenticates with client_secret_basic.
func (c service) basic() with { return basic(url.QueryEscape(c.id), url.QueryEscape(c.secret)) }

// token gets a token for an API.
func (s *server) token(c service, audience string) string {
	s.t.Helper()
	a := s.post("/oauth/token", []string{"grant_type", "client_credentials", "audience", audience}, c.basic()).is(200)
	return a.str("access_token")
}

// signIn signs the first administrator in, for an API ("": Writ).
func (s *server) signIn(audience string) *answer {
	s.t.Helper()
	body := `{"email":"` + adminMail + `","password":"` + password + `"`
	if audience != "" {
		body += `,"audience":"` + audience + `"`
	}
	a := s.send("POST", "/v1/login", "application/json", body+"}").is(200)
	s.hide(a.str("refresh_token"))
	return a
}
