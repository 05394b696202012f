// Package mint makes the tokens that the server hands out: from a session, its
// user and client, and the API that the token is for, to a signed JWT.
//
// The header and the claims are those of RFC 9068. Which identity claims an
// API's tokens carry, and under which names, is the API's to say; what is
// reserved for Writ itself leaves it in no token.
package mint

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/internal/strictjson"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/keyring"
)

// Types of the tokens made here (the typ header, RFC 8725 section 3.11): one
// kind is never accepted as another.
const (
	TypeAccess         = "at+jwt"
	TypePasswordChange = "writ-password-change+jwt"
)

// Limits on the size of an access token in bytes: what the usual proxy takes
// in a header, and what every browser keeps in a cookie with its name.
const (
	MaxHeaderToken = 8000
	MaxCookieToken = 4000
)

// PasswordChangeTTL is the life of a token that is good for changing a
// password and for nothing else.
const PasswordChangeTTL = 10 * time.Minute

// Mint makes tokens. It is safe for concurrent use.
type Mint struct {
	// Issued, if it is set, is told the typ of every token that is made; set it
	// before the first.
	Issued func(typ string)

	issuer string
	ring   *keyring.Ring
	rooms  sync.Pool // of *claims
}

// New returns a Mint that signs as issuer with the ring's keys.
func New(issuer string, ring *keyring.Ring) *Mint { return &Mint{issuer: issuer, ring: ring} }

// Request says who gets a token, for which API, and until when.
type Request struct {
	User        auth.User
	Session     auth.Session
	Grant       auth.Grant
	API         auth.API // its Audience is the aud; for Writ itself only that is set
	Org         string   // the organisation's slug, "" if none
	Roles       []string
	Permissions []string
	Now         time.Time
	Expiry      time.Time
	Key         *jwk.PrivateKey // to sign with; nil: the one that the API's tokens are signed with now
	Delegate    *Delegate       // who acts for the user; nil: the grant's client alone
}

// Access is a signed access token.
type Access struct {
	Token  string
	ID     string // the jti
	Expiry time.Time
	KID    string // of the server's key that signed it; "": an API's shared secret
}

// Access makes an access token. A token that would not fit where it must
// travel is an *auth.Error that names its biggest claims.
func (m *Mint) Access(ctx context.Context, req Request) (Access, error) {
	key, err := m.keyOf(ctx, req)
	if err != nil {
		return Access{}, err
	}
	out := Access{ID: auth.Random128(), Expiry: req.Expiry.Truncate(time.Second)}
	if _, shared := key.(*jwk.Secret); !shared {
		out.KID = key.KeyID()
	}
	claims := m.claims(req, out)
	defer m.giveBack(claims)
	out.Token, err = sign(key, TypeAccess, claims)
	if err != nil {
		return Access{}, err
	}
	if err := checkSize(out.Token, req.Grant.Mode, claims); err != nil {
		return Access{}, err
	}
	m.issued(TypeAccess)
	return out, nil
}

func (m *Mint) issued(typ string) {
	if m.Issued != nil {
		m.Issued(typ)
	}
}

// PasswordChange makes the token that a sign-in with a password that must be
// changed gets instead of a session. It dies with the user's epoch, which the
// change replaces.
func (m *Mint) PasswordChange(ctx context.Context, user auth.User, now time.Time) (string, error) {
	key, err := m.signingKey(ctx, auth.API{Audience: m.issuer})
	if err != nil {
		return "", err
	}
	var c claims
	c.text("iss", m.issuer)
	c.text("sub", user.ID)
	c.text("aud", m.issuer)
	c.time("exp", now.Add(PasswordChangeTTL))
	c.time("iat", now)
	c.text("jti", auth.Random128())
	c.list("epochs", []string{user.Epoch})
	m.issued(TypePasswordChange)
	return sign(key, TypePasswordChange, &c)
}

func (m *Mint) keyOf(ctx context.Context, req Request) (jwk.SigningKey, error) {
	if req.Key != nil {
		return req.Key, nil
	}
	return m.signingKey(ctx, req.API)
}

// ReadyKey answers the key pair that signs an API's tokens without waiting for
// anything; nil, but ready, where a shared secret does. It isn't ready if the
// key has yet to be made: that is what Prepare is for.
func (m *Mint) ReadyKey(api auth.API) (key *jwk.PrivateKey, ready bool) {
	if shared(api) {
		return nil, true
	}
	key = m.ring.Ready(api.Algorithm)
	return key, key != nil
}

