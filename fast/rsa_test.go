package fast_test

import (
	"bytes"
	"crypto"
	crand "crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
	"testing"

	"github.com/writ-auth/writ/jwk"
)

// invert is the RSA private operation on any number below the modulus: with it
// a test signs encodings that no signer makes.
func invert(key *rsa.PrivateKey, encoded []byte) []byte {
	p, q := key.Primes[0], key.Primes[1]
	m := new(big.Int).SetBytes(encoded)
	mp := new(big.Int).Exp(m, key.Precomputed.Dp, p)
	mq := new(big.Int).Exp(m, key.Precomputed.Dq, q)
	h := mp.Sub(mp, mq)
	h.Mod(h.Mul(h, key.Precomputed.Qinv), p)
	return h.Add(mq, h.Mul(h, q)).FillBytes(make([]byte, key.Size()))
}

func hashOf(alg jwk.Algorithm) crypto.Hash {
	return map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[string(alg[2:])]
}

func sum(h crypto.Hash, parts ...[]byte) []byte {
	d := h.New()
	for _, p := range parts {
		d.Write(p)
	}
	return d.Sum(nil)
}

// infoOf is DER that names a hash, written out for each as RFC 8017 does.
func infoOf(h crypto.Hash) []byte {
	return map[crypto.Hash][]byte{
		crypto.SHA256: []byte("\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"),
		crypto.SHA384: []byte("\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30"),
		crypto.SHA512: []byte("\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40"),
	}[h]
}

// padded is 0, 1, 255…, 0 and t, size bytes long.
func padded(size int, t []byte) []byte {
	em := bytes.Repeat([]byte{0xff}, size)
	em[0], em[1], em[size-len(t)-1] = 0, 1, 0
	copy(em[size-len(t):], t)
	return em
}

// pssOptions are what an encoding may differ in.
type pssOptions struct {
	salt    int  // its length
	one     byte // what precedes it
	padding byte // what precedes that, at its last place
	trailer byte
	mask    crypto.Hash
	top     bool // set a bit that should be clear
}

// encodePSS is EMSA-PSS-ENCODE (RFC 8017 section 9.1.1), as a number as long as
// the modulus.
func encodePSS(size, bits int, h crypto.Hash, message []byte, o pssOptions) []byte {
	length := (bits - 1 + 7) / 8
	salt := bytes.Repeat([]byte{0x5a}, o.salt)
	digest := sum(h, make([]byte, 8), sum(h, message), salt)
	db := make([]byte, length-len(digest)-1)
	at := len(db) - len(salt) - 1
	db[at] = o.one
	copy(db[at+1:], salt)
	if at > 0 {
		db[at-1] = o.padding
	}
	var mask []byte
	for i := uint32(0); len(mask) < len(db); i++ {
		mask = append(mask, sum(o.mask, digest, binary.BigEndian.AppendUint32(nil, i))...)
	}
	for i := range db {
		db[i] ^= mask[i]
	}
	unused := 8*length - (bits - 1)
	db[0] &= 0xff >> unused
	em := slices.Concat(make([]byte, size-length), db, digest, []byte{o.trailer})
	if o.top && unused > 0 {
		em[size-length] |= 0x80 >> (unused - 1)
	} else if o.top { // the byte before is all unused
		em[0] = 1
	}
	return em
}

// TestRSAEncodings signs encodings of every kind: the one right, and those that
// careless verifiers have accepted.
func TestRSAEncodings(t *testing.T) {
	for _, bits := range []int{2048, 2049, 2056, 3072} {
		for _, alg := range []jwk.Algorithm{jwk.RS256, jwk.RS384, jwk.RS512} {
			t.Run(fmt.Sprint(alg, "-", bits), func(t *testing.T) { testPKCS1Encodings(t, alg, bits) })
		}
		for _, alg := range []jwk.Algorithm{jwk.PS256, jwk.PS384, jwk.PS512} {
			t.Run(fmt.Sprint(alg, "-", bits), func(t *testing.T) { testPSSEncodings(t, alg, bits) })
		}
	}
}

