// Package revocation publishes the revocation log and carries out what
// administrators revoke.
//
// Everything that can be revoked is a random id that tokens carry. The log
// holds a hash of each revoked one until no token can carry it any more; a
// verifier that follows the log refuses such a token with no look-up. Package
// revlog has the wire form.
package revocation

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwt"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/keyring"
)

// Limits of a page and of a long poll.
const (
	MaxPage = 5000
	MaxWait = 25 * time.Second
)

// Options are what a Service is made of; every field up to Now is required.
type Options struct {
	Issuer   string
	Log      auth.Log
	Sessions auth.Sessions
	Keys     *keyring.Ring
	Longest  time.Duration // the longest lifetime that an access token may have
	Now      func() time.Time
	// Fleet is the nodes that share the database, each with verifiers of its own;
	// nil: this one is alone.
	Fleet Fleet
	// SignHead signs a head of the log. Default: with the log key of Keys.
	SignHead func(message []byte) (kid string, signature []byte, err error)
}

// Service publishes and revokes, safe for concurrent use.
type Service struct {
	Options
	tokens *jwt.Verifier[jwt.AccessClaims]

	current   atomic.Pointer[view] // what Run has read
	verifiers verifiers
	fleet     fleet
}

// New makes the service.
func New(opts Options) (*Service, error) {
	if opts.SignHead == nil {
		opts.SignHead = opts.Keys.SignHead
	}
	expect := jwt.AccessToken(opts.Issuer, opts.Issuer)
	expect.Audience, expect.AnyAudience, expect.Now = nil, true, opts.Now
	tokens, err := jwt.NewVerifier[jwt.AccessClaims](opts.Keys, expect)
	return &Service{Options: opts, tokens: tokens}, err
}

// Page answers the entries after a number, at most limit of them. If there are
// none it waits for the next, but no longer than wait. The page's time is
// never later than the reading: a follower may trust that at this time there
// was nothing more.
func (s *Service) Page(ctx context.Context, after uint64, limit int, wait time.Duration) (revlog.Page, error) {
	limit = min(max(limit, 1), MaxPage)
	deadline := time.NewTimer(min(wait, MaxWait))
	defer deadline.Stop()
	for {
		published := s.Log.Published() // before the reading, or an entry could slip between
		page, next, err := s.pageNow(ctx, after, limit)
		if err != nil || page.Head > after || wait <= 0 {
			return page, err
		}
		if next == nil {
			next = published
		}
		select {
		case <-next:
		case <-deadline.C:
			wait = 0
		case <-ctx.Done():
			return page, ctx.Err()
		}
	}
}

// pageNow answers a page of what Run has read, with a channel that is closed when
// there is a later reading; or one that is read now.
func (s *Service) pageNow(ctx context.Context, after uint64, limit int) (revlog.Page, <-chan struct{}, error) {
	v, err := s.latest(ctx)
	switch {
	case err != nil:
		return revlog.Page{}, nil, err
	case v != nil:
		return v.After(after, limit), v.next, nil
	}
	page, err := s.Log.LogPage(ctx, after, limit, s.Now())
	if err != nil {
		return page, nil, err
	}
	page, err = s.signed(page)
	return page, nil, err
}

// FullPage answers a page of the log that never changes, and the chain after it,
// by which caches can tell it from any other: CodeNotFound if it isn't full, or
// if nothing in it is in force any more.
func (s *Service) FullPage(ctx context.Context, number uint64) (p *revlog.FullPage, after revlog.Chain, err error) {
	v, err := s.latest(ctx)
	if err != nil {
		return nil, after, err
	}
	var log string
	var window revlog.Window
	if v != nil {
		log, window = v.Head.Log, v.Window
	} else if log, window, err = s.alone(ctx, number); err != nil {
		return nil, after, err
	}
	if p, after = window.Full(log, number); p == nil {
		return nil, after, auth.Errorf(auth.CodeNotFound, "There is no such page: it isn't full yet, or nothing in it is in force any more.")
	}
	return p, after, nil
}

