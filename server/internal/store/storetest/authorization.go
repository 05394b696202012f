package storetest

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
)

func authorizationTests() map[string]func(*bench) {
	return map[string]func(*bench){
		"Code":             codeOnce,
		"CodeAtOnce":       codeAtOnce,
		"CodeOfOneRequest": codeOfOneRequest,
		"CodeAndLogout":    codeAndLogout,
		"CodeRefused":      codeRefused,
		"Room":             roomOfClient,
		"RoomByWorth":      roomByWorth,
		"Consent":          consent,
		"RevokeConsent":    revokeConsent,
		"CodeAndConsent":   codeAndConsent,
		"RevokeUnfetched":  revokeUnfetched,
		"Reauthenticate":   reauthenticate,
	}
}

// code stores a code of a session that it begins, and prepares the grant.
func (b *bench) code(u auth.User, c auth.Client, text string) (auth.AuthorizationCode, auth.Grant) {
	b.Helper()
	s, first := b.begin(u)
	_, g := b.prepare(u, c)
	g.SessionID = s.ID
	code := auth.AuthorizationCode{
		Hash: sha256.Sum256([]byte(text)), ClientID: c.ID, SessionID: s.ID, SignInID: first.ID, RedirectURI: "https://app.example/cb",
		Challenge: "challenge", Nonce: "n", Scope: []string{"openid", "read"}, Audience: "https://api.example", CreatedAt: b.now(),
		ExpiresAt: b.now().Add(time.Minute), ForgetAt: b.now().Add(time.Minute), DPoPThumbprint: "thumb",
	}
	b.must(b.AddCode(b.ctx, code))
	return code, g
}

func (b *bench) app(id string) auth.Client {
	b.Helper()
	c := auth.Client{ID: id, Epoch: "epoch of " + id, CreatedAt: b.now(), UpdatedAt: b.now()}
	b.must(b.CreateClient(b.ctx, c, nil, event("client.create")))
	return c
}

func codeOnce(b *bench) {
	u, c := b.user(), b.app("app")
	code, g := b.code(u, c, "one")
	got, err := b.CodeByHash(b.ctx, code.Hash)
	b.must(err)
	b.same("code", got, code)
	_, err = b.CodeByHash(b.ctx, sha256.Sum256([]byte("other")))
	b.is("another code", err, auth.ErrNotFound)
	b.is("the same again", b.AddCode(b.ctx, code), auth.ErrConflict)

	forget, expiry := b.now().Add(time.Hour), b.now().Add(2*time.Hour)
	marks := auth.Marks{Expiry: expiry, UserID: u.ID, ClientID: c.ID}
	first, err := b.Redeem(b.ctx, code.Hash, g, forget, marks, event("grant.begin"))
	b.must(err)
	b.same("the first time", first, true)
	code.GrantID, code.ForgetAt = g.ID, forget
	got, err = b.CodeByHash(b.ctx, code.Hash)
	b.must(err)
	b.same("redeemed", got, code)
	held := b.held(g.ID)
	b.same("marks", []time.Time{held.Grant.Mark, held.User.Mark, held.Client.Mark}, []time.Time{expiry, expiry, expiry})
	b.same("session", held.Session.ID, code.SessionID)

	_, again := b.prepare(u, c)
	again.SessionID = code.SessionID
	first, err = b.Redeem(b.ctx, code.Hash, again, forget, auth.Marks{}, event("grant.begin"))
	b.must(err)
	b.same("the second time", first, false)
	_, err = b.HeldByGrant(b.ctx, again.ID)
	b.is("the second grant", err, auth.ErrNotFound)
	b.same("audited", b.audited("grant.begin"), 1)

	late, g := b.code(u, c, "late")
	b.clock.Advance(time.Minute)
	first, err = b.Redeem(b.ctx, late.Hash, g, forget, auth.Marks{}, event("grant.begin"))
	b.must(err)
	b.same("after a minute", first, false)
}