func testPKCS1Encodings(t *testing.T, alg jwk.Algorithm, bits int) {
	key, h := rsaKey(bits), hashOf(alg)
	size := key.Size()
	digest, info := sum(h, message), infoOf(h)
	right := padded(size, slices.Concat(info, digest))
	changed := func(at int, to byte) []byte {
		em := slices.Clone(right)
		em[at] = to
		return em
	}
	withoutNull := bytes.Replace(info, []byte{5, 0}, nil, 1)
	withoutNull[1] -= 2
	withoutNull[3] -= 2
	other := crypto.SHA256
	if h == other {
		other = crypto.SHA384
	}
	assertEncodings(t, alg, bits, right, map[string][]byte{
		"block type 0":       changed(1, 0),
		"block type 2":       changed(1, 2),
		"zero in padding":    changed(10, 0),
		"one in padding":     changed(size/2, 1),
		"no separator":       changed(size-len(info)-len(digest)-1, 0xff),
		"hash changed":       changed(size-1, right[size-1]^1),
		"OID changed":        changed(size-len(digest)-5, 4),
		"no NULL":            padded(size, slices.Concat(withoutNull, digest)),
		"no DigestInfo":      padded(size, digest),
		"another hash":       padded(size, slices.Concat(infoOf(other), sum(other, message))),
		"digest cut":         padded(size, slices.Concat(info, digest[1:])),
		"digest longer":      padded(size, slices.Concat(info, digest, []byte{0})),
		"short padding":      append(padded(20+len(info)+len(digest), slices.Concat(info, digest)), make([]byte, size-20-len(info)-len(digest))...),
		"short padding, end": slices.Concat(make([]byte, size-20-len(info)-len(digest)), padded(20+len(info)+len(digest), slices.Concat(info, digest))),
		"zero":               make([]byte, size),
		"one":                append(make([]byte, size-1), 1),
		"a PSS encoding":     encodePSS(size, bits, h, message, pssOptions{h.Size(), 1, 0, 0xbc, h, false}),
	})
}

func testPSSEncodings(t *testing.T, alg jwk.Algorithm, bits int) {
	h := hashOf(alg)
	size, n := rsaKey(bits).Size(), h.Size()
	encode := func(o pssOptions) []byte { return encodePSS(size, bits, h, message, o) }
	other := crypto.SHA256
	if h == other {
		other = crypto.SHA512
	}
	longest := (bits-1+7)/8 - n - 2
	right := encode(pssOptions{n, 1, 0, 0xbc, h, false})
	changed := slices.Clone(right)
	changed[size-2] ^= 1
	bad := map[string][]byte{
		"hash changed":     changed,
		"no salt":          encode(pssOptions{0, 1, 0, 0xbc, h, false}),
		"salt of 20":       encode(pssOptions{20, 1, 0, 0xbc, h, false}),
		"salt shorter":     encode(pssOptions{n - 1, 1, 0, 0xbc, h, false}),
		"salt longer":      encode(pssOptions{n + 1, 1, 0, 0xbc, h, false}),
		"longest salt":     encode(pssOptions{longest, 1, 0, 0xbc, h, false}),
		"2 for 1":          encode(pssOptions{n, 2, 0, 0xbc, h, false}),
		"0 for 1":          encode(pssOptions{n, 0, 0, 0xbc, h, false}),
		"padding":          encode(pssOptions{n, 1, 1, 0xbc, h, false}),
		"padding, top bit": encode(pssOptions{n, 1, 0x80, 0xbc, h, false}),
		"trailer of X9.31": encode(pssOptions{n, 1, 0, 0xcc, h, false}),
		"MGF1 with other":  encode(pssOptions{n, 1, 0, 0xbc, other, false}),
		"other hash":       encodePSS(size, bits, other, message, pssOptions{n, 1, 0, 0xbc, h, false}),
		"zero":             make([]byte, size),
		"one":              append(make([]byte, size-1), 1),
		"a PKCS#1 one":     padded(size, slices.Concat(infoOf(h), sum(h, message))),
	}
	if top := encode(pssOptions{n, 1, 0, 0xbc, h, true}); new(big.Int).SetBytes(top).Cmp(rsaKey(bits).N) < 0 {
		bad["top bit"] = top
	}
	assertEncodings(t, alg, bits, right, bad)
}

// assertEncodings wants a signature of right to be accepted, those of bad and
// forms of the good one in other numbers to be refused.
func assertEncodings(t *testing.T, alg jwk.Algorithm, bits int, right []byte, bad map[string][]byte) {
	t.Helper()
	key := rsaKey(bits)
	public := must(jwk.NewPublicKey(alg, &key.PublicKey))(t)
	prepared := mustPrepare(t, public)
	good := invert(key, right)
	if !public.Verify(message, good) || !prepared.Verify(message, good) {
		t.Errorf("the right encoding is refused: %v by the standard library, %v", !public.Verify(message, good), !prepared.Verify(message, good))
	}
	signatures := map[string][]byte{
		"signature cut":    good[1:],
		"signature longer": append([]byte{0}, good...),
		"nothing":          nil,
	}
	for i, x := range rsaEdges(key.N, good) {
		signatures[fmt.Sprint("edge ", i)] = x
	}
	for name, em := range bad {
		signatures[name] = invert(key, em)
	}
	for name, sig := range signatures {
		if got, want := prepared.Verify(message, sig), public.Verify(message, sig); got || want {
			t.Errorf("%s: accepted: %v, and %v by the standard library", name, got, want)
		}
	}
}

