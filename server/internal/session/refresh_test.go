package session_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/session"
)

func TestRefreshInSequence(t *testing.T) {
	b := setUp(t)
	first := b.signIn(orders, auth.ModeToken)
	sid := b.claims(first.AccessToken, orders).SessionID
	seen := map[string]bool{first.RefreshToken: true}
	token := first.RefreshToken
	for range 5 {
		b.clock.advance(10 * time.Minute)
		out := b.mustRefresh(token)
		if seen[out.RefreshToken] {
			t.Fatal("a refresh token came twice")
		}
		seen[out.RefreshToken] = true
		token = out.RefreshToken
		if c := b.claims(out.AccessToken, orders); c.SessionID != sid || c.Subject != b.user.ID {
			t.Errorf("claims changed: %+v", c)
		}
	}
}

// TestRefreshAtOnce: fifty tabs present one token; one rotates, all get the
// same successor and an access token that works.
func TestRefreshAtOnce(t *testing.T) {
	b := setUp(t)
	token := b.signIn(orders, auth.ModeToken).RefreshToken
	verdicts := map[session.Verdict]int{}
	var mu sync.Mutex
	b.Observe.Refresh = func(v session.Verdict) { mu.Lock(); defer mu.Unlock(); verdicts[v]++ }
	answers := make([]session.Tokens, 50)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			var err error
			answers[i], err = b.Refresh(context.Background(), session.Refresh{Token: token, ClientID: auth.ClientWrit})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, a := range answers {
		if a.RefreshToken != answers[0].RefreshToken {
			t.Error("two tabs got different refresh tokens")
		}
		b.claims(a.AccessToken, orders)
	}
	if verdicts[session.VerdictRotate] != 1 || verdicts[session.VerdictRepeat] != 49 {
		t.Errorf("verdicts %v, want 1 rotate and 49 repeat", verdicts)
	}
	b.mustRefresh(answers[0].RefreshToken)
}

// TestJustUsedToken presents a used token at the grace's edge.
func TestJustUsedToken(t *testing.T) {
	for _, c := range []struct {
		name string
		wait time.Duration
		same bool
	}{
		{"at once", 0, true}, {"1 ms before the edge", grace - time.Millisecond, true}, {"at the edge", grace, true},
		{"1 ms after the edge", grace + time.Millisecond, false}, {"a day later", 24 * time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := setUp(t)
			used := b.signIn("", auth.ModeToken).RefreshToken
			next := b.mustRefresh(used).RefreshToken
			b.clock.advance(c.wait)
			again := b.mustRefresh(used)
			if same := again.RefreshToken == next; same != c.same {
				t.Fatalf("the same successor: %v, want %v", same, c.same)
			}
			b.claims(again.AccessToken, issuer)
			if c.same {
				b.mustRefresh(next)
				return
			}
			if n := b.audited("grant.recover"); n != 1 {
				t.Errorf("%d recoveries were audited, want 1", n)
			}
			// The successor that nobody used is an orphan: whoever presents
			// it now is a second holder.
			_, err := b.refresh(next)
			want(t, err, auth.CodeSessionEnded)
			_, err = b.refresh(again.RefreshToken)
			want(t, err, auth.CodeSessionEnded)
		})
	}
}

// TestRecoveryExtendsNothing: the idle expiry stays where the last rotation
// put it.
func TestRecoveryExtendsNothing(t *testing.T) {
	b := setUp(t)
	used := b.signIn("", auth.ModeToken).RefreshToken
	rotated := b.mustRefresh(used)
	b.clock.advance(3 * 24 * time.Hour)
	if again := b.mustRefresh(used); !again.RefreshExpiry.Equal(rotated.RefreshExpiry) {
		t.Errorf("a recovery moved the expiry from %v to %v", rotated.RefreshExpiry, again.RefreshExpiry)
	}
}

func TestLateRefuse(t *testing.T) {
	b := setUp(t, func(o *session.Options) { o.Rule.Late = session.LateRefuse })
	used := b.signIn("", auth.ModeToken).RefreshToken
	next := b.mustRefresh(used).RefreshToken
	b.clock.advance(grace + time.Millisecond)
	_, err := b.refresh(used)
	want(t, err, auth.CodeSessionEnded)
	_, err = b.refresh(next)
	want(t, err, auth.CodeSessionEnded)
}

