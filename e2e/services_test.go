package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/internal/testenv"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// service makes a client that may ask for tokens, and answers its secret.
func (s *server) service(id string, members map[string]any) string {
	s.t.Helper()
	body := map[string]any{"client_id": id, "grant_types": []string{"client_credentials"}, "audiences": []string{audience}, "scope": "read write"}
	for name, value := range members {
		body[name] = value
	}
	var made struct {
		Secret string `json:"client_secret"`
	}
	s.must(201, "POST", "/v1/admin/clients", s.signIn("").AccessToken, body).get(s.t, &made)
	return made.Secret
}

// TestClientCredentialsInGo gets a token as most Go services do, and calls an
// API behind our guard with it.
func TestClientCredentialsInGo(t *testing.T) {
	s := running(t)
	s.makeAPI()
	api := protect(t, s)
	for style, method := range map[oauth2.AuthStyle]string{
		oauth2.AuthStyleInHeader: "client_secret_basic",
		oauth2.AuthStyleInParams: "client_secret_post",
	} {
		id := "go~" + method // a letter that is encoded in a form
		config := clientcredentials.Config{
			ClientID: id, ClientSecret: s.service(id, map[string]any{"token_endpoint_auth_method": method}), TokenURL: s.url("/oauth/token"),
			Scopes: []string{"read"}, EndpointParams: url.Values{"audience": {audience}}, AuthStyle: style,
		}
		token, err := config.Token(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		if left := time.Until(token.Expiry); token.Type() != "Bearer" || left < 14*time.Minute || token.RefreshToken != "" {
			t.Errorf("%s: type %s, expires in %v, refresh token %q", method, token.Type(), left, token.RefreshToken)
		}
		res, err := config.Client(t.Context()).Get(api.URL)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: the API answers %d", method, res.StatusCode)
		}

		config.Scopes = []string{"admin"}
		var refused *oauth2.RetrieveError
		if _, err := config.Token(t.Context()); !errors.As(err, &refused) || refused.ErrorCode != "invalid_scope" {
			t.Errorf("%s: a scope too many: %v", method, err)
		}
		config.Scopes, config.ClientSecret = nil, "wrong"
		if _, err := config.Token(t.Context()); !errors.As(err, &refused) || refused.ErrorCode != "invalid_client" || refused.Response.StatusCode != 401 {
			t.Errorf("%s: a wrong secret: %v", method, err)
		}
	}
}

// TestServicesInNode runs oauth4webapi against the server: it checks each
// answer against the standards, more strictly than most.
func TestServicesInNode(t *testing.T) {
	node := testenv.NeedNodeModules(t, "../interop/js")
	parent := running(t)
	parent.makeAPI()
	es256, rs256 := generate(t, jwk.ES256), generate(t, jwk.RS256)
	for name, c := range map[string]struct {
		method string
		key    *jwk.PrivateKey
	}{
		"basic":      {"client_secret_basic", nil},
		"post":       {"client_secret_post", nil},
		"a key":      {"private_key_jwt", es256},
		"an RSA key": {"private_key_jwt", rs256},
	} {
		t.Run(name, func(t *testing.T) {
			s := parent.in(t)
			id := "node-" + strings.ReplaceAll(name, " ", "-")
			members := map[string]any{"token_endpoint_auth_method": c.method}
			settings := map[string]any{"issuer": s.url(""), "client_id": id, "method": c.method, "resource": audience, "scope": "read"}
			if c.key != nil {
				private, err := c.key.ExportJWK()
				if err != nil {
					t.Fatal(err)
				}
				settings["jwk"] = json.RawMessage(private)
				members["jwks"] = map[string]any{"keys": []any{c.key.Public()}}
			}
			settings["secret"] = s.service(id, members)
			input, err := json.Marshal(settings)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(node, "../interop/js/services.mjs")
			cmd.Stdin = bytes.NewReader(input)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, &stderr)
			}
			var got struct {
				Token struct {
					Type      string `json:"token_type"`
					Scope     string
					ExpiresIn int `json:"expires_in"`
				}
				Before, After map[string]any
			}
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if got.Token.Type != "bearer" || got.Token.Scope != "read" || got.Token.ExpiresIn != 900 { // as oauth4webapi writes it
				t.Errorf("token %+v", got.Token)
			}
			if b := got.Before; b["active"] != true || b["client_id"] != id || b["sub"] != id || b["aud"] != audience || b["scope"] != "read" {
				t.Errorf("introspection %v", b)
			}
			if len(got.After) != 1 || got.After["active"] != false {
				t.Errorf("introspection after the revocation %v, want active: false alone", got.After)
			}
		})
	}
}

