package storetest

import (
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
)

func endTests() map[string]func(*bench) {
	return map[string]func(*bench){
		"Grant":      endGrant,
		"Session":    endSession,
		"User":       endUser,
		"Client":     endClient,
		"Twice":      endTwice,
		"Missing":    endMissing,
		"IllFormed":  endIllFormed,
		"MarkedRows": endMarkedRows,
	}
}

// entries are those of the log.
func (b *bench) entries() []revlog.Entry {
	b.Helper()
	p, err := b.LogPage(b.ctx, 0, 1000, b.now())
	b.must(err)
	return p.Entries
}

func endGrant(b *bench) {
	s, g := b.begin(b.user())
	seq, err := b.End(b.ctx, auth.Ending{GrantID: g.ID, Reason: "theft"}, b.now(), event("grant.theft"))
	b.must(err)
	b.same("seq", seq, uint64(1))
	// No token was ever made: two minutes from now, rounded up to the second.
	b.same("log", b.entries(), []revlog.Entry{{
		Seq: 1, Kind: revlog.Session, Hash: revlog.Hash(revlog.Session, g.ID), Expiry: b.now().Unix() + 121,
	}})
	h := b.held(g.ID)
	g.EndedAt, g.EndReason = b.now(), "theft"
	b.same("grant", h.Grant, g)
	b.same("session", h.Session, s)
	if n := b.audited("grant.theft"); n != 1 {
		b.Errorf("%d events, want 1", n)
	}
}

func endSession(b *bench) {
	u := b.user()
	s, g := b.begin(u)
	kept, _ := b.begin(u)
	_, err := b.End(b.ctx, auth.Ending{SessionID: s.ID, Reason: "logout"}, b.now(), event("session.end"))
	b.must(err)
	if got := b.entries(); len(got) != 1 || got[0].Hash != revlog.Hash(revlog.Session, g.ID) {
		b.Errorf("log = %v, want the grant's sid alone", got)
	}
	h := b.held(g.ID)
	s.EndedAt, s.EndReason, g.EndedAt, g.EndReason = b.now(), "logout", b.now(), "logout"
	b.same("session", h.Session, s)
	b.same("grant", h.Grant, g)
	b.same("user's epoch", h.User.Epoch, u.Epoch)
	got, err := b.SessionOf(b.ctx, kept.ID)
	b.must(err)
	b.same("the other session", got, kept)
}

func endUser(b *bench) {
	u, other := b.user(), b.user()
	_, g := b.begin(u)
	_, g2 := b.begin(u)
	kept, keptGrant := b.begin(other)
	seq, err := b.End(b.ctx, auth.Ending{UserID: u.ID, NewEpoch: "fresh", Reason: "logout_all"}, b.now(), event("user.end"))
	b.must(err)
	b.same("log", b.entries(), []revlog.Entry{{
		Seq: seq, Kind: revlog.Epoch, Hash: revlog.Hash(revlog.Epoch, u.Epoch), Expiry: b.now().Unix() + 121,
	}})
	for _, id := range []string{g.ID, g2.ID} {
		h := b.held(id)
		b.same("epoch, reasons", []string{h.User.Epoch, h.Grant.UserEpoch, h.Grant.EndReason, h.Session.EndReason},
			[]string{"fresh", u.Epoch, "logout_all", "logout_all"})
		b.same("times", []time.Time{h.Grant.EndedAt, h.Session.EndedAt}, []time.Time{b.now(), b.now()})
	}
	h := b.held(keptGrant.ID)
	b.same("another's session", h.Session, kept)
	b.same("another's user", h.User, other)
	live, _, err := b.Sessions(b.ctx, u.ID, auth.Page{})
	if err != nil || len(live) != 0 {
		b.Errorf("%d live sessions, %v, want none", len(live), err)
	}
}

