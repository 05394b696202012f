package backchannel_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/backchannel"
	"github.com/writ-auth/writ/server/internal/keyring"
	"github.com/writ-auth/writ/server/internal/mint"
	"github.com/writ-auth/writ/server/internal/outbound"
	"github.com/writ-auth/writ/server/internal/store"
)

const issuer = "https://auth.example.com"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is set by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time          { c.mu.Lock(); defer c.mu.Unlock(); return c.now }
func (c *clock) advance(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

// bench is a database with a person, and the service on it.
type bench struct {
	t     *testing.T
	store *store.Store
	ring  *keyring.Ring
	clock *clock
	roots *x509.CertPool
	made  int
}

func setUp(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, clock: &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}, roots: x509.NewCertPool()}
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
	b.ring, err = keyring.Open(t.Context(), keyring.Options{Keys: b.store, Secrets: b.store, Sealer: sealer, Algorithm: jwk.ES256, Now: b.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	b.must(b.store.CreateUser(t.Context(), auth.User{ID: "usr_1", Email: "ada@example.com", Epoch: "e"}, auth.Event{}))
	return b
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// run delivers until stop is called, which returns when nothing is under way.
func (b *bench) run() (stop func()) {
	client := outbound.New(outbound.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Roots: b.roots})
	s := backchannel.New(backchannel.Options{
		Logouts: b.store, Clients: b.store, Marks: b.store, Keys: b.ring, Mint: mint.New(issuer, b.ring), Outbound: client,
		News: b.store.Published, Logger: slog.New(slog.DiscardHandler), Now: b.clock.Now,
	})
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	return sync.OnceFunc(func() { cancel(); <-done; client.CloseIdleConnections() })
}

// application is one that is told of log-outs, behind TLS.
type application struct {
	*httptest.Server
	id   string
	told chan string // every log-out token that comes
}

// application makes one; answer may be nil: 200.
func (b *bench) application(id string, answer http.HandlerFunc) *application {
	b.t.Helper()
	a := &application{id: id, told: make(chan string, 100)}
	a.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "POST" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			b.t.Errorf("%s %s", r.Method, r.Header)
		}
		a.told <- r.FormValue("logout_token")
		if answer != nil {
			answer(w, r)
		}
	}))
	a.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	a.StartTLS()
	b.t.Cleanup(a.Close)
	b.roots.AddCert(a.Certificate())
	b.must(b.store.CreateClient(b.t.Context(), auth.Client{ID: id, Epoch: "e", BackchannelLogoutURI: a.URL + "/out?a=b", IDTokenAlgorithm: jwk.ES256}, nil, auth.Event{}))
	return a
}

// end begins a session with a grant of the client, and ends it: its sid.
func (b *bench) end(clientID string) string {
	b.t.Helper()
	b.made++
	id := fmt.Sprintf("ses_%03d", b.made)
	g := auth.Grant{ID: auth.Random128(), SessionID: id, ClientID: clientID, UserID: "usr_1", Mode: auth.ModeToken, UserEpoch: "e", ClientEpoch: "e"}
	b.must(b.store.Begin(b.t.Context(), auth.Session{ID: id, UserID: "usr_1"}, g, auth.Marks{}, auth.Event{}))
	_, err := b.store.End(b.t.Context(), auth.Ending{SessionID: id, Reason: "logout"}, b.clock.Now(), auth.Event{})
	b.must(err)
	return g.ID
}

// next waits for the application to be told, and answers the token.
func (b *bench) next(a *application) string {
	b.t.Helper()
	select {
	case token := <-a.told:
		return token
	case <-time.After(time.Minute):
		b.t.Fatalf("%s is not told", a.id)
		return ""
	}
}

// settled waits until nothing is left to tell, or everything waits for a later
// time.
func (b *bench) settled() (waits bool) {
	b.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		due, next, err := b.store.DueLogouts(b.t.Context(), b.clock.Now())
		b.must(err)
		// A claim is a lease of 40 seconds; every other pause has another length.
		if len(due) == 0 && !next.Equal(b.clock.Now().Add(40*time.Second)) {
			return !next.IsZero()
		}
	}
	b.t.Fatal("nothing is settled")
	return false
}

// claims are those of a log-out token.
type claims struct {
	jwt.Claims
	SessionID string          `json:"sid"`
	Nonce     json.RawMessage `json:"nonce"`
	Events    json.RawMessage `json:"events"`
}

func (b *bench) verify(token, clientID string) claims {
	b.t.Helper()
	v, err := jwt.NewVerifier[claims](b.ring, jwt.Expect{Issuer: issuer, Audience: []string{clientID}, Type: "logout+jwt",
		Required: []string{"sub", "jti", "iat"}, Now: b.clock.Now})
	b.must(err)
	tok, err := v.Verify(b.t.Context(), token)
	if err != nil {
		b.t.Fatalf("the log-out token: %v", err)
	}
	return tok.Claims()
}

