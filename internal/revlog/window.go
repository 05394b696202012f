package revlog

import "errors"

// Window is the part of a log that is in force, in memory, in blocks of a page
// each: what the issuer and its relays serve from. A copy stays as it is when the
// window that it was copied from takes more: blocks are shared, and what is
// appended lies beyond the ends that the copy knows.
type Window struct {
	first uint64 // number of the first entry
	next  uint64 // the number after the last
	chain Chain
	block []block
}

// block is a page of entries, the last one perhaps not full.
type block struct {
	entries []Entry
	chains  []Chain // before every entry whose place is a multiple of chainStep
}

// chainStep is how many entries are hashed at most to know the chain in between.
const chainStep = 64

// NewWindow is that of a log of which nothing was read.
func NewWindow(log string) Window { return windowAt(1, ChainStart(log)) }

func windowAt(first uint64, before Chain) Window {
	return Window{first: first, next: first, chain: before}
}

// WindowOf holds the entries of one page alone.
func WindowOf(p *Page) Window {
	if len(p.Entries) == 0 {
		return Window{}
	}
	w := windowAt(p.Entries[0].Seq, p.Proof.Prev)
	for _, e := range p.Entries {
		w.append(e)
	}
	return w
}

// Last is the number of the last entry, or of the one before the first.
func (w *Window) Last() uint64 { return max(w.next, 1) - 1 }

// Len is how many entries there are.
func (w *Window) Len() int { return int(w.next - w.first) }

// Chain is the chain after the last entry.
func (w *Window) Chain() Chain { return w.chain }

// ErrGap says that a page doesn't go on where the window ends.
var ErrGap = errors.New("revlog: a page doesn't go on where the last one ended")

// Take appends the entries of a page with a proof, and forgets the pages below
// the first that is in force. A page that begins with that one may leave out what
// is between.
func (w *Window) Take(p *Page) error {
	start := p.Head + 1
	if len(p.Entries) > 0 {
		start = p.Entries[0].Seq
	}
	switch {
	case start == w.next && p.Proof.Prev != w.chain, start != w.next && start != p.First, start < w.next:
		return ErrGap
	case start != w.next:
		*w = windowAt(p.First, p.Proof.Prev)
	}
	w.block = append([]block(nil), w.block...)
	for _, e := range p.Entries {
		w.append(e)
	}
	if n := int(max(p.First, w.first)-w.first) / PageSize; n > 0 {
		n = min(n, len(w.block))
		w.first, w.block = w.first+uint64(n)*PageSize, w.block[n:]
	}
	return nil
}

func (w *Window) append(e Entry) {
	at := int(w.next-w.first) % PageSize
	if at == 0 {
		b := block{}
		if len(w.block) > 0 { // a log of some length: this one will fill, too
			b.entries = make([]Entry, 0, PageSize)
		}
		w.block = append(w.block, b)
	}
	b := &w.block[len(w.block)-1]
	if at%chainStep == 0 {
		b.chains = append(b.chains, w.chain)
	}
	b.entries = append(b.entries, e)
	w.chain, w.next = w.chain.Next(e), w.next+1
}

// before is the chain before a number from first to next.
func (w *Window) before(seq uint64) Chain {
	if seq >= w.next {
		return w.chain
	}
	b, at := w.place(seq)
	c := b.chains[at/chainStep]
	for _, e := range b.entries[at/chainStep*chainStep : at] {
		c = c.Next(e)
	}
	return c
}

func (w *Window) place(seq uint64) (block, int) {
	n := int(seq - w.first)
	return w.block[n/PageSize], n % PageSize
}

// from answers the entries from a number on, at most limit of them: shared ones,
// where they are in one block.
func (w *Window) from(seq uint64, limit int) []Entry {
	if seq >= w.next {
		return nil
	}
	limit = int(min(uint64(limit), w.next-seq))
	b, at := w.place(seq)
	if len(b.entries)-at >= limit {
		return b.entries[at : at+limit : at+limit]
	}
	entries := make([]Entry, 0, limit)
	for len(entries) < limit {
		b, at := w.place(seq + uint64(len(entries)))
		entries = append(entries, b.entries[at:min(len(b.entries), at+limit-len(entries))]...)
	}
	return entries
}

// Full answers a full page, nil if it isn't one or not in force any more, and the
// chain after it.
func (w *Window) Full(log string, number uint64) (p *FullPage, after Chain) {
	if number >= 1<<40 || number*PageSize+1 < w.first || (number+1)*PageSize >= w.next {
		return nil, after
	}
	seq := number*PageSize + 1
	b, at := w.place(seq)
	if at != 0 {
		return nil, after // an upstream whose log begins within a page
	}
	return &FullPage{Log: log, Number: number, Prev: b.chains[0], Entries: b.entries[:PageSize:PageSize]}, w.before(seq + PageSize)
}
