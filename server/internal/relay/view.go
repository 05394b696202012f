package relay

import (
	"errors"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
)

// view is what a relay serves, until there is a later one.
type view struct {
	*revlog.View
	next chan struct{} // closed when there is a later one
}

func (v *view) time() time.Time { return time.UnixMilli(v.Head.Proof.TimeMS) }

var (
	errUnsigned = errors.New("the upstream doesn't sign its log: nobody could believe it here; verifiers have to follow the issuer itself")
	errOther    = errors.New("another log, or one that was set back: loading it from the start")
	errChain    = errors.New("the entries aren't those that the head is about: loading the log from the start")
	errStuck    = errors.New("the answer doesn't go on where the last one ended")
	errTooMany  = errors.New("more entries than --max-entries allows")
	errBehind   = errors.New("an older state than the one that is known")
)

// builder makes views of pages that come one after the other.
type builder struct {
	revlog.Window
	log    string // "": not begun
	most   int    // entries
	timeMS int64  // of the newest head of this log
	shown  uint64 // the head of the last view
}

// begin forgets all. What was published stays so until there is something newer.
func (b *builder) begin() { *b = builder{most: b.most} }

// add takes a page over, and reports whether there is more to be shown for it.
func (b *builder) add(page *revlog.Page) (news bool, err error) {
	if page.Proof == nil {
		return false, errUnsigned
	}
	if b.log == "" {
		b.log, b.Window = page.Log, revlog.NewWindow(page.Log)
	}
	if err := b.connect(page); err != nil {
		return false, err
	}
	if b.Len()+len(page.Entries) > b.most {
		return false, errTooMany
	}
	if b.Take(page) != nil || !page.More && b.Chain() != page.Proof.Chain {
		b.begin()
		return false, errChain
	}
	if page.More || page.Proof.TimeMS <= b.timeMS && page.Head <= b.shown {
		return false, nil
	}
	b.timeMS, b.shown = max(b.timeMS, page.Proof.TimeMS), page.Head
	return true, nil
}

// setBackAfter is how much newer a lower head has to be to count: another node of
// the upstream may have read its database a moment earlier.
const setBackAfter = 5 * time.Second

// connect looks whether a page can go on where the last one ended, or says that
// all before it is over.
func (b *builder) connect(page *revlog.Page) error {
	if page.Log != b.log {
		b.begin()
		return errOther
	}
	if page.Head < b.Last() {
		if page.Proof.TimeMS <= b.timeMS+setBackAfter.Milliseconds() {
			return errBehind
		}
		b.begin()
		return errOther
	}
	next := page.Head + 1
	if len(page.Entries) > 0 {
		next = page.Entries[0].Seq
	}
	if next != b.Last()+1 && (next != page.First || next <= b.Last()) {
		return errStuck
	}
	return nil
}

// show makes what was built up to a page's head what is served, and wakes who
// waits for it.
func (r *Relay) show(head *revlog.Page, w revlog.Window) {
	old, previous := r.current.Load(), uint64(0)
	if old != nil && old.Head.Log == head.Log && old.Head.Head <= head.Head {
		previous = old.Head.Head
	}
	r.current.Store(&view{revlog.NewView(*head, w, previous, false), make(chan struct{})})
	if old != nil {
		close(old.next)
	}
}
