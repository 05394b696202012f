package storetest

import (
	"encoding/json"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

func sessionTests() map[string]func(*bench) {
	return map[string]func(*bench){
		"BeginAndHeld":           beginAndHeld,
		"HeldByCookie":           heldByCookie,
		"HeldMissing":            heldMissing,
		"BeginRefuses":           beginRefuses,
		"BeginRaisesMarks":       beginRaisesMarks,
		"BeginTwice":             beginTwice,
		"Rotate":                 rotate,
		"RotateFromAnotherState": rotateFromAnotherState,
		"RotateWhatIsOver":       rotateWhatIsOver,
		"Raise":                  raise,
		"RaiseWhatIsOver":        raiseWhatIsOver,
		"Touch":                  touch,
		"SessionOf":              sessionOf,
		"SessionsLive":           sessionsLive,
		"SessionsPaged":          sessionsPaged,
	}
}

func beginAndHeld(b *bench) {
	b.must(b.CreateRole(b.ctx, auth.Role{ID: "rol_2", Name: "writer"}, event("role.create")))
	b.must(b.CreateRole(b.ctx, auth.Role{ID: "rol_1", Name: "reader"}, event("role.create")))
	u := auth.User{
		ID: "usr_x", Email: "Ann@Example.com", Username: "Ann", Name: "Ann Ä", VerifiedAt: b.now().Add(-time.Hour),
		PasswordHash: "$argon2id$…", MustChange: true, Roles: []string{"reader", "writer"},
		Claims: json.RawMessage(`{"team": [1, "two"]}`), Epoch: "epoch-of-ann", Mark: b.now().Add(time.Minute),
		CreatedAt: b.now().Add(-time.Hour), UpdatedAt: b.now().Add(-time.Minute),
	}
	b.must(b.CreateUser(b.ctx, u, event("user.create")))
	c := auth.Client{
		ID: "shop", Name: "The Shop", RedirectURIs: []string{"https://shop.example/cb", "https://shop.example/cb2"},
		PostLogoutRedirectURIs: []string{"https://shop.example/"}, GrantTypes: []string{"authorization_code"},
		TokenEndpointAuthMethod: "private_key_jwt", JWKS: json.RawMessage(`{"keys":[]}`), JWKSURI: "https://shop.example/jwks",
		Scope: "openid email", Audiences: []string{"https://api.example"}, AllowedOrigins: []string{"https://shop.example"},
		BackchannelLogoutURI: "https://shop.example/out", Claims: json.RawMessage(`{"tier":1}`), Epoch: "epoch-of-shop",
		Mark: b.now(), CreatedAt: b.now(), UpdatedAt: b.now(),
	}
	b.must(b.CreateClient(b.ctx, c, nil, event("client.create")))
	s, g := b.prepare(u, c)
	g.Rotation = auth.Rotation{Confirmed: 4, Current: 1 << 40, IssuedAt: b.now(), Recoveries: 2, TagKey: 1<<32 - 1}
	g.Mark = b.now().Add(2 * time.Minute)
	b.must(b.Begin(b.ctx, s, g, auth.Marks{}, event("session.begin")))
	want := auth.Held{Grant: g, Session: s, User: u, Client: c, Now: b.now()}

	got, err := b.HeldByHandle(b.ctx, g.HandleHash)
	b.must(err)
	b.same("by handle", got, want)
	b.same("by grant", b.held(g.ID), want)
	if n := b.audited("session.begin"); n != 1 {
		b.Errorf("%d events of the sign-in, want 1", n)
	}
}

func heldByCookie(b *bench) {
	u := b.user()
	s, g := b.prepare(u, b.client())
	s.CookieHash, g.HandleHash, g.Mode = []byte("the hash of a cookie, 32 bytes.."), nil, auth.ModeSession
	b.must(b.Begin(b.ctx, s, g, auth.Marks{}, event("session.begin")))
	other, otherGrant := b.prepare(u, b.client()) // neither of them has a handle: that is no clash
	otherGrant.HandleHash = nil
	b.must(b.Begin(b.ctx, other, otherGrant, auth.Marks{}, event("session.begin")))

	got, err := b.HeldByCookie(b.ctx, s.CookieHash)
	b.must(err)
	b.same("session", got.Session, s)
	b.same("grant", got.Grant, g)
	b.same("user", got.User, u)
}

func heldMissing(b *bench) {
	b.begin(b.user())
	_, err := b.HeldByHandle(b.ctx, []byte("nobody's"))
	b.is("by handle", err, auth.ErrNotFound)
	_, err = b.HeldByHandle(b.ctx, nil)
	b.is("by no handle", err, auth.ErrNotFound)
	_, err = b.HeldByGrant(b.ctx, "nobody's")
	b.is("by grant", err, auth.ErrNotFound)
	_, err = b.HeldByCookie(b.ctx, nil)
	b.is("by no cookie", err, auth.ErrNotFound)
}

func beginRefuses(b *bench) {
	for name, spoil := range map[string]func(auth.User, *auth.Grant){
		"another epoch of the user":   func(_ auth.User, g *auth.Grant) { g.UserEpoch = "old" },
		"another epoch of the client": func(_ auth.User, g *auth.Grant) { g.ClientEpoch = "old" },
		"no epoch":                    func(_ auth.User, g *auth.Grant) { g.UserEpoch = "" },
		"a client that is not there":  func(_ auth.User, g *auth.Grant) { g.ClientID = "nobody" },
		"a disabled user": func(u auth.User, _ *auth.Grant) {
			u.Disabled = true
			_, err := b.updateUser(u, nil, event("user.update"))
			b.must(err)
		},
		"a deleted user": func(u auth.User, _ *auth.Grant) {
			_, err := b.DeleteUser(b.ctx, u.ID, b.now(), event("user.delete"))
			b.must(err)
		},
		"a user whose password changed": func(u auth.User, _ *auth.Grant) {
			_, err := b.SetPassword(b.ctx, u.ID, "", "$new$", false, "new epoch", b.now(), event("password"))
			b.must(err)
		},
		"a disabled client": func(_ auth.User, g *auth.Grant) {
			c := auth.Client{ID: "off", Epoch: "e", Disabled: true}
			b.must(b.CreateClient(b.ctx, c, nil, event("client.create")))
			g.ClientID, g.ClientEpoch = c.ID, c.Epoch
		},
	} {
		u := b.user()
		s, g := b.prepare(u, b.client())
		spoil(u, &g)
		b.is(name, b.Begin(b.ctx, s, g, auth.Marks{}, event("session.refused")), auth.ErrEpochChanged)
		_, err := b.SessionOf(b.ctx, s.ID)
		b.is(name+": the session", err, auth.ErrNotFound)
	}
	if n := b.audited("session.refused"); n != 0 {
		b.Errorf("%d events of what never happened", n)
	}
}

func beginRaisesMarks(b *bench) {
	u := b.user()
	b.must(b.AddKey(b.ctx, auth.Key{ID: "kid", Purpose: auth.KeySign, State: auth.KeySigning, Algorithm: "ES256"}, event("key.add")))
	s, g := b.prepare(u, b.client())
	expiry := b.now().Add(time.Hour)
	marks := auth.Marks{Expiry: expiry, UserID: u.ID, ClientID: auth.ClientWrit, KID: "kid"}
	b.must(b.Begin(b.ctx, s, g, marks, event("session.begin")))
	h := b.held(g.ID)
	keys, err := b.Keys(b.ctx)
	b.must(err)
	b.same("marks of grant, user, client, key",
		[]time.Time{h.Grant.Mark, h.User.Mark, h.Client.Mark, keys[0].Mark},
		[]time.Time{expiry, expiry, expiry, expiry})
}

func beginTwice(b *bench) {
	u := b.user()
	s, g := b.begin(u)
	b.is("the same session", b.Begin(b.ctx, s, g, auth.Marks{}, event("x")), auth.ErrConflict)
	s.ID, g.SessionID, g.ID = "ses_other", "ses_other", "other"
	b.taken("the same handle", b.Begin(b.ctx, s, g, auth.Marks{}, event("x")), "handle_hash")
	_, err := b.SessionOf(b.ctx, "ses_other")
	b.is("the session of the refused grant", err, auth.ErrNotFound)
}

func rotate(b *bench) {
	u := b.user()
	s, g := b.begin(u)
	b.clock.Advance(time.Minute)
	to := auth.Rotation{Confirmed: 1, Current: 2, IssuedAt: b.now(), Recoveries: 3, TagKey: 4}
	idle := b.now().Add(2 * time.Hour)
	ev := event("grant.recover")
	marks := auth.Marks{Expiry: b.now().Add(time.Hour), GrantID: g.ID, UserID: u.ID}
	ok, err := b.Rotate(b.ctx, g.ID, g.Rotation, auth.Turn{To: to, Idle: idle, SessionIdle: idle, Marks: marks, Event: &ev})
	b.must(err)
	if !ok {
		b.Fatal("Rotate from the right state answers false")
	}
	want := auth.Held{Grant: g, Session: s, User: u, Client: b.client(), Now: b.now()}
	want.Grant.Rotation, want.Grant.IdleExpiry, want.Grant.Mark = to, idle, marks.Expiry
	want.Session.IdleExpiry, want.Session.LastSeenAt = idle, b.now()
	want.User.Mark = marks.Expiry
	b.same("after Rotate", b.held(g.ID), want)
	if n := b.audited("grant.recover"); n != 1 {
		b.Errorf("%d events, want 1", n)
	}

	// Again, with no idle expiry, a lower mark and no event.
	next := auth.Rotation{Confirmed: 2, Current: 3, IssuedAt: b.now(), TagKey: 4}
	marks.Expiry = b.now()
	ok, err = b.Rotate(b.ctx, g.ID, to, auth.Turn{To: next, Marks: marks})
	if err != nil || !ok {
		b.Fatalf("Rotate = %v, %v", ok, err)
	}
	want.Grant.Rotation = next
	b.same("after Rotate with nothing to raise", b.held(g.ID), want)
}

func rotateFromAnotherState(b *bench) {
	u := b.user()
	_, g := b.begin(u)
	before := b.held(g.ID)
	for name, change := range map[string]func(*auth.Rotation){
		"confirmed":  func(r *auth.Rotation) { r.Confirmed++ },
		"current":    func(r *auth.Rotation) { r.Current++ },
		"issued at":  func(r *auth.Rotation) { r.IssuedAt = r.IssuedAt.Add(time.Microsecond) },
		"recoveries": func(r *auth.Rotation) { r.Recoveries++ },
		"tag key":    func(r *auth.Rotation) { r.TagKey++ },
	} {
		from := g.Rotation
		change(&from)
		ev := event("grant.rotate")
		ok, err := b.Rotate(b.ctx, g.ID, from, auth.Turn{To: auth.Rotation{Current: 9}, Idle: b.now().Add(9 * time.Hour), SessionIdle: b.now().Add(9 * time.Hour), Marks: auth.Marks{Expiry: b.now().Add(time.Hour), GrantID: g.ID, UserID: u.ID}, Event: &ev})
		if ok || err != nil {
			b.Errorf("%s differs: Rotate = %v, %v, want false", name, ok, err)
		}
	}
	b.same("after refusals", b.held(g.ID), before)
	if n := b.audited("grant.rotate"); n != 0 {
		b.Errorf("%d events of what never happened", n)
	}
	ok, err := b.Rotate(b.ctx, "nobody's", g.Rotation, auth.Turn{To: auth.Rotation{Current: 1}})
	if ok || err != nil {
		b.Errorf("a grant that is not there: Rotate = %v, %v, want false", ok, err)
	}
}

// over lists the ways in which a grant may come to its end.
func over(b *bench) map[string]func(auth.User, auth.Session, auth.Grant) {
	end := func(e auth.Ending) {
		b.Helper()
		_, err := b.End(b.ctx, e, b.now(), event("end"))
		b.must(err)
	}
	return map[string]func(auth.User, auth.Session, auth.Grant){
		"grant ended":       func(_ auth.User, _ auth.Session, g auth.Grant) { end(auth.Ending{GrantID: g.ID}) },
		"session ended":     func(_ auth.User, s auth.Session, _ auth.Grant) { end(auth.Ending{SessionID: s.ID}) },
		"user's epoch gone": func(u auth.User, _ auth.Session, _ auth.Grant) { end(auth.Ending{UserID: u.ID, NewEpoch: "u2"}) },
		"client's epoch gone": func(auth.User, auth.Session, auth.Grant) {
			end(auth.Ending{ClientID: auth.ClientWrit, NewEpoch: auth.Random128()})
		},
		"user disabled": func(u auth.User, _ auth.Session, _ auth.Grant) {
			u.Disabled = true
			_, err := b.updateUser(u, nil, event("user.update"))
			b.must(err)
		},
		"client disabled and enabled again with another epoch": func(auth.User, auth.Session, auth.Grant) {
			c := b.client()
			c.Disabled = true
			_, err := b.updateClient(c, &auth.Ending{ClientID: c.ID, NewEpoch: auth.Random128()}, event("client.update"))
			b.must(err)
			c.Disabled = false
			_, err = b.updateClient(c, nil, event("client.update"))
			b.must(err)
		},
	}
}

func rotateWhatIsOver(b *bench) {
	for name, end := range over(b) {
		u := b.user()
		s, g := b.begin(u)
		end(u, s, g)
		to := g.Rotation
		to.Current++
		ok, err := b.Rotate(b.ctx, g.ID, g.Rotation, auth.Turn{To: to})
		if ok || err != nil {
			b.Errorf("%s: Rotate = %v, %v, want false", name, ok, err)
		}
		b.same(name+": rotation", b.held(g.ID).Grant.Rotation, g.Rotation)
	}
}

func raise(b *bench) {
	u := b.user()
	_, g := b.begin(u)
	b.must(b.AddKey(b.ctx, auth.Key{ID: "kid", Purpose: auth.KeySign, State: auth.KeySigning, Algorithm: "ES256"}, event("key.add")))
	high, low := b.now().Add(time.Hour), b.now().Add(time.Minute)
	all := auth.Marks{Expiry: high, GrantID: g.ID, UserID: u.ID, ClientID: auth.ClientWrit, KID: "kid"}
	b.must(b.Raise(b.ctx, all))
	all.Expiry = low
	b.must(b.Raise(b.ctx, all))
	h := b.held(g.ID)
	keys, err := b.Keys(b.ctx)
	b.must(err)
	b.same("marks after a lower one", []time.Time{h.Grant.Mark, h.User.Mark, h.Client.Mark, keys[0].Mark},
		[]time.Time{high, high, high, high})

	b.must(b.Raise(b.ctx, auth.Marks{Expiry: high.Add(time.Hour), UserID: u.ID}))
	h = b.held(g.ID)
	b.same("the user's mark alone", []time.Time{h.Grant.Mark, h.User.Mark}, []time.Time{high, high.Add(time.Hour)})

	for name, missing := range map[string]auth.Marks{
		"grant": {GrantID: "nobody's"}, "user": {UserID: "nobody"}, "client": {ClientID: "nobody"},
	} {
		missing.Expiry = high
		b.is("a missing "+name, b.Raise(b.ctx, missing), auth.ErrNotFound)
	}
	b.is("a key that is gone", b.Raise(b.ctx, auth.Marks{KID: "none", Expiry: high}), auth.ErrEpochChanged)
}

// A token made under a mark that was raised after the log's entry would be
// accepted again when the entry is forgotten.
func raiseWhatIsOver(b *bench) {
	for name, end := range over(b) {
		u := b.user()
		s, g := b.begin(u)
		end(u, s, g)
		err := b.Raise(b.ctx, auth.Marks{Expiry: b.now().Add(time.Hour), GrantID: g.ID})
		b.is(name, err, auth.ErrEpochChanged)
		if mark := b.held(g.ID).Grant.Mark; !mark.IsZero() {
			b.Errorf("%s: the mark was raised to %v", name, mark)
		}
	}
	c := b.client()
	marks := auth.Marks{Expiry: b.now().Add(time.Hour), ClientID: c.ID, ClientEpoch: c.Epoch}
	b.must(b.Raise(b.ctx, marks))
	_, err := b.End(b.ctx, auth.Ending{ClientID: c.ID, NewEpoch: "another"}, b.now(), event("end"))
	b.must(err)
	marks.Expiry = marks.Expiry.Add(time.Hour)
	b.is("a client's token with an old epoch", b.Raise(b.ctx, marks), auth.ErrEpochChanged)
}

func touch(b *bench) {
	u := b.user()
	s, g := b.prepare(u, b.client())
	s.CookieHash, g.HandleHash, g.Mode = []byte("cookie"), nil, auth.ModeSession
	b.must(b.Begin(b.ctx, s, g, auth.Marks{}, event("session.begin")))
	seen, idle := b.now().Add(time.Minute), b.now().Add(3*time.Hour)
	b.must(b.Touch(b.ctx, s.ID, seen, idle))
	h := b.held(g.ID)
	b.same("last seen, idle expiries", []time.Time{h.Session.LastSeenAt, h.Session.IdleExpiry, h.Grant.IdleExpiry},
		[]time.Time{seen, idle, idle})

	_, err := b.End(b.ctx, auth.Ending{SessionID: s.ID}, b.now(), event("end"))
	b.must(err)
	b.must(b.Touch(b.ctx, s.ID, seen.Add(time.Hour), idle.Add(time.Hour)))
	b.same("an ended session's idle expiry", b.held(g.ID).Session.IdleExpiry, idle)
	b.is("a missing session", b.Touch(b.ctx, "ses_none", seen, idle), auth.ErrNotFound)
}

func sessionOf(b *bench) {
	s, g := b.begin(b.user())
	for _, id := range []string{s.ID, g.ID} {
		got, err := b.SessionOf(b.ctx, id)
		b.must(err)
		b.same("session of "+id, got, s)
	}
	_, err := b.SessionOf(b.ctx, "ses_none")
	b.is("none", err, auth.ErrNotFound)
}

func sessionsLive(b *bench) {
	ann, bob := b.user(), b.user()
	live, _ := b.begin(ann)
	ended, _ := b.begin(ann)
	_, err := b.End(b.ctx, auth.Ending{SessionID: ended.ID}, b.now(), event("end"))
	b.must(err)
	_, grant := b.begin(ann)
	_, err = b.End(b.ctx, auth.Ending{GrantID: grant.ID}, b.now(), event("end"))
	b.must(err)
	for _, shorten := range []func(*auth.Session){
		func(s *auth.Session) { s.IdleExpiry = b.now().Add(time.Second) },
		func(s *auth.Session) { s.AbsoluteExpiry = b.now().Add(time.Second) },
	} {
		s, g := b.prepare(ann, b.client())
		shorten(&s)
		b.must(b.Begin(b.ctx, s, g, auth.Marks{}, event("session.begin")))
	}
	bobs, _ := b.begin(bob)
	b.clock.Advance(time.Second)

	got, next, err := b.Sessions(b.ctx, ann.ID, auth.Page{})
	b.must(err)
	b.same("Ann's sessions", got, []auth.Session{live})
	b.same("cursor", next, "")
	got, _, err = b.Sessions(b.ctx, "", auth.Page{})
	b.must(err)
	b.same("everybody's sessions", got, []auth.Session{live, bobs})
	for query, want := range map[string]int{"browser": 2, "192.0.2.7": 2, "rowser": 0, "%": 0} {
		if got, _, err = b.Sessions(b.ctx, "", auth.Page{Query: query}); err != nil || len(got) != want {
			b.Errorf("query %q: %d sessions, %v, want %d", query, len(got), err, want)
		}
	}
	_, err = b.End(b.ctx, auth.Ending{ClientID: auth.ClientWrit, NewEpoch: "new"}, b.now(), event("end"))
	b.must(err)
	if got, _, err = b.Sessions(b.ctx, "", auth.Page{}); err != nil || len(got) != 0 {
		b.Errorf("after the client's end: %d sessions, %v, want none", len(got), err)
	}
}

func sessionsPaged(b *bench) {
	u := b.user()
	var want []string
	for range 7 {
		s, _ := b.begin(u)
		want = append(want, s.ID)
	}
	got := pages(b, 3, func(p auth.Page) ([]auth.Session, string, error) { return b.Sessions(b.ctx, u.ID, p) },
		func(s auth.Session) string { return s.ID })
	b.same("pages of ids", got, [][]string{want[:3], want[3:6], want[6:]})
}

// pages walks through a list.
func pages[T any](b *bench, limit int, list func(auth.Page) ([]T, string, error), id func(T) string) (all [][]string) {
	b.Helper()
	p := auth.Page{Limit: limit}
	for range 100 {
		items, next, err := list(p)
		b.must(err)
		var ids []string
		for _, item := range items {
			ids = append(ids, id(item))
		}
		all = append(all, ids)
		if next == "" {
			return all
		}
		p.Cursor = next
	}
	b.Fatal("a list of more than 100 pages")
	return nil
}
