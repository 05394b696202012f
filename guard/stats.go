package guard

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/jwt"
)

// Stats are counters since New and gauges of now, to be exported as you like.
type Stats struct {
	Accepted  uint64            // tokens that were found good, and met the rules they were checked with
	CacheHits uint64            // of all tokens, those that had been verified before
	Refused   map[string]uint64 // by reason; every reason is there

	CacheEntries int
	CacheBytes   int // an estimate; at most Config.CacheBytes

	KeysAge       time.Duration // the largest of Issuers
	RevocationLag time.Duration // the largest of Issuers
	Issuers       []IssuerStats
}

// IssuerStats are the gauges of one issuer.
type IssuerStats struct {
	URL  string
	Keys int // fetched; 0 where Issuer.Keys was given
	// KeysAge is the time since the keys were fetched; -1 where they never were.
	KeysAge time.Duration

	Followed bool   // there is a revocation log to follow
	Fresh    bool   // and it is up to date
	Revoked  int    // entries in force
	Sequence uint64 // the number up to which entries are applied
	Head     uint64 // the highest number that the issuer was heard to have published
	// RevocationLag is the age of what is known: the time since the log was last
	// known to be up to date, about a second at most while a stream is open. -1
	// where it never was.
	RevocationLag time.Duration
	// HeadDelay is how long the last answer was under way, by the clocks of the
	// issuer and of this machine: to the millisecond where the log is signed,
	// else to the second. -1 where none has come.
	HeadDelay time.Duration

	Reconnects uint64 // streams that were opened after the first
	Failures   uint64 // attempts to follow that failed
	// Acknowledged counts the acknowledgements that the issuer has taken,
	// AckFailures those that it hasn't. Without Credentials none is sent.
	Acknowledged, AckFailures uint64
}

// reason is why requests were refused, as Stats calls it.
type reason struct {
	name string
	err  error
}

// reasons returns every reason in the order in which they are looked for.
func reasons() [numReasons]reason {
	return [...]reason{
		{"no_token", ErrNoToken}, {"bad_request", ErrBadRequest}, {"cross_site", ErrCrossSite},
		{"revoked", ErrRevoked}, {"replayed", ErrReplayed}, {"proof", ErrProof}, {"step_up", ErrStepUp}, {"forbidden", ErrForbidden},
		{"unavailable", jwt.ErrUnavailable}, {"too_large", jwt.ErrTooLarge}, {"malformed", jwt.ErrMalformed},
		{"header", jwt.ErrHeader}, {"type", jwt.ErrType}, {"key", jwt.ErrKey}, {"signature", jwt.ErrSignature},
		{"claim", jwt.ErrClaim}, {"issuer", jwt.ErrIssuer}, {"audience", jwt.ErrAudience},
		{"expired", jwt.ErrExpired}, {"not_yet_valid", jwt.ErrNotYetValid}, {"other", nil},
	}
}

const numReasons = 21

// counters count each request once.
type counters struct {
	refused       [numReasons]atomic.Uint64
	knownRefused  atomic.Uint64 // of tokens verified before
	newAccepted   atomic.Uint64 // of tokens verified just now
	knownAccepted tally         // of tokens verified before: nearly all
}

// accept counts a token that was found good.
func (c *counters) accept(known bool) {
	if known {
		c.knownAccepted.add()
		return
	}
	c.newAccepted.Add(1)
}

func (c *counters) refuse(err error) {
	for n, r := range reasons() {
		if r.err == nil || errors.Is(err, r.err) {
			c.refused[n].Add(1)
			return
		}
	}
}

// Stats returns counters and gauges.
func (g *Guard) Stats() Stats {
	known := g.counts.knownAccepted.load()
	s := Stats{
		Accepted: g.counts.newAccepted.Load() + known, CacheHits: g.counts.knownRefused.Load() + known,
		Refused: make(map[string]uint64, numReasons),
	}
	for n, r := range reasons() {
		s.Refused[r.name] = g.counts.refused[n].Load()
	}
	s.CacheEntries, s.CacheBytes = g.cache.usage()
	for _, i := range g.issuers {
		stats := i.stats()
		s.Issuers = append(s.Issuers, stats)
		s.KeysAge = max(s.KeysAge, stats.KeysAge)
		s.RevocationLag = max(s.RevocationLag, stats.RevocationLag)
	}
	return s
}

func (i *issuer) stats() IssuerStats {
	now := i.now()
	s := IssuerStats{URL: i.cfg.URL, KeysAge: -1, RevocationLag: -1, HeadDelay: -1}
	if i.remote != nil {
		if set := i.remote.Set(); set != nil {
			s.KeysAge = now.Sub(i.remote.Fetched())
			for range set.All() {
				s.Keys++
			}
		}
	}
	if f := i.log; f != nil && !f.unoffered.Load() {
		f.stats(now, &s)
	}
	return s
}

func (f *follower) stats(now time.Time, s *IssuerStats) {
	s.Followed, s.Fresh, s.Revoked, s.Head = true, f.isFresh(now), f.index.len(), f.head.Load()
	if last := f.lastFresh.Load(); last != 0 {
		s.RevocationLag = now.Sub(time.Unix(0, last))
	}
	if s.Head != 0 || s.RevocationLag >= 0 {
		s.HeadDelay = time.Duration(f.delay.Load())
	}
	s.Failures = f.allFailures.Load()
	if opened := f.opened.Load(); opened > 0 {
		s.Reconnects = opened - 1
	}
	if f.acks != nil {
		s.Acknowledged, s.AckFailures = f.acks.sent.Load(), f.acks.failed.Load()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s.Sequence = f.applied
}