func codeAtOnce(b *bench) {
	u, c := b.user(), b.app("app")
	code, _ := b.code(u, c, "one")
	var wg sync.WaitGroup
	won := make(chan string, 20)
	for range 20 {
		_, g := b.prepare(u, c)
		g.SessionID, g.HandleHash = code.SessionID, nil
		wg.Go(func() {
			first, err := b.Redeem(b.ctx, code.Hash, g, b.now().Add(time.Hour), auth.Marks{}, event("grant.begin"))
			if err != nil {
				b.Error(err)
			}
			if first {
				won <- g.ID
			}
		})
	}
	wg.Wait()
	close(won)
	var winners []string
	for id := range won {
		winners = append(winners, id)
	}
	got, err := b.CodeByHash(b.ctx, code.Hash)
	b.must(err)
	b.same("winners", winners, []string{got.GrantID})
}

// codeOfOneRequest: of any number of codes for one request there is one.
func codeOfOneRequest(b *bench) {
	u, c := b.user(), b.app("app")
	code, _ := b.code(u, c, "any")
	once, until := sha256.Sum256([]byte("request")), b.now().Add(time.Hour)
	var wg sync.WaitGroup
	var first atomic.Int64
	for i := range 20 {
		wg.Go(func() {
			more := code
			more.Hash = sha256.Sum256(fmt.Append(nil, i))
			added, err := b.AddCodeOnce(b.ctx, more, once, until)
			if err != nil {
				b.Error(err)
			}
			_, err = b.CodeByHash(b.ctx, more.Hash)
			b.same("stored", err == nil, added)
			if added {
				first.Add(1)
			}
		})
	}
	wg.Wait()
	b.same("codes", first.Load(), int64(1))
	code.Hash = sha256.Sum256([]byte("another"))
	added, err := b.AddCodeOnce(b.ctx, code, sha256.Sum256([]byte("another request")), until)
	b.must(err)
	b.same("for another request", added, true)
}

// codeAndLogout: a grant is either begun before its session ends, and logged,
// or never.
func codeAndLogout(b *bench) {
	u, c := b.user(), b.app("app")
	for i := range 20 {
		code, g := b.code(u, c, fmt.Sprint(i))
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := b.Redeem(b.ctx, code.Hash, g, b.now(), auth.Marks{}, event("grant.begin")); err != nil {
				b.is("too late", err, auth.ErrEpochChanged)
			}
		})
		wg.Go(func() {
			if _, err := b.End(b.ctx, auth.Ending{SessionID: code.SessionID, Reason: "logout"}, b.now(), event("session.end")); err != nil {
				b.Error(err)
			}
		})
		wg.Wait()
		got, err := b.CodeByHash(b.ctx, code.Hash)
		b.must(err)
		logged, err := b.Revoked(b.ctx, [][16]byte{revlog.Hash(revlog.Session, g.ID)}, b.now())
		b.must(err)
		b.same("logged as it was begun", logged, got.GrantID != "")
	}
}

func codeRefused(b *bench) {
	end := func(e auth.Ending) {
		_, err := b.End(b.ctx, e, b.now(), event("end"))
		b.must(err)
	}
	for what, change := range map[string]func(code auth.AuthorizationCode, g *auth.Grant){
		"another session's user": func(_ auth.AuthorizationCode, g *auth.Grant) {
			other := b.user()
			g.UserID, g.UserEpoch = other.ID, other.Epoch
		},
		"an ended session": func(code auth.AuthorizationCode, _ *auth.Grant) { end(auth.Ending{SessionID: code.SessionID}) },
		"everything ended": func(_ auth.AuthorizationCode, g *auth.Grant) { end(auth.Ending{UserID: g.UserID, NewEpoch: "new"}) },
		"the client ended": func(_ auth.AuthorizationCode, g *auth.Grant) { end(auth.Ending{ClientID: g.ClientID, NewEpoch: "new"}) },
	} {
		u, c := b.user(), b.app("app "+what)
		code, g := b.code(u, c, what)
		change(code, &g)
		first, err := b.Redeem(b.ctx, code.Hash, g, b.now(), auth.Marks{}, event("grant.begin"))
		b.is(what, err, auth.ErrEpochChanged)
		b.same(what, first, false)
		got, err := b.CodeByHash(b.ctx, code.Hash)
		b.must(err)
		b.same(what+": the code", got.GrantID, "")
	}
}

