// Package introspection judges the tokens that this server has made, for
// clients that ask whether one is still good (RFC 7662) or want it ended (RFC
// 7009).
//
// Whatever a token says of itself, it is good only if what it stands for is: the
// grant, the user, the client and the revocation log are read, and what was read
// counts until the next thing is revoked (see known). And a client learns of a
// token only if it is its own or is meant for it, so that nobody can find out by
// trying what a token found somewhere is good for.
package introspection

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/clientauth"
	"github.com/writ-auth/writ/server/internal/session"
)

// Options are what a Service is made of; every field but Remember is required.
type Options struct {
	Issuer   string
	Keys     Keys
	Sessions Sessions
	Clients  auth.Registry
	Log      Log
	Now      func() time.Time
	// Remember is how long a token that was found good counts as good while
	// nothing is revoked. 0: every request judges anew.
	Remember time.Duration
}

// Keys are what verifies our own tokens.
type Keys interface {
	jwt.KeySource
	// APISecrets answers the live secrets of an API whose tokens are signed
	// with HMAC.
	APISecrets(ctx context.Context, api auth.API) (*jwk.Ring, error)
}

// Sessions knows the grants of tokens.
type Sessions interface {
	HeldByToken(ctx context.Context, tok *jwt.Token[jwt.AccessClaims]) (auth.Held, error)
	HeldByRefresh(ctx context.Context, token string) (held auth.Held, live bool, err error)
}

// Log is the revocation log, read.
type Log interface {
	Revoked(ctx context.Context, hashes [][16]byte, now time.Time) (bool, error)
	// Published is closed when the log grows, after the commit and before the
	// answer to who made it grow.
	Published() <-chan struct{}
}

// Service judges tokens. It is safe for concurrent use.
type Service struct {
	Options
	tokens *jwt.Verifier[jwt.AccessClaims] // of this issuer, for any API
	known  known
}

// New makes the service; the error names what is wrong with opts.
func New(opts Options) (*Service, error) {
	expect := jwt.AccessToken(opts.Issuer, opts.Issuer)
	expect.Audience, expect.AnyAudience, expect.Now = nil, true, opts.Now
	expect.AllowConfirmation = true // who asks is told what the token is bound to, and checks the proof
	tokens, err := jwt.NewVerifier[jwt.AccessClaims](opts.Keys, expect)
	return &Service{Options: opts, tokens: tokens, known: known{age: opts.Remember}}, err
}

// Token is a token that this server made. It is shared: nobody may change it.
type Token struct {
	Grant  *auth.Grant      // of a refresh token; nil for an access token
	Claims jwt.AccessClaims // of an access token
	Answer []byte           // what RFC 7662 answers for an access token, with a line's end
	Actor  string           // of an access token: the act claim (RFC 8693, section 4.1), a JSON object; "": none
	Shared bool             // the access token is signed with its API's shared secret
}

// Active answers the token if it is good at this moment and the client may
// know: it is the client's own, or an access token for an API that the client
// is. Else nil, whatever the reason.
func (s *Service) Active(ctx context.Context, who clientauth.Client, raw string) (*Token, error) {
	if strings.HasPrefix(raw, session.TokenPrefix) {
		grant, live, err := s.refresh(ctx, who, raw)
		if err != nil || !live {
			return nil, err
		}
		return &Token{Grant: grant}, nil
	}
	return s.access(ctx, raw, who, mayKnow)
}

// Own answers the token if it is the client's own and there is still something
// to end: a refresh token that was used already counts, for its grant may live.
// Else nil.
func (s *Service) Own(ctx context.Context, who clientauth.Client, raw string) (*Token, error) {
	if strings.HasPrefix(raw, session.TokenPrefix) {
		grant, _, err := s.refresh(ctx, who, raw)
		if err != nil || grant == nil {
			return nil, err
		}
		return &Token{Grant: grant}, nil
	}
	return s.access(ctx, raw, who, func(who clientauth.Client, t *Token) bool { return t.Claims.ClientID == who.ID() })
}

// Presented answers an access token that was sent to the client as an API: it
// is good at this moment, for an API that the client is, and another's. Nil if
// it is not that.
func (s *Service) Presented(ctx context.Context, who clientauth.Client, raw string) (*Token, error) {
	return s.access(ctx, raw, who, func(who clientauth.Client, t *Token) bool {
		return t.Claims.ClientID != who.ID() && who.Serves(t.Claims.Audience[0])
	})
}

// refresh answers the grant of a refresh token of the client; nil if it is not
// one. What belongs to a browser's cookies comes from nowhere else.
func (s *Service) refresh(ctx context.Context, who clientauth.Client, raw string) (*auth.Grant, bool, error) {
	held, live, err := s.Sessions.HeldByRefresh(ctx, raw)
	if over(err) {
		return nil, false, nil
	}
	if err != nil || held.Grant.ClientID != who.ID() || held.Grant.Mode == auth.ModeCookie {
		return nil, false, err
	}
	return &held.Grant, live, nil
}

