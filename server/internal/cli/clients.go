package cli

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

func clients() resource {
	return resource{path: "clients", one: "client", names: []string{"client_id", "client_name"}, columns: []column{
		{"ID", "client_id"}, {"NAME", "client_name"}, {"GRANTS", "grant_types"}, {"AUTHENTICATION", "token_endpoint_auth_method"},
		{"AUDIENCES", "audiences"}, {"DISABLED", "disabled"},
	}}
}

type clientsCmd struct {
	adminFlags
	Add    clientsAddCmd    `cmd:"" help:"Add a client."`
	List   clientsListCmd   `cmd:"" help:"List clients."`
	Show   clientsShowCmd   `cmd:"" help:"Show a client."`
	Set    clientsSetCmd    `cmd:"" help:"Change a client."`
	Remove clientsRemoveCmd `cmd:"" help:"Remove a client, and end all that it holds."`
	Secret clientsSecretCmd `cmd:"" help:"Change the secret of a client."`
}

// The flags have the names of RFC 7591, section 2.
type clientsAddCmd struct {
	ID                    string   `arg:"" optional:"" help:"The client_id. Default: generated, for a client with a --name."`
	Name                  string   `placeholder:"TEXT" help:"What people call it."`
	RedirectURI           []string `name:"redirect-uri" sep:"none" placeholder:"URL" help:"Where sign-in may return to; may be repeated."`
	PostLogoutRedirectURI []string `name:"post-logout-redirect-uri" sep:"none" placeholder:"URL" help:"Where log-out may return to; may be repeated."`
	GrantType             []string `sep:"none" placeholder:"NAME" help:"A grant type: authorization_code, refresh_token, client_credentials, jwt-bearer, token-exchange or device_code; may be repeated."`
	AuthMethod            string   `placeholder:"NAME" help:"How it authenticates: client_secret_basic, client_secret_post, private_key_jwt or none."`
	JWKS                  string   `name:"jwks" placeholder:"FILE" help:"Its public keys, a JWK Set." xor:"jwks"`
	JWKSURI               string   `name:"jwks-uri" placeholder:"URL" help:"Where its public keys are." xor:"jwks"`
	Scope                 []string `sep:"none" placeholder:"NAME" help:"A scope that it may ask for; may be repeated."`
	Audience              []string `sep:"none" placeholder:"AUD" help:"An API that it may ask tokens for; may be repeated."`
	AllowedOrigin         []string `sep:"none" placeholder:"ORIGIN" help:"An origin whose pages may call for it; may be repeated."`
	BackchannelLogoutURI  string   `name:"backchannel-logout-uri" placeholder:"URL" help:"Where it is told of log-outs."`
	BackchannelSession    bool     `name:"backchannel-logout-session-required" help:"It has to be told which session ended, and not only whose."`
	RequirePushed         bool     `name:"require-pushed-authorization-requests" help:"Its authorization requests must be pushed to /oauth/par."`
	DPoPBound             bool     `name:"dpop-bound-access-tokens" help:"It gets tokens bound to a key of its own alone (DPoP)."`
	IDTokenAlgorithm      string   `name:"id-token-signed-response-alg" placeholder:"ALG" help:"What its ID tokens are signed with. Default: RS256."`
	SkipConsent           bool     `help:"Don't ask people whether they allow it: for your own applications."`
	SecretOut             string   `placeholder:"FILE" help:"Write the secret to a new file, mode 0600, and don't show it."`
}

