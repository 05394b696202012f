// Package authorization decides what a client's authorization request (RFC
// 6749, section 4.1; OpenID Connect Core, section 3.1) gets: it reads the
// request strictly, says which step the person has to take next, remembers what
// they allowed, and makes and redeems codes.
//
// A request is checked in two halves. As long as it isn't certain which client
// it comes from and that the address to return to is that client's, nothing is
// sent anywhere: the error is shown on a page of our own (RFC 9700, section
// 4.11). What is wrong afterwards is told to the client, as a [Refusal].
//
// Between the steps a request travels through the browser as a sealed ticket,
// so that pages return to what this server has checked before and never to an
// address in a parameter.
package authorization

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/jwt"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/keyring"
	"github.com/writ-auth/writ/server/internal/session"
)

// CodeTTL is the life of a code. RFC 9700 wants it short: a client fetches its
// tokens at once.
const CodeTTL = time.Minute

// codeMemory is how long a code that was redeemed is remembered, so that its
// second use ends what the first one began.
const codeMemory = time.Hour

// CodePrefix begins every code, so that secret scanners know one.
const CodePrefix = "writ_ac_"

// Options are what a Service is made of; every field is required.
type Options struct {
	Issuer   string
	Clients  auth.Registry
	Codes    auth.Codes
	Consents auth.Consents
	Audit    Audit
	Sessions *session.Service
	Keys     jwt.KeySource // of ID tokens that come back as hints
	Sealer   *keyring.Sealer
	Now      func() time.Time
}

// Audit is told of refusals.
type Audit interface {
	Record(ctx context.Context, ev auth.Event) error
}

// Service decides about requests. It is safe for concurrent use.
type Service struct{ Options }

// New makes the service.
func New(opts Options) *Service { return &Service{opts} }

// Next is what a browser is sent to do.
type Next int

// The steps of a request.
const (
	NextAnswer Next = iota // back to the client
	NextSignIn             // sign in, or sign in again
	NextChoose             // go on as who is signed in, or sign in as somebody else
	NextAgree              // allow the client what it asks for
)

// Step is where a request stands.
type Step struct {
	Next   Next
	Answer Answer // of NextAnswer
}

// Answer is what the client is told, by way of the browser.
type Answer struct {
	RedirectURI string
	Mode        Mode
	Values      []Value // in this order
}

// Value is a parameter of an Answer.
type Value struct{ Name, Text string }

// Decide answers the next step of a request in a browser where who is signed
// in; nil: nobody is. Where nothing is left to ask, the answer has a code.
func (s *Service) Decide(ctx context.Context, req Request, who *session.Identity, from session.Request) (Step, error) {
	if req.Device {
		return s.backToDevice(req, who), nil
	}
	next, refusal, err := s.next(ctx, req, who)
	code := ""
	if err == nil && refusal == nil && next == NextAnswer {
		code, err = s.issue(ctx, req, *who)
	}
	if errors.Is(err, auth.ErrMoved) { // the person has taken it back since they agreed
		next, err = NextAgree, nil
	}
	if err != nil {
		return Step{}, err
	}
	if next != NextAnswer && req.prompts("none") {
		refusal = silent(next)
	}
	if refusal != nil {
		return Step{Answer: s.Refuse(req, refusal)}, nil
	}
	if next != NextAnswer {
		return Step{Next: next}, nil
	}
	return Step{Answer: s.answer(req, Value{"code", code})}, nil
}

// silent is what a client is told that allowed no page to be shown.
func silent(next Next) *Refusal {
	switch next {
	case NextAgree:
		return &Refusal{"consent_required", "The person has not allowed this yet."}
	case NextChoose:
		return &Refusal{"account_selection_required", "The person has to choose an account."}
	}
	return &Refusal{"login_required", "Nobody is signed in, or not recently enough."}
}

