package session

import (
	"context"
	"errors"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
)

// Refresh is a refresh of a session by who holds a grant of it.
type Refresh struct {
	Request
	Token    string
	Cookie   bool   // the token came in the cookie, not in the body
	ClientID string // who presents it
	Audience string // "": that of the sign-in

	scope []string // of the new token; nil: the grant's
	// thumbprint is of the key that a proof came with; "": none. A grant that is
	// bound to a key is refreshed with that one alone; of one that isn't, the new
	// access token is bound and the grant stays as it is.
	thumbprint string
	issued     func(auth.Held) // is told what tokens were made for; may be nil
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
	r := refreshing{s: s, ctx: ctx, in: in, handle: h, generation: generation, api: api}
	if err := r.concluded(r.run()); err != nil {
		return Tokens{}, err // whatever was made already: it may not be durable
	}
	return r.out, nil
}

// run goes again when the signing key was missing, or retired in this very
// moment. The bound is for a ring that never learns.
func (r *refreshing) run() (err error) {
	for range 100 {
		err = r.s.Sessions.Refresh(r.ctx, r.handle.hash(), r.decide, r.issue)
		switch {
		case errors.Is(err, errUnprepared):
			err = r.s.Mint.Prepare(r.ctx, r.api)
		case !errors.Is(err, auth.ErrEpochChanged):
			return err
		default:
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return auth.Errorf(auth.CodeUnavailable, "The session is being refreshed elsewhere; try again.")
}

// refreshing is one refresh under way. What stands below api is of the reading
// that was the last.
type refreshing struct {
	s          *Service
	ctx        context.Context // of the one call that this is
	in         Refresh
	handle     handle
	generation uint64
	api        auth.API // that the tokens are for

	held    auth.Held
	verdict Verdict
	after   auth.Rotation
	key     *jwk.PrivateKey // nil: a shared secret
	marks   auth.Marks
	out     Tokens
}

// What decide answers to be called again, or to go no further, when it isn't an
// answer for the client.
var (
	errUnprepared = errors.New("session: the key that would sign has yet to be made")
	errVerdict    = errors.New("session: the verdict hands out nothing")
	errKey        = errors.New("session: the grant is bound to another key")
)

// decide judges the grant as it is at this moment, and says what becomes of it.
// It is called inside the transaction: it waits for nothing.
func (r *refreshing) decide(held auth.Held) (*auth.Turn, error) {
	r.held = held
	if err := r.admit(held); err != nil {
		return nil, err
	}
	if err := r.audience(held); err != nil {
		return nil, err
	}
	number, _ := r.s.Keys.CurrentTag()
	r.verdict, r.after = r.s.Rule.Decide(held.Grant.Rotation, r.generation, held.Now, number)
	switch r.verdict {
	case VerdictRotate, VerdictRepeat, VerdictRecover:
	default:
		return nil, errVerdict
	}
	ready := false
	if r.key, ready = r.s.Mint.ReadyKey(r.api); !ready {
		return nil, errUnprepared
	}
	return r.turn(held), nil
}

// turn says what is written. The new state and the marks are durable before
// anything leaves.
func (r *refreshing) turn(held auth.Held) *auth.Turn {
	kid := ""
	if r.key != nil {
		kid = r.key.KeyID()
	}
	r.marks = r.s.marks(held, r.s.expiry(held, r.api, held.Now).Truncate(time.Second), kid)
	turn := &auth.Turn{To: r.after, Marks: r.marks}
	switch r.verdict {
	case VerdictRotate:
		turn.Idle = r.s.idleUntil(held.Now, held.Grant.AbsoluteExpiry)
		turn.SessionIdle = r.s.sessionIdle(held, turn.Idle)
		r.held.Grant.IdleExpiry = turn.Idle
	case VerdictRecover: // extends nothing
		turn.Event = r.event("allowed")
	default:
		r.repeat(held, turn)
	}
	if turn.Event == nil && turn.Marks.Empty() && turn.Idle.IsZero() {
		return nil
	}
	return turn
}

// repeat changes nothing of the grant but its mark. From another address a
// repeat is worth a line in the audit: inside the grace a thief can't be told
// from a second tab.
func (r *refreshing) repeat(held auth.Held, turn *auth.Turn) {
	if held.Session.Address != r.in.Address {
		turn.Event = r.event("allowed")
	}
}

// issue makes the tokens for a rotation, a repeat or a recovery.
func (r *refreshing) issue() error {
	held := r.held
	held.Grant.Rotation = r.after
	if r.in.scope != nil {
		held.Grant.Scope = r.in.scope
	}
	if r.in.thumbprint != "" {
		held.Grant.DPoPThumbprint = r.in.thumbprint
	}
	if err := r.s.place(r.ctx, &held.Grant, r.api); err != nil {
		return err
	}
	access, err := r.s.sign(r.ctx, held, r.api, held.Now, r.key)
	if err != nil {
		return err
	}
	r.out = r.s.tokens(held, held.Now)
	r.out.AccessToken, r.out.AccessExpiry, r.out.ExpiresIn = access.Token, access.Expiry, access.Expiry.Sub(held.Now)
	r.out.RefreshToken, err = encodeToken(r.s.Keys, r.after.TagKey, r.handle, r.after.Current)
	if r.in.issued != nil {
		r.in.issued(held)
	}
	return err
}

// concluded is the end of a refresh: what its verdict brings with it, and its
// answer.
func (r *refreshing) concluded(err error) error {
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return errRefresh()
	case errors.Is(err, errKey):
		return r.otherKey()
	case errors.Is(err, errVerdict) && r.verdict == VerdictStateLost:
		return r.stateLost()
	case errors.Is(err, errVerdict):
		return r.end()
	case err == nil:
		r.s.marked(r.marks)
		r.s.observe(r.verdict)
	}
	return err
}

// audience finds the API that this refresh is for: the one it names, else the
// sign-in's.
func (r *refreshing) audience(held auth.Held) error {
	if r.in.Audience != "" {
		return nil
	}
	r.api = held.API
	switch audience := held.Grant.Audience; {
	case audience == "" || audience == r.s.Issuer:
		r.api = auth.API{Audience: r.s.Issuer}
	case r.api.Audience != audience:
		return errAudience()
	}
	return nil
}

// admit checks all that can refuse a stranger before the generation is looked
// at: a stolen token in the wrong client's hands ends nothing.
func (r *refreshing) admit(held auth.Held) error {
	g := held.Grant
	if g.ClientID != r.in.ClientID || (g.Mode == auth.ModeCookie) != r.in.Cookie {
		return errRefresh()
	}
	if g.DPoPThumbprint != "" && g.DPoPThumbprint != r.in.thumbprint {
		return errKey
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

// end ends the grant of a token that was used twice, and answers as any token
// of an ended session is answered.
func (r *refreshing) end() error {
	_, err := r.s.Sessions.End(r.ctx, auth.Ending{GrantID: r.held.Grant.ID, Reason: r.verdict.String()}, r.held.Now, *r.event("refused"))
	if err != nil && !errors.Is(err, auth.ErrNotFound) { // it went with its user in this moment
		return err
	}
	r.s.observe(r.verdict)
	return errEnded()
}

func (r *refreshing) stateLost() error {
	r.s.observe(VerdictStateLost)
	e := auth.Errorf(auth.CodeStateLost, "The server's state is older than this token; sign in again.")
	return errors.Join(e, r.s.Audit.Record(r.ctx, *r.event("refused")))
}

// otherKey is the answer to who has the refresh token, and not the key that it is
// bound to: most likely somebody has stolen it. It ends nothing, for the thief
// gains nothing.
func (r *refreshing) otherKey() error {
	return errors.Join(errRefresh(), r.s.Audit.Record(r.ctx, auth.Event{At: r.held.Now, Actor: r.in.ClientID,
		Action: "grant.refresh", Target: r.held.Grant.ID, Address: r.in.Address, Verdict: "refused", Reason: "dpop_key"}))
}

func (r *refreshing) event(outcome string) *auth.Event {
	return &auth.Event{At: r.held.Now, Actor: r.held.User.ID, Action: "grant." + r.verdict.String(), Target: r.held.Grant.ID,
		Address: r.in.Address, Verdict: outcome, Reason: r.verdict.String()}
}

func (s *Service) observe(v Verdict) {
	if s.Observe.Refresh != nil {
		s.Observe.Refresh(v)
	}
}
