package revocation_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/revocation"
)

// table is a log whose readings are counted and can be made to fail.
type table struct {
	auth.Log
	mu       sync.Mutex
	id       string
	entries  []revlog.Entry
	first    uint64 // what is below was swept; 0: nothing was
	broken   error
	readings int
	news     chan struct{}
}

func (l *table) add(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range n {
		l.entries = append(l.entries, revlog.Entry{
			Seq: uint64(len(l.entries)) + 1, Kind: revlog.Token, Expiry: time.Now().Add(10 * time.Minute).Unix()})
	}
	close(l.news)
	l.news = make(chan struct{})
}

// fail makes readings fail; nil: work again.
func (l *table) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = err
}

func (l *table) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.readings
}

func (l *table) Published() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.news
}

// LogPage is of a log that begins at 1, whose chain is counted anew each time.
func (l *table) LogPage(_ context.Context, after uint64, limit int, now time.Time) (revlog.Page, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readings++
	p := revlog.Page{Log: l.id, First: max(l.first, 1), Time: now.Unix()}
	if n := len(l.entries); n > 0 {
		p.Head = l.entries[n-1].Seq
	}
	after = max(after, p.First-1)
	c := revlog.ChainStart(l.id)
	proof := &revlog.Proof{Prev: c, TimeMS: now.UnixMilli()}
	for _, e := range l.entries {
		if e.Seq > after {
			p.Entries = append(p.Entries, e)
		}
		if c = c.Next(e); e.Seq <= after {
			proof.Prev = c
		}
	}
	proof.Chain = c
	p.Proof = proof
	if len(p.Entries) > limit {
		p.Entries, p.More = p.Entries[:limit], true
	}
	return p, l.broken
}

// logKey signs the heads of the tests' logs.
func logKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)) }

func signHead(message []byte) (string, []byte, error) {
	return "k1", ed25519.Sign(logKey(), message), nil
}

// running starts a service on the table; it ends with the test.
func (l *table) running(t *testing.T) *revocation.Service { return l.runningIn(t, nil) }

func (l *table) runningIn(t *testing.T, fleet revocation.Fleet) *revocation.Service {
	if l.news == nil {
		l.news = make(chan struct{})
	}
	s := &revocation.Service{Options: revocation.Options{Log: l, Now: time.Now, SignHead: signHead, Fleet: fleet}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.Run(ctx, slog.New(slog.DiscardHandler)); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return s
}

// received is what a stream has brought.
type received struct {
	mu    sync.Mutex
	pages []*revlog.Page
	times []time.Time
	asked []bool // for an acknowledgement
}

// check looks at a page as a follower does who believes nobody: at the signature
// of its head, and at the chain, from the page before to the head.
func (r *received) check(p *revlog.Page) error {
	key := logKey().Public().(ed25519.PublicKey)
	if p.Proof == nil || p.Proof.KeyID != "k1" || !ed25519.Verify(key, p.SignedHead().Message(), p.Proof.Signature[:]) {
		return fmt.Errorf("the head %d isn't signed", p.Head)
	}
	if chain := p.ChainAfter(); !p.More && chain != p.Proof.Chain {
		return fmt.Errorf("at the head %d the chain is %x, computed %x", p.Head, p.Proof.Chain, chain)
	}
	if len(r.pages) == 0 {
		return nil
	}
	last := r.pages[len(r.pages)-1]
	if last.Log == p.Log && last.Last() <= p.Head && p.First <= last.Last()+1 && p.Proof.Prev != last.ChainAfter() {
		return fmt.Errorf("after %d the chain is %x, not %x", last.Last(), last.ChainAfter(), p.Proof.Prev)
	}
	return nil
}

// follow streams until the test ends.
func follow(t *testing.T, s *revocation.Service, after uint64) *received {
	got := &received{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- s.Stream(ctx, after, func(event []byte) error {
			events := revlog.NewEventReader(strings.NewReader(string(event)))
			data, err := events.Next()
			if err != nil {
				return err
			}
			page, err := revlog.Decode(data)
			if err != nil {
				return err
			}
			got.mu.Lock()
			defer got.mu.Unlock()
			err = got.check(page)
			got.pages, got.times, got.asked = append(got.pages, page), append(got.times, time.Now()), append(got.asked, events.AckWanted())
			return err
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the stream ended with %v", err)
		}
	})
	synctest.Wait()
	return got
}

// all answers the pages that have come, and when.
func (r *received) all() ([]*revlog.Page, []time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.pages), slices.Clone(r.times)
}

