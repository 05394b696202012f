package store_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/store"
)

func sweepOnce(t *testing.T, open opener) {
	s := open(t, store.Options{})
	ctx := t.Context()
	c, err := s.ClientByID(ctx, auth.ClientWrit)
	if err != nil {
		t.Fatal(err)
	}
	grants := make(map[string]auth.Grant)
	for id, end := range map[string]time.Time{"over": s0, "live": s0.Add(time.Second)} {
		u := auth.User{ID: "usr_" + id, Epoch: "e"}
		if err := s.CreateUser(ctx, u, auth.Event{}); err != nil {
			t.Fatal(err)
		}
		g := grantOf(u, c)
		grants[id] = g
		session := auth.Session{ID: g.SessionID, UserID: u.ID, AbsoluteExpiry: end}
		if err := s.Begin(ctx, session, g, auth.Marks{}, auth.Event{}); err != nil {
			t.Fatal(err)
		}
	}

	for i := range 250 {
		if _, err := s.UseAssertion(ctx, "svc", sha256.Sum256([]byte{byte(i)}), s0.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}

	if n, err := s.Sweep(ctx, s0); err != nil || n != 2 {
		t.Errorf("Sweep = %d, %v, want a session and an assertion", n, err)
	}
	if n, err := s.Sweep(ctx, s0); err != nil || n != 0 {
		t.Errorf("a second Sweep = %d, %v, want 0", n, err)
	}
	if _, err := s.HeldByGrant(ctx, grants["over"].ID); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("the grant that is over: %v, want ErrNotFound", err)
	}
	if _, err := s.HeldByGrant(ctx, grants["live"].ID); err != nil {
		t.Errorf("the live grant: %v", err)
	}
	// A session, and the assertions of the seconds 1 to 240.
	if n, err := s.Sweep(ctx, s0.Add(240*time.Second)); err != nil || n != 241 {
		t.Errorf("a later Sweep = %d, %v, want 241", n, err)
	}
	if fresh, err := s.UseAssertion(ctx, "svc", sha256.Sum256([]byte{249}), s0); err != nil || fresh {
		t.Errorf("an assertion that has not expired was forgotten (%v)", err)
	}
}

// A device that still asks hears for a while that its code has expired.
func sweepDevices(t *testing.T, open opener) {
	s := open(t, store.Options{Now: func() time.Time { return s0 }})
	ctx := t.Context()
	d := auth.Device{Hash: sha256.Sum256([]byte("device")), UserCode: sha256.Sum256([]byte("user")), ClientID: auth.ClientWrit,
		ExpiresAt: s0.Add(10 * time.Minute)}
	if err := s.AddDevice(ctx, d, 10, 10); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		at   time.Duration
		want int64
	}{{20*time.Minute - 1000, 0}, {20 * time.Minute, 1}} {
		if n, err := s.Sweep(ctx, s0.Add(step.at)); err != nil || n != step.want {
			t.Errorf("Sweep after %s = %d, %v, want %d", step.at, n, err, step.want)
		}
	}
	if _, err := s.DeviceByUserCode(ctx, d.UserCode); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("the device: %v", err)
	}
}