func (s *Service) next(ctx context.Context, req Request, who *session.Identity) (Next, *Refusal, error) {
	switch {
	case who == nil, !s.recent(req, who.Session), req.Subject != "" && req.Subject != who.User.ID:
		return NextSignIn, nil, nil
	case req.Denied == who.Session.ID:
		return NextAnswer, &Refusal{"access_denied", "The person did not allow it."}, nil
	case req.prompts("select_account") && req.Chosen != who.Session.ID && who.Session.AuthTime.Before(req.Begun):
		return NextChoose, nil, nil
	case req.Agreed == who.Session.ID:
		return NextAnswer, nil, nil
	}
	agreed, err := s.agreed(ctx, req, who.User.ID)
	if err != nil || agreed && !req.prompts("consent") {
		return NextAnswer, nil, err
	}
	return NextAgree, nil, nil
}

// recent says whether the session's sign-in is as fresh as the request wants
// it. One that happened for this very request always is.
func (s *Service) recent(req Request, session auth.Session) bool {
	if !session.AuthTime.Before(req.Begun) {
		return true
	}
	if req.prompts("login") {
		return false
	}
	return req.MaxAge == nil || s.Now().Sub(session.AuthTime) <= time.Duration(*req.MaxAge)*time.Second
}

// agreed says whether the person needs not be asked. An application on a
// person's machine that can't prove who it is could be any other one there, so
// what was allowed before says nothing (RFC 8252, section 8.6).
func (s *Service) agreed(ctx context.Context, req Request, userID string) (bool, error) {
	c := req.Client.Client
	if c.SkipConsent {
		return true, nil
	}
	if c.TokenEndpointAuthMethod == auth.AuthNone && native(req.RedirectURI) {
		return false, nil
	}
	given, err := s.Consents.Consent(ctx, userID, c.ID, req.Audience)
	if errors.Is(err, auth.ErrNotFound) {
		return false, nil
	}
	for _, name := range req.Scope {
		if !slices.Contains(given.Scope, name) {
			return false, err
		}
	}
	return err == nil, err
}

// Agree remembers that a person allows a request.
func (s *Service) Agree(ctx context.Context, req Request, who session.Identity, from session.Request) (Request, error) {
	if req.Device {
		return req, errDevice()
	}
	req.Agreed, req.Denied = who.Session.ID, ""
	return req, s.Consents.AddConsent(ctx, auth.Consent{
		UserID: who.User.ID, ClientID: req.ClientID, Audience: req.Audience, Scope: req.Scope, UpdatedAt: s.Now(),
	}, auth.Event{At: s.Now(), Actor: who.User.ID, Action: "consent.add", Target: req.ClientID, Address: from.Address, Verdict: "allowed"})
}

// issue makes the code of a request that nothing stands in the way of.
func (s *Service) issue(ctx context.Context, req Request, who session.Identity) (string, error) {
	var random [32]byte
	rand.Read(random[:])
	code := CodePrefix + base64url.Encode(random[:])
	now := s.Now()
	consent := ""
	if !req.Client.Client.SkipConsent {
		consent = who.User.ID
	}
	return code, s.addCode(ctx, req, auth.AuthorizationCode{
		ConsentOf: consent,
		Hash:      sha256.Sum256([]byte(code)), ClientID: req.ClientID, SessionID: who.Session.ID, SignInID: who.Grant.ID,
		RedirectURI: req.RedirectURI, Challenge: req.Challenge, Nonce: req.Nonce, Scope: req.Scope, Audience: req.Audience,
		DPoPThumbprint: req.Thumbprint, CreatedAt: now, ExpiresAt: now.Add(CodeTTL), ForgetAt: now.Add(CodeTTL),
	})
}

// Refuse is the answer to a request that gets nothing.
func (s *Service) Refuse(req Request, r *Refusal) Answer {
	return s.answer(req, Value{"error", r.Code}, Value{"error_description", r.Description})
}

// answer adds what every answer has: the client's state, and which server says
// it, so that a client of two servers can't be made to mix them up (RFC 9207).
func (s *Service) answer(req Request, values ...Value) Answer {
	if req.State != "" {
		values = append(values, Value{"state", req.State})
	}
	return Answer{req.RedirectURI, req.Mode, append(values, Value{"iss", s.Issuer})}
}
