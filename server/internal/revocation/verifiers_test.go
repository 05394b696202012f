package revocation_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/revocation"
)

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &table{id: "l"}
		s := l.running(t)
		await := func(seq uint64, wait time.Duration) (revocation.Acknowledged, time.Duration) {
			t.Helper()
			began := time.Now()
			a, err := s.Await(t.Context(), seq, wait)
			if err != nil {
				t.Error(err)
			}
			return a, time.Since(began)
		}
		ack := func(id string, seq uint64) {
			t.Helper()
			if err := s.Acknowledge(t.Context(), id, "l", seq); err != nil {
				t.Errorf("%s acknowledges %d: %v", id, seq, err)
			}
		}
		all := func(count, of int) revocation.Acknowledged {
			return revocation.Acknowledged{Count: count, Of: of, Scope: revocation.ScopeAll}
		}
		if a, took := await(7, time.Second); a != all(0, 0) || took != 0 {
			t.Errorf("nobody follows: %+v after %v", a, took)
		}
		leaveA, leaveB := s.Follow("a"), s.Follow("b")
		if a, took := await(7, time.Second); a != all(0, 2) || took != time.Second {
			t.Errorf("nobody acknowledges: %+v after %v", a, took)
		}
		ack("a", 9)
		if a, _ := await(7, time.Second); a != all(1, 2) {
			t.Errorf("one has: %+v", a)
		}
		time.AfterFunc(300*time.Millisecond, func() { ack("b", 6) })
		time.AfterFunc(400*time.Millisecond, func() { ack("b", 7); ack("b", 5) })
		if a, took := await(7, time.Second); a != all(2, 2) || took > 410*time.Millisecond {
			t.Errorf("both have: %+v after %v", a, took)
		}
		if a, took := await(8, time.Hour); a != all(1, 2) || took != revocation.MaxAwait {
			t.Errorf("a long wait: %+v after %v", a, took)
		}
		time.AfterFunc(100*time.Millisecond, leaveB)
		if a, took := await(8, time.Second); a != all(1, 1) || took > 110*time.Millisecond {
			t.Errorf("one goes: %+v after %v", a, took)
		}
		back := s.Follow("b")
		if a, took := await(7, time.Second); a != all(2, 2) || took != 0 {
			t.Errorf("it comes back: %+v after %v", a, took)
		}
		back()
		back()
		leaveA()
		time.Sleep(2 * time.Minute)
		var e *auth.Error
		if err := s.Acknowledge(t.Context(), "b", "l", 9); !errors.As(err, &e) || e.Code != auth.CodeNotFound {
			t.Errorf("one that has no stream: %v", err)
		}
		if err := s.Acknowledge(t.Context(), "b", "m", 9); !errors.As(err, &e) || e.Code != auth.CodeConflict {
			t.Errorf("another log: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer s.Follow("a")()
		time.AfterFunc(time.Second, cancel)
		if _, err := s.Await(ctx, 1, time.Minute); !errors.Is(err, context.Canceled) {
			t.Errorf("who asks goes: %v", err)
		}
		time.Sleep(2 * time.Minute) // what was to be forgotten is
	})
}

// Verifiers are asked when somebody waits, at once, and until nobody does.
func TestAsksWhileSomebodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &table{id: "l"}
		s := l.running(t)
		got := follow(t, s, 0)
		asked := func() (n int) {
			got.mu.Lock()
			defer got.mu.Unlock()
			for _, asked := range got.asked {
				if asked {
					n++
				}
			}
			return n
		}
		time.Sleep(10 * time.Second)
		if a, err := s.Await(t.Context(), 0, time.Minute); err != nil || a.Of != 0 || asked() != 0 {
			t.Fatalf("with nobody to wait for: %+v, %v, asked %d times", a, err, asked())
		}
		defer s.Follow("a")()
		time.Sleep(500 * time.Millisecond)
		time.AfterFunc(2500*time.Millisecond, func() {
			if n := asked(); n != 3 {
				t.Errorf("asked %d times in 2.5 s, want at once and with each head", n)
			}
			if err := s.Acknowledge(t.Context(), "a", "l", 7); err != nil {
				t.Error(err)
			}
		})
		time.AfterFunc(25*time.Millisecond, func() {
			if n := asked(); n != 1 {
				t.Errorf("asked %d times after 25 ms, want once", n)
			}
		})
		if a, err := s.Await(t.Context(), 7, time.Minute); err != nil || a.Count != 1 || a.Of != 1 {
			t.Errorf("%+v, %v", a, err)
		}
		before := asked()
		time.Sleep(10 * time.Second)
		if n := asked(); n != before {
			t.Errorf("asked %d times more, though nobody waits", n-before)
		}
	})
}

// A thousand verifiers, each of which acknowledges every one of many.
func TestAwaitMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &table{id: "l"}
		s := l.running(t)
		const n = 1000
		for i := range n {
			defer s.Follow(fmt.Sprint(i))()
		}
		for seq := range uint64(20) {
			for i := range n {
				go func() {
					time.Sleep(time.Duration(i%40) * time.Millisecond)
					if err := s.Acknowledge(t.Context(), fmt.Sprint(i), "l", seq+1); err != nil {
						t.Error(err)
					}
				}()
			}
			if a, err := s.Await(t.Context(), seq+1, time.Second); err != nil || a.Count != n || a.Of != n {
				t.Errorf("%+v, %v", a, err)
			}
		}
	})
}
