package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/writ-auth/writ/jwk"
)

// keysRotateCmd announces the next signing key, or ends a compromised one.
type keysRotateCmd struct {
	adminFlags
	Algorithm   jwk.Algorithm `placeholder:"NAME" help:"Algorithm whose key is changed. Default: the server's." xor:"what"`
	Compromised string        `placeholder:"KID|all" help:"Somebody else has this key: end it, and every token that it signed, at once. all ends every key, and the shared secrets of APIs." xor:"what"`
}

// rotation is the body of POST /v1/admin/keys/rotate.
type rotation struct {
	Algorithm   jwk.Algorithm `json:"algorithm,omitempty"`
	Compromised string        `json:"compromised,omitempty"`
}

// rotated is its answer.
type rotated struct {
	announcedKey
	Seq        uint64         `json:"seq,omitzero"`
	Keys       []announcedKey `json:"keys,omitempty"`        // after all: the new key of each algorithm
	APISecrets []newAPISecret `json:"api_secrets,omitempty"` // after all: shown this once
}

// newAPISecret is the secret of an API in place of a compromised one.
type newAPISecret struct {
	Audience  string    `json:"audience"`
	Secret    string    `json:"secret"`
	KeyID     string    `json:"secret_kid"`
	SignsFrom time.Time `json:"signs_from"`
}

func (c keysRotateCmd) Run(ctx context.Context, p *program) error {
	return p.withAdmin(ctx, c.adminFlags, func(client *adminClient) error {
		var done rotated
		if err := client.call(ctx, http.MethodPost, adminPath+"keys/rotate", rotation{c.Algorithm, c.Compromised}, &done); err != nil {
			return err
		}
		return p.show(done, func(w io.Writer) error { return done.write(w, c.Compromised, p.Now()) })
	})
}

// slowVerifiers is what an operator must know who hopes that a key is gone.
const slowVerifiers = `Verifiers that follow the revocation log refuse the old tokens now. Those that only know the key set, such as
jwks-rsa behind express-jwt, keep a key for minutes after it has left the set: restart them.`

func (r rotated) write(w io.Writer, compromised string, now time.Time) error {
	var b strings.Builder
	keys := r.Keys
	if len(keys) == 0 {
		keys = []announcedKey{r.announcedKey}
	}
	switch compromised {
	case "":
	case "all":
		fmt.Fprintf(&b, "every key is revoked, at number %d of the log\n", r.Seq)
	default:
		fmt.Fprintf(&b, "%s is revoked, at number %d of the log\n", oneLine(compromised), r.Seq)
	}
	for _, k := range keys {
		fmt.Fprintf(&b, "%s\n", oneLine(k.signs(now)))
	}
	for _, s := range r.APISecrets {
		fmt.Fprintf(&b, "new secret of %s (kid %s), shown this once: %s\n", oneLine(s.Audience), oneLine(s.KeyID), oneLine(s.Secret))
	}
	if compromised != "" {
		fmt.Fprintf(&b, "%s\n", slowVerifiers)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
