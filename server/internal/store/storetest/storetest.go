// Package storetest says by tests what package auth asks of a store. Every
// engine runs the same suite.
package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-auth/writ/server/internal/auth"
)

// Store is all that a store implements.
type Store interface {
	auth.Sessions
	auth.Users
	auth.Directory
	auth.Keys
	auth.Log
	auth.Settings
	auth.Audit
	auth.Registry
	auth.Assertions
	auth.ClientSecrets
	auth.Codes
	auth.Consents
	auth.Browsers
	auth.Devices
	auth.Logouts

	StatusLists(ctx context.Context) (int64, error)
	RevokedStatuses(ctx context.Context, list int64, now time.Time) ([]int64, error)
}

// Harness is an empty store and the clock that it was opened with.
type Harness struct {
	Store Store
	Clock *Clock
}

// Clock is a clock that moves when it is told to.
type Clock struct{ micros atomic.Int64 }

// NewClock stands at a moment with microseconds, which a store must keep.
func NewClock() *Clock {
	c := new(Clock)
	c.micros.Store(time.Date(2031, 2, 3, 4, 5, 6, 789012000, time.UTC).UnixMicro())
	return c
}

// Now answers where the clock stands.
func (c *Clock) Now() time.Time { return time.UnixMicro(c.micros.Load()).UTC() }

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) { c.micros.Add(d.Microseconds()) }

// Run runs the suite, with a fresh store for every test.
func Run(t *testing.T, open func(*testing.T) Harness) {
	for _, part := range []struct {
		name  string
		tests map[string]func(*bench)
	}{
		{"Sessions", sessionTests()},
		{"Refresh", refreshTests()},
		{"End", endTests()},
		{"Users", userTests()},
		{"Directory", directoryTests()},
		{"Clients", clientTests()},
		{"Services", serviceTests()},
		{"Authorization", authorizationTests()},
		{"Devices", deviceTests()},
		{"Logouts", logoutTests()},
		{"Keys", keyTests()},
		{"Log", logTests()},
		{"Claims", claimsTests()},
		{"Statuses", statusTests()},
		{"Values", valueTests()},
		{"Concurrency", concurrencyTests()},
		{"Races", raceTests()},
	} {
		t.Run(part.name, func(t *testing.T) {
			for name, test := range part.tests {
				t.Run(name, func(t *testing.T) {
					h := open(t)
					test(&bench{T: t, Store: h.Store, clock: h.Clock, ctx: t.Context()})
				})
			}
		})
	}
}

// bench is one test's store, with shorthands that fail the test.
type bench struct {
	*testing.T
	Store
	clock *Clock
	ctx   context.Context
	made  int
}

func (b *bench) now() time.Time { return b.clock.Now() }

// event makes an event that can be told from others.
func event(action string) auth.Event {
	return auth.Event{Actor: "usr_actor", Action: action, Target: "target", Address: "192.0.2.1", Verdict: "allowed", Reason: "because"}
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// is checks that an error is the one wanted.
func (b *bench) is(what string, err, want error) {
	b.Helper()
	if !errors.Is(err, want) {
		b.Errorf("%s: error %v, want %v", what, err, want)
	}
}

// taken checks that an error is a conflict about a field.
func (b *bench) taken(what string, err error, field string) {
	b.Helper()
	var conflict *auth.ConflictError
	if !errors.As(err, &conflict) || conflict.Field != field {
		b.Errorf("%s: error %v, want that %s is taken", what, err, field)
	}
}

// invalid checks that an error blames a field of the request.
func (b *bench) invalid(what string, err error, field string) {
	b.Helper()
	var shown *auth.Error
	if !errors.As(err, &shown) || shown.Code != auth.CodeInvalid || shown.Field != field {
		b.Errorf("%s: error %v, want %s for the field %q", what, err, auth.CodeInvalid, field)
	}
}

func (b *bench) same(what string, got, want any) {
	b.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		b.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// user makes a user with an e-mail address and nothing else.
func (b *bench) user() auth.User {
	b.Helper()
	b.made++
	u := auth.User{
		ID:           fmt.Sprintf("usr_%03d", b.made),
		Email:        fmt.Sprintf("user%d@example.com", b.made),
		PasswordHash: "$hash$",
		Epoch:        auth.Random128(),
		CreatedAt:    b.now(),
		UpdatedAt:    b.now(),
	}
	b.must(b.CreateUser(b.ctx, u, event("user.create")))
	return u
}

// client is the built-in one.
func (b *bench) client() auth.Client {
	b.Helper()
	c, err := b.ClientByID(b.ctx, auth.ClientWrit)
	b.must(err)
	return c
}

// prepare makes, but doesn't store, a session and its grant.
func (b *bench) prepare(u auth.User, c auth.Client) (auth.Session, auth.Grant) {
	b.made++
	now := b.now()
	s := auth.Session{
		ID: fmt.Sprintf("ses_%03d", b.made), UserID: u.ID, AuthTime: now, AMR: []string{"pwd"}, ACR: "1",
		Device: "Browser/1", Address: "192.0.2.7", CreatedAt: now, LastSeenAt: now,
		IdleExpiry: now.Add(time.Hour), AbsoluteExpiry: now.Add(24 * time.Hour),
	}
	handle := sha256.Sum256([]byte(s.ID))
	g := auth.Grant{
		ID: auth.Random128(), SessionID: s.ID, ClientID: c.ID, UserID: u.ID, Audience: "https://api.example", OrgID: "org_1",
		Scope: []string{"openid", "email"}, Mode: auth.ModeToken, HandleHash: handle[:],
		Rotation:  auth.Rotation{IssuedAt: now, TagKey: 3},
		UserEpoch: u.Epoch, ClientEpoch: c.Epoch, IdleExpiry: s.IdleExpiry, AbsoluteExpiry: s.AbsoluteExpiry,
		DPoPThumbprint: "thumb", StatusIndex: 77, AuthTime: now.Add(-time.Hour), CreatedAt: now,
	}
	return s, g
}

// begin signs a user in.
func (b *bench) begin(u auth.User) (auth.Session, auth.Grant) {
	b.Helper()
	s, g := b.prepare(u, b.client())
	b.must(b.Begin(b.ctx, s, g, auth.Marks{}, event("session.begin")))
	return s, g
}

func (b *bench) held(grantID string) auth.Held {
	b.Helper()
	h, err := b.HeldByGrant(b.ctx, grantID)
	b.must(err)
	return h
}

// actions lists what the audit holds of an action.
func (b *bench) audited(action string) int {
	b.Helper()
	events, _, err := b.Events(b.ctx, auth.Page{Query: action, Limit: 200})
	b.must(err)
	return len(events)
}
