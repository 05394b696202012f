package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/store"
)

// TestConsentStaysUntilAllHasEnded: nothing but its own end refuses a grant that
// rests on a consent. If that fails half way the person still sees the application,
// for what isn't shown can't be taken back.
func TestConsentStaysUntilAllHasEnded(t *testing.T) {
	w := new(watch)
	c := full(t, open(t, store.Options{Now: func() time.Time { return s0 }}.Wrapped(w.wrap)))
	ctx := t.Context()
	consent := auth.Consent{UserID: c.user.ID, ClientID: "web", Audience: "https://api.example.com", Scope: []string{"read"}}
	if err := c.AddConsent(ctx, consent, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	shown := func(want int) {
		t.Helper()
		if list, err := c.Consents(ctx, c.user.ID); err != nil || len(list) != want {
			t.Errorf("%d consents are shown, %v, want %d", len(list), err, want)
		}
	}
	revoke := func() error {
		_, err := c.RevokeConsent(ctx, c.user.ID, "web", s0, auth.Event{Action: "end"})
		return err
	}
	before := w.commits.Load()
	fails := func(commit func() error) error {
		if w.commits.Load() > before+6 {
			return errors.New("the disk is gone")
		}
		return commit()
	}
	w.commit.Store(&fails)
	if revoke() == nil {
		t.Error("half of it is done, and there is no error")
	}
	w.commit.Store(nil)
	const live = unended + ` AND client_id = 'web'`
	c.is("grants left", live, 3001-5*100)
	shown(1)
	if err := revoke(); err != nil {
		t.Fatal(err)
	}
	c.is("grants left", live, 0)
	c.is("audited", ends, 1)
	shown(0)
	if err := revoke(); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("once more: %v, want ErrNotFound", err)
	}
}
