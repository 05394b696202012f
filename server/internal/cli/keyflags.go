package cli

import (
	"errors"
	"fmt"

	"github.com/writ-auth/writ/jwk"
)

// keyFlags name the key that signs or verifies. A secret's encoding is asked
// for and never guessed: most base64 is good text too, and a wrong guess is a
// secret that only this program has.
type keyFlags struct {
	Key            string        `placeholder:"FILE" help:"Key in PEM or JWK; to verify also a JWK Set. - reads standard input." xor:"key"`
	SecretFile     string        `placeholder:"FILE" help:"Shared secret for HS256, HS384, HS512; one line end at its end doesn't count. - reads standard input." xor:"key"`
	SecretEncoding string        `enum:"text,base64,hex" default:"text" help:"How the secret file is written: ${enum}."`
	Alg            jwk.Algorithm `placeholder:"NAME" help:"Algorithm of a key that doesn't say its own (PEM, secret). Default: the usual one of the key's type."`
}

func (f keyFlags) given() bool { return f.Key != "" || f.SecretFile != "" }

// load reads the key that the flags name.
func (f keyFlags) load(p *program) (material, error) {
	if f.SecretFile != "" {
		secret, err := p.readSecretFile(f.SecretFile, f.SecretEncoding, f.Alg)
		return material{secret: secret}, err
	}
	m, err := p.readKeyFile(f.Key, f.Alg)
	if errors.Is(err, errNotKey) {
		err = fmt.Errorf("%w a shared secret is given with --secret-file", err)
	}
	return m, err
}
