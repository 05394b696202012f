// Package relay passes an issuer's revocation log on: it follows the log once,
// at the issuer or at another relay, and serves it to many.
//
// A relay needs no trust, and has no key. What it passes on are the issuer's
// signed heads, as they are, and the entries that they cover; verifiers have the
// keys that sign from the issuer itself. So a relay can fall silent, or behind,
// which verifiers notice by the time in the head, but can't have them believe
// anything. It checks that entries and heads belong together, lest it spread
// what every verifier would throw away, and asks nobody whether they are true.
//
// While its upstream is out of reach a relay goes on serving the last head that
// it has got, with its time: a verifier that comes by learns all that is known
// here, and counts as up to date for as long as that head allows.
package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/internal/fetch"
)

// Options are what a Relay is made of.
type Options struct {
	// Upstream is the address of the log: an issuer's writ_revocations_endpoint,
	// or another relay's. https, or http on loopback. Required.
	Upstream string
	// ClientID and ClientSecret are shown to the upstream, for a place among the
	// streams that strangers can't take. Optional, and to be left out if the
	// upstream isn't the issuer.
	ClientID, ClientSecret string

	Streams int // at once; default 10,000
	Polls   int // held back at once; default 1,000
	// MaxEntries bounds the memory, at 44 bytes each. A log with more isn't
	// passed on. Default 5,000,000.
	MaxEntries int

	Client *http.Client     // for the upstream; default http.DefaultTransport's
	Logger *slog.Logger     // default slog.Default()
	Now    func() time.Time // default time.Now
}

const (
	defaultStreams    = 10_000
	defaultPolls      = 1_000
	defaultMaxEntries = 5_000_000
)

// Relay follows and serves a log. It is safe for concurrent use.
type Relay struct {
	opts    Options
	client  *fetch.Client
	current atomic.Pointer[view] // nil: nothing has come yet
	stopped chan struct{}        // closed when streams and polls should end
	stop    sync.Once

	streams, polls places
	counts         counters
}

type counters struct {
	events, dropped, opened, failures atomic.Uint64
}

// New makes a relay. It does nothing until Run.
func New(opts Options) (*Relay, error) {
	if _, err := fetch.ParseURL(opts.Upstream); err != nil {
		return nil, fmt.Errorf("relay: upstream: %w", err)
	}
	if opts.Streams < 0 || opts.Polls < 0 || opts.MaxEntries < 0 {
		return nil, errors.New("relay: a limit is negative")
	}
	opts.Streams = or(opts.Streams, defaultStreams)
	opts.Polls = or(opts.Polls, defaultPolls)
	opts.MaxEntries = or(opts.MaxEntries, defaultMaxEntries)
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Relay{opts: opts, client: fetch.New(opts.Client), stopped: make(chan struct{})}, nil
}

func or(n, preset int) int {
	if n == 0 {
		return preset
	}
	return n
}

// Release ends all streams and answers all polls, so that a server can drain.
func (r *Relay) Release() { r.stop.Do(func() { close(r.stopped) }) }

// maxAge is how old a head may be of a relay that is ready: as old as guards
// accept one by default.
const maxAge = 30 * time.Second

var errNothing = errors.New("relay: nothing has come from the upstream yet")

// Ready reports whether what is served would make a verifier up to date.
func (r *Relay) Ready(context.Context) error {
	w := r.current.Load()
	if w == nil {
		return errNothing
	}
	if age := r.opts.Now().Sub(w.time()); age.Abs() > maxAge {
		return fmt.Errorf("relay: the newest head is of %v ago", age.Round(time.Second))
	}
	return nil
}

// Stats are counters since New and gauges of now.
type Stats struct {
	Log     string        // "": nothing has come yet
	Head    uint64        // its highest number
	Entries int           // held
	Age     time.Duration // of the newest head; -1: none

	Streams, Polls int    // now
	Events         uint64 // sent, to all streams together
	Dropped        uint64 // streams that were too slow
	Opened         uint64 // streams from the upstream
	Failures       uint64 // attempts to follow the upstream that failed
}

// Stats returns counters and gauges.
func (r *Relay) Stats() Stats {
	s := Stats{
		Age: -1, Streams: int(r.streams.taken.Load()), Polls: int(r.polls.taken.Load()),
		Events: r.counts.events.Load(), Dropped: r.counts.dropped.Load(),
		Opened: r.counts.opened.Load(), Failures: r.counts.failures.Load(),
	}
	if w := r.current.Load(); w != nil {
		s.Log, s.Head, s.Entries, s.Age = w.Head.Log, w.Head.Head, w.Window.Len(), r.opts.Now().Sub(w.time())
	}
	return s
}
