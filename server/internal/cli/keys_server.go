package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/writ-auth/writ/jwk"
)

func serverKeys() resource {
	return resource{path: "keys", one: "key", names: []string{"kid", "id"}, columns: []column{
		{"KID", "kid"}, {"ALGORITHM", "algorithm"}, {"STATE", "state"}, {"SIGNS FROM", "signs_from"}, {"PUBLISHED UNTIL", "published_until"},
	}}
}

type keysListCmd struct{ adminFlags }

// Run asks for all at once: signing keys are few.
func (c keysListCmd) Run(ctx context.Context, p *program) error {
	return p.withAdmin(ctx, c.adminFlags, func(client *adminClient) error {
		var page listing
		if err := client.call(ctx, http.MethodGet, adminPath+"keys", nil, &page); err != nil {
			return err
		}
		return p.show(page, func(w io.Writer) error { return serverKeys().writeTable(w, page.Items) })
	})
}

// keysImportCmd works on this machine alone: a private key does not travel over
// a network.
type keysImportCmd struct {
	adminFlags
	File string        `arg:"" help:"Private key in PEM or JWK; - reads standard input."`
	Alg  jwk.Algorithm `placeholder:"NAME" help:"Algorithm of a key that doesn't say its own (PEM). Default: the usual one of its type."`
	Kid  string        `placeholder:"ID" help:"Key ID. Default: the key's own, or its thumbprint."`
}

// importedKey is the body of the operator's POST /v1/admin/keys.
type importedKey struct {
	Algorithm jwk.Algorithm `json:"algorithm"`
	KeyID     string        `json:"kid"`
	PEM       string        `json:"private_key_pem"`
}

func (c keysImportCmd) Run(ctx context.Context, p *program) error {
	if c.Server != "" {
		return usagef("a private key is imported on the server's own machine; leave --server out and run this there")
	}
	m, err := p.readKeyFile(c.File, c.Alg)
	switch {
	case err != nil:
		return err
	case m.secret != nil:
		return errors.New("this is a shared secret, and the server signs with key pairs; writ apis add --algorithm HS256 makes an API with a secret")
	case m.private == nil:
		return errors.New("this is a public key; the server needs the private one to sign")
	}
	key := m.private
	if c.Kid != "" {
		key = key.WithKeyID(c.Kid)
	}
	pem, err := key.ExportPEM()
	if err != nil {
		return err
	}
	return p.withAdmin(ctx, c.adminFlags, func(client *adminClient) error {
		var made announcedKey
		body := importedKey{key.Algorithm(), key.KeyID(), string(pem)}
		if err := client.call(ctx, http.MethodPost, adminPath+"keys", body, &made); err != nil {
			return err
		}
		return p.show(made, printLine("imported "+made.signs(p.Now())))
	})
}

// announcedKey is the answer: verifiers must know a key before it signs, but for
// the first of its algorithm.
type announcedKey struct {
	KeyID     string        `json:"kid"`
	Algorithm jwk.Algorithm `json:"algorithm"`
	SignsFrom time.Time     `json:"signs_from"`
}

// signs says from when the key signs.
func (k announcedKey) signs(now time.Time) string {
	from := "from now on"
	if k.SignsFrom.After(now) {
		from = "from " + when(k.SignsFrom, now)
	}
	return fmt.Sprintf("%s: it signs %s tokens %s", k.KeyID, k.Algorithm, from)
}
