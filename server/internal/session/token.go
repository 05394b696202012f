package session

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/writ-auth/writ/internal/base64url"
)

// TokenPrefix begins every refresh token, so that secret scanners know one.
const TokenPrefix = "writ_rt_"

// A refresh token is TokenPrefix and, in base64url, a version, the number of
// the key that tagged it, the grant's handle, its generation, and the tag. It
// holds no claim and nothing that a client should read.
const (
	tokenVersion = 1
	handleSize   = 16
	tagSize      = 16
	bodySize     = 1 + 4 + handleSize + 8
	tokenSize    = bodySize + tagSize
)

// errToken says that a string is no refresh token of this server. It has one
// text for all causes: a forger learns nothing.
var errToken = errors.New("not a refresh token of this server")

// handle is the secret part that finds a grant; the store keeps its hash.
type handle [handleSize]byte

func newHandle() (h handle) {
	rand.Read(h[:])
	return h
}

func (h handle) hash() []byte {
	sum := sha256.Sum256(h[:])
	return sum[:]
}

// tagKeys are the keys under which refresh tokens are tagged.
type tagKeys interface {
	CurrentTag() (number uint32, secret []byte)
	Tag(number uint32) []byte
}

// encodeToken makes the refresh token of a generation. The same grant,
// generation and tag key always give the same token: that is how a repeat
// answers with the successor without storing it.
func encodeToken(keys tagKeys, keyNumber uint32, h handle, generation uint64) (string, error) {
	secret := keys.Tag(keyNumber)
	if secret == nil {
		return "", errors.New("session: the key that tags this grant's refresh token is gone")
	}
	raw := make([]byte, 0, tokenSize)
	raw = append(raw, tokenVersion)
	raw = binary.BigEndian.AppendUint32(raw, keyNumber)
	raw = append(raw, h[:]...)
	raw = binary.BigEndian.AppendUint64(raw, generation)
	raw = append(raw, tag(secret, raw)...)
	return TokenPrefix + base64url.Encode(raw), nil
}

// decodeToken reads a refresh token and checks its tag, in constant time and
// before the database is asked anything.
func decodeToken(keys tagKeys, token string) (h handle, generation uint64, err error) {
	text, ok := strings.CutPrefix(token, TokenPrefix)
	if !ok || len(text) != base64url.EncodedLen(tokenSize) {
		return h, 0, errToken
	}
	raw, err := base64url.Decode(text)
	if err != nil || raw[0] != tokenVersion {
		return h, 0, errToken
	}
	secret := keys.Tag(binary.BigEndian.Uint32(raw[1:]))
	if secret == nil || !hmac.Equal(raw[bodySize:], tag(secret, raw[:bodySize])) {
		return h, 0, errToken
	}
	copy(h[:], raw[5:])
	return h, binary.BigEndian.Uint64(raw[5+handleSize:]), nil
}

// tag is HMAC-SHA256 (RFC 2104) of a label and the body, cut to tagSize. It is
// written out because package hmac makes eight objects of it, and each refresh has
// two tags.
func tag(secret, body []byte) []byte {
	const block, label = sha256.BlockSize, "writ refresh token v1\x00"
	if len(secret) > block {
		sum := sha256.Sum256(secret)
		secret = sum[:]
	}
	var inner [block + len(label) + bodySize]byte
	var outer [block + sha256.Size]byte
	copy(inner[:], secret)
	copy(outer[:], secret)
	for i := range block {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	copy(inner[block:], label)
	sum := sha256.Sum256(append(inner[:block+len(label)], body...))
	copy(outer[block:], sum[:])
	sum = sha256.Sum256(outer[:])
	return sum[:tagSize]
}
