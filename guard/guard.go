package guard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/writ-auth/writ/internal/fetch"
	"github.com/writ-auth/writ/jwt"
)

// firstWait is how long after New a request may wait for keys and revocations
// to arrive for the first time. From then on a request that needs what isn't
// there is answered 503 at once.
const firstWait = 2 * time.Second

// Guard verifies access tokens. Make it with New; it is safe for concurrent
// use. The zero value refuses every request.
type Guard struct {
	cfg      Config
	issuers  []*issuer
	verifier *jwt.Verifier[jwt.AccessClaims] // of tokens that are good by themselves
	possession
	signed *signed // nil: no JWTs that clients have signed are taken
	public *publicPaths
	cache  *cache
	deny   challenges
	counts counters

	readers sync.Map // (*C)(nil) → what reads tokens as a C, for As

	started time.Time // real time, as waiting is
	cancel  context.CancelFunc
	running sync.WaitGroup // the goroutines of the issuers
}

// New returns a guard for the configured issuers. It waits for none of them: an
// API can start while its issuer is down, and answers 503 until it is up. From
// here on the guard fetches keys and follows revocation logs, until Close. The
// error names what is wrong with the configuration.
func New(cfg Config) (*Guard, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg = cfg.clone().withDefaults()
	public, err := newPublicPaths(cfg.Public)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	g := &Guard{
		cfg: cfg, public: public, cache: newCache(cfg.CacheBytes), deny: newChallenges(scheme, cfg.Resource),
		started: time.Now(), cancel: cancel,
	}
	if g.possession, err = newPossession(cfg); err != nil {
		cancel()
		return nil, err
	}
	if err := g.addIssuers(ctx); err != nil {
		cancel()
		return nil, err
	}
	for _, i := range g.issuers {
		i.start(ctx, &g.running)
	}
	return g, nil
}

func (g *Guard) addIssuers(ctx context.Context) error {
	client := fetch.New(g.cfg.Client)
	var verifiers, bound []*jwt.Verifier[jwt.AccessClaims]
	for n := range g.cfg.Issuers {
		i, err := newIssuer(ctx, g, &g.cfg.Issuers[n], client)
		if err != nil {
			return fmt.Errorf("guard: Config.Issuers[%d]: %w", n, err)
		}
		plain, err1 := i.verifier(g, false)
		withProof, err2 := i.verifier(g, true)
		var err3 error
		if i.cfg.ClientSigned != nil {
			g.signed, err3 = newSigned(g, i)
		}
		if err := errors.Join(err1, err2, err3); err != nil {
			return fmt.Errorf("guard: Config.Issuers[%d]: %w", n, err)
		}
		g.issuers, verifiers, bound = append(g.issuers, i), append(verifiers, plain), append(bound, withProof)
	}
	var err1, err2 error
	g.verifier, err1 = jwt.OneOf(verifiers...)
	g.bound, err2 = jwt.OneOf(bound...)
	return errors.Join(err1, err2)
}

// Close ends following and fetching and waits for what is under way. A guard
// that is closed goes on verifying until what it knows is out of date, so that
// requests under way can finish.
func (g *Guard) Close() error {
	if g.cancel == nil {
		return nil
	}
	g.cancel()
	var errs []error
	for _, i := range g.issuers {
		errs = append(errs, i.close())
	}
	g.running.Wait()
	if g.signed != nil {
		g.signed.book.close()
	}
	return errors.Join(errs...)
}

// Ready waits until the guard has the keys of every issuer and is up to date
// with every revocation log that it follows, or until ctx is done. A guard that
// New has not made is never ready.
func (g *Guard) Ready(ctx context.Context) error {
	if g.verifier == nil {
		return errors.New("guard: not made by New")
	}
	for _, i := range g.issuers {
		if err := i.ready(ctx); err != nil {
			return fmt.Errorf("guard: waiting for %s: %w", i.cfg.URL, err)
		}
	}
	return nil
}

// Synced waits until the guard has applied an issuer's revocations up to the
// number seq, as the call that revoked something returned it, or until ctx is
// done or the guard closed. It is an error if the guard doesn't follow that issuer.
func (g *Guard) Synced(ctx context.Context, issuer string, seq uint64) error {
	for _, i := range g.issuers {
		if i.cfg.URL == issuer && i.log != nil {
			return i.log.synced(ctx, seq)
		}
	}
	return fmt.Errorf("guard: revocations of %q are not followed", issuer)
}

