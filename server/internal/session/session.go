// Package session signs people in, refreshes what they hold, and signs them
// out: the life of sessions and grants, above the store and below the doors.
//
// A refresh token is a counter in a signed envelope (token.go); what a
// presented one gets is decided by one pure function (rotation.go) and carried
// out by one conditional update, so that of two refreshes at once one rotates
// and the other repeats. Everything about a grant that can refuse a stranger
// is checked before its generation, so that a stranger's attempt ends nothing.
package session

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/credential"
	"github.com/writ-auth/writ/server/internal/keyring"
	"github.com/writ-auth/writ/server/internal/limit"
	"github.com/writ-auth/writ/server/internal/mint"
)

// Options are what a Service is made of. Every field but Observe is required.
type Options struct {
	Issuer     string
	Sessions   auth.Sessions
	Browsers   auth.Browsers
	Users      auth.Users
	Directory  Directory
	Log        auth.Log
	Audit      auth.Audit
	Keys       *keyring.Ring
	Mint       *mint.Mint
	Passwords  *credential.Hasher
	Throttle   *limit.Throttle
	Rule       Rule
	AccessTTL  time.Duration // of an access token, where its API says nothing
	RefreshTTL time.Duration // idle lifetime of a session; 0: nothing is refreshed, people sign in again
	SessionTTL time.Duration // absolute lifetime of a session
	Logger     *slog.Logger
	Now        func() time.Time
	Observe    Observe
}

// Directory is what a session needs to know of APIs and organisations.
type Directory interface {
	APIByAudience(ctx context.Context, audience string) (auth.API, error)
	OrgByID(ctx context.Context, slugOrID string) (auth.Org, error)
	MemberOf(ctx context.Context, orgID, userID string) (auth.Member, error)
	Memberships(ctx context.Context, userID string) ([]auth.Member, error)
	ClientByID(ctx context.Context, id string) (auth.Client, error)
}

// Observe is told of outcomes, for metrics; either may be nil.
type Observe struct {
	SignIn  func(outcome string)  // "ok", "wrong", "throttled", "must_change", "error"
	Refresh func(verdict Verdict) // every verdict that was carried out
}

// Service is the session service, safe for concurrent use.
type Service struct {
	Options
	own    *jwt.Verifier[jwt.AccessClaims] // tokens for Writ itself
	bound  *jwt.Verifier[jwt.AccessClaims] // tokens for Writ itself whose proof the caller has checked
	any    *jwt.Verifier[jwt.AccessClaims] // tokens of this issuer for any API: to end their own session
	change *jwt.Verifier[changeClaims]     // tokens good for a password change
}

// New makes the service; the error names what is wrong with opts.
func New(opts Options) (*Service, error) {
	s := &Service{Options: opts}
	own := jwt.AccessToken(opts.Issuer, opts.Issuer)
	own.Now = opts.Now
	anyone := own
	anyone.Audience, anyone.AnyAudience = nil, true
	change := jwt.Expect{Issuer: opts.Issuer, Audience: []string{opts.Issuer}, Type: mint.TypePasswordChange,
		Required: []string{"sub", "jti", "epochs"}, Now: opts.Now}
	bound := own
	bound.AllowConfirmation = true
	var err1, err2, err3, err4 error
	s.own, err1 = jwt.NewVerifier[jwt.AccessClaims](opts.Keys, own)
	s.any, err2 = jwt.NewVerifier[jwt.AccessClaims](opts.Keys, anyone)
	s.change, err3 = jwt.NewVerifier[changeClaims](opts.Keys, change)
	s.bound, err4 = jwt.NewVerifier[jwt.AccessClaims](opts.Keys, bound)
	return s, errors.Join(err1, err2, err3, err4)
}

// Tokens is what signing in or refreshing hands out.
type Tokens struct {
	Mode          auth.Mode
	AccessToken   string // "" in ModeSession
	AccessExpiry  time.Time
	ExpiresIn     time.Duration // of the access token; of the session in ModeSession
	RefreshToken  string        // "" in ModeSession, and where nothing is refreshed
	RefreshExpiry time.Time     // the session's idle expiry
	RefreshIn     time.Duration
	Cookie        string // the opaque session cookie in ModeSession, else ""
	SessionID     string
	User          auth.User
}

// Request is where a request comes from.
type Request struct {
	Address string // of the client
	Device  string // its User-Agent
}

// api finds the API that a token is asked for; "" and the issuer are Writ
// itself.
func (s *Service) api(ctx context.Context, audience string) (auth.API, error) {
	if audience == "" || audience == s.Issuer {
		return auth.API{Audience: s.Issuer}, nil
	}
	api, err := s.Directory.APIByAudience(ctx, audience)
	if errors.Is(err, auth.ErrNotFound) || err == nil && api.Audience != audience {
		return api, errAudience()
	}
	return api, err
}

func errAudience() error { return auth.Invalid("audience", "no API has this audience") }

// access makes the access token of a grant for an API, and says which marks
// must be raised, durably, before it may leave.
func (s *Service) access(ctx context.Context, held auth.Held, api auth.API, now time.Time) (mint.Access, auth.Marks, error) {
	token, err := s.sign(ctx, held, api, now, nil)
	return token, s.marks(held, token.Expiry, token.KID), err
}