// TestTheft: a grandparent ends the grant, logs it, and says why in the audit.
func TestTheft(t *testing.T) {
	b := setUp(t)
	stolen := b.signIn(orders, auth.ModeToken)
	sid := b.claims(stolen.AccessToken, orders).SessionID
	parent := b.mustRefresh(stolen.RefreshToken).RefreshToken
	current := b.mustRefresh(parent).RefreshToken
	_, err := b.refresh(stolen.RefreshToken)
	want(t, err, auth.CodeSessionEnded)
	if !b.logged(revlog.Session, sid) {
		t.Error("the sid is not in the revocation log")
	}
	if n := b.audited("grant.theft"); n != 1 {
		t.Errorf("%d thefts were audited, want 1", n)
	}
	_, err = b.refresh(current)
	want(t, err, auth.CodeSessionEnded)
}

// TestStrangersEndNothing: what is refused for other reasons than its
// generation leaves the grant alive.
func TestStrangersEndNothing(t *testing.T) {
	b := setUp(t)
	first := b.signIn("", auth.ModeToken).RefreshToken
	parent := b.mustRefresh(first).RefreshToken
	current := b.mustRefresh(parent).RefreshToken
	flipped := []byte(current)
	flipped[20] ^= 1
	for name, in := range map[string]session.Refresh{
		"changed":                {Token: string(flipped), ClientID: auth.ClientWrit},
		"another client's":       {Token: first, ClientID: "cli_other"},
		"in a cookie":            {Token: first, ClientID: auth.ClientWrit, Cookie: true},
		"an access token":        {Token: b.signIn("", auth.ModeToken).AccessToken, ClientID: auth.ClientWrit},
		"empty":                  {Token: "", ClientID: auth.ClientWrit},
		"for an unknown API":     {Token: current, ClientID: auth.ClientWrit, Audience: "https://nobody.example"},
		"a grandparent, unknown": {Token: first, ClientID: auth.ClientWrit, Audience: "https://nobody.example"},
	} {
		_, err := b.Refresh(t.Context(), in)
		code := auth.CodeInvalidToken
		if in.Audience != "" {
			code = auth.CodeInvalid
		}
		t.Run(name, func(t *testing.T) { want(t, err, code) })
	}
	b.mustRefresh(current)
}

// TestStateLost: a token newer than the database is no theft.
func TestStateLost(t *testing.T) {
	b := setUp(t)
	out := b.signIn(orders, auth.ModeToken)
	sid := b.claims(out.AccessToken, orders).SessionID
	before, err := b.store.HeldByGrant(t.Context(), sid)
	if err != nil {
		t.Fatal(err)
	}
	next := b.mustRefresh(out.RefreshToken).RefreshToken
	after, err := b.store.HeldByGrant(t.Context(), sid)
	if err != nil {
		t.Fatal(err)
	}
	// As after a restore: the row is what it was before the rotation.
	ok, err := b.store.Rotate(t.Context(), sid, after.Grant.Rotation, auth.Turn{To: before.Grant.Rotation})
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	_, err = b.refresh(next)
	want(t, err, auth.CodeStateLost)
	b.mustRefresh(out.RefreshToken)
}

func TestExpiry(t *testing.T) {
	b := setUp(t, func(o *session.Options) { o.RefreshTTL, o.SessionTTL = time.Hour, 90*time.Minute })
	idle := b.signIn("", auth.ModeToken).RefreshToken
	b.clock.advance(time.Hour - time.Millisecond)
	token := b.mustRefresh(idle).RefreshToken
	b.clock.advance(30 * time.Minute)
	out := b.mustRefresh(token)
	if got := out.AccessExpiry.Sub(b.clock.Now()); got > time.Millisecond {
		t.Errorf("an access token outlives its session by %v", got)
	}
	b.clock.advance(time.Millisecond)
	_, err := b.refresh(out.RefreshToken)
	want(t, err, auth.CodeSessionEnded)

	b.clock.advance(time.Second)
	abandoned := b.signIn("", auth.ModeToken).RefreshToken
	b.clock.advance(time.Hour)
	_, err = b.refresh(abandoned)
	want(t, err, auth.CodeSessionEnded)
}

