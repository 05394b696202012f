package limit_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/limit"
)

const (
	home  = "192.0.2.1"
	other = "198.51.100.9"
)

// clock is a time that tests move by hand.
type clock struct {
	t     time.Time
	redis *limit.Redis // nil: none
}

func newClock() *clock                     { return &clock{t: time.Unix(1_000_000, 0)} }
func (c *clock) now() time.Time            { return c.t }
func (c *clock) advance(d time.Duration)   { c.t = c.t.Add(d) }
func (c *clock) throttle() *limit.Throttle { return limit.NewShared(c.now, c.redis, "test") }

// both runs a test of the rules on a node for itself, and on one that counts in
// Redis.
func both(t *testing.T, test func(t *testing.T, fresh func() *clock)) {
	t.Run("memory", func(t *testing.T) { test(t, newClock) })
	t.Run("Redis", func(t *testing.T) {
		server := startRedis(t)
		test(t, func() *clock {
			c := newClock()
			c.redis = server.open(t, nil) // with a key of its own, and so nothing counted yet
			return c
		})
	})
}

// wait is what an attempt must wait for, 0 if it may begin now.
func wait(t *testing.T, err error) time.Duration {
	t.Helper()
	if err == nil {
		return 0
	}
	var e *auth.Error
	if !errors.As(err, &e) || e.Code != auth.CodeTooMany || e.RetryAfter <= 0 {
		t.Fatalf("error %v, want %s with RetryAfter", err, auth.CodeTooMany)
	}
	return e.RetryAfter
}

// fail makes one wrong guess, and answers what it had to wait for instead.
func fail(t *testing.T, th *limit.Throttle, account, address string) time.Duration {
	t.Helper()
	a, err := th.Attempt(t.Context(), account, address)
	if d := wait(t, err); d > 0 {
		return d
	}
	a.Failed()
	a.Release()
	return 0
}

func succeed(t *testing.T, th *limit.Throttle, account, address string) time.Duration {
	t.Helper()
	a, err := th.Attempt(t.Context(), account, address)
	if d := wait(t, err); d > 0 {
		return d
	}
	defer a.Release()
	a.Succeeded()
	return 0
}

// failTimes makes n wrong guesses that must all be let through.
func failTimes(t *testing.T, th *limit.Throttle, n int, account, address string) {
	t.Helper()
	for i := range n {
		if d := fail(t, th, account, address); d != 0 {
			t.Fatalf("guess %d has to wait %s", i+1, d)
		}
	}
}

func TestDelayGrowsAndEnds(t *testing.T) { both(t, testDelayGrowsAndEnds) }

func testDelayGrowsAndEnds(t *testing.T, fresh func() *clock) {
	c := fresh()
	th := c.throttle()
	failTimes(t, th, 10, "ann@example.com", home)
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256} {
		want *= time.Second
		if got := fail(t, th, "ann@example.com", home); got != want {
			t.Fatalf("after %d failures: wait %s, want %s", 10+i, got, want)
		}
		c.advance(want - 1)
		if got := fail(t, th, "ann@example.com", home); got != time.Second {
			t.Fatalf("1 ns early: wait %s, want what is left, in whole seconds", got)
		}
		c.advance(1)
		if got := fail(t, th, "ann@example.com", home); got != 0 {
			t.Fatalf("after %s: still %s to wait", want, got)
		}
	}
}

// However long somebody guesses, nobody waits longer than MaxDelay.
func TestDelayIsBounded(t *testing.T) { both(t, testDelayIsBounded) }

func testDelayIsBounded(t *testing.T, fresh func() *clock) {
	c := fresh()
	th := c.throttle()
	guesses := 0
	for end := c.t.Add(24 * time.Hour); c.t.Before(end); {
		d := fail(t, th, "ann", home)
		if d > limit.MaxDelay {
			t.Fatalf("wait %s", d)
		}
		if d == 0 {
			guesses++
		}
		c.advance(d)
	}
	// One failure is forgotten each 10 minutes, so 144 a day, on top of the
	// first burst.
	if guesses > 180 {
		t.Errorf("%d guesses at one account from one address in a day", guesses)
	}
	c.advance(limit.MaxDelay)
	if d := succeed(t, th, "ann", home); d != 0 {
		t.Errorf("the owner waits %s after the guessing stopped", d)
	}
}

