package app

import (
	"errors"
	"net/http"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/directory"
	"github.com/writ-auth/writ/server/internal/edge"
)

// importKey puts a private key into the keyring: the first of its algorithm
// signs at once, any other is announced first. The route is the operator's alone: a private key does
// not travel over a network.
func (a *App) importKey(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Algorithm jwk.Algorithm `json:"algorithm"`
		KeyID     string        `json:"kid"`
		PEM       string        `json:"private_key_pem"`
	}
	if err := edge.ReadJSON(w, r, &in); err != nil {
		return err
	}
	key, err := jwk.ParsePrivatePEM(in.Algorithm, []byte(in.PEM))
	if err != nil {
		return auth.Invalid("private_key_pem", "is no private key for %.32q: %v", in.Algorithm, err)
	}
	if in.KeyID != "" {
		key = key.WithKeyID(in.KeyID)
	}
	out, err := a.keys.Import(r.Context(), key, auth.Event{Actor: directory.OperatorID, Action: "key.import", Reason: "operator"})
	var taken *auth.ConflictError
	switch {
	case errors.As(err, &taken) && taken.Field == auth.FieldRevokedKey:
		return auth.Errorf(auth.CodeConflict, "The key ID %q was revoked, and verifiers would refuse every token with it. If the key itself hasn't leaked, as after a restore, import it under another key ID (kid).", key.KeyID())
	case errors.Is(err, auth.ErrConflict):
		return auth.Errorf(auth.CodeConflict, "The server has this key already, or another %s key is announced: wait until that one signs.", in.Algorithm)
	case err != nil:
		return err
	}
	return edge.WriteJSON(w, http.StatusCreated, map[string]any{"kid": out.KID, "algorithm": out.Algorithm, "signs_from": out.SignsFrom.UTC()})
}
