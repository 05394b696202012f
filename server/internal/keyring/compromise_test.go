package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/keyring"
	"github.com/writ-auth/writ/server/internal/store"
)

// watched is a store to which something happens at its calls, by their number.
type watched struct {
	*store.Store
	calls  int
	before func(call int) error
	after  func(call int) error
}

// call is one call of the store, which do carries out.
func (w *watched) call(do func() error) error {
	n := w.calls
	w.calls++
	if w.before != nil {
		if err := w.before(n); err != nil {
			return err
		}
	}
	err := do()
	if w.after != nil {
		err = errors.Join(err, w.after(n))
	}
	return err
}

func (w *watched) Keys(ctx context.Context) (rows []auth.Key, err error) {
	err = w.call(func() error { rows, err = w.Store.Keys(ctx); return err })
	return rows, err
}

func (w *watched) AddKey(ctx context.Context, k auth.Key, ev auth.Event) error {
	return w.call(func() error { return w.Store.AddKey(ctx, k, ev) })
}

func (w *watched) TurnKey(ctx context.Context, id string, now time.Time, ev auth.Event) error {
	return w.call(func() error { return w.Store.TurnKey(ctx, id, now, ev) })
}

func (w *watched) RevokeKey(ctx context.Context, id string, heir auth.Key, now time.Time, ev, began auth.Event) (seq uint64, who string, err error) {
	err = w.call(func() error { seq, who, err = w.Store.RevokeKey(ctx, id, heir, now, ev, began); return err })
	return seq, who, err
}

func (w *watched) RevokeAllKeys(ctx context.Context, heirs auth.Heirs, now time.Time, ev auth.Event) (seq uint64, err error) {
	err = w.call(func() error { seq, err = w.Store.RevokeAllKeys(ctx, heirs, now, ev); return err })
	return seq, err
}

func (w *watched) APIs(ctx context.Context, p auth.Page) (list []auth.API, next string, err error) {
	err = w.call(func() error { list, next, err = w.Store.APIs(ctx, p); return err })
	return list, next, err
}

// accident is a revocation to which something happens.
type accident struct {
	*testing.T
	store *watched
	node  *keyring.Ring // that revokes
	peer  *keyring.Ring // another one on the same database
	api   auth.API
	old   map[string]bool // the kids that are revoked
	log   string          // the log key before
	tag   []byte          // the key of refresh tokens before
	all   bool
}