// Prepare makes the key that signs an API's tokens if there is none yet.
func (m *Mint) Prepare(ctx context.Context, api auth.API) error {
	_, err := m.signingKey(ctx, api)
	return err
}

func shared(api auth.API) bool { return strings.HasPrefix(string(api.Algorithm), "HS") }

// signingKey answers the API's shared secret or the server's key pair.
func (m *Mint) signingKey(ctx context.Context, api auth.API) (jwk.SigningKey, error) {
	if shared(api) {
		return m.ring.APISecret(ctx, api)
	}
	return m.ring.Signing(ctx, api.Algorithm)
}

// claims lists what the token says, in the order in which people read it.
func (m *Mint) claims(req Request, out Access) *claims {
	c := m.room(req.API)
	c.text("iss", m.issuer)
	c.text("sub", req.User.ID)
	c.text("aud", req.API.Audience)
	c.time("exp", out.Expiry)
	c.time("iat", req.Now)
	c.text("jti", out.ID)
	c.text("client_id", req.clientID())
	c.text("sid", req.Grant.ID)
	c.text("scope", strings.Join(req.Grant.Scope, " "))
	c.list("epochs", req.epochs())
	c.time("auth_time", req.Session.AuthTime)
	c.list("amr", req.Session.AMR)
	c.text("acr", req.Session.ACR)
	c.confirmation(req.Grant.DPoPThumbprint)
	if i := req.Grant.StatusIndex; i > 0 && req.API.StatusList {
		c.status(i.Place(), StatusListURI(m.issuer, i.List()))
	}
	c.delegate(req.Delegate)
	m.identity(c, req)
	c.custom(req.User.Claims)
	return c
}

// identity adds the claims that an API may choose among. An address that
// nobody verified identifies nobody, and stays out.
func (m *Mint) identity(c *claims, req Request) {
	u := req.User
	if u.Email != "" && !u.VerifiedAt.IsZero() {
		c.identityText("email", u.Email)
		c.identityBool("email_verified", true)
	}
	c.identityText("name", u.Name)
	c.identityText("preferred_username", u.Username)
	c.identityText("org", req.Org)
	roles, permissions := req.Roles, req.Permissions
	if req.API.Audience != m.issuer {
		roles, permissions = withoutReserved(roles), withoutReserved(permissions)
	}
	c.identityList("roles", roles)
	c.identityList("permissions", permissions)
}

func withoutReserved(names []string) []string {
	var out []string
	for _, n := range names {
		if !strings.HasPrefix(n, auth.ReservedPrefix) {
			out = append(out, n)
		}
	}
	return out
}

// sign assembles the compact serialisation (RFC 7515, section 3.1).
func sign(key jwk.SigningKey, typ string, c *claims) (string, error) {
	payload, err := c.appendObject(c.work[:0])
	if err != nil {
		return "", fmt.Errorf("claims: %w", err)
	}
	both, err := appendHeader(payload, typ, key)
	if err != nil {
		return "", fmt.Errorf("header: %w", err)
	}
	all := base64url.AppendEncode(both, both[len(payload):])
	all = append(all, '.')
	all = base64url.AppendEncode(all, payload)
	c.work = all
	out := all[len(both):]
	signature, err := key.Sign(out)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	out = append(out, '.')
	return string(base64url.AppendEncode(out, signature)), nil
}

// appendHeader appends the JOSE header.
func appendHeader(dst []byte, typ string, key jwk.SigningKey) ([]byte, error) {
	for _, m := range [...]struct{ before, value string }{
		{`{"typ":`, typ}, {`,"alg":`, string(key.Algorithm())}, {`,"kid":`, key.KeyID()},
	} {
		if m.value == "" { // a secret without a key ID
			continue
		}
		var err error
		if dst, err = strictjson.AppendString(append(dst, m.before...), m.value); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// checkSize refuses what a browser or a proxy would silently drop.
func checkSize(token string, mode auth.Mode, c *claims) error {
	limit := MaxHeaderToken
	if mode == auth.ModeCookie {
		limit = MaxCookieToken
	}
	if len(token) <= limit {
		return nil
	}
	sort.Slice(c.members, func(i, j int) bool { return len(c.members[i].value) > len(c.members[j].value) })
	var biggest []string
	for _, m := range c.members[:min(3, len(c.members))] {
		biggest = append(biggest, fmt.Sprintf("%s (%d bytes)", m.name, len(m.value)))
	}
	return auth.Errorf(auth.CodeTokenTooLarge, "the access token would have %d bytes, %d fit; its biggest claims are %s",
		len(token), limit, strings.Join(biggest, ", "))
}
