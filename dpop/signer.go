package dpop

import (
	"errors"
	"net/url"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// Signer makes proofs with a client's key. It is safe for concurrent use. The
// zero Signer makes none.
type Signer struct {
	key    *jwk.PrivateKey
	tokens *jwt.Signer[claims]
	now    func() time.Time
}

// NewSigner returns a Signer for a key: make one with jwk.Generate(jwk.ES256),
// and keep it as long as the tokens that are bound to it. now may be nil.
func NewSigner(key *jwk.PrivateKey, now func() time.Time) (*Signer, error) {
	if key == nil {
		return nil, errors.New("dpop: NewSigner needs a key")
	}
	if now == nil {
		now = time.Now
	}
	// The header has the key itself, which no name needs to be beside.
	tokens, err := jwt.NewSigner[claims](key.WithKeyID(""), jwt.SignOptions{
		NewID: true, Type: Type, EmbedKey: true, AllowNoExpiry: true, Now: now,
	})
	return &Signer{key, tokens, now}, err
}

// Thumbprint returns the thumbprint of the key, for the parameter dpop_jkt of an
// authorization request (section 10).
func (s *Signer) Thumbprint() string {
	if s == nil {
		return ""
	}
	return s.key.Public().Thumbprint()
}

// Sign makes the proof for one request. nonce is the last one that the server
// gave, "" if none.
func (s *Signer) Sign(req Request, nonce string) (string, error) {
	if s == nil || s.tokens == nil {
		return "", errors.New("dpop: signer not made by NewSigner")
	}
	u, err := url.Parse(req.URL)
	if err != nil || u.Host == "" {
		return "", errors.New("dpop: Request.URL is not absolute")
	}
	u.User, u.RawQuery, u.Fragment, u.RawFragment, u.ForceQuery = nil, "", "", "", false
	c := claims{Method: req.Method, URL: u.String(), Nonce: nonce}
	c.IssuedAt = jwt.NumericDate(s.now())
	if req.AccessToken != "" {
		c.Hash = tokenHash(req.AccessToken)
	}
	return s.tokens.Sign(c)
}
