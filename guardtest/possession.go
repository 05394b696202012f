package guardtest

import (
	"net/http"

	"github.com/writ-auth/writ/dpop"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// Bound is Token for a token that is bound to a key (RFC 9449), with what signs
// proofs with that key. DPoP puts both into a request.
func (i *Issuer) Bound(audience string, c jwt.AccessClaims) (token string, signer *dpop.Signer) {
	i.t.Helper()
	key := i.newKey(jwk.ES256)
	signer, err := dpop.NewSigner(key, i.Now)
	if err != nil {
		i.t.Fatalf("guardtest: %v", err)
	}
	c.Confirmation = &jwt.Confirmation{JKT: key.Public().Thumbprint()}
	return i.Token(audience, c), signer
}

// DPoP puts a token and a fresh proof for this request into its headers and
// returns the request. A guard takes the request once.
func DPoP(r *http.Request, token string, signer *dpop.Signer) *http.Request {
	address := "http://" + r.Host + r.URL.EscapedPath()
	if r.TLS != nil {
		address = "https://" + r.Host + r.URL.EscapedPath()
	}
	proof, err := signer.Sign(dpop.Request{Method: r.Method, URL: address, AccessToken: token}, "")
	if err != nil {
		proof = err.Error() // no guard takes it, and the test sees why
	}
	r.Header.Set("Authorization", "DPoP "+token)
	r.Header.Set("DPoP", proof)
	return r
}
