package cli

import (
	"context"
	"encoding/json"
	"errors"
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

// keeping calls do, which hands the answer to keep and is given back what of
// it is shown. The file is there before anything is made, for a secret that
// finds none is lost: the server answers it this once. It goes if do fails.
func (o secretOut) keeping(p *program, do func(keep keeper) error) error {
	if o.file == "" || o.file == "-" {
		return do(func(made json.RawMessage) (json.RawMessage, error) { return o.show(p, made) })
	}
	f, err := createNew(o.file, 0o600)
	if err != nil {
		return err
	}
	kept := false
	err = do(func(made json.RawMessage) (json.RawMessage, error) {
		value, rest, err := o.split(made)
		if err != nil || value == "" {
			return made, err
		}
		kept = true
		if err := fill(f, []byte(value+"\n")); err != nil {
			return nil, fmt.Errorf("all is made but the secret's file: %w; the verb secret add makes another secret", err)
		}
		return rest, nil
	})
	if !kept {
		return errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return err
}

// keeper takes an answer and gives back what of it is shown.
type keeper func(made json.RawMessage) (json.RawMessage, error)

// show leaves the secret in what is shown, or writes it before that.
func (o secretOut) show(p *program, made json.RawMessage) (json.RawMessage, error) {
	value, rest, err := o.split(made)
	switch {
	case err != nil || value == "":
		return made, err
	case o.file == "-":
		return rest, p.writeKeyFile(o.file, []byte(value+"\n"))
	}
	p.note("The secret is shown this once; keep it.")
	return made, nil
}

// split is the secret of an answer, "" if it has none, and the rest.
func (o secretOut) split(made json.RawMessage) (value string, rest json.RawMessage, err error) {
	members, err := readMembers(made)
	if err != nil {
		return "", nil, err
	}
	value = cell(members, o.member)
	if value == "-" {
		return "", made, nil
	}
	return value, object(slices.DeleteFunc(members, func(m member) bool { return m.name == o.member })), nil
}

// createSecret adds a thing whose answer may hold a secret, which is shown this
// once, or written to a file and not shown.
func (r resource) createSecret(ctx context.Context, p *program, flags adminFlags, body any, out secretOut) error {
	return out.keeping(p, func(keep keeper) error { return r.create(ctx, p, flags, body, keep) })
}

// addSecret makes one more secret of the thing that name stands for.
func (r resource) addSecret(ctx context.Context, p *program, flags adminFlags, name string, body any, out secretOut) error {
	return out.keeping(p, func(keep keeper) error {
		return p.withAdmin(ctx, flags, func(c *adminClient) error {
			id, err := r.id(ctx, c, name)
			if err != nil {
				return err
			}
			var made json.RawMessage
			if err := c.call(ctx, http.MethodPost, adminPath+r.path+"/"+url.PathEscape(id)+"/secrets", body, &made); err != nil {
				return err
			}
			if made, err = keep(made); err != nil {
				return err
			}
			return p.showItem(made)
		})
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
