package device

import (
	"crypto/rand"
	"crypto/sha256"
	"strings"
)

// The alphabet of user codes (RFC 8628, section 6.1): no vowels, so that no words
// come about, and no digits, which are taken for letters. 8 of 20 letters are
// 2.56e10 codes, 34.6 bits.
const (
	alphabet   = "BCDFGHJKLMNPQRSTVWXZ"
	codeLength = 8
)

// newUserCode makes a user code, every one as likely as every other.
func newUserCode() string {
	var out strings.Builder
	var b [1]byte
	for out.Len() < codeLength {
		rand.Read(b[:])
		if int(b[0]) < 256-256%len(alphabet) { // the rest would make some letters likelier
			out.WriteByte(alphabet[int(b[0])%len(alphabet)])
		}
	}
	return out.String()
}

// Readable is a user code as people read it.
func Readable(code string) string { return code[:codeLength/2] + "-" + code[codeLength/2:] }

// parseUserCode reads what a person typed: case, spaces and hyphens are free.
// False if it can't be a code.
func parseUserCode(typed string) (string, bool) {
	if len(typed) > 64 {
		return "", false
	}
	code := strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z':
			return c - 'a' + 'A'
		case c == '-' || c == ' ' || c == '\u2010' || c == '\u2013': // also those of phones' keyboards
			return -1
		}
		return c
	}, typed)
	if len(code) != codeLength || strings.Trim(code, alphabet) != "" {
		return "", false
	}
	return code, true
}

// hashUserCode and hashDeviceCode keep the two apart. What is stored can be
// presented nowhere; who reads the database could find a user code by trying
// them all, and would have a code that anybody could have asked for.
func hashUserCode(code string) [32]byte   { return sha256.Sum256([]byte("user code " + code)) }
func hashDeviceCode(code string) [32]byte { return sha256.Sum256([]byte("device code " + code)) }
