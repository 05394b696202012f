package guard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
)

const (
	pruneEvery      = time.Minute
	askAgainEvery   = 10 * time.Minute // whether a log is offered by now
	lookEvery       = time.Minute      // whether an issuer has log keys that didn't, when its log is signed
	renewEvery      = 5 * time.Second  // keys, at most, because of another log
	rediscoverAfter = 3                // failures in a row
	clockTolerance  = 5 * time.Second  // allowed whatever the leeway: the log's time is in whole seconds and has travelled
)

var (
	errOtherLog = errors.New("revocation log: another log, or one that was set back: loading it from the start")
	errStuck    = errors.New("revocation log: the answer doesn't go on where the last one ended")
	errClock    = errors.New("revocation log: its clock and ours are too far apart")
	errUnknown  = errors.New("revocation log: an entry of an unknown critical kind")
	errGone     = errors.New("the guard was closed")
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
	acks      *acks         // nil: none
	ready     chan struct{} // closed when it is fresh, or unoffered, for the first time

	renew chan struct{} // holds one when keys should be fetched

	// For Stats.
	lastFresh   atomic.Int64  // as fresh, and never set back
	head        atomic.Uint64 // the highest number that was ever heard of
	delay       atomic.Int64  // nanoseconds that the last head was under way
	opened      atomic.Uint64 // streams
	allFailures atomic.Uint64

	mu      sync.Mutex
	applied uint64        // the number up to which entries are applied
	moved   chan struct{} // closed, and replaced, when applied moves
	gone    chan struct{} // closed when nobody follows any more

	refreshed uint64      // how often it was made fresh
	overdue   *time.Timer // after the last time

	// These belong to run.
	endpoint  string   // "" until it is found
	own       bool     // it is the issuer's own, which may see credentials
	ackURL    string   // where to acknowledge; "" if nowhere
	keys      *logKeys // nil: TLS alone says whose answers these are
	logID     string
	lastLog   string    // the logID before, while there is none
	nextLook  time.Time // for keys
	after     uint64    // all entries up to here are in, or staged
	complete  bool      // and that was the head
	position  position  // of a signed log
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
		acks:     newAcks(i),
		ready:    make(chan struct{}),
		moved:    make(chan struct{}),
		gone:     make(chan struct{}),
		renew:    make(chan struct{}, 1),
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
	defer close(f.gone)
	defer func() { f.keys.close() }()
	var besides sync.WaitGroup
	defer besides.Wait()
	if f.acks != nil {
		besides.Go(func() { f.acks.run(ctx) })
	}
	if f.issuer.remote != nil {
		besides.Go(func() { f.renewKeys(ctx) })
	}
	for ctx.Err() == nil {
		err := f.step(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil || errors.Is(err, errSigned) {
			f.recovered()
			continue
		}
		f.failures++
		f.allFailures.Add(1)
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
// as the leeway after its end. What has expired the issuer's time says, too: a
// clock that is ahead for a minute would else have forgotten, once it is right
// again, what is revoked.
func (f *follower) prune() {
	now := f.now()
	if !now.After(f.nextPrune) && f.nextPrune.Sub(now) <= pruneEvery {
		return
	}
	f.nextPrune = now.Add(pruneEvery)
	if known := f.lastFresh.Load(); known != 0 {
		f.index.prune(earlier(now, time.Unix(0, known)).Add(-f.maxSkew))
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
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
		f.ackURL = doc.LogAck
	}
	if _, err := f.useKeys(keys); err != nil {
		return err
	}
	f.endpoint, f.own = endpoint, f.issuer.cfg.LogURL == "" || f.issuer.owns(endpoint)
	return nil
}

// useKeys makes heads count that keys at an address have signed, and reports
// whether that is a change. "" means that the issuer signs nothing.
func (f *follower) useKeys(address string) (changed bool, err error) {
	if f.keys == nil && address == "" || f.keys != nil && f.keys.address == address {
		return false, nil
	}
	var keys *logKeys
	if address != "" {
		if keys, err = newLogKeys(address, f.cfg); err != nil {
			return false, err
		}
	}
	f.keys.close()
	f.keys = keys
	f.forget() // what is in was believed for another reason, and for a while still is
	return true, nil
}

// errSigned says that the issuer signs its log by now. It is no failure.
var errSigned = errors.New("revocation log: signed from now on")

// lookForKeys finds out why a log that was believed for TLS has signatures: its
// issuer has been brought up to date. An issuer that can't be asked is asked
// again later; its log is believed meanwhile for the reason that it was.
func (f *follower) lookForKeys(ctx context.Context) error {
	now := f.now()
	if f.issuer.cfg.Keys != nil || now.Before(f.nextLook) {
		return nil
	}
	f.nextLook = now.Add(lookEvery)
	doc, err := f.issuer.discover(ctx)
	if err != nil {
		return nil // following goes on
	}
	f.ackURL = doc.LogAck
	if changed, err := f.useKeys(cmp.Or(f.issuer.cfg.LogKeysURL, doc.LogKeys)); err != nil || !changed {
		return err
	}
	return errSigned
}

// apply takes a page over.
func (f *follower) apply(ctx context.Context, page *revlog.Page) error {
	if f.keys == nil && page.Proof != nil {
		if err := f.lookForKeys(ctx); err != nil {
			return err
		}
	}
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
	f.begun(page)
	f.index.add(page.Entries)
	f.noteUnknown(blindUntil(page.Entries))
	f.after, f.complete = last, !page.More
	if !f.complete {
		return nil
	}
	f.delay.Store(int64(now.Sub(time.Unix(page.Time, 0))))
	if now.Sub(time.Unix(page.Time, 0)).Abs() > f.maxSkew {
		f.publish(last)
		return errClock
	}
	return f.upToDate(last, now, now)
}

// upToDate notes that every entry up to a number is in, as of a time.
func (f *follower) upToDate(seq uint64, at, now time.Time) error {
	f.refresh(at, now)
	f.publish(seq)
	if !f.isFresh(now) {
		return errUnknown
	}
	f.readyOnce.Do(func() { close(f.ready) }) // last: who waits for it finds all the rest
	return nil
}

// overdueAfter is how much later than MaxStale a state is forgotten by the
// machine's count: a process that was stopped for long gets its answers first.
const overdueAfter = time.Second

// refresh makes the log fresh as of a time. The clock alone doesn't say for how
// long: set back, it would pass that time once more, and an old state with it.
// So that ends by the machine's own count of time as well.
func (f *follower) refresh(at, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fresh.Store(at.UnixNano())
	f.lastFresh.Store(at.UnixNano())
	f.refreshed++
	this := f.refreshed
	if f.overdue != nil {
		f.overdue.Stop()
	}
	f.overdue = time.AfterFunc(f.maxStale-now.Sub(at), func() {
		time.AfterFunc(overdueAfter, func() { f.end(this) })
	})
}

// end makes the log stale if it wasn't refreshed again.
func (f *follower) end(refreshed uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refreshed == refreshed {
		f.fresh.Store(0)
	}
}

// restart forgets where it was, and so isn't fresh, but keeps the entries: what
// was revoked in the log's earlier life stays so until it expires.
func (f *follower) restart() {
	f.forget()
	f.fresh.Store(0)
	f.publish(0)
}

// forget has the log loaded from its beginning. What it has made fresh stays so
// for as long as it would have without an answer.
func (f *follower) forget() {
	f.logID, f.after, f.complete = "", 0, false
	f.position = position{timeMS: f.position.timeMS} // time doesn't go back with the log
}

// begun takes down which log a page belongs to that has proved good.
func (f *follower) begun(page *revlog.Page) {
	f.logID = page.Log
	f.head.Store(page.Head)
	if f.lastLog != "" && f.lastLog != page.Log || f.complete && slices.ContainsFunc(page.Entries, ofKey) {
		select {
		case f.renew <- struct{}{}:
		default: // somebody is about to
		}
	}
	f.lastLog = page.Log
}

// ofKey says whether an entry revokes a key. Whoever revoked it has made another.
func ofKey(e revlog.Entry) bool { return e.Kind == revlog.Key }

// renewKeys fetches the keys when one was revoked, or when there is another log: it
// is that of a restored server, whose signing keys are new. A token that names one
// of them would else be refused if another unknown name has been asked about a
// moment ago.
func (f *follower) renewKeys(ctx context.Context) {
	for {
		select {
		case <-f.renew:
		case <-ctx.Done():
			return
		}
		since := f.now()
		for failures := 1; ; failures++ {
			err := f.issuer.remote.Refresh(ctx)
			if err == nil && !f.issuer.remote.Fetched().Before(since) {
				break // a fetch that was under way may have brought the old ones
			}
			if err != nil && !sleep(ctx, backoff(failures, maxBackoff)) {
				return
			}
		}
		if !sleep(ctx, renewEvery) {
			return
		}
	}
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

// reaches waits a little until every entry up to a number is applied.
func (f *follower) reaches(ctx context.Context, seq uint64) bool {
	ctx, cancel := context.WithTimeout(ctx, firstWait)
	defer cancel()
	return f.synced(ctx, seq) == nil
}

func (f *follower) synced(ctx context.Context, seq uint64) error {
	for {
		f.mu.Lock()
		applied, moved := f.applied, f.moved
		f.mu.Unlock()
		if applied >= seq {
			return nil
		}
		var err error
		select {
		case <-moved:
			continue
		case <-f.gone:
			err = errGone
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		return fmt.Errorf("guard: revocations are applied up to %d, not %d: %w", applied, seq, err)
	}
}
