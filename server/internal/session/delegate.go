package session

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/writ-auth/writ/jwt"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/mint"
)

// Delegation gives a client a grant of its own under somebody's session.
type Delegation struct {
	Request
	SignInID string // the grant of the session's sign-in
	Client   auth.Client
	Audience string // "": Writ itself
	Scope    []string
	Nonce    string
	Refresh  bool // the client may have a refresh token
	// Thumbprint is of the key that all the grant's tokens are bound to; "": none.
	Thumbprint string
	// Begin stores the grant; false: what it would have been begun for is used
	// up, and there is none.
	Begin func(ctx context.Context, g auth.Grant, marks auth.Marks) (bool, error)
}

// ClientTokens is what a client gets for a person.
type ClientTokens struct {
	Tokens
	GrantID string
	IDToken string // "" unless openid is among the scopes
	Scope   []string
	// Thumbprint is of the key that the access token is bound to; "": none.
	Thumbprint string
}

// Delegate begins a client's grant and makes its first tokens; false if Begin
// said so. CodeSessionEnded if the session is over.
func (s *Service) Delegate(ctx context.Context, d Delegation) (ClientTokens, bool, error) {
	api, err := s.api(ctx, d.Audience)
	if err != nil {
		return ClientTokens{}, false, err
	}
	held, err := s.Sessions.HeldByGrant(ctx, d.SignInID)
	if err != nil {
		return ClientTokens{}, false, err
	}
	if err := alive(held); err != nil {
		return ClientTokens{}, false, err
	}
	h := newHandle()
	held.Grant, held.Client = s.delegated(held, d, api, h), d.Client
	if err := s.place(ctx, &held.Grant, api); err != nil {
		return ClientTokens{}, false, err
	}
	access, marks, err := s.access(ctx, held, api, held.Now)
	if err != nil {
		return ClientTokens{}, false, err
	}
	held.Grant.Mark, marks.GrantID = marks.Expiry, ""
	if begun, err := d.Begin(ctx, held.Grant, marks); err != nil || !begun {
		return ClientTokens{}, false, err
	}
	s.marked(marks)
	out := s.tokens(held, held.Now)
	out.AccessToken, out.AccessExpiry, out.ExpiresIn = access.Token, access.Expiry, access.Expiry.Sub(held.Now)
	if held.Grant.HandleHash != nil {
		if out.RefreshToken, err = encodeToken(s.Keys, held.Grant.Rotation.TagKey, h, 0); err != nil {
			return ClientTokens{}, false, err
		}
	}
	answer, err := s.withIDToken(ctx, held, out, d.Nonce)
	return answer, true, err
}

// delegated is the client's grant: as alive as the session, in the client's
// epoch, and found by a handle where there is something to refresh.
func (s *Service) delegated(held auth.Held, d Delegation, api auth.API, h handle) auth.Grant {
	g := auth.Grant{
		ID: auth.Random128(), SessionID: held.Session.ID, ClientID: d.Client.ID, UserID: held.User.ID,
		Audience: api.Audience, OrgID: held.Grant.OrgID, Scope: d.Scope, Mode: auth.ModeToken,
		Rotation:  auth.Rotation{IssuedAt: held.Now},
		UserEpoch: held.User.Epoch, ClientEpoch: d.Client.Epoch,
		IdleExpiry: s.idleUntil(held.Now, held.Session.AbsoluteExpiry), AbsoluteExpiry: held.Session.AbsoluteExpiry, CreatedAt: held.Now,
		AuthTime: held.Session.AuthTime, DPoPThumbprint: d.Thumbprint,
	}
	if d.Refresh && s.refreshes() {
		g.HandleHash = h.hash()
	}
	g.Rotation.TagKey, _ = s.Keys.CurrentTag()
	return g
}

// IDTokenTTL is how long an ID token says that it is good. Clients look at it
// when they get it; afterwards it is only a hint at log-out, where its age does
// not matter.
const IDTokenTTL = time.Hour

