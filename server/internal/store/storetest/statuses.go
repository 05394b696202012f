package storetest

import (
	"slices"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

func statusTests() map[string]func(*bench) {
	return map[string]func(*bench){
		"a grant keeps its place":       testStatusOnce,
		"what is over is revoked":       testStatusEnds,
		"a place rests before the next": testStatusRest,
		"tokens end, a session doesn't": testStatusMoves,
		"a place after the end":         testStatusLate,
		"lists grow":                    testStatusGrowth,
		"two at once":                   testStatusRace,
	}
}

// listed signs a user in with a place in the lists.
func (b *bench) listed(u auth.User) (auth.Session, auth.Grant) {
	b.Helper()
	s, g := b.prepare(u, b.client())
	g.StatusIndex = 0
	var err error
	g.StatusIndex, err = b.AssignStatus(b.ctx, g)
	b.must(err)
	b.must(b.Begin(b.ctx, s, g, auth.Marks{}, event("session.begin")))
	return s, g
}

// revoked checks which grants' bits are set.
func (b *bench) revoked(when string, want ...auth.Grant) {
	b.Helper()
	lists, err := b.StatusLists(b.ctx)
	b.must(err)
	var got, wanted []int64
	for list := range lists {
		places, err := b.RevokedStatuses(b.ctx, list, b.now())
		b.must(err)
		for _, place := range places {
			got = append(got, list*auth.StatusListSize+place+1)
		}
	}
	for _, g := range want {
		wanted = append(wanted, int64(g.StatusIndex))
	}
	slices.Sort(got)
	slices.Sort(wanted)
	if !slices.Equal(got, wanted) {
		b.Errorf("%s: revoked are %v, want %v", when, got, wanted)
	}
}

func testStatusOnce(b *bench) {
	u := b.user()
	_, g := b.listed(u)
	if g.StatusIndex < 1 || g.StatusIndex.Place() >= auth.StatusListSize || b.held(g.ID).Grant.StatusIndex != g.StatusIndex {
		b.Errorf("place %d, stored %d", g.StatusIndex, b.held(g.ID).Grant.StatusIndex)
	}
	again, err := b.AssignStatus(b.ctx, g)
	b.must(err)
	if again != g.StatusIndex {
		b.Errorf("asked again: %d, want %d", again, g.StatusIndex)
	}
	s, late := b.prepare(u, b.client())
	late.StatusIndex = 0
	b.must(b.Begin(b.ctx, s, late, auth.Marks{}, event("session.begin")))
	index, err := b.AssignStatus(b.ctx, late)
	b.must(err)
	if index == 0 || index == g.StatusIndex || b.held(late.ID).Grant.StatusIndex != index {
		b.Errorf("a grant that was there before: %d, stored %d", index, b.held(late.ID).Grant.StatusIndex)
	}
	b.revoked("nothing is over")
}

func testStatusEnds(b *bench) {
	end := func(e auth.Ending) {
		b.Helper()
		e.Reason = "test"
		_, err := b.End(b.ctx, e, b.now(), event("end"))
		b.must(err)
	}
	ann, bob, eve := b.user(), b.user(), b.user()
	_, alive := b.listed(ann)
	_, grant := b.listed(ann)
	session, first := b.listed(ann)
	_, everywhere := b.listed(bob)
	_, deleted := b.listed(eve)
	b.revoked("at first")
	end(auth.Ending{GrantID: grant.ID})
	b.revoked("a grant ended", grant)
	end(auth.Ending{SessionID: session.ID})
	b.revoked("a session ended", grant, first)
	end(auth.Ending{UserID: bob.ID, NewEpoch: auth.Random128()})
	b.revoked("a user was signed out everywhere", grant, first, everywhere)
	_, err := b.DeleteUser(b.ctx, eve.ID, b.now(), event("user.delete"))
	b.must(err)
	b.revoked("a user was deleted", grant, first, everywhere, deleted)
	bob, err = b.UserByID(b.ctx, bob.ID)
	b.must(err)
	_, fresh := b.listed(bob)
	b.revoked("somebody signed in again", grant, first, everywhere, deleted)
	end(auth.Ending{ClientID: auth.ClientWrit, NewEpoch: auth.Random128()})
	b.revoked("a client was ended", grant, first, everywhere, deleted, fresh, alive)
}

// What ends tokens and no session moves the grant to another place.
func testStatusMoves(b *bench) {
	u := b.user()
	_, before := b.listed(u)
	_, err := b.End(b.ctx, auth.Ending{UserID: u.ID, NewEpoch: auth.Random128(), Tokens: true, Reason: "test"}, b.now(), event("end"))
	b.must(err)
	b.revoked("its tokens ended", before)
	_, err = b.AssignStatus(b.ctx, before)
	b.is("for a token with the old epoch", err, auth.ErrEpochChanged)
	held := b.held(before.ID).Grant
	if held.StatusIndex != 0 {
		b.Errorf("the grant stays at %d", held.StatusIndex)
	}
	held.StatusIndex, err = b.AssignStatus(b.ctx, held)
	b.must(err)
	if held.StatusIndex == before.StatusIndex {
		b.Error("the same place again")
	}
	b.revoked("at another place", before)
}

// A refresh may ask for the place of a grant that is being ended.
func testStatusLate(b *bench) {
	u := b.user()
	s, g := b.prepare(u, b.client())
	g.StatusIndex = 0
	b.must(b.Begin(b.ctx, s, g, auth.Marks{}, event("session.begin")))
	_, err := b.End(b.ctx, auth.Ending{SessionID: s.ID, Reason: "test"}, b.now(), event("end"))
	b.must(err)
	g.StatusIndex, err = b.AssignStatus(b.ctx, g)
	b.must(err)
	b.revoked("it had ended", g)
}

func testStatusRest(b *bench) {
	u := b.user()
	s, g := b.listed(u)
	_, err := b.End(b.ctx, auth.Ending{SessionID: s.ID, Reason: "test"}, b.now(), event("end"))
	b.must(err)
	b.clock.Advance(g.AbsoluteExpiry.Sub(b.now()) + auth.LogMemory - time.Second)
	b.revoked("while a token may be alive", g)
	b.clock.Advance(time.Second)
	b.revoked("after its last token")
}

func testStatusGrowth(b *bench) {
	u := b.user()
	for range 20 {
		b.listed(u)
	}
	lists, err := b.StatusLists(b.ctx)
	b.must(err)
	if lists != 1 {
		b.Errorf("%d lists for 20 grants, want 1", lists)
	}
	places, err := b.RevokedStatuses(b.ctx, 7, b.now())
	if err != nil || len(places) != 0 {
		b.Errorf("a list that isn't there: %v, %v", places, err)
	}
}

func testStatusRace(b *bench) {
	u := b.user()
	s, g := b.prepare(u, b.client())
	g.StatusIndex = 0
	b.must(b.Begin(b.ctx, s, g, auth.Marks{}, event("session.begin")))
	const callers = 8
	got := make(chan auth.StatusIndex, callers)
	for range callers {
		go func() {
			index, err := b.AssignStatus(b.ctx, g)
			if err != nil {
				b.Error(err)
			}
			got <- index
		}()
	}
	first := <-got
	for range callers - 1 {
		if index := <-got; index != first {
			b.Errorf("two places for one grant, %d and %d", first, index)
		}
	}
	if stored := b.held(g.ID).Grant.StatusIndex; stored != first {
		b.Errorf("stored %d, answered %d", stored, first)
	}
}
