package store_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/store"
)

func TestSweep(t *testing.T) {
	s := open(t, store.Options{})
	ctx := t.Context()
	revoke := func(id string, expiry time.Time) (seq uint64) {
		t.Helper()
		seq, err := s.Revoke(ctx, revlog.Token, id, expiry, auth.Event{})
		if err != nil {
			t.Fatal(err)
		}
		return seq
	}
	for i := range 450 { // more than one step
		revoke(fmt.Sprint("old", i), s0)
	}
	revoke("never", time.Time{})
	revoke("later", s0.Add(time.Minute))
	last := revoke("the newest", s0)

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

	if n, err := s.Sweep(ctx, s0); err != nil || n != 452 {
		t.Errorf("Sweep = %d, %v, want 450 entries, a session and an assertion", n, err)
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
	p, err := s.LogPage(ctx, 0, 10, s0)
	if err != nil || p.Head != last || p.First != 451 || len(p.Entries) != 2 {
		t.Errorf("LogPage = %+v, %v, want the entries 451 and 452 and the head %d", p, err, last)
	}
	if seq := revoke("next", time.Time{}); seq != last+1 {
		t.Errorf("the next number is %d, want %d", seq, last+1)
	}
	// Two entries that are over by then, a session, and the assertions of the
	// seconds 1 to 240.
	if n, err := s.Sweep(ctx, s0.Add(240*time.Second)); err != nil || n != 243 {
		t.Errorf("a later Sweep = %d, %v, want 243", n, err)
	}
	if fresh, err := s.UseAssertion(ctx, "svc", sha256.Sum256([]byte{249}), s0); err != nil || fresh {
		t.Errorf("an assertion that has not expired was forgotten (%v)", err)
	}
}

// A page is read in the order of numbers: followers ask for one at each
// revocation, and none may cost as much as the log is long.
func TestLogPageSortsNothingButThePage(t *testing.T) {
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
