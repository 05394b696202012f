package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

func logoutTests() map[string]func(*bench) {
	return map[string]func(*bench){
		"EveryCause":    logoutOfEveryCause,
		"ClaimedOnce":   logoutClaimedOnce,
		"ClaimedAgain":  logoutClaimedAgain,
		"ClientDeleted": logoutOfDeletedClient,
	}
}

// listener is a client that wants to be told.
func (b *bench) listener(id string) auth.Client {
	b.Helper()
	c := auth.Client{ID: id, Epoch: "epoch of " + id, BackchannelLogoutURI: "https://app.example/" + id, CreatedAt: b.now(), UpdatedAt: b.now()}
	b.must(b.CreateClient(b.ctx, c, nil, event("client.create")))
	return c
}

// holding begins a session with a grant of each client, and answers their ids.
func (b *bench) holding(u auth.User, clients ...auth.Client) (session string, grants []string) {
	b.Helper()
	for i, c := range clients {
		code, g := b.code(u, c, fmt.Sprint(b.made, c.ID))
		if i > 0 {
			g.SessionID = session
		}
		session = g.SessionID
		if _, err := b.Redeem(b.ctx, code.Hash, g, b.now(), auth.Marks{}, event("grant.begin")); err != nil {
			b.Fatal(err)
		}
		grants = append(grants, g.ID)
	}
	return session, grants
}

// told claims and settles all that is due, and answers the grants, sorted.
func (b *bench) told() []string {
	b.Helper()
	var ids []string
	clients, _, err := b.DueLogouts(b.ctx, b.now())
	b.must(err)
	for _, client := range clients {
		list, err := b.ClaimLogouts(b.ctx, client, b.now(), b.now().Add(time.Minute), 100)
		b.must(err)
		for _, l := range list {
			b.same("client", l.ClientID, client)
			ids = append(ids, l.GrantID)
			b.must(b.SettleLogout(b.ctx, l.GrantID, time.Time{}, nil))
		}
	}
	slices.Sort(ids)
	return ids
}

// logoutOfEveryCause: whatever ends a grant, its client is to be told, in the
// same transaction; a client that asked for nothing isn't.
func logoutOfEveryCause(b *bench) {
	one, two, deaf := b.listener("one"), b.listener("two"), b.app("deaf")
	end := func(e auth.Ending) {
		b.Helper()
		_, err := b.End(b.ctx, e, b.now(), event("end"))
		b.must(err)
	}
	for what, test := range map[string]struct {
		end  func(u auth.User, session string, grants []string)
		told int // of the grants of one, two, and deaf, the first so many
	}{
		"a grant": {func(_ auth.User, _ string, grants []string) { end(auth.Ending{GrantID: grants[0], Reason: "theft"}) }, 1},
		"a grant that its client ended": {func(_ auth.User, _ string, grants []string) {
			end(auth.Ending{GrantID: grants[0], Reason: "revoked"})
		}, 0},
		"the session": {func(_ auth.User, session string, _ []string) { end(auth.Ending{SessionID: session, Reason: "logout"}) }, 2},
		"everything of the user": {func(u auth.User, _ string, _ []string) {
			end(auth.Ending{UserID: u.ID, NewEpoch: auth.Random128(), Reason: "logout_all"})
		}, 2},
		"the access tokens alone": {func(u auth.User, _ string, _ []string) {
			end(auth.Ending{UserID: u.ID, NewEpoch: auth.Random128(), Tokens: true})
		}, 0},
		"a disabled user": {func(u auth.User, _ string, _ []string) {
			u.Disabled = true
			_, err := b.updateUser(u, &auth.Ending{UserID: u.ID, NewEpoch: auth.Random128(), Reason: "disabled"}, event("x"))
			b.must(err)
		}, 2},
		"a new password": {func(u auth.User, _ string, _ []string) {
			_, err := b.SetPassword(b.ctx, u.ID, "", "$new$", false, auth.Random128(), b.now(), event("x"))
			b.must(err)
		}, 2},
		"a deleted user": {func(u auth.User, _ string, _ []string) {
			_, err := b.DeleteUser(b.ctx, u.ID, b.now(), event("x"))
			b.must(err)
		}, 2},
		"consent taken back": {func(u auth.User, _ string, _ []string) {
			_, err := b.RevokeConsent(b.ctx, u.ID, one.ID, b.now(), event("x"))
			b.must(err)
		}, 1},
	} {
		u := b.user()
		session, grants := b.holding(u, one, two, deaf)
		b.same(what+": before", len(b.told()), 0)
		test.end(u, session, grants)
		want := slices.Clone(grants[:test.told])
		slices.Sort(want)
		b.same(what, b.told(), slices.Concat([]string(nil), want))
		if test.told > 0 {
			b.same(what+": told", len(b.told()), 0)
		}
	}
}