func (r *received) numbers() (numbers []uint64) {
	pages, _ := r.all()
	for _, p := range pages {
		for _, e := range p.Entries {
			numbers = append(numbers, e.Seq)
		}
	}
	return numbers
}

func upTo(from, to uint64) (numbers []uint64) {
	for n := from; n <= to; n++ {
		numbers = append(numbers, n)
	}
	return numbers
}

func TestStreamBringsEverythingOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &table{id: "l"}
		l.news = make(chan struct{})
		l.add(12_000) // more than two events hold
		s := l.running(t)
		streams := map[uint64]*received{0: follow(t, s, 0), 11_990: follow(t, s, 11_990), 12_000: follow(t, s, 12_000)}
		began := time.Now()
		for range 300 { // three in a batch
			l.add(1)
			time.Sleep(7 * time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond)
		for after, got := range streams {
			if !slices.Equal(got.numbers(), upTo(after+1, 12_300)) {
				t.Errorf("after %d: %d entries, want each of %d once and in order", after, len(got.numbers()), 12_300-after)
			}
		}
		got := streams[12_000]
		pages, _ := got.all()
		if n, most := len(pages), int(time.Since(began)/(20*time.Millisecond))+2; n > most {
			t.Errorf("%d events, want at most one in 20 ms: %d", n, most)
		}
	})
}

// A revocation is out at once if there was none just before, and 20 ms later at
// most.
func TestStreamIsPrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &table{id: "l"}
		s := l.running(t)
		got := follow(t, s, 0)
		time.Sleep(500 * time.Millisecond)
		for _, want := range []time.Duration{0, 20 * time.Millisecond} {
			at := time.Now()
			l.add(1)
			time.Sleep(want)
			synctest.Wait()
			pages, times := got.all()
			last, took := pages[len(pages)-1], times[len(times)-1].Sub(at)
			if len(last.Entries) != 1 || took > want {
				t.Errorf("within %v: %+v after %v", want, last, took)
			}
		}
	})
}

func TestStreamHasAHeadEachSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &table{id: "l"}
		s := l.running(t)
		got := follow(t, s, 0)
		time.Sleep(time.Minute)
		pages, times := got.all()
		if n := len(pages); n < 55 || n > 62 {
			t.Errorf("%d heads in a minute", n)
		}
		for i, p := range pages {
			if p.Time != times[i].Unix() {
				t.Errorf("a head of %d at %d", p.Time, times[i].Unix())
			}
		}
		if n := l.count(); n > 65 {
			t.Errorf("%d readings in a minute", n)
		}
	})
}

// A head says that the log was read. While it can't be, there is none, nor a
// page.
func TestNoHeadWithoutAReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &table{id: "l"}
		s := l.running(t)
		got := follow(t, s, 0)
		time.Sleep(10 * time.Second)
		l.fail(errors.New("disk on fire"))
		time.Sleep(2 * time.Second)
		before, _ := got.all()
		time.Sleep(time.Minute)
		if after, _ := got.all(); len(after) != len(before) {
			t.Errorf("%d heads while the log couldn't be read", len(after)-len(before))
		}
		if p, err := s.Page(t.Context(), 0, 10, 0); err == nil {
			t.Errorf("a page: %+v", p)
		}
		var e *auth.Error
		if err := s.Stream(t.Context(), 0, nil); !errors.As(err, &e) || e.Code != auth.CodeUnavailable {
			t.Errorf("a new stream: %v", err)
		}
		l.fail(nil)
		l.add(1)
		time.Sleep(2 * time.Second)
		if !slices.Equal(got.numbers(), upTo(1, 1)) {
			t.Errorf("afterwards: %v", got.numbers())
		}
	})
}