// TestSessionOutlivesItsGrants: most refreshes leave the session's row as it is,
// and none ends a session before what it promised.
func TestSessionOutlivesItsGrants(t *testing.T) {
	b := setUp(t, func(o *session.Options) { o.RefreshTTL, o.SessionTTL = 64*time.Hour, 1000*time.Hour })
	out := b.signIn("", auth.ModeToken)
	sid := b.claims(out.AccessToken, issuer).SessionID
	held := func() auth.Held {
		t.Helper()
		h, err := b.store.HeldByGrant(t.Context(), sid)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	refresh := func(after, slack time.Duration) (moved bool) {
		t.Helper()
		b.clock.advance(after)
		before := held().Session.IdleExpiry
		out = b.mustRefresh(out.RefreshToken)
		h := held()
		if at := h.Session.IdleExpiry; at.Before(out.RefreshExpiry) || at.After(out.RefreshExpiry.Add(slack)) {
			t.Fatalf("a session goes idle at %v, its refresh token at %v", at, out.RefreshExpiry)
		}
		if !h.Grant.IdleExpiry.Equal(out.RefreshExpiry) {
			t.Fatalf("a grant goes idle at %v, its refresh token at %v", h.Grant.IdleExpiry, out.RefreshExpiry)
		}
		return !h.Session.IdleExpiry.Equal(before)
	}
	moves := 0
	for range 120 {
		if refresh(10*time.Minute, time.Hour) {
			moves++
		}
	}
	if moves != 18 { // the first, and each seventh after it
		t.Errorf("120 refreshes in 20 hours moved the session's idle expiry %d times, want 18", moves)
	}
	refresh(64*time.Hour-time.Millisecond, time.Hour)
	b.RefreshTTL = 32 * time.Hour // an operator's will is done at the next refresh
	refresh(time.Minute, 30*time.Minute)
	b.RefreshTTL = 64 * time.Hour
	refresh(time.Minute, time.Hour)
	b.clock.advance(64 * time.Hour)
	_, err := b.refresh(out.RefreshToken)
	want(t, err, auth.CodeSessionEnded)

	// Near the absolute end there is nothing to move.
	out = b.signIn("", auth.ModeToken)
	sid = b.claims(out.AccessToken, issuer).SessionID
	for range 15 {
		refresh(63*time.Hour, time.Hour)
	}
	for range 2 {
		if refresh(time.Hour, 0) {
			t.Error("a session's idle expiry moved past its end")
		}
	}
}

// TestClientsKeepNobodySignedIn: what a client refreshes keeps the session alive,
// and not the cookie, which goes idle by its own use alone, to the moment.
func TestClientsKeepNobodySignedIn(t *testing.T) {
	b := setUp(t, func(o *session.Options) { o.RefreshTTL = 64 * time.Hour })
	browser := b.signIn("", auth.ModeSession)
	who, out := b.delegate(browser)
	b.clock.advance(64*time.Hour - time.Millisecond)
	token := b.mustRefresh(out.RefreshToken).RefreshToken
	h, err := b.store.HeldByCookie(t.Context(), who.Session.CookieHash)
	if err != nil || !h.Session.IdleExpiry.After(b.clock.Now().Add(64*time.Hour)) {
		t.Fatalf("a session in use goes idle at %v (%v)", h.Session.IdleExpiry, err)
	}
	b.clock.advance(time.Millisecond)
	_, err = b.ByCookie(t.Context(), browser.Cookie)
	want(t, err, auth.CodeSessionEnded)
	b.mustRefresh(token)
}

// TestClientsDontHideAUse: a cookie in use stays good however often clients refresh
// in between.
func TestClientsDontHideAUse(t *testing.T) {
	b := setUp(t, func(o *session.Options) { o.RefreshTTL = 30 * time.Minute })
	browser := b.signIn("", auth.ModeSession)
	_, out := b.delegate(browser)
	for range 50 {
		b.clock.advance(50 * time.Second)
		out.Tokens = b.mustRefresh(out.RefreshToken)
		if _, err := b.ByCookie(t.Context(), browser.Cookie); err != nil {
			t.Fatal(err)
		}
	}
}

// delegate begins a client's grant in a browser's session.
func (b *bench) delegate(browser session.Tokens) (session.Identity, session.ClientTokens) {
	b.t.Helper()
	who, err := b.ByCookie(b.t.Context(), browser.Cookie)
	if err != nil {
		b.t.Fatal(err)
	}
	c, err := b.store.ClientByID(b.t.Context(), auth.ClientWrit)
	if err != nil {
		b.t.Fatal(err)
	}
	code := auth.AuthorizationCode{Hash: [32]byte{7}, ClientID: c.ID, SessionID: who.Session.ID, SignInID: who.Grant.ID,
		RedirectURI: "https://a.example/", Challenge: "x", ExpiresAt: b.clock.Now().Add(time.Minute)}
	if err := b.store.AddCode(b.t.Context(), code); err != nil {
		b.t.Fatal(err)
	}
	out, _, err := b.Delegate(b.t.Context(), session.Delegation{SignInID: who.Grant.ID, Client: c, Refresh: true,
		Begin: func(ctx context.Context, g auth.Grant, marks auth.Marks) (bool, error) {
			return b.store.Redeem(ctx, code.Hash, g, code.ExpiresAt, marks, auth.Event{})
		}})
	if err != nil {
		b.t.Fatal(err)
	}
	return who, out
}

// TestRefreshForAnotherAPI: one sign-in serves several APIs and Writ itself.
func TestRefreshForAnotherAPI(t *testing.T) {
	b := setUp(t)
	token := b.signIn(orders, auth.ModeToken).RefreshToken
	out, err := b.Refresh(t.Context(), session.Refresh{Token: token, ClientID: auth.ClientWrit, Audience: issuer})
	if err != nil {
		t.Fatal(err)
	}
	b.claims(out.AccessToken, issuer)
	b.claims(b.mustRefresh(out.RefreshToken).AccessToken, orders)
}

// TestRefreshRacesLogOut: whatever the order, no token outlives the log's
// memory of its session.
func TestRefreshRacesLogOut(t *testing.T) {
	b := setUp(t)
	for range 20 {
		out := b.signIn(orders, auth.ModeToken)
		b.clock.advance(time.Hour) // so that every refresh must raise a mark
		var wg sync.WaitGroup
		var mu sync.Mutex
		var latest time.Time
		for range 8 {
			wg.Go(func() {
				r, err := b.Refresh(context.Background(), session.Refresh{Token: out.RefreshToken, ClientID: auth.ClientWrit})
				mu.Lock()
				defer mu.Unlock()
				if err == nil && r.AccessExpiry.After(latest) {
					latest = r.AccessExpiry
				}
			})
		}
		var seq uint64
		wg.Go(func() {
			var err error
			if seq, err = b.SignOutByRefresh(context.Background(), out.RefreshToken, false, session.Request{}); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		page, err := b.store.LogPage(t.Context(), seq-1, 1, b.clock.Now())
		if err != nil || len(page.Entries) != 1 {
			t.Fatalf("entry %d: %v, %v", seq, page.Entries, err)
		}
		if expiry := time.Unix(page.Entries[0].Expiry, 0); !latest.IsZero() && expiry.Before(latest) {
			t.Fatalf("the log forgets at %v, a token lives until %v", expiry, latest)
		}
	}
}

// TestNoRefresh is the bank's way: a sign-in lasts as long as one access token.
func TestNoRefresh(t *testing.T) {
	b := setUp(t, func(o *session.Options) { o.RefreshTTL = 0 })
	out := b.signIn("", auth.ModeToken)
	if out.RefreshToken != "" || out.RefreshIn != 0 || out.ExpiresIn != 15*time.Minute {
		t.Errorf("got %+v", out)
	}
	cookie := b.signIn("", auth.ModeSession)
	b.clock.advance(15*time.Minute - time.Second)
	if _, err := b.ByToken(t.Context(), out.AccessToken, false); err != nil {
		t.Error(err)
	}
	if _, err := b.ByCookie(t.Context(), cookie.Cookie); err != nil {
		t.Error(err)
	}
	b.clock.advance(time.Second)
	_, err := b.ByCookie(t.Context(), cookie.Cookie)
	want(t, err, auth.CodeSessionEnded)
}

// TestRefreshSwitchedOff: what was begun before ends with its access token.
func TestRefreshSwitchedOff(t *testing.T) {
	b := setUp(t)
	out := b.signIn("", auth.ModeToken)
	b.RefreshTTL = 0
	_, err := b.refresh(out.RefreshToken)
	want(t, err, auth.CodeSessionEnded)
}

type grants interface{ auth.Sessions }

// forgetful deletes the user as soon as something of theirs is to be ended.
type forgetful struct {
	grants
	users auth.Users
	id    string
}

func (f *forgetful) End(ctx context.Context, e auth.Ending, now time.Time, ev auth.Event) (uint64, error) {
	if _, err := f.users.DeleteUser(ctx, f.id, now, auth.Event{}); err != nil {
		return 0, err
	}
	return f.grants.End(ctx, e, now, ev)
}

// TestDeletedMeanwhile: who is refused, or signs out, while another node deletes the
// user hears what they would have heard: that it is over.
func TestDeletedMeanwhile(t *testing.T) {
	var sessions *forgetful
	start := func() (*bench, session.Tokens) {
		b := setUp(t, func(o *session.Options) {
			sessions = &forgetful{o.Sessions, o.Users, ""}
			o.Sessions = sessions
		})
		sessions.id = b.user.ID
		return b, b.signIn("", auth.ModeToken)
	}
	b, first := start()
	second := b.mustRefresh(first.RefreshToken)
	b.mustRefresh(second.RefreshToken)
	_, err := b.refresh(first.RefreshToken) // a theft
	want(t, err, auth.CodeSessionEnded)

	b, first = start()
	if seq, err := b.SignOutByRefresh(t.Context(), first.RefreshToken, false, session.Request{}); err != nil || seq == 0 {
		t.Errorf("SignOutByRefresh = %d, %v, want the number of the end", seq, err)
	}
}