// logoutClaimedOnce: what one node has claimed no other gets.
func logoutClaimedOnce(b *bench) {
	c := b.listener("app")
	u := b.user()
	for range 20 {
		b.holding(u, c)
	}
	b.clock.Advance(time.Second)
	_, err := b.End(b.ctx, auth.Ending{UserID: u.ID, NewEpoch: "new", Reason: "logout_all"}, b.now(), event("end"))
	b.must(err)
	var mu sync.Mutex
	var wg sync.WaitGroup
	times := map[string]int{}
	for range 8 {
		wg.Go(func() {
			list, err := b.ClaimLogouts(b.ctx, c.ID, b.now(), b.now().Add(time.Minute), 3)
			if err != nil {
				b.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, l := range list {
				times[l.GrantID]++
				b.same("attempts", l.Attempts, 1)
				b.same("user", l.UserID, u.ID)
				b.same("ended", l.EndedAt, b.now())
			}
		})
	}
	wg.Wait()
	for id, n := range times {
		if n != 1 {
			b.Errorf("%s was claimed %d times", id, n)
		}
	}
	if len(times) == 0 || len(times) > 20 {
		b.Errorf("%d were claimed", len(times))
	}
}

// logoutClaimedAgain: one that wasn't settled is due again when its lease is over,
// one that failed when it is said.
func logoutClaimedAgain(b *bench) {
	c := b.listener("app")
	session, grants := b.holding(b.user(), c)
	_, err := b.End(b.ctx, auth.Ending{SessionID: session, Reason: "logout"}, b.now(), event("end"))
	b.must(err)
	due := func() []string {
		b.Helper()
		clients, next, err := b.DueLogouts(b.ctx, b.now())
		b.must(err)
		if len(clients) == 0 {
			b.same("the next", next.After(b.now()), true)
		}
		return clients
	}
	claim := func(lease time.Duration) []auth.Logout {
		b.Helper()
		list, err := b.ClaimLogouts(b.ctx, c.ID, b.now(), b.now().Add(lease), 10)
		b.must(err)
		return list
	}
	b.same("due", due(), []string{"app"})
	b.same("claimed", len(claim(time.Minute)), 1)
	b.same("claimed again", len(claim(time.Minute)), 0)
	b.same("due", due(), []string(nil))
	b.clock.Advance(time.Minute)
	again := claim(time.Minute)
	b.same("after its lease", again, []auth.Logout{{GrantID: grants[0], ClientID: c.ID, UserID: again[0].UserID, EndedAt: b.now().Add(-time.Minute), Attempts: 2}})
	b.must(b.SettleLogout(b.ctx, grants[0], b.now().Add(time.Second), nil))
	b.clock.Advance(time.Second)
	b.same("when it was said", len(claim(time.Minute)), 1)
	ev := event("logout.undelivered")
	b.must(b.SettleLogout(b.ctx, grants[0], time.Time{}, &ev))
	b.same("audited", b.audited("logout.undelivered"), 1)
	clients, next, err := b.DueLogouts(b.ctx, b.now())
	b.must(err)
	b.same("nothing is left", len(clients) == 0 && next.IsZero(), true)
}

func logoutOfDeletedClient(b *bench) {
	c := b.listener("app")
	session, _ := b.holding(b.user(), c)
	_, err := b.End(b.ctx, auth.Ending{SessionID: session, Reason: "logout"}, b.now(), event("end"))
	b.must(err)
	_, err = b.DeleteClient(b.ctx, c.ID, b.now(), event("client.delete"))
	b.must(err)
	b.same("nobody is left to be told", len(b.told()), 0)
}
