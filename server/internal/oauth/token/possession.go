package token

import (
	"errors"
	"net/http"

	"github.com/writ-auth/writ/dpop"
	"github.com/writ-auth/writ/server/internal/edge/client"
	"github.com/writ-auth/writ/server/internal/possession"
)

var errUnproven = errors.New("the client is registered for tokens bound to a key, and shows none")

// prove judges the proof of a request, if it has one, and notes its key in req.
func (d *Door) prove(w http.ResponseWriter, r *http.Request, req *client.Request) (*dpop.Proof, error) {
	proof, err := client.Prove(w, r, d.proofs, Path)
	switch {
	case err != nil:
		return nil, err
	case proof != nil:
		req.Thumbprint = proof.Thumbprint()
	case req.Client.Client.DPoPBound:
		return nil, possession.Invalid(errUnproven)
	}
	return proof, nil
}

func tokenType(out Issued) string {
	if out.Thumbprint != "" {
		return "DPoP"
	}
	return "Bearer"
}
