package jwt

import (
	"strings"
	"sync"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/internal/strictjson"
)

// compact is a token in its three parts (RFC 7515 section 7.1), all still
// encoded. It is small enough to be passed in registers.
type compact struct {
	token         string
	first, second int // where the dots are
}

func (c compact) header() string    { return c.token[:c.first] }
func (c compact) payload() string   { return c.token[c.first+1 : c.second] }
func (c compact) signature() string { return c.token[c.second+1:] }

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
	return compact{token, first, second}, nil
}

// decodePayload returns the payload's bytes.
func (c compact) decodePayload() (string, error) {
	payload, err := base64url.DecodeString(c.payload())
	if err != nil {
		return "", errPayloadForm()
	}
	return payload, nil
}

func errPayloadForm() error {
	return refuse(ErrMalformed, "", "payload is not canonical base64url")
}

// decoded is what a verification needs of a token, one after the other in bytes
// that are used again for the next.
type decoded struct {
	bytes                  []byte
	endMessage, endPayload int
}

// message is what was signed: header and payload, encoded.
func (d *decoded) message() []byte { return d.bytes[:d.endMessage:d.endMessage] }

// payload is not to be parsed before the signature is known to be good.
func (d *decoded) payload() []byte { return d.bytes[d.endMessage:d.endPayload:d.endPayload] }

func (d *decoded) signature() []byte { return d.bytes[d.endPayload:] }

// decode decodes into room if that is enough.
func (c compact) decode(room []byte) (decoded, error) {
	need := c.second + base64url.DecodedLen(c.second-c.first-1) + base64url.DecodedLen(len(c.token)-c.second-1)
	if need > cap(room) {
		room = make([]byte, 0, need)
	}
	buf := append(room[:0], c.token[:c.second]...)
	buf, err := base64url.AppendDecode(buf, c.payload())
	if err != nil {
		return decoded{}, errPayloadForm()
	}
	endPayload := len(buf)
	buf, err = base64url.AppendDecode(buf, c.signature())
	if err != nil {
		return decoded{}, refuse(ErrMalformed, "", "signature is not canonical base64url")
	}
	return decoded{buf, c.second, endPayload}, nil
}

// rooms are where tokens are decoded: whoever sends forged ones makes no
// garbage here. The zero rooms are ready.
type rooms struct{ pool sync.Pool }

// room is enough for most tokens; larger ones get their own bytes. Its reader
// need not be cleared for each token, but keeps the last one's payload alive
// for as long as the room is.
type room struct {
	reader strictjson.Reader
	bytes  [4 << 10]byte
}

func (r *rooms) get() *room {
	if one, ok := r.pool.Get().(*room); ok {
		return one
	}
	return new(room)
}

func (r *rooms) put(one *room) { r.pool.Put(one) }
