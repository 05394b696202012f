package storetest

import (
	"errors"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

func refreshTests() map[string]func(*bench) {
	return map[string]func(*bench){
		"Refresh":            refresh,
		"RefreshRefused":     refreshRefused,
		"RefreshSeesChanges": refreshSeesChanges,
		"RefreshAlone":       refreshAlone,
		"RefreshRemembers":   refreshRemembers,
		"RefreshSeesAPIs":    refreshSeesAPIs,
		"RefreshTogether":    refreshTogether,
		"RefreshMarksOnce":   refreshMarksOnce,
	}
}

// next is the turn that a genuine token brings.
func next(h auth.Held, idle time.Time) *auth.Turn {
	r := h.Grant.Rotation
	return &auth.Turn{To: auth.Rotation{Confirmed: r.Current, Current: r.Current + 1, IssuedAt: h.Now, TagKey: 7}, Idle: idle, SessionIdle: idle}
}

func refresh(b *bench) {
	u := b.user()
	b.must(b.AddKey(b.ctx, auth.Key{ID: "kid", Purpose: auth.KeySign, State: auth.KeySigning, Algorithm: "ES256"}, event("key.add")))
	s, g := b.begin(u)
	_, other := b.begin(u)
	before := b.held(g.ID)
	b.clock.Advance(time.Minute)
	idle, expiry := b.now().Add(time.Hour), b.now().Add(2*time.Hour)
	var seen auth.Held
	calls := ""
	ev := event("grant.recover")
	b.must(b.Refresh(b.ctx, g.HandleHash, func(h auth.Held) (*auth.Turn, error) {
		seen, calls = h, calls+"decide "
		turn := next(h, idle)
		turn.Marks = auth.Marks{Expiry: expiry, GrantID: g.ID, UserID: u.ID, ClientID: g.ClientID, KID: "kid"}
		turn.Event = &ev
		return turn, nil
	}, func() error { calls += "meanwhile"; return nil }))
	if calls != "decide meanwhile" {
		b.Errorf("called %q", calls)
	}
	b.same("the grant that was seen", seen.Grant, before.Grant)
	b.same("the session that was seen", seen.Session, before.Session)
	b.same("the user that was seen", seen.User, before.User)
	b.same("the time", seen.Now, b.now())
	b.same("the client that was seen", seen.Client, before.Client)

	after := b.held(g.ID)
	b.same("rotation", after.Grant.Rotation, auth.Rotation{Confirmed: 0, Current: 1, IssuedAt: b.now(), TagKey: 7})
	b.same("idle expiries, last seen", []time.Time{after.Grant.IdleExpiry, after.Session.IdleExpiry, after.Session.LastSeenAt},
		[]time.Time{idle, idle, b.now()})
	keys, err := b.Keys(b.ctx)
	b.must(err)
	b.same("marks", []time.Time{after.Grant.Mark, after.User.Mark, after.Client.Mark, keys[0].Mark},
		[]time.Time{expiry, expiry, expiry, expiry})
	if n := b.audited("grant.recover"); n != 1 {
		b.Errorf("%d events, want 1", n)
	}
	b.same("another grant's rotation", b.held(other.ID).Grant.Rotation, other.Rotation)
	rest, err := b.SessionOf(b.ctx, s.ID)
	b.must(err)
	s.IdleExpiry, s.LastSeenAt = idle, b.now()
	b.same("the rest of the session", rest, s)
}

// refreshAlone: a refresh that leaves the session's row alone is seen all the same
// by who looks at the session.
func refreshAlone(b *bench) {
	s, g := b.begin(b.user())
	b.clock.Advance(time.Minute)
	idle := b.now().Add(time.Hour)
	b.must(b.Refresh(b.ctx, g.HandleHash, func(h auth.Held) (*auth.Turn, error) {
		turn := next(h, idle)
		turn.SessionIdle = time.Time{}
		return turn, nil
	}, func() error { return nil }))
	after := b.held(g.ID)
	b.same("idle expiries", []time.Time{after.Grant.IdleExpiry, after.Session.IdleExpiry}, []time.Time{idle, s.IdleExpiry})
	s.LastSeenAt = b.now()
	one, err := b.SessionOf(b.ctx, s.ID)
	b.must(err)
	b.same("the session", one, s)
	listed, _, err := b.Sessions(b.ctx, s.UserID, auth.Page{Limit: 10})
	b.must(err)
	b.same("the user's sessions", listed, []auth.Session{s})

	b.clock.Advance(time.Minute)
	b.must(b.Touch(b.ctx, s.ID, b.now(), idle))
	one, err = b.SessionOf(b.ctx, s.ID)
	b.must(err)
	b.same("seen otherwise", one.LastSeenAt, b.now())
}

func refreshRefused(b *bench) {
	_, g := b.begin(b.user())
	never := func() error { b.Error("meanwhile was called"); return nil }
	b.is("no such grant", b.Refresh(b.ctx, []byte("nobody's"), func(auth.Held) (*auth.Turn, error) {
		b.Error("decide was called without a grant")
		return nil, nil
	}, never), auth.ErrNotFound)
	own := errors.New("own")
	b.is("an error of decide", b.Refresh(b.ctx, g.HandleHash, func(auth.Held) (*auth.Turn, error) { return nil, own }, never), own)
	made := false
	b.must(b.Refresh(b.ctx, g.HandleHash, func(auth.Held) (*auth.Turn, error) { return nil, nil }, func() error { made = true; return nil }))
	if !made {
		b.Error("without a turn, meanwhile was not called")
	}
	b.same("rotation", b.held(g.ID).Grant.Rotation, g.Rotation)

	// A key that signs no longer: nothing of the turn happens.
	ev := event("grant.never")
	err := b.Refresh(b.ctx, g.HandleHash, func(h auth.Held) (*auth.Turn, error) {
		turn := next(h, b.now().Add(time.Hour))
		turn.Marks, turn.Event = auth.Marks{Expiry: b.now().Add(3 * time.Hour), UserID: g.UserID, KID: "gone"}, &ev
		return turn, nil
	}, func() error { return nil })
	if err == nil {
		b.Error("a mark was raised for a key that is gone")
	}
	h := b.held(g.ID)
	b.same("rotation after that", h.Grant.Rotation, g.Rotation)
	if h.User.Mark.Equal(b.now().Add(3 * time.Hour)) {
		b.Error("the user's mark was raised all the same")
	}
	if n := b.audited("grant.never"); n != 0 {
		b.Errorf("%d events of what never happened", n)
	}
	b.is("an error of meanwhile", b.Refresh(b.ctx, g.HandleHash, func(h auth.Held) (*auth.Turn, error) {
		return next(h, time.Time{}), nil
	}, func() error { return own }), own)
}

// refreshSeesChanges: what an administrator was told is done counts at the very
// next refresh.
func refreshSeesChanges(b *bench) {
	b.must(b.CreateRole(b.ctx, auth.Role{ID: "rol_1", Name: "writer"}, event("role.create")))
	u := b.user()
	_, g := b.begin(u)
	sees := func() (h auth.Held) {
		b.Helper()
		b.must(b.Refresh(b.ctx, g.HandleHash, func(held auth.Held) (*auth.Turn, error) {
			h = held
			return nil, nil
		}, func() error { return nil }))
		return h
	}
	sees()
	u.Roles, u.Name, u.Disabled = []string{"writer"}, "Another", true
	_, err := b.updateUser(u, nil, event("user.update"))
	b.must(err)
	h := sees()
	b.same("roles", h.User.Roles, []string{"writer"})
	if h.User.Name != "Another" || !h.User.Disabled {
		b.Errorf("user %+v", h.User)
	}
	b.must(b.DeleteRole(b.ctx, "rol_1", event("role.delete")))
	if roles := sees().User.Roles; len(roles) > 0 {
		b.Errorf("roles %q after the role was deleted", roles)
	}
	_, err = b.End(b.ctx, auth.Ending{UserID: u.ID, NewEpoch: "another epoch", Reason: "logout_all"}, b.now(), event("end"))
	b.must(err)
	if got := sees().User.Epoch; got != "another epoch" {
		b.Errorf("epoch %q", got)
	}
	_, err = b.DeleteUser(b.ctx, u.ID, b.now(), event("user.delete"))
	b.must(err)
	b.is("a deleted user", b.Refresh(b.ctx, g.HandleHash, func(auth.Held) (*auth.Turn, error) { return nil, nil },
		func() error { return nil }), auth.ErrNotFound)
}

func refreshSeesAPIs(b *bench) {
	s, g := b.prepare(b.user(), b.client())
	g.Audience = "https://orders.example"
	b.must(b.Begin(b.ctx, s, g, auth.Marks{}, event("session.begin")))
	sees := func(what string, want auth.API) {
		b.Helper()
		for range 2 { // from the database, and from memory
			b.must(b.Refresh(b.ctx, g.HandleHash, func(h auth.Held) (*auth.Turn, error) {
				b.same(what, h.API, want)
				return nil, nil
			}, func() error { return nil }))
		}
	}
	sees("no API", auth.API{})
	api := auth.API{ID: "api_1", Audience: g.Audience, AccessTTL: time.Minute, Renames: map[string]string{"roles": "role"},
		CreatedAt: b.now(), UpdatedAt: b.now()}
	b.must(b.CreateAPI(b.ctx, api, nil, event("api.create")))
	sees("the API", api)
	api.AccessTTL, api.Claims = time.Hour, []string{"roles"}
	b.must(b.updateAPI(api, event("api.update")))
	sees("the changed API", api)
	b.must(b.DeleteAPI(b.ctx, api.ID, event("api.delete")))
	sees("a deleted API", auth.API{})
}

// refreshTogether: of those that come together each finds the state that the
// one before left.
func refreshTogether(b *bench) {
	_, g := b.begin(b.user())
	const n = 16
	b.must(errors.Join(together(n, func(int) error {
		return b.Refresh(b.ctx, g.HandleHash, func(h auth.Held) (*auth.Turn, error) {
			return next(h, b.now().Add(time.Hour)), nil
		}, func() error { return nil })
	})...))
	r := b.held(g.ID).Grant.Rotation
	if r.Confirmed != n-1 || r.Current != n {
		b.Errorf("after %d refreshes: %+v", n, r)
	}
}

// refreshMarksOnce: a mark is never lowered.
func refreshMarksOnce(b *bench) {
	u := b.user()
	_, g := b.begin(u)
	high := b.now().Add(5 * time.Hour)
	for _, expiry := range []time.Time{high, b.now().Add(time.Hour)} {
		b.must(b.Refresh(b.ctx, g.HandleHash, func(h auth.Held) (*auth.Turn, error) {
			turn := next(h, time.Time{})
			turn.Marks = auth.Marks{Expiry: expiry, GrantID: g.ID, UserID: u.ID}
			return turn, nil
		}, func() error { return nil }))
	}
	h := b.held(g.ID)
	b.same("marks", []time.Time{h.Grant.Mark, h.User.Mark}, []time.Time{high, high})
}
