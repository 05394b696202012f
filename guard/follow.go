package guard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
)

const (
	pruneEvery      = time.Minute
	askAgainEvery   = 10 * time.Minute // whether a log is offered by now
	rediscoverAfter = 3                // failures in a row
	clockTolerance  = 5 * time.Second  // allowed whatever the leeway: the log's time is in whole seconds and has travelled
)

var (
	errOtherLog = errors.New("revocation log: another log, or one that was set back: loading it from the start")
	errStuck    = errors.New("revocation log: the answer doesn't go on where the last one ended")
	errClock    = errors.New("revocation log: its clock and ours are too far apart")
	errUnknown  = errors.New("revocation log: an entry of an unknown critical kind")
)

// follower keeps an index up to date with an issuer's revocation log, by a
// stream of events or by long polling. It counts as fresh while it holds every
// entry up to the head of an answer that came at most maxStale ago and whose
// time was about ours.
//
// Where the issuer has log keys, heads are signed and relays and caches need no
// trust; see proof.go. Else answers are believed because TLS says who sent them.
type follower struct {
	issuer   *issuer
	index    *index
	logger   *slog.Logger
	now      func() time.Time
	wait     time.Duration // how long an answer may be held back
	maxStale time.Duration
	maxSkew  time.Duration

	fresh     atomic.Int64  // unix nanoseconds of the last answer that made it fresh; 0: never
	blind     atomic.Int64  // unix seconds until which an entry of an unknown critical kind is in force
	unoffered atomic.Bool   // the issuer has no log
	ready     chan struct{} // closed when it is fresh, or unoffered, for the first time

	mu      sync.Mutex
	applied uint64        // the number up to which entries are applied
	moved   chan struct{} // closed, and replaced, when applied moves

	// These belong to run.
	endpoint  string   // "" until it is found
	keys      *logKeys // nil: TLS alone says whose answers these are
	logID     string
	after     uint64   // all entries up to here are in, or staged
	complete  bool     // and that was the head
	position  position // of a signed log
	streams   streams
	failures  int // in a row
	nextPrune time.Time
	readyOnce sync.Once
	cfg       Config
}

func newFollower(i *issuer, cfg Config) *follower {
	return &follower{
		issuer: i, index: newIndex(), logger: cfg.Logger, now: cfg.Now,
		wait:     min(revlog.MaxWait, cfg.MaxStale/3).Truncate(time.Millisecond),
		maxStale: cfg.MaxStale,
		maxSkew:  max(cfg.Leeway, clockTolerance),
		ready:    make(chan struct{}),
		moved:    make(chan struct{}),
		cfg:      cfg,
	}
}

// isFresh reports whether the log's silence about a token means anything.
func (f *follower) isFresh(now time.Time) bool {
	last, nanoseconds := f.fresh.Load(), now.UnixNano()
	age := time.Duration(nanoseconds - last)
	// An age below zero is a clock that was set back: of no use either.
	return last != 0 && age <= f.maxStale && age >= -f.maxSkew && nanoseconds/int64(time.Second) > f.blind.Load()
}

// run follows until ctx is done.
func (f *follower) run(ctx context.Context) {
	defer func() { f.keys.close() }()
	for ctx.Err() == nil {
		err := f.step(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			f.recovered()
			continue
		}
		f.failures++
		if f.failures == 1 {
			f.logger.Warn("revocations can't be followed", "issuer", f.issuer.cfg.URL, "error", err)
		}
		if f.failures%rediscoverAfter == 0 {
			f.endpoint = ""
		}
		if !sleep(ctx, max(backoff(f.failures, f.patience()), retryAfter(err))) {
			return
		}
	}
}

// patience is the longest time between two attempts. While the log is fresh
// still, an answer soon enough means that nobody has noticed anything.
func (f *follower) patience() time.Duration {
	if f.isFresh(f.now()) {
		return min(maxBackoff, f.maxStale/8)
	}
	return maxBackoff
}

func (f *follower) recovered() {
	if f.failures > 0 && f.complete {
		f.logger.Info("revocations can be followed again", "issuer", f.issuer.cfg.URL)
	}
	if f.complete {
		f.failures = 0
	}
}

// step finds the log if need be and asks it once, or follows a stream of it to
// its end.
func (f *follower) step(ctx context.Context) error {
	f.prune()
	if f.endpoint == "" {
		if err := f.locate(ctx); err != nil {
			return err
		}
	}
	if f.endpoint != "" {
		f.unoffered.Store(false)
		return f.ask(ctx)
	}
	// A log that was offered once doesn't vanish: then revocations are out of
	// reach, not unknown to this issuer.
	if f.issuer.cfg.Revocation == Follow || f.logID != "" {
		return fmt.Errorf("revocation log: %w", errNoEndpoint)
	}
	f.unoffered.Store(true)
	f.readyOnce.Do(func() { close(f.ready) })
	sleep(ctx, askAgainEvery)
	return nil
}

