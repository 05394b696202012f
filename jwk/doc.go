// Package jwk has the keys that sign and verify tokens: it makes them, reads and
// writes them as JWK (RFC 7517) and PEM, and finds the one that a token names.
//
// # A key knows its algorithm
//
// Every key here is for exactly one [Algorithm], which is decided when the key is
// made: by its maker, or by "alg" in a JWK. What a token says never chooses the
// arithmetic. That, and keys of distinct types, is what rules out the classical
// forgeries: "none" is no Algorithm that any function takes, and a public key,
// which everyone has, can't become the secret of an HMAC.
//
//   - A [PrivateKey] signs. It comes from [Generate], from a file through
//     [ParsePrivatePEM] or [ParsePrivateJWK], or from any crypto.Signer, such as
//     one that stands for a key in an HSM, through [NewPrivateKey].
//   - A [PublicKey] verifies. It comes from PrivateKey.Public, from
//     [ParsePublicPEM], [ParsePublicJWK] or [NewPublicKey].
//   - A [Secret] does both with HMAC, and is therefore for parties that trust
//     each other wholly. It comes from [GenerateSecret] or [NewSecret].
//
// Most systems want ES256: small keys and signatures, fast to sign with, and
// known to every library. RS256 is for verifiers that know nothing else; HS256
// for a service that verifies what it signed itself.
//
// All keys are checked when they are made, immutable, and safe for concurrent
// use. Their zero values refuse everything and never panic. An error is one of
// [ErrMalformed], [ErrMismatch], [ErrWeak] and [ErrUnsupported], and says what to
// do about it without showing the key.
//
// # Finding a key
//
// A single key, a [Set] of public keys and a [Ring] of keys of any kind have the
// same method FindKey, which package jwt asks. It is told the algorithm and the
// key ID of a token and nothing else of it. In a Set and a Ring both must match;
// a token without a key ID finds a key only if there is no other of its
// algorithm, so nothing is ever tried out. A bare key ignores the key ID: there
// is nothing to choose.
//
// The key ID of a key pair is by default its thumbprint (RFC 7638), which no two
// keys share; WithKeyID changes it. A secret has none, or a random one: from a
// thumbprint its guesses could be tested.
//
// # Publishing and hiding
//
// A PublicKey and a Set are published by marshalling them as JSON. [ParseSet]
// refuses a document with a private key or a secret in it as a whole, since
// whoever published that has more to do than to verify tokens; keys that are of
// no use here, such as those for encryption, it leaves out and reports through
// Set.Skipped.
//
// A PrivateKey and a Secret never show themselves: every verb of fmt and every
// handler of slog prints their algorithm and key ID, and marshalling one is an
// error. What does write them out is named Export.
//
// # Signing
//
// An ECDSA signature takes no random number, which would give the key away if it
// ever came twice: it is derived from key and message (RFC 6979), as RFC 8725,
// section 3.2, asks of JWT libraries. The same message has the same signature, as
// with RS256 and EdDSA. A foreign crypto.Signer does as it does.
//
// # What is refused
//
// Parsing is strict, so that no file has two readings: JSON without duplicate
// names and trailing text, canonical base64url, coordinates of exact length,
// exactly one key in a PEM file, public and private halves that belong together.
// RSA keys have 2048 to 8192 bits and an odd exponent from 3 to 2³¹-1;
// points lie on their curve and have no small order; secrets are at least as long
// as the hash and not publicly known. "use" and "key_ops" are honoured; x5c, x5u
// and other members that no signature needs are ignored and never fetched.
// Encrypted PEM files and certificates are left to openssl.
//
// # Extending
//
// Other key types plug in without a registry: a [Parser] with an [Extension]
// reads them, [NewCustomPublicKey] and [NewCustomPrivateKey] make them. Two such
// modules are part of this project: mldsa, with signatures that a quantum
// computer can't forge, and es256k. An extension is never asked about a key type
// or algorithm that is known here, so none can change what those mean. Faster
// arithmetic for a known key goes in through PublicKey.WithVerify.
package jwk
