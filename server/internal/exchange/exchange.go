// Package exchange lets a service act further for whoever called it (RFC 8693):
// it hands in the access token that it was sent as an API, and gets one for
// another API.
//
// What comes out is never more than what went in: no scope that the token
// lacks, no longer life, the same person and sign-in, the same key if it is
// bound to one. It ends with the token it was made of, whatever ends that (its own
// jti, session, user, the clients it came through), and with the service itself:
// the ids of all of them are in it. Who acts is in it, too: the service never passes
// for the person.
package exchange

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/writ-auth/writ/jwt"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/clientauth"
	"github.com/writ-auth/writ/server/internal/introspection"
	"github.com/writ-auth/writ/server/internal/issuance"
	"github.com/writ-auth/writ/server/internal/mint"
	"github.com/writ-auth/writ/server/internal/session"
)

// TypeAccessToken and TypeJWT are the types of token that are understood (RFC
// 8693, section 3). Either is an access token of this server: nothing else is
// exchanged, whatever form it has.
const (
	TypeAccessToken = "urn:ietf:params:oauth:token-type:access_token"
	TypeJWT         = "urn:ietf:params:oauth:token-type:jwt"
)

// MaxActors is how many services may act one through the other.
const MaxActors = 4

// Options are what a Service is made of; every field is required.
type Options struct {
	Tokens   Tokens
	Sessions Sessions
	Clients  auth.Registry
	Mint     *mint.Mint
	Issuance *issuance.Service
	Audit    Audit
	Now      func() time.Time
}

// Tokens judges tokens of this server.
type Tokens interface {
	Presented(ctx context.Context, who clientauth.Client, raw string) (*introspection.Token, error)
	Active(ctx context.Context, who clientauth.Client, raw string) (*introspection.Token, error)
}

// Sessions makes tokens of people's sessions.
type Sessions interface {
	Onward(ctx context.Context, in session.Onward) (mint.Access, error)
}

// Audit is told who acts for whom.
type Audit interface {
	Record(ctx context.Context, ev auth.Event) error
}

// Service exchanges tokens. It is safe for concurrent use.
type Service struct{ Options }

// New makes the service.
func New(opts Options) *Service { return &Service{opts} }

// Request is what a client hands in.
type Request struct {
	Client  clientauth.Client
	Subject string // the token that the client was sent as an API
	Actor   string // a token of the service that sent it or asks; "": the client acts
	Address string
	// Thumbprint is of a key that the client has shown to have; "": none.
	Thumbprint string
}

// Exchange is a request that may be granted.
type Exchange struct {
	Client  clientauth.Client
	Subject jwt.AccessClaims
	Scope   []string // the most that the new token may have
	// Thumbprint is of the key that the new token is bound to: that of the
	// subject token, which never loosens, else the client's; "": none.
	Thumbprint string

	actor   *mint.Actor
	epochs  []string
	expiry  time.Time
	address string
}

// Judge says what a request may have at most. Its error for a token that isn't
// good, isn't for an API of the client, or is not one that may be exchanged is
// CodeInvalid, as RFC 8693, section 2.2.2, has it, and the same for all of these.
func (s *Service) Judge(ctx context.Context, in Request) (*Exchange, error) {
	if !mayExchange(in.Client) {
		return nil, s.refuse(ctx, in, "", "client", auth.Errorf("unauthorized_client", "This client may not exchange tokens."))
	}
	subject, err := s.Tokens.Presented(ctx, in.Client, in.Subject)
	if err != nil {
		return nil, err
	}
	if subject == nil || !believable(subject) {
		return nil, s.refuse(ctx, in, "", "subject_token", errSubject())
	}
	before, err := actorOf(subject.Actor)
	if err != nil {
		return nil, err
	}
	c := in.Client.Client
	x := &Exchange{
		Client: in.Client, Subject: subject.Claims, Scope: both(subject.Claims.Scope, strings.Fields(c.Scope)),
		actor: &mint.Actor{Subject: c.ID, Before: before}, epochs: append(slices.Clone(subject.Claims.Epochs), c.Epoch, subject.Claims.ID),
		expiry: subject.Claims.Expiry.Time(), address: in.Address,
	}
	if in.Actor != "" {
		if err := s.actor(ctx, in, x); err != nil {
			return nil, err
		}
	}
	if x.Thumbprint = in.Thumbprint; subject.Claims.Confirmation != nil {
		x.Thumbprint = subject.Claims.Confirmation.JKT
	}
	if in.Thumbprint != "" && in.Thumbprint != x.Thumbprint {
		return nil, s.refuse(ctx, in, x.Subject.Subject, "dpop_key", errSubject())
	}
	if x.actor.Depth() > MaxActors {
		return nil, s.refuse(ctx, in, x.Subject.Subject, "actors", auth.Invalid("subject_token", "the token has come through too many services"))
	}
	return x, nil
}

