package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
)

// What these races have in common: a token is about to be made while what it
// rests on is ended. Whoever comes first, no token may be accepted after the log
// has forgotten its end.

func raceTests() map[string]func(*bench) {
	return map[string]func(*bench){
		"RotateAndEndGrant":   rotateAndEnd(func(_ auth.User, g auth.Grant) auth.Ending { return auth.Ending{GrantID: g.ID} }),
		"RotateAndEndSession": rotateAndEnd(func(_ auth.User, g auth.Grant) auth.Ending { return auth.Ending{SessionID: g.SessionID} }),
		"RotateAndEndUser":    rotateAndEnd(func(u auth.User, _ auth.Grant) auth.Ending { return auth.Ending{UserID: u.ID, NewEpoch: "new"} }),
		"RotateAndEndClient": rotateAndEnd(func(_ auth.User, g auth.Grant) auth.Ending {
			return auth.Ending{ClientID: g.ClientID, NewEpoch: auth.Random128()}
		}),
		"RotateAndDisable":      rotateAndDisable,
		"BeginAndDisable":       beginAndDisable,
		"BeginAndDelete":        beginAndDelete,
		"ServiceTokenAndEnd":    serviceTokenAndEnd,
		"RaiseAndTurnKey":       raiseAndTurnKey,
		"RaiseAndRevokeKey":     raiseAndRevokeKey,
		"RehashAndSetPassword":  rehashAndSetPassword,
		"TouchAndEnd":           touchAndEnd,
		"RaiseTogether":         raiseTogether,
		"EverythingOfOneUser":   everythingOfOneUser,
		"LogNeverSkipsSessions": logNeverSkipsSessions,
	}
}

// rounds is how often a race is run.
const rounds = 30

// covered checks that the log remembers the end of id until a token that
// expires at expiry can't be alive.
func (b *bench) covered(what string, kind revlog.Kind, id string, expiry time.Time) {
	b.Helper()
	hash := revlog.Hash(kind, id)
	gone, err := b.Revoked(b.ctx, [][16]byte{hash}, expiry.Add(auth.LogMemory-time.Second))
	b.must(err)
	if !gone {
		b.Errorf("%s: the log has forgotten %q before the token of %v can't be alive", what, id, expiry)
	}
}

// rotateAndEnd: either the rotation is refused, or the entry covers its token.
func rotateAndEnd(of func(auth.User, auth.Grant) auth.Ending) func(*bench) {
	return func(b *bench) {
		for i := range rounds {
			u := b.user()
			_, g := b.begin(u)
			ending := of(u, g)
			client := b.client()
			expiry := b.now().Add(time.Duration(i+1) * time.Hour)
			marks := auth.Marks{Expiry: expiry, GrantID: g.ID, UserID: u.ID, ClientID: g.ClientID}
			var rotated bool
			b.must(errors.Join(together(2, func(n int) (err error) {
				if n == 0 {
					rotated, err = b.Rotate(b.ctx, g.ID, g.Rotation, auth.Turn{To: auth.Rotation{Current: 1}, Idle: b.now().Add(time.Hour), SessionIdle: b.now().Add(time.Hour), Marks: marks})
					return err
				}
				_, err = b.End(b.ctx, ending, b.now(), event("end"))
				return err
			})...))
			if rotated {
				switch {
				case ending.UserID != "":
					b.covered("user", revlog.Epoch, u.Epoch, expiry)
				case ending.ClientID != "":
					b.covered("client", revlog.Epoch, client.Epoch, expiry)
				default:
					b.covered("grant", revlog.Session, g.ID, expiry)
				}
			}
			again, err := b.Rotate(b.ctx, g.ID, b.held(g.ID).Grant.Rotation, auth.Turn{To: auth.Rotation{Current: 9}})
			if again || err != nil {
				b.Fatalf("a rotation after the end: %v, %v", again, err)
			}
		}
	}
}

