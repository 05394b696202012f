package storetest

import (
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
)

func keyTests() map[string]func(*bench) {
	return map[string]func(*bench){"Add": addKeys, "Taken": keyTaken, "Turn": turnKey, "Hasten": hastenKey,
		"Revoke": revokeKeys, "RevokeAll": revokeAllKeys}
}

func addKeys(b *bench) {
	first := auth.Key{ID: "kid1", Purpose: auth.KeySign, Algorithm: "ES256", State: auth.KeySigning, Public: []byte(`{"kty":"EC"}`),
		Sealed: []byte{0, 1, 2}, CreatedAt: b.now(), SignsFrom: b.now(), PublishedUntil: b.now().Add(time.Hour), Mark: b.now().Add(time.Minute)}
	b.clock.Advance(time.Second)
	kept := auth.Key{ID: "kid2", Purpose: auth.KeySign, Algorithm: "ES256", State: auth.KeyNext, Public: []byte("{}"), CreatedAt: b.now()} // in an HSM
	b.clock.Advance(time.Second)
	tag := auth.Key{ID: "1", Purpose: auth.KeyTag, Number: 1<<32 - 1, State: auth.KeySigning, Sealed: []byte{9}, CreatedAt: b.now()}
	for _, k := range []auth.Key{first, kept, tag} {
		b.must(b.AddKey(b.ctx, k, event("key.add")))
	}
	got, err := b.Keys(b.ctx)
	b.must(err)
	b.same("keys", got, []auth.Key{first, kept, tag})
	if n := b.audited("key.add"); n != 3 {
		b.Errorf("%d events, want 3", n)
	}
}

func keyTaken(b *bench) {
	add := func(id string, p auth.KeyPurpose, state auth.KeyState, algorithm string, number uint32) error {
		k := auth.Key{ID: id, Purpose: p, State: state, Number: number}
		k.Algorithm = jwk.Algorithm(algorithm)
		return b.AddKey(b.ctx, k, event("key.add"))
	}
	b.must(add("a", auth.KeySign, auth.KeySigning, "ES256", 0))
	b.must(add("1", auth.KeyTag, auth.KeySigning, "", 1))
	b.taken("the same id", add("a", auth.KeySign, auth.KeyNext, "RS256", 0), "id")
	b.taken("a second that signs", add("b", auth.KeySign, auth.KeySigning, "ES256", 0), "algorithm")
	b.taken("a second tag key of a number", add("2", auth.KeyTag, auth.KeyRetired, "", 1), "number")
	b.must(add("c", auth.KeySign, auth.KeySigning, "RS256", 0))
	b.must(add("d", auth.KeySign, auth.KeyNext, "ES256", 0))
	b.taken("a second announced one", add("e", auth.KeySign, auth.KeyNext, "ES256", 0), "algorithm")
	b.must(add("f", auth.KeyLog, auth.KeySigning, "ES256", 1))
	b.taken("a second log key that signs", add("g", auth.KeyLog, auth.KeySigning, "ES256", 0), "algorithm")
	b.must(add("h", auth.KeyLog, auth.KeyNext, "ES256", 0))
	b.taken("a second announced log key", add("i", auth.KeyLog, auth.KeyNext, "ES256", 0), "algorithm")
	b.must(add("3", auth.KeyTag, auth.KeySigning, "", 2))
}

// turnKey: the announced key signs, the old one retires without its private
// part, published until its last token's end and a little more.
func turnKey(b *bench) {
	old := auth.Key{ID: "old", Purpose: auth.KeySign, Algorithm: "ES256", State: auth.KeySigning, Sealed: []byte{1}, CreatedAt: b.now(),
		SignsFrom: b.now(), Mark: b.now().Add(time.Hour)}
	next := auth.Key{ID: "next", Purpose: auth.KeySign, Algorithm: "ES256", State: auth.KeyNext, Sealed: []byte{2}, CreatedAt: b.now()}
	other := auth.Key{ID: "other", Purpose: auth.KeySign, Algorithm: "RS256", State: auth.KeySigning, Sealed: []byte{3}, CreatedAt: b.now()}
	log := auth.Key{ID: "the log's", Purpose: auth.KeyLog, Algorithm: "ES256", State: auth.KeySigning, Sealed: []byte{4}, CreatedAt: b.now()}
	for _, k := range []auth.Key{old, next, other, log} {
		b.must(b.AddKey(b.ctx, k, event("key.add")))
	}
	b.must(b.TurnKey(b.ctx, "next", b.now(), event("key.turn")))
	b.is("turned again", b.TurnKey(b.ctx, "next", b.now(), event("key.turn")), auth.ErrNotFound)
	b.is("a missing key", b.TurnKey(b.ctx, "none", b.now(), event("key.turn")), auth.ErrNotFound)
	old.State, old.Sealed, old.PublishedUntil = auth.KeyRetired, nil, old.Mark.Add(auth.LogMemory)
	next.State = auth.KeySigning
	got, err := b.Keys(b.ctx)
	b.must(err)
	b.same("keys", got, []auth.Key{next, old, other, log}) // made at one moment: in order of id
	b.is("a mark on a retired key", b.Raise(b.ctx, auth.Marks{KID: "old", Expiry: b.now().Add(2 * time.Hour)}), auth.ErrEpochChanged)
	b.must(b.Raise(b.ctx, auth.Marks{KID: "next", Expiry: b.now().Add(2 * time.Hour)}))
	dropped, err := b.DropKeys(b.ctx, old.PublishedUntil.Add(-time.Microsecond))
	b.must(err)
	b.same("dropped too early", dropped, int64(0))
	dropped, err = b.DropKeys(b.ctx, old.PublishedUntil)
	b.must(err)
	b.same("dropped", dropped, int64(1))

	b.must(b.AddKey(b.ctx, auth.Key{ID: "the log's next", Purpose: auth.KeyLog, Algorithm: "ES256", State: auth.KeyNext, CreatedAt: b.now()}, event("key.add")))
	b.must(b.TurnKey(b.ctx, "the log's next", b.now(), event("key.turn")))
	got, err = b.Keys(b.ctx)
	b.must(err)
	states := map[string]auth.KeyState{}
	for _, k := range got {
		states[k.ID] = k.State
	}
	b.same("states", states, map[string]auth.KeyState{"next": auth.KeySigning, "other": auth.KeySigning,
		"the log's": auth.KeyRetired, "the log's next": auth.KeySigning})
}

