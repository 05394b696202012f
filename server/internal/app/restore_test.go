package app_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/internal/pgtest"
	"github.com/writ-auth/writ/server/internal/app"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/backup"
	"github.com/writ-auth/writ/server/internal/config"
)

// site is where a server is reached: first one, then another that was restored
// in its place, and nobody in between.
type site struct{ server atomic.Pointer[app.App] }

func (s *site) RoundTrip(r *http.Request) (*http.Response, error) {
	a := s.server.Load()
	if a == nil {
		return nil, errors.New("connection refused")
	}
	return inProcess{a.Handler()}.RoundTrip(r)
}

// desk sends requests to one server, as a client or as its operator.
type desk struct {
	t   *testing.T
	cfg *config.Config
	app *app.App
}

func (d desk) do(h http.Handler, method, path, body, bearer string) (int, map[string]any) {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.cfg.Issuer+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if strings.Contains(body, `"session"`) {
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	switch {
	case strings.HasPrefix(bearer, "Basic "):
		req.Header.Set("Authorization", bearer)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	case strings.HasPrefix(bearer, "writ_s="):
		req.Header.Set("Cookie", bearer)
	case bearer != "":
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := inProcess{h}.RoundTrip(req)
	if err != nil {
		d.t.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	out := map[string]any{}
	if len(text) > 0 && text[0] == '{' {
		if err := json.Unmarshal(text, &out); err != nil {
			d.t.Fatal(err)
		}
	}
	for _, c := range res.Cookies() {
		out["cookie"] = c.Name + "=" + c.Value
	}
	return res.StatusCode, out
}

// operate sends a request of the operator, which must succeed.
func (d desk) operate(method, path, body string) map[string]any {
	d.t.Helper()
	status, out := d.do(d.app.Operator(), method, path, body, "")
	if status/100 != 2 {
		d.t.Fatalf("%s %s: %d %v", method, path, status, out)
	}
	return out
}

func (d desk) status(method, path, body, bearer string) int {
	d.t.Helper()
	status, _ := d.do(d.app.Handler(), method, path, body, bearer)
	return status
}

func (d desk) signIn(login, more string) map[string]any {
	d.t.Helper()
	status, out := d.do(d.app.Handler(), "POST", "/v1/login", `{"email":"`+login+`","password":"`+password+`"`+more+`}`, "")
	if status != 200 {
		d.t.Fatalf("sign-in of %s: %d %v", login, status, out)
	}
	return out
}

// introspect asks whether a token is good, as the client "asker".
func (d desk) introspect(token, secret string) bool {
	d.t.Helper()
	status, out := d.do(d.app.Handler(), "POST", "/oauth/introspect", "token="+token, "Basic "+base64.StdEncoding.EncodeToString([]byte("asker:"+secret)))
	if status != 200 {
		d.t.Fatalf("introspection: %d %v", status, out)
	}
	return out["active"].(bool)
}

func (d desk) logID() string {
	d.t.Helper()
	_, out := d.do(d.app.Handler(), "GET", "/v1/revocations", "", "")
	return out["log"].(string)
}

func (d desk) backUp() []byte {
	d.t.Helper()
	req, _ := http.NewRequestWithContext(d.t.Context(), http.MethodGet, d.cfg.Issuer+"/v1/admin/backup", nil)
	res, err := inProcess{d.app.Operator()}.RoundTrip(req)
	if err != nil {
		d.t.Fatal(err)
	}
	data, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		d.t.Fatalf("back-up: %d, %v", res.StatusCode, err)
	}
	return data
}

func opened(t *testing.T, cfg *config.Config) desk {
	t.Helper()
	a, err := app.New(t.Context(), cfg, options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return desk{t, cfg, a}
}

func str(m map[string]any, name string) string { s, _ := m[name].(string); return s }

// TestRestore backs a server up, goes on for a while, restores, and looks for
// what must not come back.
func TestRestore(t *testing.T) {
	t.Run("in place", func(t *testing.T) {
		cfg := settings(t, nil)
		testRestore(t, cfg, cfg)
	})
	t.Run("into PostgreSQL", func(t *testing.T) {
		database := pgtest.Start(t).Database(t)
		cfg := settings(t, nil)
		to := settings(t, map[string]string{"database": database, "master-key-file": filepath.Join(cfg.Data, "master.key")})
		testRestore(t, cfg, to)
	})
}

func testRestore(t *testing.T, cfg, to *config.Config) {
	at := &site{}
	old := opened(t, cfg)
	at.server.Store(old.app)
	adaID := str(old.operate("POST", "/v1/admin/users", `{"email":"ada@example.com","password":"`+password+`"}`), "id")
	shared := str(old.operate("POST", "/v1/admin/apis", `{"audience":"urn:legacy","algorithm":"HS256"}`), "secret")
	secret := str(old.operate("POST", "/v1/admin/clients", `{"client_id":"asker","grant_types":["client_credentials"],"token_endpoint_auth_method":"client_secret_basic","audiences":["urn:legacy"]}`), "client_secret")
	ada, root := old.signIn("ada@example.com", ""), old.signIn(email, "")
	cookie := old.signIn("ada@example.com", `,"mode":"session"`)
	legacy := old.signIn("ada@example.com", `,"audience":"urn:legacy"`)
	log := old.logID()
	saved := old.backUp()

	// What happens from here on is forgotten by the restore.
	if status := old.status("POST", "/v1/logout-all", "", str(ada, "access_token")); status != 200 {
		t.Fatalf("log-out everywhere: %d", status)
	}
	old.operate("POST", "/v1/admin/keys/rotate", `{"compromised":"`+kidOf(t, str(root, "access_token"))+`"}`)
	later := old.signIn("ada@example.com", "")
	// The guard's first key set has the later key: had it fetched one for that
	// alone, it would not do so again soon.
	g, err := guard.New(guard.Config{Client: &http.Client{Transport: at}, Issuers: []guard.Issuer{{URL: cfg.Issuer, Audience: []string{cfg.Issuer}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if _, err := g.Verify(t.Context(), str(later, "access_token")); err != nil {
		t.Fatal(err)
	}
	lateLegacy := old.signIn("ada@example.com", `,"audience":"urn:legacy"`)
	if status := old.status("POST", "/v1/logout", "", str(lateLegacy, "access_token")); status == 200 {
		t.Fatal("this test wants to end the grant in another way")
	}
	old.operate("POST", "/v1/admin/revocations", `{"kind":"user","id":"`+adaID+`"}`)
	waitFor(t, "the guard knows that ada was ended", func() bool { _, err := g.Verify(t.Context(), str(later, "access_token")); return err != nil })
	rootLater := old.signIn(email, "")
	if _, err := g.Verify(t.Context(), str(rootLater, "access_token")); err != nil {
		t.Fatal(err)
	}

	at.server.Store(nil)
	if err := old.app.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := app.RestoreFile(t.Context(), to, options(), bytes.NewReader(saved), app.Restore{Replace: to == cfg})
	if err != nil {
		t.Fatal(err)
	}
	if out.Lost != nil || out.Issuer != cfg.Issuer || len(out.Secrets) != 1 || out.Secrets[0].Audience != "urn:legacy" {
		t.Errorf("%+v", out)
	}
	now := opened(t, to)
	at.server.Store(now.app)

	if id := now.logID(); id == log || id != out.Log {
		t.Errorf("the log's id is %s; it was %s, and restore says %s", id, log, out.Log)
	}
	for name, token := range map[string]string{"ada's": str(ada, "access_token"), "root's": str(root, "access_token"), "a later": str(later, "access_token"), "root's later": str(rootLater, "access_token"), "a cookie": str(cookie, "cookie")} {
		if status := now.status("GET", "/v1/me", "", token); status != 401 {
			t.Errorf("%s token: status %d, want 401", name, status)
		}
	}
	for name, answer := range map[string]map[string]any{"ada's": ada, "root's": root, "a later": later} {
		if status := now.status("POST", "/v1/refresh", `{"refresh_token":"`+str(answer, "refresh_token")+`"}`, ""); status != 401 {
			t.Errorf("%s refresh token: status %d, want 401", name, status)
		}
	}
	for name, token := range map[string]string{"an old": str(legacy, "access_token"), "a revoked": str(lateLegacy, "access_token")} {
		if now.introspect(token, secret) {
			t.Errorf("%s HS256 token is active", name)
		}
	}

	// Everybody can sign in, ada too, whose epoch in the back-up had ended when
	// the guard last heard of it.
	again, fresh := now.signIn("ada@example.com", ""), now.signIn("ada@example.com", `,"audience":"urn:legacy"`)
	if status := now.status("POST", "/v1/refresh", `{"refresh_token":"`+str(again, "refresh_token")+`"}`, ""); status != 200 {
		t.Errorf("a new refresh token: status %d", status)
	}
	waitFor(t, "the guard takes a new token", func() bool { _, err := g.Verify(t.Context(), str(again, "access_token")); return err == nil })
	old1, new1 := kidOf(t, str(legacy, "access_token")), kidOf(t, str(fresh, "access_token"))
	if _, err := jwt.Parse(str(fresh, "access_token"), func(*jwt.Token) (any, error) { return []byte(shared), nil }); err != nil || old1 == new1 {
		t.Errorf("the API's secret isn't what it was (%v), or has its old key id %s, %s", err, old1, new1)
	}
	if !now.introspect(str(fresh, "access_token"), secret) {
		t.Error("a new HS256 token is not active")
	}
	if to == cfg { // the keys of a database that was not replaced nobody can name
		for name, token := range map[string]string{"ada's": str(ada, "access_token"), "root's": str(root, "access_token"), "root's later": str(rootLater, "access_token")} {
			if _, err := g.Verify(t.Context(), token); err == nil {
				t.Errorf("the guard takes %s old token", name)
			}
		}
	}
	if page := now.operate("GET", "/v1/admin/audit?q=backup.restore", ""); len(page["items"].([]any)) != 1 {
		t.Errorf("the audit has %v", page)
	}
	if list := now.operate("GET", "/v1/admin/sessions", "")["items"].([]any); len(list) != 2 {
		t.Errorf("%d sessions are alive, want the two that began after the restore", len(list))
	}
}

// kidOf is the key ID in a token's header.
func kidOf(t *testing.T, token string) string {
	t.Helper()
	parsed, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Header["kid"].(string)
}

// waitFor asks until the other side has heard.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// TestBackupUnderLoad: while users, clients and revocations come in, each
// transaction is in a back-up whole or not at all.
func TestBackupUnderLoad(t *testing.T) {
	d := opened(t, settings(t, nil))
	stop := make(chan struct{})
	var writing sync.WaitGroup
	var made atomic.Int64
	for worker := range 4 {
		writing.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				name := fmt.Sprintf("w%d-%d", worker, i)
				d.operate("POST", "/v1/admin/users", `{"email":"`+name+`@example.com"}`)
				d.operate("POST", "/v1/admin/clients", `{"client_id":"`+name+`","grant_types":["client_credentials"],"token_endpoint_auth_method":"client_secret_basic"}`)
				d.operate("POST", "/v1/admin/revocations", `{"kind":"token","id":"`+auth.Random128()+`"}`)
				made.Add(1)
			}
		})
	}
	before := int64(-1)
	for range 5 {
		waitFor(t, "more is written", func() bool { return made.Load() > before+10 })
		before = made.Load()
		checkConsistent(t, d.backUp(), before)
	}
	close(stop)
	writing.Wait()
}

// checkConsistent compares what one transaction wrote to several tables.
func checkConsistent(t *testing.T, data []byte, least int64) {
	t.Helper()
	r, err := backup.NewReader(bytes.NewReader(data), nil)
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]map[string][]any{} // table, column → values
	for {
		table, values, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		from := r.Header.Tables[table]
		if column[from.Name] == nil {
			column[from.Name] = map[string][]any{}
		}
		for i, c := range from.Columns {
			column[from.Name][c.Name] = append(column[from.Name][c.Name], values[i])
		}
	}
	audited := map[string][]any{}
	for i, action := range column["audit"]["action"] {
		audited[action.(string)] = append(audited[action.(string)], column["audit"]["target"][i])
	}
	same := func(what string, a, b []any) {
		t.Helper()
		sorted := func(list []any) (out []string) {
			for _, v := range list {
				out = append(out, fmt.Sprint(v))
			}
			slices.Sort(out)
			return out
		}
		if x, y := sorted(a), sorted(b); !slices.Equal(x, y) {
			t.Errorf("%s: %d and %d differ", what, len(x), len(y))
		}
	}
	same("users and their making", column["users"]["id"], audited["user.create"])
	same("clients and their making", slices.DeleteFunc(slices.Clone(column["clients"]["id"]), func(id any) bool { return id == "writ" }), audited["client.create"])
	same("clients and their secrets", column["client_secrets"]["client_id"], audited["client.create"])
	if n := len(column["users"]["id"]); int64(n) < least {
		t.Errorf("%d users, but %d had been made before", n, least)
	}
	for i, seq := range column["log"]["seq"] {
		if seq != int64(i+1) {
			t.Fatalf("number %v is entry %d of the log", seq, i+1)
		}
	}
	// Each has two: of the token, and of what is exchanged for it.
	if n := len(column["log"]["seq"]); n == 0 || n != 2*len(audited["revoke.token"]) {
		t.Errorf("%d entries in the log, %d revocations", n, len(audited["revoke.token"]))
	}
}

// TestOneBackupAtATime: each holds on to a moment of the database.
func TestOneBackupAtATime(t *testing.T) {
	d := opened(t, settings(t, nil))
	reading, done := make(chan struct{}), make(chan struct{})
	slow := &slowClient{header: http.Header{}, reading: reading, done: done}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, d.cfg.Issuer+"/v1/admin/backup", nil)
	req.RemoteAddr, req.RequestURI = "127.0.0.1:1", "/v1/admin/backup"
	var first sync.WaitGroup
	first.Go(func() { d.app.Operator().ServeHTTP(slow, req) })
	<-reading
	if status, out := d.do(d.app.Operator(), "GET", "/v1/admin/backup", "", ""); status != 503 || out["code"] != "unavailable" {
		t.Errorf("a second back-up: %d %v", status, out)
	}
	close(done)
	first.Wait()
	d.backUp()
}

// slowClient takes the first bytes and then waits.
type slowClient struct {
	header        http.Header
	once          sync.Once
	reading, done chan struct{}
}

func (s *slowClient) Header() http.Header { return s.header }
func (s *slowClient) WriteHeader(int)     {}
func (s *slowClient) Write(b []byte) (int, error) {
	s.once.Do(func() { close(s.reading) })
	<-s.done
	return len(b), nil
}

// TestRestoreRefuses: what can't be restored changes nothing.
func TestRestoreRefuses(t *testing.T) {
	cfg := settings(t, nil)
	d := opened(t, cfg)
	saved := d.backUp()
	if err := d.app.Close(); err != nil {
		t.Fatal(err)
	}
	before := files(t, cfg.Data)
	ended, end := context.WithCancel(t.Context())
	end()
	for name, c := range map[string]struct {
		ctx  context.Context
		data []byte
		how  app.Restore
		want string
	}{
		"in the way":   {t.Context(), saved, app.Restore{}, "--replace puts it aside"},
		"cut short":    {t.Context(), saved[:len(saved)-1], app.Restore{Replace: true}, "the back-up is damaged"},
		"foreign":      {t.Context(), []byte("precious"), app.Restore{Replace: true}, "no back-up of Writ"},
		"given up":     {ended, saved, app.Restore{Replace: true}, "context canceled"},
		"contradicted": {t.Context(), twice(t, saved), app.Restore{Replace: true}, "its rows contradict each other"},
	} {
		_, err := app.RestoreFile(c.ctx, cfg, options(), bytes.NewReader(c.data), c.how)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if after := files(t, cfg.Data); !slices.Equal(after, before) {
			t.Errorf("%s: the files were\n%q, are\n%q", name, before, after)
		}
	}
	opened(t, cfg).signIn(email, "")
}

// files lists a directory, with what is in the files.
func files(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s %x", e.Name(), sha256.Sum256(data)))
	}
	return list
}

// twice is a back-up with its rows twice, and a right checksum.
func twice(t *testing.T, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := backup.Write(t.Context(), &out, doubled{data}, "", time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// doubled is the source of a back-up that was read, with each row twice.
type doubled struct{ data []byte }

func (d doubled) Setting(context.Context, string) (string, error) {
	return "http://localhost:8080", nil
}

func (d doubled) Dump(_ context.Context, begin func(int64, []auth.Table) error, row func(int, []any) error) error {
	r, err := backup.NewReader(bytes.NewReader(d.data), nil)
	if err != nil {
		return err
	}
	if err := begin(r.Header.Contents, r.Header.Tables); err != nil {
		return err
	}
	for {
		table, values, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err = errors.Join(err, row(table, values), row(table, values)); err != nil {
			return err
		}
	}
}
