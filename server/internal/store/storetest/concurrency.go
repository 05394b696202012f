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

func concurrencyTests() map[string]func(*bench) {
	return map[string]func(*bench){
		"RotateFromOneState": rotateTogether,
		"EndAndRotate":       endAndRotate,
		"BeginAndEnd":        beginAndEnd,
		"AddKey":             addKeyTogether,
		"CreateUser":         createUserTogether,
		"SettingOnce":        settingTogether,
		"SetPassword":        setPasswordTogether,
		"LogNeverSkips":      logNeverSkips,
		"ReadersAndWriters":  readersAndWriters,
	}
}

// together runs n functions at once and answers their errors.
func together(n int, f func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	all.Wait()
	return errs
}

// one checks that exactly one succeeded and the others got want.
func (b *bench) one(errs []error, want error) {
	b.Helper()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, want):
			b.Errorf("error %v, want %v", err, want)
		}
	}
	if won != 1 {
		b.Errorf("%d of %d succeeded, want exactly one", won, len(errs))
	}
}

func rotateTogether(b *bench) {
	_, g := b.begin(b.user())
	lost := errors.New("lost")
	from := g.Rotation
	for round := range 4 {
		var winner atomic.Uint64
		errs := together(50, func(i int) error {
			to := auth.Rotation{Confirmed: from.Current, Current: from.Current + 1, IssuedAt: from.IssuedAt, Recoveries: uint64(100*round + i)}
			ok, err := b.Rotate(b.ctx, g.ID, from, auth.Turn{To: to})
			if err == nil && !ok {
				return lost
			}
			winner.Store(to.Recoveries)
			return err
		})
		b.one(errs, lost)
		from = b.held(g.ID).Grant.Rotation
		b.same("generation and winner", []uint64{from.Current, from.Recoveries}, []uint64{uint64(round + 1), winner.Load()})
	}
}

// Whatever comes first, the entry in the log covers the last token that the
// rotation allowed.
func endAndRotate(b *bench) {
	u := b.user()
	for range 40 {
		s, g := b.begin(u)
		expiry := b.now().Add(time.Hour).Truncate(time.Hour)
		var rotated bool
		var seq uint64
		errs := together(2, func(i int) (err error) {
			if i == 0 {
				to := auth.Rotation{Current: 1, IssuedAt: b.now()}
				rotated, err = b.Rotate(b.ctx, g.ID, g.Rotation, auth.Turn{To: to, Marks: auth.Marks{Expiry: expiry, GrantID: g.ID}})
				return err
			}
			seq, err = b.End(b.ctx, auth.Ending{SessionID: s.ID}, b.now(), event("end"))
			return err
		})
		b.must(errors.Join(errs...))
		h := b.held(g.ID)
		wantMark, wantExpiry, wantCurrent := time.Time{}, b.now().Unix()+121, uint64(0)
		if rotated {
			wantMark, wantExpiry, wantCurrent = expiry, expiry.Unix()+120, 1
		}
		entries := b.page(seq-1, 1).Entries
		if len(entries) != 1 || entries[0].Expiry != wantExpiry || !h.Grant.Mark.Equal(wantMark) || h.Grant.Rotation.Current != wantCurrent || h.Grant.EndedAt.IsZero() {
			b.Fatalf("rotated %v: entries %v, grant %+v", rotated, entries, h.Grant)
		}
	}
}

// A sign-in whose password was checked before "log out everywhere" must not
// survive it.
func beginAndEnd(b *bench) {
	for range 40 {
		u := b.user()
		s, g := b.prepare(u, b.client())
		errs := together(2, func(i int) error {
			if i == 0 {
				return b.Begin(b.ctx, s, g, auth.Marks{}, event("session.begin"))
			}
			_, err := b.End(b.ctx, auth.Ending{UserID: u.ID, NewEpoch: "new"}, b.now(), event("end"))
			return err
		})
		b.must(errs[1])
		if errs[0] != nil {
			b.is("Begin", errs[0], auth.ErrEpochChanged)
		}
		live, _, err := b.Sessions(b.ctx, u.ID, auth.Page{})
		if err != nil || len(live) != 0 {
			b.Fatalf("Begin answered %v and %d sessions live on, %v", errs[0], len(live), err)
		}
	}
}

