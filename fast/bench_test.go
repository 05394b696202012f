package fast_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/writ-auth/writ/fast"
	"github.com/writ-auth/writ/jwk"
)

// message is as long as what is signed of a usual token.
var message = bytes.Repeat([]byte("token"), 100)

// BenchmarkRatio measures the standard library's verification, jwk's, and that
// of a prepared key in turns, so that a busy machine slows all alike, and
// reports the shortest time of each in nanoseconds and the ratios to the first.
func BenchmarkRatio(b *testing.B) {
	for _, alg := range []jwk.Algorithm{jwk.RS256, jwk.PS256, jwk.ES256, jwk.EdDSA} {
		b.Run(string(alg), func(b *testing.B) { compare(b, pair(b, alg)) })
	}
	for _, bits := range []int{3072, 4096} {
		b.Run(fmt.Sprint("RS256-", bits), func(b *testing.B) {
			compare(b, must(jwk.NewPrivateKey(jwk.RS256, rsaKey(bits)))(b))
		})
	}
}

func compare(b *testing.B, key *jwk.PrivateKey) {
	const burst = 20
	pub, sig := key.Public(), must(key.Sign(message))(b)
	prepared := fast.Prepare(pub)
	contenders := []func() bool{
		standard(b, pub, sig),
		func() bool { return pub.Verify(message, sig) },
		func() bool { return prepared.Verify(message, sig) },
	}
	best := []time.Duration{time.Hour, time.Hour, time.Hour}
	for b.Loop() {
		for i, verify := range contenders {
			start := time.Now()
			for range burst {
				if !verify() {
					b.Fatal("a good signature is refused")
				}
			}
			best[i] = min(best[i], time.Since(start)/burst)
		}
	}
	b.ReportMetric(0, "ns/op") // of no meaning here
	b.ReportMetric(float64(best[0]), "std-ns")
	b.ReportMetric(float64(best[2]), "fast-ns")
	b.ReportMetric(float64(best[1])/float64(best[0]), "jwk/std")
	b.ReportMetric(float64(best[2])/float64(best[0]), "fast/std")
}

// standard is the bare verification of the standard library, with all that can
// be done beforehand done.
func standard(b *testing.B, pub *jwk.PublicKey, sig []byte) func() bool {
	switch key := pub.CryptoKey().(type) {
	case *rsa.PublicKey:
		if pub.Algorithm() == jwk.PS256 {
			opts := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
			return func() bool {
				sum := sha256.Sum256(message)
				return rsa.VerifyPSS(key, crypto.SHA256, sum[:], sig, opts) == nil
			}
		}
		return func() bool {
			sum := sha256.Sum256(message)
			return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig) == nil
		}
	case *ecdsa.PublicKey:
		der := asn1Signature(b, sig)
		return func() bool {
			sum := sha256.Sum256(message)
			return ecdsa.VerifyASN1(key, sum[:], der)
		}
	case ed25519.PublicKey:
		return func() bool { return ed25519.Verify(key, message, sig) }
	}
	b.Fatalf("no standard verification for %s", pub.Algorithm())
	return nil
}

// BenchmarkPrepare is what a key costs once.
func BenchmarkPrepare(b *testing.B) {
	for _, alg := range []jwk.Algorithm{jwk.RS256, jwk.ES256, jwk.EdDSA} {
		b.Run(string(alg), func(b *testing.B) {
			pub := pair(b, alg).Public()
			b.ReportAllocs()
			for b.Loop() {
				fast.Prepare(pub)
			}
		})
	}
}
