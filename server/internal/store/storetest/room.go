package storetest

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
)

// mostOfClient is how many grants a client may have of a session.
const mostOfClient = 50

// redeem adds a grant of a client to a session, with a token for an hour.
func (b *bench) redeem(u auth.User, s auth.Session, c auth.Client, change func(*auth.Grant)) auth.Grant {
	b.Helper()
	_, g := b.prepare(u, c)
	g.SessionID, g.StatusIndex = s.ID, 0
	if change != nil {
		change(&g)
	}
	code := auth.AuthorizationCode{Hash: sha256.Sum256([]byte(g.ID)), ClientID: c.ID, SessionID: s.ID, Challenge: "challenge",
		CreatedAt: b.now(), ExpiresAt: b.now().Add(time.Minute), ForgetAt: b.now().Add(time.Minute)}
	b.must(b.AddCode(b.ctx, code))
	ev := auth.Event{At: b.now(), Actor: c.ID, Action: "grant.begin", Target: g.ID, Verdict: "allowed"}
	begun, err := b.Redeem(b.ctx, code.Hash, g, b.now(), auth.Marks{Expiry: b.now().Add(time.Hour)}, ev)
	b.must(err)
	b.same("begun", begun, true)
	return g
}

// there says of grants which are left.
func (b *bench) there(grants []auth.Grant) (left []int) {
	b.Helper()
	for i, g := range grants {
		if _, err := b.HeldByGrant(b.ctx, g.ID); err == nil {
			left = append(left, i)
		} else {
			b.is("a grant", err, auth.ErrNotFound)
		}
	}
	return left
}

// roomOfClient: a client that begins grant after grant loses those that it hasn't
// used for the longest time, with all their tokens, and takes nothing from others.
func roomOfClient(b *bench) {
	u, app, other := b.user(), b.listener("app"), b.listener("other")
	s, first := b.begin(u)
	kept := []auth.Grant{first, b.redeem(u, s, other, nil)}
	var grants []auth.Grant
	for range mostOfClient {
		b.clock.Advance(time.Second)
		grants = append(grants, b.redeem(u, s, app, nil))
	}
	b.same("as many as there may be", len(b.there(grants)), mostOfClient)
	b.same("entries", len(b.entries()), 0)

	b.clock.Advance(time.Second)
	r := grants[0].Rotation
	used := auth.Rotation{Current: 1, IssuedAt: b.now(), TagKey: r.TagKey}
	rotated, err := b.Rotate(b.ctx, grants[0].ID, r, auth.Turn{To: used})
	b.must(err)
	b.same("the first is used", rotated, true)
	index, err := b.AssignStatus(b.ctx, grants[1])
	b.must(err)

	grants = append(grants, b.redeem(u, s, app, nil))
	b.same("left", b.there(grants), append([]int{0}, sequence(2, mostOfClient+1)...))
	b.same("of others", len(b.there(kept)), 2)
	entries := b.entries()
	if len(entries) != 1 || entries[0].Hash != revlog.Hash(revlog.Session, grants[1].ID) {
		b.Errorf("log = %v, want the sid of the one that went", entries)
	}
	revoked, err := b.RevokedStatuses(b.ctx, index.List(), b.now())
	b.must(err)
	b.same("its status", slices.Contains(revoked, index.Place()), true)
	b.same("audited", b.audited("grant.end"), 1)
	b.same("nobody has logged out", len(b.told()), 0)

	// Who is about to make a token of it has looked a moment ago.
	grants[1].StatusIndex = 0
	index, err = b.AssignStatus(b.ctx, grants[1])
	b.must(err)
	revoked, err = b.RevokedStatuses(b.ctx, index.List(), b.now())
	b.must(err)
	b.same("its status, asked once more", slices.Contains(revoked, index.Place()), true)
}

// roomByWorth: what has ended goes first, then what nobody can use.
func roomByWorth(b *bench) {
	u, app := b.user(), b.app("app")
	s, _ := b.begin(u)
	var grants []auth.Grant
	for i := range mostOfClient {
		grants = append(grants, b.redeem(u, s, app, func(g *auth.Grant) {
			if i == 7 {
				g.HandleHash = nil
			}
			g.IdleExpiry = b.now().Add(10 * time.Hour)
		}))
		b.clock.Advance(time.Second)
	}
	_, err := b.End(b.ctx, auth.Ending{GrantID: grants[20].ID, Reason: "revoked"}, b.now(), event("x"))
	b.must(err)
	b.clock.Advance(2 * time.Hour)
	for i, gone := range []int{20, 7, 0, 1} {
		grants = append(grants, b.redeem(u, s, app, nil))
		b.same(fmt.Sprint("after the grant ", i), slices.Contains(b.there(grants), gone), false)
		b.same("left", len(b.there(grants)), mostOfClient)
	}
	b.same("entries: the one that was ended", len(b.entries()), 1)
}

// sequence is the numbers from one to before another.
func sequence(from, to int) (list []int) {
	for i := from; i < to; i++ {
		list = append(list, i)
	}
	return list
}
