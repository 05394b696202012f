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

// values gives the six bits of each byte of the alphabet, 0xff for all others.
// It is a constant string rather than an array so that nothing can write to it.
const values = "" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x3e\xff\xff" +
	"\x34\x35\x36\x37\x38\x39\x3a\x3b\x3c\x3d\xff\xff\xff\xff\xff\xff" +
	"\xff\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e" +
	"\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\xff\xff\xff\xff\x3f" +
	"\xff\x1a\x1b\x1c\x1d\x1e\x1f\x20\x21\x22\x23\x24\x25\x26\x27\x28" +
	"\x29\x2a\x2b\x2c\x2d\x2e\x2f\x30\x31\x32\x33\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"

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
	for len(src) >= 8 && len(dst) >= 8 {
		a, b, c, d := values[src[0]], values[src[1]], values[src[2]], values[src[3]]
		e, f, g, h := values[src[4]], values[src[5]], values[src[6]], values[src[7]]
		if a|b|c|d|e|f|g|h > 0x3f {
			return false
		}
		binary.BigEndian.PutUint64(dst, uint64(a)<<58|uint64(b)<<52|uint64(c)<<46|uint64(d)<<40|
			uint64(e)<<34|uint64(f)<<28|uint64(g)<<22|uint64(h)<<16)
		src, dst = src[8:], dst[6:]
	}
	for len(src) >= 4 && len(dst) >= 3 {
		a, b, c, d := values[src[0]], values[src[1]], values[src[2]], values[src[3]]
		if a|b|c|d > 0x3f {
			return false
		}
		dst[0] = a<<2 | b>>4
		dst[1] = b<<4 | c>>2
		dst[2] = c<<6 | d
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
		a, b := values[src[0]], values[src[1]]
		dst[0] = a<<2 | b>>4
		return a|b <= 0x3f && b&0x0f == 0
	case 3:
		a, b, c := values[src[0]], values[src[1]], values[src[2]]
		dst[0] = a<<2 | b>>4
		dst[1] = b<<4 | c>>2
		return a|b|c <= 0x3f && c&0x03 == 0
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
