package session

import (
	"context"
	"errors"
	"math"

	"github.com/writ-auth/writ/server/internal/auth"
)

// SignOutByToken ends the session of an access token that this server issued,
// for whichever API: who holds it may end it, and nothing else. It answers the
// number in the revocation log at which the end is in force.
func (s *Service) SignOutByToken(ctx context.Context, token string, cookie bool, from Request) (uint64, error) {
	tok, err := s.any.Verify(ctx, token)
	if err != nil {
		return 0, tokenError(err)
	}
	held, err := s.Sessions.HeldByGrant(ctx, tok.Claims().SessionID)
	if errors.Is(err, auth.ErrNotFound) || err == nil && (held.Grant.Mode == auth.ModeCookie) != cookie {
		return 0, errBearer(err)
	}
	if err != nil {
		return 0, err
	}
	return s.endSession(ctx, held, from)
}

// SignOutByRefresh ends the session of a refresh token of any generation:
// also one that was used already may end what it began.
func (s *Service) SignOutByRefresh(ctx context.Context, token string, cookie bool, from Request) (uint64, error) {
	h, _, err := decodeToken(s.Keys, token)
	if err != nil {
		return 0, errRefresh()
	}
	held, err := s.Sessions.HeldByHandle(ctx, h.hash())
	if errors.Is(err, auth.ErrNotFound) || err == nil && (held.Grant.Mode == auth.ModeCookie) != cookie {
		return 0, errRefresh()
	}
	if err != nil {
		return 0, err
	}
	return s.endSession(ctx, held, from)
}

// SignOutByCookie ends the session of an opaque cookie.
func (s *Service) SignOutByCookie(ctx context.Context, cookie string, from Request) (uint64, error) {
	held, err := s.heldByCookie(ctx, cookie)
	if err != nil {
		return 0, err
	}
	return s.endSession(ctx, held, from)
}

// endSession ends the session of Writ's own sign-in. Another client has only its
// grant to end: it must not sign people out of everything else.
func (s *Service) endSession(ctx context.Context, held auth.Held, from Request) (uint64, error) {
	if !ownTokens(held.Grant) {
		return s.EndGrant(ctx, held.Grant, "logout", from)
	}
	return s.end(ctx, auth.Ending{SessionID: held.Session.ID, Reason: "logout"}, auth.Event{
		Actor: held.User.ID, Action: "session.end", Target: held.Session.ID, Address: from.Address, Reason: "logout"})
}

// SignOutEverywhere ends every session of the user, this one too.
func (s *Service) SignOutEverywhere(ctx context.Context, who Identity, from Request) (uint64, error) {
	return s.end(ctx, auth.Ending{UserID: who.User.ID, NewEpoch: auth.Random128(), Reason: "logout_all"}, auth.Event{
		Actor: who.User.ID, Action: "user.end_sessions", Target: who.User.ID, Address: from.Address, Reason: "logout_all"})
}

// EndSession ends one session of the user, named by its id or by a grant's.
// Another user's is CodeNotFound: whose ids exist is nobody's business.
func (s *Service) EndSession(ctx context.Context, who Identity, id string, from Request) (uint64, error) {
	session, err := s.Sessions.SessionOf(ctx, id)
	if errors.Is(err, auth.ErrNotFound) || err == nil && session.UserID != who.User.ID {
		return 0, auth.Errorf(auth.CodeNotFound, "No such session.")
	}
	if err != nil {
		return 0, err
	}
	return s.end(ctx, auth.Ending{SessionID: session.ID, Reason: "logout"}, auth.Event{
		Actor: who.User.ID, Action: "session.end", Target: session.ID, Address: from.Address, Reason: "logout"})
}

// end carries an ending out. For one that had happened already, and that may be
// forgotten or be of a user who was deleted in this moment, it answers the log's
// head, at which it is certainly in force.
func (s *Service) end(ctx context.Context, e auth.Ending, ev auth.Event) (uint64, error) {
	now := s.Now()
	ev.At, ev.Verdict = now, "allowed"
	seq, err := s.Sessions.End(ctx, e, now, ev)
	if err != nil && !errors.Is(err, auth.ErrNotFound) || seq != 0 {
		return seq, err
	}
	page, err := s.Log.LogPage(ctx, math.MaxInt64, 1, now)
	return page.Head, err
}
