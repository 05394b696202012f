package session

import (
	"context"
	"errors"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// Refresh is a refresh of a first-party session.
type Refresh struct {
	Request
	Token    string
	Cookie   bool   // the token came in the cookie, not in the body
	ClientID string // who presents it
	Audience string // "": that of the sign-in
}

// errRefresh is the one answer to a refresh token that is not genuine, not
// this client's, or of another mode.
func errRefresh() error {
	return auth.Errorf(auth.CodeInvalidToken, "The refresh token is not valid.")
}

func errEnded() error {
	return auth.Errorf(auth.CodeSessionEnded, "The session has ended; sign in again.")
}

// Refresh answers a refresh token with a new pair. CodeInvalidToken for a
// forgery or another client's, CodeSessionEnded for one whose session is over
// (also when this very call ended it, because the token was used before),
// CodeStateLost for one that is newer than the database.
func (s *Service) Refresh(ctx context.Context, in Refresh) (Tokens, error) {
	if !s.refreshes() { // also not what was begun under another policy
		return Tokens{}, errEnded()
	}
	h, generation, err := decodeToken(s.Keys, in.Token)
	if err != nil {
		return Tokens{}, errRefresh()
	}
	api, err := s.api(ctx, in.Audience)
	if err != nil {
		return Tokens{}, err
	}
	r := refreshing{s: s, in: in, handle: h, generation: generation, api: api}
	// Whoever loses the race for the row reads it again, and then finds its
	// token confirmed: a repeat. Each loss means that somebody else won, so
	// the loop ends; the bound is for a store that lies.
	for range 100 {
		out, done, err := r.attempt(ctx)
		if done || err != nil {
			return out, err
		}
	}
	return Tokens{}, auth.Errorf(auth.CodeUnavailable, "The session is being refreshed elsewhere; try again.")
}

// refreshing is one refresh under way.
type refreshing struct {
	s          *Service
	in         Refresh
	handle     handle
	generation uint64
	api        auth.API
}

// attempt reads the grant, decides, and carries the decision out. Not done,
// without an error: the row changed in between.
func (r *refreshing) attempt(ctx context.Context) (out Tokens, done bool, err error) {
	held, err := r.s.Sessions.HeldByHandle(ctx, r.handle.hash())
	if errors.Is(err, auth.ErrNotFound) {
		return out, true, errRefresh()
	}
	if err != nil {
		return out, true, err
	}
	if err := r.admit(held); err != nil {
		return out, true, err
	}
	api, err := r.audience(ctx, held.Grant)
	if err != nil {
		return out, true, err
	}
	number, _ := r.s.Keys.CurrentTag()
	verdict, after := r.s.Rule.Decide(held.Grant.Rotation, r.generation, held.Now, number)
	switch verdict {
	case VerdictTheft, VerdictLate:
		return out, true, r.end(ctx, held, verdict)
	case VerdictStateLost:
		return out, true, r.stateLost(ctx, held)
	default:
		return r.issue(ctx, held, api, verdict, after)
	}
}

// audience answers the API that this refresh is for: the one it names, else
// the sign-in's.
func (r *refreshing) audience(ctx context.Context, g auth.Grant) (auth.API, error) {
	if r.in.Audience != "" {
		return r.api, nil
	}
	return r.s.api(ctx, g.Audience)
}

// admit checks all that can refuse a stranger before the generation is looked
// at: a stolen token in the wrong client's hands ends nothing.
func (r *refreshing) admit(held auth.Held) error {
	g := held.Grant
	if g.ClientID != r.in.ClientID || (g.Mode == auth.ModeCookie) != r.in.Cookie {
		return errRefresh()
	}
	return alive(held)
}

// alive says whether a grant may still be used at held.Now. A grant whose
// user or client has another epoch is over, whatever any clock says.
func alive(held auth.Held) error {
	g, s := held.Grant, held.Session
	switch {
	case !g.EndedAt.IsZero(), !s.EndedAt.IsZero(),
		held.User.Disabled, held.Client.Disabled,
		g.UserEpoch != held.User.Epoch, g.ClientEpoch != held.Client.Epoch,
		!held.Now.Before(g.AbsoluteExpiry), !held.Now.Before(g.IdleExpiry),
		!held.Now.Before(s.AbsoluteExpiry), !held.Now.Before(s.IdleExpiry):
		return errEnded()
	}
	return nil
}

// issue hands out tokens for a rotation, a repeat or a recovery. The new state
// and the marks are durable before anything leaves.
func (r *refreshing) issue(ctx context.Context, held auth.Held, api auth.API, verdict Verdict, after auth.Rotation) (Tokens, bool, error) {
	if err := r.s.place(ctx, &held.Grant, api); err != nil {
		return Tokens{}, true, err
	}
	access, marks, err := r.s.access(ctx, held, api, held.Now)
	if err != nil {
		return Tokens{}, true, err
	}
	before := held.Grant.Rotation
	held.Grant.Rotation = after
	ok := true
	switch verdict {
	case VerdictRotate:
		held.Grant.IdleExpiry = r.s.idleUntil(held.Now, held.Grant.AbsoluteExpiry)
		ok, err = r.s.Sessions.Rotate(ctx, held.Grant.ID, before, after, held.Grant.IdleExpiry, marks, nil)
	case VerdictRecover: // extends nothing
		ok, err = r.s.Sessions.Rotate(ctx, held.Grant.ID, before, after, time.Time{}, marks, r.event(held, verdict, "allowed"))
	case VerdictRepeat:
		ok, err = r.repeat(ctx, held, marks)
	}
	if err != nil || !ok {
		return Tokens{}, err != nil, err
	}
	r.s.marked(marks)
	r.s.observe(verdict)
	out := r.s.tokens(held, held.Now)
	out.AccessToken, out.AccessExpiry, out.ExpiresIn = access.Token, access.Expiry, access.Expiry.Sub(held.Now)
	out.RefreshToken, err = encodeToken(r.s.Keys, after.TagKey, r.handle, after.Current)
	return out, true, err
}

// repeat changes nothing of the grant but its mark, and that only while it
// lives: a token made beside a log-out must not outlast the log's memory of
// it. From another address a repeat is worth a line in the audit: inside the
// grace a thief can't be told from a second tab.
func (r *refreshing) repeat(ctx context.Context, held auth.Held, marks auth.Marks) (bool, error) {
	if held.Session.Address != r.in.Address {
		if err := r.s.Audit.Record(ctx, *r.event(held, VerdictRepeat, "allowed")); err != nil {
			return false, err
		}
	}
	if marks.Empty() {
		return true, nil
	}
	same := held.Grant.Rotation
	return r.s.Sessions.Rotate(ctx, held.Grant.ID, same, same, time.Time{}, marks, nil)
}

// end ends the grant of a token that was used twice, and answers as any token
// of an ended session is answered.
func (r *refreshing) end(ctx context.Context, held auth.Held, verdict Verdict) error {
	_, err := r.s.Sessions.End(ctx, auth.Ending{GrantID: held.Grant.ID, Reason: verdict.String()}, held.Now,
		*r.event(held, verdict, "refused"))
	if err != nil {
		return err
	}
	r.s.observe(verdict)
	return errEnded()
}

func (r *refreshing) stateLost(ctx context.Context, held auth.Held) error {
	r.s.observe(VerdictStateLost)
	e := auth.Errorf(auth.CodeStateLost, "The server's state is older than this token; sign in again.")
	return errors.Join(e, r.s.Audit.Record(ctx, *r.event(held, VerdictStateLost, "refused")))
}

func (r *refreshing) event(held auth.Held, verdict Verdict, outcome string) *auth.Event {
	return &auth.Event{At: held.Now, Actor: held.User.ID, Action: "grant." + verdict.String(), Target: held.Grant.ID,
		Address: r.in.Address, Verdict: outcome, Reason: verdict.String()}
}

func (s *Service) observe(v Verdict) {
	if s.Observe.Refresh != nil {
		s.Observe.Refresh(v)
	}
}
