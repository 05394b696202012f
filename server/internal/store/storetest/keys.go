package storetest

import (
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
)

func keyTests() map[string]func(*bench) {
	return map[string]func(*bench){"Add": addKeys, "Taken": keyTaken, "Turn": turnKey, "Revoke": revokeKeys}
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

// revokeKeys: what leaked ends at once, and the log never forgets it.
func revokeKeys(b *bench) {
	for _, k := range []auth.Key{
		{ID: "a", Purpose: auth.KeySign, Algorithm: "ES256", State: auth.KeySigning, Sealed: []byte{1}, CreatedAt: b.now(), Mark: b.now().Add(time.Hour)},
		{ID: "b", Purpose: auth.KeySign, Algorithm: "ES256", State: auth.KeyNext, Sealed: []byte{1}, CreatedAt: b.now()},
		{ID: "1", Purpose: auth.KeyTag, Number: 1, State: auth.KeySigning, Sealed: []byte{1}, CreatedAt: b.now()},
		{ID: "l", Purpose: auth.KeyLog, Algorithm: "EdDSA", State: auth.KeySigning, Sealed: []byte{1}, CreatedAt: b.now()},
	} {
		b.must(b.AddKey(b.ctx, k, event("key.add")))
	}
	seq, err := b.RevokeKey(b.ctx, "a", b.now(), event("key.revoke"))
	b.must(err)
	b.same("number", seq, uint64(1))
	_, err = b.RevokeKey(b.ctx, "1", b.now(), event("key.revoke"))
	b.is("a tag key by its number", err, auth.ErrNotFound)
	seq, err = b.RevokeAllKeys(b.ctx, b.now(), event("key.revoke_all"))
	b.must(err)
	b.same("number", seq, uint64(3))
	got, err := b.Keys(b.ctx)
	b.must(err)
	b.same("how many are left", len(got), 2)
	for _, k := range got {
		b.same("state of "+k.ID, k.State, auth.KeyRetired)
		b.same("private part of "+k.ID, k.Sealed, []byte(nil))
		b.same("end of "+k.ID, k.PublishedUntil, b.now())
	}
}
