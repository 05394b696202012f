package revocation_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/fetch"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/revocation"
)

// long is a log of which no entry is ever added.
type long struct {
	auth.Log
	entries []revlog.Entry
	chains  []revlog.Chain // before every PageSize-th
}

func newLong(n int) *long {
	l := &long{}
	c := revlog.ChainStart("l")
	for i := range n {
		if i%revlog.PageSize == 0 {
			l.chains = append(l.chains, c)
		}
		e := revlog.Entry{Seq: uint64(i + 1), Kind: revlog.Session, Hash: revlog.Hash(revlog.Session, strconv.Itoa(i)), Expiry: 4102444800}
		l.entries = append(l.entries, e)
		c = c.Next(e)
	}
	return l
}

func (l *long) before(i int) revlog.Chain {
	from := i / revlog.PageSize
	if from == len(l.chains) {
		from--
	}
	c := l.chains[from]
	for _, e := range l.entries[from*revlog.PageSize : i] {
		c = c.Next(e)
	}
	return c
}

func (l *long) Published() <-chan struct{} { return nil }

func (l *long) LogPage(_ context.Context, after uint64, limit int, now time.Time) (revlog.Page, error) {
	i := min(int(min(after, 1<<40)), len(l.entries))
	end := min(i+limit, len(l.entries))
	return revlog.Page{Log: "l", First: 1, Head: uint64(len(l.entries)), Time: now.Unix(), Entries: l.entries[i:end], More: end < len(l.entries),
		Proof: &revlog.Proof{Prev: l.before(i), Chain: l.before(len(l.entries)), TimeMS: now.UnixMilli()}}, nil
}

// BenchmarkColdStart loads a log of a million entries over HTTP, as a follower
// does that holds nothing: it decodes every page and counts the chain.
func BenchmarkColdStart(b *testing.B) {
	l := newLong(1_000_000)
	s := &revocation.Service{Options: revocation.Options{Log: l, Now: time.Now, SignHead: signHead}}
	before := heap()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	began := time.Now()
	go s.Run(ctx, slog.New(slog.DiscardHandler))
	there := errors.New("there")
	for !errors.Is(s.Stream(ctx, 1_000_000, func([]byte) error { return there }), there) {
		runtime.Gosched()
	}
	b.Logf("the node has read it after %v, and holds %d MB for it", time.Since(began).Round(time.Millisecond), (heap()-before)>>20)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, _ := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
		p, err := s.Page(r.Context(), after, revlog.MaxEntries, 0)
		if err != nil {
			http.Error(w, err.Error(), 500)
			return
		}
		body, _ := p.AppendJSON(nil)
		_, _ = w.Write(body)
	}))
	defer server.Close()
	for b.Loop() {
		chain, after, pages := revlog.ChainStart("l"), uint64(0), 0
		for more := true; more; pages++ {
			resp, err := http.Get(server.URL + "?after=" + strconv.FormatUint(after, 10))
			if err != nil {
				b.Fatal(err)
			}
			answer, err := fetch.Read(resp, revlog.MaxBytes)
			if err != nil {
				b.Fatal(err)
			}
			p, err := revlog.Decode(answer.Body)
			if err != nil || p.Proof.Prev != chain {
				b.Fatal(err, after)
			}
			chain, after, more = p.ChainAfter(), p.Last(), p.More
			if !more && chain != p.Proof.Chain {
				b.Fatal("the chain isn't that of the head")
			}
		}
		b.ReportMetric(float64(pages), "pages")
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
