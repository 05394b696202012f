// Package mldsa signs and verifies tokens with ML-DSA (FIPS 204), as RFC 9964
// puts it into JOSE: signatures that are meant to hold against quantum
// computers. It is an extension of package jwk and a module of its own, so that
// only who uses it depends on filippo.io/mldsa.
//
// # Use
//
// [Generate] makes a key, which signs like any other:
//
//	key, err := mldsa.Generate(mldsa.MLDSA65)
//	raw, err := jwt.Sign(key, claims, jwt.SignOptions{…})
//
// To read such keys, give [Extension] to who reads them; without it a key set's
// ML-DSA keys are skipped, as those of any unknown type:
//
//	parser := jwk.Parser{Extensions: []jwk.Extension{mldsa.Extension()}}
//	set, err := parser.Set(data)
//
//	jwks.New(jwks.Config{Issuer: "https://issuer.example", Parser: parser})
//	guard.New(guard.Config{Issuers: issuers, Extensions: parser.Extensions})
//
// # Which one
//
// The three differ in strength and size, in bytes:
//
//	            about as strong as    public key    signature
//	ML-DSA-44   AES-128               1312          2420
//	ML-DSA-65   AES-192               1952          3309
//	ML-DSA-87   AES-256               2592          4627
//
// A signature takes a third more in base64url: a token of ML-DSA-44 has about
// 3.5 kB, of ML-DSA-65 4.7 kB and of ML-DSA-87 6.5 kB. That passes where
// 8 kB of headers pass, but leaves little room for cookies, and a verifier whose
// limit is lower must raise it (jwt.Expect.MaxSize is 16 KiB unless set).
//
// A token lives for minutes, and what is signed isn't secret: nobody can record
// it today to forge it later. So there is no hurry, as there is with encryption;
// ML-DSA is for keys that will live long enough to meet a quantum computer, and
// for learning what its size does to one's system.
//
// # Keys
//
// A JWK has "kty":"AKP", and "alg" is required: it is what tells the three
// apart. "pub" is the public key and "priv" the seed of 32 bytes from which the
// private one is made; expanded private keys have no form in JOSE. "alg", "kty"
// and "pub" make the thumbprint. PEM files are those of RFC 9881, of which
// private keys must be in the form that has the seed alone; OpenSSL converts
// others:
//
//	openssl pkey -provparam ml-dsa.output_formats=seed-only -in key.pem -out seed.pem
//
// # What is refused
//
// A key of another length; an "alg" that is not one of the three names; a
// public key that is not the seed's own. The context string of FIPS 204 is
// always empty, as RFC 9964 section 5 wants it, so a signature made with this key
// for another purpose and under a context of its own is no token's.
//
// # Cost
//
// Signing is randomised ("hedged") and takes a varying time: it tries until a
// signature fits. go test -bench . measures both. A public key takes 6 to 10 KiB
// of memory.
package mldsa
