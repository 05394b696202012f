package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"
)

// secretOut is what becomes of a secret that an answer holds.
type secretOut struct {
	member string // its name in the answer
	file   string // where it goes instead of the screen; "" shows it
}

// free refuses a file that is there, before anything is made: the only copy of
// the secret would be lost.
func (o secretOut) free() error {
	if o.file == "" {
		return nil
	}
	if _, err := os.Lstat(o.file); err == nil {
		return fmt.Errorf("%s is there already and is never overwritten; choose another name or move it away", o.file)
	}
	return nil
}

// keep puts the secret of an answer where it belongs, and answers what of it is
// shown.
func (o secretOut) keep(p *program, made json.RawMessage) (json.RawMessage, error) {
	members, err := readMembers(made)
	if err != nil {
		return nil, err
	}
	value := cell(members, o.member)
	switch {
	case value == "-":
		return made, nil
	case o.file == "":
		p.note("The secret is shown this once; keep it.")
		return made, nil
	}
	shown := slices.DeleteFunc(members, func(m member) bool { return m.name == o.member })
	return object(shown), p.writeKeyFile(o.file, []byte(value+"\n"))
}

// createSecret adds a thing whose answer may hold a secret, which is shown this
// once, or written to a file and not shown.
func (r resource) createSecret(ctx context.Context, p *program, flags adminFlags, body any, out secretOut) error {
	if err := out.free(); err != nil {
		return err
	}
	return r.create(ctx, p, flags, body, func(made json.RawMessage) (json.RawMessage, error) { return out.keep(p, made) })
}

// addSecret makes one more secret of the thing that name stands for.
func (r resource) addSecret(ctx context.Context, p *program, flags adminFlags, name string, body any, out secretOut) error {
	if err := out.free(); err != nil {
		return err
	}
	return p.withAdmin(ctx, flags, func(c *adminClient) error {
		id, err := r.id(ctx, c, name)
		if err != nil {
			return err
		}
		var made json.RawMessage
		if err := c.call(ctx, http.MethodPost, adminPath+r.path+"/"+url.PathEscape(id)+"/secrets", body, &made); err != nil {
			return err
		}
		if made, err = out.keep(p, made); err != nil {
			return err
		}
		return p.showItem(made)
	})
}

type apisSecretCmd struct {
	Add apisSecretAddCmd `cmd:"" help:"Make a second secret, which signs after a while; the older one verifies until its last token is over."`
}

type apisSecretAddCmd struct {
	API       string        `arg:"" help:"The audience or the id."`
	SignsIn   time.Duration `default:"24h" placeholder:"24h" help:"How long from now the older secret goes on signing: give the new one to the API in that time (default ${default})."`
	SecretOut string        `placeholder:"FILE" help:"Write the secret to a new file, mode 0600, and don't show it."`
}

func (c apisSecretAddCmd) Run(ctx context.Context, p *program, parent *apisCmd) error {
	if c.SignsIn%time.Second != 0 || c.SignsIn < 0 {
		return usagef("--signs-in must be whole seconds")
	}
	body := map[string]int64{"signs_in": int64(c.SignsIn / time.Second)}
	return apis().addSecret(ctx, p, parent.adminFlags, c.API, body, secretOut{"secret", c.SecretOut})
}

type clientsSecretCmd struct {
	Add    clientsSecretAddCmd    `cmd:"" help:"Make a second secret; both are good until one is removed."`
	List   clientsSecretListCmd   `cmd:"" help:"List the secrets of a client, without showing them."`
	Remove clientsSecretRemoveCmd `cmd:"" help:"Remove a secret; what the client holds stays."`
}

type clientsSecretAddCmd struct {
	Client    string `arg:"" help:"The client_id or the name."`
	SecretOut string `placeholder:"FILE" help:"Write the secret to a new file, mode 0600, and don't show it."`
}

func (c clientsSecretAddCmd) Run(ctx context.Context, p *program, parent *clientsCmd) error {
	return clients().addSecret(ctx, p, parent.adminFlags, c.Client, nil, secretOut{"client_secret", c.SecretOut})
}

type clientsSecretListCmd struct {
	Client string `arg:"" help:"The client_id or the name."`
}

func (c clientsSecretListCmd) Run(ctx context.Context, p *program, parent *clientsCmd) error {
	return p.withAdmin(ctx, parent.adminFlags, func(client *adminClient) error {
		id, err := clients().id(ctx, client, c.Client)
		if err != nil {
			return err
		}
		var page listing
		if err := client.call(ctx, http.MethodGet, adminPath+"clients/"+url.PathEscape(id)+"/secrets", nil, &page); err != nil {
			return err
		}
		secrets := resource{columns: []column{{"ID", "id"}, {"CREATED", "created_at"}, {"EXPIRES", "expires_at"}}}
		return p.show(page, func(w io.Writer) error { return secrets.writeTable(w, page.Items) })
	})
}

type clientsSecretRemoveCmd struct {
	Client string `arg:"" help:"The client_id or the name."`
	Secret string `arg:"" help:"The secret's id; writ clients secret list shows it."`
}

func (c clientsSecretRemoveCmd) Run(ctx context.Context, p *program, parent *clientsCmd) error {
	return p.withAdmin(ctx, parent.adminFlags, func(client *adminClient) error {
		id, err := clients().id(ctx, client, c.Client)
		if err != nil {
			return err
		}
		path := adminPath + "clients/" + url.PathEscape(id) + "/secrets/" + url.PathEscape(c.Secret)
		if err := client.call(ctx, http.MethodDelete, path, nil, nil); err != nil {
			return err
		}
		return p.show(map[string]string{"removed": c.Secret}, printLine("removed secret "+c.Secret+" of client "+c.Client))
	})
}
