package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/jwk"
)

// keysCmd makes and converts key files, and looks into the server's keyring.
type keysCmd struct {
	Generate   keysGenerateCmd   `cmd:"" help:"Make a key pair or a shared secret."`
	Export     keysExportCmd     `cmd:"" help:"Write a key file in another form, or its public part, or the server's public keys."`
	Thumbprint keysThumbprintCmd `cmd:"" help:"Print the RFC 7638 thumbprint of a key."`
	List       keysListCmd       `cmd:"" help:"List the server's signing keys, and where each is in its life."`
	Rotate     keysRotateCmd     `cmd:"" help:"Announce the server's next signing key, or end a compromised one."`
	Import     keysImportCmd     `cmd:"" help:"Put a private key into the server's keyring."`
}

type keysGenerateCmd struct {
	Alg    jwk.Algorithm `default:"ES256" placeholder:"NAME" help:"Algorithm: ES256 (default), ES384, ES512, EdDSA, RS256 to RS512, PS256 to PS512, HS256 to HS512."`
	Out    string        `short:"o" placeholder:"FILE" help:"Write to a new file, mode 0600. Default: standard output."`
	Public string        `placeholder:"FILE" help:"Write the public key to a new file as well."`
	Format string        `enum:"auto,pem,jwk,text" default:"auto" help:"pem (key pairs), text (secrets, base64url, whose characters are the secret), jwk."`
	Kid    string        `placeholder:"ID" help:"Key ID. Default: the thumbprint; of a secret: random."`
}

// generated is what keys generate did, for --json.
type generated struct {
	Algorithm jwk.Algorithm   `json:"alg"`
	KeyID     string          `json:"kid,omitempty"`
	File      string          `json:"file,omitempty"`
	Public    json.RawMessage `json:"public,omitempty"` // the JWK
	Private   string          `json:"private,omitempty"`
}

func (c keysGenerateCmd) Run(p *program) error {
	if strings.HasPrefix(string(c.Alg), "HS") {
		return c.secret(p)
	}
	key, err := jwk.Generate(c.Alg)
	if err != nil {
		return usagef("%s; see writ keys generate --help for the algorithms", err)
	}
	if c.Kid != "" {
		key = key.WithKeyID(c.Kid)
	}
	data, err := encodePrivate(key, c.Format)
	if err != nil {
		return err
	}
	if err := c.write(p, generated{Algorithm: c.Alg, KeyID: key.KeyID()}, key.Public(), data); err != nil {
		return err
	}
	return c.writePublic(p, key.Public())
}

func (c keysGenerateCmd) secret(p *program) error {
	if c.Public != "" {
		return usagef("a shared secret has no public part; leave --public out")
	}
	if c.Format == "pem" {
		return usagef("a shared secret has no PEM form; use --format text or jwk")
	}
	// The secret is text, so that every program that is given the file's
	// characters uses the same key.
	random, err := jwk.GenerateSecret(c.Alg)
	if err != nil {
		return usagef("%s; see writ keys generate --help for the algorithms", err)
	}
	text := base64url.Encode(random.ExportBytes())
	kid := random.KeyID()
	if c.Kid != "" {
		kid = c.Kid
	}
	if c.Format != "jwk" {
		return c.write(p, generated{Algorithm: c.Alg}, nil, []byte(text+"\n"))
	}
	secret, err := jwk.NewSecret(c.Alg, []byte(text))
	if err != nil {
		return err
	}
	data, err := secret.WithKeyID(kid).ExportJWK()
	if err != nil {
		return err
	}
	return c.write(p, generated{Algorithm: c.Alg, KeyID: kid}, nil, append(data, '\n'))
}

// write puts the key where it belongs and says what was made.
func (c keysGenerateCmd) write(p *program, made generated, public *jwk.PublicKey, data []byte) error {
	if public != nil {
		var err error
		if made.Public, err = json.Marshal(public); err != nil {
			return err
		}
	}
	if c.Out == "" && p.json {
		made.Private = string(data)
		return p.show(made, nil)
	}
	if err := p.writeKeyFile(c.Out, data); err != nil {
		return err
	}
	if c.Out == "" {
		return nil
	}
	made.File = c.Out
	if p.json {
		return p.show(made, nil)
	}
	p.note("%s: %s key%s, mode 0600", c.Out, c.Alg, withKid(made.KeyID))
	return nil
}

func withKid(kid string) string {
	if kid == "" {
		return ""
	}
	return ", kid " + kid
}

func (c keysGenerateCmd) writePublic(p *program, key *jwk.PublicKey) error {
	if c.Public == "" {
		return nil
	}
	data, err := encodePublic(key, c.Format)
	if err != nil {
		return err
	}
	return p.writePublicFile(c.Public, data)
}

func encodePrivate(key *jwk.PrivateKey, format string) ([]byte, error) {
	switch format {
	case "text":
		return nil, usagef("a key pair has no text form; use --format pem or jwk")
	case "jwk":
		data, err := key.ExportJWK()
		return append(data, '\n'), err
	}
	return key.ExportPEM()
}

func encodePublic(key *jwk.PublicKey, format string) ([]byte, error) {
	if format != "jwk" {
		return key.ExportPEM()
	}
	data, err := json.Marshal(key)
	return append(data, '\n'), err
}

type keysThumbprintCmd struct {
	File string        `arg:"" help:"Key in PEM or JWK, or a JWK Set; - reads standard input."`
	Alg  jwk.Algorithm `placeholder:"NAME" help:"Algorithm of a key that doesn't say its own."`
}

// Run refuses secrets: a thumbprint would let anyone test guesses at one (RFC
// 7638, section 7).
func (c keysThumbprintCmd) Run(p *program) error {
	m, err := p.readKeyFile(c.File, c.Alg)
	if err != nil {
		return err
	}
	if m.secret != nil {
		return errors.New("a shared secret gets no thumbprint, for that would help to guess it; name it by a random kid")
	}
	var prints []string
	if m.set != nil {
		for key := range m.set.All() {
			prints = append(prints, key.Thumbprint())
		}
	} else {
		key, err := m.publicKey()
		if err != nil {
			return err
		}
		prints = append(prints, key.Thumbprint())
	}
	return p.show(map[string][]string{"thumbprints": prints}, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, strings.Join(prints, "\n"))
		return err
	})
}
