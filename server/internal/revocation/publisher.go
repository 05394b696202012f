package revocation

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
)

// How often the log is read.
const (
	batchEvery = 20 * time.Millisecond // at most, however much is revoked
	headEvery  = time.Second           // at least
	// tooOld is when a reading says nothing about the present any more. Who
	// can't read the database falls silent, and followers notice.
	tooOld = 3 * time.Second
)

// view is the log as this node has read it last: what is alive of it, in
// memory, so that an answer to whoever asks costs no query. It never changes.
type view struct {
	*revlog.View
	read  time.Time       // before the reading
	stale <-chan struct{} // closed when there is more in the database
	next  chan struct{}   // closed when there is a later view
}

// Run reads the log until ctx ends: when it has grown, when somebody begins to
// wait for verifiers, and each second. Pages and streams are made of what it has
// read. Without it each page costs a query.
func (s *Service) Run(ctx context.Context, logger *slog.Logger) {
	if s.Fleet != nil {
		var hearing sync.WaitGroup
		hearing.Go(func() { s.hear(ctx) })
		defer hearing.Wait()
	}
	failing := false
	for ctx.Err() == nil {
		began := time.Now()
		published := s.Log.Published() // before the reading, or an entry could slip between
		err := s.read(ctx, published)
		if (err != nil) != failing && ctx.Err() == nil {
			failing = err != nil
			if failing {
				logger.Warn("the revocation log can't be read: followers will notice", "error", err)
			} else {
				logger.Info("the revocation log can be read again")
			}
		}
		if err != nil {
			published = nil // it can't be read any better for having grown
		}
		pause(ctx, published, s.verifiers.begun(), headEvery)
		pause(ctx, nil, nil, batchEvery-time.Since(began))
	}
}

// pause waits for one thing or another to happen, but no longer than d.
func pause(ctx context.Context, one, other <-chan struct{}, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-one:
	case <-other:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// read makes a view of what came since the last one, or of everything if the
// database has another log than it had.
func (s *Service) read(ctx context.Context, published <-chan struct{}) error {
	var known *reading
	if old := s.current.Load(); old != nil {
		known = &reading{log: old.Head.Log, window: old.Window, previous: old.Head.Head}
	}
	now, err := s.load(ctx, known)
	if errors.Is(err, revlog.ErrGap) {
		if now, err = s.load(ctx, nil); errors.Is(err, revlog.ErrGap) {
			err = errors.Join(err, s.Log.Mend(ctx))
		}
	}
	if err != nil {
		return err
	}
	if now.page, err = s.signed(now.page); err != nil {
		return err
	}
	s.show(&view{
		View: revlog.NewView(now.page, now.window, now.previous, s.verifiers.wanted()),
		read: now.at, stale: published, next: make(chan struct{}),
	})
	return nil
}

// reading is what was read of a log.
type reading struct {
	log      string
	window   revlog.Window
	previous uint64      // the head that was known before
	page     revlog.Page // the last
	at       time.Time   // before it was read
}

// load reads on to the head, from where known ends; nil: from the start.
// revlog.ErrGap says that what is known isn't a part of this log, or that its
// chain isn't that of its entries.
func (s *Service) load(ctx context.Context, known *reading) (reading, error) {
	var r reading
	if known != nil {
		r = *known
	}
	for more := true; more; {
		r.at = s.Now()
		page, err := s.Log.LogPage(ctx, r.window.Last(), revlog.MaxEntries, r.at)
		switch {
		case err != nil:
			return r, err
		case r.log == "":
			r.log, r.window = page.Log, revlog.NewWindow(page.Log)
		case page.Log != r.log:
			return r, revlog.ErrGap
		}
		if err := r.window.Take(&page); err != nil {
			return r, err
		}
		r.page, more = page, page.More
	}
	if r.window.Chain() != r.page.Proof.Chain {
		return r, revlog.ErrGap
	}
	return r, nil
}

// signed is a page with a head that is signed. The time in it is that before the
// log was read.
func (s *Service) signed(p revlog.Page) (revlog.Page, error) {
	head := p.SignedHead()
	kid, signature, err := s.SignHead(head.Message())
	if err != nil {
		return p, err
	}
	proof, err := head.Sign(kid, func([]byte) ([]byte, error) { return signature, nil })
	if err != nil {
		return p, err
	}
	proof.Prev = p.Proof.Prev
	p.Proof = proof
	return p, nil
}

// show makes a view the one that is asked, and wakes who waits for it.
func (s *Service) show(v *view) {
	if old := s.current.Swap(v); old != nil {
		close(old.next)
	}
}

// latest answers what was read last, nil if that says nothing about now. An
// entry that was published before the call is in it.
func (s *Service) latest(ctx context.Context) (*view, error) {
	for {
		v := s.current.Load()
		if v == nil || s.Now().Sub(v.read).Abs() > tooOld {
			return nil, nil
		}
		select {
		case <-v.stale:
		default:
			return v, nil
		}
		timer := time.NewTimer(tooOld)
		select {
		case <-v.next:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if s.current.Load() == v {
			return nil, nil // its successor doesn't come
		}
	}
}

// Stream gives send the log after a number as events: at once what there is,
// then what comes, at most every 20 ms, and each second a head though there is
// nothing new. It ends with ctx or with an error of send. There is no queue: who
// takes long to send gets in one event what came meanwhile.
func (s *Service) Stream(ctx context.Context, after uint64, send func(event []byte) error) error {
	v, err := s.latest(ctx)
	if err == nil && v == nil {
		err = silent()
	}
	for err == nil {
		if after, err = sendAll(v.View, after, send); err != nil {
			break
		}
		select {
		case <-v.next:
			v = s.current.Load()
		case <-ctx.Done():
		}
		// Both may be so; a select would go on with one in two of them.
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return err
}

// sendAll gives send what a view has after a number, one event at least, and
// answers the head; it is lower than the number if the log was set back.
func sendAll(v *revlog.View, after uint64, send func(event []byte) error) (head uint64, err error) {
	for {
		event, last, err := v.Event(after)
		if err == nil {
			err = send(event)
		}
		if after = last; err != nil || after >= v.Head.Head {
			return v.Head.Head, err
		}
	}
}
