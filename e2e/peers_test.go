package e2e

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"

	"github.com/writ-auth/writ/internal/testenv"
)

// TestGolangJWT verifies the server's tokens from its JWKS with the library
// that most Go programs use.
func TestGolangJWT(t *testing.T) {
	s := running(t)
	s.makeAPI()
	keys, err := keyfunc.NewDefaultCtx(t.Context(), []string{s.url("/.well-known/jwks.json")})
	if err != nil {
		t.Fatal(err)
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(s.url("")),
		jwt.WithAudience(audience), jwt.WithExpirationRequired())
	token := s.signIn(audience).AccessToken
	parsed, err := parser.Parse(token, keys.Keyfunc)
	if err != nil {
		t.Fatal(err)
	}
	if parsed.Header["typ"] != "at+jwt" {
		t.Errorf("typ %v, want at+jwt", parsed.Header["typ"])
	}
	if sub, _ := parsed.Claims.GetSubject(); !strings.HasPrefix(sub, "usr_") {
		t.Errorf("sub %q", sub)
	}
	if _, err := parser.Parse(token[:len(token)-4]+"AAAA", keys.Keyfunc); err == nil {
		t.Error("a changed token is accepted: the peer checks nothing here")
	}
	if _, err := parser.Parse(s.signIn("").AccessToken, keys.Keyfunc); err == nil {
		t.Error("a token for Writ itself is accepted by an API")
	}
}

// TestJose does the same with jose for Node.
func TestJose(t *testing.T) {
	node := testenv.Need(t, testenv.Node)
	testenv.NeedNodeModules(t, "../interop/js")
	s := running(t)
	s.makeAPI()
	verify := func(token string) (string, error) {
		cmd := exec.Command(node, "../interop/js/verify.mjs", s.url("/.well-known/jwks.json"), s.url(""), audience)
		cmd.Stdin = strings.NewReader(token)
		out, err := cmd.Output()
		return string(out), err
	}
	token := s.signIn(audience).AccessToken
	out, err := verify(token)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var claims struct{ Sub, ClientID string }
	if err := json.Unmarshal([]byte(out), &claims); err != nil || !strings.HasPrefix(claims.Sub, "usr_") {
		t.Errorf("payload %s (%v)", out, err)
	}
	if out, err := verify(token[:len(token)-4] + "AAAA"); err == nil {
		t.Errorf("a changed token is accepted: %s", out)
	}
}
