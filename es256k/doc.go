// Package es256k signs and verifies tokens with ES256K: ECDSA on the curve
// secp256k1 with SHA-256 (RFC 8812 section 3.2). It is an extension of package
// jwk and a module of its own.
//
// ES256K is for systems that have keys on this curve already: wallets,
// decentralised identifiers, hardware made for them. Who is free to choose takes
// ES256, which is as strong, faster here, and known to every library.
//
// # Use
//
// [Generate] makes a key, which signs like any other:
//
//	key, err := es256k.Generate(es256k.ES256K)
//	raw, err := jwt.Sign(key, claims, jwt.SignOptions{…})
//
// To read such keys, give [Extension] to who reads them; without it a key set's
// secp256k1 keys are skipped, as those of any unknown curve:
//
//	parser := jwk.Parser{Extensions: []jwk.Extension{es256k.Extension()}}
//	set, err := parser.Set(data)
//
//	jwks.New(jwks.Config{Issuer: "https://issuer.example", Parser: parser})
//	guard.New(guard.Config{Issuers: issuers, Extensions: parser.Extensions})
//
// # Keys
//
// A JWK has "kty":"EC" and "crv":"secp256k1", which with "x" and "y" make the
// thumbprint; "d" is the private key. "alg" may be missing: the curve has only
// this one. All three numbers have exactly 32 bytes. PEM files are
// SubjectPublicKeyInfo and PKCS#8, with the curve by name and the point
// uncompressed; the older "EC PRIVATE KEY" OpenSSL converts:
//
//	openssl pkcs8 -topk8 -nocrypt -in key.pem -out plain.pem
//
// # Signatures
//
// A signature is r‖s, 32 bytes each. Both must be from 1 to n-1.
//
// With (r, s) also (r, n-s) is a signature of the same message, and anyone can
// make the one from the other. Bitcoin forbids the larger s for the sake of its
// transaction ids. RFC 8812 does not, and signers such as HSMs produce both, so
// both are accepted; what [Generate] and [NewPrivateKey] give signs with the
// smaller, which everyone accepts. So, as with ES256, never take the text of a
// token for its identity, to revoke it or to see it only once: that is what jti
// is for.
//
// # What is refused
//
// A point that is not on the curve, a coordinate that is not below p, a private
// key of zero or of n and more, halves of a pair that don't belong together, an
// "alg" other than ES256K. A token that says ES256 never meets such a key, nor
// one that says ES256K a key on P-256: a key is found by its own algorithm.
//
// # Side channels
//
// The standard library doesn't have this curve. The arithmetic is that of
// github.com/decred/dcrd/dcrec/secp256k1, whose numbers are handled in constant
// time but whose multiples of points and inverses are not. So when signing, and
// when a public key is made of a private one, no secret gets there as it is: the
// scalar is split into two random shares, and what is inverted is multiplied by
// a random number first. The nonce is that of RFC 6979 with 32 random bytes
// mixed in: it is good even if either the randomness or the hash is not.
package es256k
