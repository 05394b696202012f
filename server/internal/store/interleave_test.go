package store_test

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/store"
)

// interleaving is a store whose next write waits for a transaction that the test
// holds open: what happens between the two happens every time.
type interleaving struct {
	*testing.T
	s    *store.Store
	db   *sql.DB
	user auth.User
	g    auth.Grant
}

// TestInterleavings has each race come out both ways. A statement that took its
// decision from what it saw when it began, and not from the row as it is when
// its turn comes, fails here.
func TestInterleavings(t *testing.T) {
	fresh := postgres(t)
	for name, test := range map[string]func(*interleaving){
		"the user's mark, then the end":       markThenEndUser,
		"the client's mark, then the end":     markThenEndClient,
		"the grant's mark, then the end":      markThenEndGrant,
		"the key's mark, then its retirement": markThenTurnKey,
		"the user's end, then a rotation":     endThenRotate,
		"the grant's end, then a rotation":    endGrantThenRotate,
		"a rotation, then another":            rotateThenRotate,
		"the user's end, then a sign-in":      endThenBegin,
		"a sign-in, then the user's end":      beginThenEnd,
		"the client's end, then a mark":       endClientThenRaise,
		"the key's retirement, then a mark":   retireThenRaise,
		"a new password, then a rehash":       passwordThenRehash,
		"an assertion's use, then its use":    useThenUse,
		"a key that signs, then another":      keyThenKey,
		"another node's entry, then one":      entryThenEntry,
	} {
		t.Run(name, func(t *testing.T) {
			dsn := fresh(t)
			db, err := sql.Open("pgx", dsn)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			i := &interleaving{T: t, s: open(t, store.Options{DSN: dsn, Now: func() time.Time { return s0 }}), db: db}
			i.begin()
			test(i)
		})
	}
}

func (i *interleaving) begin() {
	i.Helper()
	i.user = auth.User{ID: "usr_1", Email: "a@example.com", PasswordHash: "old", Epoch: "epoch"}
	if err := i.s.CreateUser(i.Context(), i.user, auth.Event{}); err != nil {
		i.Fatal(err)
	}
	c, err := i.s.ClientByID(i.Context(), auth.ClientWrit)
	if err != nil {
		i.Fatal(err)
	}
	i.g = grantOf(i.user, c)
	if err := i.s.Begin(i.Context(), auth.Session{ID: i.g.SessionID, UserID: i.user.ID}, i.g, auth.Marks{}, auth.Event{}); err != nil {
		i.Fatal(err)
	}
}

// between runs first in a transaction, has then wait for it, and commits.
func (i *interleaving) between(then func() error, first ...string) error {
	i.Helper()
	tx, err := i.db.Begin()
	if err != nil {
		i.Fatal(err)
	}
	for _, text := range first {
		if _, err := tx.Exec(text); err != nil {
			i.Fatal(err)
		}
	}
	done := make(chan error, 1)
	go func() { done <- then() }()
	i.waiting(done)
	if err := tx.Commit(); err != nil {
		i.Fatal(err)
	}
	return <-done
}

