package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// Access says who asks: the verified token of a request. One value is shared by
// all requests with that token; nothing that a handler does changes it. Only a
// guard makes one. On a nil Access, and on one that no guard has made, the methods
// answer "" and false: nobody, and nothing allowed.
type Access struct {
	guard  *Guard
	issuer *issuer
	token  *jwt.Token[jwt.AccessClaims]
	raw    string           // the token as it came; never shown
	jkt    string           // the key that it is bound to; "": none
	signed bool             // the client has signed it; then there is no token, and no raw
	claims jwt.AccessClaims // with Paths applied

	from, until int64 // when it is valid, leeway included, in unix nanoseconds
	alg         jwk.Algorithm
	kid         string           // as the token's header has it; "" if it has none
	key         jwk.VerifyingKey // what has verified it

	keyIn   atomic.Pointer[jwk.Set] // the fetched set in which key was found
	keySeen atomic.Int64            // when, in unix nanoseconds

	ids     []hash        // its names in the revocation log
	checked atomic.Uint64 // the state of the log in which none of ids was found

	asked introspection
}

// newAccess reads what a verified token says.
func newAccess(g *Guard, raw string, token *jwt.Token[jwt.AccessClaims], by *capture) (*Access, error) {
	a := &Access{
		guard: g, issuer: by.issuer, token: token, raw: raw, claims: token.Claims(),
		alg: token.Algorithm(), kid: by.kid, key: by.key,
	}
	var err error
	if a.jkt, err = boundTo(a.claims.Confirmation); err != nil {
		return nil, err
	}
	if err := a.issuer.cfg.Paths.apply(&a.claims, token.Payload()); err != nil {
		return nil, err
	}
	leeway := g.cfg.Leeway
	a.from, a.until = math.MinInt64, nanoseconds(a.claims.Expiry.Time().Add(leeway))
	if nbf := a.claims.NotBefore; !nbf.IsZero() {
		a.from = nanoseconds(nbf.Time().Add(-leeway))
	}
	a.ids = identifiers(&a.claims, a.kid, a.key.KeyID())
	return a, nil
}

// nanoseconds is t.UnixNano, with what is beyond its bounds at the bounds.
func nanoseconds(t time.Time) int64 {
	const last = math.MaxInt64 / int64(time.Second)
	switch seconds := t.Unix(); {
	case seconds >= last:
		return math.MaxInt64
	case seconds <= -last:
		return math.MinInt64
	}
	return t.UnixNano()
}

// identifiers lists the names under which a token can be revoked. A bare key
// verifies tokens whatever their kid says; then both names of the key count: the
// issuer revokes it by the name that it writes into tokens, and whoever has stolen
// it writes another one.
func identifiers(c *jwt.AccessClaims, kids ...string) []hash {
	ids := make([]hash, 0, 4+len(c.Epochs))
	add := func(kind revlog.Kind, id string) {
		if id != "" {
			ids = append(ids, revlog.Hash(kind, id))
		}
	}
	add(revlog.Token, c.ID)
	add(revlog.Session, c.SessionID)
	for _, epoch := range c.Epochs {
		add(revlog.Epoch, epoch)
	}
	slices.Sort(kids)
	for _, kid := range slices.Compact(kids) {
		add(revlog.Key, kid)
	}
	return ids
}

// current reports whether the token may still be taken as verified: it is
// within its time, and the key that verified it is the one that would now.
func (a *Access) current(ctx context.Context, now time.Time) bool {
	nanoseconds := now.UnixNano()
	if nanoseconds >= a.until || nanoseconds < a.from {
		return false
	}
	return a.keyIsThere(ctx, nanoseconds)
}

// keyFor is how long a key is taken to be in a set that hasn't changed without
// asking the key source, which has dates of its own to look at.
const keyFor = int64(time.Second)

// keyIsThere reports whether the key source gives the key still. Of a set that
// is fetched, a pointer tells whether it is the same as before.
func (a *Access) keyIsThere(ctx context.Context, now int64) bool {
	var set *jwk.Set
	if remote := a.issuer.remote; remote != nil {
		set = remote.Set()
		age := now - a.keySeen.Load()
		if set != nil && set == a.keyIn.Load() && age >= 0 && age < keyFor {
			return true
		}
	}
	key, err := a.issuer.keys.FindKey(ctx, a.alg, a.kid)
	if err != nil || key != a.key {
		return false
	}
	a.keySeen.Store(now)
	a.keyIn.Store(set)
	return true
}

