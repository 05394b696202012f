package keyring_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/keyring"
	"github.com/writ-auth/writ/server/internal/store"
)

// moving is a ring with a clock.
type moving struct {
	*keyring.Ring
	t     *testing.T
	store *store.Store
	clock *clock
}

func movingRing(t *testing.T, period time.Duration) *moving {
	t.Helper()
	m := &moving{t: t, store: openStore(t), clock: &clock{noon}}
	var err error
	if m.Ring, err = openRingAt(t, m.store, 1, m.clock.Now, period); err != nil {
		t.Fatal(err)
	}
	return m
}

// at moves the clock to so long after noon and does what is due.
func (m *moving) at(d time.Duration) (next time.Duration) {
	m.t.Helper()
	m.clock.now = noon.Add(d)
	due, err := m.Advance(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	if due.IsZero() {
		return 0
	}
	return due.Sub(noon)
}

func (m *moving) signer(alg jwk.Algorithm) string {
	m.t.Helper()
	key, err := m.Signing(m.t.Context(), alg)
	if err != nil {
		m.t.Fatal(err)
	}
	return key.KeyID()
}

func (m *moving) published(kid string) bool {
	_, err := m.FindKey(m.t.Context(), jwk.ES256, kid)
	return err == nil
}

// TestRotationByHand follows a key through its four states.
func TestRotationByHand(t *testing.T) {
	m := movingRing(t, 0)
	old := m.signer("")
	next, err := m.Rotate(t.Context(), "", auth.Event{Action: "key.announce"})
	if err != nil || !next.SignsFrom.Equal(noon.Add(announce)) || next.KID == old {
		t.Fatalf("Rotate = %+v, %v", next, err)
	}
	again, err := m.Rotate(t.Context(), "", auth.Event{Action: "key.announce"})
	if err != nil || again != next {
		t.Errorf("rotating again announced %+v, %v; want the same", again, err)
	}
	if !m.published(next.KID) || m.signer("") != old {
		t.Error("an announced key must be published, and not sign")
	}
	if due := m.at(announce - time.Second); due != announce || m.signer("") != old {
		t.Errorf("a second before its time the next signs, or is due at %v", due)
	}
	tokenEnds := noon.Add(announce + 45*time.Minute)
	if err := m.store.Raise(t.Context(), auth.Marks{Expiry: tokenEnds, KID: old}); err != nil {
		t.Fatal(err)
	}
	m.at(announce)
	if m.signer("") != next.KID || !m.published(old) {
		t.Error("the announced key must sign now, and the old one stay published")
	}
	if err := m.store.Raise(t.Context(), auth.Marks{Expiry: tokenEnds.Add(time.Hour), KID: old}); !errors.Is(err, auth.ErrEpochChanged) {
		t.Errorf("a token of a retired key could be made: %v", err)
	}
	gone := announce + 45*time.Minute + auth.LogMemory
	if due := m.at(gone - time.Second); due != gone || !m.published(old) {
		t.Errorf("the old key left before its last token ended; due %v, want %v", due, gone)
	}
	m.at(gone)
	if m.published(old) {
		t.Error("a key is published after its last token ended")
	}
}

// TestRotationOfAnUnusedAlgorithm makes its first key, and only that.
func TestRotationOfAnUnusedAlgorithm(t *testing.T) {
	m := movingRing(t, 0)
	out, err := m.Rotate(t.Context(), jwk.EdDSA, auth.Event{})
	if err != nil || !out.SignsFrom.Equal(noon) || m.signer(jwk.EdDSA) != out.KID || m.Public().Len() != 2 {
		t.Errorf("Rotate = %+v, %v; %d keys are published, want 2", out, err, m.Public().Len())
	}
}

// TestRetiredKeyIsErased: once a key signs no more, nobody can sign with it.
func TestRetiredKeyIsErased(t *testing.T) {
	m := movingRing(t, 0)
	if _, err := m.Rotate(t.Context(), "", auth.Event{}); err != nil {
		t.Fatal(err)
	}
	m.at(announce)
	rows, err := m.store.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range rows {
		if k.State == auth.KeyRetired && len(k.Sealed) != 0 {
			t.Error("a retired key's private part is still stored")
		}
	}
}

// TestRotationByItself: each period has its key, announced in time.
func TestRotationByItself(t *testing.T) {
	const period = 72 * time.Hour
	m := movingRing(t, period)
	seen := map[string]bool{m.signer(""): true}
	for turn := range 4 {
		start := time.Duration(turn) * period
		before := m.signer("")
		if due := m.at(start + period - announce - time.Second); due != start+period-announce {
			t.Fatalf("turn %d: the announcement is due at %v", turn, due)
		}
		if n := m.Public().Len(); n > 2 {
			t.Errorf("turn %d: %d keys published long before the change", turn, n)
		}
		if due := m.at(start + period - announce); due != start+period || m.signer("") != before {
			t.Fatalf("turn %d: the change is due at %v, want %v", turn, due, start+period)
		}
		m.at(start + period)
		kid := m.signer("")
		if seen[kid] {
			t.Errorf("turn %d: no new key signs", turn)
		}
		seen[kid] = true
	}
}

// TestRotationAfterADowntime: a server that was down over a change makes up
// for it, and still announces before it signs.
func TestRotationAfterADowntime(t *testing.T) {
	m := movingRing(t, 72*time.Hour)
	old := m.signer("")
	m.at(1000 * time.Hour)
	if m.signer("") != old {
		t.Error("a key that nobody could know of signs at once")
	}
	if due := m.at(1000*time.Hour + time.Minute); due != 1000*time.Hour+announce {
		t.Errorf("the change is due at %v", due)
	}
	m.at(1000*time.Hour + announce)
	if m.signer("") == old {
		t.Error("the announced key does not sign")
	}
}

// TestOpenRotatesNothing: who opens the ring for a moment, such as a verb of the
// command line, need not have the server's settings.
func TestOpenRotatesNothing(t *testing.T) {
	m := movingRing(t, 0)
	before, err := m.store.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m.clock.now = noon.Add(1000 * time.Hour)
	if _, err := openRingAt(t, m.store, 1, m.clock.Now, 72*time.Hour); err != nil {
		t.Fatal(err)
	}
	after, err := m.store.Keys(t.Context())
	if err != nil || !reflect.DeepEqual(after, before) {
		t.Errorf("%d keys, %v, want the %d from before", len(after), err, len(before))
	}
}

func TestTwoNodesRotateOnce(t *testing.T) {
	m := movingRing(t, 0)
	other, err := openRingAt(t, m.store, 1, m.clock.Now, 0)
	if err != nil {
		t.Fatal(err)
	}
	a, err1 := m.Rotate(t.Context(), "", auth.Event{})
	b, err2 := other.Rotate(t.Context(), "", auth.Event{})
	if err1 != nil || err2 != nil || a != b {
		t.Errorf("two nodes announced %+v and %+v (%v, %v)", a, b, err1, err2)
	}
	m.clock.now = noon.Add(announce)
	for _, r := range []*keyring.Ring{m.Ring, other} {
		if _, err := r.Advance(t.Context()); err != nil {
			t.Error(err)
		}
		if err := r.Reload(t.Context()); err != nil {
			t.Error(err)
		}
		if k, err := r.Signing(t.Context(), ""); err != nil || k.KeyID() != a.KID {
			t.Errorf("%v, %v signs, want %s", k, err, a.KID)
		}
	}
}

// TestCompromised: the key is gone and logged at once; the announced one, which
// verifiers may know already, takes over.
func TestCompromised(t *testing.T) {
	for _, announced := range []bool{false, true} {
		m := movingRing(t, 0)
		old, want := m.signer(""), ""
		if announced {
			next, err := m.Rotate(t.Context(), "", auth.Event{})
			if err != nil {
				t.Fatal(err)
			}
			want = next.KID
		}
		seq, successor, err := m.Compromised(t.Context(), old, auth.Event{Action: "key.compromised"})
		if err != nil || seq == 0 {
			t.Fatalf("seq %d, %v", seq, err)
		}
		if m.published(old) || successor.KID == old || m.signer("") != successor.KID || want != "" && successor.KID != want {
			t.Errorf("announced %v: %s follows %s, want %s", announced, successor.KID, old, want)
		}
		page, err := m.store.LogPage(t.Context(), 0, 10, m.clock.now)
		if err != nil || len(page.Entries) != 1 || page.Entries[0].Hash != revlog.Hash(revlog.Key, old) || page.Entries[0].Expiry != 0 {
			t.Errorf("log %+v, %v; want the key, without an end", page.Entries, err)
		}
		if _, _, err := m.Compromised(t.Context(), "no such key", auth.Event{}); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("an unknown key: %v", err)
		}
	}
}

