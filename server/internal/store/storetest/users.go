package storetest

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
)

func userTests() map[string]func(*bench) {
	return map[string]func(*bench){
		"ByLogin":           userByLogin,
		"Taken":             userTaken,
		"Incomplete":        userIncomplete,
		"Listed":            usersListed,
		"Update":            updateUser,
		"OwnEdit":           updateProfile,
		"UpdateAndEnd":      updateUserAndEnd,
		"UpdateRefused":     updateUserRefused,
		"SetPassword":       setPassword,
		"SetPasswordMoved":  setPasswordMoved,
		"Rehash":            rehash,
		"Delete":            deleteUser,
		"Permissions":       permissions,
		"LastAdministrator": lastAdministrator,
	}
}

func userByLogin(b *bench) {
	u := auth.User{ID: "usr_1", Email: "Ann.Ö@Example.COM", Username: "AnnÖ", Epoch: "e", CreatedAt: b.now(), UpdatedAt: b.now()}
	b.must(b.CreateUser(b.ctx, u, event("user.create")))
	b.must(b.CreateUser(b.ctx, auth.User{ID: "usr_2", Epoch: "e"}, event("user.create"))) // neither address nor name
	for _, login := range []string{"Ann.Ö@Example.COM", "ann.ö@example.com", "ANN.Ö@EXAMPLE.COM", "annö", "ANNÖ"} {
		got, err := b.UserByLogin(b.ctx, login)
		b.must(err)
		b.same(login, got, u)
	}
	for _, login := range []string{"", "@", "ann", "annö@", "ann.ö@example.co_", "ann%", " annö"} {
		_, err := b.UserByLogin(b.ctx, login)
		b.is(login, err, auth.ErrNotFound)
	}
	_, err := b.UserByID(b.ctx, "usr_none")
	b.is("by id", err, auth.ErrNotFound)
}

func userTaken(b *bench) {
	b.must(b.CreateUser(b.ctx, auth.User{ID: "usr_1", Email: "ann@example.com", Username: "ann", Epoch: "e"}, event("user.create")))
	for field, u := range map[string]auth.User{
		"id":       {ID: "usr_1", Email: "bob@example.com"},
		"email":    {ID: "usr_2", Email: "ANN@example.com"},
		"username": {ID: "usr_2", Username: "Ann"},
	} {
		u.Epoch = "e"
		b.taken(field, b.CreateUser(b.ctx, u, event("user.refused")), field)
	}
	bob := auth.User{ID: "usr_3", Email: "bob@example.com", Epoch: "e"}
	b.must(b.CreateUser(b.ctx, bob, event("user.create")))
	bob.Email = "Ann@Example.com"
	_, err := b.updateUser(bob, nil, event("user.refused"))
	b.taken("update", err, "email")
	if n := b.audited("user.refused"); n != 0 {
		b.Errorf("%d events of what never happened", n)
	}
}

func userIncomplete(b *bench) {
	if err := b.CreateUser(b.ctx, auth.User{ID: "usr_1"}, event("user.create")); err == nil {
		b.Error("a user without an epoch was stored")
	}
	err := b.CreateUser(b.ctx, auth.User{ID: "usr_1", Epoch: "e", Roles: []string{"no such role"}}, event("user.create"))
	b.invalid("an unknown role", err, "roles")
	_, err = b.UserByID(b.ctx, "usr_1")
	b.is("the refused user", err, auth.ErrNotFound)
}

