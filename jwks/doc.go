// Package jwks fetches an issuer's public keys and keeps them at hand, and
// publishes your own.
//
// [Remote] is the other half of a verifier: it answers the question which key
// has this algorithm and this key id.
//
//	keys, err := jwks.New(jwks.Config{Issuer: "https://auth.example.com"})
//	…
//	v, err := jwt.NewVerifier[jwt.AccessClaims](keys, jwt.AccessToken(issuer, audience))
//
// # When it asks the issuer
//
// Making a Remote asks nobody. The first key that is looked for causes the
// first fetch, and after four fifths of the time that the answer was good for,
// the next look-up starts a fetch in the background. There is no goroutine
// between fetches, so a Remote that nobody uses any more costs nothing.
//
// All look-ups share one fetch. None waits longer than MaxWait for it, and none
// waits while the keys at hand are fresh. A token with a key id that the set
// hasn't got may be the first one after a rotation, or one of a million made up
// by somebody who would like to see the issuer's key endpoint fall over: such
// tokens cause at most one fetch per Cooldown, together.
//
// # When the issuer is down
//
// Keys stay in use, though they should have been fetched anew, for MaxStale
// after the last good answer. Then FindKey fails, with an error that isn't
// [jwk.ErrNotFound], so that a verifier can tell "I don't know" from "no such
// key". A key that a fetched set no longer has is gone at once.
package jwks
