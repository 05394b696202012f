package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/internal/fetch"
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

// follower keeps an index up to date with an issuer's revocation log, by long
// polling. It counts as fresh while it holds every entry up to the head of an
// answer that came at most maxStale ago and whose time was about ours.
//
// The answers are believed because TLS says who sent them. Heads that the
// issuer signs, so that relays and caches need no trust, will be checked where
// apply compares the time.
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
	endpoint  string
	logID     string
	after     uint64 // all entries up to here are in
	complete  bool   // and that was the head
	nextPrune time.Time
	readyOnce sync.Once
}

func newFollower(i *issuer, cfg Config) *follower {
	return &follower{
		issuer: i, index: newIndex(), logger: cfg.Logger, now: cfg.Now,
		wait:     min(revlog.MaxWait, cfg.MaxStale/3).Truncate(time.Millisecond),
		maxStale: cfg.MaxStale,
		maxSkew:  max(cfg.Leeway, clockTolerance),
		ready:    make(chan struct{}),
		moved:    make(chan struct{}),
		endpoint: i.cfg.LogURL,
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
	failures := 0
	for ctx.Err() == nil {
		err := f.step(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			f.recovered(&failures)
			continue
		}
		failures++
		if failures == 1 {
			f.logger.Warn("revocations can't be followed", "issuer", f.issuer.cfg.URL, "error", err)
		}
		if failures%rediscoverAfter == 0 {
			f.endpoint = f.issuer.cfg.LogURL
		}
		if !sleep(ctx, max(backoff(failures, f.patience()), retryAfter(err))) {
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

func (f *follower) recovered(failures *int) {
	if *failures > 0 && f.complete {
		f.logger.Info("revocations can be followed again", "issuer", f.issuer.cfg.URL)
	}
	if f.complete {
		*failures = 0
	}
}

// step finds the log if need be and asks it once.
func (f *follower) step(ctx context.Context) error {
	if now := f.now(); now.After(f.nextPrune) {
		// A token is taken for as long as the leeway after its end.
		f.index.prune(now.Add(-f.maxSkew))
		f.nextPrune = now.Add(pruneEvery)
	}
	if f.endpoint != "" {
		return f.poll(ctx)
	}
	doc, err := f.issuer.discover(ctx)
	if err != nil {
		return err
	}
	if f.endpoint = doc.Revocations; f.endpoint != "" {
		f.unoffered.Store(false)
		return f.poll(ctx)
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

// poll asks for what comes after the last entry. Only a follower that is up to
// date lets the answer be held back: after an outage, requests are refused until
// there is one. If the server has no place for one
// more to wait, what there is can be had all the same: else whoever takes all the
// places would have this guard refuse everybody once the log is stale.
func (f *follower) poll(ctx context.Context) error {
	waits, asked := f.complete && f.isFresh(f.now()), time.Now()
	answer, err := f.ask(ctx, waits)
	if err == nil && waits && answer.Status == http.StatusServiceUnavailable {
		answer, err = f.ask(ctx, false)
	}
	if err != nil {
		return err
	}
	if answer.Status != http.StatusOK {
		return statusError{answer}
	}
	page, err := revlog.Decode(answer.Body)
	if err != nil {
		return err
	}
	if err := f.apply(page, f.now()); err != nil {
		return err
	}
	if early := time.Since(asked) < f.wait/2; early && waits && len(page.Entries) == 0 {
		sleep(ctx, min(time.Second, f.maxStale/4)) // a server that holds nothing back isn't to be asked without end
	}
	return nil
}

// ask sends one request, which the server may hold back for a while if waits.
func (f *follower) ask(ctx context.Context, waits bool) (*fetch.Answer, error) {
	timeout := fetch.Timeout
	query := url.Values{"after": {strconv.FormatUint(f.after, 10)}, "limit": {strconv.Itoa(revlog.MaxEntries)}}
	if waits {
		query.Set("wait", f.wait.String())
		timeout = f.wait + max(f.maxStale/3, time.Second)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := newRequest(ctx, http.MethodGet, f.endpoint, query, f.issuer.credentials)
	if err != nil {
		return nil, err
	}
	return f.issuer.client.Do(req, revlog.MaxBytes)
}

// apply takes a page over. Entries count even if the page makes nothing fresh:
// they can only refuse more.
func (f *follower) apply(page *revlog.Page, now time.Time) error {
	if f.logID != "" && page.Log != f.logID || page.Head < f.after {
		f.restart()
		return errOtherLog
	}
	last := page.Head
	if page.More {
		last = page.Entries[len(page.Entries)-1].Seq // Decode sees to it that there is one
		if last <= f.after {
			return errStuck
		}
	}
	f.logID = page.Log
	f.index.add(page.Entries)
	f.noteUnknown(page.Entries)
	f.after, f.complete = last, !page.More
	if !f.complete {
		return nil
	}
	err := f.freshen(page.Time, now)
	f.publish(last)
	if err == nil {
		f.readyOnce.Do(func() { close(f.ready) }) // last: who waits for it finds all the rest
	}
	return err
}

// freshen notes that every entry is in, if the log's clock is about ours.
func (f *follower) freshen(logTime int64, now time.Time) error {
	if now.Sub(time.Unix(logTime, 0)).Abs() > f.maxSkew {
		return errClock
	}
	f.fresh.Store(now.UnixNano())
	if !f.isFresh(now) {
		return errUnknown
	}
	return nil
}

// restart forgets where it was, and so isn't fresh, but keeps the entries: what
// was revoked in the log's earlier life stays so until it expires.
func (f *follower) restart() {
	f.logID, f.after, f.complete = "", 0, false
	f.fresh.Store(0)
	f.publish(0)
}

// noteUnknown remembers for how long there is a revocation in force that can't
// be applied because its kind isn't known here.
func (f *follower) noteUnknown(entries []revlog.Entry) {
	for _, e := range entries {
		if e.Kind.Known() || !e.Kind.Critical() {
			continue
		}
		until := e.Expiry
		if until == 0 {
			until = 1<<63 - 1
		}
		f.blind.Store(max(f.blind.Load(), until))
	}
}

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

// statusError is an answer of another status than 200.
type statusError struct{ answer *fetch.Answer }

func (e statusError) Error() string { return "revocation log: " + e.answer.StatusError().Error() }
func (e statusError) Unwrap() error { return e.answer.StatusError() }

// retryAfter is what the server asked for, within reason.
func retryAfter(err error) time.Duration {
	var status statusError
	if !errors.As(err, &status) {
		return 0
	}
	seconds, err := strconv.ParseUint(status.answer.Header.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, maxBackoff)
}

// newRequest is a request with a query added to what the address has, and with
// credentials where there are some (RFC 6749 section 2.3.1).
func newRequest(ctx context.Context, method, address string, query url.Values, c *Credentials) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, fetch.ErrAddress
	}
	all := req.URL.Query()
	for name, values := range query {
		all[name] = values
	}
	req.URL.RawQuery = all.Encode()
	req.Header.Set("Accept", "application/json")
	if c != nil {
		req.SetBasicAuth(url.QueryEscape(c.ClientID), url.QueryEscape(c.ClientSecret))
	}
	return req, nil
}
