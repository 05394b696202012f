package issuance_test

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/issuance"
	"github.com/writ-auth/writ/server/internal/keyring"
	"github.com/writ-auth/writ/server/internal/mint"
	"github.com/writ-auth/writ/server/internal/store"
)

const (
	issuer   = "https://auth.example.com"
	audience = "https://api.example.com"
)

// world is a service on a real store, with a clock that is told to move.
type world struct {
	*store.Store
	issuance *issuance.Service
	keys     *keyring.Ring
	now      time.Time
	raised   []auth.Marks
}

// Raise counts what is written.
func (w *world) Raise(ctx context.Context, m auth.Marks) error {
	w.raised = append(w.raised, m)
	return w.Store.Raise(ctx, m)
}

func open(t *testing.T) *world {
	t.Helper()
	w := &world{now: time.Date(2026, 3, 1, 12, 10, 0, 500e6, time.UTC)}
	clock := func() time.Time { return w.now }
	var err error
	if w.Store, err = store.Open(t.Context(), store.Options{DSN: "sqlite:" + filepath.Join(t.TempDir(), "writ.db"), Now: clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Store.Close() })
	sealer, err := keyring.NewSealer(make([]byte, keyring.MasterSize))
	if err != nil {
		t.Fatal(err)
	}
	w.keys, err = keyring.Open(t.Context(), keyring.Options{Keys: w.Store, Secrets: w.Store, Sealer: sealer, Algorithm: jwk.ES256, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	w.issuance = issuance.New(issuance.Options{Mint: mint.New(issuer, w.keys), Marks: w, Keys: w.keys, AccessTTL: 15 * time.Minute, Now: clock})
	c := auth.Client{ID: "svc", Audiences: []string{audience}, Epoch: "e"}
	if err := w.CreateClient(t.Context(), c, nil, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	return w
}

// token gets a token as the endpoint would: for the client as it is in memory.
func (w *world) token(t *testing.T, ttl time.Duration) (issuance.Token, error) {
	t.Helper()
	reg, err := w.Registration(t.Context(), "svc")
	if err != nil {
		t.Fatal(err)
	}
	return w.issuance.ForClient(t.Context(), reg.Client, auth.API{Audience: audience, AccessTTL: ttl}, nil, "")
}

// The first token writes that it lives, and the next hour's; none else writes
// anything.
func TestMarks(t *testing.T) {
	w := open(t)
	expect := func(what string, writes int, mark time.Time) {
		t.Helper()
		c, err := w.ClientByID(t.Context(), "svc")
		if err != nil {
			t.Fatal(err)
		}
		rows, err := w.Keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var key auth.Key
		for _, row := range rows {
			if row.Purpose == auth.KeySign {
				key = row
			}
		}
		if len(w.raised) != writes || !c.Mark.Equal(mark) || !key.Mark.Equal(mark) {
			t.Errorf("%s: %d writes, marks %v and %v, want %d and %v", what, len(w.raised), c.Mark, key.Mark, writes, mark)
		}
	}
	get := func(ttl time.Duration) {
		t.Helper()
		tok, err := w.token(t, ttl)
		if err != nil {
			t.Fatal(err)
		}
		if want := cmp.Or(ttl, 15*time.Minute); tok.ExpiresIn != want {
			t.Errorf("expires in %v, want %v", tok.ExpiresIn, want)
		}
	}
	one := time.Date(2026, 3, 1, 13, 0, 0, 0, time.UTC)
	get(0)
	expect("the first", 1, one)
	for range 20 {
		get(0)
	}
	expect("20 more", 1, one)
	w.now = w.now.Add(35 * time.Minute) // 12:45:00.5, so the token expires at 13:00:00
	get(0)
	expect("up to the mark", 1, one)
	w.now = w.now.Add(time.Second)
	get(0)
	expect("beyond the mark", 2, one.Add(time.Hour))
	get(24 * time.Hour)
	expect("a longer life", 3, one.Add(24*time.Hour))
	get(0)
	expect("a shorter life", 3, one.Add(24*time.Hour))
}

// A token of a client that was ended in this very moment is either refused or
// under the log's entry; so is one of a client that was deleted.
func TestEndedMeanwhile(t *testing.T) {
	w := open(t)
	reg, err := w.Registration(t.Context(), "svc")
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string) {
		t.Helper()
		_, err := w.issuance.ForClient(t.Context(), reg.Client, auth.API{Audience: audience}, nil, "")
		var e *auth.Error
		if !errors.As(err, &e) || e.Code != auth.CodeUnavailable || e.RetryAfter == 0 {
			t.Errorf("%s: error %v, want that it is to be tried again", what, err)
		}
	}
	if _, err := w.End(t.Context(), auth.Ending{ClientID: "svc", NewEpoch: "e2"}, w.now, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	refused("ended")
	if _, err := w.token(t, 0); err != nil {
		t.Errorf("the next attempt: %v", err)
	}
	if _, err := w.DeleteClient(t.Context(), "svc", w.now, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	refused("deleted")
}
