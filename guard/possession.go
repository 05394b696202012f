package guard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/writ-auth/writ/dpop"
	"github.com/writ-auth/writ/internal/fetch"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// DPoP says how proofs of possession are checked, which tokens with the claim
// cnf.jkt need: each request under the scheme DPoP has one, about its method,
// its address and its token, and signed by the key that the token is bound to.
type DPoP struct {
	// Origin is what stands before the path in the addresses that clients use:
	// "https://api.example.com", or "https://example.com/api" where a proxy takes
	// "/api" away. Behind a proxy that ends TLS it is needed. Headers such as
	// X-Forwarded-Proto are never looked at, for anybody may send them.
	//
	// Default: that of Config.Resource, and without one what the request says,
	// scheme of the connection and Host header. Host is the sender's to choose: an
	// API that shares its audience with others could then be shown a proof that
	// was made for one of them.
	Origin string
	// Required refuses tokens that are bound to no key, so that none is of use to
	// who steals it.
	Required bool
	// NonceSecrets, if there is one, demand of each proof a nonce that the guard
	// gave out in the last five minutes (DPoP-Nonce), so that proofs can't be
	// made ahead of time. The first makes nonces, all are taken; guards that
	// share them take each other's. Each of at least 16 random bytes, that are
	// used for nothing else. Clients that run in a browser need the header
	// exposed by your CORS answers.
	NonceSecrets [][]byte
	// MaxProofs bounds the memory for proofs that were used, each of which counts
	// once as long as it is good: some two minutes. When it is full, requests
	// with a proof get 503. Default dpop.DefaultMemory, a million. Each process
	// has its own memory: behind a balancer, whoever sees a proof on its way
	// could use it once more at every other process within those two minutes.
	MaxProofs int
}

func (cfg *DPoP) validate() error {
	if cfg.Origin != "" {
		u, err := url.Parse(cfg.Origin)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return fmt.Errorf("guard: Config.DPoP.Origin: %q is not of the form https://host[:port][/path]", cfg.Origin)
		}
	}
	if cfg.MaxProofs < 0 {
		return errors.New("guard: Config.DPoP.MaxProofs is negative")
	}
	return nil
}

// possession checks proofs.
type possession struct {
	bound    *jwt.Verifier[jwt.AccessClaims] // of tokens that need a proof
	proofs   *dpop.Verifier
	used     *dpop.Memory
	nonces   *dpop.Nonces // nil: none are demanded
	origin   string       // "": the request says it
	denyDPoP challenges
}

func newPossession(cfg Config) (p possession, err error) {
	p.origin = strings.TrimSuffix(cfg.DPoP.Origin, "/")
	if p.origin == "" && cfg.Resource != "" {
		u, err := fetch.ParseURL(cfg.Resource)
		if err != nil {
			return p, err
		}
		p.origin = u.Scheme + "://" + u.Host
	}
	if len(cfg.DPoP.NonceSecrets) > 0 {
		if p.nonces, err = dpop.NewNonces(func() [][]byte { return cfg.DPoP.NonceSecrets }, cfg.Now); err != nil {
			return p, fmt.Errorf("guard: Config.DPoP.NonceSecrets: %w", err)
		}
	}
	p.used = dpop.NewMemory(cfg.DPoP.MaxProofs, cfg.Now)
	p.denyDPoP = newChallenges(schemeDPoP, cfg.Resource)
	p.denyDPoP.start += `, algs="` + join(dpop.Algorithms()) + `"`
	p.proofs, err = dpop.NewVerifier(dpop.Config{Nonces: p.nonces, Extensions: cfg.Extensions, Now: cfg.Now})
	return p, err
}

func join(algorithms []jwk.Algorithm) string {
	var b strings.Builder
	for n, alg := range algorithms {
		if n > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(string(alg))
	}
	return b.String()
}

// boundTo returns the thumbprint of the key that a token is bound to. What a
// token is bound to besides, nobody here can check.
func boundTo(c *jwt.Confirmation) (string, error) {
	switch {
	case c == nil:
		return "", nil
	case c.JKT == "" || c.X5TS256 != "":
		return "", &jwt.Error{Reason: jwt.ErrClaim, Name: "cnf", Detail: "the token is bound to what nobody here checks"}
	}
	return c.JKT, nil
}

// checkPossession refuses a token that is bound to a key without the proof that
// its bearer has that key, and a token with a proof that isn't bound: whoever
// sent it thinks that it is (RFC 9449 section 7.2). It is called where one of
// the two is there, or demanded.
func (g *Guard) checkPossession(ctx context.Context, a *Access, c credential) error {
	switch {
	case a.jkt != "" && c.request == nil:
		return &jwt.Error{Reason: jwt.ErrClaim, Name: "cnf", Detail: "the token is bound to a key, and comes without a proof"}
	case c.request == nil:
		return fmt.Errorf("%w: only tokens that are bound to a key are taken", ErrProof)
	case a.jkt == "":
		return &jwt.Error{Reason: jwt.ErrClaim, Name: "cnf", Detail: "the token is bound to no key, and comes as if it were"}
	}
	return g.checkProof(ctx, a, c.request)
}

func (g *Guard) checkProof(ctx context.Context, a *Access, r *http.Request) error {
	text, err := dpop.FromHeader(r.Header)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	proof, err := g.proofs.Verify(ctx, text, dpop.Request{Method: r.Method, URL: g.address(r), AccessToken: a.raw})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	if proof.Thumbprint() != a.jkt {
		return fmt.Errorf("%w: signed by another key than the token is bound to", ErrProof)
	}
	switch err := g.used.Use(proof); {
	case errors.Is(err, dpop.ErrFull):
		return stale("too many proofs of possession at once")
	case err != nil:
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	return nil
}

// address is the request's as the client knows it. The path is that of the
// request line: a handler before this one may have cut something off URL.
func (g *Guard) address(r *http.Request) string {
	path := r.URL.EscapedPath()
	if strings.HasPrefix(r.RequestURI, "/") {
		path, _, _ = strings.Cut(r.RequestURI, "?")
	}
	switch {
	case g.origin != "":
		return g.origin + path
	case strings.ContainsAny(r.Host, "/\\?#@"):
		return "" // it would end elsewhere than where it seems to
	case r.TLS != nil:
		return "https://" + r.Host + path
	}
	return "http://" + r.Host + path
}

// nextNonce is what the next proof has to repeat, "" where none is demanded.
func (p *possession) nextNonce() string {
	if p.nonces == nil {
		return ""
	}
	return p.nonces.Current()
}

// unproven is what was wrong with a request under the scheme DPoP.
type unproven struct{ error }

func (u unproven) Unwrap() error { return u.error }

// blame notes which scheme the answer to an error has to be about.
func (c credential) blame(err error) error {
	if c.request == nil {
		return err
	}
	return unproven{err}
}

func (a *Access) blame(err error) error {
	if a.jkt == "" {
		return err
	}
	return unproven{err}
}

// challengesDPoP says whether a refusal names the scheme DPoP: to who has used
// it, and where nothing else is taken.
func (g *Guard) challengesDPoP(err error) bool {
	return g.cfg.DPoP.Required || errors.As(err, new(unproven))
}

// proofCode is the error code of RFC 9449 sections 7.1 and 9.
func proofCode(err error) string {
	if errors.Is(err, dpop.ErrNonce) {
		return "use_dpop_nonce"
	}
	return "invalid_dpop_proof"
}