func consent(b *bench) {
	u, c := b.user(), b.app("app")
	_, err := b.Consent(b.ctx, u.ID, c.ID, "aud")
	b.is("none", err, auth.ErrNotFound)
	at := b.now()
	add := func(audience string, at time.Time, scope ...string) {
		b.Helper()
		b.must(b.AddConsent(b.ctx, auth.Consent{UserID: u.ID, ClientID: c.ID, Audience: audience, Scope: scope, UpdatedAt: at}, event("consent.add")))
	}
	add("aud", at, "write", "read")
	b.clock.Advance(time.Minute)
	add("aud", b.now(), "email", "read")
	add("other", at)
	want := auth.Consent{UserID: u.ID, ClientID: c.ID, Audience: "aud", Scope: []string{"email", "read", "write"}, CreatedAt: at, UpdatedAt: b.now()}
	got, err := b.Consent(b.ctx, u.ID, c.ID, "aud")
	b.must(err)
	b.same("consent", got, want)
	list, err := b.Consents(b.ctx, u.ID)
	b.must(err)
	b.same("all", len(list), 2)
	b.same("the first", list[0], want)
	b.same("audited", b.audited("consent.add"), 3)
	list, err = b.Consents(b.ctx, b.user().ID)
	b.must(err)
	b.same("somebody else's", len(list), 0)
}

func revokeConsent(b *bench) {
	u, other, c := b.user(), b.user(), b.app("app")
	redeem := func(u auth.User, text string, marks auth.Marks) (auth.AuthorizationCode, auth.Grant) {
		code, g := b.code(u, c, text)
		_, err := b.Redeem(b.ctx, code.Hash, g, b.now(), marks, event("grant.begin"))
		b.must(err)
		return code, g
	}
	code, g := redeem(u, "mine", auth.Marks{Expiry: b.now().Add(time.Hour)})
	_, kept := redeem(other, "theirs", auth.Marks{})
	b.must(b.AddConsent(b.ctx, auth.Consent{UserID: u.ID, ClientID: c.ID, Audience: "aud", Scope: []string{"read"}}, event("consent.add")))

	seq, err := b.RevokeConsent(b.ctx, u.ID, c.ID, b.now(), event("consent.revoke"))
	b.must(err)
	b.same("log", b.entries(), []revlog.Entry{{Seq: seq, Kind: revlog.Session, Hash: revlog.Hash(revlog.Session, g.ID), Expiry: b.now().Add(time.Hour).Unix() + 121}})
	_, err = b.Consent(b.ctx, u.ID, c.ID, "aud")
	b.is("afterwards", err, auth.ErrNotFound)
	b.same("the grant", b.held(g.ID).Grant.EndReason, "consent_revoked")
	b.same("the sign-in", b.held(code.SignInID).Grant.EndedAt.IsZero(), true)
	b.same("another's", b.held(kept.ID).Grant.EndedAt.IsZero(), true)
	_, err = b.RevokeConsent(b.ctx, u.ID, c.ID, b.now(), event("consent.revoke"))
	b.is("again", err, auth.ErrNotFound)
}

