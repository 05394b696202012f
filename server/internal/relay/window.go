package relay

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
)

// chainEvery is after how many entries the chain's value is kept. Others are
// computed from the one before, 64 hashes at most.
const chainEvery = 64

// span is a part of a log without gaps.
type span struct {
	start   uint64         // the number of the first of entries
	entries []revlog.Entry // what is appended lies beyond the end of older copies
	chains  []revlog.Chain // before each chainEvery-th of entries
	chain   revlog.Chain   // after all of them
}

// last is the number of the last entry, or of the one before start.
func (s *span) last() uint64 { return s.start + uint64(len(s.entries)) - 1 }

func (s *span) append(entries []revlog.Entry) {
	for _, e := range entries {
		if len(s.entries)%chainEvery == 0 {
			s.chains = append(s.chains, s.chain)
		}
		s.entries = append(s.entries, e)
		s.chain = s.chain.Next(e)
	}
}

// before is the chain's value before a number, which is from start to last+1.
func (s *span) before(seq uint64) revlog.Chain {
	i := int(seq - s.start)
	if i == len(s.entries) {
		return s.chain
	}
	at := i / chainEvery
	c := s.chains[at]
	for _, e := range s.entries[at*chainEvery : i] {
		c = c.Next(e)
	}
	return c
}

// from is the span without what lies before a number, about, once that is the
// half of it: copying now and then costs less than holding on to all.
func (s *span) from(first uint64) span {
	if first <= s.start || 2*(first-s.start) < uint64(len(s.entries)) {
		return *s
	}
	k := min(int(first-s.start), len(s.entries)) / chainEvery
	return span{
		start: s.start + uint64(k*chainEvery), chain: s.chain,
		entries: slices.Clone(s.entries[k*chainEvery:]), chains: slices.Clone(s.chains[k:]),
	}
}

// window is what a relay has: a head, and all that is in force up to it. It
// never changes.
type window struct {
	span
	page revlog.Page   // as the upstream has sent it, without entries
	next chan struct{} // closed when there is a later one

	previous uint64 // the head of the window before this one
	event    func() ([]byte, error)
}

func (w *window) time() time.Time { return time.UnixMilli(w.page.Proof.TimeMS) }

// after answers the page after a number, at most limit entries. They are shared:
// the caller only reads.
func (w *window) after(seq uint64, limit int) *revlog.Page {
	p := w.page
	from := min(max(seq+1, p.First, w.start), p.Head+1)
	proof := *p.Proof
	proof.Prev = w.before(from)
	p.Proof = &proof
	p.Entries = w.entries[from-w.start:]
	if len(p.Entries) > limit {
		p.Entries, p.More = p.Entries[:limit:limit], true
	}
	return &p
}

// encoded answers the page after a number as an event. Nearly every stream asks
// for what this window has brought, which is encoded once for all.
func (w *window) encoded(seq uint64) (event []byte, last uint64, err error) {
	if seq == w.previous {
		event, err = w.event()
		return event, w.page.Head, err
	}
	p := w.after(seq, maxPage)
	event, err = revlog.AppendEvent(nil, p)
	return event, p.Last(), err
}

// full answers a page that never changes, nil if it isn't full or is gone.
func (w *window) full(number uint64) *revlog.FullPage {
	from := number*revlog.PageSize + 1
	if number >= 1<<40 || from < max(w.start, w.page.First) || from+revlog.PageSize-1 > w.last() {
		return nil
	}
	i := from - w.start
	return &revlog.FullPage{Log: w.page.Log, Number: number, Prev: w.before(from), Entries: w.entries[i : i+revlog.PageSize]}
}

var (
	errUnsigned = errors.New("the upstream doesn't sign its log: nobody could believe it here; verifiers have to follow the issuer itself")
	errOther    = errors.New("another log, or one that was set back: loading it from the start")
	errChain    = errors.New("the entries aren't those that the head is about: loading the log from the start")
	errStuck    = errors.New("the answer doesn't go on where the last one ended")
	errTooMany  = errors.New("more entries than --max-entries allows")
	errBehind   = errors.New("an older state than the one that is known")
)

// builder makes windows of pages that come one after the other.
type builder struct {
	span
	log    string // "": not begun
	most   int    // entries
	timeMS int64  // of the newest head of this log
	shown  uint64 // the head of the last window
}

// begin forgets all. What was published stays so until there is something newer.
func (b *builder) begin() { *b = builder{most: b.most, span: span{start: 1}} }

// add takes a page over, and answers a window if there is a new one.
func (b *builder) add(page *revlog.Page) (*window, error) {
	if page.Proof == nil {
		return nil, errUnsigned
	}
	if b.log == "" {
		b.log, b.chain = page.Log, revlog.ChainStart(page.Log)
	}
	if err := b.connect(page); err != nil {
		return nil, err
	}
	if len(b.entries)+len(page.Entries) > b.most {
		return nil, errTooMany
	}
	b.append(page.Entries)
	if page.More {
		return nil, nil
	}
	if b.chain != page.Proof.Chain {
		b.begin()
		return nil, errChain
	}
	if page.Proof.TimeMS <= b.timeMS && page.Head <= b.shown {
		return nil, nil
	}
	b.timeMS, b.shown = max(b.timeMS, page.Proof.TimeMS), page.Head
	b.span = b.from(page.First)
	w := &window{span: b.span, page: *page, next: make(chan struct{})}
	w.page.Entries, w.page.More = nil, false
	return w, nil
}

// setBackAfter is how much newer a lower head has to be to count: another node of
// the upstream may have read its database a moment earlier.
const setBackAfter = 5 * time.Second

// connect makes the next page one that goes on where the last one ended.
func (b *builder) connect(page *revlog.Page) error {
	if page.Log != b.log {
		b.begin()
		return errOther
	}
	if page.Head < b.last() {
		if page.Proof.TimeMS <= b.timeMS+setBackAfter.Milliseconds() {
			return errBehind
		}
		b.begin()
		return errOther
	}
	next, before := page.Head+1, page.Proof.Chain
	if len(page.Entries) > 0 {
		next, before = page.Entries[0].Seq, page.Proof.Prev
	}
	switch {
	case next == b.last()+1 && before != b.chain:
		b.begin()
		return errChain
	case next == b.last()+1:
		return nil
	case next == page.First && next > b.last():
		b.span = span{start: next, chain: before} // all between is over
		return nil
	}
	return errStuck
}

// show makes a window the one that is served, and wakes who waits for it.
func (r *Relay) show(w *window) {
	old := r.current.Load()
	if old != nil && old.page.Log == w.page.Log && old.page.Head <= w.page.Head {
		w.previous = old.page.Head
	}
	news := w.after(w.previous, maxPage)
	if news.More { // than an event holds: no stream gets it as one
		w.previous, news = w.page.Head, w.after(w.page.Head, maxPage)
	}
	w.event = sync.OnceValues(func() ([]byte, error) { return revlog.AppendEvent(nil, news) })
	r.current.Store(w)
	if old != nil {
		close(old.next)
	}
}
