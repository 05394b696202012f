package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-auth/writ/internal/testenv"
)

// startVite builds the example for a Writ, and serves it.
func startVite(t *testing.T, issuer string) (origin string) {
	t.Helper()
	needBrowser(t)
	dir, out := filepath.Join("..", "..", "examples", "spa"), t.TempDir()
	node := testenv.NeedNodeModules(t, dir)
	os.Getenv("TEST_RUN") // what it reads lies outside of this module, past go test's cache
	program := filepath.Join("node_modules", "vite", "bin", "vite.js")
	cmd := exec.Command(node, program, "build", "--outDir", out, "--emptyOutDir")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "WRIT_ISSUER="+issuer)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("vite build: %v\n%s", err, text)
	}
	port := freePort(t)
	startNode(t, dir, `(localhost)`, []string{"WRIT_ISSUER=" + issuer, "NO_COLOR=1"}, program, "preview", "--outDir", out, "--strictPort", "--port", fmt.Sprint(port))
	return fmt.Sprintf("http://localhost:%d", port)
}

// TestClientSPA signs in to the example, reloads, checks tokens in the page, and
// signs out where another tab sees it.
func TestClientSPA(t *testing.T) {
	port := freePort(t)
	issuer := fmt.Sprintf("http://localhost:%d", port)
	s := startServer(t, "http", issuer, port)
	origin := startVite(t, issuer)
	p := newProfile(t, nil)
	b := p.open(origin + "/")
	b.awaitPage("without a session", "/", "Sign in")
	b.run(nil, fillSignIn, json.RawMessage(fmt.Sprintf(`{"email":%q,"password":"wrong password"}`, aliceEmail)))
	b.awaitText("a wrong password", "[role=alert]", "Wrong e-mail or password.")
	b.run(nil, fillSignIn, json.RawMessage(fmt.Sprintf(`{"email":%q,"password":%q}`, aliceEmail, alicePassword)))
	b.awaitPage("sign-in", "/", signedInAs)
	if got := scriptSees(b); got != "" {
		t.Errorf("document.cookie is %q", got)
	}
	b.leave(`() => { location.reload() }`, nil)
	b.awaitPage("reload", "/", signedInAs)

	token := func() string {
		var in struct {
			AccessToken string `json:"access_token"`
		}
		s.must(t, 200, "POST", "/v1/login", "", map[string]any{"email": aliceEmail, "password": alicePassword, "mode": "token"}, &in)
		return in.AccessToken
	}()
	check := func(token string) {
		b.run(nil, `(token) => {
			document.querySelector("textarea").value = token;
			document.querySelector("form").requestSubmit();
		}`, token)
	}
	check(token)
	b.awaitText("a good token", "#claims", `"email": "`+aliceEmail+`"`)
	check(changedToken(token))
	b.awaitText("a changed one", "#claims", "Refused: signature")
	check("abc")
	b.awaitText("no token at all", "#claims", "Refused: not a token")

	two := p.open(origin + "/")
	two.awaitPage("second tab", "/", signedInAs)
	b.run(nil, `() => [...document.querySelectorAll("button")].find((b) => b.textContent === "Sign out").click()`, nil)
	b.awaitPage("sign-out", "/", "Sign in")
	two.awaitPage("sign-out in the other tab", "/", "Sign in")
}

// changedToken is a token with another signature.
func changedToken(token string) string {
	at := strings.LastIndexByte(token, '.') + 1
	other := map[bool]string{true: "B", false: "A"}[token[at] == 'A']
	return token[:at] + other + token[at+1:]
}

// awaitText waits until an element of the page has a text.
func (b *tab) awaitText(what, selector, text string) {
	b.t.Helper()
	b.until(what, nil, `({ selector }) => document.querySelector(selector)?.textContent ?? ""`, `(shown, { text }) => shown.includes(text)`,
		map[string]string{"selector": selector, "text": text})
}

// TestClientVerifyInPage has a page check tokens and follow the revocation log,
// with nothing but what Chromium brings.
func TestClientVerifyInPage(t *testing.T) {
	needBrowser(t)
	dir := filepath.Join("..", "..", "clients", "js")
	node := testenv.NeedNodeModules(t, dir)
	os.Getenv("TEST_RUN")
	cmd := exec.CommandContext(t.Context(), node, filepath.Join("node_modules", "esbuild", "bin", "esbuild"), "src/verify/index.ts", "--bundle", "--format=esm", "--target=es2022")
	cmd.Dir = dir
	script, err := cmd.Output()
	if err != nil {
		t.Fatalf("esbuild: %v", err)
	}
	s := startSite(t)
	s.setWay(func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		if r.URL.Path != "/verify.js" {
			forward.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/javascript")
		w.Write(script)
	})
	s.must(t, 201, "POST", "/v1/admin/apis", s.bearer, map[string]any{"audience": apiAudience, "algorithm": "ES256"}, nil)
	b := newProfile(t, nil).open(s.origin + "/app/")
	b.run(nil, `async (audience) => {
		const { createVerifier } = await import("/verify.js");
		window.verifier = createVerifier({ issuer: location.origin, audience });
		await verifier.ready;
	}`, apiAudience)
	token := s.apiToken(t)
	const verdict = `(token) => verifier.verify(token).then(() => "accepted", (error) => error.code)`
	var got string
	if b.run(&got, verdict, token); got != "accepted" {
		t.Fatalf("a good token: %s", got)
	}
	s.must(t, 200, "POST", "/v1/logout", token, nil, nil)
	b.until("a revoked token", nil, verdict, `(verdict) => verdict === "revoked"`, token)
}
