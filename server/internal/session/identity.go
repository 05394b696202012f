package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwt"
	"github.com/writ-auth/writ/server/internal/auth"
)

// CookiePrefix begins every opaque session cookie's value.
const CookiePrefix = "writ_s_"

// touchEvery is how often a session in use has its idle expiry written.
const touchEvery = time.Minute

func newCookie() string {
	var b [32]byte
	rand.Read(b[:])
	return CookiePrefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// Identity is who makes a request to Writ itself, read from the store at that
// request: what was revoked, disabled or taken away counts at once.
type Identity struct {
	User        auth.User
	Session     auth.Session
	Grant       auth.Grant
	Permissions []string // of the user's roles as they are now
}

// Has says whether the identity has a permission; writ:admin has them all.
func (i Identity) Has(permission string) bool {
	return slices.Contains(i.Permissions, permission) || slices.Contains(i.Permissions, auth.PermissionAdmin)
}

// errBearer is the one answer to an access token that gets nothing here.
func errBearer(cause error) error {
	return &auth.Error{Code: auth.CodeInvalidToken, Message: "The access token is not valid here.", Err: cause}
}

// ByToken answers who bears an access token for Writ itself. cookie says that
// it came in the cookie: a token of a cookie session is taken from there
// alone, and others never.
func (s *Service) ByToken(ctx context.Context, token string, cookie bool) (Identity, error) {
	tok, err := s.own.Verify(ctx, token)
	if err != nil {
		return Identity{}, tokenError(err)
	}
	held, err := s.heldBy(ctx, tok)
	if err != nil {
		return Identity{}, err
	}
	if (held.Grant.Mode == auth.ModeCookie) != cookie {
		return Identity{}, errBearer(errors.New("cookie and bearer tokens are not exchanged"))
	}
	if !ownTokens(held.Grant) { // whatever its user may do, another application may not
		return Identity{}, errBearer(errors.New("a token of another client"))
	}
	return s.identify(ctx, held)
}

// ByCookie answers whose session an opaque cookie names.
func (s *Service) ByCookie(ctx context.Context, cookie string) (Identity, error) {
	held, err := s.heldByCookie(ctx, cookie)
	if err != nil {
		return Identity{}, err
	}
	if err := alive(held); err != nil {
		return Identity{}, err
	}
	if err := s.touch(ctx, held); err != nil {
		return Identity{}, err
	}
	return s.identify(ctx, held)
}

func (s *Service) heldByCookie(ctx context.Context, cookie string) (auth.Held, error) {
	sum := sha256.Sum256([]byte(cookie))
	held, err := s.Sessions.HeldByCookie(ctx, sum[:])
	if errors.Is(err, auth.ErrNotFound) {
		return held, errEnded()
	}
	return held, err
}

// touch moves the idle expiry of a session in use, at most once a minute. When the
// session was seen last isn't enough to tell: clients that refresh are seen, too,
// and leave the cookie's grant as it is.
func (s *Service) touch(ctx context.Context, held auth.Held) error {
	idle := s.idleUntil(held.Now, held.Session.AbsoluteExpiry)
	if held.Now.Sub(held.Session.LastSeenAt) < touchEvery && idle.Sub(held.Grant.IdleExpiry) < touchEvery {
		return nil
	}
	return s.Sessions.Touch(ctx, held.Session.ID, held.Now, idle)
}

// heldBy finds the living grant of a verified token that nothing has revoked.
func (s *Service) heldBy(ctx context.Context, tok *jwt.Token[jwt.AccessClaims]) (auth.Held, error) {
	c := tok.Claims()
	held, err := s.Sessions.HeldByGrant(ctx, c.SessionID)
	if errors.Is(err, auth.ErrNotFound) {
		return held, errBearer(err)
	}
	if err != nil {
		return held, err
	}
	if err := s.checkLog(ctx, tok, held.Now); err != nil {
		return held, err
	}
	if err := aliveForToken(held); err != nil {
		return held, errBearer(err)
	}
	return held, nil
}

// aliveForToken is alive but for the idle expiry: an access token lives to its
// exp even if nobody refreshes any more.
func aliveForToken(held auth.Held) error {
	held.Grant.IdleExpiry = held.Grant.AbsoluteExpiry
	held.Session.IdleExpiry = held.Session.AbsoluteExpiry
	return alive(held)
}

// checkLog refuses a token that the revocation log names, by any of its ids.
func (s *Service) checkLog(ctx context.Context, tok *jwt.Token[jwt.AccessClaims], now time.Time) error {
	c := tok.Claims()
	hashes := [][16]byte{
		revlog.Hash(revlog.Token, c.ID), revlog.Hash(revlog.Session, c.SessionID), revlog.Hash(revlog.Key, tok.KeyID()),
	}
	for _, epoch := range c.Epochs {
		hashes = append(hashes, revlog.Hash(revlog.Epoch, epoch))
	}
	revoked, err := s.Log.Revoked(ctx, hashes, now)
	if err != nil {
		return err
	}
	if revoked {
		return errBearer(errors.New("revoked"))
	}
	return nil
}

func (s *Service) identify(ctx context.Context, held auth.Held) (Identity, error) {
	permissions, err := s.Users.Permissions(ctx, held.User.Roles)
	return Identity{User: held.User, Session: held.Session, Grant: held.Grant, Permissions: permissions}, err
}

// tokenError turns a refusal of the token library into ours: a token that
// can't be judged now is not called invalid.
func tokenError(err error) error {
	if errors.Is(err, jwt.ErrUnavailable) {
		return &auth.Error{Code: auth.CodeUnavailable, Message: "The token can't be checked now.", RetryAfter: time.Second, Err: err}
	}
	return errBearer(err)
}
