package directory_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/directory"
	"github.com/writ-auth/writ/server/internal/keyring"
	"github.com/writ-auth/writ/server/internal/store"
)

const issuer = "http://localhost:8080"

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// ticking is a clock that moves whenever somebody looks at it.
func ticking() func() time.Time {
	var looks atomic.Int64
	return func() time.Time { return start.Add(time.Duration(looks.Add(1)) * time.Millisecond) }
}

// plain is a password policy and a hash that cost nothing.
type plain struct{}

func (plain) Check(field, password string, person ...string) error {
	if len(password) < 8 {
		return auth.Invalid(field, "too short")
	}
	return nil
}

func (plain) Hash(_ context.Context, password string) (string, error) {
	return "plain:" + password, nil
}

// open makes the service on a real database.
func open(t *testing.T) (*directory.Service, *store.Store) {
	t.Helper()
	return openAt(t, func() time.Time { return start })
}

func openAt(t *testing.T, now func() time.Time) (*directory.Service, *store.Store) {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{DSN: "sqlite:" + filepath.Join(t.TempDir(), "writ.db"), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	sealer, err := keyring.NewSealer(make([]byte, keyring.MasterSize))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := keyring.Open(t.Context(), keyring.Options{Keys: db, Secrets: db, Sealer: sealer, Algorithm: jwk.ES256, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return directory.New(directory.Options{Issuer: issuer, Users: db, Directory: db, Sessions: db, Audit: db, Keys: keys,
		Passwords: plain{}, Signup: true, Now: now}), db
}

const (
	mail   = "root@example.com"
	secret = "long enough"
)

func TestFirstStart(t *testing.T) {
	s, db := open(t)
	if created, err := s.EnsureAdmin(t.Context(), mail, secret, true); err != nil || !created {
		t.Fatalf("first start: %v, %v", created, err)
	}
	u, err := db.UserByLogin(t.Context(), mail)
	if err != nil {
		t.Fatal(err)
	}
	if len(u.Roles) != 1 || u.Roles[0] != auth.RoleAdmin || !u.MustChange || u.VerifiedAt.IsZero() || u.PasswordHash != "plain:"+secret {
		t.Errorf("the first administrator is %+v", u)
	}
	if p, err := db.Permissions(t.Context(), u.Roles); err != nil || len(p) != 1 || p[0] != auth.PermissionAdmin {
		t.Errorf("permissions %v, %v", p, err)
	}
	if created, err := s.EnsureAdmin(t.Context(), "other@example.com", secret, false); err != nil || created {
		t.Errorf("second start: %v, %v", created, err)
	}
}

// A first start that broke off after the role goes on with the user.
func TestFirstStartAfterACrash(t *testing.T) {
	s, db := open(t)
	role := auth.Role{ID: auth.NewID(auth.PrefixRole), Name: auth.RoleAdmin, Permissions: []string{auth.PermissionAdmin}}
	if err := db.CreateRole(t.Context(), role, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	if created, err := s.EnsureAdmin(t.Context(), mail, secret, false); err != nil || !created {
		t.Errorf("first start: %v, %v", created, err)
	}
}

func TestFirstStartRefusesABadAccount(t *testing.T) {
	for _, test := range []struct{ email, password string }{{"no address", secret}, {"", secret}, {mail, "short"}} {
		s, db := open(t)
		if created, err := s.EnsureAdmin(t.Context(), test.email, test.password, false); err == nil || created {
			t.Errorf("%q, %q is taken", test.email, test.password)
		}
		if users, _, err := db.Users(t.Context(), auth.Page{}); err != nil || len(users) != 0 {
			t.Errorf("users %v, %v", users, err)
		}
	}
}

// Whatever holds in a door holds in the service: the operator's own path is
// judged by the same rules.
func TestActorsReach(t *testing.T) {
	s, _ := open(t)
	if _, err := s.EnsureAdmin(t.Context(), mail, secret, false); err != nil {
		t.Fatal(err)
	}
	nobody := directory.Actor{ID: "usr_x", Permissions: []string{directory.UsersWrite}}
	roles := []string{auth.RoleAdmin}
	email := "x@example.com"
	_, err := s.CreateUser(t.Context(), nobody, directory.UserFields{Email: &email, Roles: &roles})
	want(t, err, auth.CodeForbidden)
	if _, err := s.CreateUser(t.Context(), directory.Operator(), directory.UserFields{Email: &email, Roles: &roles}); err != nil {
		t.Errorf("the operator may not make an administrator: %v", err)
	}
}

// The zero Actor, of whoever forgot to fill one in, may do nothing above
// nobody.
func TestZeroActor(t *testing.T) {
	var a directory.Actor
	if a.Has(directory.UsersRead) || a.Has(auth.PermissionAdmin) || a.Has("") {
		t.Error("the zero Actor has permissions")
	}
}

func want(t *testing.T, err error, code auth.Code) {
	t.Helper()
	var e *auth.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("error %v, want code %s", err, code)
	}
}

func TestAllowedOrigins(t *testing.T) {
	s, _ := open(t)
	origins := []string{"https://app.example.com"}
	if _, _, err := s.UpdateClient(t.Context(), directory.Operator(), auth.ClientWrit, directory.ClientFields{AllowedOrigins: &origins}); err != nil {
		t.Fatal(err)
	}
	got, err := s.AllowedOrigins(t.Context())
	if err != nil || len(got) != 2 || got[0] != issuer || got[1] != origins[0] {
		t.Errorf("origins %v, %v", got, err)
	}
}

// Who edits themselves while their role is being taken from them doesn't give it
// back to themselves: rights are those of the moment in which the edit is made.
func TestOwnEditAfterDemotion(t *testing.T) {
	s, db := open(t)
	help := []string{directory.UsersRead, directory.UsersWrite}
	if err := db.CreateRole(t.Context(), auth.Role{ID: auth.NewID(auth.PrefixRole), Name: "help", Permissions: help}, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	address, roles, none, off := "eve@example.com", []string{"help"}, []string{}, true
	eve, err := s.CreateUser(t.Context(), directory.Operator(), directory.UserFields{Email: &address, Roles: &roles})
	if err != nil {
		t.Fatal(err)
	}
	before := directory.Actor{ID: eve.ID, Permissions: help} // as her request was let in
	if _, _, err := s.UpdateUser(t.Context(), before, eve.ID, directory.UserFields{Roles: &roles}); err != nil {
		t.Fatalf("while she has the role: %v", err)
	}
	for _, change := range []directory.UserFields{{Disabled: &off}, {Roles: &none}} {
		if _, _, err := s.UpdateUser(t.Context(), directory.Operator(), eve.ID, change); err != nil {
			t.Fatal(err)
		}
		_, _, err := s.UpdateUser(t.Context(), before, eve.ID, directory.UserFields{Roles: &roles, Disabled: new(bool)})
		var e *auth.Error
		if !errors.As(err, &e) || e.Code != auth.CodeForbidden {
			t.Errorf("afterwards: %v", err)
		}
	}
	if u, err := db.UserByID(t.Context(), eve.ID); err != nil || !u.Disabled || len(u.Roles) != 0 {
		t.Errorf("she is %+v, %v", u, err)
	}
}
