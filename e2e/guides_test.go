package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/jwk"
)

// The tests of this file measure what docs/guides says. Sizes are compared with
// the guide; times differ from machine to machine and are logged (go test -v).

// issuerOfGuide is the issuer whose name is in the tokens of the guide.
const issuerOfGuide = "https://auth.example.com"

// guideAlgorithms are the columns of the table of sizes.
func guideAlgorithms() []string { return []string{"HS256", "ES256", "EdDSA", "RS256"} }

// guideAudience is as long for every algorithm.
func guideAudience(n int) string { return fmt.Sprintf("https://api%d.example.com", n) }

// TestTokenSizes signs people with ever more roles in and compares the sizes of
// their access tokens with the table in the guide.
func TestTokenSizes(t *testing.T) {
	s := running(t, "--issuer", issuerOfGuide)
	admin := s.signIn("").AccessToken
	for n, alg := range guideAlgorithms() {
		s.must(201, "POST", "/v1/admin/apis", admin, map[string]string{"audience": guideAudience(n), "algorithm": alg})
	}
	const roles, permissions = 30, 5
	for r := range roles {
		s.must(201, "POST", "/v1/admin/roles", admin, map[string]any{"name": guideRole(r), "permissions": guidePermissions(r, permissions)})
	}
	guide, err := os.ReadFile(filepath.Join("..", "docs", "guides", "what-a-jwt-costs.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, count := range []int{0, 2, 5, 20, roles} {
		row := fmt.Sprintf("| %d and %d |", count, count*permissions)
		for _, size := range s.tokenSizes(admin, count) {
			row += fmt.Sprintf(" %d |", size)
		}
		if !strings.Contains(string(guide), row+"\n") {
			t.Errorf("the guide's table of sizes lacks the row\n%s", row)
		}
	}
	held := s.signIn("")
	for what, size := range map[string]int{"A refresh token has": len(held.RefreshToken), "the opaque session cookie": len(s.sessionCookie().Value)} {
		if text := fmt.Sprintf("%s %d bytes", what, size); !strings.Contains(string(guide), text) {
			t.Errorf("the guide does not say %q", text)
		}
	}
}

func guideRole(n int) string { return fmt.Sprintf("warehouse-%02d", n) }

func guidePermissions(role, count int) (names []string) {
	for n := range count {
		names = append(names, fmt.Sprintf("stock:%02d:write:%02d", role, n))
	}
	return names
}

// tokenSizes makes a user with so many roles and answers the size of their
// token for each algorithm.
func (s *server) tokenSizes(admin string, roles int) (sizes []int) {
	s.t.Helper()
	email := fmt.Sprintf("ada.%02d@example.com", roles)
	names := []string{}
	for n := range roles {
		names = append(names, guideRole(n))
	}
	s.must(201, "POST", "/v1/admin/users", admin, map[string]any{
		"email": email, "password": adminPassword, "name": "Ada Lovelace", "roles": names})
	for n := range guideAlgorithms() {
		var held tokens
		s.must(200, "POST", "/v1/login", "", map[string]string{
			"email": email, "password": adminPassword, "audience": guideAudience(n)}).get(s.t, &held)
		sizes = append(sizes, len(held.AccessToken))
	}
	return sizes
}

// sessionCookie signs the administrator in in session mode.
func (s *server) sessionCookie() *http.Cookie {
	s.t.Helper()
	body, err := json.Marshal(map[string]string{"email": adminEmail, "password": adminPassword, "mode": "session"})
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), "POST", s.url("/v1/login"), bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	res.Body.Close()
	for _, c := range res.Cookies() {
		if strings.HasSuffix(c.Name, "writ_s") {
			return c
		}
	}
	s.t.Fatalf("status %d, and no session cookie", res.StatusCode)
	return nil
}

// counting counts the bytes that a connection sends.
type counting struct {
	net.Conn
	sent *atomic.Int64
}

func (c counting) Write(p []byte) (int, error) {
	c.sent.Add(int64(len(p)))
	return c.Conn.Write(p)
}

// TestHeaderBytes counts what Go's client sends for requests with one token over
// one connection: HTTP/1.1 repeats it, HTTP/2 sends it once if it fits into the
// table of 4,096 bytes that both sides keep.
func TestHeaderBytes(t *testing.T) {
	s := running(t)
	s.makeAPI()
	token := s.signIn(audience).AccessToken
	for _, value := range []string{token, strings.Repeat(token, 7)} {
		http1, http2 := bytesSent(t, false, value), bytesSent(t, true, value)
		t.Logf("a token of %d bytes: HTTP/1.1 sends %d, then %d; HTTP/2 %d, then %d", len(value), http1[0], http1[1], http2[0], http2[1])
		if http1[1] < len(value) {
			t.Errorf("HTTP/1.1 sent %d bytes with a token of %d", http1[1], len(value))
		}
		if fits := len(value) < 4000; fits != (http2[1] < 100) {
			t.Errorf("HTTP/2 sent %d bytes with a known token of %d", http2[1], len(value))
		}
	}
}