// sign makes the access token; a nil key is the API's.
func (s *Service) sign(ctx context.Context, held auth.Held, api auth.API, now time.Time, key *jwk.PrivateKey) (mint.Access, error) {
	req, err := s.request(ctx, held, api, now)
	if err != nil {
		return mint.Access{}, err
	}
	req.Key = key
	return s.Mint.Access(ctx, req)
}

// request says what the access token of a grant for an API is to have in it.
func (s *Service) request(ctx context.Context, held auth.Held, api auth.API, now time.Time) (mint.Request, error) {
	req := mint.Request{User: held.User, Session: signedIn(held), Grant: held.Grant, API: api,
		Roles: held.User.Roles, Now: now, Expiry: s.expiry(held, api, now)}
	if err := s.membership(ctx, held.Grant, &req); err != nil {
		return req, err
	}
	var err error
	if req.Permissions, err = s.Users.Permissions(ctx, req.Roles); err != nil {
		return req, err
	}
	restrict(&req, held.Client, s.Issuer)
	return req, nil
}

// signedIn is the session as it was when the person signed in for the grant: a
// later sign-in, for another client perhaps, makes no token of it stronger, in
// whoever's hands it is (RFC 9068, section 2.2.1; OpenID Connect Core, section
// 12.2). amr and acr are the same for every sign-in that there is.
func signedIn(held auth.Held) auth.Session {
	if !held.Grant.AuthTime.IsZero() {
		held.Session.AuthTime = held.Grant.AuthTime
	}
	return held.Session
}

// expiry is that of an access token that is made now.
func (s *Service) expiry(held auth.Held, api auth.API, now time.Time) time.Time {
	return earliest(now.Add(s.lifetime(api)), held.Grant.AbsoluteExpiry)
}

// place finds where the grant's status stands, if the API wants its tokens to say
// so. It is durable before a token names it.
func (s *Service) place(ctx context.Context, g *auth.Grant, api auth.API) (err error) {
	if api.StatusList && g.StatusIndex == 0 {
		g.StatusIndex, err = s.Sessions.AssignStatus(ctx, *g)
	}
	return err
}

// membership adds what the grant's organisation says of the user. One who has
// left it in the meantime has nothing of it.
func (s *Service) membership(ctx context.Context, g auth.Grant, req *mint.Request) error {
	if g.OrgID == "" {
		return nil
	}
	member, err := s.Directory.MemberOf(ctx, g.OrgID, g.UserID)
	if errors.Is(err, auth.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	org, err := s.Directory.OrgByID(ctx, g.OrgID)
	if err != nil {
		return err
	}
	req.Org = org.Slug
	req.Roles = union(req.Roles, member.Roles)
	return nil
}

// marks says which rows must remember that a token lives until expiry. It is
// rounded up to the hour, so that a row is written once an hour at most. kid is
// the key's, "" of a shared secret.
func (s *Service) marks(held auth.Held, expiry time.Time, kid string) auth.Marks {
	m := auth.Marks{Expiry: expiry.Add(time.Hour - 1).Truncate(time.Hour)}
	if held.Grant.Mark.Before(expiry) {
		m.GrantID = held.Grant.ID
	}
	if held.User.Mark.Before(expiry) {
		m.UserID = held.User.ID
	}
	if held.Client.Mark.Before(expiry) {
		m.ClientID = held.Client.ID
	}
	if kid != "" && !s.Keys.Marked(kid, expiry) {
		m.KID = kid
	}
	return m
}

// marked remembers what the store remembers by now.
func (s *Service) marked(m auth.Marks) {
	if m.KID != "" {
		s.Keys.Mark(m.KID, m.Expiry)
	}
}

// refreshes says whether sessions outlive their first access token.
func (s *Service) refreshes() bool { return s.RefreshTTL > 0 }

// idleUntil is when a session that is used now goes idle.
func (s *Service) idleUntil(now, absolute time.Time) time.Time {
	if !s.refreshes() {
		return absolute
	}
	return earliest(now.Add(s.RefreshTTL), absolute)
}

// sessionIdle is what the idle expiry of a session is moved to when a grant of it
// goes idle at that time; zero: it stays. A session ends after its grants and by
// no more than a 64th of the idle lifetime: so most refreshes write one row, not
// two, each in a page of its own.
func (s *Service) sessionIdle(held auth.Held, grant time.Time) time.Time {
	ahead := s.idleUntil(held.Now.Add(s.RefreshTTL/64), held.Session.AbsoluteExpiry)
	if at := held.Session.IdleExpiry; !at.Before(grant) && !at.After(ahead) {
		return time.Time{}
	}
	return ahead
}

// Left is for how long a session that is used now stays alive unused.
func (s *Service) Left(session auth.Session, now time.Time) time.Duration {
	return s.idleUntil(now, session.AbsoluteExpiry).Sub(now)
}

// lifetime is that of an access token for an API.
func (s *Service) lifetime(api auth.API) time.Duration {
	if api.AccessTTL != 0 {
		return api.AccessTTL
	}
	return s.AccessTTL
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
