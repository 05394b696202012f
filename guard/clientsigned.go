package guard

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/writ-auth/writ/internal/strictjson"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// TypeClientSigned is the typ header of a JWT that a client has signed itself
// for one API; see [ClientSigned]. No other kind of token has it.
const TypeClientSigned = "client-access+jwt"

// What a ClientSigned that says nothing gets; neither may be more.
const (
	DefaultSignedLifetime = 5 * time.Minute
	DefaultMaxUsed        = 100_000
)

// ClientSigned lets services call this API with JWTs that they have signed
// themselves, with no call to the issuer: their registered public keys are
// fetched from it (writ_client_keys_endpoint) and kept for a minute.
//
// Such a JWT has the typ [TypeClientSigned] and the claims iss and sub, which are
// both the client, aud, which is one audience of this API as a string, iat, exp
// and jti. It is a bearer token for one request: its jti counts once. What the
// client may do is what the issuer says of its registration, as scopes; whatever
// else the JWT says, its bearer has written, and is never looked at.
//
// The client is refused as soon as the revocation log names it. A key that was
// replaced counts for up to a minute more. Which jtis were used, each process
// knows for itself: behind a balancer, who sees such a JWT on its way could use
// it once more at every other process while it lives. A JWT that was made before
// the guard is refused, since another process may have taken it.
//
// Only public keys lead here. The issuer keeps a hash of a client's secret, and
// an API that had the secret could write such JWTs to itself.
type ClientSigned struct {
	// MaxLifetime is how long such a JWT may live, from iat to exp. Default, and
	// most: 5 min; at least 1 s.
	MaxLifetime time.Duration
	// MaxUsed bounds how many jtis are remembered, at some 150 bytes each, until
	// their JWTs have expired. A quarter is the most for one client; beyond,
	// requests with such JWTs get 503. Default, and most: 100,000.
	MaxUsed int
}

func (c *ClientSigned) withDefaults() ClientSigned {
	out := *c
	if out.MaxLifetime == 0 {
		out.MaxLifetime = DefaultSignedLifetime
	}
	if out.MaxUsed == 0 {
		out.MaxUsed = DefaultMaxUsed
	}
	return out
}

// validateSigned checks what ClientSigned says, and that there is somebody to
// ask and a log in which a client can be revoked.
func (cfg *Config) validateSigned(i *Issuer) error {
	c := i.ClientSigned
	switch {
	case c == nil:
		return nil
	case c.MaxLifetime < 0 || c.MaxLifetime > 0 && c.MaxLifetime < time.Second || c.MaxLifetime > DefaultSignedLifetime:
		return errors.New("ClientSigned.MaxLifetime isn't within 1 s and 5 min")
	case c.MaxUsed < 0 || c.MaxUsed > DefaultMaxUsed:
		return errors.New("ClientSigned.MaxUsed isn't within 1 and 100,000")
	case !i.follows():
		return errors.New("ClientSigned needs the revocation log: without it a client would never be refused")
	case cfg.credentialsFor(i) == nil:
		return errors.New("ClientSigned needs Credentials, to ask for the keys of clients")
	}
	return nil
}

// signed takes JWTs that clients of one issuer have signed.
type signed struct {
	issuer   *issuer
	opts     ClientSigned
	verifier *jwt.Verifier[jwt.Claims]
	book     *book
	used     *replay
	leeway   time.Duration
}

// newSigned makes what takes the JWTs of an issuer's clients.
func newSigned(g *Guard, i *issuer) (*signed, error) {
	opts := i.cfg.ClientSigned.withDefaults()
	verifier, err := jwt.NewVerifier[jwt.Claims](&jwk.Set{}, jwt.Expect{
		Issuer:   i.cfg.URL, // replaced by the client for each JWT
		Audience: i.cfg.Audience, Type: TypeClientSigned, Required: []string{"sub", "iat", "jti"},
		Leeway: g.cfg.Leeway, MaxAge: opts.MaxLifetime, MaxSize: maxSigned, Now: g.cfg.Now,
	})
	if err != nil {
		return nil, err
	}
	return &signed{issuer: i, opts: opts, verifier: verifier, book: newBook(g, i), used: newReplay(opts.MaxUsed), leeway: g.cfg.Leeway}, nil
}

