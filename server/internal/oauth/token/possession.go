package token

import (
	"context"
	"errors"
	"net/http"

	"github.com/writ-auth/writ/dpop"
	"github.com/writ-auth/writ/server/internal/edge/client"
	"github.com/writ-auth/writ/server/internal/possession"
)

// Proofs judges proofs of possession.
type Proofs interface {
	Judge(ctx context.Context, in possession.Request) (*dpop.Proof, error)
	Use(ctx context.Context, proof *dpop.Proof, who, address string) error
	Nonce() string
}

var errUnproven = errors.New("the client is registered for tokens bound to a key, and shows none")

// prove judges the proof of a request, if it has one, and notes its key in req
// (RFC 9449, section 5). Who shows a proof is always told the nonce for the
// next.
func (d *Door) prove(w http.ResponseWriter, r *http.Request, req *client.Request) (*dpop.Proof, error) {
	text, err := dpop.FromHeader(r.Header)
	switch {
	case err != nil:
		return nil, possession.Invalid(err)
	case text == "" && req.Client.Client.DPoPBound:
		return nil, possession.Invalid(errUnproven)
	case text == "":
		return nil, nil
	}
	w.Header().Set(dpop.HeaderNonce, d.proofs.Nonce())
	proof, err := d.proofs.Judge(r.Context(), possession.Request{Proof: text, Method: r.Method, Path: Path})
	if err != nil {
		return nil, err
	}
	req.Thumbprint = proof.Thumbprint()
	return proof, nil
}

func tokenType(out Issued) string {
	if out.Thumbprint != "" {
		return "DPoP"
	}
	return "Bearer"
}