func newAccident(t *testing.T, all, announced bool) *accident {
	t.Helper()
	a := &accident{T: t, store: &watched{Store: openStore(t)}, old: map[string]bool{}, all: all}
	a.node, a.peer = a.open(), a.open()
	a.api = auth.API{ID: "api_1", Audience: "https://api.example.com", Algorithm: jwk.HS256}
	secret := a.secret()
	if err := a.store.CreateAPI(t.Context(), a.api, &secret, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	a.old[a.signer(a.node)] = true
	if announced {
		next, err := a.node.Rotate(t.Context(), "", auth.Event{})
		if err != nil {
			t.Fatal(err)
		}
		a.old[next.KID] = all
	}
	a.log = signs(t, a.node)
	_, a.tag = a.node.CurrentTag()
	a.store.calls = 0
	return a
}

func (a *accident) open() *keyring.Ring { return a.openWith(nil) }

func (a *accident) openWith(changed func() <-chan struct{}) *keyring.Ring {
	return a.openAt(noon, changed)
}

func (a *accident) openAt(now time.Time, changed func() <-chan struct{}) *keyring.Ring {
	a.Helper()
	sealer, err := keyring.NewSealer(bytes.Repeat([]byte{1}, keyring.MasterSize))
	if err != nil {
		a.Fatal(err)
	}
	r, err := keyring.Open(a.Context(), keyring.Options{Keys: a.store, Secrets: a.store, Sealer: sealer,
		Algorithm: jwk.ES256, Announce: announce, Now: func() time.Time { return now }, Changed: changed})
	if err != nil {
		a.Fatal(err)
	}
	return r
}

// secret makes one for the API.
func (a *accident) secret() auth.APISecret {
	a.Helper()
	_, secret, err := a.node.NewAPISecret(a.api.ID, a.api.Algorithm)
	if err != nil {
		a.Fatal(err)
	}
	return secret
}

func (a *accident) signer(r *keyring.Ring) string {
	a.Helper()
	if k := r.Ready(""); k != nil {
		return k.KeyID()
	}
	return ""
}

func (a *accident) revoke(ctx context.Context) error {
	if a.all {
		_, err := a.node.AllCompromised(ctx, auth.Event{})
		return err
	}
	_, _, err := a.node.Compromised(ctx, a.signer(a.node), auth.Event{})
	return err
}

// done says whether the database holds the revocation.
func (a *accident) done() bool {
	a.Helper()
	rows, err := a.store.Store.Keys(a.Context())
	if err != nil {
		a.Fatal(err)
	}
	n, purposes := 0, map[auth.KeyPurpose]int{}
	for _, k := range rows {
		if k.State == auth.KeyRevoked {
			n++
		}
		if k.State == auth.KeySigning {
			purposes[k.Purpose]++
		}
	}
	want := map[auth.KeyPurpose]int{auth.KeySign: 1, auth.KeyLog: 1, auth.KeyTag: 1}
	if fmt.Sprint(purposes) != fmt.Sprint(want) {
		a.Errorf("the database holds %v keys that sign, want one of each", purposes)
	}
	return n > 0
}

// clean wants that the ring neither signs with a revoked key nor publishes one.
func (a *accident) clean(name string, r *keyring.Ring) {
	a.Helper()
	if a.old[a.signer(r)] {
		a.Errorf("%s signs with a revoked key", name)
	}
	for k := range r.Public().All() {
		if a.old[k.KeyID()] {
			a.Errorf("%s publishes a revoked key", name)
		}
	}
	if kid, _, err := r.SignHead([]byte("head")); err == nil && a.all && kid == a.log {
		a.Errorf("%s signs the log with the old key", name)
	}
	if _, err := r.LogKeys().FindKey(a.Context(), jwk.EdDSA, a.log); err == nil && a.all {
		a.Errorf("%s publishes the old log key", name)
	}
	number, tag := r.CurrentTag()
	for _, secret := range [][]byte{tag, r.Tag(number), r.Tag(1)} {
		if a.all && bytes.Equal(secret, a.tag) {
			a.Errorf("%s takes refresh tokens of the old key", name)
		}
	}
}

// whole wants that the ring can do its work.
func (a *accident) whole(name string, r *keyring.Ring) {
	a.Helper()
	if err := r.Lacks(); err != nil || r.Ready("") == nil {
		a.Errorf("%s: %v", name, err)
		return
	}
	signs(a.T, r)
	if number, secret := r.CurrentTag(); number == 0 || len(secret) != 32 {
		a.Errorf("%s has the tag key %d of %d bytes", name, number, len(secret))
	}
	if _, err := r.APISecret(a.Context(), a.api); err != nil {
		a.Errorf("%s has no secret for the API: %v", name, err)
	}
}

// recovered wants that all is well once nothing happens to the store any more, on
// this node, on another, and on one that starts now.
func (a *accident) recovered() {
	a.Helper()
	a.store.before, a.store.after = nil, nil
	done := a.done()
	fresh := a.open()
	for name, r := range map[string]*keyring.Ring{"a node that starts": fresh, "the node": a.node, "its peer": a.peer} {
		if _, err := r.Advance(a.Context()); err != nil {
			a.Errorf("%s: %v", name, err)
		}
		a.whole(name, r)
		if done {
			a.clean(name, r)
		}
		if a.signer(r) != a.signer(fresh) || signs(a.T, r) != signs(a.T, fresh) || r.Public().Len() != fresh.Public().Len() {
			a.Errorf("%s and a node that starts don't have the same keys", name)
		}
	}
}

// TestRevocationIsOneAct lets a client go away, a call fail, a call fail that has
// had its effect, and the whole database fail from a call on, at every call that
// a revocation makes of the store. What is revoked is out of memory at once, and
// never is anything missing in the database.
func TestRevocationIsOneAct(t *testing.T) {
	lost := errors.New("the database is gone")
	kinds := map[string]func(a *accident, at int, cancel func()){
		"the client goes away": func(a *accident, at int, cancel func()) {
			a.store.before = func(n int) error {
				if n == at {
					cancel()
				}
				return nil
			}
		},
		"a call fails": func(a *accident, at int, _ func()) {
			a.store.before = func(n int) error {
				if n == at {
					return lost
				}
				return nil
			}
		},
		"a call's answer is lost": func(a *accident, at int, _ func()) {
			a.store.after = func(n int) error {
				if n == at {
					return lost
				}
				return nil
			}
		},
		"the database stops": func(a *accident, at int, _ func()) {
			a.store.before = func(n int) error {
				if n >= at {
					return lost
				}
				return nil
			}
		},
	}
	for name, happens := range kinds {
		for _, c := range []struct{ all, announced bool }{{false, false}, {false, true}, {true, true}} {
			t.Run(fmt.Sprintf("%s, all=%v, announced=%v", name, c.all, c.announced), func(t *testing.T) {
				t.Parallel()
				calm := newAccident(t, c.all, c.announced)
				if err := calm.revoke(t.Context()); err != nil {
					t.Fatal(err)
				}
				calls, revocations := calm.store.calls, 0
				for at := range calls {
					a := newAccident(t, c.all, c.announced)
					ctx, cancel := context.WithCancel(t.Context())
					happens(a, at, cancel)
					err := a.revoke(ctx)
					cancel()
					if a.done() {
						revocations++
						a.clean(fmt.Sprintf("call %d: the node", at), a.node)
						if name == "the client goes away" {
							a.whole(fmt.Sprintf("call %d: the node", at), a.node)
						}
					} else if err == nil {
						t.Errorf("call %d: nothing is revoked, and there is no error", at)
					}
					a.recovered()
				}
				if revocations == 0 || calls < 3 {
					t.Errorf("%d of %d cases revoked: the test is blind", revocations, calls)
				}
			})
		}
	}
}

// TestNewAPIMeanwhile makes an API while new secrets are made: it gets one, too.
func TestNewAPIMeanwhile(t *testing.T) {
	a := newAccident(t, true, false)
	late := auth.API{ID: "api_2", Audience: "https://late.example.com", Algorithm: jwk.HS512}
	_, secret, err := a.node.NewAPISecret(late.ID, late.Algorithm)
	if err != nil {
		t.Fatal(err)
	}
	made := false
	a.store.after = func(n int) error {
		if n < 1 || made { // after the list of APIs was read
			return nil
		}
		made = true
		return a.store.CreateAPI(t.Context(), late, &secret, auth.Event{})
	}
	done, err := a.node.AllCompromised(t.Context(), auth.Event{})
	if err != nil || len(done.Secrets) != 2 || done.Secrets[1].Audience != late.Audience {
		t.Fatalf("%+v, %v; want two secrets", done, err)
	}
	got, err := a.node.APISecret(t.Context(), late)
	if err != nil || string(got.ExportBytes()) != done.Secrets[1].Text || got.KeyID() == secret.KID {
		t.Errorf("the new API's secret is %v, %v; want the one that was shown", got, err)
	}
	a.recovered()
}

// TestMissingKeysAreMade: what an older program may have left undone, or somebody
// deleted, any node repairs, and many at once agree.
func TestMissingKeysAreMade(t *testing.T) {
	s := openStore(t)
	nodes := []*keyring.Ring{ring(t, s), ring(t, s), ring(t, s)}
	old, log := nodes[0].Ready("").KeyID(), signs(t, nodes[0])
	if _, err := s.RevokeAllKeys(t.Context(), auth.Heirs{}, noon, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	for _, r := range nodes {
		if err := r.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r.Lacks() == nil {
			t.Error("a ring without keys lacks none")
		}
		if _, _, err := r.SignHead([]byte("head")); err == nil {
			t.Error("a head is signed without a key")
		}
	}
	var wg sync.WaitGroup
	for _, r := range nodes {
		wg.Go(func() {
			if _, err := r.Advance(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, r := range nodes {
		if err := r.Lacks(); err != nil {
			t.Fatal(err)
		}
		if kid := r.Ready("").KeyID(); kid == old || kid != nodes[0].Ready("").KeyID() || signs(t, r) != signs(t, nodes[0]) || signs(t, r) == log {
			t.Errorf("%s signs, want one new key for all", kid)
		}
		_, tag := r.CurrentTag()
		if _, want := nodes[0].CurrentTag(); !bytes.Equal(tag, want) {
			t.Error("nodes tag refresh tokens with different keys")
		}
	}
}

// TestAnnouncedKeySignsWhereNobodyDoes: verifiers know it, so it comes before a
// new one.
func TestAnnouncedKeySignsWhereNobodyDoes(t *testing.T) {
	m := movingRing(t, 0)
	next, err := m.Rotate(t.Context(), "", auth.Event{})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := m.store.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := openStore(t)
	for _, row := range rows {
		if row.ID == next.KID {
			if err := s.AddKey(t.Context(), row, auth.Event{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if r := ring(t, s); r.Ready("").KeyID() != next.KID || r.Public().Len() != 1 {
		t.Errorf("%s signs, and %d keys are published; want the announced one alone", r.Ready("").KeyID(), r.Public().Len())
	}
}

// TestRevokedKeyStaysAway: a clock that is set back publishes no revoked key.
func TestRevokedKeyStaysAway(t *testing.T) {
	m := movingRing(t, 0)
	old := m.signer("")
	m.clock.now = noon.Add(time.Hour)
	if _, _, err := m.Compromised(t.Context(), old, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	m.clock.now = noon
	if err := m.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m.published(old) {
		t.Error("a revoked key is published again")
	}
}