// The token is what section 2.4 asks for, and is never taken for an ID token or
// an access token.
func TestToken(t *testing.T) {
	b := setUp(t)
	a := b.application("app", nil)
	defer b.run()()
	sid := b.end("app")
	token := b.next(a)
	c := b.verify(token, "app")
	if c.Subject != "usr_1" || c.SessionID != sid || c.ID == "" || c.Nonce != nil ||
		string(c.Events) != `{"http://schemas.openid.net/event/backchannel-logout":{}}` || c.Expiry.Time().Sub(c.IssuedAt.Time()) != 2*time.Minute {
		t.Errorf("claims %+v, events %s", c, c.Events)
	}
	id := jwt.IDToken(issuer, "app")
	id.Now, id.RequireNonce = b.clock.Now, false
	asID, err := jwt.NewVerifier[jwt.IDClaims](b.ring, id)
	b.must(err)
	if _, err := asID.Verify(t.Context(), token); !errors.Is(err, jwt.ErrType) {
		t.Errorf("taken for an ID token: %v", err)
	}
	if b.settled() {
		t.Error("it is told again")
	}
}

// Who answers badly is asked a few times more, with the same jti, and then no
// more; who refuses is not.
func TestTries(t *testing.T) {
	b := setUp(t)
	for what, test := range map[string]struct {
		status func(try int) int
		tries  int
		audits int
	}{
		"never":        {func(int) int { return 503 }, backchannel.Tries, 1},
		"at last":      {func(try int) int { return map[bool]int{true: 204, false: 500}[try == 3] }, 3, 0},
		"it refuses":   {func(int) int { return 400 }, 1, 1},
		"no such page": {func(int) int { return 404 }, backchannel.Tries, 1},
	} {
		t.Run(what, func(t *testing.T) {
			b.t = t
			id := strings.ReplaceAll(what, " ", "-")
			try := 0
			a := b.application(id, func(w http.ResponseWriter, _ *http.Request) { try++; w.WriteHeader(test.status(try)) })
			defer b.run()()
			b.end(id)
			first := b.verify(b.next(a), id)
			for range test.tries - 1 {
				if !b.settled() {
					t.Fatal("it is given up")
				}
				b.clock.advance(10 * time.Minute)
				if again := b.verify(b.next(a), id); again.ID != first.ID || again.IssuedAt == first.IssuedAt {
					t.Errorf("told again with %+v, first %+v", again, first)
				}
			}
			if b.settled() || len(a.told) > 0 {
				t.Error("more tries")
			}
			events, _, err := b.store.Events(t.Context(), auth.Page{Query: id})
			b.must(err)
			if len(events) != test.audits {
				t.Errorf("audit %+v", events)
			}
		})
	}
}

// Hostile applications get nothing, and nobody waits for them.
func TestHostileApplications(t *testing.T) {
	b := setUp(t)
	elsewhere := b.application("elsewhere", nil)
	redirects := b.application("redirects", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	})
	huge := b.application("huge", func(w http.ResponseWriter, _ *http.Request) {
		for range 1 << 10 {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
		b.t.Error("64 MiB were read")
	})
	release := make(chan struct{})
	slow := b.application("slow", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	good := b.application("good", nil)
	stop := b.run()
	defer stop()
	for range 20 {
		b.end("slow")
	}
	for range 8 { // all that are told at once to one application
		b.next(slow)
	}
	b.end("redirects")
	b.end("huge")
	for range 20 { // while slow holds its lane
		b.end("good")
		b.next(good)
	}
	b.next(redirects)
	b.next(huge)
	close(release)
	for range 12 {
		b.next(slow)
	}
	stop()
	if len(elsewhere.told) > 0 {
		t.Error("a redirect was followed")
	}
}

// What a server had yet to tell when it was stopped, it tells when it is back;
// of several one tells.
func TestRestartAndNodes(t *testing.T) {
	b := setUp(t)
	var stuck sync.WaitGroup
	var hold atomic.Bool
	hold.Store(true)
	a := b.application("app", nil)
	b.end("app") // nobody runs
	stop := b.run()
	b.next(a)
	b.settled()
	stop()

	a.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		token, held := r.FormValue("logout_token"), hold.Load()
		if held {
			stuck.Add(1) // before anybody hears of it, and waits
			defer stuck.Done()
		}
		if a.told <- token; held {
			<-r.Context().Done()
		}
	})
	stop = b.run()
	sid := b.end("app")
	b.next(a)
	stop() // in the middle of a call
	stuck.Wait()
	hold.Store(false)
	defer b.run()()
	defer b.run()()
	if got := b.verify(b.next(a), "app"); got.SessionID != sid {
		t.Errorf("told of %s, want %s", got.SessionID, sid)
	}
	told := map[string]int{}
	for range 50 {
		b.end("app")
	}
	for range 50 {
		told[b.verify(b.next(a), "app").SessionID]++
	}
	b.settled()
	if len(told) != 50 || len(a.told) > 0 {
		t.Errorf("%d of 50 were told, and %d more", len(told), len(a.told))
	}
}
