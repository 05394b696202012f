package session

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/credential"
	"github.com/writ-auth/writ/server/internal/limit"
)

// SignIn is a sign-in with a password.
type SignIn struct {
	Request
	Login    string // an e-mail (with '@') or a user name
	Password string
	Audience string // "": Writ itself
	Org      string // slug or id; "": none
	Mode     auth.Mode
}

// ACRPassword is the authentication context class of a sign-in with a password
// alone (OpenID Connect Core, section 2), the only one that there is. It claims no
// level of anybody's scale: nobody has assessed it.
const ACRPassword = "urn:writ:acr:pwd"

// errCredentials is the one answer to an unknown user, a wrong password and a
// disabled account.
func errCredentials() error {
	return auth.Errorf(auth.CodeInvalidCredentials, "The user or the password is wrong.")
}

// SignIn checks a password and begins a session. CodeInvalidCredentials for
// everything that is wrong with user or password, CodeTooMany when there were
// too many failures, CodePasswordChange with a token that is good for that
// alone when the password must be changed first.
func (s *Service) SignIn(ctx context.Context, in SignIn) (Tokens, error) {
	api, err := s.api(ctx, in.Audience)
	if err != nil {
		return Tokens{}, err
	}
	// A second round if everything of the user was ended between the check
	// and the session's beginning: the password may be another by then.
	for range 2 {
		user, err := s.checkPassword(ctx, in)
		if err != nil {
			s.observeSignIn(err)
			return Tokens{}, err
		}
		out, err := s.begin(ctx, in, user, api)
		if !errors.Is(err, auth.ErrEpochChanged) {
			s.observeSignIn(err)
			return out, err
		}
	}
	return Tokens{}, auth.Errorf(auth.CodeConflict, "Sessions of this user were being ended; sign in again.")
}

// What somebody guesses at, before the name under which it is counted. Who signs
// in types any name, a user's id too, and must not use up the attempts of that
// user's own change of password.
const (
	guessOfLogin    = "login\x00"
	guessOfPassword = "password\x00"
)

// checkPassword answers the user whose password it is. It costs one hash
// whether or not there is such a user.
func (s *Service) checkPassword(ctx context.Context, in SignIn) (auth.User, error) {
	ctx = credential.Network(ctx, limit.Network(in.Address))
	attempt, err := s.Throttle.Attempt(ctx, guessOfLogin+in.Login, in.Address)
	if err != nil {
		return auth.User{}, err
	}
	defer attempt.Release()
	user, err := s.Users.UserByLogin(ctx, in.Login)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return auth.User{}, err
	}
	ok, err := s.verify(ctx, user.PasswordHash, in.Password)
	if err != nil {
		return auth.User{}, err
	}
	if !ok || user.Disabled {
		attempt.Failed()
		return auth.User{}, errors.Join(errCredentials(), s.refused(ctx, "session.begin", user.ID, in.Address, "credentials"))
	}
	attempt.Succeeded()
	if user.MustChange {
		return auth.User{}, s.mustChange(ctx, user)
	}
	return user, s.rehash(ctx, user, in.Password)
}

func (s *Service) verify(ctx context.Context, hash, password string) (bool, error) {
	if hash == "" {
		return false, s.Passwords.VerifyNobody(ctx, password)
	}
	return s.Passwords.Verify(ctx, hash, password)
}

// rehash brings an old hash to today's parameters while the password is at
// hand. Losing the race against a change of the password is fine.
func (s *Service) rehash(ctx context.Context, user auth.User, password string) error {
	if !s.Passwords.NeedsRehash(user.PasswordHash) {
		return nil
	}
	hash, err := s.Passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	if err := s.Users.Rehash(ctx, user.ID, user.PasswordHash, hash); !errors.Is(err, auth.ErrConflict) {
		return err
	}
	return nil
}

func (s *Service) mustChange(ctx context.Context, user auth.User) error {
	token, err := s.Mint.PasswordChange(ctx, user, s.Now())
	if err != nil {
		return err
	}
	e := auth.Errorf(auth.CodePasswordChange, "The password must be changed: POST it to /v1/password/change with this token.")
	e.Data = map[string]any{"password_change_token": token}
	return e
}

// begin stores the session and its grant and makes the first tokens.
func (s *Service) begin(ctx context.Context, in SignIn, user auth.User, api auth.API) (Tokens, error) {
	client, err := s.Directory.ClientByID(ctx, auth.ClientWrit)
	if err != nil {
		return Tokens{}, err
	}
	orgID, err := s.orgOf(ctx, in.Org, user.ID)
	if err != nil {
		return Tokens{}, err
	}
	now := s.Now()
	held := auth.Held{User: user, Client: client, Now: now, Session: s.newSession(in, user, api, now)}
	held.Grant = s.newGrant(in, held, api, orgID, now)
	b := beginning{held: held, now: now}
	if in.Mode == auth.ModeSession {
		return s.beginCookie(ctx, b)
	}
	return s.beginTokens(ctx, b, api)
}

// beginning is a session and its grant before they are stored.
type beginning struct {
	held auth.Held
	now  time.Time
}

func (s *Service) beginCookie(ctx context.Context, b beginning) (Tokens, error) {
	cookie := newCookie()
	sum := sha256.Sum256([]byte(cookie))
	b.held.Session.CookieHash = sum[:]
	if err := s.store(ctx, b, auth.Marks{}); err != nil {
		return Tokens{}, err
	}
	out := s.tokens(b.held, b.now)
	out.Cookie, out.ExpiresIn = cookie, out.RefreshIn
	return out, nil
}

