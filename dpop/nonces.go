package dpop

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"github.com/writ-auth/writ/internal/base64url"
)

// HeaderNonce is the header in which a server gives a client the nonce for its
// next proofs.
const HeaderNonce = "DPoP-Nonce"

// A nonce is the minute in which it was made, and a tag over that.
const (
	nonceStep = time.Minute
	nonceAge  = 5 // steps for which one is good, so between four and five minutes
	tagSize   = 16
	nonceSize = 4 + tagSize
)

// Nonces makes nonces that every server with the same secret takes, for five
// minutes, and remembers none. A proof with such a nonce was not made ahead of
// time: who could sign with a client's key for a while, and can't any more, has
// no use of the proofs that he has put by. The zero Nonces gives out none, and
// takes none.
type Nonces struct {
	secrets func() [][]byte
	now     func() time.Time
}

// minSecret is the least size of a secret, in bytes.
const minSecret = 16

// NewNonces returns Nonces under secrets that secrets returns: the first makes
// nonces, all are taken. Give a function that looks them up where they change.
// Each needs 16 bytes at least, and is left out while it has fewer; what it is
// used for besides must not be a MAC over the bytes "writ dpop nonce v1" and a
// zero byte. now may be nil.
func NewNonces(secrets func() [][]byte, now func() time.Time) (*Nonces, error) {
	if secrets == nil || len(secrets()) == 0 {
		return nil, errors.New("dpop: NewNonces needs a secret")
	}
	for _, s := range secrets() {
		if len(s) < minSecret {
			return nil, errors.New("dpop: NewNonces needs secrets of at least 16 bytes")
		}
	}
	if now == nil {
		now = time.Now
	}
	return &Nonces{secrets, now}, nil
}

// Current returns the nonce to give out now, "" if there is no secret.
func (n *Nonces) Current() string {
	secrets := n.usable()
	if len(secrets) == 0 {
		return ""
	}
	raw := binary.BigEndian.AppendUint32(make([]byte, 0, nonceSize), n.step())
	return base64url.Encode(append(raw, nonceTag(secrets[0], raw)...))
}

// usable are the secrets of now that are some: of a secret that its owner has just
// lost, and hands over as nil, anybody could make nonces, for as far ahead as he
// likes.
func (n *Nonces) usable() (secrets [][]byte) {
	if n == nil || n.secrets == nil {
		return nil
	}
	for _, s := range n.secrets() {
		if len(s) >= minSecret {
			secrets = append(secrets, s)
		}
	}
	return secrets
}

func (n *Nonces) step() uint32 { return uint32(n.now().Unix() / int64(nonceStep/time.Second)) }

// good reports whether a nonce was given out lately. One from a minute ahead is
// of another server, whose clock differs.
func (n *Nonces) good(nonce string) bool {
	secrets := n.usable()
	if len(secrets) == 0 || len(nonce) != base64url.EncodedLen(nonceSize) {
		return false
	}
	raw, err := base64url.Decode(nonce)
	if err != nil {
		return false
	}
	if age := int64(n.step()) - int64(binary.BigEndian.Uint32(raw)); age < -1 || age >= nonceAge {
		return false
	}
	found := false
	for _, secret := range secrets {
		found = hmac.Equal(raw[4:], nonceTag(secret, raw[:4])) || found
	}
	return found
}

func nonceTag(secret, step []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("writ dpop nonce v1\x00"))
	mac.Write(step)
	return mac.Sum(nil)[:tagSize]
}
