package session

import (
	"context"
	"crypto/sha256"
	"errors"

	"github.com/writ-auth/writ/server/internal/auth"
)

// SignInBrowser is SignIn for the page that all applications of a browser
// share: the session is found by one opaque cookie. cookie is what the browser
// presents by now, "" for nothing. A browser has one session: the same person
// continues it, so that a later log-out finds every application; another one
// ends it. The cookie is new in any case, so that nobody can have planted it.
func (s *Service) SignInBrowser(ctx context.Context, in SignIn, cookie string) (Tokens, error) {
	in.Mode, in.Audience = auth.ModeSession, ""
	for range 2 { // as in SignIn
		user, err := s.checkPassword(ctx, in)
		if err != nil {
			s.observeSignIn(err)
			return Tokens{}, err
		}
		out, err := s.enter(ctx, in, user, cookie)
		if !errors.Is(err, auth.ErrEpochChanged) {
			s.observeSignIn(err)
			return out, err
		}
	}
	return Tokens{}, auth.Errorf(auth.CodeConflict, "Sessions of this user were being ended; sign in again.")
}

// enter continues or begins the browser's session.
func (s *Service) enter(ctx context.Context, in SignIn, user auth.User, cookie string) (Tokens, error) {
	before, err := s.browserSession(ctx, cookie)
	if err != nil {
		return Tokens{}, err
	}
	if before != nil && before.User.ID == user.ID {
		return s.reenter(ctx, in, *before)
	}
	out, err := s.begin(ctx, in, user, auth.API{Audience: s.Issuer})
	if err != nil || before == nil {
		return out, err
	}
	_, err = s.end(ctx, auth.Ending{SessionID: before.Session.ID, Reason: "replaced"}, auth.Event{
		Actor: user.ID, Action: "session.end", Target: before.Session.ID, Address: in.Address, Reason: "replaced"})
	return out, err
}

// browserSession answers the living session of a cookie; nil if there is none.
func (s *Service) browserSession(ctx context.Context, cookie string) (*auth.Held, error) {
	if cookie == "" {
		return nil, nil
	}
	held, err := s.heldByCookie(ctx, cookie)
	var e *auth.Error
	if errors.As(err, &e) && e.Code == auth.CodeSessionEnded || err == nil && alive(held) != nil {
		return nil, nil
	}
	return &held, err
}

// reenter notes that the same person has signed in again.
func (s *Service) reenter(ctx context.Context, in SignIn, held auth.Held) (Tokens, error) {
	value := newCookie()
	sum := sha256.Sum256([]byte(value))
	now := held.Now
	fresh := s.newSession(in, held.User, auth.API{Audience: s.Issuer}, now)
	fresh.ID, fresh.AbsoluteExpiry, fresh.CookieHash = held.Session.ID, held.Session.AbsoluteExpiry, sum[:]
	fresh.IdleExpiry = s.idleUntil(now, fresh.AbsoluteExpiry)
	err := s.Browsers.Reauthenticate(ctx, fresh, auth.Event{At: now, Actor: held.User.ID, Action: "session.again",
		Target: fresh.ID, Address: in.Address, Verdict: "allowed", Reason: "password"})
	if err != nil {
		return Tokens{}, err
	}
	held.Session, held.Grant.IdleExpiry = fresh, fresh.IdleExpiry
	out := s.tokens(held, now)
	out.Cookie, out.ExpiresIn = value, out.RefreshIn
	return out, nil
}

// EndBrowser ends a whole session, with what every application has of it.
func (s *Service) EndBrowser(ctx context.Context, session auth.Session, from Request) (uint64, error) {
	return s.end(ctx, auth.Ending{SessionID: session.ID, Reason: "logout"}, auth.Event{
		Actor: session.UserID, Action: "session.end", Target: session.ID, Address: from.Address, Reason: "logout"})
}

// EndGrant ends what one client has of a session.
func (s *Service) EndGrant(ctx context.Context, g auth.Grant, reason string, from Request) (uint64, error) {
	return s.end(ctx, auth.Ending{GrantID: g.ID, Reason: reason}, auth.Event{
		Actor: g.ClientID, Action: "grant.end", Target: g.ID, Address: from.Address, Reason: reason})
}
