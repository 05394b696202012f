package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/store"
)

// full is a session with very many grants, of which next to none has a token that
// is alive.
func full(t *testing.T, s *store.Store) *crowd {
	t.Helper()
	c := newCrowd(t, s)
	c.add("over", "web", s0.Add(-time.Hour), nil)
	c.copies("over", 3000)
	for i := range 40 {
		c.add(fmt.Sprint("alive ", i), "phone", s0.Add(time.Hour), func(g *auth.Grant) { g.HandleHash = fmt.Append(nil, "handle ", i) })
	}
	c.add("told", "told", s0.Add(-time.Hour), nil)
	c.add("told too", "told", s0.Add(-time.Hour), nil)
	return c
}

func (c *crowd) end(e auth.Ending) (seq uint64) {
	c.t.Helper()
	seq, err := c.End(c.t.Context(), e, s0, auth.Event{Action: "end"})
	if err != nil {
		c.t.Fatal(err)
	}
	return seq
}

// is checks a number that the database answers.
func (c *crowd) is(what, query string, want int) {
	c.t.Helper()
	text, err := c.Query(c.t.Context(), `SELECT CAST((`+query+`) AS TEXT)`)
	if err != nil {
		c.t.Fatal(err)
	}
	if text != fmt.Sprint(want) {
		c.t.Errorf("%s: %s, want %d", what, text, want)
	}
}

func (c *crowd) revoked(kind revlog.Kind, id string) {
	c.t.Helper()
	if found, err := c.Revoked(c.t.Context(), [][16]byte{revlog.Hash(kind, id)}, s0); err != nil || !found {
		c.t.Errorf("%q is not in the log: %v", id, err)
	}
}

const (
	unended  = `SELECT COUNT(*) FROM grants WHERE ended_at = 0`
	sessions = `SELECT COUNT(*) FROM sessions WHERE ended_at = 0`
	entries  = `SELECT COUNT(*) FROM log`
	ends     = `SELECT COUNT(*) FROM audit WHERE action = 'end'`
	waiting  = `SELECT COUNT(*) FROM logouts`
	underWay = `SELECT COUNT(*) FROM endings`
)

// endCrowd: the log says of a session's grants what is alive, and nothing else;
// each application is told, and all rows say that it is over.
func endCrowd(t *testing.T, open opener) {
	c := full(t, open(t, store.Options{Now: func() time.Time { return s0 }}))
	e := auth.Ending{SessionID: c.first.SessionID, Reason: "logout"}
	seq := c.end(e)
	c.is("entries: what is alive, and the sign-in", entries, 41)
	c.is("the answer is the last entry", `SELECT MAX(seq) FROM log`, int(seq))
	for i := range 40 {
		c.revoked(revlog.Session, fmt.Sprint("alive ", i))
	}
	c.revoked(revlog.Session, c.first.ID)
	c.is("grants that haven't ended", unended, 0)
	c.is("sessions that haven't", sessions, 0)
	c.is("applications to tell", waiting, 2)
	c.is("audited", ends, 1)
	c.is("when it may be forgotten", `SELECT forget_at FROM sessions`, int(s0.Add(time.Hour+auth.LogMemory).UnixMicro()))
	if seq := c.end(e); seq != 0 {
		t.Errorf("to end it again answers %d, want 0", seq)
	}
	c.is("audited once", ends, 1)
}

// endExpired: what ends has left no token alive. The log says nothing, the audit
// does.
func endExpired(t *testing.T, open opener) {
	c := newCrowd(t, open(t, store.Options{Now: func() time.Time { return s0 }}))
	expired := s0.Add(-auth.LogMemory)
	for _, id := range []string{"one", "two", "three"} {
		c.add(id, "web", expired, nil)
	}
	c.add("alive by a slow clock", "web", expired.Add(time.Microsecond), nil)
	if seq := c.end(auth.Ending{GrantID: "one", Reason: "theft"}); seq != 0 {
		t.Errorf("a grant: End = %d, want 0", seq)
	}
	if _, err := c.RevokeConsent(t.Context(), c.user.ID, "web", s0, auth.Event{Action: "end"}); err != nil {
		t.Fatal(err)
	}
	c.is("entries", entries, 1)
	c.revoked(revlog.Session, "alive by a slow clock")
	c.is("audited", ends, 2)
	c.is("grants that haven't ended", unended, 1)
}