func usersListed(b *bench) {
	for _, u := range []auth.User{
		{ID: "usr_a", Email: "zoe@example.com", Name: "Ärmel"},
		{ID: "usr_b", Username: "Zo%e"},
		{ID: "usr_c", Email: "abc@example.com", Name: "Zoltan"},
		{ID: "usr_d", Username: "under_score"},
		{ID: "usr_e", Username: `back\slash`},
	} {
		u.Epoch = "e"
		b.must(b.CreateUser(b.ctx, u, event("user.create")))
	}
	for query, want := range map[string][]string{
		"":       {"usr_a", "usr_b", "usr_c", "usr_d", "usr_e"},
		"ZO":     {"usr_a", "usr_b", "usr_c"},
		"zo%":    {"usr_b"},
		"_":      nil,
		"under_": {"usr_d"},
		"underX": nil,
		`BACK\`:  {"usr_e"},
		"är":     {"usr_a"},
		"oe":     nil,
	} {
		users, next, err := b.Users(b.ctx, auth.Page{Query: query})
		b.must(err)
		var got []string
		for _, u := range users {
			got = append(got, u.ID)
		}
		b.same("query "+query, got, want)
		b.same("cursor", next, "")
	}
	got := pages(b, 2, func(p auth.Page) ([]auth.User, string, error) { return b.Users(b.ctx, p) },
		func(u auth.User) string { return u.ID })
	b.same("pages", got, [][]string{{"usr_a", "usr_b"}, {"usr_c", "usr_d"}, {"usr_e"}})
}

func updateUser(b *bench) {
	for _, name := range []string{"a", "b", "c"} {
		b.must(b.CreateRole(b.ctx, auth.Role{ID: "rol_" + name, Name: name}, event("role.create")))
	}
	u := auth.User{ID: "usr_1", Email: "a@example.com", PasswordHash: "$h$", Roles: []string{"a", "b"}, Epoch: "e",
		Mark: b.now(), CreatedAt: b.now(), UpdatedAt: b.now()}
	b.must(b.CreateUser(b.ctx, u, event("user.create")))
	b.clock.Advance(time.Minute)
	changed := auth.User{ID: u.ID, Email: "B@example.com", Username: "Bee", Name: "Bee", VerifiedAt: b.now(), MustChange: true,
		Disabled: true, Roles: []string{"c", "b", "c"}, Claims: json.RawMessage(`{"x":1}`),
		PasswordHash: "not this", Epoch: "not this", Mark: b.now().Add(time.Hour), CreatedAt: b.now()}
	seq, err := b.updateUser(changed, nil, event("user.update"))
	b.must(err)
	b.same("seq", seq, uint64(0))
	want := changed
	want.Roles = []string{"b", "c"}
	want.PasswordHash, want.Epoch, want.Mark, want.CreatedAt, want.UpdatedAt = u.PasswordHash, u.Epoch, u.Mark, u.CreatedAt, b.now()
	got, err := b.UserByID(b.ctx, u.ID)
	b.must(err)
	b.same("user", got, want)
	_, err = b.UserByLogin(b.ctx, "a@example.com")
	b.is("the old address", err, auth.ErrNotFound)
	if n := b.audited("user.update"); n != 1 {
		b.Errorf("%d events, want 1", n)
	}
}

// updateProfile: what a user says of themselves is all that is written.
func updateProfile(b *bench) {
	b.must(b.CreateRole(b.ctx, auth.Role{ID: "rol_a", Name: "a"}, event("role.create")))
	u := auth.User{ID: "usr_1", Email: "a@example.com", Username: "ann", Name: "Ann", PasswordHash: "$h$", MustChange: true, Disabled: true,
		Roles: []string{"a"}, Claims: json.RawMessage(`{"x":1}`), Epoch: "e", VerifiedAt: b.now(), CreatedAt: b.now(), UpdatedAt: b.now()}
	b.must(b.CreateUser(b.ctx, u, event("user.create")))
	b.must(b.CreateUser(b.ctx, auth.User{ID: "usr_2", Username: "bob", Epoch: "f"}, event("user.create")))
	b.clock.Advance(time.Minute)
	name, username := "Änne", "Anne"
	u.Name, u.UpdatedAt = name, b.now()
	got, err := b.UpdateProfile(b.ctx, u.ID, &name, nil, b.now(), event("user.update"))
	b.must(err)
	b.same("a name", got, u)
	u.Username = username
	got, err = b.UpdateProfile(b.ctx, u.ID, nil, &username, b.now(), event("user.update"))
	b.must(err)
	b.same("a user name", got, u)
	got, err = b.UserByLogin(b.ctx, "ANNE")
	b.must(err)
	b.same("read", got, u)
	page, _, err := b.Users(b.ctx, auth.Page{Limit: 9, Query: "än"})
	b.must(err)
	b.same("found by the name", len(page), 1)
	taken := "BOB"
	_, err = b.UpdateProfile(b.ctx, u.ID, nil, &taken, b.now(), event("user.update"))
	b.is("a taken name", err, auth.ErrConflict)
	_, err = b.UpdateProfile(b.ctx, "usr_none", &name, nil, b.now(), event("user.update"))
	b.is("nobody", err, auth.ErrNotFound)
	if n := b.audited("user.update"); n != 2 {
		b.Errorf("%d events, want 2", n)
	}
}

func updateUserAndEnd(b *bench) {
	u := b.user()
	_, g := b.begin(u)
	u.Disabled = true
	seq, err := b.updateUser(u, &auth.Ending{UserID: u.ID, NewEpoch: "fresh", Reason: "disabled"}, event("user.update"))
	b.must(err)
	b.same("log", b.entries(), []revlog.Entry{{
		Seq: seq, Kind: revlog.Epoch, Hash: revlog.Hash(revlog.Epoch, u.Epoch), Expiry: b.now().Unix() + 121,
	}})
	h := b.held(g.ID)
	b.same("epoch, reason", []string{h.User.Epoch, h.Grant.EndReason}, []string{"fresh", "disabled"})
	if !h.User.Disabled {
		b.Error("the user is not disabled")
	}
}

// A failing part must take the rest of the transaction with it.
func updateUserRefused(b *bench) {
	u := b.user()
	renamed := u
	renamed.Name = "Other"
	_, err := b.updateUser(renamed, &auth.Ending{GrantID: "none"}, event("user.update"))
	b.is("an ending of nothing", err, auth.ErrNotFound)
	renamed.Roles = []string{"none"}
	_, err = b.updateUser(renamed, &auth.Ending{UserID: u.ID, NewEpoch: "x"}, event("user.update"))
	b.invalid("an unknown role", err, "roles")
	got, err := b.UserByID(b.ctx, u.ID)
	b.must(err)
	b.same("user", got, u)
	if n := b.audited("user.update") + len(b.entries()); n != 0 {
		b.Errorf("%d events and entries of what never happened", n)
	}
	_, err = b.UpdateUser(b.ctx, auth.User{ID: "usr_none"}, time.Time{}, nil, b.now(), event("user.update"))
	b.is("a missing user", err, auth.ErrNotFound)
}

func setPassword(b *bench) {
	u := b.user()
	_, g := b.begin(u)
	seq, err := b.SetPassword(b.ctx, u.ID, u.PasswordHash, "$new$", true, "fresh", b.now(), event("password.change"))
	b.must(err)
	b.same("log", b.entries(), []revlog.Entry{{
		Seq: seq, Kind: revlog.Epoch, Hash: revlog.Hash(revlog.Epoch, u.Epoch), Expiry: b.now().Unix() + 121,
	}})
	h := b.held(g.ID)
	want := u
	want.PasswordHash, want.MustChange, want.Epoch = "$new$", true, "fresh"
	b.same("user", h.User, want)
	b.same("the session's end", h.Session.EndReason, "password_change")

	_, err = b.SetPassword(b.ctx, u.ID, "", "$reset$", false, "fresher", b.now(), event("password.change"))
	b.must(err)
	got, err := b.UserByID(b.ctx, u.ID)
	b.must(err)
	want.PasswordHash, want.MustChange, want.Epoch = "$reset$", false, "fresher"
	b.same("after a reset", got, want)
	if n := b.audited("password.change"); n != 2 {
		b.Errorf("%d events, want 2", n)
	}
}

func setPasswordMoved(b *bench) {
	u := b.user()
	_, g := b.begin(u)
	_, err := b.SetPassword(b.ctx, u.ID, "$older$", "$new$", false, "fresh", b.now(), event("password.change"))
	b.is("an old hash that isn't", err, auth.ErrConflict)
	h := b.held(g.ID)
	b.same("user", h.User, u)
	if n := b.audited("password.change") + len(b.entries()); n != 0 || !h.Grant.EndedAt.IsZero() {
		b.Error("a refused change left traces")
	}
	_, err = b.SetPassword(b.ctx, "usr_none", "", "$new$", false, "fresh", b.now(), event("password.change"))
	b.is("a missing user", err, auth.ErrNotFound)
}

func rehash(b *bench) {
	u := b.user()
	_, g := b.begin(u)
	b.must(b.Rehash(b.ctx, u.ID, u.PasswordHash, "$better$"))
	h := b.held(g.ID)
	want := u
	want.PasswordHash = "$better$"
	b.same("user", h.User, want)
	if !h.Grant.EndedAt.IsZero() {
		b.Error("a rehash ended a session")
	}
	b.is("a hash that was replaced", b.Rehash(b.ctx, u.ID, u.PasswordHash, "$x$"), auth.ErrConflict)
	b.is("a missing user", b.Rehash(b.ctx, "usr_none", "", "$x$"), auth.ErrNotFound)
}

func deleteUser(b *bench) {
	b.must(b.CreateRole(b.ctx, auth.Role{ID: "rol_1", Name: "r"}, event("role.create")))
	u := auth.User{ID: "usr_1", Email: "ann@example.com", Roles: []string{"r"}, Epoch: "e", Mark: b.now().Add(time.Hour)}
	b.must(b.CreateUser(b.ctx, u, event("user.create")))
	b.must(b.CreateOrg(b.ctx, auth.Org{ID: "org_1", Slug: "o"}, event("org.create")))
	b.must(b.putMember(auth.Member{OrgID: "org_1", UserID: u.ID, Roles: []string{"r"}}))
	s, g := b.begin(u)
	seq, err := b.DeleteUser(b.ctx, u.ID, b.now(), event("user.delete"))
	b.must(err)
	b.same("log", b.entries(), []revlog.Entry{
		{Seq: 1, Kind: revlog.ClaimsChanged, Hash: revlog.Hash(revlog.ClaimsChanged, u.ID), Expiry: u.Mark.Unix() + 121}, // by the membership
		{Seq: seq, Kind: revlog.Epoch, Hash: revlog.Hash(revlog.Epoch, "e"), Expiry: u.Mark.Unix() + 121},
	})
	_, err = b.UserByID(b.ctx, u.ID)
	b.is("user", err, auth.ErrNotFound)
	_, err = b.HeldByHandle(b.ctx, g.HandleHash)
	b.is("grant", err, auth.ErrNotFound)
	_, err = b.SessionOf(b.ctx, s.ID)
	b.is("session", err, auth.ErrNotFound)
	_, err = b.MemberOf(b.ctx, "org_1", u.ID)
	b.is("member", err, auth.ErrNotFound)
	_, err = b.DeleteUser(b.ctx, u.ID, b.now(), event("user.delete"))
	b.is("once more", err, auth.ErrNotFound)
	u.ID = "usr_2"
	b.must(b.CreateUser(b.ctx, u, event("user.create"))) // the address is free again
}

func permissions(b *bench) {
	for name, permissions := range map[string][]string{
		"a": {"write", "read"}, "b": {"read", "admin"}, "c": nil, "d": {}, "e": {"e"}, "f": {"f"}, "g": {"g"}, "h": {"h"}, "i": {"i"}, "j": {"j"},
	} {
		b.must(b.CreateRole(b.ctx, auth.Role{ID: "rol_" + name, Name: name, Permissions: permissions}, event("role.create")))
	}
	for _, c := range []struct{ roles, want []string }{
		{nil, nil},
		{[]string{"c", "d", "no such role"}, nil},
		{[]string{"b", "a"}, []string{"admin", "read", "write"}},
		{[]string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}, []string{"admin", "e", "f", "g", "h", "i", "j", "read", "write"}},
	} {
		got, err := b.Permissions(b.ctx, c.roles)
		b.must(err)
		b.same("permissions", got, c.want)
	}
}

// lastAdministrator: of two who are taken away at once, be it by two nodes, one
// stays.
func lastAdministrator(b *bench) {
	b.must(b.CreateRole(b.ctx, auth.Role{ID: "rol_1", Name: auth.RoleAdmin}, event("role.create")))
	admin := func(id string) auth.User {
		u := auth.User{ID: id, Roles: []string{auth.RoleAdmin}, Epoch: "epoch of " + id}
		b.must(b.CreateUser(b.ctx, u, event("user.create")))
		return u
	}
	demoted := func(u auth.User) error {
		u.Roles = nil
		_, err := b.updateUser(u, nil, event("user.update"))
		return err
	}
	disabled := func(u auth.User) error {
		u.Disabled = true
		_, err := b.updateUser(u, &auth.Ending{UserID: u.ID, NewEpoch: auth.Random128()}, event("user.update"))
		return err
	}
	deleted := func(u auth.User) error {
		_, err := b.DeleteUser(b.ctx, u.ID, b.now(), event("user.delete"))
		return err
	}
	last := admin("usr_0")
	for i, away := range []func(auth.User) error{demoted, disabled, deleted, demoted, disabled, deleted} {
		pair := []auth.User{last, admin(fmt.Sprint("usr_", i+1))}
		errs := together(2, func(n int) error { return away(pair[n]) })
		b.one(errs, auth.ErrLastAdministrator)
		if last = pair[0]; errs[0] == nil {
			last = pair[1]
		}
		stored, err := b.UserByID(b.ctx, last.ID)
		b.must(err)
		b.same("who stays", []any{stored.Roles, stored.Disabled, stored.Epoch}, []any{last.Roles, false, last.Epoch})
	}
}