// withIDToken adds the ID token to what a client gets, if it asked for one.
// The key's mark is durable first, so that the key stays published.
func (s *Service) withIDToken(ctx context.Context, held auth.Held, tokens Tokens, nonce string) (ClientTokens, error) {
	out := ClientTokens{Tokens: tokens, GrantID: held.Grant.ID, Scope: held.Grant.Scope, Thumbprint: held.Grant.DPoPThumbprint}
	if !slices.Contains(held.Grant.Scope, mint.ScopeOpenID) {
		return out, nil
	}
	id, err := s.Mint.IDToken(ctx, mint.IDRequest{
		User: held.User, Session: signedIn(held), Grant: held.Grant, Client: held.Client, Nonce: nonce,
		AccessToken: tokens.AccessToken, Now: held.Now, Expiry: earliest(held.Now.Add(IDTokenTTL), held.Grant.AbsoluteExpiry),
	})
	if err != nil {
		return out, err
	}
	if !s.Keys.Marked(id.KID, id.Expiry) {
		marks := auth.Marks{Expiry: id.Expiry.Add(time.Hour - 1).Truncate(time.Hour), KID: id.KID}
		if err := s.Sessions.Raise(ctx, marks); err != nil {
			return out, err
		}
		s.marked(marks)
	}
	out.IDToken = id.Token
	return out, nil
}

// ClientRefresh is a refresh by a client other than Writ's own sign-in.
type ClientRefresh struct {
	Request
	Token  string
	Client auth.Client
	Scope  []string // of the new tokens; no more than the grant has
	// Thumbprint is of a key that the client has shown to have; "": none.
	Thumbprint string
}

// RefreshForClient is Refresh for the grant of a client. The refresh token is
// the same whatever the scope: what was left out may be asked for next time
// (RFC 6749, section 6).
func (s *Service) RefreshForClient(ctx context.Context, in ClientRefresh) (ClientTokens, error) {
	var held auth.Held
	out, err := s.Refresh(ctx, Refresh{Request: in.Request, Token: in.Token, ClientID: in.Client.ID, scope: in.Scope, thumbprint: in.Thumbprint,
		issued: func(h auth.Held) { held = h }})
	if err != nil {
		return ClientTokens{}, err
	}
	held.Client = in.Client
	return s.withIDToken(ctx, held, out, "")
}

// ownTokens says whether a grant is of Writ's own sign-in, which alone may use
// Writ's endpoints: another client's access token for Writ is good for the
// userinfo endpoint, whatever its user may do.
func ownTokens(g auth.Grant) bool { return g.ClientID == auth.ClientWrit }

// ByClientToken answers whose access token for Writ itself it is, whichever
// client has it. It is for the userinfo endpoint alone; everything else asks
// ByToken. thumbprint is of the key that the bearer has shown to have, "" for
// none: a token that is bound to a key needs that one, and others none.
func (s *Service) ByClientToken(ctx context.Context, token, thumbprint string) (held auth.Held, scope []string, err error) {
	verifier := s.own // refuses tokens that are bound
	if thumbprint != "" {
		verifier = s.bound
	}
	tok, err := verifier.Verify(ctx, token)
	if err != nil {
		return auth.Held{}, nil, tokenError(err)
	}
	if thumbprint != "" && !boundTo(tok.Claims().Confirmation, thumbprint) {
		return auth.Held{}, nil, errBearer(errors.New("not bound to the key of the proof"))
	}
	held, err = s.heldBy(ctx, tok)
	if err == nil && held.Grant.Mode == auth.ModeCookie {
		err = errBearer(errors.New("a token of a cookie"))
	}
	return held, tok.Claims().Scope, err
}

func boundTo(c *jwt.Confirmation, thumbprint string) bool {
	return c != nil && c.JKT == thumbprint && c.X5TS256 == ""
}

// restrict leaves of an API's identity claims what a client may see: all of
// them for the team's own applications; for a third party those of its scopes,
// and none of the user's custom claims. Roles are of no use at Writ itself to
// anybody but Writ's own sign-in.
func restrict(req *mint.Request, client auth.Client, issuer string) {
	if ownTokens(req.Grant) {
		return
	}
	offered := req.API.Claims
	if offered == nil {
		offered = auth.IdentityClaims()
	}
	visible := []string{}
	for _, name := range offered {
		if mayCarry(name, req.Grant.Scope, client) && !(req.API.Audience == issuer && (name == "roles" || name == "permissions")) {
			visible = append(visible, name)
		}
	}
	req.API.Claims = visible
	if !client.SkipConsent {
		req.User.Claims = nil
	}
}

// mayCarry says whether a client's token may have an identity claim.
func mayCarry(claim string, scope []string, client auth.Client) bool {
	if client.SkipConsent {
		return true
	}
	switch claim {
	case "email", "email_verified":
		return slices.Contains(scope, mint.ScopeEmail)
	case "name", "preferred_username":
		return slices.Contains(scope, mint.ScopeProfile)
	}
	return slices.Contains(scope, claim) // org, roles, permissions: scopes of these names
}

// HeldByGrant answers a grant by its id, alive or not.
func (s *Service) HeldByGrant(ctx context.Context, id string) (auth.Held, error) {
	return s.Sessions.HeldByGrant(ctx, id)
}
