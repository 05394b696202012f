package storetest

import (
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
)

func claimsTests() map[string]func(*bench) {
	return map[string]func(*bench){"Changed": claimsChanged, "Roles": rolesChanged, "Tokens": endTokens}
}

// kinds lists the kinds in the log after a number, and checks of each that it is
// about the user.
func (b *bench) kinds(after uint64, userID string) (kinds []revlog.Kind) {
	b.Helper()
	for _, e := range b.page(after, 0).Entries {
		kinds = append(kinds, e.Kind)
		if e.Kind == revlog.ClaimsChanged && e.Hash != revlog.Hash(e.Kind, userID) {
			b.Errorf("entry %d isn't about %s", e.Seq, userID)
		}
	}
	return kinds
}

// bearing makes a user whose tokens live for an hour.
func (b *bench) bearing() auth.User {
	b.Helper()
	b.made++
	u := auth.User{ID: auth.NewID(auth.PrefixUser), Email: auth.Random128() + "@example.com", Epoch: auth.Random128(),
		CreatedAt: b.now(), UpdatedAt: b.now(), Mark: b.now().Add(time.Hour)}
	b.must(b.CreateUser(b.ctx, u, event("user.create")))
	return u
}

// claimsChanged: what tokens that are out say no longer is in the log, until the
// last of them has expired.
func claimsChanged(b *bench) {
	b.must(b.CreateRole(b.ctx, auth.Role{ID: "rol_1", Name: "r"}, event("role.create")))
	u := b.bearing()
	update := func(change func(*auth.User)) {
		b.Helper()
		change(&u)
		seq, err := b.updateUser(u, nil, event("user.update"))
		b.must(err)
		b.same("number of what ended", seq, uint64(0))
	}
	update(func(u *auth.User) { u.MustChange = true })
	b.same("nothing that a token says", b.kinds(0, u.ID), []revlog.Kind(nil))
	for _, change := range []func(*auth.User){
		func(u *auth.User) { u.Name = "Ann" }, func(u *auth.User) { u.Email = "a@example.org" }, func(u *auth.User) { u.Username = "ann" },
		func(u *auth.User) { u.VerifiedAt = b.now() }, func(u *auth.User) { u.Claims = []byte(`{"a":1}`) },
		func(u *auth.User) { u.Roles = []string{"r", "r"} }, func(u *auth.User) { u.Roles = nil },
	} {
		head := b.page(0, 1).Head
		update(change)
		b.same("a change", b.kinds(head, u.ID), []revlog.Kind{revlog.ClaimsChanged})
		update(func(*auth.User) {})
		b.same("none", b.page(0, 1).Head, head+1)
	}
	entries := b.page(0, 0).Entries
	b.same("expiry", entries[0].Expiry, upToSecond(u.Mark.Add(auth.LogMemory)))
	b.clock.Advance(time.Hour + auth.LogMemory)
	head := b.page(0, 1).Head
	update(func(u *auth.User) { u.Name = "Anna" })
	b.same("no token is out", b.page(0, 1).Head, head)
}

func upToSecond(t time.Time) int64 { return t.Add(time.Second - time.Microsecond).Unix() }

// rolesChanged: a change of a role is one of everybody who has it.
func rolesChanged(b *bench) {
	b.must(b.CreateRole(b.ctx, auth.Role{ID: "rol_1", Name: "r"}, event("role.create")))
	b.must(b.CreateOrg(b.ctx, auth.Org{ID: "org_1", Slug: "o"}, event("org.create")))
	u := b.bearing()
	b.bearing() // has no role
	b.same("a role in an organisation", b.putMember(auth.Member{OrgID: "org_1", UserID: u.ID, Roles: []string{"r"}}), nil)
	b.same("entries", b.kinds(0, u.ID), []revlog.Kind{revlog.ClaimsChanged})
	b.must(b.updateRole(auth.Role{ID: "rol_1", Name: "r", Permissions: []string{"x"}}, event("role.update")))
	b.same("entries", b.kinds(1, u.ID), []revlog.Kind{revlog.ClaimsChanged})
	b.must(b.DeleteRole(b.ctx, "rol_1", event("role.delete")))
	b.same("entries", b.kinds(2, u.ID), []revlog.Kind{revlog.ClaimsChanged})
	b.must(b.removeMember("org_1", u.ID))
	b.same("entries", b.kinds(3, u.ID), []revlog.Kind{revlog.ClaimsChanged})
	b.is("a role that isn't there", b.DeleteRole(b.ctx, "rol_1", event("role.delete")), auth.ErrNotFound)
	b.same("the head", b.page(0, 1).Head, uint64(4))
}

// endTokens: tokens end, sessions go on under a new epoch; what was over stays so.
func endTokens(b *bench) {
	u := b.bearing()
	s, g := b.begin(u)
	_, over := b.begin(u)
	_, err := b.End(b.ctx, auth.Ending{GrantID: over.ID}, b.now(), event("end"))
	b.must(err)
	head := b.page(0, 1).Head
	next := auth.Random128()
	u.Claims = []byte(`{"a":2}`)
	seq, err := b.updateUser(u, &auth.Ending{UserID: u.ID, NewEpoch: next, Tokens: true, Reason: "roles"}, event("user.update"))
	b.must(err)
	b.same("number", seq, head+2)
	b.same("entries", b.kinds(head, u.ID), []revlog.Kind{revlog.ClaimsChanged, revlog.Epoch})
	got, err := b.Revoked(b.ctx, [][16]byte{revlog.Hash(revlog.Epoch, u.Epoch)}, b.now())
	b.must(err)
	b.same("the old epoch is revoked", got, true)
	held := b.held(g.ID)
	b.same("epochs of user and grant", []string{held.User.Epoch, held.Grant.UserEpoch}, []string{next, next})
	b.same("ends of grant and session", []time.Time{held.Grant.EndedAt, held.Session.EndedAt}, []time.Time{{}, {}})
	b.same("session", held.Session.ID, s.ID)
	if gone := b.held(over.ID); gone.Grant.EndedAt.IsZero() {
		b.Error("the grant that was over lives again")
	}
	ok, err := b.Rotate(b.ctx, g.ID, g.Rotation, auth.Turn{To: auth.Rotation{Confirmed: 0, Current: 1, IssuedAt: b.now()}, Idle: b.now().Add(time.Hour), SessionIdle: b.now().Add(time.Hour)})
	b.must(err)
	b.same("a refresh", ok, true)
}
