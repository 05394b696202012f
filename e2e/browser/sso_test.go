package browser

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// application is examples/sso, running.
type application struct{ name, origin string }

// startApplications starts two of it, which are registered at the server.
func startApplications(t *testing.T, s *server, issuer string, backchannel bool) (a, b application) {
	t.Helper()
	dir := t.TempDir()
	os.Getenv("TEST_RUN") // what is built lies outside of this module, past go test's cache
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "sso"), "./examples/sso")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return startApplication(t, s, issuer, dir, "a", backchannel), startApplication(t, s, issuer, dir, "b", backchannel)
}

func startApplication(t *testing.T, s *server, issuer, dir, letter string, backchannel bool) application {
	t.Helper()
	port, id := freePort(t), "app-"+letter
	app := application{"Application " + letter, fmt.Sprintf("http://%s.localhost:%d", id, port)}
	s.must(t, 201, "POST", "/v1/admin/apis", s.bearer, map[string]any{"audience": app.origin}, nil)
	client := map[string]any{"client_id": id, "client_name": app.name, "skip_consent": true, "audiences": []string{app.origin},
		"redirect_uris": []string{app.origin + "/callback"}, "post_logout_redirect_uris": []string{app.origin + "/"}}
	if backchannel {
		client["backchannel_logout_uri"] = fmt.Sprintf("http://127.0.0.1:%d/backchannel-logout", port)
	}
	var made struct {
		Secret string `json:"client_secret"`
	}
	s.must(t, 201, "POST", "/v1/admin/clients", s.bearer, client, &made)
	secret := filepath.Join(dir, letter+".secret")
	if err := os.WriteFile(secret, []byte(made.Secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(dir, "sso"), "-name", app.name, "-client", id, "-secret-file", secret,
		"-listen", fmt.Sprintf("127.0.0.1:%d", port), "-origin", app.origin, "-issuer", issuer)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != app.name+" is at "+app.origin+"\n" {
		t.Fatalf("examples/sso said %q", line)
	}
	go io.Copy(io.Discard, out)
	return app
}

// until reloads a page until it shows a text, and answers how long that took.
func (b *tab) until(url, want string) time.Duration {
	b.t.Helper()
	start := time.Now()
	for {
		b.visit(url)
		if text := b.text(); strings.Contains(text, want) {
			return time.Since(start)
		} else if time.Since(start) > 20*time.Second {
			b.t.Fatalf("%s still shows %q, want %q", url, text, want)
		}
	}
}

// TestSingleSignOn: who signs in at one application is signed in at the other
// without a password, and who signs out at one is signed out of both. Without
// back-channel log-out the second application learns it from its API, which
// refuses the access token.
func TestSingleSignOn(t *testing.T) {
	needBrowser(t)
	port := freePort(t)
	issuer := fmt.Sprintf("http://localhost:%d", port)
	s := startServer(t, "http", issuer, port, "--outbound-allow", "127.0.0.0/8")
	a, b := startApplications(t, s, issuer, false)
	p := newProfile(t, nil)
	first := p.open(a.origin + "/")
	first.shows("You are not signed in.").submit("a", nil)
	first.shows(a.name).signInHere(aliceEmail, alicePassword)
	first.arrive("^" + a.origin + "/$")
	first.shows("Hello from the API of " + a.name)

	second := p.open(b.origin + "/")
	second.shows("You are not signed in.").submit("a", nil)
	second.arrive("^" + b.origin + "/$")
	second.shows("Hello from the API of " + b.name)

	first.submit("button", nil)
	first.arrive("^" + a.origin + "/$")
	first.shows("You are not signed in.")
	t.Logf("the API of the other application refused after %v", second.until(b.origin+"/", "Your sign-in is over."))
	second.submit("a", nil)
	second.shows("Sign in").shows(b.name)
}
