package load_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/writ-auth/writ/server/internal/load"
)

const sentBack = "https://app.bench.invalid/cb?code=c1&state=1&iss=https%3A%2F%2Fauth.example.com"

// identity is an ID token with changes.
func identity(t *testing.T, access string, changes map[string]any) string {
	t.Helper()
	sum := sha256.Sum256([]byte(access))
	claims := map[string]any{"iss": issuer, "sub": "usr_1", "aud": "app", "nonce": "1", "sid": "s1", "at_hash": base64.RawURLEncoding.EncodeToString(sum[:16])}
	for name, value := range changes {
		claims[name] = value
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return "e30." + base64.RawURLEncoding.EncodeToString(payload) + ".AA"
}

// begun is a flow whose browser was sent back with a code.
func begun(t *testing.T) *load.Flow {
	t.Helper()
	flow := load.NewCodeFlow(issuer, "usr_1", "urn:api")
	if request := string(flow.Request(nil)); !strings.HasPrefix(request, "GET /oauth/authorize?client_id=app&") || !strings.Contains(request, "&state=1&nonce=1 HTTP/1.1\r\n") || !strings.Contains(request, "\r\nCookie: c=v\r\n") {
		t.Fatalf("the request is %q", request)
	}
	flow.Sent(sentBack)
	if err := flow.Answer(303, nil); err != nil || !flow.More() {
		t.Fatalf("sent back: %v, more %v", err, flow.More())
	}
	if request := string(flow.Request(nil)); !strings.HasPrefix(request, "POST /oauth/token ") || !strings.HasSuffix(request, "&code=c1") {
		t.Fatalf("the second request is %q", request)
	}
	return flow
}

func TestCodeFlow(t *testing.T) {
	own := map[string]any{"client_id": "app", "aud": "urn:api"}
	answer := func(access, id string) []byte {
		return fmt.Appendf(nil, `{"access_token":%q,"token_type":"Bearer","refresh_token":"r","id_token":%q}`, access, id)
	}
	access := token(t, "1", own)
	flow := begun(t)
	if err := flow.Answer(200, answer(access, identity(t, access, nil))); err != nil || flow.More() {
		t.Fatalf("tokens: %v, more %v", err, flow.More())
	}
	if request := string(flow.Request(nil)); !strings.Contains(request, "&state=2&nonce=2 ") {
		t.Errorf("the next flow begins with %q", request)
	}
	for name, body := range map[string][]byte{
		"another's access token": answer(token(t, "1", map[string]any{"client_id": "app", "aud": "urn:api", "sub": "usr_2"}), identity(t, access, nil)),
		"another audience":       answer(token(t, "1", map[string]any{"client_id": "app"}), identity(t, access, nil)),
		"no refresh token":       []byte(strings.Replace(string(answer(access, identity(t, access, nil))), `"r"`, `""`, 1)),
		"another's ID token":     answer(access, identity(t, access, map[string]any{"sub": "usr_2"})),
		"for another client":     answer(access, identity(t, access, map[string]any{"aud": "other"})),
		"of another flow":        answer(access, identity(t, access, map[string]any{"nonce": "0"})),
		"of another token":       answer(access, identity(t, "x", nil)),
		"of another session":     answer(access, identity(t, access, map[string]any{"sid": "s2"})),
		"no ID token":            answer(access, ""),
		"not JSON":               []byte("hello"),
	} {
		if err := begun(t).Answer(200, body); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if err := begun(t).Answer(400, []byte(`{"error":"invalid_grant"}`)); err == nil {
		t.Error("a refusal was taken")
	}
}

// TestCodeFlowIsSentBack: a page, an error or another flow's answer is no code,
// and the next request begins anew.
func TestCodeFlowIsSentBack(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		to     string
	}{
		"a page":          {200, ""},
		"to the sign-in":  {303, "/login?ticket=x"},
		"an error":        {303, strings.Replace(sentBack, "code=c1", "error=login_required", 1)},
		"another state":   {303, strings.Replace(sentBack, "state=1", "state=2", 1)},
		"another issuer":  {303, strings.Replace(sentBack, "auth.", "evil.", 1)},
		"another address": {303, strings.Replace(sentBack, "app.bench", "evil", 1)},
	} {
		flow := load.NewCodeFlow(issuer, "usr_1", "urn:api")
		flow.Request(nil)
		flow.Sent(c.to)
		if err := flow.Answer(c.status, nil); err == nil || flow.More() {
			t.Errorf("%s: %v, more %v", name, err, flow.More())
		}
		if request := string(flow.Request(nil)); !strings.HasPrefix(request, "GET ") {
			t.Errorf("%s: goes on with %q", name, request)
		}
	}
}
