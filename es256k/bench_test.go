package es256k_test

import "testing"

func BenchmarkVerify(b *testing.B) {
	k, message := generate(b), make([]byte, 500)
	sig := must(k.Sign(message))(b)
	b.ReportAllocs()
	for b.Loop() {
		if !k.Public().Verify(message, sig) {
			b.Fatal("a good signature is refused")
		}
	}
}

func BenchmarkSign(b *testing.B) {
	k, message := generate(b), make([]byte, 500)
	b.ReportAllocs()
	for b.Loop() {
		must(k.Sign(message))(b)
	}
}
