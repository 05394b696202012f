package store_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/store"
)

// heldGrant makes a user with a session and answers its grant.
func heldGrant(t *testing.T, s *store.Store) auth.Grant {
	t.Helper()
	client, err := s.ClientByID(t.Context(), auth.ClientWrit)
	if err != nil {
		t.Fatal(err)
	}
	user := auth.User{ID: auth.NewID(auth.PrefixUser), Epoch: auth.Random128()}
	g := grantOf(user, client)
	err = errors.Join(s.CreateUser(t.Context(), user, auth.Event{}),
		s.Begin(t.Context(), auth.Session{ID: g.SessionID, UserID: user.ID}, g, auth.Marks{}, auth.Event{}))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func rotating(h auth.Held) (*auth.Turn, error) {
	r := h.Grant.Rotation
	return &auth.Turn{To: auth.Rotation{Confirmed: r.Current, Current: r.Current + 1, IssuedAt: h.Now}, Idle: h.Now.Add(time.Hour), SessionIdle: h.Now.Add(time.Hour)}, nil
}

// TestRefreshUsesTheWait: what will be answered is made while the commit is
// under way, and not answered before it has returned.
func TestRefreshUsesTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(watch)
		s := open(t, store.Options{}.Wrapped(w.wrap))
		g := heldGrant(t, s)
		let := make(chan struct{})
		wait := func(commit func() error) error {
			<-let
			return commit()
		}
		w.commit.Store(&wait)
		made, answered := false, make(chan error, 1)
		go func() {
			answered <- s.Refresh(t.Context(), g.HandleHash, rotating, func() error { made = true; return nil })
		}()
		synctest.Wait() // until nothing moves any more: the commit waits for let
		if !made || len(answered) > 0 {
			t.Errorf("before the commit: made %v, answered %v; want true, false", made, len(answered) > 0)
		}
		close(let)
		if err := <-answered; err != nil {
			t.Error(err)
		}
	})
}

// TestRefreshFailsWithItsCommit: what was made in the meantime must not leave.
func TestRefreshFailsWithItsCommit(t *testing.T) {
	w := new(watch)
	s := open(t, store.Options{}.Wrapped(w.wrap))
	g := heldGrant(t, s)
	broken := errors.New("the disk is on fire")
	fail := func(func() error) error { return broken }
	w.commit.Store(&fail)
	if err := s.Refresh(t.Context(), g.HandleHash, rotating, func() error { return nil }); !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the commit", err)
	}
	w.commit.Store(nil)
	held, err := s.HeldByGrant(t.Context(), g.ID)
	if err != nil {
		t.Fatal(err)
	}
	if held.Grant.Rotation != g.Rotation {
		t.Errorf("rotation %+v after a failed commit", held.Grant.Rotation)
	}
}

// TestRefreshHarmsNoBatchMate: one that is refused, one that panics, and one
// whose key is gone share a commit with others.
func TestRefreshHarmsNoBatchMate(t *testing.T) {
	s := open(t, store.Options{})
	first, second := heldGrant(t, s), heldGrant(t, s)
	own := errors.New("own")
	refresh := func(g auth.Grant, decide func(auth.Held) (*auth.Turn, error)) func() error {
		return func() error { return s.Refresh(t.Context(), g.HandleHash, decide, func() error { return nil }) }
	}
	errs := batch(t, s,
		refresh(first, rotating),
		refresh(first, func(auth.Held) (*auth.Turn, error) { return nil, own }),
		refresh(first, func(auth.Held) (*auth.Turn, error) { panic("a defect") }),
		refresh(first, func(h auth.Held) (*auth.Turn, error) {
			turn, _ := rotating(h)
			turn.Marks = auth.Marks{Expiry: h.Now.Add(time.Hour), UserID: h.User.ID, KID: "gone"}
			return turn, nil
		}),
		func() error { return create(t, s, 1) },
		refresh(second, rotating),
	)
	var panicked *store.PanicError
	if errs[0] != nil || !errors.Is(errs[1], own) || !errors.As(errs[2], &panicked) || !errors.Is(errs[3], auth.ErrEpochChanged) ||
		errs[4] != nil || errs[5] != nil {
		t.Errorf("errors %v, want none, own, a panic, a changed epoch, none, none", errs)
	}
	for _, g := range []auth.Grant{first, second} {
		held, err := s.HeldByGrant(t.Context(), g.ID)
		if err != nil {
			t.Fatal(err)
		}
		if held.Grant.Rotation.Current != 1 || !held.User.Mark.IsZero() {
			t.Errorf("rotation %+v, mark %v; want one rotation and no mark", held.Grant.Rotation, held.User.Mark)
		}
	}
}
