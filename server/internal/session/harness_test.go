package session_test

import (
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/credential"
	"github.com/writ-auth/writ/server/internal/keyring"
	"github.com/writ-auth/writ/server/internal/limit"
	"github.com/writ-auth/writ/server/internal/mint"
	"github.com/writ-auth/writ/server/internal/session"
	"github.com/writ-auth/writ/server/internal/store"
)

const (
	issuer   = "http://localhost:8080"
	orders   = "https://orders.example.com"
	password = "correct horse battery staple"
	grace    = 30 * time.Second
)

// clock is set by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) advance(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

// bench is the service on a real database, with a user and an API.
type bench struct {
	*session.Service
	t     *testing.T
	clock *clock
	store *store.Store
	user  auth.User
}

func setUp(t *testing.T, change ...func(*session.Options)) *bench {
	t.Helper()
	b := &bench{t: t, clock: &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	var err error
	b.store, err = store.Open(t.Context(), store.Options{DSN: "sqlite:" + filepath.Join(t.TempDir(), "writ.db"), Now: b.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.store.Close() })
	sealer, err := keyring.NewSealer(make([]byte, keyring.MasterSize))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.Open(t.Context(), keyring.Options{Keys: b.store, Secrets: b.store, Sealer: sealer,
		Algorithm: jwk.ES256, Now: b.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	opts := session.Options{
		Issuer: issuer, Sessions: b.store, Users: b.store, Directory: b.store, Log: b.store, Audit: b.store,
		Keys: ring, Mint: mint.New(issuer, ring), Passwords: credential.New(credential.Options{Memory: 64 << 20}), Throttle: throttle(b.clock.Now),
		Rule: session.Rule{Grace: grace, Late: session.LateRecover}, AccessTTL: 15 * time.Minute,
		RefreshTTL: 7 * 24 * time.Hour, SessionTTL: 30 * 24 * time.Hour,
		Logger: slog.New(slog.DiscardHandler), Now: b.clock.Now,
	}
	for _, f := range change {
		f(&opts)
	}
	if b.Service, err = session.New(opts); err != nil {
		t.Fatal(err)
	}
	b.populate(opts.Passwords)
	return b
}

func (b *bench) populate(passwords *credential.Hasher) {
	b.t.Helper()
	hash, err := passwords.Hash(b.t.Context(), password)
	if err != nil {
		b.t.Fatal(err)
	}
	b.user = auth.User{ID: auth.NewID(auth.PrefixUser), Email: "ada@example.com", Username: "ada", Name: "Ada",
		PasswordHash: hash, Epoch: auth.Random128(), VerifiedAt: b.clock.Now()}
	err = errors.Join(
		b.store.CreateUser(b.t.Context(), b.user, auth.Event{}),
		b.store.CreateAPI(b.t.Context(), auth.API{ID: auth.NewID(auth.PrefixAPI), Audience: orders}, nil, auth.Event{}))
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) signIn(audience string, mode auth.Mode) session.Tokens {
	b.t.Helper()
	out, err := b.SignIn(b.t.Context(), session.SignIn{Login: "ada", Password: password, Audience: audience, Mode: mode,
		Request: session.Request{Address: "192.0.2.1", Device: "test"}})
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func (b *bench) refresh(token string) (session.Tokens, error) {
	return b.Refresh(b.t.Context(), session.Refresh{Token: token, ClientID: auth.ClientWrit,
		Request: session.Request{Address: "192.0.2.1"}})
}

func (b *bench) mustRefresh(token string) session.Tokens {
	b.t.Helper()
	out, err := b.refresh(token)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// claims verifies an access token for an audience and answers its claims.
func (b *bench) claims(token, audience string) jwt.AccessClaims {
	b.t.Helper()
	expect := jwt.AccessToken(issuer, audience)
	expect.Now = b.clock.Now
	v, err := jwt.NewVerifier[jwt.AccessClaims](b.Keys, expect)
	if err != nil {
		b.t.Fatal(err)
	}
	tok, err := v.Verify(b.t.Context(), token)
	if err != nil {
		b.t.Fatalf("the access token is refused: %v", err)
	}
	return tok.Claims()
}

// logged says whether the log holds an id.
func (b *bench) logged(kind revlog.Kind, id string) bool {
	b.t.Helper()
	page, err := b.store.LogPage(b.t.Context(), 0, 1000, b.clock.Now())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, e := range page.Entries {
		if e.Kind == kind && e.Hash == revlog.Hash(kind, id) {
			return true
		}
	}
	return false
}

// audited counts the events of an action.
func (b *bench) audited(action string) int {
	b.t.Helper()
	events, _, err := b.store.Events(b.t.Context(), auth.Page{Query: action, Limit: 200})
	if err != nil {
		b.t.Fatal(err)
	}
	return len(events)
}

// want checks an error's code.
func want(t *testing.T, err error, code auth.Code) {
	t.Helper()
	var e *auth.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("error %v, want code %s", err, code)
	}
}

func throttle(now func() time.Time) *limit.Throttle {
	return limit.New(now)
}

func (b *bench) putMember(m auth.Member) error {
	before, err := b.store.MemberOf(b.t.Context(), m.OrgID, m.UserID)
	if err != nil && !errors.Is(err, auth.ErrNotFound) {
		return err
	}
	_, err = b.store.PutMember(b.t.Context(), m, before.Roles, nil, b.clock.Now(), auth.Event{})
	return err
}