// renewCrowd: a user's sessions outlive what their tokens say, unless there are so
// many grants that nobody could wait for them.
func renewCrowd(t *testing.T, open opener) {
	for _, c := range []struct{ grants, left, sessions int }{{10_000, 10_000, 1}, {10_001, 0, 0}} {
		crowd := newCrowd(t, open(t, store.Options{Now: func() time.Time { return s0 }}))
		crowd.add("one", "web", s0.Add(time.Hour), nil)
		crowd.copies("one", c.grants-2) // and the sign-in's
		crowd.is("grants before", unended, c.grants)
		if seq := crowd.end(auth.Ending{UserID: crowd.user.ID, NewEpoch: "new", Tokens: true, Reason: "roles"}); seq != 1 {
			t.Errorf("End = %d, want 1: the epoch's entry", seq)
		}
		crowd.is("grants after", unended+` AND user_epoch = 'new'`, c.left)
		crowd.is("grants with the old epoch", unended+` AND user_epoch <> 'new'`, 0)
		crowd.is("sessions", sessions, c.sessions)
		crowd.is("entries", entries, 1)
	}
}

// endCrowdOfConsent: what rests on a consent ends with it, in however many sessions
// that is, and nothing else does.
func endCrowdOfConsent(t *testing.T, open opener) {
	c := full(t, open(t, store.Options{Now: func() time.Time { return s0 }}))
	c.is("grants of it", unended+` AND client_id = 'web'`, 3001)
	seq, err := c.RevokeConsent(t.Context(), c.user.ID, "web", s0, auth.Event{Action: "end"})
	if err != nil || seq != 0 {
		t.Errorf("RevokeConsent = %d, %v, want 0: of none is a token alive", seq, err)
	}
	c.is("grants that haven't ended", unended+` AND client_id = 'web'`, 0)
	c.is("and why", `SELECT COUNT(*) FROM grants WHERE end_reason = 'consent_revoked'`, 3001)
	c.is("grants of others", unended, 43)
	c.is("sessions", sessions, 1)
	c.add("late", "phone", s0.Add(time.Hour), nil)
	c.copies("late", 599)
	seq, err = c.RevokeConsent(t.Context(), c.user.ID, "phone", s0, auth.Event{Action: "end"})
	if err != nil || seq != 640 {
		t.Errorf("RevokeConsent = %d, %v, want 640, the last entry", seq, err)
	}
	c.is("entries", entries, 640)
	c.is("audited", ends, 2)
	if _, err := c.RevokeConsent(t.Context(), c.user.ID, "phone", s0, auth.Event{Action: "end"}); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("once more: %v, want that there is nothing", err)
	}
}