func rotateAndDisable(b *bench) {
	for range rounds {
		u := b.user()
		_, g := b.begin(u)
		expiry := b.now().Add(time.Hour)
		var rotated bool
		b.must(errors.Join(together(2, func(n int) (err error) {
			if n == 0 {
				rotated, err = b.Rotate(b.ctx, g.ID, g.Rotation, auth.Turn{To: auth.Rotation{Current: 1}, Marks: auth.Marks{Expiry: expiry, GrantID: g.ID, UserID: u.ID}})
				return err
			}
			off := u
			off.Disabled = true
			_, err = b.updateUser(off, &auth.Ending{UserID: u.ID, NewEpoch: "off"}, event("user.update"))
			return err
		})...))
		if rotated {
			b.covered("user", revlog.Epoch, u.Epoch, expiry)
		}
		if h := b.held(g.ID); h.Grant.EndedAt.IsZero() || h.Session.EndedAt.IsZero() {
			b.Fatal("a disabled user has a session that has not ended")
		}
	}
}

// beginAndDisable: a session that begins while its user is disabled is refused,
// or ended with the others.
func beginAndDisable(b *bench) {
	for range rounds {
		u := b.user()
		s, g := b.prepare(u, b.client())
		expiry := b.now().Add(time.Hour)
		errs := together(2, func(n int) error {
			if n == 0 {
				return b.Begin(b.ctx, s, g, auth.Marks{Expiry: expiry, UserID: u.ID, ClientID: g.ClientID}, event("session.begin"))
			}
			off := u
			off.Disabled = true
			_, err := b.updateUser(off, &auth.Ending{UserID: u.ID, NewEpoch: "off"}, event("user.update"))
			return err
		})
		b.must(errs[1])
		if errs[0] != nil {
			b.is("Begin", errs[0], auth.ErrEpochChanged)
			continue
		}
		b.covered("user", revlog.Epoch, u.Epoch, expiry)
		if h := b.held(g.ID); h.Grant.EndedAt.IsZero() || h.Session.EndedAt.IsZero() {
			b.Fatal("a disabled user has a session that has not ended")
		}
	}
}

func beginAndDelete(b *bench) {
	for range rounds {
		u := b.user()
		s, g := b.prepare(u, b.client())
		errs := together(2, func(n int) error {
			if n == 0 {
				return b.Begin(b.ctx, s, g, auth.Marks{Expiry: b.now().Add(time.Hour)}, event("session.begin"))
			}
			_, err := b.DeleteUser(b.ctx, u.ID, b.now(), event("user.delete"))
			return err
		})
		b.must(errs[1])
		if errs[0] != nil {
			b.is("Begin", errs[0], auth.ErrEpochChanged)
		}
		_, err := b.SessionOf(b.ctx, s.ID)
		b.is("the session of a user that is gone", err, auth.ErrNotFound)
	}
}

// serviceTokenAndEnd: a client's token without a grant.
func serviceTokenAndEnd(b *bench) {
	b.must(b.CreateClient(b.ctx, auth.Client{ID: "svc", Epoch: "epoch 0"}, nil, event("client.create")))
	for i := range rounds {
		epoch := fmt.Sprint("epoch ", i)
		expiry := b.now().Add(time.Duration(i+1) * time.Hour)
		errs := together(2, func(n int) error {
			if n == 0 {
				return b.Raise(b.ctx, auth.Marks{Expiry: expiry, ClientID: "svc", ClientEpoch: epoch})
			}
			_, err := b.End(b.ctx, auth.Ending{ClientID: "svc", NewEpoch: fmt.Sprint("epoch ", i+1)}, b.now(), event("end"))
			return err
		})
		b.must(errs[1])
		if errs[0] != nil {
			b.is("Raise", errs[0], auth.ErrEpochChanged)
			continue
		}
		b.covered("client", revlog.Epoch, epoch, expiry)
	}
}

// raiseAndTurnKey: no token outlives the publication of its key.
func raiseAndTurnKey(b *bench) {
	key := func(i int, state auth.KeyState) auth.Key {
		return auth.Key{ID: fmt.Sprint("kid", i), Purpose: auth.KeySign, Algorithm: "ES256", State: state, CreatedAt: b.now()}
	}
	b.must(b.AddKey(b.ctx, key(0, auth.KeySigning), event("key.add")))
	for i := range rounds {
		b.must(b.AddKey(b.ctx, key(i+1, auth.KeyNext), event("key.add")))
		expiry := b.now().Add(time.Duration(i+1) * time.Hour)
		errs := together(2, func(n int) error {
			if n == 0 {
				return b.Raise(b.ctx, auth.Marks{Expiry: expiry, KID: fmt.Sprint("kid", i)})
			}
			return b.TurnKey(b.ctx, fmt.Sprint("kid", i+1), b.now(), event("key.turn"))
		})
		b.must(errs[1])
		if errs[0] != nil {
			b.is("Raise", errs[0], auth.ErrEpochChanged)
			continue
		}
		keys, err := b.Keys(b.ctx)
		b.must(err)
		for _, k := range keys {
			if k.ID == fmt.Sprint("kid", i) && k.PublishedUntil.Before(expiry.Add(auth.LogMemory)) {
				b.Fatalf("the key is published until %v, a token of it expires at %v", k.PublishedUntil, expiry)
			}
		}
	}
}

