package authorization

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"slices"
	"strings"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/session"
)

// Redemption is a code as a client that has authenticated presents it.
type Redemption struct {
	session.Request
	Client      *auth.Registration
	Code        string
	RedirectURI string
	Verifier    string // PKCE
	Thumbprint  string // of a key that the client has shown to have (RFC 9449); "": none
}

// errGrant is the one answer to a code that is wrong, somebody else's, used or
// too old.
func errGrant() error {
	return auth.Errorf("invalid_grant", "The code is not valid, or was not made for this request.")
}

// Claim answers what a code promises, if all that is presented with it fits. It
// does not use the code up; see Redeem. Everything that a stranger could have
// wrong is looked at before whether the code was used, so that who has stolen
// but the code ends nothing with it. A second use by who could have made the
// first ends what the first one began (RFC 9700, section 4.2.4): one of the two
// was a thief.
func (s *Service) Claim(ctx context.Context, in Redemption) (auth.AuthorizationCode, error) {
	code, err := s.Codes.CodeByHash(ctx, sha256.Sum256([]byte(in.Code)))
	if errors.Is(err, auth.ErrNotFound) {
		return code, errGrant()
	}
	if err != nil {
		return code, err
	}
	switch {
	case code.ClientID != in.Client.Client.ID:
		return code, s.refused(ctx, in, code, "client")
	case code.RedirectURI != in.RedirectURI:
		return code, s.refused(ctx, in, code, "redirect_uri")
	case !verifies(in.Verifier, code.Challenge):
		return code, s.refused(ctx, in, code, "verifier")
	case code.DPoPThumbprint != "" && code.DPoPThumbprint != in.Thumbprint:
		return code, s.refused(ctx, in, code, "dpop_key")
	case code.GrantID != "":
		return code, s.replayed(ctx, in, code)
	case !s.Now().Before(code.ExpiresAt):
		return code, errGrant()
	}
	return code, nil
}

// verifies checks PKCE (RFC 7636, sections 4.1 and 4.6).
func verifies(verifier, challenge string) bool {
	if len(verifier) < 43 || len(verifier) > 128 || strings.ContainsFunc(verifier, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("-._~", c))
	}) {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64url.Encode(sum[:])), []byte(challenge)) == 1
}

// Redeem uses a claimed code up and makes the tokens.
func (s *Service) Redeem(ctx context.Context, in Redemption, code auth.AuthorizationCode) (session.ClientTokens, error) {
	c := in.Client.Client
	out, begun, err := s.Sessions.Delegate(ctx, session.Delegation{
		Request: in.Request, SignInID: code.SignInID, Client: c, Audience: code.Audience, Scope: code.Scope, Nonce: code.Nonce,
		Refresh: slices.Contains(c.GrantTypes, auth.GrantRefreshToken), Thumbprint: in.Thumbprint,
		Begin: func(ctx context.Context, g auth.Grant, marks auth.Marks) (bool, error) {
			return s.Codes.Redeem(ctx, code.Hash, g, s.Now().Add(codeMemory), marks, auth.Event{At: s.Now(), Actor: c.ID,
				Action: "grant.begin", Target: g.ID, Address: in.Address, Verdict: "allowed", Reason: "code"})
		},
	})
	switch {
	case over(err):
		return out, errGrant()
	case err != nil || begun:
		return out, err
	}
	used, err := s.Codes.CodeByHash(ctx, code.Hash)
	if err != nil || used.GrantID == "" {
		return out, errors.Join(errGrant(), err)
	}
	return out, s.replayed(ctx, in, used)
}

// over says whether err means that a session has ended in the meantime.
func over(err error) bool {
	var e *auth.Error
	return errors.Is(err, auth.ErrEpochChanged) || errors.Is(err, auth.ErrNotFound) || errors.As(err, &e) && e.Code == auth.CodeSessionEnded
}

func (s *Service) replayed(ctx context.Context, in Redemption, code auth.AuthorizationCode) error {
	_, err := s.Sessions.EndGrant(ctx, auth.Grant{ID: code.GrantID, ClientID: code.ClientID}, "code_replay", in.Request)
	return errors.Join(errGrant(), err)
}

func (s *Service) refused(ctx context.Context, in Redemption, code auth.AuthorizationCode, reason string) error {
	return errors.Join(errGrant(), s.Audit.Record(ctx, auth.Event{At: s.Now(), Actor: in.Client.Client.ID, Action: "code.redeem",
		Target: code.ClientID, Address: in.Address, Verdict: "refused", Reason: reason}))
}
