package cli

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// The verbs that change what is there. A flag that isn't given changes nothing.

type usersSetCmd struct {
	User       string   `arg:"" help:"The id, the e-mail or the user name."`
	Email      *string  `placeholder:"ADDRESS" help:"The e-mail."`
	Username   *string  `placeholder:"NAME" help:"The user name."`
	Name       *string  `placeholder:"TEXT" help:"The full name."`
	Role       []string `sep:"none" placeholder:"NAME" help:"A role; may be repeated: these replace all roles, an empty value leaves none." xor:"role,add,remove"`
	AddRole    []string `sep:"none" placeholder:"NAME" help:"A role to add to those there are; may be repeated." xor:"add"`
	RemoveRole []string `sep:"none" placeholder:"NAME" help:"A role to take away, which ends the access tokens that say it; may be repeated." xor:"remove"`
	Claims     string   `placeholder:"FILE" help:"A JSON object that replaces the custom claims."`
	Disable    bool     `help:"The user can't sign in any more, and all sessions end." xor:"ability"`
	Enable     bool     `help:"The user can sign in again." xor:"ability"`
}

func (c usersSetCmd) Run(ctx context.Context, p *program, parent *usersCmd) error {
	claims, err := p.readObject(c.Claims)
	if err != nil {
		return err
	}
	body := changes{}
	body.text("email", c.Email)
	body.text("username", c.Username)
	body.text("name", c.Name)
	body.list("roles", c.Role)
	body.ability(c.Disable, c.Enable)
	if claims != nil {
		body["claims"] = claims
	}
	var edit func([]member) error
	if len(c.AddRole)+len(c.RemoveRole) > 0 {
		edit = func(now []member) (err error) { body["roles"], err = c.roles(now); return err }
	}
	return users().set(ctx, p, parent.adminFlags, c.User, body, edit)
}

