// Package metadata is the door of public documents: the key set, discovery and
// the OpenAPI description. Anybody may read and cache them; they are the same
// for everybody and follow from the configured issuer, never from the Host
// header of a request, which a client chooses.
//
// Discovery names what exists and nothing else. Lists that mean something where
// they are left out are always there.
package metadata

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwks"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/authorization"
	"github.com/writ-auth/writ/server/internal/directory"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/view"
	"github.com/writ-auth/writ/server/internal/mint"
	"github.com/writ-auth/writ/server/internal/possession"
)

//go:embed openapi.json
var openAPI []byte

// Options are what a Door is made of; every field is required.
type Options struct {
	Issuer string
	Keys   func() *jwk.Set // the set to publish, asked at each request
	MaxAge time.Duration   // how long others may go on using what they have read

	LogKeys func() *jwk.Set // with which heads of the revocation log are checked
}

// logKeysAge bounds how long caches keep the log keys. A verifier that meets a
// new one asks at once, and what it gets has to have it.
const logKeysAge = time.Minute

// logKeys serves the log keys.
func (o Options) logKeys() http.Handler {
	return jwks.Handler(o.LogKeys, min(o.MaxAge, logKeysAge))
}

// Door serves the documents.
type Door struct{ handlers map[string]http.Handler }

// New makes the door and its documents.
func New(opts Options) (*Door, error) {
	discovery, err := json.Marshal(newDiscovery(opts.Issuer))
	if err != nil {
		return nil, err
	}
	description, err := describe(opts.Issuer)
	if err != nil {
		return nil, fmt.Errorf("openapi.json: %w", err)
	}
	keys := jwks.Handler(opts.Keys, opts.MaxAge)
	about := document(discovery, opts.MaxAge)
	return &Door{map[string]http.Handler{
		"GET /.well-known/jwks.json":                  public(keys),
		"GET /jwks.json":                              public(keys),
		"GET /.well-known/openid-configuration":       public(about),
		"GET /.well-known/oauth-authorization-server": public(about),
		"GET /v1/revocations/keys":                    public(opts.logKeys()),
		"GET /openapi.json":                           public(document(description, opts.MaxAge)),
	}}, nil
}

// Register adds the door's routes to mux.
func (d *Door) Register(mux *http.ServeMux) {
	for pattern, h := range d.handlers {
		mux.Handle(pattern, h)
	}
}

// Routes lists the door's patterns.
func (d *Door) Routes() []string {
	var patterns []string
	for pattern := range d.handlers {
		patterns = append(patterns, pattern)
	}
	return patterns
}

// discovery is RFC 8414, section 2, and OpenID Connect Discovery 1.0, section 3.
type discovery struct {
	Issuer        string   `json:"issuer"`
	JWKSURI       string   `json:"jwks_uri"`
	Revocations   string   `json:"writ_revocations_endpoint"`
	LogKeys       string   `json:"writ_revocation_keys_endpoint"`
	Ack           string   `json:"writ_revocation_ack_endpoint"`
	ClientKeys    string   `json:"writ_client_keys_endpoint"`
	StatusLists   string   `json:"status_list_aggregation_endpoint"`
	Authorization string   `json:"authorization_endpoint"`
	Pushed        string   `json:"pushed_authorization_request_endpoint"`
	Device        string   `json:"device_authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	UserInfo      string   `json:"userinfo_endpoint"`
	EndSession    string   `json:"end_session_endpoint"`
	TellsLogout   bool     `json:"backchannel_logout_supported"`
	TellsSession  bool     `json:"backchannel_logout_session_supported"` // the sid is in the token
	Introspection string   `json:"introspection_endpoint"`
	Revocation    string   `json:"revocation_endpoint"`
	ResponseTypes []string `json:"response_types_supported"`
	ResponseModes []string `json:"response_modes_supported"`
	PKCE          []string `json:"code_challenge_methods_supported"`
	NamesIssuer   bool     `json:"authorization_response_iss_parameter_supported"`
	Scopes        []string `json:"scopes_supported"`
	Prompts       []string `json:"prompt_values_supported"`
	ACRs          []string `json:"acr_values_supported"`
	DemandsClaims bool     `json:"claims_parameter_supported"` // none, acr among them, can be demanded
	GrantTypes    []string `json:"grant_types_supported"`

	// How clients authenticate at each of the three endpoints, and what they may
	// sign an assertion with.
	TokenAuth             []string        `json:"token_endpoint_auth_methods_supported"`
	TokenAuthAlgs         []jwk.Algorithm `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectionAuth     []string        `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionAuthAlgs []jwk.Algorithm `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	RevocationAuth        []string        `json:"revocation_endpoint_auth_methods_supported"`
	RevocationAuthAlgs    []jwk.Algorithm `json:"revocation_endpoint_auth_signing_alg_values_supported"`

	SubjectTypes []string `json:"subject_types_supported"`
	// Algorithms are those that an API's tokens may be signed with. The name is
	// OpenID Connect's for ID tokens, and the one that verifiers look at.
	Algorithms []jwk.Algorithm `json:"id_token_signing_alg_values_supported"`
	ProofAlgs  []jwk.Algorithm `json:"dpop_signing_alg_values_supported"` // RFC 9449, section 5.1
	Locales    []string        `json:"ui_locales_supported"`
	Claims     []string        `json:"claims_supported"`

	// What is true where it is left out (OpenID Connect Discovery, section 3).
	RequestURI bool `json:"request_uri_parameter_supported"`
}

