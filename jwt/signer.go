package jwt

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/internal/strictjson"
	"github.com/writ-auth/writ/jwk"
)

// SignOptions say how tokens are made. The first three fill in what the claims
// leave empty; what the claims say themselves stays.
type SignOptions struct {
	// Lifetime sets iat to now and exp to so much later, a second at least. If it
	// is 0, the claims must bring their Expiry, or Sign is an error.
	Lifetime time.Duration
	// Issuer sets iss.
	Issuer string
	// NewID sets jti to 128 random bits.
	NewID bool

	// Type is the typ header parameter; default "JWT". An access token has
	// "at+jwt". Choose one for each kind of token you make, and expect it.
	Type string
	// EmbedKey puts the public key into the header, as a DPoP proof has it (RFC
	// 9449 section 4.2). No verifier here trusts such a key.
	EmbedKey bool
	// AllowNoExpiry allows tokens without exp: they are good until the key is
	// gone.
	AllowNoExpiry bool
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// Signer makes tokens whose claims are a C. It is immutable and safe for
// concurrent use. The zero Signer signs nothing.
type Signer[C ClaimSet] struct {
	key    jwk.SigningKey
	opts   SignOptions
	start  string // the encoded header and the dot after it
	fields []field
	rooms  *sync.Pool // of *signerRoom[C]
}

// signerRoom is room for a claim set and the parts of most tokens, used again
// for the next. No key keeps what it is given to sign.
type signerRoom[C ClaimSet] struct {
	claims  C
	payload [1 << 10]byte
	token   [2 << 10]byte
}

// NewSigner returns a Signer for key. Its error names the option that makes no
// sense, or the field of C that can't be written.
func NewSigner[C ClaimSet](key jwk.SigningKey, opts SignOptions) (*Signer[C], error) {
	if isNil(key) {
		return nil, errors.New("jwt: NewSigner needs a key")
	}
	switch {
	case opts.Lifetime < 0:
		return nil, errors.New("jwt: SignOptions.Lifetime is negative")
	case opts.Lifetime > 0 && opts.Lifetime < time.Second: // dates have whole seconds: it would be over when it is made
		return nil, fmt.Errorf("jwt: SignOptions.Lifetime of %v is below a second; it is a time.Duration, such as 15*time.Minute", opts.Lifetime)
	}
	if opts.Type == "" {
		opts.Type = "JWT"
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	s, _, err := compile(reflect.TypeFor[C](), writing)
	if err != nil {
		return nil, err
	}
	header, err := makeHeader(key, opts)
	if err != nil {
		return nil, err
	}
	start := base64url.Encode(header) + "."
	return &Signer[C]{key: key, opts: opts, start: start, fields: s.fields, rooms: new(sync.Pool)}, nil
}

// Sign makes one token. Use a [Signer] for many.
func Sign[C ClaimSet](key jwk.SigningKey, claims C, opts SignOptions) (string, error) {
	s, err := NewSigner[C](key, opts)
	if err != nil {
		return "", err
	}
	return s.Sign(claims)
}

// makeHeader writes the header that all tokens of a signer share, and has it
// checked as a verifier would.
func makeHeader(key jwk.SigningKey, opts SignOptions) ([]byte, error) {
	h := header{alg: key.Algorithm(), kid: key.KeyID(), typ: opts.Type}
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("jwt: the algorithm of the key can't be used: %w", err)
	}
	if len(h.kid) > maxKeyID || len(h.typ) > maxKeyID {
		return nil, fmt.Errorf("jwt: key id or SignOptions.Type has more than %d bytes", maxKeyID)
	}
	buf := []byte("{")
	var err error
	for _, p := range []struct{ label, value string }{
		{`"typ":`, h.typ}, {`,"alg":`, string(h.alg)}, {`,"kid":`, h.kid},
	} {
		if p.value == "" {
			continue
		}
		buf = append(buf, p.label...)
		if buf, err = strictjson.AppendString(buf, p.value); err != nil {
			return nil, errors.New("jwt: key id or SignOptions.Type is not UTF-8")
		}
	}
	if opts.EmbedKey {
		if buf, err = appendPublicKey(buf, key); err != nil {
			return nil, err
		}
	}
	return append(buf, '}'), nil
}

func appendPublicKey(buf []byte, key jwk.SigningKey) ([]byte, error) {
	private, ok := key.(*jwk.PrivateKey)
	if !ok {
		return nil, errors.New("jwt: SignOptions.EmbedKey needs a private key: a secret must not leave the house")
	}
	public, err := json.Marshal(private.Public())
	if err != nil {
		return nil, fmt.Errorf("jwt: SignOptions.EmbedKey: %w", err)
	}
	return append(append(buf, `,"jwk":`...), public...), nil
}

// Sign makes a token of claims. It is an error if the token would have no exp
// (but for AllowNoExpiry), if a claim can't be written so that a [Verifier]
// reads the same again, or if the key fails.
func (s *Signer[C]) Sign(claims C) (string, error) {
	if s == nil || s.key == nil {
		return "", errors.New("jwt: the signer was not made by NewSigner")
	}
	room, ok := s.rooms.Get().(*signerRoom[C])
	if !ok {
		room = new(signerRoom[C])
	}
	room.claims = claims
	token, err := s.signIn(room)
	var none C
	room.claims = none // what it points to is the caller's
	s.rooms.Put(room)
	return token, err
}

// signIn is Sign for the claims that lie in room.
func (s *Signer[C]) signIn(room *signerRoom[C]) (string, error) {
	set := claimSetOf(&room.claims)
	registered := set.own.core()
	s.fill(registered)
	if registered.Expiry.IsZero() && !s.opts.AllowNoExpiry {
		return "", errors.New("jwt: a token needs an expiry: set SignOptions.Lifetime or the claim")
	}
	payload, err := appendPayload(room.payload[:0], s.fields, set)
	if err != nil {
		return "", err
	}
	return s.sign(room.token[:0], payload)
}

// fill sets what the claims leave empty.
func (s *Signer[C]) fill(c *Claims) {
	if s.opts.Lifetime > 0 {
		now := s.opts.Now()
		if c.IssuedAt.IsZero() {
			c.IssuedAt = NumericDate(now)
		}
		if c.Expiry.IsZero() {
			c.Expiry = NumericDate(now.Add(s.opts.Lifetime))
		}
	}
	if c.Issuer == "" {
		c.Issuer = s.opts.Issuer
	}
	if c.ID == "" && s.opts.NewID {
		c.ID = newID()
	}
}

func newID() string {
	var id [16]byte
	rand.Read(id[:]) // never fails: crypto/rand ends the program instead
	return base64url.Encode(id[:])
}

func appendPayload(dst []byte, fields []field, set claimSet) ([]byte, error) {
	w := writer{buf: append(dst, '{'), depth: 1}
	if name, err := w.fields(fields, set); err != nil {
		return nil, fmt.Errorf("jwt: claim %s can't be written: %w", name, err)
	}
	w.buf = append(w.buf, '}')
	if w.foreign {
		if err := strictjson.Check(w.buf); err != nil {
			return nil, fmt.Errorf("jwt: a claim with its own JSON can't be written: %w", err)
		}
	}
	return w.buf, nil
}

// sign appends the token of a payload to dst.
func (s *Signer[C]) sign(dst, payload []byte) (string, error) {
	token := append(dst, s.start...)
	token = base64url.AppendEncode(token, payload)
	signature, err := s.key.Sign(token)
	if err != nil {
		return "", fmt.Errorf("jwt: the key failed to sign: %w", err)
	}
	token = append(token, '.')
	token = base64url.AppendEncode(token, signature)
	return string(token), nil
}
