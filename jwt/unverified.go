package jwt

import (
	"encoding/json"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/internal/strictjson"
)

// Unverified is a token that nobody has vouched for: whatever it says, its
// bearer may have written. It is for tools that show tokens, and for reading
// the key of a DPoP proof; it has no claims, and no function that takes a
// [Token] takes it.
type Unverified struct {
	header, payload string
}

// DecodeUnverified decodes a token of at most [DefaultMaxSize] bytes and checks
// nothing but its form: three parts in canonical base64url, the first two of
// them strict JSON objects. The error is an *[Error].
func DecodeUnverified(token string) (*Unverified, error) {
	c, err := split(token, DefaultMaxSize)
	if err != nil {
		return nil, err
	}
	parts, err := c.decode(nil)
	if err != nil {
		return nil, err
	}
	payload := string(parts.payload())
	header, err := base64url.DecodeString(c.header())
	if err != nil {
		return nil, refuse(ErrMalformed, "", "header is not canonical base64url")
	}
	if err := checkObject(header); err != nil {
		return nil, refuse(ErrHeader, "", err.Error())
	}
	if err := checkObject(payload); err != nil {
		return nil, malformedPayload(err)
	}
	return &Unverified{header: header, payload: payload}, nil
}

func checkObject(text string) error {
	r := strictjson.NewReader(text)
	if r.Kind() != strictjson.Object {
		return strictjson.ErrType
	}
	if err := r.Skip(); err != nil {
		return err
	}
	return r.End()
}

// Header returns a copy of the header's JSON.
func (u *Unverified) Header() json.RawMessage {
	if u == nil {
		return nil
	}
	return json.RawMessage(u.header)
}

// Payload returns a copy of the payload's JSON.
func (u *Unverified) Payload() json.RawMessage {
	if u == nil {
		return nil
	}
	return json.RawMessage(u.payload)
}
