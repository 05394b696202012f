// Package denylist keeps a copy of the revocation log in Redis or Valkey, for
// verifiers that have a Redis at hand and no library that follows the log: they
// ask for all identifiers of a token in one round trip (examples/redis-denylist).
//
// The list is one hash, so that Redis loses all of it or nothing: an eviction, a
// flush or a replica that was promoted too early must not leave a list with a
// hole that looks whole. Its field "head" says of which log it is, up to which
// number it goes and when that was all there was:
//
//	HMGET writ:revoked:<issuer> head <name> <name> …
//
// A name is that of the log (package revlog): base64url of the first half of
// SHA-256(kind ‖ 0x00 ‖ id). It names nobody. Its value is the unix time until
// which it counts, 0 for ever. Whoever finds no head, or one that is older than
// some seconds, can't know, and refuses.
package denylist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
)

// Key is where the list of an issuer is. Several issuers may share a Redis.
func Key(issuer string) string { return "writ:revoked:" + issuer }

// Heartbeat is how often head is renewed at least.
const Heartbeat = time.Second

const (
	retryEvery = time.Second
	chunk      = 1000 // entries in one call; Redis does nothing else for about a millisecond
	pageSize   = 5000
)

// Conn is a connection to Redis.
type Conn interface {
	Do(command string, args ...any) (reply any, err error)
	Close() error
}

// Log is the published revocation log.
type Log interface {
	// Page answers the entries after a number; if there are none it waits.
	Page(ctx context.Context, after uint64, limit int, wait time.Duration) (revlog.Page, error)
}

// Options are what a Service is made of; every field is required.
type Options struct {
	Issuer string
	Dial   func(ctx context.Context) (Conn, error)
	Log    Log
	Logger *slog.Logger
}

// Service writes the list.
type Service struct{ Options }

// New makes the service; Run does its work.
func New(opts Options) *Service { return &Service{opts} }

// errLog says that the log can't be read: nothing that Redis could help.
var errLog = errors.New("denylist: the log can't be read")

// Run keeps the list current until ctx ends. Every node of a fleet may: what one
// has written already the others write again, and it makes no difference. While
// Redis or the log can't be reached head grows old, by which readers know.
func (s *Service) Run(ctx context.Context) {
	failing := false
	for ctx.Err() == nil {
		err := s.follow(ctx, func() {
			if failing {
				s.Logger.Info("the denylist in Redis is current again")
			}
			failing = false
		})
		if ctx.Err() == nil && !failing && !errors.Is(err, errLog) {
			s.Logger.Warn("the denylist in Redis can't be kept current: its readers refuse tokens until it is", "error", err)
			failing = true
		}
		pause(ctx, retryEvery)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// follow writes until something fails; current is called whenever the list is.
func (s *Service) follow(ctx context.Context, current func()) error {
	conn, err := s.Dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	w := &writer{conn: conn, key: Key(s.Issuer)}
	log, after, err := w.head()
	for err == nil {
		var page revlog.Page
		if page, err = s.page(ctx, after, Heartbeat); err != nil {
			return err
		}
		whole := page.Log == log && page.Head >= after
		if whole {
			whole, err = w.extend(after, page)
		}
		if err == nil && !whole {
			page, err = s.load(ctx, w)
		}
		if err == nil {
			log, after = page.Log, page.Last()
			err = w.sweep(page.Time)
		}
		if err == nil && !page.More {
			current()
		}
	}
	return err
}

func (s *Service) page(ctx context.Context, after uint64, wait time.Duration) (revlog.Page, error) {
	page, err := s.Log.Page(ctx, after, pageSize, wait)
	if err != nil {
		return page, fmt.Errorf("%w: %w", errLog, err)
	}
	return page, nil
}

// load writes all that is alive, and then says so; it answers the last page.
func (s *Service) load(ctx context.Context, w *writer) (page revlog.Page, err error) {
	load := auth.Random128()
	for log, after := "", uint64(0); ; after = page.Last() {
		if page, err = s.page(ctx, after, 0); err != nil {
			return page, err
		}
		if log == "" {
			log = page.Log
			if err := w.begin(load, page.Time); err != nil {
				return page, err
			}
		}
		if page.Log != log {
			return page, errors.New("denylist: the log was replaced while it was read")
		}
		if whole, err := w.add(load, page); err != nil || !page.More {
			if err == nil && !whole {
				err = errors.New("denylist: Redis lost the list while it was written")
			}
			return page, err
		}
	}
}

// writer writes over one connection. Each call is one script: others see all of
// it or nothing.
type writer struct {
	conn   Conn
	key    string
	cursor string // of sweep
}

func (w *writer) eval(script string, args ...any) (any, error) {
	return w.conn.Do("EVAL", append([]any{script, 1, w.key}, args...)...)
}

// head answers how far the list goes.
func (w *writer) head() (log string, seq uint64, err error) {
	reply, err := w.eval(headScript)
	if err != nil {
		return "", 0, err
	}
	values, ok := reply.([]any)
	if !ok || len(values) != 2 {
		return "", 0, nil // there is none
	}
	name, _ := values[0].([]byte)
	n, _ := values[1].(int64)
	return string(name), uint64(n), nil
}

// extend adds a page to a list that goes up to a number at least. Not whole: it
// doesn't, or is another log's.
func (w *writer) extend(after uint64, page revlog.Page) (whole bool, err error) {
	return w.parts(page, func(entries []any, last uint64, seconds int64) (any, error) {
		from := after
		after = last
		return w.eval(extendScript, append([]any{page.Log, from, last, seconds}, entries...)...)
	})
}

// begin makes readers refuse until the load is done.
func (w *writer) begin(load string, seconds int64) error {
	_, err := w.eval(beginScript, loading+load, seconds)
	return err
}

// add adds a page, and with the last page the head. Not whole: what was added
// before is gone.
func (w *writer) add(load string, page revlog.Page) (whole bool, err error) {
	return w.parts(page, func(entries []any, last uint64, seconds int64) (any, error) {
		return w.eval(addScript, append([]any{page.Log, loading + load, last, seconds}, entries...)...)
	})
}

// parts calls write for each part of a page, with the number that it goes up to
// and, where it goes to the end of the log, the time of that; else 0.
func (w *writer) parts(page revlog.Page, write func(entries []any, last uint64, seconds int64) (any, error)) (whole bool, err error) {
	for rest, done := page.Entries, false; !done; {
		part := rest[:min(chunk, len(rest))]
		rest = rest[len(part):]
		done = len(rest) == 0
		last, seconds := page.Last(), int64(0)
		if !done {
			last = part[len(part)-1].Seq
		} else if !page.More {
			seconds = page.Time
		}
		reply, err := write(names(part), last, seconds)
		if n, ok := reply.(int64); err != nil || !ok || n == 0 {
			return false, err
		}
	}
	return true, nil
}

// names lists entries as field and value.
func names(entries []revlog.Entry) []any {
	list := make([]any, 0, 2*len(entries))
	for _, e := range entries {
		list = append(list, base64url.Encode(e.Hash[:]), e.Expiry)
	}
	return list
}

// sweep removes what has expired, of a part of the list.
func (w *writer) sweep(seconds int64) error {
	if w.cursor == "" {
		w.cursor = "0"
	}
	reply, err := w.eval(sweepScript, w.cursor, seconds)
	if cursor, ok := reply.([]byte); ok {
		w.cursor = string(cursor)
	}
	return err
}