// hastenKey: a key that is announced, or signs, may be said to do so earlier, and
// never later.
func hastenKey(b *bench) {
	later := b.now().Add(365 * 24 * time.Hour)
	key := func(id string, purpose auth.KeyPurpose, state auth.KeyState, algorithm jwk.Algorithm) auth.Key {
		return auth.Key{ID: id, Purpose: purpose, Algorithm: algorithm, State: state, Sealed: []byte(id), CreatedAt: b.now(), SignsFrom: later}
	}
	keys := []auth.Key{key("a", auth.KeySign, auth.KeySigning, "ES256"), key("b", auth.KeySign, auth.KeyNext, "ES256"),
		key("c", auth.KeyLog, auth.KeyNext, "EdDSA"), key("d", auth.KeySign, auth.KeyRetired, "ES256"), key("e", auth.KeyTag, auth.KeySigning, "")}
	for _, k := range keys {
		b.must(b.AddKey(b.ctx, k, event("key.add")))
	}
	sooner := b.now().Add(time.Hour)
	hasten := func(id string, to time.Time) error { return b.HastenKey(b.ctx, id, to, event("key.hasten")) }
	for i := range 3 {
		b.must(hasten(keys[i].ID, sooner))
		keys[i].SignsFrom = sooner
	}
	b.is("to the same time", hasten("a", sooner), auth.ErrNotFound)
	b.is("to a later time", hasten("a", later), auth.ErrNotFound)
	b.is("a retired key", hasten("d", sooner), auth.ErrNotFound)
	b.is("a tag key", hasten("e", sooner), auth.ErrNotFound)
	b.is("a missing key", hasten("none", sooner), auth.ErrNotFound)
	got, err := b.Keys(b.ctx)
	b.must(err)
	b.same("keys", got, keys)
	b.same("events", b.audited("key.hasten"), 3)
}

// revokeKeys: what leaked ends at once, and the log never forgets it. In the same
// transaction somebody takes its place.
func revokeKeys(b *bench) {
	signing := func(id string) auth.Key {
		return auth.Key{ID: id, Purpose: auth.KeySign, Algorithm: "ES256", State: auth.KeySigning, Sealed: []byte{1}, CreatedAt: b.now(), SignsFrom: b.now()}
	}
	next := signing("b")
	next.State, next.SignsFrom = auth.KeyNext, b.now().Add(time.Hour)
	first := signing("a")
	first.Mark = b.now().Add(time.Hour)
	for _, k := range []auth.Key{first, next} {
		b.must(b.AddKey(b.ctx, k, event("key.add")))
	}
	revoke := func(id, heir string, seq uint64, successor string) {
		b.Helper()
		gotSeq, who, err := b.RevokeKey(b.ctx, id, signing(heir), b.now(), event("key.revoke"), event("key.sign"))
		b.must(err)
		b.same("number of "+id, gotSeq, seq)
		b.same("who signs after "+id, who, successor)
	}
	revoke("a", "heir", 1, "b") // which was announced
	revoke("a", "heir", 2, "b") // once more: nobody else needs to sign
	revoke("b", "c", 3, "c")
	got, err := b.Keys(b.ctx)
	b.must(err)
	revoked := func(k auth.Key) auth.Key {
		k.State, k.Sealed, k.PublishedUntil = auth.KeyRevoked, nil, b.now()
		return k
	}
	next.SignsFrom = b.now()
	b.same("keys", got, []auth.Key{revoked(first), revoked(next), signing("c")})
	b.same("successions in the audit", b.audited("key.sign"), 2)
	_, _, err = b.RevokeKey(b.ctx, "none", signing("d"), b.now(), event("key.revoke"), event("key.sign"))
	b.is("a key that isn't there", err, auth.ErrNotFound)
	b.must(b.AddKey(b.ctx, auth.Key{ID: "1", Purpose: auth.KeyTag, Number: 1, State: auth.KeySigning, Sealed: []byte{1}}, event("key.add")))
	_, _, err = b.RevokeKey(b.ctx, "1", signing("d"), b.now(), event("key.revoke"), event("key.sign"))
	b.is("a tag key by its number", err, auth.ErrNotFound)
	_, err = b.DropKeys(b.ctx, b.now())
	b.must(err)
	b.taken("a revoked key that comes back", b.AddKey(b.ctx, signing("a"), event("key.add")), auth.FieldRevokedKey)
	b.is("a mark on a revoked key", b.Raise(b.ctx, auth.Marks{KID: "b", Expiry: b.now().Add(time.Hour)}), auth.ErrEpochChanged)
}

