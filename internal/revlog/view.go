package revlog

import "sync"

// View is a signed head and all that is in force up to it: what is served until
// there is the next. It never changes.
type View struct {
	Head   Page // as it was read, without its entries, but with its proof
	Window Window
	Asks   bool // for acknowledgements: events say that somebody waits for them

	previous uint64 // the head of the view before this one
	event    func() ([]byte, error)
}

// NewView is what follows one whose head was previous. It keeps nothing of the
// head's entries.
func NewView(head Page, w Window, previous uint64, asks bool) *View {
	v := &View{Head: head, Window: w, Asks: asks, previous: previous}
	v.Head.Entries, v.Head.More = nil, false
	news := v.After(previous, eventEntries)
	if news.More { // than an event holds: no stream gets it as one
		v.previous = v.Head.Head
		news = v.After(v.previous, eventEntries)
	}
	v.event = sync.OnceValues(func() ([]byte, error) { return v.encode(&news) })
	return v
}

// eventEntries is how many entries an event has at most.
const eventEntries = 5000

// After answers the page after a number, at most limit entries. They are shared:
// the caller only reads.
func (v *View) After(seq uint64, limit int) Page {
	p, start := v.Head, v.Window.next
	if seq < v.Head.Head {
		start = min(max(seq+1, v.Window.first, p.First), start)
	}
	p.Entries = v.Window.from(start, limit)
	p.More = start+uint64(len(p.Entries)) < v.Window.next
	proof := *v.Head.Proof
	proof.Prev = v.Window.before(start)
	p.Proof = &proof
	return p
}

// Event answers the page after a number as an event, and the number of its last
// entry. Nearly every stream asks for what the view brought, which is encoded
// once for all.
func (v *View) Event(seq uint64) (event []byte, last uint64, err error) {
	if seq == v.previous {
		event, err = v.event()
		return event, v.Head.Head, err
	}
	p := v.After(seq, eventEntries)
	event, err = v.encode(&p)
	return event, p.Last(), err
}

func (v *View) encode(p *Page) ([]byte, error) {
	var event []byte
	if v.Asks {
		event = AppendAsk(event)
	}
	return AppendEvent(event, p)
}
