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
	row = auth.APISecret{ID: auth.NewID(auth.PrefixSecret), APIID: apiID, KID: auth.Random128(), CreatedAt: r.opts.Now()}
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

// APISecret answers the newest live secret of an API, which signs its tokens.
func (r *Ring) APISecret(ctx context.Context, api auth.API) (*jwk.Secret, error) {
	rows, err := r.opts.Secrets.APISecrets(ctx, api.ID, r.opts.Now())
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("keyring: API %s has no live secret", api.ID)
	}
	return r.openSecret(api.Algorithm, rows[0])
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
