// Package base64url reads and writes base64url as JOSE uses it (RFC 7515
// section 2): the URL-safe alphabet, no padding, and exactly one spelling for
// each byte string.
//
// encoding/base64 is laxer than that even in Strict mode: it skips CR and LF
// anywhere in its input, so one signature would have many spellings. Here every
// byte outside the alphabet and every non-zero unused bit is an error.
package base64url

import (
	"encoding/binary"
	"errors"
	"slices"
)

// ErrInvalid says that the input is not canonical base64url. It carries no
// position, for the input may be a secret.
var ErrInvalid = errors.New("invalid base64url")

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// sextets gives the six bits of each byte of the alphabet as a little-endian
// word, and one of all ones for each other byte: shifted by up to 18 bits, that
// leaves ones above the 24 that four characters have, so one look at the sum
// finds it. It is a constant string rather than an array so that nothing can
// write to it.
const sextets = no16 + no16 +
	no + no + no + no + no + no + no + no + no + no + no + no + no + "\x3e\x00\x00\x00" + no + no +
	"\x34\x00\x00\x00\x35\x00\x00\x00\x36\x00\x00\x00\x37\x00\x00\x00\x38\x00\x00\x00\x39\x00\x00\x00\x3a\x00\x00\x00\x3b\x00\x00\x00" +
	"\x3c\x00\x00\x00\x3d\x00\x00\x00" + no + no + no + no + no + no +
	no + "\x00\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04\x00\x00\x00\x05\x00\x00\x00\x06\x00\x00\x00" +
	"\x07\x00\x00\x00\x08\x00\x00\x00\x09\x00\x00\x00\x0a\x00\x00\x00\x0b\x00\x00\x00\x0c\x00\x00\x00\x0d\x00\x00\x00\x0e\x00\x00\x00" +
	"\x0f\x00\x00\x00\x10\x00\x00\x00\x11\x00\x00\x00\x12\x00\x00\x00\x13\x00\x00\x00\x14\x00\x00\x00\x15\x00\x00\x00\x16\x00\x00\x00" +
	"\x17\x00\x00\x00\x18\x00\x00\x00\x19\x00\x00\x00" + no + no + no + no + "\x3f\x00\x00\x00" +
	no + "\x1a\x00\x00\x00\x1b\x00\x00\x00\x1c\x00\x00\x00\x1d\x00\x00\x00\x1e\x00\x00\x00\x1f\x00\x00\x00\x20\x00\x00\x00" +
	"\x21\x00\x00\x00\x22\x00\x00\x00\x23\x00\x00\x00\x24\x00\x00\x00\x25\x00\x00\x00\x26\x00\x00\x00\x27\x00\x00\x00\x28\x00\x00\x00" +
	"\x29\x00\x00\x00\x2a\x00\x00\x00\x2b\x00\x00\x00\x2c\x00\x00\x00\x2d\x00\x00\x00\x2e\x00\x00\x00\x2f\x00\x00\x00\x30\x00\x00\x00" +
	"\x31\x00\x00\x00\x32\x00\x00\x00\x33\x00\x00\x00" + no + no + no + no + no +
	no16 + no16 + no16 + no16 + no16 + no16 + no16 + no16

const (
	no   = "\xff\xff\xff\xff"
	no16 = no + no + no + no + no + no + no + no + no + no + no + no + no + no + no + no
)

// sextet returns the word of c.
func sextet(c byte) uint32 {
	i := 4 * int(c)
	return uint32(sextets[i]) | uint32(sextets[i+1])<<8 | uint32(sextets[i+2])<<16 | uint32(sextets[i+3])<<24
}

// quad returns the 24 bits of four characters, and more than that if one of them
// is not in the alphabet.
func quad(a, b, c, d byte) uint32 {
	return ((sextet(a)<<6|sextet(b))<<6|sextet(c))<<6 | sextet(d)
}

const maxQuad = 1<<24 - 1

// EncodedLen is the number of characters that n bytes take.
func EncodedLen(n int) int { return n/3*4 + (n%3*8+5)/6 }

// DecodedLen is the number of bytes that n characters give. For a length that
// no encoding has (n%4 == 1) it rounds down; decoding that is an error.
func DecodedLen(n int) int { return n/4*3 + n%4*6/8 }

// AppendDecode appends the bytes that src stands for to dst. With an error it
// returns dst as it was, though bytes beyond its length may have been written.
func AppendDecode(dst []byte, src string) ([]byte, error) {
	n := len(dst)
	need := n + DecodedLen(len(src))
	out := dst
	if cap(out) < need {
		out = make([]byte, n, need)
		copy(out, dst)
	}
	out = out[:need]
	if !decode(out[n:], src) {
		return dst, ErrInvalid
	}
	return out, nil
}

