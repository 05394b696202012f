package storetest

import (
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
)

func logTests() map[string]func(*bench) {
	return map[string]func(*bench){
		"Empty":       logEmpty,
		"RevokeToken": revokeToken,
		"Pages":       logPages,
		"Expiry":      logExpiry,
		"Revoke":      revokeRefuses,
		"Revoked":     revoked,
		"Published":   published,
		"Chain":       chain,
	}
}

func (b *bench) revoke(kind revlog.Kind, id string, expiry time.Time) uint64 {
	b.Helper()
	seq, err := b.Revoke(b.ctx, kind, id, expiry, event("revoke"))
	b.must(err)
	return seq
}

func (b *bench) page(after uint64, limit int) revlog.Page {
	b.Helper()
	p, err := b.LogPage(b.ctx, after, limit, b.now())
	b.must(err)
	return p
}

// proof is what a page of a log with these entries shows of its chain.
func (b *bench) proof(all []revlog.Entry, after int) *revlog.Proof {
	b.Helper()
	p := &revlog.Proof{TimeMS: b.now().UnixMilli()}
	c := revlog.ChainStart(b.page(0, 1).Log)
	p.Prev = c
	for i, e := range all {
		if c = c.Next(e); i+1 == after {
			p.Prev = c
		}
	}
	p.Chain = c
	return p
}

func logEmpty(b *bench) {
	p := b.page(0, 10)
	if len(p.Log) != 22 {
		b.Errorf("the log's id is %q, want 128 bits in base64url", p.Log)
	}
	b.same("page", p, revlog.Page{Log: p.Log, First: 1, Head: 0, Time: b.now().Unix(), Proof: b.proof(nil, 0)})
	b.same("page after a number of another log", b.page(1<<64-1, 10), p)
}

func logPages(b *bench) {
	expiry := b.now().Add(time.Hour).Truncate(time.Second)
	var all []revlog.Entry
	for i, id := range []string{"a", "b", "c", "d", "e"} {
		seq := b.revoke(revlog.Token, id, expiry)
		b.same("number", seq, uint64(i+1))
		all = append(all, revlog.Entry{Seq: seq, Kind: revlog.Token, Hash: revlog.Hash(revlog.Token, id), Expiry: expiry.Unix()})
	}
	want := func(more bool, after int, entries []revlog.Entry) revlog.Page {
		return revlog.Page{Log: b.page(0, 1).Log, First: 1, Head: 5, Time: b.now().Unix(), Entries: entries, More: more,
			Proof: b.proof(all, after)}
	}
	b.same("the first two", b.page(0, 2), want(true, 0, all[:2]))
	b.same("the next two", b.page(2, 2), want(true, 2, all[2:4]))
	b.same("the last", b.page(4, 2), want(false, 4, all[4:]))
	b.same("the last two exactly", b.page(3, 2), want(false, 3, all[3:]))
	b.same("after the head", b.page(5, 2), want(false, 5, nil))
	b.same("above the head", b.page(77, 2), want(false, 5, nil))
	b.same("no limit", b.page(0, 0), want(false, 0, all))
	b.same("a huge limit", b.page(0, 1<<40), want(false, 0, all))
}

// revokeToken: a token is named twice, as itself and as what others come from.
func revokeToken(b *bench) {
	expiry := b.now().Add(time.Hour).Truncate(time.Second)
	seq, err := b.RevokeToken(b.ctx, "jti", expiry, event("revoke.token"))
	b.must(err)
	b.same("log", b.entries(), []revlog.Entry{
		{Seq: 1, Kind: revlog.Token, Hash: revlog.Hash(revlog.Token, "jti"), Expiry: expiry.Unix()},
		{Seq: 2, Kind: revlog.Epoch, Hash: revlog.Hash(revlog.Epoch, "jti"), Expiry: expiry.Unix()},
	})
	b.same("seq", seq, uint64(2))
	b.same("events", b.audited("revoke.token"), 1)
}

