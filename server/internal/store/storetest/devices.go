package storetest

import (
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
)

func deviceTests() map[string]func(*bench) {
	return map[string]func(*bench){
		"Device":        deviceOnce,
		"DevicePolls":   devicePolls,
		"DeviceAnswers": deviceAnswers,
		"DeviceConsent": deviceConsent,
		"DevicesFull":   devicesFull,
	}
}

const manyDevices = 100

// device stores a device that waits, whose codes are text and its capitals.
func (b *bench) device(c auth.Client, text string) auth.Device {
	b.Helper()
	d := auth.Device{Hash: sha256.Sum256([]byte(text)), UserCode: sha256.Sum256([]byte("user code " + text)), ClientID: c.ID, Scope: []string{"openid"},
		Audience: "https://api.example", CreatedAt: b.now(), ExpiresAt: b.now().Add(10 * time.Minute), Interval: 5 * time.Second, State: auth.DevicePending}
	b.must(b.AddDevice(b.ctx, d, manyDevices, manyDevices))
	return d
}

func deviceOnce(b *bench) {
	u, c := b.user(), b.app("app")
	s, signIn := b.begin(u)
	d := b.device(c, "one")
	got, err := b.DeviceByUserCode(b.ctx, d.UserCode)
	b.must(err)
	b.same("device", got, d)
	_, err = b.DeviceByUserCode(b.ctx, d.Hash)
	b.is("another code", err, auth.ErrNotFound)
	twin := d
	twin.Hash = sha256.Sum256([]byte("two"))
	b.is("the same user code", b.AddDevice(b.ctx, twin, manyDevices, manyDevices), auth.ErrConflict)

	_, g := b.prepare(u, c)
	g.SessionID = s.ID
	early, err := b.RedeemDevice(b.ctx, d.Hash, g, auth.Marks{}, event("grant.begin"))
	b.must(err)
	b.same("before an answer", early, false)
	answered, err := b.AnswerDevice(b.ctx, d.Hash, auth.DeviceAnswer{State: auth.DeviceAllowed, SignInID: signIn.ID}, event("device.allow"))
	b.must(err)
	b.same("answered", answered, true)

	var wg sync.WaitGroup
	won := make(chan string, 20)
	for range 20 {
		_, g := b.prepare(u, c)
		g.SessionID, g.HandleHash = s.ID, nil
		wg.Go(func() {
			first, err := b.RedeemDevice(b.ctx, d.Hash, g, auth.Marks{Expiry: b.now().Add(time.Hour), UserID: u.ID}, event("grant.begin"))
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
	winners := 0
	for id := range won {
		winners++
		b.same("its session", b.held(id).Session.ID, s.ID)
	}
	b.same("winners", winners, 1)
	b.same("audited", b.audited("grant.begin"), 1)
	got, err = b.DeviceByUserCode(b.ctx, d.UserCode)
	b.must(err)
	b.same("state", got.State, auth.DeviceRedeemed)
}

// devicePolls: who asks too early waits longer from then on.
func devicePolls(b *bench) {
	c := b.app("app")
	d := b.device(c, "one")
	const leeway, grow = 500 * time.Millisecond, 5 * time.Second
	for _, step := range []struct {
		wait     time.Duration
		hasty    bool
		interval time.Duration
	}{
		{0, false, 5 * time.Second}, // the first, as early as it likes
		{4400 * time.Millisecond, true, 10 * time.Second},
		{9400 * time.Millisecond, true, 15 * time.Second},
		{14500 * time.Millisecond, false, 15 * time.Second},
		{time.Minute, false, 15 * time.Second},
	} {
		b.clock.Advance(step.wait)
		got, err := b.PollDevice(b.ctx, c.ID, d.Hash, leeway, grow)
		b.must(err)
		b.same("hasty", got.Hasty, step.hasty)
		b.same("interval", got.Interval, step.interval)
		b.same("polled", got.PolledAt, b.now())
	}
	_, err := b.PollDevice(b.ctx, "other", d.Hash, leeway, grow)
	b.is("another client", err, auth.ErrNotFound)
	_, err = b.PollDevice(b.ctx, c.ID, d.UserCode, leeway, grow)
	b.is("another device", err, auth.ErrNotFound)
}

// deviceAnswers: the first answer counts, in time, and for a session that lives.
func deviceAnswers(b *bench) {
	u, c := b.user(), b.app("app")
	s, signIn := b.begin(u)
	answer := func(d auth.Device, state auth.DeviceState) bool {
		b.Helper()
		answered, err := b.AnswerDevice(b.ctx, d.Hash, auth.DeviceAnswer{State: state, SignInID: signIn.ID}, event("device.answer"))
		b.must(err)
		return answered
	}
	redeem := func(d auth.Device, change func(*auth.Grant)) (bool, error) {
		_, g := b.prepare(u, c)
		g.SessionID = s.ID
		change(&g)
		return b.RedeemDevice(b.ctx, d.Hash, g, auth.Marks{}, event("grant.begin"))
	}
	keep := func(*auth.Grant) {}
	denied := b.device(c, "denied")
	b.same("denied", answer(denied, auth.DeviceDenied), true)
	b.same("and then allowed", answer(denied, auth.DeviceAllowed), false)
	got, err := redeem(denied, keep)
	b.must(err)
	b.same("of a denied one", got, false)

	foreign := b.device(c, "foreign")
	b.same("allowed", answer(foreign, auth.DeviceAllowed), true)
	other := b.app("other")
	got, err = redeem(foreign, func(g *auth.Grant) { g.ClientID, g.ClientEpoch = other.ID, other.Epoch })
	b.must(err)
	b.same("by another client", got, false)

	over := b.device(c, "over")
	late := b.device(c, "late")
	b.same("in time", answer(late, auth.DeviceAllowed), true)
	b.clock.Advance(10 * time.Minute)
	b.same("too late", answer(over, auth.DeviceAllowed), false)
	got, err = redeem(late, keep)
	b.must(err)
	b.same("fetched too late", got, false)

	ended := b.device(c, "ended")
	b.same("before the end", answer(ended, auth.DeviceAllowed), true)
	_, err = b.End(b.ctx, auth.Ending{SessionID: s.ID, Reason: "logout"}, b.now(), event("session.end"))
	b.must(err)
	_, err = redeem(ended, keep)
	b.is("after the session's end", err, auth.ErrEpochChanged)
}

// deviceConsent: what a person allows with a device is stored if the device is
// allowed, and not otherwise.
func deviceConsent(b *bench) {
	u, c := b.user(), b.app("app")
	_, signIn := b.begin(u)
	d := b.device(c, "one")
	allow := func(scope string) bool {
		b.Helper()
		answered, err := b.AnswerDevice(b.ctx, d.Hash, auth.DeviceAnswer{State: auth.DeviceAllowed, SignInID: signIn.ID,
			Consent: &auth.Consent{UserID: u.ID, ClientID: c.ID, Audience: "aud", Scope: []string{scope}}}, event("consent.add"), event("device.allow"))
		b.must(err)
		return answered
	}
	b.same("allowed", allow("read"), true)
	b.same("again", allow("write"), false)
	kept, err := b.Consent(b.ctx, u.ID, c.ID, "aud")
	b.must(err)
	b.same("scope", kept.Scope, []string{"read"})
	b.same("audited", [2]int{b.audited("consent.add"), b.audited("device.allow")}, [2]int{1, 1})
	_, err = b.RevokeConsent(b.ctx, u.ID, c.ID, b.now(), event("consent.revoke"))
	b.must(err)
	got, err := b.DeviceByUserCode(b.ctx, d.UserCode)
	b.must(err)
	b.same("taken back", got.State, auth.DeviceDenied)
}

// devicesFull: there is room for so many that wait, and for so many of a client.
func devicesFull(b *bench) {
	u, c, other := b.user(), b.app("app"), b.app("other")
	_, signIn := b.begin(u)
	d := b.device(c, "one")
	b.device(c, "two")
	add := func(text string, c auth.Client, most, share int) error {
		d := d
		d.Hash, d.UserCode, d.ClientID = sha256.Sum256([]byte(text)), sha256.Sum256([]byte("user code "+text)), c.ID
		d.ExpiresAt = b.now().Add(10 * time.Minute)
		return b.AddDevice(b.ctx, d, most, share)
	}
	full := func(what string, err error) {
		b.Helper()
		var shown *auth.Error
		if !errors.As(err, &shown) || shown.Code != auth.CodeUnavailable || shown.RetryAfter == 0 {
			b.Errorf("%s: %v", what, err)
		}
	}
	full("a third of two", add("three", c, 2, 2))
	full("a third of two of all", add("three", other, 2, 2))
	full("a third of two of its own", add("three", c, 10, 2))
	b.must(add("another's", other, 10, 2))
	answered, err := b.AnswerDevice(b.ctx, d.Hash, auth.DeviceAnswer{State: auth.DeviceAllowed, SignInID: signIn.ID}, event("device.allow"))
	b.must(err)
	b.same("answered", answered, true)
	b.must(add("three", c, 3, 2)) // an answered one makes room
	full("a fourth of three", add("four", other, 3, 2))
	b.clock.Advance(10 * time.Minute)
	b.must(add("four", c, 1, 1)) // as an expired one does
}
