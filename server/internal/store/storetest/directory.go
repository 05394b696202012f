package storetest

import (
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

func directoryTests() map[string]func(*bench) {
	return map[string]func(*bench){
		"Roles":         roles,
		"RoleNames":     roleNames,
		"RenameRole":    renameRole,
		"DeleteRole":    deleteRole,
		"Orgs":          orgs,
		"Members":       members,
		"MembersRefuse": membersRefuse,
		"DeleteOrg":     deleteOrg,
		"APIs":          apis,
		"APISecrets":    apiSecrets,
		"Moved":         moved,
	}
}

func roles(b *bench) {
	r := auth.Role{ID: "rol_1", Name: "Editor", Permissions: []string{"write", "read"}, CreatedAt: b.now()}
	b.must(b.CreateRole(b.ctx, r, event("role.create")))
	// A name that is another role's id must not hide that role.
	impostor := auth.Role{ID: "rol_0", Name: "rol_1", CreatedAt: b.now()}
	b.must(b.CreateRole(b.ctx, impostor, event("role.create")))
	for _, name := range []string{"Editor", "rol_1"} {
		got, err := b.RoleByName(b.ctx, name)
		b.must(err)
		b.same(name, got, r)
	}
	_, err := b.RoleByName(b.ctx, "editor")
	b.is("names of roles are exact", err, auth.ErrNotFound)
	b.taken("the same name", b.CreateRole(b.ctx, auth.Role{ID: "rol_2", Name: "Editor"}, event("x")), "name")
	b.taken("the same id", b.CreateRole(b.ctx, auth.Role{ID: "rol_1", Name: "other"}, event("x")), "id")
	got, _, err := b.Roles(b.ctx, auth.Page{Query: "edi"})
	b.must(err)
	b.same("query", got, []auth.Role{r})
	ids := pages(b, 1, func(p auth.Page) ([]auth.Role, string, error) { return b.Roles(b.ctx, p) }, func(r auth.Role) string { return r.ID })
	b.same("pages", ids, [][]string{{"rol_0"}, {"rol_1"}})
}

// A name that is read as two would be a way to give oneself the second.
func roleNames(b *bench) {
	b.must(b.CreateRole(b.ctx, auth.Role{ID: "rol_a", Name: auth.RoleAdmin}, event("role.create")))
	for _, name := range []string{"", "x\x1f" + auth.RoleAdmin} {
		b.invalid("create", b.CreateRole(b.ctx, auth.Role{ID: "rol_1", Name: name}, event("x")), "name")
		b.invalid("update", b.updateRole(auth.Role{ID: "rol_a", Name: name}, event("x")), "name")
	}
	for _, name := range []string{"a,b", "a b", "a\nb", `"a"`, "a\x00b"} {
		b.must(b.CreateRole(b.ctx, auth.Role{ID: "rol_" + name, Name: name}, event("role.create")))
		u := auth.User{ID: "usr_" + name, Epoch: "e", Roles: []string{name}}
		b.must(b.CreateUser(b.ctx, u, event("user.create")))
		got, err := b.UserByID(b.ctx, u.ID)
		b.must(err)
		b.same("roles", got.Roles, []string{name})
	}
}

func renameRole(b *bench) {
	b.must(b.CreateRole(b.ctx, auth.Role{ID: "rol_1", Name: "old", Permissions: []string{"p"}, CreatedAt: b.now()}, event("role.create")))
	b.must(b.CreateUser(b.ctx, auth.User{ID: "usr_1", Epoch: "e", Roles: []string{"old"}}, event("user.create")))
	r := auth.Role{ID: "rol_1", Name: "new", Permissions: []string{"q"}, CreatedAt: b.now()}
	b.must(b.updateRole(r, event("role.update")))
	got, err := b.RoleByName(b.ctx, "new")
	b.must(err)
	b.same("role", got, r)
	u, err := b.UserByID(b.ctx, "usr_1")
	b.must(err)
	b.same("the user's roles", u.Roles, []string{"new"})
	b.is("a missing role", b.updateRole(auth.Role{ID: "rol_9", Name: "x"}, event("x")), auth.ErrNotFound)
	b.must(b.CreateRole(b.ctx, auth.Role{ID: "rol_2", Name: "second"}, event("role.create")))
	b.taken("another's name", b.updateRole(auth.Role{ID: "rol_2", Name: "new"}, event("x")), "name")
}

func deleteRole(b *bench) {
	b.must(b.CreateRole(b.ctx, auth.Role{ID: "rol_1", Name: "a"}, event("role.create")))
	b.must(b.CreateRole(b.ctx, auth.Role{ID: "rol_2", Name: "b"}, event("role.create")))
	b.must(b.CreateUser(b.ctx, auth.User{ID: "usr_1", Epoch: "e", Roles: []string{"a", "b"}}, event("user.create")))
	b.must(b.CreateOrg(b.ctx, auth.Org{ID: "org_1", Slug: "o"}, event("org.create")))
	b.must(b.putMember(auth.Member{OrgID: "org_1", UserID: "usr_1", Roles: []string{"a", "b"}}))
	b.must(b.DeleteRole(b.ctx, "rol_1", event("role.delete")))
	u, err := b.UserByID(b.ctx, "usr_1")
	b.must(err)
	m, err := b.MemberOf(b.ctx, "org_1", "usr_1")
	b.must(err)
	b.same("roles of user and member", [][]string{u.Roles, m.Roles}, [][]string{{"b"}, {"b"}})
	b.is("once more", b.DeleteRole(b.ctx, "rol_1", event("role.delete")), auth.ErrNotFound)
	if n := b.audited("role.delete"); n != 1 {
		b.Errorf("%d events, want 1", n)
	}
}

func orgs(b *bench) {
	o := auth.Org{ID: "org_1", Slug: "acme", Name: "ACME Inc", CreatedAt: b.now()}
	b.must(b.CreateOrg(b.ctx, o, event("org.create")))
	b.must(b.CreateOrg(b.ctx, auth.Org{ID: "org_2", Slug: "beta", Name: "Zeta"}, event("org.create")))
	for _, name := range []string{"org_1", "acme"} {
		got, err := b.OrgByID(b.ctx, name)
		b.must(err)
		b.same(name, got, o)
	}
	renamed := auth.Org{ID: "org_2", Slug: "beta", Name: "Eta", CreatedAt: b.now()}
	b.must(b.UpdateOrg(b.ctx, auth.Org{ID: "org_2", Slug: "gamma", Name: "Eta"}, event("org.update")))
	got, err := b.OrgByID(b.ctx, "org_2")
	b.must(err)
	b.same("renamed", got, renamed)
	if n := b.audited("org.update"); n != 1 {
		b.Errorf("%d events, want 1", n)
	}
	b.is("renaming what is missing", b.UpdateOrg(b.ctx, auth.Org{ID: "org_3", Name: "x"}, event("x")), auth.ErrNotFound)
	b.taken("the same slug", b.CreateOrg(b.ctx, auth.Org{ID: "org_3", Slug: "acme"}, event("x")), "slug")
	_, err = b.OrgByID(b.ctx, "org_3")
	b.is("missing", err, auth.ErrNotFound)
	for query, want := range map[string]int{"": 2, "AC": 1, "bet": 1, "eta": 1, "zet": 0, "c": 0} {
		got, _, err := b.Orgs(b.ctx, auth.Page{Query: query})
		if err != nil || len(got) != want {
			b.Errorf("query %q: %d organisations, %v, want %d", query, len(got), err, want)
		}
	}
}

func members(b *bench) {
	for _, name := range []string{"x", "y"} {
		b.must(b.CreateRole(b.ctx, auth.Role{ID: "rol_" + name, Name: name}, event("role.create")))
	}
	b.must(b.CreateOrg(b.ctx, auth.Org{ID: "org_1", Slug: "acme"}, event("org.create")))
	b.must(b.CreateOrg(b.ctx, auth.Org{ID: "org_2", Slug: "beta"}, event("org.create")))
	ann, bob := b.user(), b.user()
	b.must(b.putMember(auth.Member{OrgID: "org_1", UserID: ann.ID, Roles: []string{"y", "x"}}))
	b.must(b.putMember(auth.Member{OrgID: "org_1", UserID: bob.ID}))
	b.must(b.putMember(auth.Member{OrgID: "org_2", UserID: ann.ID}))
	list, _, err := b.Members(b.ctx, "org_1", auth.Page{})
	b.must(err)
	b.same("members", list, []auth.Member{
		{OrgID: "org_1", UserID: ann.ID, Roles: []string{"x", "y"}}, {OrgID: "org_1", UserID: bob.ID}})
	list, _, err = b.Members(b.ctx, "org_1", auth.Page{Query: bob.Email[:5]})
	b.must(err)
	b.same("by query", list, []auth.Member{{OrgID: "org_1", UserID: bob.ID}})

	b.must(b.putMember(auth.Member{OrgID: "org_1", UserID: ann.ID, Roles: []string{"x"}}))
	m, err := b.MemberOf(b.ctx, "org_1", ann.ID)
	b.must(err)
	b.same("replaced", m, auth.Member{OrgID: "org_1", UserID: ann.ID, Roles: []string{"x"}})

	b.must(b.removeMember("org_1", ann.ID))
	_, err = b.MemberOf(b.ctx, "org_1", ann.ID)
	b.is("removed", err, auth.ErrNotFound)
	_, err = b.MemberOf(b.ctx, "org_2", ann.ID)
	b.must(err)
	b.is("once more", b.removeMember("org_1", ann.ID), auth.ErrNotFound)
}

func membersRefuse(b *bench) {
	b.must(b.CreateOrg(b.ctx, auth.Org{ID: "org_1", Slug: "acme"}, event("org.create")))
	u := b.user()
	b.is("a missing user", b.putMember(auth.Member{OrgID: "org_1", UserID: "usr_none"}), auth.ErrNotFound)
	b.is("a missing organisation", b.putMember(auth.Member{OrgID: "org_none", UserID: u.ID}), auth.ErrNotFound)
	b.invalid("an unknown role", b.putMember(auth.Member{OrgID: "org_1", UserID: u.ID, Roles: []string{"none"}}), "roles")
	list, _, err := b.Members(b.ctx, "org_1", auth.Page{})
	if err != nil || len(list) != 0 {
		b.Errorf("members = %v, %v, want none", list, err)
	}
	_, _, err = b.Members(b.ctx, "org_none", auth.Page{})
	b.is("members of nothing", err, auth.ErrNotFound)
}

func deleteOrg(b *bench) {
	b.must(b.CreateOrg(b.ctx, auth.Org{ID: "org_1", Slug: "acme"}, event("org.create")))
	u := b.user()
	b.must(b.putMember(auth.Member{OrgID: "org_1", UserID: u.ID}))
	b.must(b.DeleteOrg(b.ctx, "org_1", event("org.delete")))
	_, err := b.MemberOf(b.ctx, "org_1", u.ID)
	b.is("member", err, auth.ErrNotFound)
	b.is("once more", b.DeleteOrg(b.ctx, "org_1", event("org.delete")), auth.ErrNotFound)
}

func apis(b *bench) {
	full := auth.API{ID: "api_1", Audience: "https://api.example", Name: "The API", Algorithm: "HS256", AccessTTL: 90 * time.Second,
		Scopes: []string{"read"}, Claims: []string{"email"}, Renames: map[string]string{"roles": "role"}, StatusList: true, CreatedAt: b.now(), UpdatedAt: b.now()}
	bare := auth.API{ID: "api_2", Audience: "b", Claims: []string{}, CreatedAt: b.now(), UpdatedAt: b.now()} // no claims, not all of them
	for _, a := range []auth.API{full, bare} {
		b.must(b.CreateAPI(b.ctx, a, nil, event("api.create")))
		for _, name := range []string{a.ID, a.Audience} {
			got, err := b.APIByAudience(b.ctx, name)
			b.must(err)
			b.same(name, got, a)
		}
	}
	b.taken("the same audience", b.CreateAPI(b.ctx, auth.API{ID: "api_3", Audience: "b"}, nil, event("x")), "audience")
	list, _, err := b.APIs(b.ctx, auth.Page{Query: "the a"})
	b.must(err)
	b.same("by name", list, []auth.API{full})

	b.clock.Advance(time.Minute)
	changed := auth.API{ID: "api_1", Audience: "https://api2.example", AccessTTL: time.Hour}
	b.must(b.updateAPI(changed, event("api.update")))
	got, err := b.APIByAudience(b.ctx, "api_1")
	b.must(err)
	changed.CreatedAt, changed.UpdatedAt = full.CreatedAt, b.now()
	b.same("updated", got, changed)
	b.is("a missing one", b.updateAPI(auth.API{ID: "api_9"}, event("x")), auth.ErrNotFound)

	b.must(b.DeleteAPI(b.ctx, "api_1", event("api.delete")))
	_, err = b.APIByAudience(b.ctx, "api_1")
	b.is("deleted", err, auth.ErrNotFound)
	b.is("once more", b.DeleteAPI(b.ctx, "api_1", event("x")), auth.ErrNotFound)
}

func apiSecrets(b *bench) {
	secret := auth.APISecret{ID: "sec_1", APIID: "api_1", KID: "k", Sealed: []byte{0, 1, 255}, CreatedAt: b.now(), ExpiresAt: b.now().Add(time.Hour)}
	b.must(b.CreateAPI(b.ctx, auth.API{ID: "api_1", Audience: "a"}, &secret, event("api.create")))
	for _, c := range []struct {
		at   time.Time
		want []auth.APISecret
	}{{b.now(), []auth.APISecret{secret}}, {secret.ExpiresAt, nil}} {
		got, err := b.APISecrets(b.ctx, "api_1", c.at)
		b.must(err)
		b.same("secrets", got, c.want)
	}
	b.must(b.DeleteAPI(b.ctx, "api_1", event("api.delete")))
	got, err := b.APISecrets(b.ctx, "api_1", b.now())
	if err != nil || len(got) != 0 {
		b.Errorf("a deleted API's secrets: %v, %v, want none", got, err)
	}
}

func (b *bench) removeMember(orgID, userID string) error {
	_, err := b.RemoveMember(b.ctx, orgID, userID, nil, b.now(), event("member.remove"))
	return err
}
