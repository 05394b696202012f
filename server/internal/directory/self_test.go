package directory_test

import (
	"context"
	"sync"
	"testing"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/directory"
)

// elsewhere are users of whom another node changes one as soon as this one has
// read them.
type elsewhere struct {
	people
	change func()
}

type people interface{ auth.Users }

func (e elsewhere) UserByID(ctx context.Context, id string) (auth.User, error) {
	u, err := e.people.UserByID(ctx, id)
	e.change()
	return u, err
}

// Who changes their own name while they are disabled on another node stays
// disabled, and without the roles that were taken from them.
func TestOwnEditWhileDisabledElsewhere(t *testing.T) {
	s, db := open(t)
	other := directory.New(s.Options)
	role := auth.Role{ID: auth.NewID(auth.PrefixRole), Name: "editor", Permissions: []string{"edit"}}
	if err := db.CreateRole(t.Context(), role, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	address, roles, off, none := "eve@example.com", []string{"editor"}, true, []string{}
	eve, err := other.CreateUser(t.Context(), directory.Operator(), directory.UserFields{Email: &address, Roles: &roles})
	if err != nil {
		t.Fatal(err)
	}
	disable := sync.OnceFunc(func() {
		if _, _, err := other.UpdateUser(t.Context(), directory.Operator(), eve.ID, directory.UserFields{Disabled: &off, Roles: &none}); err != nil {
			t.Error(err)
		}
	})
	options := s.Options
	options.Users = elsewhere{db, disable}
	here, name := directory.New(options), "Eve"
	if _, err := here.UpdateSelf(t.Context(), eve.ID, directory.SelfFields{Name: &name}, "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	u, err := db.UserByID(t.Context(), eve.ID)
	if err != nil || !u.Disabled || len(u.Roles) != 0 || u.Name != "Eve" {
		t.Errorf("afterwards %+v, %v", u, err)
	}
}

// Two administrators on two nodes: who changes a name doesn't undo that the other
// has disabled the account in the meantime.
func TestEditWhileDisabledElsewhere(t *testing.T) {
	s, db := openAt(t, ticking())
	options := s.Options
	other := directory.New(options)
	address, off := "eve@example.com", true
	eve, err := other.CreateUser(t.Context(), directory.Operator(), directory.UserFields{Email: &address})
	if err != nil {
		t.Fatal(err)
	}
	disable := sync.OnceFunc(func() {
		if _, _, err := other.UpdateUser(t.Context(), directory.Operator(), eve.ID, directory.UserFields{Disabled: &off}); err != nil {
			t.Error(err)
		}
	})
	options.Users = elsewhere{db, disable}
	here, name := directory.New(options), "Eve"
	u, _, err := here.UpdateUser(t.Context(), directory.Operator(), eve.ID, directory.UserFields{Name: &name})
	if err != nil || !u.Disabled || u.Name != "Eve" {
		t.Errorf("afterwards %+v, %v", u, err)
	}
	if u, err = db.UserByID(t.Context(), eve.ID); err != nil || !u.Disabled || u.Name != "Eve" {
		t.Errorf("in the database %+v, %v", u, err)
	}
}
