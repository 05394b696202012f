package directory_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/directory"
)

// changing is a directory in which another node changes something as soon as
// this one has read it.
type changing struct {
	rows
	change func()
}

type rows interface{ auth.Directory }

func (c changing) ClientByID(ctx context.Context, id string) (auth.Client, error) {
	defer c.change()
	return c.rows.ClientByID(ctx, id)
}

func (c changing) APIByAudience(ctx context.Context, id string) (auth.API, error) {
	defer c.change()
	return c.rows.APIByAudience(ctx, id)
}

func (c changing) RoleByName(ctx context.Context, name string) (auth.Role, error) {
	defer c.change()
	return c.rows.RoleByName(ctx, name)
}

func (c changing) MemberOf(ctx context.Context, orgID, userID string) (auth.Member, error) {
	defer c.change()
	return c.rows.MemberOf(ctx, orgID, userID)
}

// Two administrators on two nodes: neither undoes what the other has done in the
// meantime, nor acts on what is no longer so.
func TestEditsElsewhere(t *testing.T) {
	ctx, root := t.Context(), directory.Operator()
	ptr := func(s string) *string { return &s }
	list := func(s ...string) *[]string { return &s }
	yes, minute := true, int64(60)
	type node = *directory.Service
	for name, test := range map[string]struct {
		reads       int // of this node before what the other one changes
		prepare     func(node) error
		other, here func(node) error
		want        func(*testing.T, auth.Directory)
	}{
		"client": {
			prepare: func(s node) error {
				_, _, err := s.CreateClient(ctx, root, directory.ClientFields{ID: ptr("shop")})
				return err
			},
			other: func(s node) error {
				_, _, err := s.UpdateClient(ctx, root, "shop", directory.ClientFields{Disabled: &yes})
				return err
			},
			here: func(s node) error {
				_, _, err := s.UpdateClient(ctx, root, "shop", directory.ClientFields{Name: ptr("Shop")})
				return err
			},
			want: func(t *testing.T, db auth.Directory) {
				if c, err := db.ClientByID(ctx, "shop"); err != nil || !c.Disabled || c.Name != "Shop" {
					t.Errorf("afterwards %+v, %v", c, err)
				}
			},
		},
		"client that loses an API": {
			reads: 1, // of the API
			prepare: func(s node) error {
				if _, _, err := s.CreateAPI(ctx, root, directory.APIFields{Audience: ptr("https://api.example")}); err != nil {
					return err
				}
				_, _, err := s.CreateClient(ctx, root, directory.ClientFields{ID: ptr("shop"), Audiences: list("https://api.example")})
				return err
			},
			other: func(s node) error {
				_, _, err := s.UpdateClient(ctx, root, "shop", directory.ClientFields{Disabled: &yes})
				return err
			},
			here: func(s node) error { return s.DeleteAPI(ctx, root, "https://api.example") },
			want: func(t *testing.T, db auth.Directory) {
				if c, err := db.ClientByID(ctx, "shop"); err != nil || !c.Disabled || len(c.Audiences) > 0 {
					t.Errorf("afterwards %+v, %v", c, err)
				}
			},
		},
		"API": {
			prepare: func(s node) error {
				_, _, err := s.CreateAPI(ctx, root, directory.APIFields{Audience: ptr("https://api.example")})
				return err
			},
			other: func(s node) error {
				_, err := s.UpdateAPI(ctx, root, "https://api.example", directory.APIFields{AccessTTL: &minute})
				return err
			},
			here: func(s node) error {
				_, err := s.UpdateAPI(ctx, root, "https://api.example", directory.APIFields{Name: ptr("Orders")})
				return err
			},
			want: func(t *testing.T, db auth.Directory) {
				if a, err := db.APIByAudience(ctx, "https://api.example"); err != nil || a.AccessTTL != time.Minute || a.Name != "Orders" {
					t.Errorf("afterwards %+v, %v", a, err)
				}
			},
		},
		"role": {
			prepare: func(s node) error {
				_, err := s.CreateRole(ctx, root, directory.RoleFields{Name: ptr("editor"), Permissions: list("read", "write")})
				return err
			},
			other: func(s node) error {
				_, err := s.UpdateRole(ctx, root, "editor", directory.RoleFields{Permissions: list("read")})
				return err
			},
			here: func(s node) error {
				_, err := s.UpdateRole(ctx, root, "editor", directory.RoleFields{Name: ptr("editor")})
				return err
			},
			want: func(t *testing.T, db auth.Directory) {
				if r, err := db.RoleByName(ctx, "editor"); err != nil || !slices.Equal(r.Permissions, []string{"read"}) {
					t.Errorf("afterwards %+v, %v", r, err)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			other, db := openAt(t, ticking())
			if err := test.prepare(other); err != nil {
				t.Fatal(err)
			}
			options, reads := other.Options, 0
			options.Directory = changing{db, func() {
				if reads++; reads != test.reads+1 {
					return
				}
				if err := test.other(other); err != nil {
					t.Error(err)
				}
			}}
			if err := test.here(directory.New(options)); err != nil {
				t.Fatal(err)
			}
			test.want(t, db)
		})
	}
}

// Who takes from a member a role that another node has given in the meantime
// ends the tokens that say it.
func TestMemberElsewhere(t *testing.T) {
	ctx, root := t.Context(), directory.Operator()
	other, db := openAt(t, ticking())
	address, role := "eve@example.com", "editor"
	eve, err := other.CreateUser(ctx, root, directory.UserFields{Email: &address})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.CreateRole(ctx, root, directory.RoleFields{Name: &role}); err != nil {
		t.Fatal(err)
	}
	if _, err := other.CreateOrg(ctx, root, directory.OrgFields{Slug: "acme"}); err != nil {
		t.Fatal(err)
	}
	options := other.Options
	options.Directory = changing{db, sync.OnceFunc(func() {
		if _, _, err := other.PutMember(ctx, root, "acme", eve.ID, []string{role}); err != nil {
			t.Error(err)
		}
	})}
	m, seq, err := directory.New(options).PutMember(ctx, root, "acme", eve.ID, nil)
	if err != nil || len(m.Roles) > 0 || seq == 0 {
		t.Errorf("PutMember = %+v, %d, %v, want no role, and that tokens ended", m, seq, err)
	}
}
