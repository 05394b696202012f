package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/writ-auth/writ/internal/testenv"
)

// The examples are other people's libraries, at their own defaults, on what the
// built server issues and publishes.

// exampleAPI is a running example.
type exampleAPI struct {
	t   testing.TB
	url string
}

// startExpress starts the Express example for tokens of the server.
func startExpress(t testing.TB, s *server, alg string, env ...string) exampleAPI {
	t.Helper()
	node := testenv.NeedNodeModules(t, "../examples/express")
	return startExample(t, s, exec.Command(node, "server.js"), "express", append(env, "ALGORITHM="+alg))
}

func startPython(t testing.TB, s *server, alg string) exampleAPI {
	t.Helper()
	python := testenv.Need(t, testenv.Python)
	return startExample(t, s, exec.Command(python, "api.py"), "python", []string{"ALGORITHM=" + alg})
}

// startExample returns when the program has said where it listens.
func startExample(t testing.TB, s *server, cmd *exec.Cmd, dir string, env []string) exampleAPI {
	t.Helper()
	cmd.Dir = filepath.Join("..", "examples", dir)
	cmd.Env = append(os.Environ(), "PORT=0", "ISSUER="+s.url(""), "AUDIENCE="+audience)
	cmd.Env = append(cmd.Env, env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timeout := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	timeout.Stop()
	address := regexp.MustCompile(`^listening on (http://localhost:\d+) for tokens of ` + s.url("") + "\n$").FindStringSubmatch(line)
	if address == nil {
		cmd.Process.Kill()
		cmd.Wait()
		t.Fatalf("examples/%s did not start: %q\n%s", dir, line, &stderr)
	}
	go io.Copy(io.Discard, stdout)
	return exampleAPI{t, address[1]}
}

// in is the API as a subtest sees it.
func (e exampleAPI) in(t testing.TB) exampleAPI { return exampleAPI{t, e.url} }

// want fails unless the API answers with the status, and as RFC 6750 wants.
func (e exampleAPI) want(status int, method, path, token string) answer {
	e.t.Helper()
	a, err := call(e.t.Context(), method, e.url+path, token, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	if a.status != status {
		e.t.Errorf("%s %s: %d, want %d: %s", method, path, a.status, status, a.body)
		return a
	}
	challenge := ""
	switch {
	case status == http.StatusUnauthorized && token == "":
		challenge = `Bearer realm="api"`
	case status == http.StatusUnauthorized:
		challenge = `Bearer realm="api", error="invalid_token"`
	case status == http.StatusForbidden:
		challenge = `Bearer realm="api", error="insufficient_scope"`
	}
	if got := a.header.Get("WWW-Authenticate"); got != challenge {
		e.t.Errorf("%s %s: %d with WWW-Authenticate %q, want %q", method, path, status, got, challenge)
	}
	return a
}

// wantFor fails unless the API answers 200 and has read the subject.
func (e exampleAPI) wantFor(subject, path, token string) {
	e.t.Helper()
	var body struct{ For string }
	a := e.want(200, "GET", path, token)
	if json.Unmarshal(a.body, &body); a.status == 200 && body.For != subject {
		e.t.Errorf("GET %s is for %q, want %q: %s", path, body.For, subject, a.body)
	}
}

// addAPI registers an audience, and returns its secret if it has one.
func (s *server) addAPI(aud, alg string) (secret string) {
	s.t.Helper()
	var made struct{ Secret string }
	s.must(201, "POST", "/v1/admin/apis", s.signIn("").AccessToken, map[string]any{"audience": aud, "algorithm": alg}).get(s.t, &made)
	return made.Secret
}

// addUser makes an account and returns its id.
func (s *server) addUser(email string, roles ...string) string {
	s.t.Helper()
	var made struct{ ID string }
	s.must(201, "POST", "/v1/admin/users", s.signIn("").AccessToken,
		map[string]any{"email": email, "password": adminPassword, "roles": append([]string{}, roles...)}).get(s.t, &made)
	return made.ID
}

func (s *server) signInAs(email, aud string) tokens {
	s.t.Helper()
	var out tokens
	s.must(200, "POST", "/v1/login", "", map[string]string{"email": email, "password": adminPassword, "audience": aud}).get(s.t, &out)
	return out
}

// TestExpress calls the routes for tokens that are signed with a key pair.
func TestExpress(t *testing.T) {
	testenv.NeedNodeModules(t, "../examples/express")
	for _, alg := range []string{"RS256", "ES256"} {
		t.Run(alg, func(t *testing.T) {
			s := running(t)
			s.addAPI(audience, alg)
			testExample(t, s, startExpress(t, s, alg), alg, "/orders", "/reports")
		})
	}
}

func TestPython(t *testing.T) {
	testenv.Need(t, testenv.Python)
	for _, alg := range []string{"RS256", "ES256"} {
		t.Run(alg, func(t *testing.T) {
			s := running(t)
			s.addAPI(audience, alg)
			testExample(t, s, startPython(t, s, alg), alg, "/orders")
		})
	}
}

// testExample wants from an example what every API owes its callers, on each
// of the paths for everybody who has signed in.
func testExample(t *testing.T, s *server, api exampleAPI, alg string, paths ...string) {
	const other = "https://other.example.com"
	s.addAPI(other, alg)
	s.must(201, "POST", "/v1/admin/roles", s.signIn("").AccessToken, map[string]string{"name": "admin"})
	ada := s.addUser("ada@example.com")
	s.addUser("grace@example.com", "admin")
	session := s.signInAs("ada@example.com", audience)
	token := session.AccessToken

	api.want(200, "GET", "/healthz", "")
	api.want(401, "DELETE", "/orders/7", "")
	api.want(403, "DELETE", "/orders/7", token)
	api.want(200, "DELETE", "/orders/7", s.signInAs("grace@example.com", audience).AccessToken)

	f := s.forger(alg, audience)
	// A key that is in the set too, but for other APIs.
	otherKind := s.forger(map[string]string{"RS256": "ES256", "ES256": "RS256"}[alg], audience)
	for _, path := range paths {
		t.Run(strings.TrimPrefix(path, "/"), func(t *testing.T) {
			api := api.in(t)
			api.wantFor(ada, path, token)
			api.wantFor("usr_forged", path, f.sign(nil)) // or the refusals below would prove nothing
			api.wantFor("usr_forged", path, f.sign(func(header, _ map[string]any) { header["typ"] = "application/AT+JWT" }))
			api.want(401, "GET", path, "")
			refusesAll(t, api, path, f.wrongClaims())
			refusesAll(t, api, path, f.wrongSignatures())
			refusesAll(t, api, path, map[string]string{
				"ours, changed":             changed(t, token),
				"ours, for another API":     s.in(t).signInAs("ada@example.com", other).AccessToken,
				"ours, for Writ itself":     s.in(t).signIn("").AccessToken,
				"another kind of key":       otherKind.sign(nil),
				"another kind of key's kid": f.sign(func(header, _ map[string]any) { header["kid"] = otherKind.kid }),
			})
		})
	}

	// As both READMEs say: nobody tells these libraries.
	s.must(200, "POST", "/v1/logout", token, nil)
	api.wantFor(ada, paths[0], token)
}

// refusesAll checks that none of the tokens opens the path.
func refusesAll(t *testing.T, api exampleAPI, path string, tokens map[string]string) {
	t.Helper()
	for name, token := range tokens {
		t.Run(name, func(t *testing.T) { api.in(t).want(401, "GET", path, token) })
	}
}

// TestExpressSharedSecret calls the route of the API that shares a secret with
// the server, and changes the secret.
func TestExpressSharedSecret(t *testing.T) {
	testenv.NeedNodeModules(t, "../examples/express")
	const stock = "https://stock.example.com"
	s := running(t)
	s.addAPI(audience, "RS256")
	secret := s.addAPI(stock, "HS256")
	ada := s.addUser("ada@example.com")
	old := s.signInAs("ada@example.com", stock).AccessToken

	var next struct{ Secret string }
	s.must(201, "POST", "/v1/admin/apis/"+strings.ReplaceAll(stock, "/", "%2F")+"/secrets", s.signIn("").AccessToken, nil).get(t, &next)
	file := filepath.Join(t.TempDir(), "stock.secret")
	if err := os.WriteFile(file, []byte(secret+"\n"+next.Secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	api := startExpress(t, s, "RS256", "STOCK_SECRET_FILE="+file, "STOCK_AUDIENCE="+stock)
	api.wantFor(ada, "/stock", old)
	newer := s.signInAs("ada@example.com", stock).AccessToken
	if keyID(t, old) == keyID(t, newer) {
		t.Errorf("both tokens are signed with the secret %s", keyID(t, old))
	}
	api.wantFor(ada, "/stock", newer)

	f := s.forgerWith("HS256", []byte(secret), "any", stock)
	api.wantFor("usr_forged", "/stock", f.sign(nil))
	api.want(401, "GET", "/stock", "")
	refusesAll(t, api, "/stock", f.wrongClaims())
	refusesAll(t, api, "/stock", map[string]string{
		"ours, changed":      changed(t, old),
		"for another API":    s.signInAs("ada@example.com", audience).AccessToken,
		"another secret":     f.with(f.alg, []byte(strings.Repeat("x", 43))).sign(nil),
		"no secret":          f.with(f.alg, []byte{}).sign(nil),
		"without algorithm":  f.with(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType).sign(nil),
		"without signature":  cutSignature(old),
		"a longer hash":      f.with(jwt.SigningMethodHS512, f.key).sign(nil),
		"no token":           "a.b.c",
		"a key pair's token": s.forger("RS256", stock).sign(nil),
	})
	// The secret is worth nothing elsewhere.
	f.claims["aud"] = audience
	refusesAll(t, api, "/orders", map[string]string{"under the shared secret": f.sign(nil)})
}

// TestExamplesRotation changes the signing key under every example: tokens of
// the old and the new one are accepted throughout, with the libraries' caches
// and limits as they come.
func TestExamplesRotation(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			s := running(t, "--key-announce", "4s", "--jwks-max-age", "2s", "--access-ttl", "1m")
			s.addAPI(audience, alg)
			// Both ask for a rotation, and get the same one.
			t.Run("express", func(t *testing.T) {
				t.Parallel()
				rotates(t, s.in(t), startExpress(t, s, alg), alg, "/orders", "/reports")
			})
			t.Run("python", func(t *testing.T) {
				t.Parallel()
				rotates(t, s.in(t), startPython(t, s, alg), alg, "/orders")
			})
		})
	}
}

func rotates(t *testing.T, s *server, api exampleAPI, alg string, paths ...string) {
	session := s.signIn(audience)
	accepted := []string{session.AccessToken}
	check := func() {
		t.Helper()
		for _, path := range paths {
			for _, token := range accepted {
				api.in(t).want(200, "GET", path, token)
			}
		}
	}
	check()
	var next struct{ KID string }
	s.must(202, "POST", "/v1/admin/keys/rotate", s.signIn("").AccessToken, map[string]string{"algorithm": alg}).get(t, &next)
	deadline := time.Now().Add(15 * time.Second)
	for keyID(t, session.AccessToken) != next.KID {
		if time.Now().After(deadline) {
			t.Fatalf("the key %s doesn't sign after %v", next.KID, 15*time.Second)
		}
		check()
		select {
		case <-t.Context().Done():
		case <-time.After(100 * time.Millisecond): // the server has no way to tell
		}
		s.must(200, "POST", "/v1/refresh", "", map[string]string{"refresh_token": session.RefreshToken}).get(t, &session)
	}
	accepted = append(accepted, session.AccessToken)
	check()
}

func keyID(t testing.TB, token string) string {
	t.Helper()
	parsed, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	kid, _ := parsed.Header["kid"].(string)
	return kid
}

// TestExamplesWithoutIssuer wants 503: the token may be good.
func TestExamplesWithoutIssuer(t *testing.T) {
	s := running(t)
	s.addAPI(audience, "ES256")
	token := s.signIn(audience).AccessToken
	s.kill()
	t.Run("express", func(t *testing.T) {
		api := startExpress(t, s, "ES256")
		for _, path := range []string{"/orders", "/reports"} {
			if a := api.want(503, "GET", path, token); a.header.Get("Retry-After") == "" {
				t.Errorf("GET %s: 503 without Retry-After", path)
			}
			api.want(401, "GET", path, "")
		}
		api.want(200, "GET", "/healthz", "")
	})
	t.Run("python", func(t *testing.T) {
		api := startPython(t, s, "ES256")
		api.want(503, "GET", "/orders", token)
		api.want(401, "GET", "/orders", "")
		api.want(200, "GET", "/healthz", "")
	})
}

// TestExamplesMadeUpKeys sends tokens that name keys which don't exist. They
// must not make an API ask the server each time.
func TestExamplesMadeUpKeys(t *testing.T) {
	s := running(t)
	s.addAPI(audience, "ES256")
	token := s.signIn(audience).AccessToken
	f := s.forger("ES256", audience)
	// The server counts a request a moment after it has answered it.
	counted := func(least int) int {
		for deadline := time.Now().Add(10 * time.Second); s.keySetRequests() < least && time.Now().Before(deadline); {
			time.Sleep(5 * time.Millisecond) // another process: there is nothing to wait for but its answer
		}
		return s.keySetRequests()
	}
	asks := 0 // so far
	flood := func(api exampleAPI, want int) (asked int) {
		before := counted(asks + 1) // the good token's
		for i := range 20 {
			token := f.sign(func(header, _ map[string]any) { header["kid"] = fmt.Sprint("made-up-", i) })
			if a, err := call(t.Context(), "GET", api.url+"/orders", token, nil); err != nil || a.status == 200 {
				t.Errorf("a made-up key: %d, %v", a.status, err)
			}
		}
		asks = counted(before + want)
		return asks - before
	}
	t.Run("express", func(t *testing.T) {
		api := startExpress(t, s, "ES256")
		api.want(200, "GET", "/orders", token)
		if asked := flood(api, 9); asked != 9 {
			t.Errorf("the key set was asked for %d times, want jwks-rsa's 10 a minute, of which one was before", asked)
		}
		api.want(200, "GET", "/orders", token)
		// As the README says: it can't tell this from a key that it should ask for.
		api.want(503, "GET", "/orders", f.sign(nil))
	})
	t.Run("python", func(t *testing.T) {
		api := startPython(t, s, "ES256")
		api.want(200, "GET", "/orders", token)
		if asked := flood(api, 1); asked != 1 {
			t.Errorf("the key set was asked for %d times, want once", asked)
		}
		api.want(200, "GET", "/orders", token)
		api.want(200, "GET", "/orders", f.sign(nil))
	})
}

// keySetRequests is how often the server was asked for its keys.
func (s *server) keySetRequests() (n int) {
	s.t.Helper()
	a, err := call(s.t.Context(), "GET", fmt.Sprintf("http://127.0.0.1:%d/metrics", s.admin), "", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	counter := regexp.MustCompile(`(?m)^writ_http_requests_total\{route="GET /\.well-known/jwks\.json",status="200"\} (\d+)$`)
	if found := counter.FindSubmatch(a.body); found != nil {
		n, _ = strconv.Atoi(string(found[1]))
	}
	return n
}
