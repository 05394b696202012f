package mldsa_test

import (
	"testing"

	"github.com/writ-auth/writ/mldsa"
)

func BenchmarkVerify(b *testing.B) {
	for alg := range sizes() {
		b.Run(string(alg), func(b *testing.B) {
			k := must(mldsa.Generate(alg))(b)
			message := make([]byte, 500)
			sig := must(k.Sign(message))(b)
			b.ReportAllocs()
			for b.Loop() {
				if !k.Public().Verify(message, sig) {
					b.Fatal("a good signature is refused")
				}
			}
		})
	}
}

func BenchmarkSign(b *testing.B) {
	for alg := range sizes() {
		b.Run(string(alg), func(b *testing.B) {
			k := must(mldsa.Generate(alg))(b)
			message := make([]byte, 500)
			b.ReportAllocs()
			for b.Loop() {
				must(k.Sign(message))(b)
			}
		})
	}
}