func TestAllCompromised(t *testing.T) {
	m := movingRing(t, 0)
	rsa := m.signer(jwk.RS256)
	old := m.signer("")
	next, err := m.Rotate(t.Context(), "", auth.Event{})
	if err != nil {
		t.Fatal(err)
	}
	api := auth.API{ID: "api_1", Audience: "https://api.example.com", Algorithm: jwk.HS256}
	_, row, err := m.NewAPISecret(api.ID, api.Algorithm)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.store.CreateAPI(t.Context(), api, &row, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	_, tag := m.CurrentTag()
	old256, err := m.APISecret(t.Context(), api)
	if err != nil {
		t.Fatal(err)
	}
	done, err := m.AllCompromised(t.Context(), auth.Event{Action: "key.compromised"})
	if err != nil || len(done.Keys) != 2 || done.Seq != 4 {
		t.Fatalf("%+v, %v; want one key for each algorithm, and 4 in the log, one of them of the secret", done, err)
	}
	for _, kid := range []string{rsa, old, next.KID} {
		for key := range m.Public().All() {
			if key.KeyID() == kid {
				t.Errorf("%s is still published", kid)
			}
		}
	}
	if _, now := m.CurrentTag(); bytes.Equal(now, tag) {
		t.Error("the key of refresh tokens is the old one")
	}
	secret, err := m.APISecret(t.Context(), api)
	if err != nil || secret.KeyID() == old256.KeyID() || len(done.Secrets) != 1 || done.Secrets[0].Text != string(secret.ExportBytes()) {
		t.Errorf("the API's secret is %v, %v; want a new one, and that it is shown: %+v", secret, err, done.Secrets)
	}
	page, err := m.store.LogPage(t.Context(), 0, 10, m.clock.now)
	if err != nil || len(page.Entries) != 4 {
		t.Errorf("%d entries in the log, %v; want 4", len(page.Entries), err)
	}
	again, err := openRingAt(t, m.store, 1, m.clock.Now, 0)
	if err != nil {
		t.Fatal(err)
	}
	if k, _ := again.Signing(t.Context(), ""); k.KeyID() != m.signer("") {
		t.Error("after a restart another key signs")
	}
}

// TestImport: a key from elsewhere is announced like any other.
func TestImport(t *testing.T) {
	m := movingRing(t, 0)
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.Import(t.Context(), key.WithKeyID("mine"), auth.Event{})
	if err != nil || out.KID != "mine" || !out.SignsFrom.Equal(noon.Add(announce)) {
		t.Fatalf("Import = %+v, %v", out, err)
	}
	m.at(announce)
	if m.signer("") != "mine" {
		t.Error("the imported key does not sign")
	}
	first, _ := jwk.Generate(jwk.EdDSA)
	if out, err := m.Import(t.Context(), first, auth.Event{}); err != nil || !out.SignsFrom.Equal(m.clock.now) || m.signer(jwk.EdDSA) != first.KeyID() {
		t.Errorf("the first of its algorithm: %+v, %v", out, err)
	}
	if _, err := m.Import(t.Context(), first, auth.Event{}); !errors.Is(err, auth.ErrConflict) {
		t.Errorf("the same key again: %v", err)
	}
}

// TestSecretsChange: of two live secrets the older signs until the newer one's
// time has come, and both verify.
func TestSecretsChange(t *testing.T) {
	m := movingRing(t, 0)
	api := auth.API{ID: "api_1", Audience: "https://api.example.com", Algorithm: jwk.HS256}
	_, first, err := m.NewAPISecret(api.ID, api.Algorithm)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.store.CreateAPI(t.Context(), api, &first, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	m.clock.now = noon.Add(time.Minute)
	_, second, err := m.NewAPISecret(api.ID, api.Algorithm)
	if err != nil {
		t.Fatal(err)
	}
	second.SignsFrom = noon.Add(time.Hour)
	if err := m.store.AddAPISecret(t.Context(), second, noon.Add(2*time.Hour), auth.Event{}); err != nil {
		t.Fatal(err)
	}
	if err := m.store.AddAPISecret(t.Context(), auth.APISecret{ID: "sec_3", APIID: api.ID, KID: "k", CreatedAt: m.clock.now}, noon, auth.Event{}); !errors.Is(err, auth.ErrConflict) {
		t.Errorf("a third live secret: %v", err)
	}
	for _, c := range []struct {
		after time.Duration
		signs string
		live  int
	}{{time.Minute, first.KID, 2}, {time.Hour, second.KID, 2}, {2 * time.Hour, second.KID, 1}} {
		m.clock.now = noon.Add(c.after)
		key, err := m.APISecret(t.Context(), api)
		if err != nil || key.KeyID() != c.signs {
			t.Errorf("after %v %v signs, %v", c.after, key, err)
		}
		live := 0
		ring, err := m.APISecrets(t.Context(), api)
		if err != nil {
			t.Fatal(err)
		}
		for _, kid := range []string{first.KID, second.KID} {
			if _, err := ring.FindKey(t.Context(), jwk.HS256, kid); err == nil {
				live++
			}
		}
		if live != c.live {
			t.Errorf("after %v %d secrets live, want %d", c.after, live, c.live)
		}
	}
}
