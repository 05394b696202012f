package client

import (
	"context"
	"net/http"

	"github.com/writ-auth/writ/dpop"
	"github.com/writ-auth/writ/server/internal/possession"
)

// Proofs judges proofs of possession.
type Proofs interface {
	Judge(ctx context.Context, in possession.Request) (*dpop.Proof, error)
	Use(ctx context.Context, proof *dpop.Proof, who, address string) error
	Nonce() string
}

// Prove judges the proof of a request to the endpoint at path (RFC 9449, section
// 5); nil without one. The caller uses it up, once all else is well. Who shows a
// proof is always told the nonce for the next.
func Prove(w http.ResponseWriter, r *http.Request, proofs Proofs, path string) (*dpop.Proof, error) {
	text, err := dpop.FromHeader(r.Header)
	if err != nil {
		return nil, possession.Invalid(err)
	}
	if text == "" {
		return nil, nil
	}
	w.Header().Set(dpop.HeaderNonce, proofs.Nonce())
	return proofs.Judge(r.Context(), possession.Request{Proof: text, Method: r.Method, Path: path})
}