// alone reads one page of the log and nothing else.
func (s *Service) alone(ctx context.Context, number uint64) (log string, w revlog.Window, err error) {
	page, err := s.Log.LogPage(ctx, min(number, 1<<40)*revlog.PageSize, revlog.PageSize, s.Now())
	if err != nil {
		return "", w, err
	}
	return page.Log, revlog.WindowOf(&page), nil
}

// silent is what streams end with while the log can't be read.
func silent() error {
	return &auth.Error{Code: auth.CodeUnavailable, Message: "The log can't be read now.", RetryAfter: time.Second}
}

// Kind names what an administrator revokes.
type Kind string

// The kinds of POST /v1/admin/revocations.
const (
	KindToken   Kind = "token"   // a jti
	KindSession Kind = "session" // a session's id or a sid
	KindUser    Kind = "user"    // every session of a user
	KindClient  Kind = "client"  // every grant and token of a client
	KindKey     Kind = "key"     // everything that a key signed
)

// Revoke revokes what kind and id name, for the actor of ev, and answers the
// number at which it is in force. CodeNotFound if there is no such thing; a
// token's id can't be looked up, and is taken as it is.
func (s *Service) Revoke(ctx context.Context, kind Kind, id string, ev auth.Event) (uint64, error) {
	now := s.Now()
	ev.At, ev.Target, ev.Verdict, ev.Reason = now, id, "allowed", "admin"
	ev.Action = "revoke." + string(kind)
	switch kind {
	case KindToken:
		if raw, err := base64url.Decode(id); err != nil || len(raw) != 16 {
			return 0, auth.Invalid("id", "id must be a token's jti, 22 characters of base64url; a whole token goes into token")
		}
		return s.Log.RevokeToken(ctx, id, now.Add(s.Longest+auth.LogMemory), ev)
	case KindSession:
		return s.revokeSession(ctx, id, now, ev)
	case KindUser:
		return s.end(ctx, auth.Ending{UserID: id, NewEpoch: auth.Random128(), Reason: "admin"}, now, ev)
	case KindClient:
		return s.end(ctx, auth.Ending{ClientID: id, NewEpoch: auth.Random128(), Reason: "admin"}, now, ev)
	case KindKey:
		return s.revokeKey(ctx, id, ev)
	}
	return 0, auth.Invalid("kind", "must be token, session, user, client or key")
}

// RevokeToken revokes one access token, given whole, until it expires.
func (s *Service) RevokeToken(ctx context.Context, token string, ev auth.Event) (uint64, error) {
	tok, err := s.tokens.Verify(ctx, token)
	if err != nil {
		return 0, &auth.Error{Code: auth.CodeInvalid, Field: "token", Message: "token is no live access token that this server signed with a key pair", Err: err}
	}
	c := tok.Claims()
	ev.At, ev.Action, ev.Target, ev.Verdict, ev.Reason = s.Now(), "revoke.token", c.ID, "allowed", "admin"
	return s.Log.RevokeToken(ctx, c.ID, time.Time(c.Expiry).Add(auth.LogMemory), ev)
}

func (s *Service) revokeSession(ctx context.Context, id string, now time.Time, ev auth.Event) (uint64, error) {
	session, err := s.Sessions.SessionOf(ctx, id)
	if err != nil {
		return 0, notFound(err, "such session")
	}
	return s.end(ctx, auth.Ending{SessionID: session.ID, Reason: "admin"}, now, ev)
}

func (s *Service) end(ctx context.Context, e auth.Ending, now time.Time, ev auth.Event) (uint64, error) {
	seq, err := s.Sessions.End(ctx, e, now, ev)
	if err != nil {
		return 0, notFound(err, "such user or client")
	}
	if seq != 0 {
		return seq, nil
	}
	page, err := s.Log.LogPage(ctx, 0, 1, now)
	return page.Head, err
}

func (s *Service) revokeKey(ctx context.Context, kid string, ev auth.Event) (uint64, error) {
	seq, _, err := s.Keys.Compromised(ctx, kid, ev)
	return seq, notFound(err, "such key")
}

func notFound(err error, what string) error {
	if errors.Is(err, auth.ErrNotFound) {
		return auth.Errorf(auth.CodeNotFound, "No %s.", what)
	}
	return err
}
