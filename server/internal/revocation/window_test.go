package revocation_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/revocation"
)

// A page that is full never changes, whoever makes it.
func TestFullPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &table{id: "l", news: make(chan struct{})}
		l.add(3*4096 - 1)
		alone := &revocation.Service{Options: revocation.Options{Log: l, Now: time.Now, SignHead: signHead}}
		s := l.running(t)
		absent := func(s *revocation.Service, number uint64) {
			t.Helper()
			var e *auth.Error
			if p, _, err := s.FullPage(t.Context(), number); !errors.As(err, &e) || e.Code != auth.CodeNotFound {
				t.Errorf("page %d: %v, %v", number, p != nil, err)
			}
		}
		check := func(s *revocation.Service, numbers ...uint64) {
			t.Helper()
			for _, number := range numbers {
				p, after, err := s.FullPage(t.Context(), number)
				if err != nil {
					t.Errorf("page %d: %v", number, err)
					continue
				}
				data, err := p.AppendJSON(nil)
				if err != nil {
					t.Fatal(err)
				}
				if p, err = revlog.DecodeFull(data); err != nil || p.Number != number || p.Log != "l" {
					t.Errorf("page %d: %v", number, err)
				}
				chain := p.Prev
				for _, e := range p.Entries {
					chain = chain.Next(e)
				}
				if chain != after {
					t.Errorf("page %d: the chain after it is %x, computed %x", number, after, chain)
				}
			}
		}
		for _, s := range []*revocation.Service{s, alone} {
			check(s, 0, 1)
			absent(s, 2)
			absent(s, 1<<63)
		}
		l.add(1)
		l.mu.Lock()
		l.first = 4097
		l.mu.Unlock()
		time.Sleep(time.Second)
		for _, s := range []*revocation.Service{s, alone} {
			check(s, 1, 2)
			absent(s, 0)
			absent(s, 3)
		}
	})
}

// The store numbers what is alive anew, above all that there was, when numbers
// were missing. Followers are shown that nothing between is in force.
func TestLogThatWasRenumbered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &table{id: "l"}
		s := l.running(t)
		l.add(30)
		got := follow(t, s, 0)
		time.Sleep(time.Second)
		l.mu.Lock()
		l.first, l.entries = 4097, l.entries[20:]
		for i := range l.entries {
			l.entries[i].Seq = 4097 + uint64(i)
		}
		l.mu.Unlock()
		time.Sleep(3 * time.Second)
		pages, _ := got.all()
		last := pages[len(pages)-1]
		if last.First != 4097 || last.Head != 4106 {
			t.Errorf("the last event is %+v", last)
		}
		if numbers := got.numbers(); len(numbers) != 40 || numbers[30] != 4097 || numbers[39] != 4106 {
			t.Errorf("numbers %v", numbers)
		}
		p, err := s.Page(t.Context(), 0, 100, 0)
		if err == nil {
			err = new(received).check(&p)
		}
		if err != nil || len(p.Entries) != 10 || p.First != 4097 {
			t.Errorf("a follower that begins: %+v, %v", p, err)
		}
	})
}
