package fast

import (
	"bytes"
	"crypto"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
)

// pss verifies RSASSA-PSS (RFC 8017 section 8.1.2) as RFC 7518 section 3.5 wants
// it: MGF1 with the same hash, and a salt as long as the hash.
type pss struct{ *rsaKey }

func (v pss) verify(message, signature []byte) bool {
	var room block
	encoded, ok := v.open(signature, &room)
	if !ok {
		return false
	}
	// The encoding has one bit less than the modulus. Where that saves a byte,
	// the byte must be zero.
	bits := v.modulus.BitLen() - 1
	if extra := len(encoded) - (bits+7)/8; extra > 0 {
		if encoded[0] != 0 {
			return false
		}
		encoded = encoded[extra:]
	}
	var sum [sha512.Size]byte
	return checkPSS(v.hash, sumOf(v.hash, message, &sum), encoded, bits)
}

// checkPSS is EMSA-PSS-VERIFY (RFC 8017 section 9.1.2) with a salt as long as
// the hash. It overwrites encoded, which has that many bits and, as the modulus
// has 2048 bits or more, room for all that is looked for.
func checkPSS(h crypto.Hash, digest, encoded []byte, bits int) bool {
	size := h.Size()
	db := encoded[:len(encoded)-size-1]
	want := encoded[len(db) : len(encoded)-1]
	unused := byte(0xff) << (8 - (8*len(encoded) - bits))
	if encoded[len(encoded)-1] != 0xbc || encoded[0]&unused != 0 {
		return false
	}
	xorMGF1(db, h, want)
	db[0] &^= unused
	padding, salt := db[:len(db)-size], db[len(db)-size:]
	if last := len(padding) - 1; padding[last] != 1 || len(bytes.Trim(padding[:last], "\x00")) != 0 {
		return false
	}
	var block [8 + 2*sha512.Size]byte // eight zeros, the digest, the salt
	data := append(append(block[:8], digest...), salt...)
	var sum [sha512.Size]byte
	return bytes.Equal(sumOf(h, data, &sum), want)
}

// xorMGF1 adds the mask that seed, a hash, generates (RFC 8017 appendix B.2.1)
// to data.
func xorMGF1(data []byte, h crypto.Hash, seed []byte) {
	var sum [sha512.Size]byte
	var block [sha512.Size + 4]byte
	for i := uint32(0); len(data) > 0; i++ {
		input := binary.BigEndian.AppendUint32(append(block[:0], seed...), i)
		data = data[subtle.XORBytes(data, data, sumOf(h, input, &sum)):]
	}
}