// Verify decides about a token that came some other way than in an HTTP
// request: a queue, gRPC, a WebSocket message. All rules must hold. The error
// is a *Refusal. A token that is bound to a key by cnf is refused: the proof is
// not here.
func (g *Guard) Verify(ctx context.Context, token string, rules ...Rule) (*Access, error) {
	return g.decide(ctx, credential{token: token}, rules)
}

// decide decides about a token, and counts it.
func (g *Guard) decide(ctx context.Context, c credential, rules []Rule) (*Access, error) {
	if g.verifier == nil {
		return nil, g.refused(&jwt.Error{Reason: jwt.ErrKey, Detail: "guard not made by New"}, rules)
	}
	now := g.cfg.Now()
	a := g.known(ctx, c.token, now)
	known := a != nil
	if !known {
		var err error
		if a, err = g.verify(ctx, c); err != nil {
			return nil, g.refused(c.blame(err), rules)
		}
	}
	var err error
	if a.jkt != "" || c.request != nil || g.cfg.DPoP.Required {
		err = g.checkPossession(ctx, a, c)
	}
	if err == nil {
		err = a.check(ctx, now, rules)
	}
	if err != nil {
		if known {
			g.counts.knownRefused.Add(1)
		}
		return nil, g.refused(c.blame(err), rules)
	}
	g.counts.accept(known)
	return a, nil
}

// check checks what may be otherwise at each request with a token.
func (a *Access) check(ctx context.Context, now time.Time, rules []Rule) error {
	if err := a.checkRevoked(ctx, now, rules); err != nil {
		return err
	}
	return checkRules(question{ctx, a, now}, rules)
}

// known returns the access of a token that was verified before, nil if it wasn't
// or that is of no use any more.
func (g *Guard) known(ctx context.Context, token string, now time.Time) *Access {
	a := g.cache.get(token)
	if a == nil || a.current(ctx, now) {
		return a
	}
	g.cache.remove(a)
	return nil
}

// verify returns the access of a token that the cache hasn't got.
func (g *Guard) verify(ctx context.Context, c credential) (*Access, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if g.signed != nil && c.request == nil {
		if u, err := jwt.DecodeUnverified(c.token); err == nil && g.signed.takes(u) {
			return g.signed.verify(ctx, g, c.token, u)
		}
	}
	by := new(capture)
	verifier := g.verifier
	if c.request != nil {
		verifier = g.bound
	}
	verified, err := verifier.Verify(context.WithValue(ctx, captureKey{}, by), c.token)
	if err != nil {
		return nil, err
	}
	a, err := newAccess(g, strings.Clone(c.token), verified, by) // a part of a header line would keep the whole
	if err != nil {
		return nil, err
	}
	g.cache.add(a)
	return a, nil
}

// Check decides about a request and writes nothing: for frameworks with their
// own middleware. The error is a *Refusal, to be given to Refuse. Access is nil
// without an error for a request that Config.Public lets pass, which it never
// does where there are rules.
//
// A token that is bound to a key needs a proof of possession (RFC 9449) in the
// request, which counts once: a second Check of the same request refuses it,
// unless NewContext has put the first one's Access into its context. With that, a
// Check looks at the rules alone, and not whether the token has ended meanwhile.
func (g *Guard) Check(r *http.Request, rules ...Rule) (*Access, error) {
	a, _, err := g.check(r, rules)
	return a, err
}

// check is Check; inside says that a is that of an outer handler of this guard.
func (g *Guard) check(r *http.Request, rules []Rule) (a *Access, inside bool, err error) {
	ctx := r.Context()
	if a := From(ctx); a != nil && a.guard == g {
		if err := g.recheck(ctx, a, rules); err != nil {
			return nil, true, g.refused(a.blame(err), rules)
		}
		return a, true, nil
	}
	if g.public != nil && !demanding(rules) && g.public.match(r) {
		return nil, false, nil
	}
	c, err := g.credential(r)
	if err != nil {
		return nil, false, g.refused(c.blame(err), rules)
	}
	a, err = g.decide(ctx, c, rules)
	return a, false, err
}

// recheck checks the rules of a handler inside another one of the same guard.
// The token has been verified; what the inner handler says of revocations can
// only be stricter than what let it come this far.
func (g *Guard) recheck(ctx context.Context, a *Access, rules []Rule) error {
	now := g.cfg.Now()
	if slices.ContainsFunc(rules, Rule.aboutLog) {
		if err := a.checkRevoked(ctx, now, rules); err != nil {
			return err
		}
	}
	return checkRules(question{ctx, a, now}, rules)
}