// revokeAllKeys: everything has its heir in the same transaction, or nothing has
// happened.
func revokeAllKeys(b *bench) {
	key := func(id string, purpose auth.KeyPurpose, state auth.KeyState, number uint32) auth.Key {
		return auth.Key{ID: id, Purpose: purpose, Algorithm: "EdDSA", State: state, Number: number, Sealed: []byte(id), CreatedAt: b.now()}
	}
	for _, k := range []auth.Key{
		key("a", auth.KeySign, auth.KeySigning, 0), key("b", auth.KeySign, auth.KeyNext, 0), key("c", auth.KeySign, auth.KeyRetired, 0),
		key("1", auth.KeyTag, auth.KeySigning, 1), key("l", auth.KeyLog, auth.KeySigning, 0), key("m", auth.KeyLog, auth.KeyNext, 0),
	} {
		b.must(b.AddKey(b.ctx, k, event("key.add")))
	}
	secret := func(id, api string) auth.APISecret {
		return auth.APISecret{ID: id, APIID: api, KID: "kid of " + id, Sealed: []byte(id), CreatedAt: b.now(), SignsFrom: b.now()}
	}
	old := secret("sec_old", "")
	b.must(b.CreateAPI(b.ctx, auth.API{ID: "api_1", Audience: "https://one", Algorithm: "HS256"}, &old, event("api.create")))
	b.must(b.CreateAPI(b.ctx, auth.API{ID: "api_2", Audience: "https://two", Algorithm: "ES256"}, nil, event("api.create")))
	before, err := b.Keys(b.ctx)
	b.must(err)
	tag := key("1", auth.KeyTag, auth.KeySigning, 1)
	tag.Sealed = []byte("new")
	heirs := auth.Heirs{
		Keys:   []auth.Key{key("x", auth.KeySign, auth.KeySigning, 0), key("y", auth.KeyLog, auth.KeySigning, 0), tag},
		Events: []auth.Event{event("key.create"), event("key.create"), event("key.create"), event("api.secret")},
	}

	_, err = b.RevokeAllKeys(b.ctx, heirs, b.now(), event("key.revoke_all"))
	b.is("no secret for an API that needs one", err, auth.ErrConflict)
	after, err := b.Keys(b.ctx)
	b.must(err)
	b.same("keys after a conflict", after, before)
	secrets, err := b.APISecrets(b.ctx, "api_1", b.now())
	b.must(err)
	b.same("secrets after a conflict", len(secrets), 1)
	b.same("events after a conflict", b.audited("key.revoke_all")+b.audited("key.create"), 0)

	heirs.Secrets = []auth.APISecret{secret("sec_new", "api_1"), secret("sec_lost", "api_gone")}
	seq, err := b.RevokeAllKeys(b.ctx, heirs, b.now(), event("key.revoke_all"))
	b.must(err)
	b.same("number", seq, uint64(4))
	for _, kid := range []string{"a", "b", "c", "kid of sec_old"} {
		logged, err := b.Revoked(b.ctx, [][16]byte{revlog.Hash(revlog.Key, kid)}, b.now())
		b.must(err)
		b.same("the log has "+kid, logged, true)
	}
	after, err = b.Keys(b.ctx)
	b.must(err)
	revoked := func(id string) auth.Key {
		k := key(id, auth.KeySign, auth.KeyRevoked, 0)
		k.Sealed, k.PublishedUntil = nil, b.now()
		return k
	}
	b.same("keys", after, []auth.Key{tag, revoked("a"), revoked("b"), revoked("c"), heirs.Keys[0], heirs.Keys[1]})
	b.clock.Advance(-time.Hour) // even so
	secrets, err = b.APISecrets(b.ctx, "api_1", b.now())
	b.must(err)
	b.clock.Advance(time.Hour)
	b.same("secrets", secrets, heirs.Secrets[:1])
	b.same("events", b.audited("key.revoke_all")+b.audited("key.create")+b.audited("api.secret"), 5)
}