// mayExchange keeps out whoever can't prove who they are, and applications of
// third parties: people have agreed to what those may have, and an exchange asks
// nobody. Who else may is said by the client's registered grant types.
func mayExchange(c clientauth.Client) bool {
	return !c.Public() && !c.Client.ThirdParty()
}

// believable wants a token of which nobody but this server can have made a
// word. Whoever holds an API's shared secret could write any person and any
// scope into a token for that API, which harms nobody else, and have it exchanged
// for one that another API takes.
func believable(t *introspection.Token) bool {
	bound := t.Claims.Confirmation
	return !t.Shared && (bound == nil || bound.JKT != "" && bound.X5TS256 == "")
}

// actor makes the service whose token is handed in the one that acts: the client
// itself, or a service that called it. A person can't be: what ends that
// person's session would not end the new token.
func (s *Service) actor(ctx context.Context, in Request, x *Exchange) error {
	token, err := s.Tokens.Active(ctx, in.Client, in.Actor)
	if err != nil {
		return err
	}
	if token == nil || token.Grant != nil || !believable(token) || token.Actor != "" ||
		token.Claims.SessionID != "" || token.Claims.Subject != token.Claims.ClientID || token.Claims.Confirmation != nil {
		return s.refuse(ctx, in, x.Subject.Subject, "actor_token", auth.Invalid("actor_token", "the actor token is not one that can be used here"))
	}
	x.actor.Subject = token.Claims.Subject
	x.epochs = append(append(x.epochs, token.Claims.Epochs...), token.Claims.ID)
	if ends := token.Claims.Expiry.Time(); ends.Before(x.expiry) {
		x.expiry = ends
	}
	return nil
}

func errSubject() error {
	return auth.Invalid("subject_token", "the subject token is not one that this client can exchange")
}

// actorOf reads the act claim of a token that we made.
func actorOf(claim string) (*mint.Actor, error) {
	if claim == "" {
		return nil, nil
	}
	var a mint.Actor
	err := json.Unmarshal([]byte(claim), &a)
	return &a, err
}

// both answers what is in two lists, in the order of the first.
func both(a, b []string) []string {
	var out []string
	for _, s := range a {
		if slices.Contains(b, s) {
			out = append(out, s)
		}
	}
	return out
}

// Issue makes the token.
func (s *Service) Issue(ctx context.Context, x *Exchange, api auth.API, scope []string) (issuance.Token, error) {
	now := s.Now()
	if ends := now.Add(s.Issuance.Lifetime(api)); ends.Before(x.expiry) {
		x.expiry = ends
	}
	d := mint.Delegate{Client: x.Client.Client, Actor: x.actor, Epochs: x.epochs}
	access, err := s.access(ctx, x, api, scope, d, now)
	if err != nil {
		return issuance.Token{}, err
	}
	token, err := s.Issuance.Release(ctx, x.Client.Client, access, now)
	if err != nil {
		return issuance.Token{}, err
	}
	ev := auth.Event{At: now, Actor: x.Client.ID(), Action: "token.exchange", Target: x.Subject.Subject, Address: x.address,
		Verdict: "allowed", Reason: api.Audience}
	return token, s.Audit.Record(ctx, ev)
}

func (s *Service) access(ctx context.Context, x *Exchange, api auth.API, scope []string, d mint.Delegate, now time.Time) (mint.Access, error) {
	if x.Subject.SessionID == "" {
		return s.ofClient(ctx, x, api, scope, d, now)
	}
	access, err := s.Sessions.Onward(ctx, session.Onward{Token: x.Subject, API: api, Scope: scope, Expiry: x.expiry, Delegate: d, Thumbprint: x.Thumbprint})
	var e *auth.Error
	if errors.As(err, &e) && e.Code == auth.CodeInvalidToken { // ended since it was judged
		return access, errSubject()
	}
	return access, err
}

// ofClient makes a token about a client, of one that speaks for itself.
func (s *Service) ofClient(ctx context.Context, x *Exchange, api auth.API, scope []string, d mint.Delegate, now time.Time) (mint.Access, error) {
	known, err := s.Clients.Registration(ctx, x.Subject.Subject)
	if errors.Is(err, auth.ErrNotFound) {
		return mint.Access{}, errSubject()
	}
	if err != nil {
		return mint.Access{}, err
	}
	req := mint.ClientRequest{Client: known.Client, API: api, Scope: scope, Now: now, Expiry: x.expiry, Delegate: &d, Thumbprint: x.Thumbprint}
	if !slices.Contains(x.epochs, known.Client.Epoch) {
		return mint.Access{}, errSubject()
	}
	return s.Mint.ClientAccess(ctx, req)
}

// refuse records a refusal and answers it.
func (s *Service) refuse(ctx context.Context, in Request, target, reason string, answer error) error {
	ev := auth.Event{At: s.Now(), Actor: in.Client.ID(), Action: "token.exchange", Target: target, Address: in.Address,
		Verdict: "refused", Reason: reason}
	if err := s.Audit.Record(ctx, ev); err != nil {
		return errors.Join(answer, err)
	}
	return answer
}