// newClient is the body of POST /v1/admin/clients.
type newClient struct {
	ID                     string          `json:"client_id,omitempty"`
	Name                   string          `json:"client_name,omitempty"`
	RedirectURIs           []string        `json:"redirect_uris,omitempty"`
	PostLogoutRedirectURIs []string        `json:"post_logout_redirect_uris,omitempty"`
	GrantTypes             []string        `json:"grant_types,omitempty"`
	AuthMethod             string          `json:"token_endpoint_auth_method,omitempty"`
	JWKS                   json.RawMessage `json:"jwks,omitempty"`
	JWKSURI                string          `json:"jwks_uri,omitempty"`
	Scope                  string          `json:"scope,omitempty"`
	Audiences              []string        `json:"audiences,omitempty"`
	AllowedOrigins         []string        `json:"allowed_origins,omitempty"`
	BackchannelLogoutURI   string          `json:"backchannel_logout_uri,omitempty"`
	BackchannelSession     bool            `json:"backchannel_logout_session_required,omitempty"`
	RequirePushed          bool            `json:"require_pushed_authorization_requests,omitempty"`
	IDTokenAlgorithm       string          `json:"id_token_signed_response_alg,omitempty"`
	SkipConsent            bool            `json:"skip_consent,omitempty"`
	DPoPBound              bool            `json:"dpop_bound_access_tokens,omitempty"`
}

func (c clientsAddCmd) Run(ctx context.Context, p *program, parent *clientsCmd) error {
	if c.SecretOut != "" && (c.AuthMethod == "none" || c.AuthMethod == "private_key_jwt") {
		return usagef("--secret-out: a client with --auth-method %s has no secret; leave one of them out", c.AuthMethod)
	}
	if c.ID == "" && c.Name == "" {
		return usagef("which client? give it an ID, or a --name and it gets one; writ clients add --help lists the flags")
	}
	grants, err := grantTypes(c.GrantType)
	if err != nil {
		return err
	}
	keys, err := p.readObject(c.JWKS)
	if err != nil {
		return err
	}
	body := newClient{
		ID: c.ID, Name: c.Name, RedirectURIs: c.RedirectURI, PostLogoutRedirectURIs: c.PostLogoutRedirectURI,
		GrantTypes: grants, AuthMethod: c.AuthMethod, JWKS: keys, JWKSURI: c.JWKSURI,
		Scope: strings.Join(c.Scope, " "), Audiences: c.Audience, AllowedOrigins: c.AllowedOrigin,
		BackchannelLogoutURI: c.BackchannelLogoutURI, BackchannelSession: c.BackchannelSession, RequirePushed: c.RequirePushed,
		IDTokenAlgorithm: c.IDTokenAlgorithm, SkipConsent: c.SkipConsent, DPoPBound: c.DPoPBound,
	}
	return clients().createSecret(ctx, p, parent.adminFlags, body, secretOut{"client_secret", c.SecretOut})
}

// grantTypes writes the short names of grant types out, and refuses others: the
// server knows only the long ones.
func grantTypes(names []string) ([]string, error) {
	const long = "urn:ietf:params:oauth:grant-type:"
	short := []string{"authorization_code", "refresh_token", "client_credentials", "jwt-bearer", "token-exchange", "device_code"}
	var out []string
	for _, given := range names {
		name := strings.TrimPrefix(given, long)
		if i := slices.Index(short, name); name != "" && (i < 0 || i <= 2 && name != given) {
			return nil, usagef("--grant-type must be %s, not %q", alternatives(short), given)
		} else if i > 2 {
			name = long + name
		}
		out = append(out, name)
	}
	return out, nil
}

type clientsListCmd struct{ listFlags }

func (c clientsListCmd) Run(ctx context.Context, p *program, parent *clientsCmd) error {
	return clients().list(ctx, p, parent.adminFlags, c.listFlags, url.Values{})
}

type clientsShowCmd struct {
	Client string `arg:"" help:"The client_id or the name."`
}

func (c clientsShowCmd) Run(ctx context.Context, p *program, parent *clientsCmd) error {
	return clients().show(ctx, p, parent.adminFlags, c.Client)
}

type clientsRemoveCmd struct {
	Client string `arg:"" help:"The client_id or the name."`
}

func (c clientsRemoveCmd) Run(ctx context.Context, p *program, parent *clientsCmd) error {
	return clients().remove(ctx, p, parent.adminFlags, c.Client)
}
