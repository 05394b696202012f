package e2e

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"testing"

	"github.com/writ-auth/writ/internal/testenv"
	"github.com/writ-auth/writ/jwk"
)

const secondAudience = "https://stock.example.com"

// nodeFlows are what each library in Node is led through.
var nodeFlows = map[string][]string{
	"oauth4webapi": {
		"code, client_secret_basic", "code, client_secret_post", "code, private_key_jwt", "code, a public client",
		"form_post", "max_age and prompt", "mix-up", "log-out", "pushed request", "device", "jwt-bearer", "token exchange", "DPoP", "DPoP, a public client",
	},
	"openid_client": {
		"code, client_secret_basic", "code, client_secret_post", "code, private_key_jwt", "code, a public client",
		"client credentials, client_secret_basic", "client credentials, private_key_jwt",
		"form_post", "max_age and prompt", "log-out", "pushed request", "device", "jwt-bearer", "token exchange", "DPoP",
	},
}

// TestSignInInNode leads people and services through each flow by libraries that
// most applications in Node are written with, unmodified, from discovery on.
func TestSignInInNode(t *testing.T) {
	node := testenv.NeedNodeModules(t, "../interop/js")
	s := running(t)
	settings := s.nodeSettings()
	for library, flows := range nodeFlows {
		t.Run(library, func(t *testing.T) {
			settings["flows"] = flows
			failed := runFlows(t, node, "./"+library+".mjs", settings)
			for _, name := range flows {
				t.Run(name, func(t *testing.T) {
					if why, ran := failed[name]; !ran || why != "" {
						t.Errorf("ran %v: %s", ran, why)
					}
				})
			}
		})
	}
}

// runFlows answers why flows failed, "" for those that didn't.
func runFlows(t *testing.T, node, library string, settings map[string]any) map[string]string {
	t.Helper()
	input, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, "relying.mjs", library)
	cmd.Dir = "../interop/js"
	cmd.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	failed := map[string]string{}
	for line := range bytes.Lines(out) {
		var flow struct{ Name, Failed string }
		if err := json.Unmarshal(line, &flow); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		failed[flow.Name] = flow.Failed
	}
	return failed
}

// nodeSettings registers two APIs, a person, and a client for each way to
// authenticate and each grant.
func (s *server) nodeSettings() map[string]any {
	s.t.Helper()
	admin := s.signIn("").AccessToken
	for _, aud := range []string{audience, secondAudience} {
		s.must(201, "POST", "/v1/admin/apis", admin, map[string]any{"audience": aud, "scopes": []string{"read", "write"}})
	}
	const (
		exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
		bearer   = "urn:ietf:params:oauth:grant-type:jwt-bearer"
		device   = "urn:ietf:params:oauth:grant-type:device_code"
	)
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		s.t.Fatal(err)
	}
	private, err := key.ExportJWK()
	if err != nil {
		s.t.Fatal(err)
	}
	keys := map[string]any{"keys": []any{key.Public()}}
	apis := []string{audience, secondAudience}
	clients := map[string]map[string]any{}
	for name, c := range map[string]struct {
		method  string
		members map[string]any
	}{
		"basic":   {"client_secret_basic", nil},
		"post":    {"client_secret_post", nil},
		"key":     {"private_key_jwt", map[string]any{"jwks": keys}},
		"public":  {"none", nil},
		"device":  {"none", map[string]any{"grant_types": []string{device, "refresh_token"}, "redirect_uris": []string{}, "post_logout_redirect_uris": []string{}}},
		"api":     {"client_secret_basic", map[string]any{"audiences": apis[:1], "scope": "openid read"}},
		"service": {"client_secret_basic", map[string]any{"grant_types": []string{exchange, "client_credentials"}, "audiences": apis, "scope": "read"}},
		"bearer":  {"private_key_jwt", map[string]any{"grant_types": []string{bearer, "client_credentials"}, "audiences": apis[:1], "scope": "read", "jwks": keys}},
	} {
		id := "node-" + name
		members := map[string]any{"token_endpoint_auth_method": c.method}
		for name, value := range c.members {
			members[name] = value
		}
		clients[name] = map[string]any{"client_id": id, "method": c.method, "secret": s.relyingParty(id, members), "jwk": json.RawMessage(private)}
	}
	return map[string]any{
		"issuer": s.url(""), "redirect_uri": appURL, "post_logout_redirect_uri": "https://app.example/out", "clients": clients,
		"person": map[string]any{"login": adaEmail, "password": adminPassword}, "subject": s.addUser(adaEmail),
		"audience": audience, "second_audience": secondAudience,
	}
}