// What has ended goes with the last of its tokens, and what nobody used goes
// too, long before the end that was planned for it.
func sweepEnded(t *testing.T, open opener) {
	s := open(t, store.Options{Now: func() time.Time { return s0 }})
	ctx := t.Context()
	c, err := s.ClientByID(ctx, auth.ClientWrit)
	if err != nil {
		t.Fatal(err)
	}
	grants := make(map[string]auth.Grant)
	begin := func(name string, idle, mark time.Duration) auth.Grant {
		t.Helper()
		u := auth.User{ID: "usr_" + name, Epoch: "e " + name, Mark: s0.Add(mark)}
		if err := s.CreateUser(ctx, u, auth.Event{}); err != nil {
			t.Fatal(err)
		}
		g := grantOf(u, c)
		g.Mark = s0.Add(mark)
		session := auth.Session{ID: g.SessionID, UserID: u.ID, IdleExpiry: s0.Add(idle), AbsoluteExpiry: s0.Add(1000 * time.Hour)}
		if err := s.Begin(ctx, session, g, auth.Marks{}, auth.Event{}); err != nil {
			t.Fatal(err)
		}
		grants[name] = g
		return g
	}
	end := func(e auth.Ending) {
		t.Helper()
		if _, err := s.End(ctx, e, s0, auth.Event{}); err != nil {
			t.Fatal(err)
		}
	}
	begin("live", 100*time.Hour, time.Hour)
	end(auth.Ending{GrantID: begin("grant ended", 100*time.Hour, time.Hour).ID})
	end(auth.Ending{SessionID: begin("session ended", 100*time.Hour, 2*time.Hour).SessionID})
	end(auth.Ending{UserID: begin("user ended", 100*time.Hour, 3*time.Hour).UserID, NewEpoch: "new"})
	begin("idle, its token too", 3*time.Minute, 5*time.Minute)
	begin("idle, its token not", 3*time.Minute, 4*time.Hour)

	const memory = auth.LogMemory
	var elapsed time.Duration
	for _, step := range []struct {
		at   time.Duration
		left []string
	}{
		{0, []string{"grant ended", "idle, its token not", "idle, its token too", "live", "session ended", "user ended"}},
		{5*time.Minute + memory, []string{"grant ended", "idle, its token not", "live", "session ended", "user ended"}},
		{time.Hour + memory - time.Second, []string{"grant ended", "idle, its token not", "live", "session ended", "user ended"}},
		{time.Hour + memory, []string{"idle, its token not", "live", "session ended", "user ended"}},
		{2*time.Hour + memory, []string{"idle, its token not", "live", "user ended"}},
		{3*time.Hour + memory, []string{"idle, its token not", "live"}},
		{4*time.Hour + memory, []string{"live"}},
		{99 * time.Hour, []string{"live"}},
		{100 * time.Hour, nil},
	} {
		// In steps that are no leap of the clock.
		for ; elapsed < step.at; elapsed = min(elapsed+10*time.Minute, step.at) {
			if _, err := s.Sweep(ctx, s0.Add(elapsed)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Sweep(ctx, s0.Add(step.at)); err != nil {
			t.Fatal(err)
		}
		var left []string
		for name, g := range grants {
			_, err := s.HeldByGrant(ctx, g.ID)
			if err == nil {
				left = append(left, name)
			} else if !errors.Is(err, auth.ErrNotFound) {
				t.Fatal(err)
			}
		}
		slices.Sort(left)
		if !slices.Equal(left, step.left) {
			t.Errorf("after %v: %q are left, want %q", step.at, left, step.left)
		}
	}
}

// A client's end ends a million grants without touching them: they go as they
// are come upon.
func sweepClient(t *testing.T, open opener) {
	s := open(t, store.Options{})
	ctx := t.Context()
	c := auth.Client{ID: "shop", Epoch: "e1"}
	if err := s.CreateClient(ctx, c, nil, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	u := auth.User{ID: "usr_1", Epoch: "e"}
	if err := s.CreateUser(ctx, u, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	const many = 1200 // more than one step of the walk
	for i := range many {
		g := grantOf(u, c)
		g.HandleHash = fmt.Appendf(nil, "handle %d", i)
		session := auth.Session{ID: g.SessionID, UserID: u.ID, IdleExpiry: s0.Add(time.Hour), AbsoluteExpiry: s0.Add(time.Hour)}
		if err := s.Begin(ctx, session, g, auth.Marks{}, auth.Event{}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Sweep(ctx, s0); err != nil || n != 0 {
		t.Fatalf("Sweep = %d, %v, want 0", n, err)
	}
	if _, err := s.End(ctx, auth.Ending{ClientID: c.ID, NewEpoch: "e2"}, s0, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Sweep(ctx, s0); err != nil || n != many {
		t.Errorf("Sweep = %d, %v, want %d", n, err, many)
	}
}

// A client goes with all its grants, however many, and leaves no session behind.
func deleteBigClient(t *testing.T, open opener) {
	s := open(t, store.Options{})
	ctx := t.Context()
	c := auth.Client{ID: "shop", Epoch: "e1"}
	if err := s.CreateClient(ctx, c, nil, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	u := auth.User{ID: "usr_1", Epoch: "e"}
	if err := s.CreateUser(ctx, u, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	const many = 2300
	for i := range many {
		g := grantOf(u, c)
		g.HandleHash = fmt.Appendf(nil, "handle %d", i)
		if err := s.Begin(ctx, auth.Session{ID: g.SessionID, UserID: u.ID}, g, auth.Marks{}, auth.Event{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.DeleteClient(ctx, c.ID, s0, auth.Event{Action: "client.delete"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ClientByID(ctx, c.ID); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("the client: %v, want ErrNotFound", err)
	}
	if gone, err := s.Revoked(ctx, [][16]byte{revlog.Hash(revlog.Epoch, "e1")}, s0); err != nil || !gone {
		t.Errorf("its epoch is revoked: %v, %v", gone, err)
	}
	if n, err := s.Sweep(ctx, s0); err != nil || n != many {
		t.Errorf("Sweep = %d, %v, want the %d sessions", n, err, many)
	}
}

// The clock is a year ahead, and comes back: nothing that is alive has gone. If
// it stays there, it is believed in the end.
func sweepLeap(t *testing.T, open opener) {
	var elapsed time.Duration
	s := open(t, store.Options{}.Elapsing(func() time.Duration { return elapsed }))
	ctx := t.Context()
	sweep := func(at time.Time, want int64) {
		t.Helper()
		if n, err := s.Sweep(ctx, at); err != nil || n != want {
			t.Errorf("Sweep after %v of life, at %v: %d, %v, want %d", elapsed, at, n, err, want)
		}
	}
	expiring := func(id string, at time.Time) {
		t.Helper()
		if _, err := s.UseAssertion(ctx, "svc", sha256.Sum256([]byte(id)), at); err != nil {
			t.Fatal(err)
		}
	}
	const year = 365 * 24 * time.Hour
	expiring("in an hour", s0.Add(time.Hour))
	expiring("in a month", s0.Add(30*24*time.Hour))
	sweep(s0, 0)
	elapsed += 5 * time.Minute
	sweep(s0.Add(year), 0)
	elapsed += time.Hour
	sweep(s0.Add(year+time.Hour), 1) // what has expired by any clock
	elapsed += time.Minute
	sweep(s0.Add(time.Hour+6*time.Minute), 0) // it was set right
	elapsed += time.Hour
	sweep(s0.Add(2*time.Hour+6*time.Minute), 0)

	for range 24 {
		sweep(s0.Add(year), 0)
		elapsed += time.Hour
	}
	sweep(s0.Add(year), 1)
}

// TestSweepOnAMachineThatSleeps: it is off every night. Its clock is believed after
// a day of work, be that in two parts.
func TestSweepOnAMachineThatSleeps(t *testing.T) {
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "writ.db")
	ctx := t.Context()
	const day = 24 * time.Hour
	removed := map[int]int64{}
	for i := range 4 {
		var elapsed time.Duration
		s, err := store.Open(ctx, store.Options{DSN: dsn}.Elapsing(func() time.Duration { return elapsed }))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			for _, at := range []time.Duration{day + time.Hour, 3*day + time.Hour, 3*day + 20*time.Hour} {
				if _, err := s.UseAssertion(ctx, "svc", sha256.Sum256([]byte(at.String())), s0.Add(at)); err != nil {
					t.Fatal(err)
				}
			}
		}
		for ; elapsed <= 14*time.Hour; elapsed += time.Hour {
			n, err := s.Sweep(ctx, s0.Add(time.Duration(i)*day+elapsed))
			if err != nil {
				t.Fatal(err)
			}
			removed[i] += n
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if want := (map[int]int64{0: 0, 1: 1, 2: 0, 3: 1}); !maps.Equal(removed, want) {
		t.Errorf("removed each day: %v, want %v", removed, want)
	}
}

func sweepAudit(t *testing.T, open opener) {
	s := open(t, store.Options{AuditRetention: time.Hour})
	ctx := t.Context()
	for i := range 450 {
		if err := s.Record(ctx, auth.Event{At: s0.Add(time.Duration(i) * time.Second), Action: "act"}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Sweep(ctx, s0.Add(time.Hour+400*time.Second)); err != nil || n != 401 {
		t.Errorf("Sweep = %d, %v, want the 401 that are an hour old", n, err)
	}
	for range 3 {
		if n, err := s.Sweep(ctx, s0.Add(time.Hour)); err != nil || n != 0 {
			t.Errorf("a later Sweep = %d, %v, want 0", n, err)
		}
	}
}

// Events of a clock that ran ahead stay until their time has come, and those
// before and after them go at theirs.
func sweepAuditLeap(t *testing.T, open opener) {
	var elapsed time.Duration
	s := open(t, store.Options{AuditRetention: time.Hour}.Elapsing(func() time.Duration { return elapsed }))
	ctx := t.Context()
	record := func(n int, at time.Time) {
		t.Helper()
		for range n {
			if err := s.Record(ctx, auth.Event{At: at, Action: "act"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	sweep := func(after time.Duration, want int64) {
		t.Helper()
		elapsed = after
		if n, err := s.Sweep(ctx, s0.Add(after)); err != nil || n != want {
			t.Errorf("Sweep after %v = %d, %v, want %d", after, n, err, want)
		}
	}
	const leap = 30 * time.Hour
	record(500, s0.Add(leap))
	record(10, s0)
	record(450, s0.Add(leap+2*time.Hour))
	record(10, s0.Add(10*time.Minute))
	sweep(0, 0)
	sweep(time.Hour, 10)
	sweep(70*time.Minute, 10)
	record(10, s0.Add(2*time.Hour))
	sweep(2*time.Hour, 0)
	sweep(3*time.Hour, 10)
	sweep(leap+time.Hour, 500)
	sweep(leap+3*time.Hour, 450)
}

// A page is read in the order of numbers: followers ask for one at each
// revocation, and none may cost as much as the log is long.
func TestLogPageReadsNothingButThePage(t *testing.T) {
	s := open(t, store.Options{})
	steps, err := s.LogPagePlan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sorts := 0
	for _, step := range steps {
		if strings.Contains(step, "log_expires_at") {
			t.Errorf("the plan has %q", step)
		}
		if strings.Contains(step, "TEMP B-TREE") {
			sorts++
		}
	}
	if len(steps) == 0 || sorts > 1 {
		t.Errorf("the plan sorts %d times, want once at most, the page itself: %q", sorts, steps)
	}
}

// TestSweepPace: what takes too long gets shorter, but never nothing.
func TestSweepPace(t *testing.T) {
	for _, c := range []struct {
		rows int64
		took time.Duration
		want int64
	}{
		{200, time.Millisecond, 200},
		{200, 21 * time.Millisecond, 100},
		{25, time.Second, 12},
		{12, time.Second, 10},
		{10, time.Hour, 10},
		{10, 10 * time.Millisecond, 10},
		{10, 4 * time.Millisecond, 20},
		{160, 0, 200},
	} {
		if got := store.Paced(c.rows, c.took); got != c.want {
			t.Errorf("after %d rows in %v come %d, want %d", c.rows, c.took, got, c.want)
		}
	}
}