func newDiscovery(issuer string) discovery {
	methods := []string{auth.AuthSecretBasic, auth.AuthSecretPost, auth.AuthPrivateKeyJWT}
	algorithms := directory.Algorithms()
	return discovery{
		Issuer: issuer, JWKSURI: issuer + "/.well-known/jwks.json", Revocations: issuer + "/v1/revocations",
		LogKeys: issuer + "/v1/revocations/keys", Ack: issuer + "/v1/revocations/ack",
		ClientKeys:    issuer + "/oauth/client-keys",
		StatusLists:   issuer + mint.PathStatusLists,
		Authorization: issuer + "/oauth/authorize", Pushed: issuer + "/oauth/par", Device: issuer + "/oauth/device", UserInfo: issuer + "/oauth/userinfo", EndSession: issuer + "/oauth/logout",
		TellsLogout: true, TellsSession: true,
		Token: issuer + "/oauth/token", Introspection: issuer + "/oauth/introspect", Revocation: issuer + "/oauth/revoke",
		ResponseTypes: []string{"code"}, ResponseModes: authorization.Modes(), PKCE: []string{"S256"}, NamesIssuer: true,
		Scopes:  []string{mint.ScopeOpenID, mint.ScopeProfile, mint.ScopeEmail},
		Prompts: authorization.Prompts(),
		ACRs:    authorization.ACRs(),
		GrantTypes: []string{auth.GrantAuthorizationCode, auth.GrantRefreshToken, auth.GrantClientCredentials, auth.GrantJWTBearer, auth.GrantTokenExchange,
			auth.GrantDeviceCode},
		// A public client has its name and PKCE.
		TokenAuth: append(slices.Clip(methods), auth.AuthNone), TokenAuthAlgs: algorithms,
		IntrospectionAuth: methods, IntrospectionAuthAlgs: algorithms,
		// A public client can end what it holds: whoever bears a token may.
		RevocationAuth: append(slices.Clip(methods), auth.AuthNone), RevocationAuthAlgs: algorithms,
		SubjectTypes: []string{"public"}, Algorithms: algorithms, ProofAlgs: possession.Algorithms(), Locales: view.Languages(),
		Claims: []string{"iss", "sub", "aud", "exp", "iat", "jti", "client_id", "sid", "scope", "epochs", "auth_time", "amr", "acr", "nonce", "at_hash",
			"email", "email_verified", "name", "preferred_username", "org", "roles", "permissions"},
	}
}

// describe is the OpenAPI document, with the address of this server in it.
func describe(issuer string) ([]byte, error) {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		return nil, err
	}
	servers, err := json.Marshal([]map[string]string{{"url": issuer}})
	if err != nil {
		return nil, err
	}
	doc["servers"] = servers
	return json.Marshal(doc)
}

// document serves body, and 304 to whoever has it already.
func document(body []byte, maxAge time.Duration) http.Handler {
	sum := sha256.Sum256(body)
	etag := `"` + base64url.Encode(sum[:16]) + `"`
	cache := fmt.Sprintf("public, max-age=%d", maxAge/time.Second)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", cache)
		h.Set("ETag", etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	})
}

// public lets pages of every origin read what h answers: it is no secret, and
// the request needs no credential.
func public(h http.Handler) http.Handler {
	return edge.Handler(func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
		h.ServeHTTP(w, r)
		return nil
	})
}
