package guardtest

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/guard"
	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwk"
)

// URL is the issuer's name: the iss of its tokens.
const URL = "https://issuer.test"

// Lifetime is how long its tokens are good.
const Lifetime = 15 * time.Minute

// announced is how many keys are published before they sign, as a real issuer
// does for a day.
const announced = 3

const logID = "guardtest"

// heartbeat is an entry of a kind that verifiers pass over. It carries nothing
// but the news that time has passed.
const heartbeat revlog.Kind = 255

// patience bounds the wait for guards. It is never used up but by a defect.
const patience = 10 * time.Second

// Issuer issues tokens inside a test. It is safe for concurrent use.
type Issuer struct {
	t testing.TB

	mu       sync.Mutex
	now      time.Time
	signing  *jwk.PrivateKey
	next     []*jwk.PrivateKey // published already, will sign in this order
	retired  []*jwk.PrivateKey // published still
	epochs   map[string]string // of users and clients, by name
	clients  map[string]*Client
	logKey   *jwk.PrivateKey
	entries  []revlog.Entry // without gaps; the number of the first is 1
	chains   []revlog.Chain // by number: after that entry
	networks []*network
	changed  chan struct{} // closed, and replaced, when anything above changes
}

// NewIssuer returns an issuer whose clock stands at the present second.
func NewIssuer(t testing.TB) *Issuer {
	t.Helper()
	i := &Issuer{
		t: t, now: time.Now().Truncate(time.Second), epochs: make(map[string]string), changed: make(chan struct{}),
	}
	i.signing, i.logKey = i.newKey(jwk.ES256), i.newKey(jwk.EdDSA)
	i.chains = []revlog.Chain{revlog.ChainStart(logID)}
	for range announced {
		i.next = append(i.next, i.newKey(jwk.ES256))
	}
	return i
}

func (i *Issuer) newKey(alg jwk.Algorithm) *jwk.PrivateKey {
	key, err := jwk.Generate(alg)
	if err != nil {
		i.t.Fatalf("guardtest: %v", err)
	}
	return key
}

// Config returns the configuration of a guard for this issuer, to be changed
// before guard.New takes it. Use it for one guard. Whatever your API's own guard
// is configured with besides its issuer belongs here, so that the test sees the
// same answers:
//
//	cfg := issuer.Config("https://api.example.com")
//	cfg.Public, cfg.Cookie = []string{"GET /healthz"}, "session"
//	g, err := guard.New(cfg)
//	…
//	defer g.Close()
func (i *Issuer) Config(audience string) guard.Config {
	n := &network{issuer: i}
	i.mu.Lock()
	i.networks = append(i.networks, n)
	i.mu.Unlock()
	return guard.Config{
		Issuers:     []guard.Issuer{{URL: URL, Audience: []string{audience}, Revocation: guard.Follow}},
		Credentials: &guard.Credentials{ClientID: "guardtest", ClientSecret: rand.Text()},
		Client:      &http.Client{Transport: n},
		Now:         i.Now,
	}
}

// Guard returns a guard for tokens to an audience, with keys and revocations at
// hand. It is closed when the test ends. All else is as a guard.Config has it
// that says nothing: no request is public, and no cookie is looked at. For that
// take Config and guard.New.
func (i *Issuer) Guard(audience string) *guard.Guard {
	i.t.Helper()
	cfg := i.Config(audience)
	g, err := guard.New(cfg)
	if err != nil {
		i.t.Fatalf("guardtest: %v", err)
	}
	i.mu.Lock()
	cfg.Client.Transport.(*network).guard = g
	i.mu.Unlock()
	i.t.Cleanup(func() { _ = g.Close() }) // the end of the test: nothing depends on it
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := g.Ready(ctx); err != nil {
		i.t.Fatalf("guardtest: %v", err)
	}
	return g
}

// Now returns what the issuer's clock says.
func (i *Issuer) Now() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.now
}

// Advance moves the issuer's clock, which is also that of its guards. When it
// returns they know that nothing was revoked meanwhile.
func (i *Issuer) Advance(d time.Duration) {
	i.t.Helper()
	i.mu.Lock()
	i.now = i.now.Add(d)
	i.mu.Unlock()
	i.publish(heartbeat, "")
}

// KeyID returns the kid of the key that signs now.
func (i *Issuer) KeyID() string { return i.key().KeyID() }

func (i *Issuer) key() *jwk.PrivateKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.signing
}

// Rotate makes the next key sign. The one before stays published, so its tokens
// stay good.
func (i *Issuer) Rotate() {
	fresh := i.newKey(jwk.ES256)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.retired = append(i.retired, i.signing)
	i.next = append(i.next, fresh)
	i.signing, i.next = i.next[0], i.next[1:]
}

// RevokeToken revokes one token that this issuer made. Like all that revokes,
// it is in force at every guard of this issuer when it returns.
func (i *Issuer) RevokeToken(token string) {
	i.t.Helper()
	i.publish(revlog.Token, i.claimsOf(token).ID)
}

// RevokeSession revokes the tokens with a sid claim.
func (i *Issuer) RevokeSession(sid string) {
	i.t.Helper()
	i.publish(revlog.Session, sid)
}

// RevokeUser revokes all tokens that a subject has got so far. Those that come
// later are good.
func (i *Issuer) RevokeUser(subject string) {
	i.t.Helper()
	i.mu.Lock()
	old := i.epochOf(subject)
	delete(i.epochs, subject)
	i.mu.Unlock()
	i.publish(revlog.Epoch, old)
}

// RevokeKey revokes a key with all that it signed, and publishes it no longer.
// If it is the one that signs, the next one does from now on.
func (i *Issuer) RevokeKey(kid string) {
	i.t.Helper()
	if i.KeyID() == kid {
		i.Rotate()
	}
	i.mu.Lock()
	has := func(k *jwk.PrivateKey) bool { return k.KeyID() == kid }
	i.next, i.retired = slices.DeleteFunc(i.next, has), slices.DeleteFunc(i.retired, has)
	i.mu.Unlock()
	i.publish(revlog.Key, kid)
}

// epochOf returns the epoch of a user or a client. The caller holds the lock.
func (i *Issuer) epochOf(name string) string {
	if i.epochs[name] == "" {
		i.epochs[name] = rand.Text()
	}
	return i.epochs[name]
}

// publish adds an entry to the log and waits until the guards have it.
func (i *Issuer) publish(kind revlog.Kind, id string) {
	i.t.Helper()
	i.mu.Lock()
	seq := uint64(len(i.entries)) + 1
	entry := revlog.Entry{Seq: seq, Kind: kind, Hash: revlog.Hash(kind, id)}
	if kind != revlog.Key {
		entry.Expiry = i.now.Add(Lifetime + 2*time.Minute).Unix()
	}
	i.entries, i.chains = append(i.entries, entry), append(i.chains, i.chains[seq-1].Next(entry))
	i.broadcast()
	i.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, n := range i.listeners() {
		if err := n.awaitApplied(ctx, seq); err != nil {
			i.t.Errorf("guardtest: a guard has not applied a revocation: %v", err)
		}
	}
}

func (i *Issuer) listeners() []*network {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.networks)
}

// broadcast wakes all who wait for a change. The caller holds the lock.
func (i *Issuer) broadcast() {
	close(i.changed)
	i.changed = make(chan struct{})
}
