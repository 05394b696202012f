package mint

import (
	"context"
	"crypto"
	"fmt"
	"time"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
)

// TypeID is the typ of ID tokens. No endpoint takes one for an access token.
const TypeID = "JWT"

// DefaultIDAlgorithm signs the ID tokens of clients that registered no other:
// the one that every client must know (OpenID Connect Core, section 15.1).
const DefaultIDAlgorithm = jwk.RS256

// IDRequest says which client gets an ID token, about whom, and beside which
// access token.
type IDRequest struct {
	User        auth.User
	Session     auth.Session
	Grant       auth.Grant
	Client      auth.Client
	Nonce       string // of the authentication request; "": none
	AccessToken string
	Now         time.Time
	Expiry      time.Time
}

// ID is a signed ID token.
type ID struct {
	Token  string
	Expiry time.Time
	KID    string
}

// IDToken makes an ID token (OpenID Connect Core, section 2). Its aud is the
// client alone, its sid the grant, as in the access token; the claims about the
// person are those of the scopes that were granted.
func (m *Mint) IDToken(ctx context.Context, req IDRequest) (ID, error) {
	key, err := m.ring.Signing(ctx, idAlgorithm(req.Client))
	if err != nil {
		return ID{}, err
	}
	hash, err := AccessTokenHash(key.Algorithm(), req.AccessToken)
	if err != nil {
		return ID{}, err
	}
	out := ID{Expiry: req.Expiry.Truncate(time.Second), KID: key.KeyID()}
	c := &claims{}
	c.text("iss", m.issuer)
	c.text("sub", req.User.ID)
	c.text("aud", req.Client.ID)
	c.time("exp", out.Expiry)
	c.time("iat", req.Now)
	c.time("auth_time", req.Session.AuthTime)
	c.text("nonce", req.Nonce)
	c.text("acr", req.Session.ACR)
	c.list("amr", req.Session.AMR)
	c.text("at_hash", hash)
	c.text("sid", req.Grant.ID)
	for _, claim := range Profile(req.User, req.Grant.Scope) {
		c.add(claim.Name, claim.value(c))
	}
	out.Token, err = sign(key, TypeID, c)
	m.issued(TypeID)
	return out, err
}

func idAlgorithm(c auth.Client) jwk.Algorithm {
	if c.IDTokenAlgorithm == "" {
		return DefaultIDAlgorithm
	}
	return c.IDTokenAlgorithm
}

// AccessTokenHash is the at_hash of a token beside an ID token that is signed
// with an algorithm: the left half of its hash (OpenID Connect Core, section
// 3.1.3.6).
func AccessTokenHash(alg jwk.Algorithm, token string) (string, error) {
	var hash crypto.Hash
	switch alg {
	case jwk.RS256, jwk.PS256, jwk.ES256:
		hash = crypto.SHA256
	case jwk.RS384, jwk.PS384, jwk.ES384:
		hash = crypto.SHA384
	case jwk.RS512, jwk.PS512, jwk.ES512, jwk.EdDSA, jwk.Ed25519:
		hash = crypto.SHA512
	default:
		return "", fmt.Errorf("mint: no at_hash is defined for %s", alg)
	}
	h := hash.New()
	h.Write([]byte(token))
	return base64url.Encode(h.Sum(nil)[:hash.Size()/2]), nil
}