const (
	maxSigned   = 8 << 10 // bytes of a JWT
	maxClientID = 128
)

// takes reports whether a token says that a client has signed it. Nobody vouches
// for that yet: it is what decides which rules the token is held to.
func (s *signed) takes(u *jwt.Unverified) bool {
	kind := textMember(string(u.Header()), "typ")
	return strings.EqualFold(strings.TrimPrefix(strings.ToLower(kind), "application/"), TypeClientSigned)
}

// claimant is who signed a JWT for whom, by its own account.
type claimant struct{ client, audience string }

// verify returns who is behind a JWT that a client has signed, and uses it up.
func (s *signed) verify(ctx context.Context, g *Guard, token string, u *jwt.Unverified) (*Access, error) {
	payload := string(u.Payload())
	who := claimant{textMember(payload, "iss"), textMember(payload, "aud")}
	if !slices.Contains(s.issuer.cfg.Audience, who.audience) {
		return nil, &jwt.Error{Reason: jwt.ErrAudience, Name: "aud", Detail: "not one audience of this API, as a string"}
	}
	if who.client == "" || len(who.client) > maxClientID {
		return nil, &jwt.Error{Reason: jwt.ErrIssuer, Name: "iss"}
	}
	who = claimant{strings.Clone(who.client), strings.Clone(who.audience)}
	keys := &signerKeys{book: s.book, who: who}
	verified, err := s.verifier.With(who.client, keys).Verify(ctx, token)
	if err != nil {
		return nil, err
	}
	claims := verified.Claims()
	if err := s.checkClaims(&claims, who, keys.found); err != nil {
		return nil, err
	}
	if err := s.used.use(who.client, claims.ID, claims.Expiry.Time().Add(s.leeway), g.cfg.Now()); err != nil {
		return nil, err
	}
	return s.access(g, &claims, who, keys.found), nil
}

// checkClaims checks what is particular to these JWTs.
func (s *signed) checkClaims(c *jwt.Claims, who claimant, by *registration) error {
	refuse := func(reason error, name, detail string) error {
		return &jwt.Error{Reason: reason, Name: name, Detail: detail}
	}
	made := c.IssuedAt.Time()
	switch {
	case c.Subject != who.client:
		return refuse(jwt.ErrClaim, "sub", "a client signs for itself")
	case c.Expiry.Time().Sub(made) > s.opts.MaxLifetime:
		return refuse(jwt.ErrClaim, "exp", "it lives too long")
	case made.Before(by.since):
		return refuse(jwt.ErrTooOld, "iat", "made before the guard, or before the client was revoked")
	}
	return nil
}

// access is what such a JWT is worth: the client, with what it is registered for.
func (s *signed) access(g *Guard, c *jwt.Claims, who claimant, by *registration) *Access {
	registered := *c
	registered.Issuer = s.issuer.cfg.URL // who vouches for the client
	a := &Access{guard: g, issuer: s.issuer, signed: true, claims: jwt.AccessClaims{
		Claims: registered, ClientID: who.client, Scope: by.scope, Epochs: []string{by.epoch},
	}}
	a.from, a.until = math.MinInt64, nanoseconds(c.Expiry.Time().Add(s.leeway))
	a.ids = identifiers(&a.claims)
	return a
}

// SignedByClient reports whether the client has signed the token itself; see
// [ClientSigned].
func (a *Access) SignedByClient() bool { return a != nil && a.signed }

// errOwnWords is the answer of As about a token that its bearer wrote.
func errOwnWords() error {
	return fmt.Errorf("%w: its bearer has written the claims of this token", ErrForbidden)
}

// textMember reads a member of an object that was parsed before; "" if it isn't
// there, or no string.
func textMember(object, name string) string {
	value, _, err := strictjson.Member(object, name)
	if err != nil {
		return ""
	}
	text, err := strictjson.NewReader(value).ReadString()
	if err != nil {
		return ""
	}
	return text
}