func TestForgets(t *testing.T) { both(t, testForgets) }

func testForgets(t *testing.T, fresh func() *clock) {
	c := fresh()
	th := c.throttle()
	failTimes(t, th, 10, "ann", home)
	c.advance(10 * time.Minute)
	failTimes(t, th, 1, "ann", home)
	if d := fail(t, th, "ann", home); d != time.Second {
		t.Errorf("one failure was forgotten and one came: wait %s, want 1s", d)
	}
	c.advance(100 * time.Minute)
	failTimes(t, th, 10, "ann", home)
}

func TestSuccessForgives(t *testing.T) { both(t, testSuccessForgives) }

func testSuccessForgives(t *testing.T, fresh func() *clock) {
	c := fresh()
	th := c.throttle()
	failTimes(t, th, 9, "ann", home)
	if d := succeed(t, th, "ann", home); d != 0 {
		t.Fatalf("the right password waits %s", d)
	}
	failTimes(t, th, 10, "ann", home)
}

func TestReleaseCountsNothing(t *testing.T) { both(t, testReleaseCountsNothing) }

func testReleaseCountsNothing(t *testing.T, fresh func() *clock) {
	c := fresh()
	th := c.throttle()
	for range 50 {
		a, err := th.Attempt(t.Context(), "ann", home)
		if err != nil {
			t.Fatal(err)
		}
		a.Release()
		a.Failed() // too late: the attempt is over
	}
	failTimes(t, th, 10, "ann", home)
}

func TestAccountsAndAddressesAreApart(t *testing.T) { both(t, testAccountsAndAddressesAreApart) }

func testAccountsAndAddressesAreApart(t *testing.T, fresh func() *clock) {
	c := fresh()
	th := c.throttle()
	failTimes(t, th, 10, "ann", home)
	if d := fail(t, th, "ann", home); d == 0 {
		t.Fatal("the eleventh guess passes at once")
	}
	if d := succeed(t, th, "ann", other); d != 0 {
		t.Errorf("the owner at another address waits %s", d)
	}
	if d := succeed(t, th, "bob", home); d != 0 {
		t.Errorf("another account at the guesser's address waits %s", d)
	}
}

// The spelling of account or address opens no second allowance.
func TestSpellings(t *testing.T) { both(t, testSpellings) }

func testSpellings(t *testing.T, fresh func() *clock) {
	tests := []struct{ name, account, address string }{
		{"account in another case", "ANN@Example.com", "192.0.2.1"},
		{"mapped address", "ann@example.com", "::ffff:192.0.2.1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			th := fresh().throttle()
			failTimes(t, th, 10, "ann@example.com", "192.0.2.1")
			if d := fail(t, th, tt.account, tt.address); d == 0 {
				t.Errorf("%s at %s has an allowance of its own", tt.account, tt.address)
			}
		})
	}
	th := fresh().throttle()
	for i := range 10 {
		failTimes(t, th, 1, "ann", fmt.Sprintf("2001:db8:1:2:%x::1", i))
	}
	if d := fail(t, th, "ann", "2001:db8:1:2:ffff::1"); d == 0 {
		t.Error("another address of the same /64 has an allowance of its own")
	}
	if d := fail(t, th, "ann", "2001:db8:1:3::1"); d != 0 {
		t.Errorf("another /64 waits %s", d)
	}
	th = fresh().throttle()
	failTimes(t, th, 10, "ann", "")
	if d := fail(t, th, "ann", "@"); d == 0 {
		t.Error("what is no address isn't counted as one client")
	}
}

// Guesses from many addresses are slowed as well, but they can't keep the owner
// out of where the account has signed in before.
func TestManyAddresses(t *testing.T) { both(t, testManyAddresses) }