// revokeUnfetched: what was allowed before a person took it back can't be fetched
// afterwards; what others allowed, and other clients got, can.
func revokeUnfetched(b *bench) {
	u, other, c, foreign := b.user(), b.user(), b.app("app"), b.app("foreign")
	for what, of := range map[string]struct {
		user   auth.User
		client auth.Client
		stays  bool
	}{"mine": {u, c, false}, "another's": {other, c, true}, "for another": {u, foreign, true}} {
		code, g := b.code(of.user, of.client, what)
		d := b.device(of.client, what)
		answered, err := b.AnswerDevice(b.ctx, d.Hash, auth.DeviceAnswer{State: auth.DeviceAllowed, SignInID: code.SignInID}, event("device.allow"))
		b.must(err)
		b.same(what+": answered", answered, true)
		if _, err = b.RevokeConsent(b.ctx, u.ID, c.ID, b.now(), event("consent.revoke")); err != nil {
			b.is(what+": nothing to take back", err, auth.ErrNotFound)
		}
		b.same(what+": taken back", err == nil, !of.stays)

		got, err := b.Redeem(b.ctx, code.Hash, g, b.now(), auth.Marks{}, event("grant.begin"))
		b.must(err)
		b.same(what+": the code", got, of.stays)
		_, g = b.prepare(of.user, of.client)
		g.SessionID = code.SessionID
		got, err = b.RedeemDevice(b.ctx, d.Hash, g, auth.Marks{}, event("grant.begin"))
		b.must(err)
		b.same(what+": the device", got, of.stays)
	}
}

// codeAndConsent: of a code and a consent that is taken back at that moment, be it
// on another node, neither stays.
func codeAndConsent(b *bench) {
	u, c := b.user(), b.app("app")
	code, _ := b.code(u, c, "the first")
	code.ConsentOf = u.ID
	add := func(hash [32]byte) error {
		code := code
		code.Hash = hash
		return b.AddCode(b.ctx, code)
	}
	consent := auth.Consent{UserID: u.ID, ClientID: c.ID, Audience: code.Audience, Scope: []string{"read"}}
	b.is("without a consent", add(sha256.Sum256([]byte("early"))), auth.ErrMoved)
	_, err := b.AddCodeOnce(b.ctx, code, sha256.Sum256([]byte("once")), b.now().Add(time.Minute))
	b.is("without a consent, once", err, auth.ErrMoved)
	for i := range rounds {
		b.must(b.AddConsent(b.ctx, consent, event("consent.add")))
		hashes := make([][32]byte, 8)
		errs := together(len(hashes)+1, func(n int) error {
			if n == len(hashes) {
				_, err := b.RevokeConsent(b.ctx, u.ID, c.ID, b.now(), event("consent.revoke"))
				return err
			}
			hashes[n] = sha256.Sum256(fmt.Append(nil, i, n))
			return add(hashes[n])
		})
		b.must(errs[len(hashes)])
		for n, hash := range hashes {
			if errs[n] != nil {
				b.is("too late", errs[n], auth.ErrMoved)
			}
			_, err := b.CodeByHash(b.ctx, hash)
			b.is("a code afterwards", err, auth.ErrNotFound)
		}
	}
}

func reauthenticate(b *bench) {
	s, g := b.prepare(b.user(), b.client())
	first, second := sha256.Sum256([]byte("1")), sha256.Sum256([]byte("2"))
	s.CookieHash, g.Mode, g.HandleHash = first[:], auth.ModeSession, nil
	b.must(b.Begin(b.ctx, s, g, auth.Marks{}, event("session.begin")))
	b.clock.Advance(time.Minute)
	s.CookieHash, s.AuthTime, s.AMR, s.ACR, s.Device, s.Address = second[:], b.now(), []string{"pwd", "otp"}, "2", "Other/2", "192.0.2.8"
	s.LastSeenAt, s.IdleExpiry = b.now(), b.now().Add(time.Hour)
	b.must(b.Reauthenticate(b.ctx, s, event("session.again")))
	held, err := b.HeldByCookie(b.ctx, second[:])
	b.must(err)
	b.same("session", held.Session, s)
	b.same("its grant's idle expiry", held.Grant.IdleExpiry, s.IdleExpiry)
	_, err = b.HeldByCookie(b.ctx, first[:])
	b.is("the old cookie", err, auth.ErrNotFound)
	_, err = b.End(b.ctx, auth.Ending{SessionID: s.ID, Reason: "logout"}, b.now(), event("session.end"))
	b.must(err)
	b.is("after the end", b.Reauthenticate(b.ctx, s, event("session.again")), auth.ErrEpochChanged)
}
