package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/writ-auth/writ/jwk"
)

// keysExportCmd writes a key of a file, or a public key of the server, in the
// form that another program wants.
type keysExportCmd struct {
	adminFlags
	File    string        `arg:"" optional:"" help:"Key in PEM or JWK, or a JWK Set; - reads standard input. Without: the keys that the server publishes."`
	Out     string        `short:"o" placeholder:"FILE" help:"Write to a new file. Default: standard output."`
	Format  string        `enum:"auto,pem,jwk,jwks" default:"auto" help:"pem (SPKI, or PKCS#8 of a private key), jwk, or jwks (a set of public keys). Default: pem of a JWK, jwk of PEM, jwks of the server's."`
	Public  bool          `help:"The public part only." xor:"part"`
	Private bool          `help:"The private key, which is the default for a file with one. Never of the server's: those don't leave it." xor:"part"`
	Alg     jwk.Algorithm `placeholder:"NAME" help:"Algorithm of a key that doesn't say its own. Default: the usual one of its type."`
	Kid     string        `placeholder:"ID" help:"Of a set or the server: the key with this ID. Of one key: another ID for it."`
}

func (c keysExportCmd) Run(ctx context.Context, p *program) error {
	if c.File == "" {
		return c.published(ctx, p)
	}
	raw, err := p.readInput(c.File)
	if err != nil {
		return err
	}
	m, err := parseMaterial(c.Alg, raw)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	if c.Format == "auto" {
		c.Format = "pem"
		if strings.HasPrefix(strings.TrimSpace(string(raw)), "-----BEGIN ") {
			c.Format = "jwk"
		}
	}
	if m.set != nil && c.Kid != "" {
		if m, err = pick(m.set, c.Kid); err != nil {
			return fmt.Errorf("%s: %w", c.File, err)
		}
	}
	if c.Private && (c.Format == "jwks" || m.public != nil) {
		return errors.New("there is no private key to write; leave --private out for the public one")
	}
	if c.Public || c.Format == "jwks" || m.public != nil {
		return c.public(p, m)
	}
	return c.private(p, m)
}

// published writes what everybody may know of the server's keys.
func (c keysExportCmd) published(ctx context.Context, p *program) error {
	if c.Private || !c.Public {
		return usagef("the server's private keys never leave it, over a network or otherwise; --public writes the public ones, and FILE converts a key of yours")
	}
	var document json.RawMessage
	if err := p.withPublic(ctx, c.adminFlags, func(client *adminClient) error {
		return client.call(ctx, http.MethodGet, "/.well-known/jwks.json", nil, &document)
	}); err != nil {
		return err
	}
	set, err := jwk.ParseSet(document)
	if err != nil {
		return fmt.Errorf("the server's key set: %w", err)
	}
	m := material{set: set}
	if c.Format == "auto" && c.Kid == "" {
		c.Format = "jwks"
	}
	if c.Kid != "" || c.Format != "jwks" {
		if m, err = pick(set, c.Kid); err != nil {
			return fmt.Errorf("the server's key set: %w", err)
		}
	}
	return c.public(p, m)
}

// pick chooses the key with a kid out of a set, or its only one for "".
func pick(set *jwk.Set, kid string) (material, error) {
	var kids []string
	for key := range set.All() {
		if kid != "" && key.KeyID() == kid || kid == "" && set.Len() == 1 {
			return material{public: key}, nil
		}
		kids = append(kids, key.KeyID())
	}
	if kid != "" {
		return material{}, fmt.Errorf("no key has the ID %q; there are %s", kid, strings.Join(kids, ", "))
	}
	return material{}, fmt.Errorf("it has %d keys; choose with --kid: %s", set.Len(), strings.Join(kids, ", "))
}

func (c keysExportCmd) private(p *program, m material) (err error) {
	var data []byte
	switch {
	case m.set != nil:
		return errors.New("this is a set of public keys; add --public --format jwks, or give a file with one key")
	case m.secret != nil && c.Format == "pem":
		return errors.New("a shared secret has no PEM form; use --format jwk")
	case m.secret != nil:
		if c.Kid != "" {
			m.secret = m.secret.WithKeyID(c.Kid)
		}
		data, err = m.secret.ExportJWK()
		data = append(data, '\n')
	default:
		if c.Kid != "" {
			m.private = m.private.WithKeyID(c.Kid)
		}
		data, err = encodePrivate(m.private, c.Format)
	}
	if err != nil {
		return err
	}
	return p.writeKeyFile(c.Out, data)
}

func (c keysExportCmd) public(p *program, m material) error {
	if m.set != nil && c.Format == "jwks" {
		data, err := encodeJSON(m.set)
		if err != nil {
			return err
		}
		return p.writePublicFile(c.Out, []byte(data))
	}
	key, err := m.publicKey()
	if err != nil {
		return err
	}
	if c.Kid != "" && key.KeyID() != c.Kid {
		key = key.WithKeyID(c.Kid)
	}
	if c.Format != "jwks" {
		data, err := encodePublic(key, c.Format)
		if err != nil {
			return err
		}
		return p.writePublicFile(c.Out, data)
	}
	set, err := jwk.NewSet(key)
	if err != nil {
		return err
	}
	data, err := encodeJSON(set)
	if err != nil {
		return err
	}
	return p.writePublicFile(c.Out, []byte(data))
}
