package cli

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
)

func orgs() resource {
	return resource{path: "orgs", one: "organisation", names: []string{"id", "slug"}, columns: []column{
		{"ID", "id"}, {"SLUG", "slug"}, {"NAME", "name"},
	}, lasting: "its members' tokens that are out say it until they expire (" + accessLife + "); to end a user's now: writ revoke --user USER"}
}

// membersOf are the members of an organisation.
func membersOf(org string) resource {
	return resource{path: "orgs/" + url.PathEscape(org) + "/members", one: "member", columns: []column{
		{"USER", "user_id"}, {"ROLES", "roles"},
	}}
}

type orgsCmd struct {
	adminFlags
	Add     orgsAddCmd     `cmd:"" help:"Add an organisation."`
	List    orgsListCmd    `cmd:"" help:"List organisations."`
	Show    orgsShowCmd    `cmd:"" help:"Show an organisation."`
	Set     orgsSetCmd     `cmd:"" help:"Change the name of an organisation."`
	Remove  orgsRemoveCmd  `cmd:"" help:"Remove an organisation and its memberships; the users stay, and tokens that are out say it until they expire."`
	Members orgsMembersCmd `cmd:"" help:"Add, list and remove the members of an organisation."`
}

type orgsAddCmd struct {
	Slug string `arg:"" help:"The short name that tokens carry: small letters, digits, hyphens."`
	Name string `placeholder:"TEXT" help:"What people call it."`
}

// newOrg is the body of POST /v1/admin/orgs.
type newOrg struct {
	Slug string `json:"slug"`
	Name string `json:"name,omitempty"`
}

func (c orgsAddCmd) Run(ctx context.Context, p *program, parent *orgsCmd) error {
	return orgs().create(ctx, p, parent.adminFlags, newOrg(c), nil)
}

type orgsListCmd struct{ listFlags }

func (c orgsListCmd) Run(ctx context.Context, p *program, parent *orgsCmd) error {
	return orgs().list(ctx, p, parent.adminFlags, c.listFlags, url.Values{})
}

type orgsShowCmd struct {
	Org string `arg:"" help:"The slug or the id."`
}

func (c orgsShowCmd) Run(ctx context.Context, p *program, parent *orgsCmd) error {
	return orgs().show(ctx, p, parent.adminFlags, c.Org)
}

type orgsRemoveCmd struct {
	Org string `arg:"" help:"The slug or the id."`
}

func (c orgsRemoveCmd) Run(ctx context.Context, p *program, parent *orgsCmd) error {
	return orgs().remove(ctx, p, parent.adminFlags, c.Org)
}

type orgsMembersCmd struct {
	Add    membersAddCmd    `cmd:"" help:"Make a user a member, with exactly the roles given; of a member they are replaced."`
	List   membersListCmd   `cmd:"" help:"List the members of an organisation."`
	Remove membersRemoveCmd `cmd:"" help:"Take a user out of an organisation, and end the access tokens that say it; sessions go on."`
}

type membersAddCmd struct {
	Org  string   `arg:"" help:"The slug or the id."`
	User string   `arg:"" help:"The id, the e-mail or the user name."`
	Role []string `sep:"none" placeholder:"NAME" help:"A role in the organisation; may be repeated."`
}

func (c membersAddCmd) Run(ctx context.Context, p *program, parent *orgsCmd) error {
	return p.withMember(ctx, parent.adminFlags, c.Org, c.User, func(client *adminClient, path string) error {
		var made json.RawMessage
		body := map[string][]string{"roles": append([]string{}, c.Role...)}
		if err := client.call(ctx, http.MethodPut, path, body, &made); err != nil {
			return err
		}
		return p.showItem(made)
	})
}

// withMember calls do with the path of a user's membership.
func (p *program) withMember(ctx context.Context, flags adminFlags, org, user string, do func(*adminClient, string) error) error {
	return p.withAdmin(ctx, flags, func(client *adminClient) error {
		orgID, err := orgs().id(ctx, client, org)
		if err != nil {
			return err
		}
		userID, err := users().id(ctx, client, user)
		if err != nil {
			return err
		}
		return do(client, adminPath+membersOf(orgID).path+"/"+url.PathEscape(userID))
	})
}

type membersListCmd struct {
	Org string `arg:"" help:"The slug or the id."`
}

func (c membersListCmd) Run(ctx context.Context, p *program, parent *orgsCmd) error {
	return p.withAdmin(ctx, parent.adminFlags, func(client *adminClient) error {
		id, err := orgs().id(ctx, client, c.Org)
		if err != nil {
			return err
		}
		members := membersOf(id)
		items, err := members.all(ctx, client, url.Values{}, 0)
		if err != nil {
			return err
		}
		return p.show(listing{Items: items}, func(w io.Writer) error { return members.writeTable(w, items) })
	})
}

type membersRemoveCmd struct {
	Org  string `arg:"" help:"The slug or the id."`
	User string `arg:"" help:"The id, the e-mail or the user name."`
}

func (c membersRemoveCmd) Run(ctx context.Context, p *program, parent *orgsCmd) error {
	return p.withMember(ctx, parent.adminFlags, c.Org, c.User, func(client *adminClient, path string) error {
		var answer json.RawMessage
		if err := client.call(ctx, http.MethodDelete, path, nil, &answer); err != nil {
			return err
		}
		return p.show(map[string]string{"removed": c.User}, printLine("removed "+c.User+" from "+c.Org+"; the access tokens that say it have ended, sessions go on"))
	})
}
