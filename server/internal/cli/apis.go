package cli

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/writ-auth/writ/jwk"
)

func apis() resource {
	return resource{path: "apis", one: "API", names: []string{"id", "audience"}, columns: []column{
		{"AUDIENCE", "audience"}, {"NAME", "name"}, {"ALGORITHM", "algorithm"}, {"SCOPES", "scopes"},
	}, lasting: "tokens for it that are out are good there until they expire (" + accessLife + "); to end them now: writ revoke --user USER or --client ID"}
}

type apisCmd struct {
	adminFlags
	Add    apisAddCmd    `cmd:"" help:"Add an API."`
	List   apisListCmd   `cmd:"" help:"List APIs."`
	Show   apisShowCmd   `cmd:"" help:"Show an API."`
	Set    apisSetCmd    `cmd:"" help:"Change an API; its tokens show it from the next on."`
	Remove apisRemoveCmd `cmd:"" help:"Remove an API: no more tokens are made for it; those that are out are good until they expire."`
	Secret apisSecretCmd `cmd:"" help:"Change the shared secret of an API."`
}

type apisAddCmd struct {
	Audience  string        `arg:"" help:"The audience (aud) of the API's tokens, usually its URL."`
	Name      string        `placeholder:"TEXT" help:"What people call it."`
	Algorithm jwk.Algorithm `placeholder:"NAME" help:"Algorithm of its tokens; with HS256 to HS512 it gets a secret of its own. Default: the server's."`
	AccessTTL time.Duration `name:"access-ttl" placeholder:"15m" help:"Lifetime of its access tokens. Default: the server's."`
	Scope     []string      `sep:"none" placeholder:"NAME" help:"A scope; may be repeated."`
	Status    bool          `name:"status-list" help:"Say in its tokens where their status stands in a Token Status List."`
	SecretOut string        `placeholder:"FILE" help:"Write the secret to a new file, mode 0600, and don't show it."`
}

// newAPI is the body of POST /v1/admin/apis.
type newAPI struct {
	Audience  string        `json:"audience"`
	Name      string        `json:"name,omitempty"`
	Algorithm jwk.Algorithm `json:"algorithm,omitempty"`
	AccessTTL int64         `json:"access_ttl,omitempty"` // seconds
	Scopes    []string      `json:"scopes,omitempty"`
	Status    bool          `json:"status_list,omitempty"`
}

func (c apisAddCmd) Run(ctx context.Context, p *program, parent *apisCmd) error {
	if err := wholeSeconds(c.AccessTTL); err != nil {
		return err
	}
	if c.SecretOut != "" && !strings.HasPrefix(string(c.Algorithm), "HS") {
		return usagef("--secret-out: only an API with a shared secret has one; add --algorithm HS256, HS384 or HS512, or leave --secret-out out")
	}
	body := newAPI{c.Audience, c.Name, c.Algorithm, int64(c.AccessTTL / time.Second), c.Scope, c.Status}
	return apis().createSecret(ctx, p, parent.adminFlags, body, secretOut{"secret", c.SecretOut})
}

func wholeSeconds(ttl time.Duration) error {
	if ttl%time.Second != 0 || ttl < 0 {
		return usagef("--access-ttl must be whole seconds")
	}
	return nil
}

type apisListCmd struct{ listFlags }

func (c apisListCmd) Run(ctx context.Context, p *program, parent *apisCmd) error {
	return apis().list(ctx, p, parent.adminFlags, c.listFlags, url.Values{})
}

type apisShowCmd struct {
	API string `arg:"" help:"The audience or the id."`
}

func (c apisShowCmd) Run(ctx context.Context, p *program, parent *apisCmd) error {
	return apis().show(ctx, p, parent.adminFlags, c.API)
}

type apisRemoveCmd struct {
	API string `arg:"" help:"The audience or the id."`
}

func (c apisRemoveCmd) Run(ctx context.Context, p *program, parent *apisCmd) error {
	return apis().remove(ctx, p, parent.adminFlags, c.API)
}
