package metadata_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/admin"
	"github.com/writ-auth/writ/server/internal/api"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/oauth/authorize"
	"github.com/writ-auth/writ/server/internal/oauth/clientkeys"
	"github.com/writ-auth/writ/server/internal/oauth/device"
	"github.com/writ-auth/writ/server/internal/oauth/introspect"
	"github.com/writ-auth/writ/server/internal/oauth/logout"
	"github.com/writ-auth/writ/server/internal/oauth/metadata"
	"github.com/writ-auth/writ/server/internal/oauth/par"
	"github.com/writ-auth/writ/server/internal/oauth/revoke"
	"github.com/writ-auth/writ/server/internal/oauth/status"
	"github.com/writ-auth/writ/server/internal/oauth/token"
	"github.com/writ-auth/writ/server/internal/oauth/userinfo"
)

const issuer = "https://auth.example.com"

// door serves the documents with one key in the set.
func door(t *testing.T) (*http.ServeMux, *metadata.Door) {
	t.Helper()
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	set, err := jwk.NewSet(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	logKey, err := jwk.Generate(jwk.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	logSet, err := jwk.NewSet(logKey.Public())
	if err != nil {
		t.Fatal(err)
	}
	d, err := metadata.New(metadata.Options{Issuer: issuer, Keys: func() *jwk.Set { return set }, MaxAge: 10 * time.Minute,
		LogKeys: func() *jwk.Set { return logSet }})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	d.Register(mux)
	return mux, d
}

func get(t *testing.T, h http.Handler, path string, change func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "GET", "http://evil.example"+path, nil)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestDocumentsAreCached(t *testing.T) {
	mux, d := door(t)
	for _, pattern := range d.Routes() {
		path := strings.TrimPrefix(pattern, "GET ")
		w := get(t, mux, path, nil)
		etag := w.Header().Get("ETag")
		cached := "public, max-age=600"
		if path == "/v1/revocations/keys" {
			cached = "public, max-age=60"
		}
		if w.Code != 200 || etag == "" || w.Header().Get("Cache-Control") != cached {
			t.Errorf("%s: status %d, ETag %q, Cache-Control %q", path, w.Code, etag, w.Header().Get("Cache-Control"))
		}
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != "*" || w.Header().Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: Access-Control-Allow-Origin %q", path, got)
		}
		again := get(t, mux, path, func(r *http.Request) { r.Header.Set("If-None-Match", etag) })
		if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("%s: to whoever has it already %d and %d bytes", path, again.Code, again.Body.Len())
		}
	}
}

// The two kinds of keys are never in one document: a token must not be taken for
// a head, nor whoever signs heads for an issuer of tokens.
func TestLogKeys(t *testing.T) {
	mux, _ := door(t)
	tokens, heads := get(t, mux, "/jwks.json", nil).Body.String(), get(t, mux, "/v1/revocations/keys", nil).Body.String()
	if !strings.Contains(heads, `"OKP"`) || strings.Contains(heads, `"EC"`) || strings.Contains(tokens, `"OKP"`) {
		t.Errorf("log keys %s, keys %s", heads, tokens)
	}
}

