package storetest

import (
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
)

func keyTests() map[string]func(*bench) {
	return map[string]func(*bench){"Add": addKeys, "Taken": keyTaken, "Update": updateKey}
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
	b.must(add("e", auth.KeySign, auth.KeyNext, "ES256", 0))
	b.must(add("f", auth.KeyLog, auth.KeySigning, "ES256", 1))
	b.must(add("3", auth.KeyTag, auth.KeySigning, "", 2))
}

func updateKey(b *bench) {
	old := auth.Key{ID: "old", Purpose: auth.KeySign, Algorithm: "ES256", State: auth.KeySigning, CreatedAt: b.now(), SignsFrom: b.now()}
	next := auth.Key{ID: "next", Purpose: auth.KeySign, Algorithm: "ES256", State: auth.KeyNext, CreatedAt: b.now()}
	b.must(b.AddKey(b.ctx, old, event("key.add")))
	b.must(b.AddKey(b.ctx, next, event("key.add")))
	next.State, next.SignsFrom = auth.KeySigning, b.now().Add(time.Hour)
	b.taken("while the old one signs", b.UpdateKey(b.ctx, next, event("key.update")), "algorithm")
	old.State, old.PublishedUntil = auth.KeyRetired, b.now().Add(2*time.Hour)
	b.must(b.UpdateKey(b.ctx, old, event("key.update")))
	b.must(b.UpdateKey(b.ctx, next, event("key.update")))
	got, err := b.Keys(b.ctx)
	b.must(err)
	b.same("keys", got, []auth.Key{next, old}) // made at one moment: in order of id
	b.is("a missing key", b.UpdateKey(b.ctx, auth.Key{ID: "none"}, event("x")), auth.ErrNotFound)
}
