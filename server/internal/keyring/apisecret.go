package keyring

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
)

// NewAPISecret makes a shared secret for an API: the text to show once, and
// the row to store. The key is the ASCII bytes of the text, so that other
// libraries take it as it is; its kid is random, since a thumbprint of a
// secret would help a guesser.
func (r *Ring) NewAPISecret(apiID string, alg jwk.Algorithm) (shown string, row auth.APISecret, err error) {
	size, err := secretSize(alg)
	if err != nil {
		return "", auth.APISecret{}, err
	}
	shown = base64.RawURLEncoding.EncodeToString(random(size))
	row = auth.APISecret{ID: auth.NewID(auth.PrefixSecret), APIID: apiID, KID: auth.Random128(), CreatedAt: r.opts.Now(), SignsFrom: r.opts.Now()}
	row.Sealed = r.opts.Sealer.Seal(SealAPISecret, "api_secrets", row.ID, []byte(shown))
	return shown, row, nil
}

func secretSize(alg jwk.Algorithm) (int, error) {
	switch alg {
	case jwk.HS256:
		return 32, nil
	case jwk.HS384:
		return 48, nil
	case jwk.HS512:
		return 64, nil
	}
	return 0, fmt.Errorf("keyring: %s takes no shared secret", alg)
}

// APISecret answers the secret that signs an API's tokens: the newest live one
// whose time has come, or the only one.
func (r *Ring) APISecret(ctx context.Context, api auth.API) (*jwk.Secret, error) {
	rows, err := r.opts.Secrets.APISecrets(ctx, api.ID, r.opts.Now())
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("keyring: API %s has no live secret", api.ID)
	}
	for _, row := range rows {
		if !r.opts.Now().Before(row.SignsFrom) {
			return r.openSecret(api.Algorithm, row)
		}
	}
	return r.openSecret(api.Algorithm, rows[len(rows)-1])
}

// APISecrets answers every live secret of an API as a source of keys: what
// verifies tokens that were made before or after a change of secrets.
func (r *Ring) APISecrets(ctx context.Context, api auth.API) (*jwk.Ring, error) {
	rows, err := r.opts.Secrets.APISecrets(ctx, api.ID, r.opts.Now())
	if err != nil {
		return nil, err
	}
	var keys []jwk.VerifyingKey
	for _, row := range rows {
		secret, err := r.openSecret(api.Algorithm, row)
		if err != nil {
			return nil, err
		}
		keys = append(keys, secret)
	}
	return jwk.NewRing(keys...)
}

func (r *Ring) openSecret(alg jwk.Algorithm, row auth.APISecret) (*jwk.Secret, error) {
	if s, ok := r.secrets.Load(row.ID); ok {
		return s.(*jwk.Secret), nil
	}
	text, err := r.opts.Sealer.Open(SealAPISecret, "api_secrets", row.ID, row.Sealed)
	if err != nil {
		return nil, fmt.Errorf("secret %s: %w", row.ID, err)
	}
	secret, err := jwk.NewSecret(alg, text)
	if err != nil {
		return nil, err
	}
	secret = secret.WithKeyID(row.KID)
	r.secrets.Store(row.ID, secret)
	return secret, nil
}