func raiseAndRevokeKey(b *bench) {
	key := func(i int) auth.Key {
		return auth.Key{ID: fmt.Sprint("kid", i), Purpose: auth.KeySign, Algorithm: "ES256", State: auth.KeySigning}
	}
	b.must(b.AddKey(b.ctx, key(0), event("key.add")))
	for i := range rounds {
		kid := key(i).ID
		errs := together(2, func(n int) error {
			if n == 0 {
				return b.Raise(b.ctx, auth.Marks{Expiry: b.now().Add(time.Hour), KID: kid})
			}
			_, _, err := b.RevokeKey(b.ctx, kid, key(i+1), b.now(), event("key.revoke"), event("key.sign"))
			return err
		})
		b.must(errs[1])
		if errs[0] != nil {
			b.is("Raise", errs[0], auth.ErrEpochChanged)
		}
		b.is("Raise afterwards", b.Raise(b.ctx, auth.Marks{Expiry: b.now().Add(2 * time.Hour), KID: kid}), auth.ErrEpochChanged)
	}
}

// rehashAndSetPassword: a new form of the old password never replaces the new
// password.
func rehashAndSetPassword(b *bench) {
	for range rounds {
		u := b.user()
		errs := together(2, func(n int) error {
			if n == 0 {
				return b.Rehash(b.ctx, u.ID, u.PasswordHash, "old password, new form")
			}
			_, err := b.SetPassword(b.ctx, u.ID, "", "new password", false, "new", b.now(), event("password"))
			return err
		})
		b.must(errs[1])
		if errs[0] != nil {
			b.is("Rehash", errs[0], auth.ErrConflict)
		}
		got, err := b.UserByID(b.ctx, u.ID)
		b.must(err)
		b.same("the password", got.PasswordHash, "new password")
	}
}

func touchAndEnd(b *bench) {
	u := b.user()
	for i := range rounds {
		s, g := b.prepare(u, b.client())
		s.CookieHash, g.HandleHash, g.Mode = []byte(fmt.Sprint("cookie ", i)), nil, auth.ModeSession
		b.must(b.Begin(b.ctx, s, g, auth.Marks{}, event("session.begin")))
		b.must(errors.Join(together(4, func(n int) error {
			if n == 0 {
				_, err := b.End(b.ctx, auth.Ending{SessionID: s.ID}, b.now(), event("end"))
				return err
			}
			return b.Touch(b.ctx, s.ID, b.now(), b.now().Add(time.Duration(n)*time.Hour))
		})...))
		h := b.held(g.ID)
		if h.Session.EndedAt.IsZero() || h.Grant.EndedAt.IsZero() {
			b.Fatal("a session that was ended lives")
		}
	}
}

// raiseTogether: when an hour begins all raise the same marks at once.
func raiseTogether(b *bench) {
	b.must(b.AddKey(b.ctx, auth.Key{ID: "kid", Purpose: auth.KeySign, Algorithm: "ES256", State: auth.KeySigning}, event("key.add")))
	u := b.user()
	var grants []auth.Grant
	for range 24 {
		_, g := b.begin(u)
		grants = append(grants, g)
	}
	for hour := 1; hour <= 4; hour++ {
		expiry := b.now().Add(time.Duration(hour) * time.Hour)
		b.must(errors.Join(together(len(grants), func(i int) error {
			g := grants[i]
			from := auth.Rotation{IssuedAt: g.Rotation.IssuedAt, TagKey: g.Rotation.TagKey, Current: uint64(hour - 1)}
			to := from
			to.Current++
			ok, err := b.Rotate(b.ctx, g.ID, from, auth.Turn{To: to, Idle: expiry, SessionIdle: expiry, Marks: auth.Marks{Expiry: expiry, GrantID: g.ID, UserID: u.ID, ClientID: g.ClientID, KID: "kid"}})
			if err == nil && !ok {
				err = errors.New("refused")
			}
			return err
		})...))
		h := b.held(grants[0].ID)
		keys, err := b.Keys(b.ctx)
		b.must(err)
		b.same("marks", []time.Time{h.Grant.Mark, h.User.Mark, h.Client.Mark, keys[0].Mark}, []time.Time{expiry, expiry, expiry, expiry})
	}
}

