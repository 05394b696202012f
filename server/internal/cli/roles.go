package cli

import (
	"context"
	"net/url"
)

// accessLife says how long access tokens live, where the verb can't know more.
const accessLife = "15m after they were made, unless --access-ttl or their API says otherwise"

func roles() resource {
	return resource{path: "roles", one: "role", names: []string{"id", "name"}, columns: []column{
		{"NAME", "name"}, {"PERMISSIONS", "permissions"},
	}, lasting: "tokens that are out say it until they expire (" + accessLife + "); to end a user's now: writ revoke --user USER"}
}

type rolesCmd struct {
	adminFlags
	Add    rolesAddCmd    `cmd:"" help:"Add a role."`
	List   rolesListCmd   `cmd:"" help:"List roles."`
	Show   rolesShowCmd   `cmd:"" help:"Show a role."`
	Set    rolesSetCmd    `cmd:"" help:"Change what a role may do; tokens that are out keep what they say until they expire."`
	Remove rolesRemoveCmd `cmd:"" help:"Remove a role, also from everybody who has it; tokens that are out say it until they expire."`
}

type rolesAddCmd struct {
	Name       string   `arg:"" help:"The name, as tokens carry it."`
	Permission []string `sep:"none" placeholder:"NAME" help:"A permission; may be repeated."`
}

// newRole is the body of POST /v1/admin/roles.
type newRole struct {
	Name        string   `json:"name"`
	Permissions []string `json:"permissions"`
}

func (c rolesAddCmd) Run(ctx context.Context, p *program, parent *rolesCmd) error {
	body := newRole{Name: c.Name, Permissions: append([]string{}, c.Permission...)}
	return roles().create(ctx, p, parent.adminFlags, body, nil)
}

type rolesListCmd struct{ listFlags }

func (c rolesListCmd) Run(ctx context.Context, p *program, parent *rolesCmd) error {
	return roles().list(ctx, p, parent.adminFlags, c.listFlags, url.Values{})
}

type rolesShowCmd struct {
	Role string `arg:"" help:"The name or the id."`
}

func (c rolesShowCmd) Run(ctx context.Context, p *program, parent *rolesCmd) error {
	return roles().show(ctx, p, parent.adminFlags, c.Role)
}

type rolesRemoveCmd struct {
	Role string `arg:"" help:"The name or the id."`
}

func (c rolesRemoveCmd) Run(ctx context.Context, p *program, parent *rolesCmd) error {
	return roles().remove(ctx, p, parent.adminFlags, c.Role)
}