// prune drops what has expired, from time to time. A token is taken for as long
// as the leeway after its end.
func (f *follower) prune() {
	if now := f.now(); now.After(f.nextPrune) {
		f.index.prune(now.Add(-f.maxSkew))
		f.nextPrune = now.Add(pruneEvery)
	}
}

// locate finds out where the log and its keys are. What the configuration names
// counts before what the issuer's document names; with keys of the configuration
// there may be no document.
func (f *follower) locate(ctx context.Context) error {
	endpoint, keys := f.issuer.cfg.LogURL, f.issuer.cfg.LogKeysURL
	if f.issuer.cfg.Keys == nil {
		doc, err := f.issuer.discover(ctx)
		if err != nil {
			return err
		}
		endpoint, keys = cmp.Or(endpoint, doc.Revocations), cmp.Or(keys, doc.LogKeys)
	}
	if err := f.useKeys(keys); err != nil {
		return err
	}
	f.endpoint = endpoint
	return nil
}

// useKeys makes heads count that keys at an address have signed. "" means that
// the issuer signs nothing.
func (f *follower) useKeys(address string) error {
	if f.keys == nil && address == "" || f.keys != nil && f.keys.address == address {
		return nil
	}
	var keys *logKeys
	if address != "" {
		var err error
		if keys, err = newLogKeys(address, f.cfg); err != nil {
			return err
		}
	}
	f.keys.close()
	f.keys = keys
	if f.logID != "" {
		f.restart() // what is in was believed for another reason
	}
	return nil
}

// apply takes a page over.
func (f *follower) apply(ctx context.Context, page *revlog.Page) error {
	if f.keys != nil {
		return f.applySigned(ctx, page, f.now())
	}
	return f.applyUnsigned(page, f.now())
}

// applyUnsigned takes over a page that TLS vouches for. Entries count even if
// the page makes nothing fresh: they can only refuse more.
func (f *follower) applyUnsigned(page *revlog.Page, now time.Time) error {
	if f.logID != "" && page.Log != f.logID || page.Head < f.after {
		f.restart()
		return errOtherLog
	}
	last := page.Last()
	if page.More && last <= f.after {
		return errStuck
	}
	f.logID = page.Log
	f.index.add(page.Entries)
	f.noteUnknown(blindUntil(page.Entries))
	f.after, f.complete = last, !page.More
	if !f.complete {
		return nil
	}
	if now.Sub(time.Unix(page.Time, 0)).Abs() > f.maxSkew {
		f.publish(last)
		return errClock
	}
	return f.upToDate(last, now, now)
}

// upToDate notes that every entry up to a number is in, as of a time.
func (f *follower) upToDate(seq uint64, at, now time.Time) error {
	f.fresh.Store(at.UnixNano())
	f.publish(seq)
	if !f.isFresh(now) {
		return errUnknown
	}
	f.readyOnce.Do(func() { close(f.ready) }) // last: who waits for it finds all the rest
	return nil
}

// restart forgets where it was, and so isn't fresh, but keeps the entries: what
// was revoked in the log's earlier life stays so until it expires.
func (f *follower) restart() {
	f.logID, f.after, f.complete = "", 0, false
	f.position = position{timeMS: f.position.timeMS} // time doesn't go back with the log
	f.fresh.Store(0)
	f.publish(0)
}

// blindUntil answers until when entries have a revocation in force that can't
// be applied because its kind isn't known here, in unix seconds; 0: none has.
func blindUntil(entries []revlog.Entry) (until int64) {
	for _, e := range entries {
		switch {
		case e.Kind.Known() || !e.Kind.Critical():
		case e.Expiry == 0:
			until = math.MaxInt64
		default:
			until = max(until, e.Expiry)
		}
	}
	return until
}

func (f *follower) noteUnknown(until int64) { f.blind.Store(max(f.blind.Load(), until)) }

// publish tells those who wait for a number.
func (f *follower) publish(applied uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if applied == f.applied {
		return
	}
	f.applied = applied
	close(f.moved)
	f.moved = make(chan struct{})
}

func (f *follower) synced(ctx context.Context, seq uint64) error {
	for {
		f.mu.Lock()
		applied, moved := f.applied, f.moved
		f.mu.Unlock()
		if applied >= seq {
			return nil
		}
		if err := receive(ctx, moved); err != nil {
			return fmt.Errorf("guard: revocations are applied up to %d, not %d: %w", applied, seq, err)
		}
	}
}