func (s *Service) beginTokens(ctx context.Context, b beginning, api auth.API) (Tokens, error) {
	h := newHandle()
	if s.refreshes() {
		b.held.Grant.HandleHash = h.hash()
	}
	b.held.Grant.Rotation.TagKey, _ = s.Keys.CurrentTag()
	if err := s.place(ctx, &b.held.Grant, api); err != nil {
		return Tokens{}, err
	}
	access, marks, err := s.access(ctx, b.held, api, b.now)
	if err != nil {
		return Tokens{}, err
	}
	b.held.Grant.Mark, marks.GrantID = marks.Expiry, ""
	if err := s.store(ctx, b, marks); err != nil {
		return Tokens{}, err
	}
	s.marked(marks)
	out := s.tokens(b.held, b.now)
	out.AccessToken, out.AccessExpiry, out.ExpiresIn = access.Token, access.Expiry, access.Expiry.Sub(b.now)
	if !s.refreshes() {
		out.RefreshIn, out.RefreshExpiry = 0, time.Time{}
		return out, nil
	}
	out.RefreshToken, err = encodeToken(s.Keys, b.held.Grant.Rotation.TagKey, h, 0)
	return out, err
}

func (s *Service) store(ctx context.Context, b beginning, marks auth.Marks) error {
	return s.Sessions.Begin(ctx, b.held.Session, b.held.Grant, marks, auth.Event{
		At: b.now, Actor: b.held.User.ID, Action: "session.begin", Target: b.held.Session.ID,
		Address: b.held.Session.Address, Verdict: "allowed", Reason: string(b.held.Grant.Mode),
	})
}

func (s *Service) newSession(in SignIn, user auth.User, api auth.API, now time.Time) auth.Session {
	absolute := now.Add(s.SessionTTL)
	if !s.refreshes() {
		absolute = earliest(absolute, now.Add(s.lifetime(api)))
	}
	return auth.Session{
		ID: auth.NewID(auth.PrefixSession), UserID: user.ID, AuthTime: now, AMR: []string{"pwd"}, ACR: ACRPassword,
		Device: in.Device[:min(len(in.Device), 256)], Address: in.Address, CreatedAt: now, LastSeenAt: now,
		IdleExpiry: s.idleUntil(now, absolute), AbsoluteExpiry: absolute,
	}
}

func (s *Service) newGrant(in SignIn, held auth.Held, api auth.API, orgID string, now time.Time) auth.Grant {
	return auth.Grant{
		ID: auth.Random128(), SessionID: held.Session.ID, ClientID: held.Client.ID, UserID: held.User.ID,
		Audience: api.Audience, OrgID: orgID, Mode: in.Mode, Rotation: auth.Rotation{IssuedAt: now},
		UserEpoch: held.User.Epoch, ClientEpoch: held.Client.Epoch,
		IdleExpiry: held.Session.IdleExpiry, AbsoluteExpiry: held.Session.AbsoluteExpiry, CreatedAt: now,
	}
}

// orgOf finds the organisation that a sign-in names; the user must be in it.
// Without a name it is the only one that the user is in: who is in several has
// to say, for roles in one must not count in another.
func (s *Service) orgOf(ctx context.Context, name, userID string) (string, error) {
	if name == "" {
		return s.onlyOrg(ctx, userID)
	}
	org, err := s.Directory.OrgByID(ctx, name)
	if err == nil {
		_, err = s.Directory.MemberOf(ctx, org.ID, userID)
	}
	if errors.Is(err, auth.ErrNotFound) {
		return "", auth.Invalid("org", "no such organisation, or the user is not in it")
	}
	return org.ID, err
}

func (s *Service) onlyOrg(ctx context.Context, userID string) (string, error) {
	members, err := s.Directory.Memberships(ctx, userID)
	if err != nil || len(members) != 1 {
		return "", err
	}
	return members[0].OrgID, nil
}

// tokens fills in what every mode answers.
func (s *Service) tokens(held auth.Held, now time.Time) Tokens {
	return Tokens{
		Mode: held.Grant.Mode, SessionID: held.Session.ID, User: held.User,
		RefreshExpiry: held.Grant.IdleExpiry, RefreshIn: held.Grant.IdleExpiry.Sub(now),
	}
}

func (s *Service) observeSignIn(err error) {
	if s.Observe.SignIn == nil {
		return
	}
	outcome := "error"
	var e *auth.Error
	switch {
	case err == nil:
		outcome = "ok"
	case errors.As(err, &e) && e.Code == auth.CodeInvalidCredentials:
		outcome = "wrong"
	case e != nil && e.Code == auth.CodeTooMany:
		outcome = "throttled"
	case e != nil && e.Code == auth.CodePasswordChange:
		outcome = "must_change"
	}
	s.Observe.SignIn(outcome)
}

// refused records that something was refused.
func (s *Service) refused(ctx context.Context, action, target, address, reason string) error {
	return s.Audit.Record(ctx, auth.Event{At: s.Now(), Action: action, Target: target, Address: address,
		Verdict: "refused", Reason: reason})
}

// union answers both lists as one, sorted, each name once.
func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}
