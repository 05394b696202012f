package fast

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"math/big"
	"math/bits"

	"filippo.io/bigmod"
)

// rsaKey undoes RSA signatures. Most keys have 2048 bits: for them it keeps the
// modulus with its Montgomery constants, which a verification would otherwise
// make anew, and whose arithmetic is tuned for this size. For longer ones
// math/big is the fastest; that its time depends on the values is no matter,
// since all of them are public.
type rsaKey struct {
	modulus, exponent *big.Int
	hash              crypto.Hash
	montgomery        *bigmod.Modulus // of 2048 bits, else nil
}

func newRSAKey(key *rsa.PublicKey, h crypto.Hash) (*rsaKey, error) {
	k := &rsaKey{modulus: key.N, exponent: big.NewInt(int64(key.E)), hash: h}
	if key.N.BitLen() != 2048 {
		return k, nil
	}
	var err error
	k.montgomery, err = bigmod.NewModulus(key.N.Bytes())
	return k, err
}

// block has room for what a signature encodes: jwk takes no keys of more than
// 8192 bits.
type block [1024]byte

// size is the length of the modulus, and so of signatures, in bytes.
func (k *rsaKey) size() int { return (k.modulus.BitLen() + 7) / 8 }

// open undoes the signature (RSAVP1, RFC 8017 section 5.2.2): it returns what
// was encoded, as long as the modulus. ok is false for a signature of another
// length, and for one that is not below the modulus. It is written to room.
func (k *rsaKey) open(signature []byte, room *block) (encoded []byte, ok bool) {
	if len(signature) != k.size() {
		return nil, false
	}
	encoded = room[:len(signature)]
	if k.montgomery != nil {
		return encoded, k.openMontgomery(signature, encoded)
	}
	s := new(big.Int).SetBytes(signature)
	if s.Cmp(k.modulus) >= 0 {
		return nil, false
	}
	return s.Exp(s, k.exponent, k.modulus).FillBytes(encoded), true
}

func (k *rsaKey) openMontgomery(signature, encoded []byte) bool {
	s, err := bigmod.NewNat().SetBytes(signature, k.montgomery)
	if err != nil {
		return false
	}
	// Nat.Bytes would do the rest, but allocates.
	words := s.ExpShortVarTime(s, uint(k.exponent.Uint64()), k.montgomery).Bits()
	at := len(encoded)
	for _, word := range words {
		if bits.UintSize == 64 {
			at -= 8
			binary.BigEndian.PutUint64(encoded[at:], uint64(word))
		} else {
			at -= 4
			binary.BigEndian.PutUint32(encoded[at:], uint32(word))
		}
	}
	return true
}

// pkcs1 verifies RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2.2). There is one right
// encoding of a hash, which is compared byte for byte; nothing is parsed.
type pkcs1 struct {
	*rsaKey
	prefix []byte // the encoding up to the hash: 0, 1, 255…, 0, and the hash's name
}

func newPKCS1(key *rsaKey) *pkcs1 {
	info := digestInfo(key.hash)
	prefix := bytes.Repeat([]byte{0xff}, key.size()-key.hash.Size())
	prefix[0], prefix[1] = 0, 1
	copy(prefix[len(prefix)-len(info):], info)
	prefix[len(prefix)-len(info)-1] = 0
	return &pkcs1{rsaKey: key, prefix: prefix}
}

// digestInfo is the DER that precedes a hash (RFC 8017 section 9.2, note 1).
func digestInfo(h crypto.Hash) []byte {
	size, last := byte(h.Size()), byte(1)
	switch h {
	case crypto.SHA384:
		last = 2
	case crypto.SHA512:
		last = 3
	}
	return []byte{0x30, 17 + size, 0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, last, 5, 0, 4, size}
}

func (v *pkcs1) verify(message, signature []byte) bool {
	var room block
	encoded, ok := v.open(signature, &room)
	if !ok {
		return false
	}
	prefix, digest := encoded[:len(v.prefix)], encoded[len(v.prefix):]
	var sum [sha512.Size]byte
	return bytes.Equal(prefix, v.prefix) && bytes.Equal(digest, sumOf(v.hash, message, &sum))
}

// sumOf hashes message into sum.
func sumOf(h crypto.Hash, message []byte, sum *[sha512.Size]byte) []byte {
	switch h {
	case crypto.SHA256:
		s := sha256.Sum256(message)
		return sum[:copy(sum[:], s[:])]
	case crypto.SHA384:
		s := sha512.Sum384(message)
		return sum[:copy(sum[:], s[:])]
	default:
		*sum = sha512.Sum512(message)
		return sum[:]
	}
}

// rsaSize is what a prepared key holds at most: the modulus twice, a Montgomery
// constant and the prefix, each as long as the modulus, and what surrounds them.
func rsaSize(key *rsa.PublicKey) int64 { return 4*int64(key.Size()) + 512 }