// roles are the user's roles with those to add and without those to remove.
func (c usersSetCmd) roles(now []member) ([]string, error) {
	roles := []string{}
	for _, m := range now {
		if m.name == "roles" {
			if err := json.Unmarshal([]byte(m.value), &roles); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range c.AddRole {
		if !slices.Contains(roles, name) {
			roles = append(roles, name)
		}
	}
	for _, name := range c.RemoveRole {
		i := slices.Index(roles, name)
		if i < 0 {
			return nil, usagef("%s doesn't have the role %s; writ users show lists the roles", c.User, name)
		}
		roles = slices.Delete(roles, i, i+1)
	}
	return roles, nil
}

type rolesSetCmd struct {
	Role       string   `arg:"" help:"The name or the id."`
	Permission []string `sep:"none" placeholder:"NAME" help:"A permission; may be repeated: these replace all, an empty value leaves none."`
}

func (c rolesSetCmd) Run(ctx context.Context, p *program, parent *rolesCmd) error {
	body := changes{}
	body.list("permissions", c.Permission)
	return roles().set(ctx, p, parent.adminFlags, c.Role, body, nil)
}

type orgsSetCmd struct {
	Org  string  `arg:"" help:"The slug or the id; the slug stays, for tokens carry it."`
	Name *string `placeholder:"TEXT" help:"What people call it."`
}

func (c orgsSetCmd) Run(ctx context.Context, p *program, parent *orgsCmd) error {
	body := changes{}
	body.text("name", c.Name)
	return orgs().set(ctx, p, parent.adminFlags, c.Org, body, nil)
}

// apisSetCmd has the flags of apis add. The audience stays, for tokens and
// verifiers name it.
type apisSetCmd struct {
	API          string         `arg:"" help:"The audience or the id."`
	Name         *string        `placeholder:"TEXT" help:"What people call it."`
	Algorithm    *string        `placeholder:"NAME" help:"Algorithm of its tokens, an empty value for the server's; not to or from a shared secret."`
	AccessTTL    *time.Duration `name:"access-ttl" placeholder:"15m" help:"Lifetime of its access tokens, 0s for the server's."`
	Scope        []string       `sep:"none" placeholder:"NAME" help:"A scope; may be repeated: these replace all, an empty value leaves none."`
	StatusList   bool           `name:"status-list" help:"Say in its tokens where their status stands in a Token Status List." xor:"status"`
	NoStatusList bool           `name:"no-status-list" help:"Don't say it any more." xor:"status"`
}

func (c apisSetCmd) Run(ctx context.Context, p *program, parent *apisCmd) error {
	body := changes{}
	body.text("name", c.Name)
	body.text("algorithm", c.Algorithm)
	if c.AccessTTL != nil {
		if err := wholeSeconds(*c.AccessTTL); err != nil {
			return err
		}
		body["access_ttl"] = int64(*c.AccessTTL / time.Second)
	}
	body.list("scopes", c.Scope)
	if c.StatusList || c.NoStatusList {
		body["status_list"] = c.StatusList
	}
	return apis().set(ctx, p, parent.adminFlags, c.API, body, nil)
}

// clientsSetCmd has the flags of clients add. Of a list it replaces the whole.
type clientsSetCmd struct {
	Client                string   `arg:"" help:"The client_id or the name; writ is the sign-in itself."`
	Name                  *string  `placeholder:"TEXT" help:"What people call it."`
	RedirectURI           []string `name:"redirect-uri" sep:"none" placeholder:"URL" help:"Where sign-in may return to; may be repeated: these replace all, an empty value leaves none."`
	PostLogoutRedirectURI []string `name:"post-logout-redirect-uri" sep:"none" placeholder:"URL" help:"Where log-out may return to; replaces all."`
	GrantType             []string `sep:"none" placeholder:"NAME" help:"A grant type, as for clients add; replaces all."`
	JWKS                  string   `name:"jwks" placeholder:"FILE" help:"Its public keys, a JWK Set." xor:"jwks"`
	JWKSURI               string   `name:"jwks-uri" placeholder:"URL" help:"Where its public keys are." xor:"jwks"`
	Scope                 []string `sep:"none" placeholder:"NAME" help:"A scope that it may ask for; replaces all."`
	Audience              []string `sep:"none" placeholder:"AUD" help:"An API that it may ask tokens for; replaces all."`
	AllowedOrigin         []string `sep:"none" placeholder:"ORIGIN" help:"An origin whose pages may call for it, such as https://app.example.com; replaces all."`
	BackchannelLogoutURI  *string  `name:"backchannel-logout-uri" placeholder:"URL" help:"Where it is told of log-outs."`
	Disable               bool     `help:"It gets no more tokens, and all that it holds ends." xor:"ability"`
	Enable                bool     `help:"It gets tokens again." xor:"ability"`
}

func (c clientsSetCmd) Run(ctx context.Context, p *program, parent *clientsCmd) error {
	grants, err := grantTypes(c.GrantType)
	if err != nil {
		return err
	}
	body := changes{}
	body.text("client_name", c.Name)
	body.list("redirect_uris", c.RedirectURI)
	body.list("post_logout_redirect_uris", c.PostLogoutRedirectURI)
	body.list("grant_types", grants)
	if err := c.keys(p, body); err != nil {
		return err
	}
	body.list("audiences", c.Audience)
	body.list("allowed_origins", c.AllowedOrigin)
	body.text("backchannel_logout_uri", c.BackchannelLogoutURI)
	body.ability(c.Disable, c.Enable)
	if len(c.Scope) > 0 {
		body["scope"] = strings.Join(c.Scope, " ")
	}
	return clients().set(ctx, p, parent.adminFlags, c.Client, body, nil)
}

// keys replaces a set of keys by an address, or the other way round: there is
// one of them.
func (c clientsSetCmd) keys(p *program, body changes) error {
	keys, err := p.readObject(c.JWKS)
	switch {
	case err != nil:
		return err
	case keys != nil:
		body["jwks"], body["jwks_uri"] = keys, ""
	case c.JWKSURI != "":
		body["jwks"], body["jwks_uri"] = json.RawMessage(`{"keys":[]}`), c.JWKSURI
	}
	return nil
}