// rsaEdges are numbers at the bounds, and those that are good but for the bound:
// sig + n where it fits, and n - sig, whose power is the opposite.
func rsaEdges(n *big.Int, sig []byte) (out [][]byte) {
	s, one := new(big.Int).SetBytes(sig), big.NewInt(1)
	limit := new(big.Int).Lsh(one, uint(8*len(sig)))
	for _, x := range []*big.Int{
		new(big.Int), one, big.NewInt(2), new(big.Int).Sub(n, one), n, new(big.Int).Add(n, one),
		new(big.Int).Sub(limit, one), new(big.Int).Add(n, s), new(big.Int).Sub(n, s),
	} {
		if x.Sign() >= 0 && x.Cmp(limit) < 0 {
			out = append(out, x.FillBytes(make([]byte, len(sig))))
		}
	}
	return out
}

// TestRSAExponents: exponents other than 65537, each with a good signature.
func TestRSAExponents(t *testing.T) {
	exponents := map[int][]int64{2048: {3, 257, 1<<31 - 1}, 3072: {17, 65539}}
	for _, bits := range []int{2048, 3072} {
		for _, e := range exponents[bits] {
			n, d := modulusFor(t, bits, big.NewInt(e))
			public := must(jwk.NewPublicKey(jwk.RS256, &rsa.PublicKey{N: n, E: int(e)}))(t)
			prepared := mustPrepare(t, public)
			em := new(big.Int).SetBytes(padded(bits/8, slices.Concat(infoOf(crypto.SHA256), sum(crypto.SHA256, message))))
			sig := em.Exp(em, d, n).FillBytes(make([]byte, bits/8))
			if !prepared.Verify(message, sig) || !public.Verify(message, sig) {
				t.Errorf("exponent %d, %d bits: a good signature is refused", e, bits)
			}
			sig[bits/16] ^= 1
			if prepared.Verify(message, sig) || public.Verify(message, sig) {
				t.Errorf("exponent %d, %d bits: a bad signature is accepted", e, bits)
			}
		}
	}
}

// modulusFor returns a modulus, and what inverts e for it. Half the primes have
// no inverse of 3.
func modulusFor(t *testing.T, bits int, e *big.Int) (n, d *big.Int) {
	t.Helper()
	p, q := rsaKey(bits).Primes[0], rsaKey(bits).Primes[1]
	for {
		one := big.NewInt(1)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		n := new(big.Int).Mul(p, q)
		if d := new(big.Int).ModInverse(e, phi); d != nil && n.BitLen() == bits {
			return n, d
		}
		p = must(crand.Prime(crand.Reader, bits/2))(t)
		if new(big.Int).ModInverse(e, new(big.Int).Sub(q, one)) == nil {
			q = must(crand.Prime(crand.Reader, bits/2))(t)
		}
	}
}

// FuzzRSA signs the right encoding with what the fuzzer changes in it.
func FuzzRSA(f *testing.F) {
	f.Add([]byte("message"), []byte{}, []byte{}, false)
	f.Add([]byte("message"), []byte{}, []byte{}, true)
	f.Add([]byte("message"), []byte{1: 1}, []byte{}, false)
	f.Add([]byte("message"), []byte{255: 1}, []byte{}, true)
	f.Add([]byte(""), []byte{}, []byte{0: 0x80}, true)
	f.Fuzz(func(t *testing.T, message, encoding, signature []byte, salted bool) {
		key, alg := rsaKey(2048), jwk.RS256
		em := padded(256, slices.Concat(infoOf(crypto.SHA256), sum(crypto.SHA256, message)))
		if salted {
			alg = jwk.PS256
			em = encodePSS(256, 2048, crypto.SHA256, message, pssOptions{32, 1, 0, 0xbc, crypto.SHA256, false})
		}
		changed := change(em, encoding)
		sig := invert(key, em)
		changed = change(sig, signature) || changed
		public := must(jwk.NewPublicKey(alg, &key.PublicKey))(t)
		got, want := mustPrepare(t, public).Verify(message, sig), public.Verify(message, sig)
		if got != want || !changed && !got {
			t.Errorf("%s: accepted: %v, want %v", alg, got, want)
		}
	})
}

// change adds mask to b, and reports whether that changed anything.
func change(b, mask []byte) (changed bool) {
	for i := range min(len(b), len(mask)) {
		b[i] ^= mask[i]
		changed = changed || mask[i] != 0
	}
	return changed
}
