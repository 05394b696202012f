package jwt

import (
	"strings"

	"github.com/writ-auth/writ/internal/base64url"
)

// compact is a token in its three parts (RFC 7515 section 7.1), all still
// encoded.
type compact struct {
	token     string
	header    string
	payload   string
	signature string
}

// split cuts a token at its two dots. It looks at no byte of a token that is
// too large, and stops at a third dot, so that a megabyte of dots costs what
// three of them do.
func split(token string, maxSize int) (compact, error) {
	if len(token) > maxSize {
		return compact{}, refuse(ErrTooLarge, "", "")
	}
	first := strings.IndexByte(token, '.')
	if first < 0 {
		return compact{}, refuse(ErrMalformed, "", "no dot: not a signed token")
	}
	second := strings.IndexByte(token[first+1:], '.')
	if second < 0 {
		return compact{}, refuse(ErrMalformed, "", "one dot instead of two")
	}
	second += first + 1
	if strings.IndexByte(token[second+1:], '.') >= 0 {
		return compact{}, refuse(ErrMalformed, "", "more than two dots: encrypted tokens are not read")
	}
	return compact{token: token, header: token[:first], payload: token[first+1 : second], signature: token[second+1:]}, nil
}

// decodePayload returns the payload's bytes. They are not to be parsed before
// the signature is known to be good.
func (c *compact) decodePayload() (string, error) {
	payload, err := base64url.DecodeString(c.payload)
	if err != nil {
		return "", refuse(ErrMalformed, "", "payload is not canonical base64url")
	}
	return payload, nil
}

// decodeSigned returns the bytes that were signed and their signature, which
// share one buffer.
func (c *compact) decodeSigned() (message, signature []byte, err error) {
	n := len(c.token) - len(c.signature) - 1
	buf := make([]byte, n, n+base64url.DecodedLen(len(c.signature)))
	copy(buf, c.token)
	buf, err = base64url.AppendDecode(buf, c.signature)
	if err != nil {
		return nil, nil, refuse(ErrMalformed, "", "signature is not canonical base64url")
	}
	return buf[:n:n], buf[n:], nil
}