func addKeyTogether(b *bench) {
	b.one(together(20, func(i int) error {
		return b.AddKey(b.ctx, auth.Key{ID: fmt.Sprint("kid", i), Purpose: auth.KeySign, Algorithm: "ES256", State: auth.KeySigning}, event("key.add"))
	}), auth.ErrConflict)
	b.one(together(20, func(int) error {
		return b.AddKey(b.ctx, auth.Key{ID: "1", Purpose: auth.KeyTag, Number: 1}, event("key.add"))
	}), auth.ErrConflict)
	keys, err := b.Keys(b.ctx)
	if err != nil || len(keys) != 2 || b.audited("key.add") != 2 {
		b.Errorf("%d keys, %v, %d events, want 2 and 2", len(keys), err, b.audited("key.add"))
	}
}

func createUserTogether(b *bench) {
	emails := []string{"ann@example.com", "Ann@example.com", "ANN@EXAMPLE.COM"}
	b.one(together(30, func(i int) error {
		u := auth.User{ID: fmt.Sprint("usr_", i), Email: emails[i%len(emails)], Epoch: "e"}
		return b.CreateUser(b.ctx, u, event("user.create"))
	}), auth.ErrConflict)
}

func settingTogether(b *bench) {
	got := make([]string, 20)
	errs := together(len(got), func(i int) (err error) {
		got[i], err = b.SettingOnce(b.ctx, "secret", fmt.Sprint("value", i))
		return err
	})
	b.must(errors.Join(errs...))
	stored, err := b.Setting(b.ctx, "secret")
	b.must(err)
	for _, value := range got {
		b.same("the value all agree on", value, stored)
	}
}

func setPasswordTogether(b *bench) {
	u := b.user()
	b.one(together(20, func(i int) error {
		_, err := b.SetPassword(b.ctx, u.ID, u.PasswordHash, fmt.Sprint("new", i), false, fmt.Sprint("epoch", i), b.now(), event("password"))
		return err
	}), auth.ErrConflict)
	if n := len(b.entries()); n != 1 {
		b.Errorf("%d entries, want 1", n)
	}
}

// Followers read while many write. Whoever has read to a number never finds a
// lower one later, and a page read after a revocation was answered holds it.
func logNeverSkips(b *bench) {
	const writers, each, followers = 8, 25, 3
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				seq, err := b.Revoke(b.ctx, revlog.Token, fmt.Sprintf("%d-%d", w, i), time.Time{}, event("revoke"))
				if err != nil {
					b.Error(err)
					return
				}
				p, err := b.LogPage(b.ctx, seq-1, 1, b.now())
				if err != nil || len(p.Entries) != 1 || p.Entries[0].Seq != seq || p.Head < seq {
					b.Errorf("number %d was answered, but the page is %+v, %v", seq, p, err)
					return
				}
			}
		})
	}
	errs := together(followers, func(int) error {
		for last := uint64(0); last < writers*each; {
			news := b.Store.Published()
			p, err := b.LogPage(b.ctx, last, 7, b.now())
			if err != nil {
				return err
			}
			for _, e := range p.Entries {
				if e.Seq != last+1 {
					return fmt.Errorf("number %d after %d", e.Seq, last)
				}
				last = e.Seq
			}
			if len(p.Entries) == 0 {
				select {
				case <-news:
				case <-b.ctx.Done():
					return b.ctx.Err()
				}
			}
		}
		return nil
	})
	writing.Wait()
	b.must(errors.Join(errs...))
}

// With a pool of one connection a method that asked for a second would wait
// for ever.
func readersAndWriters(b *bench) {
	u := b.user()
	_, g := b.begin(u)
	b.must(errors.Join(together(24, func(i int) (err error) {
		switch i % 6 {
		case 0:
			_, _, err = b.Users(b.ctx, auth.Page{Query: "user"})
		case 1:
			_, err = b.HeldByHandle(b.ctx, g.HandleHash)
		case 2:
			_, err = b.LogPage(b.ctx, 0, 100, b.now())
		case 3:
			_, _, err = b.Sessions(b.ctx, u.ID, auth.Page{})
		case 4:
			_, _, err = b.Members(b.ctx, "org_none", auth.Page{})
			if errors.Is(err, auth.ErrNotFound) {
				err = nil
			}
		case 5:
			_, err = b.updateUser(u, nil, event("user.update"))
		}
		return err
	})...))
}