// Pages cost no query, show what was published before they were asked for, and
// hold nothing that is long over.
func TestPagesFromMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &table{id: "l"}
		s := l.running(t)
		for n := range uint64(50) {
			l.add(1)
			p, err := s.Page(t.Context(), n, 10, 0)
			if err != nil || p.Head != n+1 || len(p.Entries) != 1 {
				t.Fatalf("after %d: %+v, %v", n, p, err)
			}
		}
		readings := l.count()
		for n := range uint64(50) {
			p, err := s.Page(t.Context(), n, 20, 0)
			if want := upTo(n+1, min(n+20, 50)); err != nil || len(p.Entries) != len(want) || p.Entries[0].Seq != want[0] || p.More != (n < 30) {
				t.Errorf("after %d: %+v, %v", n, p, err)
			}
		}
		if n := l.count() - readings; n != 0 {
			t.Errorf("%d readings for pages", n)
		}
		var r received
		l.add(4096)
		l.mu.Lock()
		l.first = 4097
		l.mu.Unlock()
		time.Sleep(2 * time.Second)
		p, err := s.Page(t.Context(), 0, 10, 0)
		if err != nil || p.First != 4097 || len(p.Entries) != 10 || p.Entries[0].Seq != 4097 || p.Head != 4146 || !p.More {
			t.Errorf("after a page was swept: %+v, %v", p, err)
		}
		for after := uint64(4096); after <= 4146; after += 7 {
			p, err := s.Page(t.Context(), after, 100, 0)
			if err == nil {
				err = r.check(&p)
			}
			if err != nil {
				t.Errorf("after %d: %v", after, err)
			}
		}
	})
}

func TestLogThatWasReplaced(t *testing.T) {
	for _, id := range []string{"l", "m"} {
		t.Run(id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &table{id: "l"}
				s := l.running(t)
				l.add(30)
				got := follow(t, s, 0)
				time.Sleep(time.Second)
				l.mu.Lock()
				l.id, l.entries = id, nil
				l.mu.Unlock()
				l.add(2)
				time.Sleep(2 * time.Second)
				pages, _ := got.all()
				last := pages[len(pages)-1]
				if p, err := s.Page(t.Context(), 0, 10, 0); err != nil || p.Log != id || len(p.Entries) != 2 || last.Head != 2 || last.Log != id {
					t.Errorf("page %+v, %v; last event %+v", p, err, last)
				}
			})
		})
	}
}

// Who takes long holds nobody back, and gets in one event what came meanwhile.
func TestSlowFollower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &table{id: "l"}
		s := l.running(t)
		quick := follow(t, s, 0)
		ctx, cancel := context.WithCancel(t.Context())
		events := 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			err := s.Stream(ctx, 0, func([]byte) error { events++; time.Sleep(time.Minute); return nil })
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}()
		for range 1000 {
			l.add(1)
			time.Sleep(60 * time.Millisecond)
		}
		if n := len(quick.numbers()); n < 990 {
			t.Errorf("the quick one has %d of 1000 entries", n)
		}
		cancel()
		<-done
		if events > 3 {
			t.Errorf("%d events in a minute for one who takes a minute", events)
		}
		gone := errors.New("gone")
		if err := s.Stream(t.Context(), 0, func([]byte) error { return gone }); !errors.Is(err, gone) {
			t.Errorf("a stream whose reader has gone: %v", err)
		}
	})
}

// BenchmarkPage is what an anonymous caller can make the server do.
func BenchmarkPage(b *testing.B) {
	l := &table{id: "l", news: make(chan struct{})}
	l.add(100_000)
	s := &revocation.Service{Options: revocation.Options{Log: l, Now: time.Now, SignHead: signHead}}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	go s.Run(ctx, slog.New(slog.DiscardHandler))
	l.add(1)
	if _, err := s.Page(ctx, 100_000, 1, time.Minute); err != nil {
		b.Fatal(err)
	}
	var buf []byte
	for b.Loop() {
		p, err := s.Page(ctx, 0, revocation.MaxPage, 0)
		if err != nil {
			b.Fatal(err)
		}
		if buf, err = p.AppendJSON(buf[:0]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(buf)), "bytes")
}