func generate(t *testing.T, alg jwk.Algorithm) *jwk.PrivateKey {
	t.Helper()
	key, err := jwk.Generate(alg)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// noLog lets a guard reach everything of its issuer but the revocation log.
type noLog struct{ asked *atomic.Int64 }

func (n noLog) RoundTrip(r *http.Request) (*http.Response, error) {
	switch r.URL.Path {
	case "/v1/revocations":
		return nil, errors.New("the log can't be reached")
	case "/oauth/introspect":
		n.asked.Add(1)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// TestGuardIntrospects cuts a guard off from the log: with the policy
// Introspect it asks about every token instead, and ended sessions and revoked
// tokens are refused all the same.
func TestGuardIntrospects(t *testing.T) {
	s := running(t)
	s.makeAPI()
	secret := s.service("orders-api", map[string]any{"grant_types": []string{}})
	callerSecret := s.service("caller", nil)
	var asked atomic.Int64
	g, err := guard.New(guard.Config{
		Issuers: []guard.Issuer{{URL: s.url(""), Audience: []string{audience}, Revocation: guard.Follow}},
		Stale:   guard.Introspect, Credentials: &guard.Credentials{ClientID: "orders-api", ClientSecret: secret},
		Client: &http.Client{Transport: noLog{&asked}},
	})
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(g.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	t.Cleanup(func() { api.Close(); g.Close() })

	config := clientcredentials.Config{ClientID: "caller", ClientSecret: callerSecret, TokenURL: s.url("/oauth/token")}
	service := func() string {
		token, err := config.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return token.AccessToken
	}
	held := s.signIn(audience)
	for what, token := range map[string]string{"a person's token": held.AccessToken, "a service's token": service()} {
		if got := status(t, api, token); got != http.StatusOK {
			t.Errorf("%s: %d", what, got)
		}
	}
	if asked.Load() < 2 {
		t.Errorf("the guard asked %d times: nothing is tested", asked.Load())
	}

	ended := s.signIn(audience)
	s.must(200, "POST", "/v1/logout", ended.AccessToken, nil)
	if got := status(t, api, ended.AccessToken); got != http.StatusUnauthorized {
		t.Errorf("a token whose session has ended: %d, want 401", got)
	}
	revoked := service()
	form := url.Values{"token": {revoked}}
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.url("/oauth/revoke"), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("caller", callerSecret)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if got := status(t, api, revoked); res.StatusCode != 200 || got != http.StatusUnauthorized {
		t.Errorf("a revoked token: %d, want 401 (the revocation: %d)", got, res.StatusCode)
	}
	s.must(200, "PATCH", "/v1/admin/clients/orders-api", s.signIn("").AccessToken, map[string]any{"audiences": []string{}})
	if got := status(t, api, service()); got != http.StatusUnauthorized {
		t.Errorf("an API that may not look into the token: %d, want 401", got)
	}
}

// TestAssertionSurvivesKill uses an assertion, kills the server in the next
// moment, and uses it again.
func TestAssertionSurvivesKill(t *testing.T) {
	s := running(t)
	s.makeAPI()
	key := generate(t, jwk.ES256)
	s.service("svc", map[string]any{"token_endpoint_auth_method": "private_key_jwt", "jwks": map[string]any{"keys": []any{key.Public()}}})
	assertion := signAssertion(t, key, s.url(""))
	use := func() int {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		form := url.Values{"grant_type": {"client_credentials"}, "client_assertion": {assertion},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}
		req, err := http.NewRequestWithContext(ctx, "POST", s.url("/oauth/token"), strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if got := use(); got != 200 {
		t.Fatalf("the first use: %d", got)
	}
	s.kill()
	s.start()
	if got := use(); got != 401 {
		t.Errorf("after a kill: %d, want 401", got)
	}
}

func signAssertion(t *testing.T, key *jwk.PrivateKey, issuer string) string {
	t.Helper()
	assertion, err := jwt.Sign(key, jwt.Claims{Issuer: "svc", Subject: "svc", Audience: jwt.Audience{issuer}},
		jwt.SignOptions{Lifetime: 2 * time.Minute, NewID: true})
	if err != nil {
		t.Fatal(err)
	}
	return assertion
}