// access answers an access token that is good and that the client may know.
func (s *Service) access(ctx context.Context, raw string, who clientauth.Client, may func(clientauth.Client, *Token) bool) (*Token, error) {
	now := s.Now()
	token, known := s.known.find(raw, now)
	if !known {
		var err error
		if token, err = s.judge(ctx, who, raw, now); err != nil {
			return nil, err
		}
	}
	if token == nil || !may(who, token) {
		return nil, nil
	}
	return token, nil
}

// judge answers an access token that is good, nil if it is not, and remembers
// either of one that is genuine.
func (s *Service) judge(ctx context.Context, who clientauth.Client, raw string, now time.Time) (*Token, error) {
	news := s.Log.Published() // before anything is read: what ends the token from here on closes it
	tok, err := s.verify(ctx, who, raw)
	if err != nil {
		return nil, unavailable(err)
	}
	genuine := &Token{Claims: tok.Claims(), Shared: shared(string(tok.Algorithm()))}
	if len(genuine.Claims.Audience) != 1 {
		return nil, nil
	}
	live, err := s.live(ctx, tok, genuine.Claims)
	if err != nil {
		return nil, err
	}
	var token *Token
	if live {
		token = genuine
		if token.Answer, token.Actor, err = answer(token.Claims, tok.Payload()); err != nil {
			return nil, err
		}
	}
	if s.Remember > 0 && !genuine.Shared {
		s.known.keep(raw, &entry{token: token, judged: now, expires: genuine.Claims.Expiry.Time(), news: news})
	}
	return token, nil
}

// verify checks that we made the token. A shared secret is tried only for the
// API it belongs to, and only for clients of that API: whoever holds one could
// sign whatever they like with it.
func (s *Service) verify(ctx context.Context, who clientauth.Client, raw string) (*jwt.Token[jwt.AccessClaims], error) {
	tok, err := s.tokens.Verify(ctx, raw)
	if !errors.Is(err, jwt.ErrKey) {
		return tok, err
	}
	for _, api := range who.APIs {
		if !shared(string(api.Algorithm)) {
			continue
		}
		secrets, loadErr := s.Keys.APISecrets(ctx, api)
		if loadErr != nil {
			return nil, &jwt.Error{Reason: jwt.ErrUnavailable, Detail: loadErr.Error()}
		}
		tok, err := s.tokens.With(s.Issuer, secrets).Verify(ctx, raw)
		if err == nil && slices.Equal(tok.Claims().Audience, []string{api.Audience}) {
			return tok, nil
		}
	}
	return nil, err
}

// live asks whether what a genuine token stands for is there and not revoked.
func (s *Service) live(ctx context.Context, tok *jwt.Token[jwt.AccessClaims], c jwt.AccessClaims) (bool, error) {
	if c.SessionID != "" {
		_, err := s.Sessions.HeldByToken(ctx, tok)
		if over(err) {
			return false, nil
		}
		return err == nil, err
	}
	for _, id := range []string{c.Subject, c.ClientID} { // two, where one acts for the other
		if there, err := s.there(ctx, id, c.Epochs); err != nil || !there {
			return false, err
		}
	}
	hashes := [][16]byte{revlog.Hash(revlog.Token, c.ID), revlog.Hash(revlog.Key, tok.KeyID())}
	for _, epoch := range c.Epochs {
		hashes = append(hashes, revlog.Hash(revlog.Epoch, epoch))
	}
	revoked, err := s.Log.Revoked(ctx, hashes, s.Now())
	return err == nil && !revoked, err
}

// there says whether a client is there, in one of these epochs.
func (s *Service) there(ctx context.Context, id string, epochs []string) (bool, error) {
	owner, err := s.Clients.Registration(ctx, id)
	if errors.Is(err, auth.ErrNotFound) {
		return false, nil
	}
	return err == nil && !owner.Client.Disabled && slices.Contains(epochs, owner.Client.Epoch), err
}

// over says whether err means that a token is not good, in contrast to one that
// couldn't be judged.
func over(err error) bool {
	var e *auth.Error
	return errors.As(err, &e) && (e.Code == auth.CodeInvalidToken || e.Code == auth.CodeSessionEnded)
}

// unavailable keeps of the token library's errors the one that is not about the
// token.
func unavailable(err error) error {
	if errors.Is(err, jwt.ErrUnavailable) {
		return &auth.Error{Code: auth.CodeUnavailable, Message: "The token can't be checked now.", RetryAfter: time.Second, Err: err}
	}
	return nil
}

// shared says whether an algorithm is of shared secrets.
func shared(algorithm string) bool { return strings.HasPrefix(algorithm, "HS") }
