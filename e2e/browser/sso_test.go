package browser

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// application is examples/sso, running.
type application struct {
	name, origin string
	log          *bufio.Reader
}

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
	app := application{name: "Application " + letter, origin: fmt.Sprintf("http://%s.localhost:%d", id, port)}
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
	out, errOut := cmd.StdoutPipe()
	said, errSaid := cmd.StderrPipe()
	if err := errors.Join(errOut, errSaid); err != nil {
		t.Fatal(err)
	}
	app.log = bufio.NewReader(said)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != app.name+" is at "+app.origin+"\n" {
		t.Fatalf("examples/sso said %q", line)
	}
	return app
}

// reload visits a page until it shows a text, and answers how long that took.
func (b *tab) reload(url, want string) time.Duration {
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

// says waits until the application's log says something.
func (a application) says(t *testing.T, want string) {
	t.Helper()
	for {
		line, err := a.log.ReadString('\n')
		if strings.Contains(line, want) {
			return
		}
		if err != nil {
			t.Fatalf("%s did not say %q: %v", a.name, want, err)
		}
		t.Logf("%s: %s", a.name, line)
	}
}

// signedIn starts both applications, and signs alice in: at the first with her
// password, at the second without.
func signedIn(t *testing.T, backchannel bool) (a, b application, first, second *tab) {
	t.Helper()
	needBrowser(t)
	port := freePort(t)
	issuer := fmt.Sprintf("http://localhost:%d", port)
	s := startServer(t, "http", issuer, port, "--outbound-allow", "127.0.0.0/8")
	a, b = startApplications(t, s, issuer, backchannel)
	p := newProfile(t, nil)
	first = p.open(a.origin + "/")
	first.shows("You are not signed in.").submit("a", nil)
	first.shows(a.name).signInHere(aliceEmail, alicePassword)
	first.arrive("^" + a.origin + "/$")
	first.shows("Hello from the API of " + a.name)

	second = p.open(b.origin + "/")
	second.shows("You are not signed in.").submit("a", nil)
	second.arrive("^" + b.origin + "/$")
	second.shows("Hello from the API of " + b.name)
	return a, b, first, second
}

// TestSingleSignOn: who signs out at one application is signed out of both.
// Without back-channel log-out the other one learns it from its API, which
// refuses the access token.
func TestSingleSignOn(t *testing.T) {
	a, b, first, second := signedIn(t, false)
	first.submit("button", nil)
	first.arrive("^" + a.origin + "/$")
	first.shows("You are not signed in.")
	t.Logf("the API of the other application refused after %v", second.reload(b.origin+"/", "Your sign-in is over."))
	second.submit("a", nil)
	second.shows("Sign in").shows(b.name)
}

// TestSingleSignOnBackChannel: with it, the other application is told, and has
// ended its session before anybody asks it for a page.
func TestSingleSignOnBackChannel(t *testing.T) {
	_, b, first, second := signedIn(t, true)
	begun := time.Now()
	first.submit("button", nil)
	b.says(t, "back-channel log-out: ended 1 sessions")
	t.Logf("the other application was told after %v", time.Since(begun))
	second.visit(b.origin + "/")
	if text := second.shows("You are not signed in.").text(); strings.Contains(text, "over") {
		t.Errorf("its API was asked with a token of the past: %s", text)
	}
}
