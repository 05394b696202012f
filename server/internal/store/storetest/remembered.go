package storetest

import (
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

// refreshRemembers: whoever keeps what a refresh has read or written, so as not to
// read it again, notices every change of it before a token is made of it.
func refreshRemembers(b *bench) {
	for name, change := range map[string]func(u auth.User, c auth.Client, g auth.Grant){
		"nothing":  func(auth.User, auth.Client, auth.Grant) {},
		"the name": func(u auth.User, _ auth.Client, _ auth.Grant) { b.edit(u, func(u *auth.User) { u.Name = "Another" }) },
		"the claims": func(u auth.User, _ auth.Client, _ auth.Grant) {
			b.edit(u, func(u *auth.User) { u.Claims = []byte(`{"a":1}`) })
		},
		"the own name": func(u auth.User, _ auth.Client, _ auth.Grant) {
			name := "Own"
			_, err := b.UpdateProfile(b.ctx, u.ID, &name, nil, b.now(), event("x"))
			b.must(err)
		},
		"the password": func(u auth.User, _ auth.Client, _ auth.Grant) {
			_, err := b.SetPassword(b.ctx, u.ID, "", "$new$", false, auth.Random128(), b.now(), event("x"))
			b.must(err)
		},
		"roles": func(u auth.User, _ auth.Client, _ auth.Grant) {
			b.edit(u, func(u *auth.User) { u.Roles = []string{"two"} })
		},
		"no roles": func(u auth.User, _ auth.Client, _ auth.Grant) { b.edit(u, func(u *auth.User) { u.Roles = nil }) },
		"a role that is gone": func(u auth.User, _ auth.Client, _ auth.Grant) {
			b.must(b.DeleteRole(b.ctx, "rol_"+u.ID, event("x")))
		},
		"a role's name": func(u auth.User, _ auth.Client, _ auth.Grant) {
			b.must(b.updateRole(auth.Role{ID: "rol_" + u.ID, Name: "renamed of " + u.ID}, event("x")))
		},
		"disabled": func(u auth.User, _ auth.Client, _ auth.Grant) { b.edit(u, func(u *auth.User) { u.Disabled = true }) },
		"everything ended": func(u auth.User, _ auth.Client, _ auth.Grant) {
			b.ends(auth.Ending{UserID: u.ID, NewEpoch: auth.Random128(), Reason: "logout_all"})
		},
		"the tokens ended": func(u auth.User, _ auth.Client, _ auth.Grant) {
			b.ends(auth.Ending{UserID: u.ID, NewEpoch: auth.Random128(), Tokens: true, Reason: "roles"})
		},
		"the session ended": func(_ auth.User, _ auth.Client, g auth.Grant) {
			b.ends(auth.Ending{SessionID: g.SessionID, Reason: "logout"})
		},
		"the grant ended": func(_ auth.User, _ auth.Client, g auth.Grant) { b.ends(auth.Ending{GrantID: g.ID, Reason: "theft"}) },
		"another sign-in": func(_ auth.User, _ auth.Client, g auth.Grant) {
			s := b.held(g.ID).Session
			s.AuthTime, s.Address = b.now(), "192.0.2.77"
			b.must(b.Reauthenticate(b.ctx, s, event("x")))
		},
		"the client": func(_ auth.User, c auth.Client, _ auth.Grant) {
			c.Name, c.Scope = "Another", "less"
			_, err := b.updateClient(c, nil, event("x"))
			b.must(err)
		},
		"the client ended": func(_ auth.User, c auth.Client, _ auth.Grant) {
			b.ends(auth.Ending{ClientID: c.ID, NewEpoch: auth.Random128(), Reason: "admin"})
		},
		"the session used otherwise": func(_ auth.User, _ auth.Client, g auth.Grant) {
			b.must(b.Touch(b.ctx, g.SessionID, b.now(), b.now().Add(time.Minute)))
		},
		"rotated by another": func(_ auth.User, _ auth.Client, g auth.Grant) {
			h := b.held(g.ID)
			h.Now = b.now()
			ok, err := b.Rotate(b.ctx, g.ID, h.Grant.Rotation, auth.Turn{To: next(h, time.Time{}).To})
			b.must(err)
			b.same("rotated", ok, true)
		},
	} {
		c := auth.Client{ID: "app of " + name, Name: "App", Epoch: auth.Random128()}
		b.must(b.CreateClient(b.ctx, c, nil, event("client.create")))
		c, err := b.ClientByID(b.ctx, c.ID)
		b.must(err)
		u := b.user()
		b.must(b.CreateRole(b.ctx, auth.Role{ID: "rol_" + u.ID, Name: "role of " + u.ID}, event("x")))
		if _, err := b.RoleByName(b.ctx, "two"); err != nil {
			b.must(b.CreateRole(b.ctx, auth.Role{ID: "rol_two", Name: "two"}, event("x")))
		}
		b.edit(u, func(u *auth.User) { u.Roles = []string{"role of " + u.ID, "two"} })
		s, g := b.prepare(u, c)
		b.must(b.Begin(b.ctx, s, g, auth.Marks{}, event("session.begin")))
		for range 3 {
			want := b.shown(g)
			b.same(name+": seen before", b.lastSeen(g), want)
		}
		b.clock.Advance(time.Second)
		change(u, c, g)
		for range 2 {
			want := b.shown(g)
			b.same(name+": seen after", b.lastSeen(g), want)
		}
	}
}

// shown is of a grant what tokens are made of.
func (b *bench) shown(g auth.Grant) auth.Held { return ofTokens(b.held(g.ID)) }

// ofTokens leaves out what is of no interest to them, and what readings needn't
// have.
func ofTokens(h auth.Held) auth.Held {
	h.Now, h.API = time.Time{}, auth.API{}
	h.Session.LastSeenAt, h.User.PasswordHash = time.Time{}, ""
	return h
}

// lastSeen refreshes as the server does, and answers what the decision rested on
// that counted.
func (b *bench) lastSeen(g auth.Grant) (seen auth.Held) {
	b.Helper()
	err := b.Refresh(b.ctx, g.HandleHash, func(h auth.Held) (*auth.Turn, error) {
		seen = ofTokens(h)
		if !h.Grant.EndedAt.IsZero() || !h.Session.EndedAt.IsZero() || h.User.Disabled || h.Client.Disabled ||
			h.User.Epoch != h.Grant.UserEpoch || h.Client.Epoch != h.Grant.ClientEpoch {
			return nil, nil
		}
		return next(h, h.Now.Add(time.Hour)), nil
	}, func() error { return nil })
	b.must(err)
	return seen
}

func (b *bench) edit(u auth.User, change func(*auth.User)) {
	b.Helper()
	u, err := b.UserByID(b.ctx, u.ID)
	b.must(err)
	change(&u)
	_, err = b.updateUser(u, nil, event("user.update"))
	b.must(err)
}

func (b *bench) ends(e auth.Ending) {
	b.Helper()
	_, err := b.End(b.ctx, e, b.now(), event("end"))
	b.must(err)
}