func testManyAddresses(t *testing.T, fresh func() *clock) {
	c := fresh()
	th := c.throttle()
	succeed(t, th, "ann", home)
	for i := range 100 {
		failTimes(t, th, 1, "ann", fmt.Sprintf("10.0.%d.1", i))
	}
	if d := fail(t, th, "ann", "10.1.0.1"); d != time.Second {
		t.Errorf("guess 101 at one account from a fresh address: wait %s, want 1s", d)
	}
	if d := succeed(t, th, "ann", home); d != 0 {
		t.Errorf("the owner waits %s at an address that is known to be theirs", d)
	}
	failTimes(t, th, 10, "ann", home)
	if d := fail(t, th, "ann", home); d == 0 {
		t.Error("a known address may guess for ever")
	}
	c.advance(31 * 24 * time.Hour)
	for i := range 100 {
		failTimes(t, th, 1, "ann", fmt.Sprintf("10.2.%d.1", i))
	}
	if d := succeed(t, th, "ann", home); d == 0 {
		t.Error("an address is known for ever")
	}
}

// One address can't try a list of accounts and passwords.
func TestManyAccounts(t *testing.T) { both(t, testManyAccounts) }

func testManyAccounts(t *testing.T, fresh func() *clock) {
	c := fresh()
	th := c.throttle()
	succeed(t, th, "ann", home)
	for i := range 100 {
		failTimes(t, th, 1, fmt.Sprintf("user%d", i), home)
	}
	if d := fail(t, th, "user100", home); d != time.Second {
		t.Errorf("the 101st account: wait %s, want 1s", d)
	}
	if d := succeed(t, th, "ann", home); d != 0 {
		t.Errorf("a neighbour who is known here waits %s", d)
	}
	// An account of one's own buys no further guesses.
	c.advance(time.Second)
	succeed(t, th, "mallory", home)
	failTimes(t, th, 1, "user101", home)
	if d := fail(t, th, "user102", home); d != 2*time.Second {
		t.Errorf("after a success in between: wait %s, want 2s: it forgives nothing of the whole address", d)
	}
}

// Fifty guesses at once are not fifty free guesses.
func TestParallelGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := limit.New(time.Now)
		var checked, refused atomic.Int64
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				a, err := th.Attempt(t.Context(), "ann", home)
				if err != nil {
					refused.Add(1)
					return
				}
				defer a.Release()
				checked.Add(1)
				time.Sleep(30 * time.Millisecond) // the hash, in the bubble's time
				a.Failed()
			})
		}
		wg.Wait()
		if checked.Load() != 10 || refused.Load() != 40 {
			t.Errorf("%d guesses were checked and %d refused, want 10 and 40", checked.Load(), refused.Load())
		}
	})
}

// A hundred honest sign-ins at once all succeed; they take turns.
func TestParallelSuccesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := limit.New(time.Now)
		var atOnce, most, good atomic.Int64
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				a, err := th.Attempt(t.Context(), "ann", home)
				if err != nil {
					t.Error(err)
					return
				}
				defer a.Release()
				most.Store(max(most.Load(), atOnce.Add(1)))
				time.Sleep(30 * time.Millisecond)
				atOnce.Add(-1)
				a.Succeeded()
				good.Add(1)
			})
		}
		wg.Wait()
		if good.Load() != 100 || most.Load() > 10 {
			t.Errorf("%d succeeded, up to %d at once; want 100, at most 10", good.Load(), most.Load())
		}
		if s := th.Stats(); s.Waiting != 0 {
			t.Errorf("%d still wait", s.Waiting)
		}
	})
}

// hold begins attempts and leaves them without an outcome.
func hold(t *testing.T, th *limit.Throttle, n int, account, address string) []*limit.Attempt {
	t.Helper()
	var held []*limit.Attempt
	for range n {
		a, err := th.Attempt(t.Context(), account, address)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, a)
	}
	return held
}

func TestWaitingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := limit.New(time.Now)
		held := hold(t, th, 10, "ann", home)
		ctx, cancel := context.WithCancel(t.Context())
		errs := make(chan error, 1)
		go func() {
			_, err := th.Attempt(ctx, "ann", home)
			errs <- err
		}()
		synctest.Wait()
		if th.Stats().Waiting != 1 {
			t.Fatalf("%d attempts wait, want 1", th.Stats().Waiting)
		}
		cancel()
		if err := <-errs; !errors.Is(err, context.Canceled) || th.Stats().Waiting != 0 {
			t.Errorf("a caller that gave up: %v, %d waiting", err, th.Stats().Waiting)
		}
		_, err := th.Attempt(t.Context(), "ann", home)
		var e *auth.Error
		if !errors.As(err, &e) || e.Code != auth.CodeUnavailable || e.RetryAfter != time.Second {
			t.Errorf("attempts that never end: %v, want %s and to come back in 1s", err, auth.CodeUnavailable)
		}
		held[0].Succeeded()
		if d := succeed(t, th, "ann", home); d != 0 {
			t.Errorf("a place is free again, and the next waits %s", d)
		}
	})
}

func TestWaitingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := limit.New(time.Now)
		hold(t, th, 10, "ann", home)
		var wg sync.WaitGroup
		var refused atomic.Int64
		for range 1100 {
			wg.Go(func() {
				start := time.Now()
				if _, err := th.Attempt(t.Context(), "ann", home); err != nil && time.Since(start) == 0 {
					refused.Add(1)
				}
			})
		}
		synctest.Wait()
		if s := th.Stats(); s.Waiting != 1024 || refused.Load() != 76 {
			t.Errorf("%d wait and %d were refused at once, want 1024 and 76", s.Waiting, refused.Load())
		}
		wg.Wait()
	})
}

func TestMemoryIsBounded(t *testing.T) {
	c := newClock()
	th := limit.NewSized(c.now, 30)
	held := hold(t, th, 1, "ann", home) // 3 entries
	for i := range 100 {
		failTimes(t, th, 1, fmt.Sprintf("user%d", i), fmt.Sprintf("10.0.%d.1", i))
	}
	if s := th.Stats(); s.Entries != 30 || s.Evicted != 273 {
		t.Errorf("%d entries, %d evicted; want 30 and 273", s.Entries, s.Evicted)
	}
	// What is under way isn't forgotten, however much comes in between.
	held[0].Failed()
	failTimes(t, th, 9, "ann", home)
	if d := fail(t, th, "ann", home); d == 0 {
		t.Error("a flood of others wiped out an attempt under way")
	}
}

// Attempts that came to nothing, as when the pool of hashes is full, and honest
// sign-ins must not be able to push failures out either.
func TestOnlyFailuresTakeMemory(t *testing.T) {
	c := newClock()
	th := limit.NewSized(c.now, 30)
	failTimes(t, th, 10, "ann", home)
	for i := range 100 {
		for _, a := range hold(t, th, 2, fmt.Sprintf("fresh%d", i), other) {
			a.Release()
		}
	}
	if d := fail(t, th, "ann", home); d == 0 {
		t.Error("attempts without an outcome wiped out the failures of another")
	}
	if s := th.Stats(); s.Entries != 3 || s.Evicted != 0 {
		t.Errorf("%d entries, %d evicted; want the 3 of the failures and none", s.Entries, s.Evicted)
	}
}

// Who is refused makes no entries: refusals cost nothing, so they must not be
// able to push others out.
func TestRefusalsTakeNoMemory(t *testing.T) {
	c := newClock()
	th := c.throttle()
	for i := range 100 {
		failTimes(t, th, 1, fmt.Sprintf("user%d", i), home)
	}
	before := th.Stats().Entries
	for i := range 100 {
		if d := fail(t, th, fmt.Sprintf("fresh%d", i), home); d == 0 {
			t.Fatal("not refused")
		}
	}
	if after := th.Stats().Entries; after != before {
		t.Errorf("%d entries after 100 refusals, %d before", after, before)
	}
}