// bytesSent sends two requests and answers the bytes of each.
func bytesSent(t *testing.T, http2 bool, token string) (sent [2]int) {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	api := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	api.Config.Protocols = protocols
	api.Start()
	defer api.Close()
	var count atomic.Int64
	transport := &http.Transport{Protocols: protocols, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return counting{conn, &count}, err
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	get(t, client, api.URL, "") // the connection and its preface
	for n := range sent {
		before := count.Load()
		get(t, client, api.URL, token)
		sent[n] = int(count.Load() - before)
	}
	return sent
}

func get(t testing.TB, client *http.Client, url, token string, cookies ...*http.Cookie) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for _, c := range cookies {
		req.AddCookie(c)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d, %v", url, res.StatusCode, err)
	}
}

// TestCostOfARequest sets a request that a guard checks beside one that asks the
// server whose opaque cookie this is.
func TestCostOfARequest(t *testing.T) {
	s := running(t)
	s.makeAPI()
	api := protect(t, s)
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("ok")) }))
	defer bare.Close()
	token, cookie := s.signIn(audience).AccessToken, s.sessionCookie()
	cookie = &http.Cookie{Name: cookie.Name, Value: cookie.Value}
	kinds := []func(){
		func() { get(t, http.DefaultClient, bare.URL, "") },
		func() { get(t, http.DefaultClient, api.URL, token) },
		func() { get(t, http.DefaultClient, s.url("/v1/me"), "", cookie) },
	}
	times := make([][]time.Duration, len(kinds))
	for n := range 1200 { // in ever another order, so that all meet the same machine
		for i := range kinds {
			kind := (n + i*(1+n%2)) % len(kinds) // 1 and 2 steps on: both ways round
			times[kind] = append(times[kind], timed(kinds[kind]))
		}
	}
	t.Logf("median of an HTTP request: no check %v, guard %v, asking the server %v",
		quantile(times[0], 0.5), quantile(times[1], 0.5), quantile(times[2], 0.5))
}

func timed(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

func quantile(all []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[int(q*float64(len(sorted)-1))].Round(time.Microsecond)
}

// TestSharedSecretAPI ends a session whose tokens are signed with an API's own
// secret: a guard that has the secret and the log's address refuses them.
func TestSharedSecretAPI(t *testing.T) {
	s := running(t)
	var api struct{ Secret string }
	s.must(201, "POST", "/v1/admin/apis", s.signIn("").AccessToken, map[string]string{"audience": audience, "algorithm": "HS256"}).get(t, &api)
	key, err := jwk.NewSecret(jwk.HS256, []byte(api.Secret))
	if err != nil {
		t.Fatal(err)
	}
	g := newGuard(t, guard.Issuer{URL: s.url(""), Audience: []string{audience}, Keys: key, LogURL: s.url("/v1/revocations")})
	held := s.signIn(audience)
	if _, err := g.Verify(t.Context(), held.AccessToken); err != nil {
		t.Fatal(err)
	}
	s.must(401, "POST", "/v1/logout", held.AccessToken, nil) // the API itself could have made this token
	var out struct{ Seq uint64 }
	s.must(200, "POST", "/v1/logout", "", map[string]string{"refresh_token": held.RefreshToken}).get(t, &out)
	delaysAt(t, s, []*guard.Guard{g}, out.Seq)
	if _, err := g.Verify(t.Context(), held.AccessToken); !errors.Is(err, guard.ErrRevoked) {
		t.Errorf("after the log-out: %v, want ErrRevoked", err)
	}
}

// TestRevocationDelay measures from the answer to a log-out until each of ten
// guards has it.
func TestRevocationDelay(t *testing.T) {
	s := running(t)
	s.makeAPI()
	guards := make([]*guard.Guard, 10)
	for n := range guards {
		guards[n] = newGuard(t, guard.Issuer{URL: s.url(""), Audience: []string{audience}, Revocation: guard.Follow})
	}
	var first, last []time.Duration
	for range 30 {
		held := s.signIn(audience)
		for _, g := range guards {
			if _, err := g.Verify(t.Context(), held.AccessToken); err != nil {
				t.Fatal(err)
			}
		}
		var out struct{ Seq uint64 }
		s.must(200, "POST", "/v1/logout", held.AccessToken, nil).get(t, &out)
		delays := delaysAt(t, s, guards, out.Seq)
		first, last = append(first, slices.Min(delays)), append(last, slices.Max(delays))
		for _, g := range guards {
			if _, err := g.Verify(t.Context(), held.AccessToken); err == nil {
				t.Fatal("a guard that has the revocation accepts the token")
			}
		}
	}
	t.Logf("from the answer to a log-out until the first of %d guards has it: median %v; until the last: median %v, worst of %d %v",
		len(guards), quantile(first, 0.5), quantile(last, 0.5), len(last), quantile(last, 1))
	if worst := quantile(last, 1); worst > time.Second {
		t.Errorf("a revocation took %v, want at most a second", worst)
	}
}

func delaysAt(t *testing.T, s *server, guards []*guard.Guard, seq uint64) []time.Duration {
	t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	delays, errs := make([]time.Duration, len(guards)), make(chan error)
	for n, g := range guards {
		go func() {
			err := g.Synced(ctx, s.url(""), seq)
			delays[n] = time.Since(began)
			errs <- err
		}()
	}
	for range guards {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	return delays
}

func newGuard(t *testing.T, issuer guard.Issuer) *guard.Guard {
	t.Helper()
	g, err := guard.New(guard.Config{Issuers: []guard.Issuer{issuer}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := g.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	return g
}
