// Package fast verifies signatures with public keys that were prepared once: in
// two thirds of the standard library's time for RSA keys of 2048 bits, and in
// about a third for ES256 and EdDSA.
//
// # Use
//
// [Prepare] takes a key and gives back the same key with other arithmetic:
//
//	key = fast.Prepare(key)
//
// For keys that are fetched, give the function to who fetches them. It is then
// called once for each key that a set brings:
//
//	jwks.New(jwks.Config{Issuer: "https://issuer.example", Prepare: fast.Prepare})
//	guard.New(guard.Config{Issuers: issuers, Prepare: fast.Prepare})
//
// Where not you but others decide how many keys there are, use a [Preparer],
// which stops preparing when its tables take as much memory as it may have:
//
//	preparer := &fast.Preparer{MaxBytes: 16 << 20}
//	guard.New(guard.Config{Issuers: issuers, Prepare: preparer.Prepare})
//
// # What is gained, and what it costs
//
// Time of a verification relative to the standard library, the memory of a key
// and the time to prepare it, for messages of 500 bytes on an AMD EPYC
// (go test -bench Ratio measures it where you are):
//
//	                      time     memory     once
//	RS256 of 2048 bits    0.66     1.5 KiB    0.01 ms
//	PS256 of 2048 bits    0.68     1.5 KiB    0.01 ms
//	RS256 of 3072 bits    0.39     2.0 KiB    –
//	RS256 of 4096 bits    0.39     2.5 KiB    –
//	ES256                 0.30     86 KiB     0.9 ms
//	EdDSA                 0.36     129 KiB    1.1 ms
//
// The other RSA algorithms are like these. But for RSA keys of other sizes than
// 2048 bits nothing is left to the garbage collector. No key takes more memory
// than ES256 or EdDSA do, nor does any grow with use.
//
// The tables of keys that are used in turn push each other out of the
// processor's caches: with a hundred keys a verification takes a tenth longer.
// The tables of the two generators, 215 KiB, are part of the program and shared
// by all keys.
//
// So preparing pays from about twenty signatures on, and is for keys that stay.
// Don't prepare keys that come with a token, such as those of DPoP proofs: to
// make others prepare key after key would be an attack.
//
// # How
//
// The standard library is handed a public key at each call and works out anew
// what depends on it alone.
//
// An RSA signature is raised to a small power modulo n. For 2048 bits the
// Montgomery constants of n, which take a third of a verification, are kept; for
// longer keys the standard library has no fast code in crypto/rsa but has it in
// math/big, which is what is used. The padding is then checked by comparison
// with the one right encoding, or for PSS as RFC 8017 section 9.1.2 describes,
// with a salt exactly as long as the hash.
//
// ECDSA adds two multiples of points, u1·G of the generator and u2·Q of the key;
// Ed25519 likewise. A multiple is usually had by doubling 256 times and adding
// in between. Here the scalar is written in 43 signed digits of six bits, and
// for each of the places a table holds all multiples of the point that a digit
// may ask for. What remains are 43 additions for each point. ES256 does without
// the division at the end, too: instead of dividing x by z² to compare it with
// r it compares x with r·z².
//
// # Why this is safe
//
// None of this is constant time: digits that are zero are skipped, and which
// entries of a table were read is left in the caches. That would be a grave
// fault in signing, where the scalars are secret. In verification there is no
// secret: the key, the message and the signature are known to whoever asks.
// This package can't sign, and its arithmetic is not exported.
//
// A prepared key accepts exactly what the key did. For ECDSA r and s must be
// from 1 to n-1, for Ed25519 S must be below the order, R canonical, and the
// equation hold without the cofactor; keys that package jwk refuses never come
// here. The tests compare verdicts with the standard library, on signatures
// made so that each branch is taken: sums that meet infinity or themselves, x
// coordinates above the order of the curve, keys with a part of small order,
// paddings of all known forgeries, the vectors of project Wycheproof. With
// TEST_LONG=1 they try 10⁷ signatures and mutations for ES256 and for EdDSA, and
// 10⁵ for each algorithm with RSA.
//
// # Limits
//
// ES384, ES512 and keys of extension modules come back unchanged. So do all
// keys in FIPS 140-3 mode, since this arithmetic is not part of the validated
// module, and ES256 on s390x, whose processor verifies ECDSA by itself. The
// figures above are of amd64; the code is the same for all processors, but for
// the field of Ed25519 and the modulus of RSA, which filippo.io/edwards25519 and
// filippo.io/bigmod, extracts of the standard library, have in assembly for
// some.
package fast
