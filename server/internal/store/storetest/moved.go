package storetest

import (
	"errors"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// What an update of a row, or of a set of roles or permissions, is told that was
// read before. The helpers read it at once: then nothing has moved.

func (b *bench) updateUser(u auth.User, end *auth.Ending, ev auth.Event) (seq uint64, err error) {
	stored, err := b.UserByID(b.ctx, u.ID)
	b.known(err)
	return b.UpdateUser(b.ctx, u, stored.UpdatedAt, end, b.now(), ev)
}

func (b *bench) updateClient(c auth.Client, end *auth.Ending, ev auth.Event) (seq uint64, err error) {
	stored, err := b.ClientByID(b.ctx, c.ID)
	b.known(err)
	return b.UpdateClient(b.ctx, c, stored.UpdatedAt, end, b.now(), ev)
}

func (b *bench) updateAPI(a auth.API, ev auth.Event) error {
	stored, err := b.APIByAudience(b.ctx, a.ID)
	b.known(err)
	return b.UpdateAPI(b.ctx, a, stored.UpdatedAt, ev)
}

func (b *bench) updateRole(r auth.Role, ev auth.Event) error {
	stored, err := b.RoleByName(b.ctx, r.ID)
	b.known(err)
	return b.UpdateRole(b.ctx, r, stored.Permissions, ev)
}

func (b *bench) putMember(m auth.Member) error {
	stored, err := b.MemberOf(b.ctx, m.OrgID, m.UserID)
	b.known(err)
	_, err = b.PutMember(b.ctx, m, stored.Roles, nil, b.now(), event("member.put"))
	return err
}

// known stops at an error that is no missing row: of that the update itself has
// to say so.
func (b *bench) known(err error) {
	b.Helper()
	if !errors.Is(err, auth.ErrNotFound) {
		b.must(err)
	}
}

// moved: who has read something before somebody else's change changes nothing,
// ends nothing and leaves no trace.
func moved(b *bench) {
	u, c := b.user(), b.client()
	api := auth.API{ID: "api_1", Audience: "a", CreatedAt: b.now(), UpdatedAt: b.now()}
	b.must(b.CreateAPI(b.ctx, api, nil, event("create")))
	role := auth.Role{ID: "rol_1", Name: "r", Permissions: []string{"p"}, CreatedAt: b.now()}
	b.must(b.CreateRole(b.ctx, role, event("create")))
	b.must(b.CreateOrg(b.ctx, auth.Org{ID: "org_1", Slug: "o"}, event("create")))
	member := auth.Member{OrgID: "org_1", UserID: u.ID}
	u, err := b.UserByID(b.ctx, u.ID)
	b.must(err)
	c, err = b.ClientByID(b.ctx, c.ID)
	b.must(err)

	b.clock.Advance(time.Second)
	off, closed, short := u, c, api
	off.Disabled, closed.Disabled, short.AccessTTL = true, true, time.Minute
	wide, put := role, member
	wide.Permissions, put.Roles = []string{"p", "q"}, []string{"r"}
	off.UpdatedAt, closed.UpdatedAt, short.UpdatedAt = b.now(), b.now(), b.now()
	_, err = b.updateUser(off, nil, event("first"))
	b.must(err)
	_, err = b.updateClient(closed, nil, event("first"))
	b.must(err)
	b.must(b.updateAPI(short, event("first")))
	b.must(b.updateRole(wide, event("first")))
	b.must(b.putMember(put))
	entries := len(b.entries())

	_, err = b.UpdateUser(b.ctx, u, u.UpdatedAt, &auth.Ending{UserID: u.ID, NewEpoch: "new", Reason: "x"}, b.now(), event("late"))
	b.is("a user as of before", err, auth.ErrMoved)
	_, err = b.UpdateClient(b.ctx, c, c.UpdatedAt, &auth.Ending{ClientID: c.ID, NewEpoch: "new", Reason: "x"}, b.now(), event("late"))
	b.is("a client as of before", err, auth.ErrMoved)
	b.is("an API as of before", b.UpdateAPI(b.ctx, api, api.UpdatedAt, event("late")), auth.ErrMoved)
	b.is("a role as of before", b.UpdateRole(b.ctx, role, role.Permissions, event("late")), auth.ErrMoved)
	_, err = b.PutMember(b.ctx, member, nil, &auth.Ending{UserID: u.ID, NewEpoch: "new", Reason: "x"}, b.now(), event("late"))
	b.is("a member as of before", err, auth.ErrMoved)

	gotUser, err := b.UserByID(b.ctx, u.ID)
	b.must(err)
	b.same("the user", gotUser, off)
	gotClient, err := b.ClientByID(b.ctx, c.ID)
	b.must(err)
	b.same("the client", gotClient, closed)
	gotAPI, err := b.APIByAudience(b.ctx, api.ID)
	b.must(err)
	b.same("the API", gotAPI, short)
	gotRole, err := b.RoleByName(b.ctx, role.ID)
	b.must(err)
	b.same("the role", gotRole, wide)
	gotMember, err := b.MemberOf(b.ctx, member.OrgID, u.ID)
	b.must(err)
	b.same("the member", gotMember, put)
	b.same("entries of the log", len(b.entries()), entries)
	b.same("events of who was late", b.audited("late"), 0)
}
