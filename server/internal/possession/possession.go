// Package possession judges proofs that who makes a request has a key (RFC
// 9449, DPoP), at the endpoints of this server. Which tokens are bound to the
// key, and whether a proof is needed, is up to who asks.
//
// Each proof counts once in the whole fleet: it is noted in the database, as
// clients' assertions are, which at the token endpoint is one row more in a
// commit that nearly every request makes anyway. And each needs a nonce of this
// server, always: proofs that were made ahead of time, by who could use the
// client's key for a while, are good for five minutes at most. It costs a client
// one more request now and then, which the libraries make by themselves.
package possession

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/writ-auth/writ/dpop"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
)

// Options are what a Service is made of; every field is required.
type Options struct {
	Issuer string // what stands before the path of every endpoint
	Keys   Keys
	Used   auth.Assertions
	Audit  Audit
	Now    func() time.Time
}

// Keys are the secrets that all nodes share.
type Keys interface {
	CurrentTag() (number uint32, secret []byte)
	Tag(number uint32) []byte
}

// Audit is told of refusals.
type Audit interface {
	Record(ctx context.Context, ev auth.Event) error
}

// Service judges proofs. It is safe for concurrent use.
type Service struct {
	Options
	proofs *dpop.Verifier
	nonces *dpop.Nonces
}

// New makes the service. The keyring must have its keys already.
func New(opts Options) (*Service, error) {
	s := &Service{Options: opts}
	var err error
	if s.nonces, err = dpop.NewNonces(s.secrets, opts.Now); err != nil {
		return nil, err
	}
	s.proofs, err = dpop.NewVerifier(dpop.Config{Nonces: s.nonces, Now: opts.Now})
	return s, err
}

// secrets are the keys that tag refresh tokens, under a name of their own: the
// one of now, and the one before, which another node may still use.
func (s *Service) secrets() [][]byte {
	number, current := s.Keys.CurrentTag()
	all := [][]byte{current}
	if before := s.Keys.Tag(number - 1); before != nil {
		all = append(all, before)
	}
	return all
}

// Algorithms lists what proofs may be signed with.
func Algorithms() []jwk.Algorithm { return dpop.Algorithms() }

// Nonce answers what the next proof has to repeat: the value of the header
// DPoP-Nonce.
func (s *Service) Nonce() string { return s.nonces.Current() }

// Request is a request with a proof.
type Request struct {
	Proof       string // of the DPoP header
	Method      string
	Path        string // of the endpoint, as it is mounted
	AccessToken string // what the proof came with, "" for none
}

// Judge checks a proof. "invalid_dpop_proof", or "use_dpop_nonce" where a proof
// is good but for the nonce.
func (s *Service) Judge(ctx context.Context, in Request) (*dpop.Proof, error) {
	proof, err := s.proofs.Verify(ctx, in.Proof, dpop.Request{
		Method: in.Method, URL: strings.TrimSuffix(s.Issuer, "/") + in.Path, AccessToken: in.AccessToken,
	})
	switch {
	case errors.Is(err, dpop.ErrNonce):
		return nil, &auth.Error{Code: auth.CodeUseNonce, Message: "Repeat the request with the nonce of the DPoP-Nonce header in the proof.", Err: err}
	case err != nil:
		return nil, Invalid(err)
	}
	return proof, nil
}

// Invalid is the answer to whatever is wrong with a proof.
func Invalid(cause error) error {
	return &auth.Error{Code: auth.CodeInvalidProof, Message: "The DPoP proof is missing, not valid, used before, or about another request.", Err: cause}
}

// owner is whose the proofs are among what may be used but once. It is no
// client's id, for it has a colon.
const owner = "dpop:"

// Use uses a proof up, for who is named in the audit. Of any number of calls in
// the fleet one gets nil.
func (s *Service) Use(ctx context.Context, proof *dpop.Proof, who, address string) error {
	fresh, err := s.Used.UseAssertion(ctx, owner, proof.Hash(), proof.Forget())
	if err != nil {
		return err
	}
	if fresh {
		return nil
	}
	return errors.Join(Invalid(dpop.ErrReplayed), s.Audit.Record(ctx, auth.Event{
		At: s.Now(), Actor: who, Action: "dpop.use", Target: proof.Thumbprint(), Address: address, Verdict: "refused", Reason: "replay"}))
}
