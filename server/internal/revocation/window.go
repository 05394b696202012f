package revocation

import (
	"errors"

	"github.com/writ-auth/writ/internal/revlog"
)

// window is the part of the log that is in force, in memory, in blocks of a page
// each. It never changes but by take, which leaves alone what others have of it:
// blocks are shared, and what is appended lies beyond the ends that they know.
type window struct {
	first uint64 // number of the first entry, which begins a page
	next  uint64 // the number after the last
	chain revlog.Chain
	block []block
}

// block is a page, the last one perhaps not full.
type block struct {
	entries []revlog.Entry
	chains  []revlog.Chain // before every entry whose place is a multiple of step
}

// step is how many entries are hashed at most to know the chain in between.
const step = 64

// emptyWindow is that of a log of which nothing was read.
func emptyWindow(log string) window {
	return window{first: 1, next: 1, chain: revlog.ChainStart(log)}
}

var errGap = errors.New("revocation: a page doesn't go on where the last one ended")

// take appends a page's entries, and forgets the pages below its first number.
func (w *window) take(p *revlog.Page) error {
	start := p.Head + 1
	if len(p.Entries) > 0 {
		start = p.Entries[0].Seq
	}
	if start != w.next {
		if start != p.First {
			return errGap
		}
		*w = window{first: p.First, next: p.First, chain: p.Proof.Prev} // nothing before is in force
	}
	if p.Proof.Prev != w.chain {
		return errGap
	}
	w.block = append([]block(nil), w.block...)
	for _, e := range p.Entries {
		w.append(e)
	}
	if n := int(max(p.First, w.first)-w.first) / revlog.PageSize; n > 0 {
		n = min(n, len(w.block))
		w.first, w.block = w.first+uint64(n)*revlog.PageSize, w.block[n:]
	}
	return nil
}

func (w *window) append(e revlog.Entry) {
	at := int(w.next-w.first) % revlog.PageSize
	if at == 0 {
		b := block{}
		if len(w.block) > 0 { // a log of some length: this one will fill, too
			b.entries = make([]revlog.Entry, 0, revlog.PageSize)
		}
		w.block = append(w.block, b)
	}
	b := &w.block[len(w.block)-1]
	if at%step == 0 {
		b.chains = append(b.chains, w.chain)
	}
	b.entries = append(b.entries, e)
	w.chain, w.next = w.chain.Next(e), w.next+1
}

// before is the chain before a number from first to next.
func (w *window) before(seq uint64) revlog.Chain {
	if seq >= w.next {
		return w.chain
	}
	b, at := w.place(seq)
	c := b.chains[at/step]
	for _, e := range b.entries[at/step*step : at] {
		c = c.Next(e)
	}
	return c
}

func (w *window) place(seq uint64) (block, int) {
	n := int(seq - w.first)
	return w.block[n/revlog.PageSize], n % revlog.PageSize
}

// from answers the entries from a number on, at most limit of them: shared ones,
// where they are in one block.
func (w *window) from(seq uint64, limit int) []revlog.Entry {
	if seq >= w.next {
		return nil
	}
	limit = int(min(uint64(limit), w.next-seq))
	b, at := w.place(seq)
	if len(b.entries)-at >= limit {
		return b.entries[at : at+limit : at+limit]
	}
	entries := make([]revlog.Entry, 0, limit)
	for len(entries) < limit {
		b, at := w.place(seq + uint64(len(entries)))
		entries = append(entries, b.entries[at:min(len(b.entries), at+limit-len(entries))]...)
	}
	return entries
}

// full answers a full page, nil if it isn't one or not in force any more, and the
// chain after it.
func (w *window) full(page uint64) (p *revlog.FullPage, after revlog.Chain) {
	if page >= 1<<40 || page*revlog.PageSize+1 < w.first || (page+1)*revlog.PageSize >= w.next {
		return nil, after
	}
	seq := page*revlog.PageSize + 1
	b, _ := w.place(seq)
	return &revlog.FullPage{Number: page, Prev: b.chains[0], Entries: b.entries[:revlog.PageSize:revlog.PageSize]}, w.before(seq + revlog.PageSize)
}