// Claims returns the claims, those that the issuer keeps elsewhere filled in as
// its Paths say. They are the caller's own.
func (a *Access) Claims() jwt.AccessClaims {
	if a == nil {
		return jwt.AccessClaims{}
	}
	c := a.claims
	c.Audience = slices.Clone(c.Audience)
	c.AMR, c.Epochs = slices.Clone(c.AMR), slices.Clone(c.Epochs)
	c.Roles, c.Permissions = slices.Clone(c.Roles), slices.Clone(c.Permissions)
	c.Scope = slices.Clone(c.Scope)
	if c.EmailVerified != nil {
		verified := *c.EmailVerified
		c.EmailVerified = &verified
	}
	if c.Confirmation != nil {
		confirmation := *c.Confirmation
		c.Confirmation = &confirmation
	}
	return c
}

// Subject returns the sub claim: who asks, by the issuer's name for them. Where
// a guard has several issuers, only issuer and subject together name somebody.
func (a *Access) Subject() string {
	if a == nil {
		return ""
	}
	return a.claims.Subject
}

// HasRole reports whether the token has a role, byte for byte; HasScope and
// HasPermission likewise.
func (a *Access) HasRole(name string) bool {
	return a != nil && slices.Contains(a.claims.Roles, name)
}

// HasScope reports whether the token has a scope.
func (a *Access) HasScope(name string) bool { return a != nil && a.claims.Scope.Has(name) }

// HasPermission reports whether the token has a permission.
func (a *Access) HasPermission(name string) bool {
	return a != nil && slices.Contains(a.claims.Permissions, name)
}

// IsClient reports whether the token is a service's own, from the client
// credentials grant, and no person stands behind it: its subject is the client
// (RFC 9068 section 2.2), or it has none, and it belongs to no session.
func (a *Access) IsClient() bool {
	if a == nil || a.guard == nil || a.claims.SessionID != "" {
		return false
	}
	return a.claims.Subject == "" || a.claims.Subject == a.claims.ClientID
}

// Format writes the type's name only, whatever the verb: a log of an Access
// must not hold the token.
func (a *Access) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "guard.Access") }

// As returns the token's payload as another claim set, with claims of your own:
//
//	shop, err := guard.As[ShopClaims](guard.From(r.Context()))
//
// It is read at each call, so what it returns is the caller's own, with all that
// it refers to. C's fields are compiled once a guard. The error is a *Refusal: of
// 401 if there is no token or its claims are of other types than C's, and of 403
// if its bearer wrote it; see ClientSigned. It is none where C can't be a claim set
// at all, which is no fault of who asks: Refuse answers 500.
func As[C jwt.ClaimSet](a *Access) (C, error) {
	var none C
	if a == nil || a.guard == nil {
		return none, noAccess()
	}
	if a.signed {
		return none, a.guard.refused(errOwnWords(), nil)
	}
	c, err := readAs[C](a)
	switch {
	case err == nil:
		return c, nil
	case !errors.As(err, new(*jwt.Error)):
		return none, fmt.Errorf("guard: %w", err)
	}
	return none, a.guard.refused(a.blame(err), nil)
}

// readAs reads the payload as a C. There are as many readers as the program has
// types for claims.
func readAs[C jwt.ClaimSet](a *Access) (C, error) {
	type reader = func(*jwt.Token[jwt.AccessClaims]) (C, error)
	if read, ok := a.guard.readers.Load((*C)(nil)); ok {
		return read.(reader)(a.token)
	}
	read, err := jwt.AsFunc[C, jwt.AccessClaims]()
	if err != nil {
		var none C
		return none, err
	}
	a.guard.readers.Store((*C)(nil), read)
	return read(a.token)
}

func noAccess() error {
	return &Refusal{Status: 401, Challenge: `Bearer realm="api"`, err: ErrNoToken}
}

type contextKey struct{}

// From returns who asks, nil if nobody.
func From(ctx context.Context) *Access {
	a, _ := ctx.Value(contextKey{}).(*Access)
	return a
}

// NewContext returns a context from which From gives a. Handlers of a guard do
// this; it is for frameworks whose middleware calls Check itself. A Handler of
// the same guard that finds a there checks only its rules.
func NewContext(ctx context.Context, a *Access) context.Context {
	return context.WithValue(ctx, contextKey{}, a)
}

var errNotStrings = errors.New("neither a string nor an array of strings")