// endCrowdOfUser: the epoch says it all, and the rows follow.
func endCrowdOfUser(t *testing.T, open opener) {
	c := full(t, open(t, store.Options{Now: func() time.Time { return s0 }}))
	c.is("the end's number", `SELECT `+fmt.Sprint(c.end(auth.Ending{UserID: c.user.ID, NewEpoch: "new", Reason: "logout_all"})), 1)
	c.is("entries", entries, 1)
	c.revoked(revlog.Epoch, c.user.Epoch)
	c.is("grants that haven't ended", unended, 0)
	c.is("sessions that haven't", sessions, 0)
	c.is("applications to tell", waiting, 2)
	c.is("audited", ends, 1)

	again := c.first // a new sign-in
	again.ID, again.SessionID, again.UserEpoch = "again", "ses_again", "new"
	if err := c.Begin(t.Context(), auth.Session{ID: "ses_again", UserID: c.user.ID}, again, auth.Marks{}, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	c.is("grants of the new sign-in", unended, 1)
}

// deleteCrowd: a user goes, however many grants there are, and every application
// is told.
func deleteCrowd(t *testing.T, open opener) {
	c := full(t, open(t, store.Options{Now: func() time.Time { return s0 }}))
	if _, err := c.DeleteUser(t.Context(), c.user.ID, s0, auth.Event{Action: "end"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UserByID(t.Context(), c.user.ID); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("the user: %v", err)
	}
	c.revoked(revlog.Epoch, c.user.Epoch)
	c.is("grants", `SELECT COUNT(*) FROM grants`, 0)
	c.is("applications to tell", waiting, 2)
	c.is("audited", ends, 1)
}

// TestEndStepByStep: what refuses the grants comes first, and alone. Their rows
// follow in steps, between which others get their turn.
func TestEndStepByStep(t *testing.T) {
	for name, e := range map[string]auth.Ending{
		"session": {SessionID: "", Reason: "logout"}, "user": {UserID: "usr_1", NewEpoch: "new", Reason: "logout_all"},
	} {
		t.Run(name, func(t *testing.T) {
			w := new(watch)
			c := full(t, open(t, store.Options{Now: func() time.Time { return s0 }}.Wrapped(w.wrap)))
			if e.UserID == "" {
				e.SessionID = c.first.SessionID
			}
			before := w.commits.Load()
			first := func(commit func() error) error {
				err := commit()
				if w.commits.Load() == before+1 {
					c.is("rows of grants after the first commit", unended, 3044)
					live, _, err := c.Sessions(t.Context(), c.user.ID, auth.Page{})
					if err != nil || len(live) != 0 {
						t.Errorf("after the first commit %d sessions are alive, %v, want none", len(live), err)
					}
				}
				return err
			}
			w.commit.Store(&first)
			c.end(e)
			// Two lists, of 2,000 and 1,044, by 100, and that it is finished.
			if n := w.commits.Load() - before; n != 1+20+11+1 {
				t.Errorf("%d commits, want 33", n)
			}
			c.is("grants that haven't ended", unended, 0)
			c.is("endings under way", underWay, 0)
		})
	}
}

// TestEndGoesOn: an ending that failed half way had no answer, and who asks again
// gets the rest. Nobody needs to: the next Sweep sees to it.
func TestEndGoesOn(t *testing.T) {
	session := func(c *crowd) auth.Ending { return auth.Ending{SessionID: c.first.SessionID, Reason: "logout"} }
	user := func(c *crowd) auth.Ending {
		return auth.Ending{UserID: c.user.ID, NewEpoch: "new", Reason: "logout_all"}
	}
	sweep := func(c *crowd) {
		if _, err := c.Sweep(t.Context(), s0); err != nil {
			t.Error(err)
		}
	}
	for name, test := range map[string]struct {
		ending  func(*crowd) auth.Ending
		goOn    func(*crowd)
		entries int
		at      time.Time // when the session may be forgotten
	}{
		"session": {session, func(c *crowd) {
			if seq := c.end(session(c)); seq == 0 {
				t.Error("to end the rest answers 0")
			}
		}, 41, s0.Add(time.Hour + auth.LogMemory)},
		"session, swept": {session, sweep, 41, s0.Add(time.Hour + auth.LogMemory)},
		"user, swept":    {user, sweep, 1, s0.Add(auth.LogMemory)}, // no mark was raised here
	} {
		t.Run(name, func(t *testing.T) {
			w := new(watch)
			c := full(t, open(t, store.Options{Now: func() time.Time { return s0 }}.Wrapped(w.wrap)))
			before := w.commits.Load()
			fails := func(commit func() error) error {
				if w.commits.Load() > before+3 {
					return errors.New("the disk is gone")
				}
				return commit()
			}
			w.commit.Store(&fails)
			if seq, err := c.End(t.Context(), test.ending(c), s0, auth.Event{Action: "end"}); err == nil {
				t.Errorf("End = %d without an error", seq)
			}
			c.is("grants left", unended, 3044-2*100)
			c.is("endings under way", underWay, 1)
			w.commit.Store(nil)
			test.goOn(c)
			c.is("grants left", unended, 0)
			c.is("of another reason", `SELECT COUNT(*) FROM grants WHERE end_reason <> '`+test.ending(c).Reason+`'`, 0)
			c.is("endings under way", underWay, 0)
			c.is("entries", entries, test.entries)
			c.is("sessions that haven't ended", sessions, 0)
			c.is("when it may be forgotten", `SELECT forget_at FROM sessions`, int(test.at.UnixMicro()))
			c.is("applications to tell", waiting, 2)
		})
	}
}

// TestEndTogether: who ends a session answers the last of its entries, also where
// somebody else has come upon the ending half way, and made that.
func TestEndTogether(t *testing.T) {
	w := new(watch)
	c := full(t, open(t, store.Options{Now: func() time.Time { return s0 }}.Wrapped(w.wrap)))
	other, err := sql.Open("sqlite", c.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	before := w.commits.Load()
	rest := func(commit func() error) error {
		if err := commit(); err != nil || w.commits.Load() != before+2 {
			return err
		}
		_, ends := other.Exec(`UPDATE grants SET ended_at = 1 WHERE ended_at = 0`)
		_, logs := other.Exec(`INSERT INTO log (seq, kind, hash, expires_at, created_at, chain) VALUES (4000, 2, zeroblob(16), 0, 0, zeroblob(32))`)
		return errors.Join(ends, logs)
	}
	w.commit.Store(&rest)
	if seq := c.end(auth.Ending{SessionID: c.first.SessionID, Reason: "logout"}); seq != 4000 {
		t.Errorf("End = %d, want 4000, the number of what the other did last", seq)
	}
	c.is("endings under way", underWay, 0)
}

// TestEndingThatFails: a row that can't be written keeps neither another ending
// from being finished, nor anything else from being swept.
func TestEndingThatFails(t *testing.T) {
	c := full(t, open(t, store.Options{Now: func() time.Time { return s0 }}))
	other, err := sql.Open("sqlite", c.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	stuck := newUser(c, "usr_2")
	for _, text := range []string{
		`UPDATE users SET epoch = 'new ' || id`,
		`INSERT INTO endings (id, user_id, reason, mark) SELECT 'new ' || id, id, 'logout_all', 0 FROM users`,
		`UPDATE endings SET id = '0 first' WHERE user_id = '` + stuck.UserID + `'`,
		`CREATE TRIGGER stuck BEFORE UPDATE ON grants WHEN OLD.user_id = '` + stuck.UserID + `' BEGIN SELECT RAISE(ABORT, 'stuck'); END`,
	} {
		if _, err := other.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.UseAssertion(t.Context(), "svc", [32]byte{1}, s0); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Sweep(t.Context(), s0); err == nil {
		t.Error("nobody is told")
	}
	c.is("assertions", `SELECT COUNT(*) FROM used_assertions`, 0)
	c.is("grants left", unended, 1)
	c.is("endings under way", underWay, 1)
}

// endInterrupted: a process was killed after it began to end a session, and
// another as it ended a user. The next Sweep does what is left, on either engine.
func endInterrupted(t *testing.T, open opener) {
	c := full(t, open(t, store.Options{Now: func() time.Time { return s0 }}))
	err := c.Transact(t.Context(), func(exec func(string, ...any) error) error {
		return errors.Join(
			exec(`UPDATE sessions SET ended_at = $1, forget_at = $2, end_reason = 'logout'`, s0.UnixMicro(), s0.Add(2*time.Hour).UnixMicro()),
			exec(`INSERT INTO endings (id, user_id, reason, mark) SELECT id, '', 'logout', 0 FROM sessions`))
	})
	if err != nil {
		t.Fatal(err)
	}
	second := newUser(c, "usr_2")
	place, err := c.AssignStatus(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	err = c.Transact(t.Context(), func(exec func(string, ...any) error) error {
		return errors.Join(
			exec(`UPDATE users SET epoch = 'new' WHERE id = $1`, second.UserID),
			exec(`INSERT INTO endings (id, user_id, reason, mark) VALUES ('new', $1, 'logout_all', $2)`, second.UserID, s0.Add(time.Hour).UnixMicro()))
	})
	if err != nil {
		t.Fatal(err)
	}
	c.is("grants before", unended, 3045)
	if list, err := c.RevokedStatuses(t.Context(), place.List(), s0); err != nil || !slices.Equal(list, []int64{place.Place()}) {
		t.Errorf("revoked in the status list before the rows say so: %v, %v, want %d", list, err, place.Place())
	}
	if _, err := c.Sweep(t.Context(), s0); err != nil {
		t.Fatal(err)
	}
	c.is("grants that haven't ended", unended, 0)
	c.is("sessions that haven't", sessions, 0)
	c.is("of the session: the rest has no token alive, and is gone", `SELECT COUNT(*) FROM grants WHERE end_reason = 'logout'`, 41)
	c.is("for the user", `SELECT COUNT(*) FROM grants WHERE end_reason = 'logout_all'`, 1)
	c.is("entries: what was alive in the session, and the sign-in", entries, 41)
	c.is("when the user's session may be forgotten", `SELECT forget_at FROM sessions WHERE user_id = 'usr_2'`, int(s0.Add(time.Hour+auth.LogMemory).UnixMicro()))
	c.is("endings under way", underWay, 0)
}

// newUser is one more user, with a session and its grant, which it answers.
func newUser(c *crowd, id string) auth.Grant {
	c.t.Helper()
	u := auth.User{ID: id, Epoch: "old"}
	if err := c.CreateUser(c.t.Context(), u, auth.Event{}); err != nil {
		c.t.Fatal(err)
	}
	writ, err := c.ClientByID(c.t.Context(), auth.ClientWrit)
	if err != nil {
		c.t.Fatal(err)
	}
	g := grantOf(u, writ)
	g.AbsoluteExpiry = s0.Add(time.Hour)
	if err := c.Begin(c.t.Context(), auth.Session{ID: g.SessionID, UserID: u.ID}, g, auth.Marks{Expiry: s0.Add(time.Hour), GrantID: g.ID}, auth.Event{}); err != nil {
		c.t.Fatal(err)
	}
	return g
}

// redeem begins a grant of an application, as with a code.
func (c *crowd) redeem(app string, now time.Time) auth.Grant {
	c.t.Helper()
	ctx := c.t.Context()
	g := grantOf(c.user, c.apps[app])
	g.SessionID, g.HandleHash, g.CreatedAt = c.first.SessionID, []byte("handle of "+g.ID), now
	code := auth.AuthorizationCode{Hash: [32]byte([]byte(g.ID + g.ID)[:32]), ClientID: app, SessionID: g.SessionID, Challenge: "challenge",
		ExpiresAt: now.Add(time.Minute), ForgetAt: now.Add(time.Minute)}
	if err := c.AddCode(ctx, code); err != nil {
		c.t.Fatal(err)
	}
	begun, err := c.Redeem(ctx, code.Hash, g, now, auth.Marks{Expiry: now.Add(time.Hour)}, auth.Event{Action: "grant.begin"})
	if err != nil || !begun {
		c.t.Fatalf("Redeem = %v, %v", begun, err)
	}
	return g
}

// roomOfSession: all clients together fill a session only so far, and one with
// few grants is let in all the same.
func roomOfSession(t *testing.T, open opener) {
	c := newCrowd(t, open(t, store.Options{Now: func() time.Time { return s0 }}))
	for i := range 11 {
		app := auth.Client{ID: fmt.Sprint("app ", i), Epoch: "epoch"}
		if err := c.CreateClient(t.Context(), app, nil, auth.Event{}); err != nil {
			t.Fatal(err)
		}
		c.apps[app.ID] = app
		c.add("one of "+app.ID, app.ID, s0.Add(time.Hour), nil)
		c.copies("one of "+app.ID, 44)
	}
	c.add("over", "phone", s0.Add(-time.Hour), nil)
	c.copies("over", 3)
	all := `SELECT COUNT(*) FROM grants`
	c.is("grants", all, 500)
	c.redeem("web", s0)
	c.is("grants with one of web", all, 500)
	if n := c.left("phone"); n != 3 {
		t.Errorf("%d of phone are left, want 3", n)
	}
	c.is("entries: nothing alive has gone", entries, 0)
	for range 4 {
		c.redeem("web", s0)
	}
	c.is("grants with five of web", all, 500)
	c.is("entries: one that was alive", entries, 1)
	if _, err := c.HeldByGrant(t.Context(), c.first.ID); err != nil {
		t.Errorf("the sign-in: %v", err)
	}
}

// roomInCrowd: in a session from before there were bounds each grant makes some
// places, and not all at once.
func roomInCrowd(t *testing.T, open opener) {
	c := full(t, open(t, store.Options{Now: func() time.Time { return s0 }}))
	c.redeem("web", s0)
	if n := c.left("web"); n != 3001-20+1 {
		t.Errorf("%d are left, want 2982", n)
	}
	g := c.redeem("phone", s0)
	if n := c.left("phone"); n != 41 {
		t.Errorf("%d of phone are left, want all 41", n)
	}
	if _, err := c.HeldByGrant(t.Context(), g.ID); err != nil {
		t.Error(err)
	}
	c.is("entries", entries, 0)
}