// everythingOfOneUser: all that may be done to a user at once is done. Nothing
// waits for ever, and nothing fails but for a reason.
func everythingOfOneUser(b *bench) {
	u := b.user()
	var epoch atomic.Pointer[string]
	epoch.Store(&u.Epoch)
	var mu sync.Mutex
	var begun []auth.Grant
	client := b.client()
	for i := range 12 {
		s, g := b.prepare(u, client)
		b.must(b.Begin(b.ctx, s, g, auth.Marks{}, event("begin")))
		begun = append(begun, g)
		_ = i
	}
	pick := func(i int) auth.Grant {
		mu.Lock()
		defer mu.Unlock()
		return begun[i%len(begun)]
	}
	const each = 15
	errs := together(16, func(i int) error {
		for n := range each {
			if err := b.act(u, &epoch, pick(i+n), i, n); err != nil && !errors.Is(err, auth.ErrEpochChanged) {
				return err
			}
		}
		return nil
	})
	b.must(errors.Join(errs...))
}

// act is one of what may happen to a user.
func (b *bench) act(u auth.User, epoch *atomic.Pointer[string], g auth.Grant, i, n int) error {
	expiry := b.now().Add(time.Duration(n+1) * time.Hour)
	switch (i + n) % 8 {
	case 0, 1, 2:
		h, err := b.HeldByGrant(b.ctx, g.ID)
		if err != nil {
			return err
		}
		to := h.Grant.Rotation
		to.Current++
		_, err = b.Rotate(b.ctx, g.ID, h.Grant.Rotation, auth.Turn{To: to, Idle: expiry, SessionIdle: expiry, Marks: auth.Marks{Expiry: expiry, GrantID: g.ID, UserID: u.ID, ClientID: g.ClientID}})
		return err
	case 3:
		return b.Raise(b.ctx, auth.Marks{Expiry: expiry, GrantID: g.ID, UserID: u.ID})
	case 4:
		return b.Touch(b.ctx, g.SessionID, b.now(), expiry)
	case 5:
		_, err := b.End(b.ctx, auth.Ending{SessionID: g.SessionID}, b.now(), event("end"))
		return err
	case 6:
		s := auth.Session{ID: auth.NewID(auth.PrefixSession), UserID: u.ID}
		fresh := g
		fresh.ID, fresh.SessionID, fresh.HandleHash, fresh.UserEpoch = auth.Random128(), s.ID, nil, *epoch.Load()
		return b.Begin(b.ctx, s, fresh, auth.Marks{Expiry: expiry, UserID: u.ID}, event("begin"))
	default:
		next := auth.Random128()
		_, err := b.End(b.ctx, auth.Ending{UserID: u.ID, NewEpoch: next}, b.now(), event("end"))
		epoch.Store(&next)
		return err
	}
}

// logNeverSkipsSessions: as logNeverSkips, with ends beside rotations.
func logNeverSkipsSessions(b *bench) {
	u := b.user()
	var grants []auth.Grant
	for range 24 {
		_, g := b.begin(u)
		grants = append(grants, g)
	}
	done := make(chan struct{})
	var following sync.WaitGroup
	following.Go(func() {
		for last := uint64(0); last < uint64(len(grants)); {
			p, err := b.LogPage(b.ctx, last, 100, b.now())
			if err != nil {
				b.Error(err)
				return
			}
			for _, e := range p.Entries {
				if e.Seq != last+1 {
					b.Errorf("number %d after %d", e.Seq, last)
					return
				}
				last = e.Seq
			}
			select {
			case <-done:
				if last < uint64(len(grants)) {
					p, err := b.LogPage(b.ctx, last, 100, b.now())
					b.same("the rest", []any{len(p.Entries), err}, []any{len(grants) - int(last), error(nil)})
					return
				}
			default:
			}
		}
	})
	b.must(errors.Join(together(len(grants), func(i int) error {
		_, err := b.End(b.ctx, auth.Ending{GrantID: grants[i].ID}, b.now(), event("end"))
		return err
	})...))
	close(done)
	following.Wait()
}
