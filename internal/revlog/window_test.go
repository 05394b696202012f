package revlog_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/writ-auth/writ/internal/revlog"
)

// log is a log of which everything is kept, and the chain before every entry.
type log struct {
	entries []revlog.Entry
	chains  []revlog.Chain
	chain   revlog.Chain
}

func newLog(n int) *log {
	l := &log{chain: revlog.ChainStart("l")}
	for i := range n {
		e := revlog.Entry{Seq: uint64(i + 1), Kind: revlog.Session, Hash: revlog.Hash(revlog.Session, strconv.Itoa(i)), Expiry: int64(i)}
		l.entries, l.chains = append(l.entries, e), append(l.chains, l.chain)
		l.chain = l.chain.Next(e)
	}
	l.chains = append(l.chains, l.chain)
	return l
}

// page is the page from a number to another, of which first is in force first.
func (l *log) page(from, to, first uint64) *revlog.Page {
	p := &revlog.Page{Log: "l", First: first, Head: uint64(len(l.entries)), Proof: &revlog.Proof{Prev: l.chains[from-1], Chain: l.chain}}
	p.Entries = slices.Clone(l.entries[from-1 : to])
	return p
}

// A window gives out the entries and chains of the log that it was fed with,
// however that came in pieces, and a copy of it stays as it was.
func TestWindow(t *testing.T) {
	const n = 5 * revlog.PageSize
	l := newLog(n)
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		w := revlog.NewWindow("l")
		first := uint64(1)
		var early []*revlog.View
		for w.Last() < n {
			from := w.Last() + 1
			to := min(from+r.Uint64N(2*revlog.PageSize), n)
			if r.IntN(3) == 0 { // some of what has come is over
				first = max(first, (from-1)/revlog.PageSize*revlog.PageSize+1)
			}
			if err := w.Take(l.page(from, to, first)); err != nil || w.Last() != to || w.Chain() != l.chains[to] {
				t.Fatalf("seed %d: %d to %d: ends at %d, %v", seed, from, to, w.Last(), err)
			}
			head := l.page(to, to, first)
			head.Head, head.Proof.Chain = to, l.chains[to]
			early = append(early, revlog.NewView(*head, w, from-1, false))
		}
		for _, v := range early {
			checkView(t, l, v, r)
		}
	}
}

func checkView(t *testing.T, l *log, v *revlog.View, r *rand.Rand) {
	t.Helper()
	for range 20 {
		after, limit := r.Uint64N(v.Head.Head+2), 1+r.IntN(2*revlog.PageSize)
		p := v.After(after, limit)
		from := min(max(after+1, v.Head.First), v.Head.Head+1)
		to := min(from-1+uint64(limit), v.Head.Head)
		if !slices.Equal(p.Entries, l.entries[from-1:max(to, from-1)]) || p.Proof.Prev != l.chains[from-1] || p.More != (to < v.Head.Head) {
			t.Fatalf("after %d of %d to %d, at most %d: %d entries, more %v", after, v.Head.First, v.Head.Head, limit, len(p.Entries), p.More)
		}
	}
	for number := range v.Head.Head/revlog.PageSize + 2 {
		p, after := v.Window.Full("l", number)
		from, to := number*revlog.PageSize, (number+1)*revlog.PageSize
		full := to <= v.Head.Head && from+1 >= v.Head.First
		if (p != nil) != full {
			t.Fatalf("page %d of %d to %d: there is %v", number, v.Head.First, v.Head.Head, p != nil)
		}
		if full && (p.Prev != l.chains[from] || after != l.chains[to] || !slices.Equal(p.Entries, l.entries[from:to])) {
			t.Errorf("page %d is another", number)
		}
	}
	var read uint64
	for after := v.Head.First - 1; ; after = read {
		event, last, err := v.Event(after)
		if err != nil || len(event) == 0 || last < after {
			t.Fatalf("event after %d: to %d, %v", after, last, err)
		}
		if read = last; read == v.Head.Head {
			break
		}
	}
}

// What doesn't go on where the window ends is refused and changes nothing.
func TestWindowGap(t *testing.T) {
	l := newLog(3 * revlog.PageSize)
	w := revlog.NewWindow("l")
	if err := w.Take(l.page(1, 100, 1)); err != nil {
		t.Fatal(err)
	}
	other := l.page(101, 200, 1)
	other.Proof.Prev[0] ^= 1
	for name, p := range map[string]*revlog.Page{
		"what it has":             l.page(1, 100, 1),
		"in the middle of it":     l.page(50, 200, 1),
		"not the next":            l.page(102, 200, 1),
		"begins with what it had": l.page(50, 200, 50),
		"another chain":           other,
	} {
		if err := w.Take(p); !errors.Is(err, revlog.ErrGap) || w.Last() != 100 || w.Len() != 100 || w.Chain() != l.chains[100] {
			t.Errorf("%s: %v, ends at %d", name, err, w.Last())
		}
	}
	if err := w.Take(l.page(4097, 4100, 4097)); err != nil || w.Last() != 4100 || w.Len() != 4 {
		t.Errorf("all before is over: %v, ends at %d with %d", err, w.Last(), w.Len())
	}
	if p, _ := revlog.NewView(*l.page(4100, 4100, 4097), w, 0, false).Window.Full("l", 1); p != nil {
		t.Error("a page that isn't full")
	}
	// An upstream may say of any number that it is the first in force.
	w = revlog.NewWindow("l")
	if err := w.Take(l.page(10, 2*revlog.PageSize, 10)); err != nil {
		t.Fatal(err)
	}
	for number := range uint64(3) {
		if p, _ := w.Full("l", number); p != nil {
			t.Errorf("page %d of a log that begins with 10", number)
		}
	}
}
