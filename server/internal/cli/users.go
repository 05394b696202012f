package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"
)

func users() resource {
	return resource{path: "users", one: "user", names: []string{"id", "email", "username"}, columns: []column{
		{"ID", "id"}, {"E-MAIL", "email"}, {"USER NAME", "username"}, {"NAME", "name"}, {"ROLES", "roles"}, {"DISABLED", "disabled"},
	}}
}

type usersCmd struct {
	adminFlags
	Add  usersAddCmd  `cmd:"" help:"Add a user."`
	List usersListCmd `cmd:"" help:"List users."`
	Show usersShowCmd `cmd:"" help:"Show a user."`

	Set      usersSetCmd      `cmd:"" help:"Change a user. Disabling ends all sessions, taking a role away only the access tokens that say it."`
	Password usersPasswordCmd `cmd:"" help:"Set a user's password, and end all their sessions."`
	Remove   usersRemoveCmd   `cmd:"" help:"Remove a user, and end all their sessions."`
}

type usersAddCmd struct {
	Login        string   `arg:"" help:"The e-mail (with @) or the user name."`
	Email        string   `placeholder:"ADDRESS" help:"The e-mail of a user added by name."`
	Username     string   `placeholder:"NAME" help:"The user name of a user added by e-mail."`
	Name         string   `placeholder:"TEXT" help:"The full name."`
	Role         []string `sep:"none" placeholder:"NAME" help:"A role; may be repeated."`
	Claims       string   `placeholder:"FILE" help:"A JSON object with custom claims."`
	PasswordFile string   `placeholder:"FILE" help:"The password, on the file's one line; - reads standard input. Default: asked for." xor:"password"`
	NoPassword   bool     `help:"A user who can't sign in with a password." xor:"password"`
	MustChange   bool     `help:"The first sign-in must change the password."`
}

// newUser is the body of POST /v1/admin/users.
type newUser struct {
	Email    string          `json:"email,omitempty"`
	Username string          `json:"username,omitempty"`
	Password string          `json:"password,omitempty"`
	Name     string          `json:"name,omitempty"`
	Roles    []string        `json:"roles,omitempty"`
	Claims   json.RawMessage `json:"claims,omitempty"`

	MustChange bool `json:"must_change_password,omitempty"`
}

func (c usersAddCmd) Run(ctx context.Context, p *program, parent *usersCmd) error {
	body := newUser{Email: c.Email, Username: c.Username, Name: c.Name, Roles: c.Role, MustChange: c.MustChange}
	target := &body.Username
	if strings.Contains(c.Login, "@") {
		target = &body.Email
	}
	if *target != "" {
		return usagef("%q is given twice, as the argument and as a flag; leave the flag out", c.Login)
	}
	*target = c.Login
	if !c.NoPassword && c.PasswordFile == "" {
		if err := p.checkLogins(ctx, parent.adminFlags, body); err != nil {
			return err
		}
	}
	var err error
	if body.Claims, err = p.readObject(c.Claims); err != nil {
		return err
	}
	if !c.NoPassword {
		if body.Password, err = p.passwordFrom(c.PasswordFile, c.Login); err != nil {
			return err
		}
	}
	return users().create(ctx, p, parent.adminFlags, body, nil)
}

// checkLogins looks at the names before a person is asked for a password twice.
// What they miss of the rules, the server refuses afterwards.
func (p *program) checkLogins(ctx context.Context, flags adminFlags, u newUser) error {
	if strings.ContainsFunc(u.Email+u.Username, unicode.IsSpace) {
		return usagef("an e-mail or a user name has no spaces; the full name goes into --name")
	}
	if local, domain, ok := strings.Cut(u.Email, "@"); u.Email != "" && (!ok || local == "" || domain == "") {
		return usagef("%q is no e-mail address", u.Email)
	}
	return p.withAdmin(ctx, flags, func(c *adminClient) error {
		for _, login := range []string{u.Email, u.Username} {
			if login == "" {
				continue
			}
			if err := users().wantFree(ctx, c, login); err != nil {
				return err
			}
		}
		return nil
	})
}

// readObject reads a file with a strict JSON object; nil for no file.
func (p *program) readObject(file string) (json.RawMessage, error) {
	if file == "" {
		return nil, nil
	}
	data, err := p.readInput(file)
	if err != nil {
		return nil, err
	}
	if _, err := readMembers(data); err != nil {
		return nil, fmt.Errorf("%s: %w; it must hold one JSON object", file, err)
	}
	return data, nil
}

type usersListCmd struct{ listFlags }

func (c usersListCmd) Run(ctx context.Context, p *program, parent *usersCmd) error {
	return users().list(ctx, p, parent.adminFlags, c.listFlags, url.Values{})
}

type usersShowCmd struct {
	User string `arg:"" help:"The id, the e-mail or the user name."`
}

func (c usersShowCmd) Run(ctx context.Context, p *program, parent *usersCmd) error {
	return users().show(ctx, p, parent.adminFlags, c.User)
}

type usersRemoveCmd struct {
	User string `arg:"" help:"The id, the e-mail or the user name."`
}

func (c usersRemoveCmd) Run(ctx context.Context, p *program, parent *usersCmd) error {
	return users().remove(ctx, p, parent.adminFlags, c.User)
}

type usersPasswordCmd struct {
	User         string `arg:"" help:"The id, the e-mail or the user name."`
	PasswordFile string `placeholder:"FILE" help:"The new password, on the file's one line; - reads standard input. Default: asked for."`
	MustChange   bool   `help:"The next sign-in must change it."`
}

// changedPassword is the body of PATCH /v1/admin/users/{id}.
type changedPassword struct {
	Password   string `json:"password"`
	MustChange bool   `json:"must_change_password"`
}

func (c usersPasswordCmd) Run(ctx context.Context, p *program, parent *usersCmd) error {
	password, err := p.passwordFrom(c.PasswordFile, c.User)
	if err != nil {
		return err
	}
	return p.withAdmin(ctx, parent.adminFlags, func(client *adminClient) error {
		id, err := users().id(ctx, client, c.User)
		if err != nil {
			return err
		}
		var changed json.RawMessage
		body := changedPassword{password, c.MustChange}
		if err := client.call(ctx, http.MethodPatch, adminPath+"users/"+url.PathEscape(id), body, &changed); err != nil {
			return err
		}
		return p.show(map[string]string{"id": id}, printLine("the password of "+c.User+" is changed and their sessions are over"))
	})
}
