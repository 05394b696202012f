// Package token is the door /oauth/token (RFC 6749, section 3.2): clients get
// access tokens here.
//
// The endpoint owns what every request goes through, in this order: the form,
// the client's authentication, whether the client may use the grant type, the
// audience (RFC 8707), the scope, and the answer. A [Grant] fills in only what
// is its own, so that none can forget a step.
package token

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/client"
)

// Path is where the endpoint is.
const Path = "/oauth/token"

// Options are what a Door is made of; every field is required.
type Options struct {
	Clients    client.Authenticator
	Issuer     Issuer // makes the tokens of clients
	Codes      Codes
	Sessions   Sessions
	Exchange   Exchanger
	Signers    Signers
	Devices    Devices
	Allowances Allowances
	Proofs     client.Proofs
}

// Door is the token endpoint.
type Door struct {
	endpoint client.Endpoint
	grants   map[string]Grant
	proofs   client.Proofs
}

// New makes the door.
func New(opts Options) *Door {
	d := &Door{proofs: opts.Proofs, grants: map[string]Grant{
		auth.GrantAuthorizationCode: authorizationCode{opts.Codes, opts.Allowances},
		auth.GrantRefreshToken:      refreshToken{opts.Sessions, opts.Allowances},
		auth.GrantClientCredentials: clientCredentials{opts.Issuer},
		auth.GrantTokenExchange:     tokenExchange{opts.Exchange},
		auth.GrantDeviceCode:        deviceCode{opts.Devices, opts.Allowances},
		auth.GrantJWTBearer:         jwtBearer{clientCredentials{opts.Issuer}, opts.Signers},
	}}
	d.endpoint = client.Endpoint{Path: Path, Clients: opts.Clients, Serve: d.serve, Pages: true, Bearer: true}
	return d
}

// Register adds the door's route to mux.
func (d *Door) Register(mux *http.ServeMux) { d.endpoint.Register(mux) }

// Routes lists the door's patterns, for the documents that describe them.
func Routes() []string { return []string{client.Endpoint{Path: Path}.Route()} }

// GrantTypes lists the grant types that exist.
func GrantTypes() []string {
	return []string{auth.GrantAuthorizationCode, auth.GrantRefreshToken, auth.GrantClientCredentials, auth.GrantJWTBearer, auth.GrantTokenExchange,
		auth.GrantDeviceCode}
}

// Grant is a grant type's own part: what the request proves besides who the
// client is.
type Grant interface {
	// Entitle judges what the request presents. Its error is one that package
	// edge renders for OAuth, such as invalid_grant.
	Entitle(ctx context.Context, req client.Request) (Entitlement, error)
}

// Entitlement is the most that a request may be given. The endpoint chooses
// within it.
type Entitlement struct {
	APIs  []auth.API // a token may be for one of these
	Scope []string   // and have these scopes, where the API has them
	// Issue makes the tokens for what was chosen, once.
	Issue func(ctx context.Context, api auth.API, scope []string) (Issued, error)

	// scope chooses among Scope where a person has settled already what fits the
	// API; nil: the endpoint does.
	scope func(requested string, api auth.API) ([]string, error)
}

func (e Entitlement) choose(requested string, api auth.API) ([]string, error) {
	if e.scope != nil {
		return e.scope(requested, api)
	}
	return chooseScope(requested, e.Scope, api)
}

// Issued is what a request gets.
type Issued struct {
	AccessToken  string
	ExpiresIn    time.Duration
	RefreshToken string // "": none
	IDToken      string // "": none
	Type         string // what AccessToken is, where RFC 8693, section 2.2.1, asks for it
	Thumbprint   string // of the key that AccessToken is bound to; "": none
}

func (d *Door) serve(w http.ResponseWriter, r *http.Request, req client.Request) error {
	grant, err := d.grant(req)
	if err != nil {
		return err
	}
	proof, err := d.prove(w, r, &req)
	if err != nil {
		return err
	}
	most, err := grant.Entitle(r.Context(), req)
	if err != nil {
		return err
	}
	api, err := chooseAPI(req.Form, most.APIs)
	if err != nil {
		return err
	}
	scope, err := most.choose(req.Form["scope"], api)
	if err != nil {
		return err
	}
	if proof != nil { // only now: who has nothing to present uses nothing up
		if err := d.proofs.Use(r.Context(), proof, req.Client.ID(), req.Address); err != nil {
			return err
		}
	}
	out, err := most.Issue(r.Context(), api, scope)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	respond(w, out, scope)
	return nil
}

// respond sends what RFC 6749, section 5.1, and OpenID Connect Core, section
// 3.1.3.3, say.
func respond(w http.ResponseWriter, out Issued, scope []string) {
	var body edge.Object
	body.Text("access_token", out.AccessToken)
	body.Text("token_type", tokenType(out))
	body.Int("expires_in", int64(out.ExpiresIn/time.Second))
	body.TextIf("refresh_token", out.RefreshToken)
	body.TextIf("id_token", out.IDToken)
	body.TextIf("scope", strings.Join(scope, " "))
	body.TextIf("issued_token_type", out.Type)
	body.Send(w, http.StatusOK)
}

// grant finds the grant that the request names, if the client may use it.
func (d *Door) grant(req client.Request) (Grant, error) {
	name := req.Form["grant_type"]
	if name == "" {
		return nil, auth.Invalid("grant_type", "grant_type is missing")
	}
	grant, ok := d.grants[name]
	if !ok {
		return nil, auth.Errorf("unsupported_grant_type", "There is no such grant type here.")
	}
	if !slices.Contains(req.Client.Client.GrantTypes, name) {
		return nil, unauthorized()
	}
	return grant, nil
}

func unauthorized() error {
	return auth.Errorf("unauthorized_client", "This client may not use this grant type.")
}