// waiting returns when somebody waits for a lock in the database.
func (i *interleaving) waiting(done <-chan error) {
	i.Helper()
	const query = `SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
	deadline := time.Now().Add(time.Minute)
	for {
		var n int
		if err := i.db.QueryRow(query).Scan(&n); err != nil {
			i.Fatal(err)
		}
		if n > 0 {
			return
		}
		select {
		case err := <-done:
			i.Fatalf("it waited for nobody: %v", err)
		default:
		}
		if time.Now().After(deadline) {
			i.Fatal("nobody waits")
		}
	}
}

// hour is hourAt as a column has it.
const hour = "1928052000000000"

func hourAt() time.Time { return time.UnixMicro(1928052000000000).UTC() }

// expiry is that of the log's only entry.
func (i *interleaving) expiry() time.Time {
	i.Helper()
	p, err := i.s.LogPage(i.Context(), 0, 10, s0)
	if err != nil || len(p.Entries) != 1 {
		i.Fatalf("the log has %v, %v, want one entry", p.Entries, err)
	}
	return time.Unix(p.Entries[0].Expiry, 0).UTC()
}

func (i *interleaving) ends(e auth.Ending) func() error {
	return func() error {
		_, err := i.s.End(i.Context(), e, s0, auth.Event{})
		return err
	}
}

// remembered checks that the entry is kept for a token that expires at hour.
func (i *interleaving) remembered(err error) {
	i.Helper()
	if err != nil {
		i.Fatal(err)
	}
	if got, want := i.expiry(), hourAt().Add(auth.LogMemory); !got.Equal(want) {
		i.Errorf("the entry is kept until %v, want %v", got, want)
	}
}

func markThenEndUser(i *interleaving) {
	i.remembered(i.between(i.ends(auth.Ending{UserID: i.user.ID, NewEpoch: "new"}), `UPDATE users SET mark = `+hour))
}

func markThenEndClient(i *interleaving) {
	i.remembered(i.between(i.ends(auth.Ending{ClientID: auth.ClientWrit, NewEpoch: "new"}), `UPDATE clients SET mark = `+hour))
}

func markThenEndGrant(i *interleaving) {
	i.remembered(i.between(i.ends(auth.Ending{SessionID: i.g.SessionID}), `UPDATE grants SET mark = `+hour))
}

func (i *interleaving) key(id string, state auth.KeyState) {
	i.Helper()
	if err := i.s.AddKey(i.Context(), auth.Key{ID: id, Purpose: auth.KeySign, Algorithm: "ES256", State: state}, auth.Event{}); err != nil {
		i.Fatal(err)
	}
}

func markThenTurnKey(i *interleaving) {
	i.key("a", auth.KeySigning)
	i.key("b", auth.KeyNext)
	err := i.between(func() error { return i.s.TurnKey(i.Context(), "b", s0, auth.Event{}) }, `UPDATE keys SET mark = `+hour+` WHERE id = 'a'`)
	keys, listErr := i.s.Keys(i.Context())
	if err := errors.Join(err, listErr); err != nil {
		i.Fatal(err)
	}
	if got, want := keys[0].PublishedUntil, hourAt().Add(auth.LogMemory); keys[0].ID != "a" || !got.Equal(want) {
		i.Errorf("the key %s is published until %v, want a until %v", keys[0].ID, got, want)
	}
}

// refused runs a rotation that must be refused, and raises no mark.
func (i *interleaving) refused(marks auth.Marks, first ...string) {
	i.Helper()
	marks.Expiry = hourAt()
	var rotated bool
	err := i.between(func() (err error) {
		rotated, err = i.s.Rotate(i.Context(), i.g.ID, i.g.Rotation, auth.Turn{To: auth.Rotation{Current: 1}, Idle: s0, SessionIdle: s0, Marks: marks})
		return err
	}, first...)
	if err != nil || rotated {
		i.Errorf("Rotate = %v, %v, want false", rotated, err)
	}
	h, err := i.s.HeldByGrant(i.Context(), i.g.ID)
	if err != nil || !h.User.Mark.IsZero() || !h.Grant.Mark.IsZero() {
		i.Errorf("marks of user and grant: %v, %v, %v, want none", h.User.Mark, h.Grant.Mark, err)
	}
}

func endThenRotate(i *interleaving) {
	i.refused(auth.Marks{UserID: i.user.ID, GrantID: i.g.ID},
		`UPDATE users SET epoch = 'new'`, `UPDATE grants SET ended_at = 1`, `UPDATE sessions SET ended_at = 1`)
}

func endGrantThenRotate(i *interleaving) {
	i.refused(auth.Marks{GrantID: i.g.ID}, `UPDATE grants SET ended_at = 1`)
}

func rotateThenRotate(i *interleaving) {
	i.refused(auth.Marks{GrantID: i.g.ID}, `UPDATE grants SET current_gen = 1, confirmed_gen = 0`)
}

func (i *interleaving) beginAnother() func() error {
	g := i.g
	g.ID, g.SessionID, g.HandleHash = "grant 2", "ses_2", nil
	return func() error {
		return i.s.Begin(i.Context(), auth.Session{ID: g.SessionID, UserID: g.UserID}, g, auth.Marks{}, auth.Event{})
	}
}

func endThenBegin(i *interleaving) {
	if err := i.between(i.beginAnother(), `UPDATE users SET epoch = 'new'`); !errors.Is(err, auth.ErrEpochChanged) {
		i.Errorf("Begin: %v, want ErrEpochChanged", err)
	}
}

func beginThenEnd(i *interleaving) {
	err := i.between(i.ends(auth.Ending{UserID: i.user.ID, NewEpoch: "new"}),
		`SELECT 1 FROM users FOR SHARE`,
		`INSERT INTO sessions SELECT 'ses_2', user_id, NULL, auth_time, amr, acr, device, address, created_at, last_seen_at,
			idle_expiry, absolute_expiry, 0, '', 0 FROM sessions`)
	if err != nil {
		i.Fatal(err)
	}
	session, err := i.s.SessionOf(i.Context(), "ses_2")
	if err != nil || session.EndedAt.IsZero() {
		i.Errorf("the session that began meanwhile: %+v, %v, want it ended", session, err)
	}
}

func endClientThenRaise(i *interleaving) {
	c, err := i.s.ClientByID(i.Context(), auth.ClientWrit)
	if err != nil {
		i.Fatal(err)
	}
	for what, marks := range map[string]auth.Marks{
		"a service's": {ClientID: c.ID, ClientEpoch: c.Epoch},
		"a grant's":   {ClientID: c.ID, GrantID: i.g.ID},
	} {
		marks.Expiry = hourAt()
		err := i.between(func() error { return i.s.Raise(i.Context(), marks) }, `UPDATE clients SET epoch = epoch || '.'`)
		if !errors.Is(err, auth.ErrEpochChanged) {
			i.Errorf("Raise for %s token: %v, want ErrEpochChanged", what, err)
		}
		if _, err := i.db.Exec(`UPDATE clients SET epoch = $1`, c.Epoch); err != nil {
			i.Fatal(err)
		}
	}
}

func retireThenRaise(i *interleaving) {
	i.key("a", auth.KeySigning)
	err := i.between(func() error { return i.s.Raise(i.Context(), auth.Marks{KID: "a", Expiry: hourAt()}) }, `UPDATE keys SET state = 'retired'`)
	if !errors.Is(err, auth.ErrEpochChanged) {
		i.Errorf("Raise: %v, want ErrEpochChanged", err)
	}
}

func passwordThenRehash(i *interleaving) {
	err := i.between(func() error { return i.s.Rehash(i.Context(), i.user.ID, "old", "old, rehashed") }, `UPDATE users SET password_hash = 'new'`)
	if !errors.Is(err, auth.ErrConflict) {
		i.Errorf("Rehash: %v, want ErrConflict", err)
	}
}

func useThenUse(i *interleaving) {
	var fresh bool
	err := i.between(func() (err error) {
		fresh, err = i.s.UseAssertion(i.Context(), "svc", [32]byte{}, s0)
		return err
	}, `INSERT INTO used_assertions VALUES ('svc', decode(repeat('00', 32), 'hex'), 1)`)
	if err != nil || fresh {
		i.Errorf("UseAssertion = %v, %v, want false", fresh, err)
	}
}

func keyThenKey(i *interleaving) {
	err := i.between(func() error {
		return i.s.AddKey(i.Context(), auth.Key{ID: "b", Purpose: auth.KeySign, Algorithm: "ES256", State: auth.KeySigning}, auth.Event{})
	}, `INSERT INTO keys VALUES ('a', 'sign', 0, 'ES256', 'signing', NULL, NULL, 0, 0, 0, 0)`)
	var conflict *auth.ConflictError
	if !errors.As(err, &conflict) || conflict.Field != "algorithm" {
		i.Errorf("AddKey: %v, want that the algorithm is taken", err)
	}
}

// entryThenEntry: another node's transaction has numbered its entry and not
// committed. The next number waits, and is the next.
func entryThenEntry(i *interleaving) {
	var seq uint64
	err := i.between(func() (err error) {
		seq, err = i.s.Revoke(i.Context(), revlog.Token, "jti", time.Time{}, auth.Event{})
		return err
	}, store.FleetLock, `INSERT INTO log (seq, kind, hash, expires_at, created_at) VALUES (1, 1, decode(repeat('00', 16), 'hex'), 0, 0)`)
	if err != nil || seq != 2 {
		i.Errorf("Revoke = %d, %v, want 2", seq, err)
	}
}