func TestDiscovery(t *testing.T) {
	mux, _ := door(t)
	forwarded := func(r *http.Request) {
		r.Header.Set("X-Forwarded-Host", "evil.example")
		r.Header.Set("X-Forwarded-Proto", "http")
	}
	body := get(t, mux, "/.well-known/openid-configuration", forwarded).Body.String()
	if other := get(t, mux, "/.well-known/oauth-authorization-server", nil).Body.String(); other != body {
		t.Errorf("the two documents differ: %s and %s", body, other)
	}
	if strings.Contains(body, "evil.example") {
		t.Errorf("the document follows the request: %s", body)
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"issuer": issuer, "jwks_uri": issuer + "/.well-known/jwks.json", "writ_revocations_endpoint": issuer + "/v1/revocations",
		"writ_revocation_ack_endpoint":     issuer + "/v1/revocations/ack",
		"writ_revocation_keys_endpoint":    issuer + "/v1/revocations/keys",
		"writ_client_keys_endpoint":        issuer + "/oauth/client-keys",
		"status_list_aggregation_endpoint": issuer + "/v1/status-lists",
		"token_endpoint":                   issuer + "/oauth/token", "introspection_endpoint": issuer + "/oauth/introspect",
		"revocation_endpoint": issuer + "/oauth/revoke", "authorization_endpoint": issuer + "/oauth/authorize",
		"pushed_authorization_request_endpoint": issuer + "/oauth/par", "device_authorization_endpoint": issuer + "/oauth/device",
		"userinfo_endpoint": issuer + "/oauth/userinfo", "end_session_endpoint": issuer + "/oauth/logout",
	} {
		if doc[name] != want {
			t.Errorf("%s is %v, want %s", name, doc[name], want)
		}
	}
	const methods = "[client_secret_basic client_secret_post private_key_jwt"
	for name, want := range map[string]string{
		"response_types_supported":                       "[code]",
		"response_modes_supported":                       "[query form_post]",
		"code_challenge_methods_supported":               "[S256]",
		"authorization_response_iss_parameter_supported": "true",
		"request_uri_parameter_supported":                "false",
		"ui_locales_supported":                           "[en de]",
		"dpop_signing_alg_values_supported":              "[ES256 EdDSA Ed25519 ES384 ES512 PS256 PS384 PS512 RS256 RS384 RS512]",
		"claims_parameter_supported":                     "false",
		"backchannel_logout_supported":                   "true",
		"backchannel_logout_session_supported":           "true",
		"acr_values_supported":                           "[urn:writ:acr:pwd]",
		"scopes_supported":                               "[openid profile email]",
		"prompt_values_supported":                        "[none login consent select_account]",
		"grant_types_supported":                          "[authorization_code refresh_token client_credentials urn:ietf:params:oauth:grant-type:jwt-bearer urn:ietf:params:oauth:grant-type:token-exchange urn:ietf:params:oauth:grant-type:device_code]",
		"token_endpoint_auth_methods_supported":          methods + " none]",
		"introspection_endpoint_auth_methods_supported":  methods + "]",
		"revocation_endpoint_auth_methods_supported":     methods + " none]",
	} {
		if got := fmt.Sprint(doc[name]); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	for _, name := range []string{"token", "introspection", "revocation"} {
		if got := fmt.Sprint(doc[name+"_endpoint_auth_signing_alg_values_supported"]); !strings.Contains(got, "ES256") ||
			strings.Contains(got, "HS256") || strings.Contains(got, "none") {
			t.Errorf("assertions for the %s endpoint may be signed with %s", name, got)
		}
	}
	algorithms := doc["id_token_signing_alg_values_supported"].([]any)
	if !slices.Contains(algorithms, any("ES256")) || !slices.Contains(algorithms, any("RS256")) {
		t.Errorf("algorithms %v", algorithms)
	}
	for _, alg := range algorithms {
		if strings.HasPrefix(alg.(string), "HS") || alg == "none" {
			t.Errorf("%v is advertised: nobody can verify it by the key set", alg)
		}
	}
}

// oauthRoutes are those of the endpoints that clients call.
func oauthRoutes() []string {
	return slices.Concat(token.Routes(), introspect.Routes(), revoke.Routes(), clientkeys.Routes(), status.Routes(),
		authorize.Routes(), par.Routes(), device.Routes(), logout.Routes(), userinfo.Routes())
}

// Every address that discovery names is one that the server has.
func TestDiscoveryNamesWhatExists(t *testing.T) {
	mux, d := door(t)
	routes := slices.Concat(d.Routes(), api.Routes(), oauthRoutes())
	var doc map[string]any
	if err := json.Unmarshal(get(t, mux, "/.well-known/openid-configuration", nil).Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	for name, value := range doc {
		address, ok := value.(string)
		if !ok || name == "issuer" {
			continue
		}
		path, ok := strings.CutPrefix(address, issuer)
		if !ok || !slices.Contains(routes, "GET "+path) && !slices.Contains(routes, "POST "+path) {
			t.Errorf("%s is %s, which no route answers", name, address)
		}
	}
}

func TestKeySet(t *testing.T) {
	mux, _ := door(t)
	body := get(t, mux, "/.well-known/jwks.json", nil)
	if alias := get(t, mux, "/jwks.json", nil); alias.Body.String() != body.Body.String() {
		t.Errorf("the alias differs: %s", alias.Body)
	}
	set, err := jwk.ParseSet(body.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for key := range set.All() {
		n++
		if key.KeyID() == "" || key.Algorithm() != jwk.ES256 {
			t.Errorf("key %q with algorithm %q", key.KeyID(), key.Algorithm())
		}
	}
	if n != 1 || strings.Contains(body.Body.String(), `"d"`) {
		t.Errorf("the set is %s", body.Body)
	}
}

// description is as much of the OpenAPI document as the test reads.
type description struct {
	OpenAPI string
	Servers []struct{ URL string }
	Paths   map[string]map[string]struct {
		OperationID string
		Parameters  []struct{ Name, In, Ref string }
		Responses   map[string]any
	}
	Components map[string]map[string]any
}

func describe(t *testing.T) (description, string) {
	t.Helper()
	mux, _ := door(t)
	var doc description
	body := get(t, mux, "/openapi.json", nil).Body.String()
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	return doc, body
}

// Every route is in the document, and the document has no others.
func TestDescriptionHasEveryRoute(t *testing.T) {
	doc, _ := describe(t)
	_, d := door(t)
	routes := slices.Concat(d.Routes(), api.Routes(), admin.Routes(), oauthRoutes())
	for _, pattern := range routes {
		method, path, _ := strings.Cut(pattern, " ")
		op, ok := doc.Paths[path][strings.ToLower(method)]
		if !ok {
			t.Errorf("%s is not in openapi.json", pattern)
			continue
		}
		if len(op.Responses) == 0 || op.OperationID == "" {
			t.Errorf("%s has no responses or no operationId", pattern)
		}
		for _, part := range strings.Split(path, "/") {
			name, ok := strings.CutPrefix(part, "{")
			if name = strings.TrimSuffix(name, "}"); !ok {
				continue
			}
			if !slices.ContainsFunc(op.Parameters, func(p struct{ Name, In, Ref string }) bool { return p.Name == name && p.In == "path" }) {
				t.Errorf("%s doesn't describe {%s}", pattern, name)
			}
		}
	}
	ids := map[string]bool{}
	for path, operations := range doc.Paths {
		for method, op := range operations {
			if pattern := strings.ToUpper(method) + " " + path; !slices.Contains(routes, pattern) {
				t.Errorf("openapi.json has %s, which no door answers", pattern)
			}
			if ids[op.OperationID] {
				t.Errorf("operationId %s is there twice", op.OperationID)
			}
			ids[op.OperationID] = true
		}
	}
}

func TestDescriptionHoldsTogether(t *testing.T) {
	doc, body := describe(t)
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") || len(doc.Servers) != 1 || doc.Servers[0].URL != issuer {
		t.Errorf("openapi %q, servers %v", doc.OpenAPI, doc.Servers)
	}
	for rest := body; ; {
		_, after, more := strings.Cut(rest, `"$ref":"#/components/`)
		if !more {
			break
		}
		target, tail, _ := strings.Cut(after, `"`)
		kind, name, _ := strings.Cut(target, "/")
		if _, ok := doc.Components[kind][name]; !ok {
			t.Errorf("a reference to %s, which isn't there", target)
		}
		rest = tail
	}
	var problem struct {
		Properties struct {
			Code struct{ Enum []string }
		}
	}
	raw, err := json.Marshal(doc.Components["schemas"]["Problem"])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &problem); err != nil {
		t.Fatal(err)
	}
	for _, code := range problem.Properties.Code.Enum {
		if code != "internal_error" && edge.Status(auth.Code(code)) == http.StatusInternalServerError {
			t.Errorf("the code %s is described, and the server has none such", code)
		}
	}
}
