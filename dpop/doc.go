// Package dpop proves, and verifies, that who shows a token has the key that
// the token is bound to (RFC 9449, Demonstrating Proof of Possession).
//
// A token that is bound to a key is of no use to who steals it: each request
// needs a proof, a small JWT signed by that key, about this one request. A
// client sends both:
//
//	Authorization: DPoP eyJ…
//	DPoP: eyJ…
//
// A Go client gets that from [Transport]. An API needs nothing of this package:
// guard verifies proofs by itself. For servers of another kind there is
// [Verifier], with [Memory] for what may be used but once and [Nonces] for
// proofs that can't be made ahead of time:
//
//	v, err := dpop.NewVerifier(dpop.Config{})
//	…
//	proof, err := v.Verify(ctx, header, dpop.Request{Method: r.Method, URL: "https://api.example.com" + r.URL.EscapedPath(), AccessToken: token})
//	…
//	if cnf := claims.Confirmation; cnf == nil || cnf.JKT != proof.Thumbprint() { … } // another key's, or nobody's
//	if err := memory.Use(proof); err != nil { … }                                     // used before
//
// The claims are those of a [jwt.Verifier] with AllowConfirmation, which is the
// promise to do all of this, and to refuse such a token where no proof comes.
//
// # What a proof proves
//
// That somebody with the key wanted a request with this method to this address,
// with this access token, within the last minute. Query, headers and body are
// not covered: who can change a request on its way can change those, which is
// what TLS is for.
package dpop
