package fast_test

import (
	"bytes"
	"crypto/rsa"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/writ-auth/writ/jwk"
)

// differential is how much TestDifferential tries: so many keys, on each so
// many signed messages, of each so many mutations.
type differential struct{ keys, messages, mutations int }

// plan is short, or for TEST_LONG=1, as before a release, 10⁷ verdicts for ES256
// and EdDSA and 10⁵ for each algorithm with RSA, which takes about an hour.
// Ed25519 is EdDSA by another name.
func plan(alg jwk.Algorithm) differential {
	long, rsa := os.Getenv("TEST_LONG") == "1", alg[0] == 'R' || alg[0] == 'P'
	switch {
	case long && rsa:
		return differential{5, 1000, 20}
	case long && alg != jwk.Ed25519:
		return differential{2000, 1000, 4}
	case rsa:
		return differential{1, 10, 10}
	}
	return differential{5, 20, 4}
}

// seed is TEST_SEED, by which long runs differ: what is mutated and how follows
// from it. Keys are new each time; a failure prints all that it needs.
func seed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("TEST_SEED")
	if text == "" {
		return 15
	}
	return must(strconv.ParseUint(text, 10, 64))(t)
}

// TestDifferential compares prepared keys with the standard library, as package
// jwk calls it: on good signatures, which both must accept, and on mutations of
// them, on which both must say the same.
func TestDifferential(t *testing.T) {
	for _, alg := range []jwk.Algorithm{
		jwk.RS256, jwk.RS384, jwk.RS512, jwk.PS256, jwk.PS384, jwk.PS512, jwk.ES256, jwk.EdDSA, jwk.Ed25519,
	} {
		t.Run(string(alg), func(t *testing.T) {
			t.Parallel()
			first := seed(t)
			random := rand.New(rand.NewPCG(first, uint64(len(alg))))
			p, accepted, refused := plan(alg), 0, 0
			for i := range p.keys {
				a, r := differ(t, random, pairNumber(t, alg, i), p)
				accepted, refused = accepted+a, refused+r
			}
			if accepted < p.keys*p.messages || refused < p.keys*p.messages*p.mutations/2 {
				t.Errorf("%d accepted and %d refused, want more", accepted, refused)
			}
			t.Logf("seed %d: %d accepted, %d refused, no disagreement", first, accepted, refused)
		})
	}
}

// pairNumber is another key pair for each i, or for RSA one of another size.
func pairNumber(t *testing.T, alg jwk.Algorithm, i int) *jwk.PrivateKey {
	t.Helper()
	if alg[0] == 'R' || alg[0] == 'P' {
		return must(jwk.NewPrivateKey(alg, rsaKey([]int{2048, 3072, 2056, 4096, 2049}[i])))(t)
	}
	return pair(t, alg)
}

func differ(t *testing.T, random *rand.Rand, key *jwk.PrivateKey, p differential) (accepted, refused int) {
	t.Helper()
	public := key.Public()
	prepared := mustPrepare(t, public)
	for range p.messages {
		message := randomBytes(random, random.IntN(300))
		signature := must(key.Sign(message))(t)
		if !prepared.Verify(message, signature) || !public.Verify(message, signature) {
			t.Fatalf("key %v: the signature %x of %x is refused", public, signature, message)
		}
		accepted++
		for range p.mutations {
			m, s := mutate(random, public, message, signature)
			got, want := prepared.Verify(m, s), public.Verify(m, s)
			if got != want {
				t.Fatalf("key %v, message %x, signature %x: accepted: %v, want %v", public, m, s, got, want)
			}
			if got {
				accepted++
			} else {
				refused++
			}
		}
	}
	return accepted, refused
}

func randomBytes(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// mutate changes a message or its signature.
func mutate(random *rand.Rand, key *jwk.PublicKey, message, signature []byte) (m, s []byte) {
	m, s = append(bytes.Clone(message), 0), bytes.Clone(signature)
	switch random.IntN(7) {
	case 0:
		m[random.IntN(len(m))] ^= 1 << random.IntN(8)
		return m, s
	case 1:
		return m, s // longer by a byte
	case 2:
		s[random.IntN(len(s))] ^= 1 << random.IntN(8)
	case 3:
		s = s[:random.IntN(len(s))]
	case 4:
		s = append(s, byte(random.Uint32()))
	case 5:
		s = append(bytes.Clone(s[len(s)/2:]), s[:len(s)/2]...)
	case 6:
		edges := edgesOf(key, s)
		s = edges[random.IntN(len(edges))]
	}
	return message, s
}

// edgesOf are signatures made of a good one and of numbers at the bounds of what
// its parts may be. Those of P-256 and Ed25519 are two parts of 32 bytes.
func edgesOf(key *jwk.PublicKey, s []byte) [][]byte {
	order, fromPart := (*big.Int)(nil), 0
	switch key.Algorithm() {
	case jwk.ES256:
		order = number("115792089210356248762697446949407573529996955224135760342422259061068512044369")
	case jwk.EdDSA, jwk.Ed25519:
		order, fromPart = number("7237005577332262213973186563042994240857116359379907606001950938285454250989"), 1
	default:
		return rsaEdges(key.CryptoKey().(*rsa.PublicKey).N, s)
	}
	var out [][]byte
	for part := fromPart; part < 2; part++ {
		for _, x := range partEdges(order, s[32*part:32*part+32], fromPart == 1) {
			edge := bytes.Clone(s)
			copy(edge[32*part:], x)
			out = append(out, edge)
		}
	}
	return out
}

// partEdges are x and its neighbours modulo order, and the bounds.
func partEdges(order *big.Int, part []byte, little bool) (out [][]byte) {
	swap := func(b []byte) []byte {
		if little {
			slices.Reverse(b)
		}
		return b
	}
	one, limit := big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), 256)
	x := new(big.Int).SetBytes(swap(bytes.Clone(part)))
	for _, y := range []*big.Int{
		new(big.Int), one, new(big.Int).Sub(order, one), order, new(big.Int).Add(order, one),
		new(big.Int).Sub(order, x), new(big.Int).Add(order, x), new(big.Int).Sub(limit, one),
	} {
		if y.Sign() >= 0 && y.Cmp(limit) < 0 {
			out = append(out, swap(y.FillBytes(make([]byte, 32))))
		}
	}
	return out
}

func number(decimal string) *big.Int {
	x, _ := new(big.Int).SetString(decimal, 10)
	return x
}