func endClient(b *bench) {
	old := b.client()
	_, g := b.begin(b.user())
	seq, err := b.End(b.ctx, auth.Ending{ClientID: old.ID, NewEpoch: "fresh", Reason: "admin"}, b.now(), event("client.end"))
	b.must(err)
	b.same("log", b.entries(), []revlog.Entry{{
		Seq: seq, Kind: revlog.Epoch, Hash: revlog.Hash(revlog.Epoch, old.Epoch), Expiry: b.now().Unix() + 121,
	}})
	h := b.held(g.ID)
	b.same("epochs of client and grant", []string{h.Client.Epoch, h.Grant.ClientEpoch}, []string{"fresh", old.Epoch})
}

func endTwice(b *bench) {
	s, g := b.begin(b.user())
	for i, want := range []uint64{1, 0} {
		seq, err := b.End(b.ctx, auth.Ending{SessionID: s.ID, Reason: "logout"}, b.now(), event("session.end"))
		if err != nil || seq != want {
			b.Errorf("time %d: End = %d, %v, want %d", i+1, seq, err, want)
		}
		b.clock.Advance(time.Second)
	}
	seq, err := b.End(b.ctx, auth.Ending{GrantID: g.ID, Reason: "theft"}, b.now(), event("session.end"))
	if err != nil || seq != 0 {
		b.Errorf("the ended session's grant: End = %d, %v, want 0", seq, err)
	}
	if n, reason := b.audited("session.end"), b.held(g.ID).Grant.EndReason; n != 1 || reason != "logout" {
		b.Errorf("%d events and the reason %q, want 1 and the first", n, reason)
	}
	if n := len(b.entries()); n != 1 {
		b.Errorf("%d entries, want 1", n)
	}
}

func endMissing(b *bench) {
	for name, e := range map[string]auth.Ending{
		"grant": {GrantID: "none"}, "session": {SessionID: "none"},
		"user": {UserID: "none", NewEpoch: "e"}, "client": {ClientID: "none", NewEpoch: "e"},
	} {
		_, err := b.End(b.ctx, e, b.now(), event("end"))
		b.is(name, err, auth.ErrNotFound)
	}
	if n := len(b.entries()); n != 0 {
		b.Errorf("%d entries of nothing", n)
	}
}

func endIllFormed(b *bench) {
	u := b.user()
	_, g := b.begin(u)
	for name, e := range map[string]auth.Ending{
		"nothing named": {Reason: "x"}, "two named": {GrantID: g.ID, UserID: u.ID, NewEpoch: "e"}, "no new epoch": {UserID: u.ID},
	} {
		if _, err := b.End(b.ctx, e, b.now(), event("end")); err == nil {
			b.Errorf("%s: no error", name)
		}
	}
	if h := b.held(g.ID); !h.Grant.EndedAt.IsZero() || h.User.Epoch != u.Epoch {
		b.Error("a refused ending ended something")
	}
}

// The entry must outlive every token in its scope, by verifiers' clocks.
func endMarkedRows(b *bench) {
	u, c := b.user(), b.client()
	_, g := b.begin(u)
	_, g2 := b.begin(u)
	at := func(hours int) time.Time { return b.now().Add(time.Duration(hours) * time.Hour).Truncate(time.Hour) }
	b.must(b.Raise(b.ctx, auth.Marks{Expiry: at(2), GrantID: g.ID}))
	b.must(b.Raise(b.ctx, auth.Marks{Expiry: at(3), GrantID: g2.ID}))
	b.must(b.Raise(b.ctx, auth.Marks{Expiry: at(4), UserID: u.ID}))
	b.must(b.Raise(b.ctx, auth.Marks{Expiry: at(5), ClientID: c.ID}))
	for _, e := range []auth.Ending{
		{GrantID: g.ID}, {SessionID: g2.SessionID}, {UserID: u.ID, NewEpoch: "u"}, {ClientID: c.ID, NewEpoch: "c"},
	} {
		_, err := b.End(b.ctx, e, b.now(), event("end"))
		b.must(err)
	}
	var got []int64
	for _, e := range b.entries() {
		got = append(got, e.Expiry)
	}
	b.same("expiries", got, []int64{at(2).Unix() + 120, at(3).Unix() + 120, at(4).Unix() + 120, at(5).Unix() + 120})
}