// Decode returns the bytes that src stands for.
func Decode(src string) ([]byte, error) {
	out := make([]byte, DecodedLen(len(src)))
	if !decode(out, src) {
		return nil, ErrInvalid
	}
	return out, nil
}

// DecodeString is Decode for bytes that stay unchanged for good: what a reader
// cuts out of the string needs no further copy.
func DecodeString(src string) (string, error) {
	var room [512]byte // enough for most parts of tokens: then the string is all that is allocated
	out, err := AppendDecode(room[:0], src)
	if err != nil {
		return "", err
	}
	return string(out), nil
}

// decode fills dst, which has exactly DecodedLen(len(src)) bytes. Eight
// characters at a time give six bytes, written as eight: the next step writes
// over the two that are too many, and the last steps are smaller.
func decode(dst []byte, src string) bool {
	for len(src) > 8 && len(dst) > 8 {
		left := ((sextet(src[0])<<6|sextet(src[1]))<<6|sextet(src[2]))<<6 | sextet(src[3])
		right := ((sextet(src[4])<<6|sextet(src[5]))<<6|sextet(src[6]))<<6 | sextet(src[7])
		if left|right > maxQuad {
			return false
		}
		binary.BigEndian.PutUint64(dst, uint64(left)<<40|uint64(right)<<16)
		src, dst = src[8:], dst[6:]
	}
	for len(src) >= 4 && len(dst) >= 3 {
		v := quad(src[0], src[1], src[2], src[3])
		if v > maxQuad {
			return false
		}
		dst[0], dst[1], dst[2] = byte(v>>16), byte(v>>8), byte(v)
		src, dst = src[4:], dst[3:]
	}
	return decodeTail(dst, src)
}

// decodeTail decodes the last 0 to 3 characters. The bits that they have beyond
// whole bytes must be zero, else several encodings would mean the same bytes.
func decodeTail(dst []byte, src string) bool {
	switch len(src) {
	case 0:
		return true
	case 2:
		v := quad(src[0], src[1], 'A', 'A')
		dst[0] = byte(v >> 16)
		return v <= maxQuad && v&0xffff == 0
	case 3:
		v := quad(src[0], src[1], src[2], 'A')
		dst[0], dst[1] = byte(v>>16), byte(v>>8)
		return v <= maxQuad && v&0xff == 0
	default:
		return false
	}
}

// AppendEncode appends the encoding of src to dst. The two must not overlap.
func AppendEncode(dst, src []byte) []byte {
	n := len(dst)
	dst = slices.Grow(dst, EncodedLen(len(src)))[:n+EncodedLen(len(src))]
	encode(dst[n:], src)
	return dst
}

// Encode returns the encoding of src.
func Encode(src []byte) string {
	var room [128]byte // enough for identifiers and thumbprints: then the string is all that is allocated
	return string(AppendEncode(room[:0], src))
}

// encode fills dst, which has exactly EncodedLen(len(src)) bytes. While there
// are eight bytes to be had at once, it takes six of them.
func encode(dst, src []byte) {
	for len(src) >= 8 && len(dst) >= 8 {
		v := binary.BigEndian.Uint64(src)
		dst[0], dst[1] = alphabet[v>>58], alphabet[v>>52&0x3f]
		dst[2], dst[3] = alphabet[v>>46&0x3f], alphabet[v>>40&0x3f]
		dst[4], dst[5] = alphabet[v>>34&0x3f], alphabet[v>>28&0x3f]
		dst[6], dst[7] = alphabet[v>>22&0x3f], alphabet[v>>16&0x3f]
		dst, src = dst[8:], src[6:]
	}
	for len(src) >= 3 && len(dst) >= 4 {
		v := uint(src[0])<<16 | uint(src[1])<<8 | uint(src[2])
		dst[0], dst[1] = alphabet[v>>18&0x3f], alphabet[v>>12&0x3f]
		dst[2], dst[3] = alphabet[v>>6&0x3f], alphabet[v&0x3f]
		dst, src = dst[4:], src[3:]
	}
	switch len(src) {
	case 1:
		dst[0], dst[1] = alphabet[src[0]>>2], alphabet[src[0]<<4&0x3f]
	case 2:
		v := uint(src[0])<<8 | uint(src[1])
		dst[0], dst[1], dst[2] = alphabet[v>>10&0x3f], alphabet[v>>4&0x3f], alphabet[v<<2&0x3f]
	}
}