// chain: whoever has the entries, of every kind and expiry, computes the chain
// that the store keeps, over any pages.
func chain(b *bench) {
	u := b.user()
	s, g := b.begin(u)
	_, err := b.End(b.ctx, auth.Ending{GrantID: g.ID}, b.now(), event("end"))
	b.must(err)
	b.revoke(revlog.Key, "kid", time.Time{})
	b.revoke(revlog.Token, "over", b.now().Add(-time.Hour))
	b.revoke(revlog.Kind(200), "x", b.now().Add(time.Nanosecond))
	_, err = b.DeleteUser(b.ctx, s.UserID, b.now(), event("user.delete"))
	b.must(err)
	for limit := 1; limit < 7; limit++ {
		c := revlog.ChainStart(b.page(0, 1).Log)
		for after, more := uint64(0), true; more; {
			p := b.page(after, limit)
			b.same("the chain before", p.Proof.Prev, c)
			c, after, more = p.ChainAfter(), p.Last(), p.More
			if !more {
				b.same("the head, the chain", []any{p.Head, p.Proof.Chain}, []any{uint64(5), c})
			}
		}
	}
}

// logExpiry: an entry stays until all of its page may go.
func logExpiry(b *bench) {
	now := b.now()
	b.revoke(revlog.Token, "soon", now.Add(time.Minute))
	b.revoke(revlog.Key, "never", time.Time{})
	b.revoke(revlog.Token, "later", now.Add(2*time.Minute))
	for range 3 {
		p := b.page(0, 10)
		b.same("first, head", []uint64{p.First, p.Head}, []uint64{1, 3})
		b.same("expiries", []int64{p.Entries[0].Expiry, p.Entries[1].Expiry, p.Entries[2].Expiry},
			[]int64{now.Add(time.Minute).Unix() + 1, 0, now.Add(2*time.Minute).Unix() + 1})
		b.clock.Advance(time.Minute)
	}
	b.same("the next number", b.revoke(revlog.Token, "x", b.now().Add(time.Hour)), uint64(4))
}

func revokeRefuses(b *bench) {
	if seq, err := b.Revoke(b.ctx, revlog.Token, "", b.now(), event("revoke")); err == nil || seq != 0 {
		b.Errorf("an empty id: Revoke = %d, %v, want an error", seq, err)
	}
	if n := b.audited("revoke"); n != 0 {
		b.Errorf("%d events of what never happened", n)
	}
}

func revoked(b *bench) {
	b.revoke(revlog.Token, "id", b.now().Add(time.Minute))
	b.revoke(revlog.Key, "kid", time.Time{})
	hash := revlog.Hash
	var many [][16]byte
	for i := range 20 {
		many = append(many, hash(revlog.Token, string(rune('A'+i))))
	}
	ask := func(hashes ...[16]byte) bool {
		b.Helper()
		got, err := b.Revoked(b.ctx, hashes, b.now())
		b.must(err)
		return got
	}
	b.same("nothing, a token, the same id of another kind, the last of many, none of many",
		[]bool{ask(), ask(hash(revlog.Token, "id")), ask(hash(revlog.Session, "id")),
			ask(append(many, hash(revlog.Token, "id"))...), ask(many...)},
		[]bool{false, true, false, true, false})
	b.clock.Advance(time.Minute)
	b.same("expired, never expiring", []bool{ask(hash(revlog.Token, "id")), ask(hash(revlog.Key, "kid"))}, []bool{false, true})
}

func published(b *bench) {
	closed := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	c := b.Store.Published()
	b.user()
	_, err := b.End(b.ctx, auth.Ending{GrantID: "none"}, b.now(), event("end"))
	b.is("ending nothing", err, auth.ErrNotFound)
	if closed(c) {
		b.Error("closed, though nothing was published")
	}
	b.revoke(revlog.Token, "a", time.Time{})
	if !closed(c) {
		b.Error("not closed by an entry")
	}
	next := b.Store.Published()
	if closed(next) {
		b.Error("the next one is closed from the start")
	}
	u := b.user()
	_, err = b.DeleteUser(b.ctx, u.ID, b.now(), event("user.delete"))
	b.must(err)
	if !closed(next) {
		b.Error("not closed by a deletion")
	}
}
