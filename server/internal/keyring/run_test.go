package keyring_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/keyring"
)

// TestRunTriesAgain: what can't be read is read again within seconds, not at the
// next look in a minute.
func TestRunTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccident(t, true, false)
		stop := a.run(a.node)
		defer stop()
		began := a.store.calls
		a.store.before = func(n int) error {
			if n > began+2 && n < began+6 { // the revocation's own reading, and those of Run
				return errors.New("the database is gone")
			}
			return nil
		}
		if err := a.revoke(t.Context()); err != nil {
			t.Fatal(err)
		}
		if a.node.Lacks() == nil {
			t.Fatal("a node that can't read its keys says that it has some")
		}
		time.Sleep(10 * time.Second) // of the test's own clock
		synctest.Wait()
		a.whole("the node", a.node)
		a.clean("the node", a.node)
	})
}

// run lets Run look after a ring, and waits until it has nothing to do.
func (a *accident) run(r *keyring.Ring) (stop func()) {
	ctx, cancel := context.WithCancel(a.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx, slog.New(slog.DiscardHandler)) }()
	synctest.Wait()
	return func() { cancel(); <-done }
}

// TestRunHearsOfChanges: what another node has done to the keys is known as soon as
// the store tells of it.
func TestRunHearsOfChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccident(t, true, false)
		changed := make(chan struct{})
		follower := a.openWith(func() <-chan struct{} { return changed })
		defer a.run(follower)()
		if err := a.revoke(t.Context()); err != nil {
			t.Fatal(err)
		}
		told := changed
		changed = nil
		close(told)
		synctest.Wait()
		a.whole("the follower", follower)
		a.clean("the follower", follower)
	})
}

// TestOneLineStopsNoOther: a change that fails is told of, and the keys of other
// algorithms change all the same.
func TestOneLineStopsNoOther(t *testing.T) {
	for fails := 1; fails <= 2; fails++ {
		a := newAccident(t, false, true)
		if _, err := a.node.Signing(t.Context(), jwk.EdDSA); err != nil {
			t.Fatal(err)
		}
		if _, err := a.node.Rotate(t.Context(), jwk.EdDSA, auth.Event{}); err != nil {
			t.Fatal(err)
		}
		late := a.openAt(noon.Add(announce), nil)
		before := map[string]bool{late.Ready("").KeyID(): true, late.Ready(jwk.EdDSA).KeyID(): true}
		lost, began := errors.New("the database is gone"), a.store.calls
		a.store.before = func(n int) error {
			if n == began+fails { // the first call reads
				return lost
			}
			return nil
		}
		if _, err := late.Advance(t.Context()); !errors.Is(err, lost) {
			t.Errorf("Advance: %v, want that call %d failed", err, fails)
		}
		if old := before[late.Ready("").KeyID()]; old == before[late.Ready(jwk.EdDSA).KeyID()] {
			t.Errorf("call %d failed: both keys are old: %v; want one of them new", fails, old)
		}
	}
}

// TestAnnouncedKeyWaitsWhereSomebodySigns: a node that has lost its keys takes the
// one that signs by now, and lets none sign before its time.
func TestAnnouncedKeyWaitsWhereSomebodySigns(t *testing.T) {
	a := newAccident(t, true, false)
	if _, err := a.store.RevokeAllKeys(t.Context(), auth.Heirs{Secrets: []auth.APISecret{a.secret()}}, noon, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	if err := a.node.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := a.peer.Advance(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := a.peer.Rotate(t.Context(), "", auth.Event{}); err != nil {
		t.Fatal(err)
	}
	key, err := a.node.Signing(t.Context(), "")
	if err != nil || key.KeyID() != a.signer(a.peer) {
		t.Errorf("%v signs, %v, want what signs on the other node", key, err)
	}
}
