// Package jwt signs and verifies JSON Web Tokens (RFC 7519) as RFC 8725 asks:
// the key decides the algorithm, never the token, and whoever verifies has said
// beforehand who must have made the token, for whom, and of what kind it is.
//
// # Verifying
//
// A [Verifier] is made once, when the program starts, and used for every token:
//
//	key, err := jwk.ParsePublicPEM(jwk.ES256, pem)
//	…
//	v, err := jwt.NewVerifier[jwt.AccessClaims](key, jwt.AccessToken("https://auth.example", "https://api.example"))
//	…
//	token, err := v.Verify(ctx, raw)
//	if err != nil {
//		return err // nothing of the token may be used
//	}
//	fmt.Println(token.Claims().Subject)
//
// Instead of one key it takes whatever finds keys: a [jwk.Secret], a [jwk.Set],
// or package jwks, which fetches an issuer's keys. [Expect] describes tokens
// for which there is no profile. For net/http, package guard does all of this
// and answers requests too.
//
// # Your own claims
//
// Embed [Claims], or a profile's claims, in a struct and name it where a token
// is signed or verified:
//
//	type Shop struct {
//		jwt.Claims
//		Plan string `json:"plan"`
//	}
//
// A claim of the wrong type is an error, never a zero value. What a struct has
// no field for stays in [Token.Payload], and [As] reads it as another struct.
//
// # Signing
//
// [Sign] makes one token, a [Signer] many:
//
//	raw, err := jwt.Sign(key, Shop{jwt.Claims{Subject: "u1", Audience: jwt.Audience{"api"}}, "pro"},
//		jwt.SignOptions{Issuer: "https://shop.example", Lifetime: 15 * time.Minute})
//
// # Errors
//
// Every refusal is an *[Error] with exactly one reason. The checks come in a
// fixed order, and claims are looked at only under a good signature, so a
// program may act on what it is told: on [ErrExpired] refresh the token, on
// [ErrUnavailable] answer 503 and not 401, since the token may be good.
//
// # What is not here
//
// Encrypted tokens, nested tokens, the JSON serialisations, the algorithm
// "none", critical extensions, and keys or links to keys in the header: tokens
// that need one of them are refused. Tokens bound to a key by cnf are refused
// unless the caller checks the proof. There is no way to read the claims of a
// token that was not verified but [DecodeUnverified], which gives JSON and no
// claims.
//
// A token is not identified by its bytes: whoever holds an ECDSA-signed one can
// make a second that is as good. Revoke by [Claims].ID.
package jwt
