package session_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/writ-auth/writ/internal/revlog"
	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/session"
)

func TestSignInByEmailAndName(t *testing.T) {
	b := setUp(t)
	for _, login := range []string{"ada", "ADA", "ada@example.com", "Ada@Example.COM"} {
		out, err := b.SignIn(t.Context(), session.SignIn{Login: login, Password: password, Mode: auth.ModeToken})
		if err != nil || out.User.ID != b.user.ID {
			t.Errorf("%s: %v", login, err)
		}
	}
}

func TestSignInRefused(t *testing.T) {
	b := setUp(t)
	disabled := auth.User{ID: auth.NewID(auth.PrefixUser), Username: "eve", PasswordHash: b.user.PasswordHash, Disabled: true, Epoch: auth.Random128()}
	passwordless := auth.User{ID: auth.NewID(auth.PrefixUser), Username: "bob", Epoch: auth.Random128()}
	if err := errors.Join(b.store.CreateUser(t.Context(), disabled, auth.Event{}), b.store.CreateUser(t.Context(), passwordless, auth.Event{})); err != nil {
		t.Fatal(err)
	}
	messages := map[string]bool{}
	for name, in := range map[string]session.SignIn{
		"wrong password":  {Login: "ada", Password: "wrong horse battery staple"},
		"unknown user":    {Login: "nobody", Password: password},
		"disabled":        {Login: "eve", Password: password},
		"no password set": {Login: "bob", Password: ""},
		"empty":           {Login: "ada", Password: ""},
		"id as login":     {Login: b.user.ID, Password: password},
	} {
		in.Mode = auth.ModeToken
		_, err := b.SignIn(t.Context(), in)
		t.Run(name, func(t *testing.T) { want(t, err, auth.CodeInvalidCredentials) })
		var e *auth.Error
		if errors.As(err, &e) {
			messages[e.Message] = true
		}
	}
	if len(messages) != 1 {
		t.Errorf("the causes can be told apart: %v", messages)
	}
	_, err := b.SignIn(t.Context(), session.SignIn{Login: "ada", Password: password, Audience: "https://nobody.example", Mode: auth.ModeToken})
	want(t, err, auth.CodeInvalid)
}

// TestAudience: a token is for one API, and Writ itself is one.
func TestAudience(t *testing.T) {
	b := setUp(t)
	own := b.signIn("", auth.ModeToken)
	api := b.signIn(orders, auth.ModeToken)
	if c := b.claims(own.AccessToken, issuer); len(c.Audience) != 1 || c.Audience[0] != issuer {
		t.Errorf("aud %v", c.Audience)
	}
	if c := b.claims(api.AccessToken, orders); len(c.Audience) != 1 || c.Audience[0] != orders {
		t.Errorf("aud %v", c.Audience)
	}
	if who, err := b.ByToken(t.Context(), own.AccessToken, false); err != nil || who.User.ID != b.user.ID {
		t.Errorf("own token: %v", err)
	}
	_, err := b.ByToken(t.Context(), api.AccessToken, false)
	want(t, err, auth.CodeInvalidToken)
	if _, err := b.SignOutByToken(t.Context(), api.AccessToken, false, session.Request{}); err != nil {
		t.Errorf("an API's token could not end its own session: %v", err)
	}
	_, err = b.refresh(api.RefreshToken)
	want(t, err, auth.CodeSessionEnded)
	b.mustRefresh(own.RefreshToken)
}

func TestModesAreNotExchanged(t *testing.T) {
	b := setUp(t)
	cookie := b.signIn("", auth.ModeCookie)
	token := b.signIn("", auth.ModeToken)
	_, err := b.ByToken(t.Context(), cookie.AccessToken, false)
	want(t, err, auth.CodeInvalidToken)
	_, err = b.ByToken(t.Context(), token.AccessToken, true)
	want(t, err, auth.CodeInvalidToken)
	if _, err := b.ByToken(t.Context(), cookie.AccessToken, true); err != nil {
		t.Error(err)
	}
	_, err = b.refresh(cookie.RefreshToken)
	want(t, err, auth.CodeInvalidToken)
	_, err = b.SignOutByRefresh(t.Context(), cookie.RefreshToken, false, session.Request{})
	want(t, err, auth.CodeInvalidToken)
}

// TestServerSideSession: the opaque cookie is looked up at each request, and
// dead the moment the session ends.
func TestServerSideSession(t *testing.T) {
	b := setUp(t)
	out := b.signIn("", auth.ModeSession)
	if out.AccessToken != "" || out.RefreshToken != "" || out.Cookie == "" {
		t.Fatalf("a server-side session got tokens: %+v", out)
	}
	if who, err := b.ByCookie(t.Context(), out.Cookie); err != nil || who.User.ID != b.user.ID {
		t.Fatalf("ByCookie: %v", err)
	}
	b.clock.advance(6 * 24 * time.Hour) // inside the idle lifetime, which use extends
	if _, err := b.ByCookie(t.Context(), out.Cookie); err != nil {
		t.Fatal(err)
	}
	b.clock.advance(6 * 24 * time.Hour)
	if _, err := b.ByCookie(t.Context(), out.Cookie); err != nil {
		t.Errorf("a session in use went idle: %v", err)
	}
	if _, err := b.SignOutByCookie(t.Context(), out.Cookie, session.Request{}); err != nil {
		t.Fatal(err)
	}
	_, err := b.ByCookie(t.Context(), out.Cookie)
	want(t, err, auth.CodeSessionEnded)
	idle := b.signIn("", auth.ModeSession)
	b.clock.advance(7 * 24 * time.Hour)
	_, err = b.ByCookie(t.Context(), idle.Cookie)
	want(t, err, auth.CodeSessionEnded)
}

// TestEverywhere: every session of before is over, one of the same instant is
// not caught.
func TestEverywhere(t *testing.T) {
	b := setUp(t)
	tokens := b.signIn(orders, auth.ModeToken)
	cookie := b.signIn("", auth.ModeSession)
	own := b.signIn("", auth.ModeToken)
	epoch := b.claims(tokens.AccessToken, orders).Epochs[0]
	who, err := b.ByToken(t.Context(), own.AccessToken, false)
	if err != nil {
		t.Fatal(err)
	}
	seq, err := b.SignOutEverywhere(t.Context(), who, session.Request{})
	if err != nil || seq == 0 || !b.logged(revlog.Epoch, epoch) {
		t.Fatalf("seq %d, %v; the old epoch in the log: %v", seq, err, b.logged(revlog.Epoch, epoch))
	}
	after := b.signIn("", auth.ModeToken)
	for _, token := range []string{tokens.RefreshToken, own.RefreshToken} {
		_, err := b.refresh(token)
		want(t, err, auth.CodeSessionEnded)
	}
	_, err = b.ByCookie(t.Context(), cookie.Cookie)
	want(t, err, auth.CodeSessionEnded)
	_, err = b.ByToken(t.Context(), own.AccessToken, false)
	want(t, err, auth.CodeInvalidToken)
	if _, err := b.ByToken(t.Context(), after.AccessToken, false); err != nil {
		t.Errorf("a sign-in of the same second was caught: %v", err)
	}
	b.mustRefresh(after.RefreshToken)
}

func TestPasswordChange(t *testing.T) {
	b := setUp(t)
	old := b.signIn("", auth.ModeToken)
	who, err := b.ByToken(t.Context(), old.AccessToken, false)
	if err != nil {
		t.Fatal(err)
	}
	const next = "a much better password"
	for name, c := range map[string]struct {
		current, next string
		code          auth.Code
	}{
		"wrong current": {"not the password", next, auth.CodeInvalidCredentials},
		"too short":     {password, "short", auth.CodeInvalid},
		"the same":      {password, password, auth.CodeInvalid},
	} {
		_, err := b.ChangePassword(t.Context(), session.PasswordChange{User: who.User, Current: c.current, New: c.next})
		t.Run(name, func(t *testing.T) { want(t, err, c.code) })
	}
	if _, err := b.ChangePassword(t.Context(), session.PasswordChange{User: who.User, Current: password, New: next}); err != nil {
		t.Fatal(err)
	}
	_, err = b.refresh(old.RefreshToken)
	want(t, err, auth.CodeSessionEnded)
	_, err = b.SignIn(t.Context(), session.SignIn{Login: "ada", Password: password, Mode: auth.ModeToken})
	want(t, err, auth.CodeInvalidCredentials)
	if _, err := b.SignIn(t.Context(), session.SignIn{Login: "ada", Password: next, Mode: auth.ModeToken}); err != nil {
		t.Error(err)
	}
}

// TestMustChange: the first password of an https server signs nobody in.
func TestMustChange(t *testing.T) {
	b := setUp(t)
	user := b.user
	user.ID, user.Username, user.Email, user.MustChange = auth.NewID(auth.PrefixUser), "new", "", true
	if err := b.store.CreateUser(t.Context(), user, auth.Event{}); err != nil {
		t.Fatal(err)
	}
	_, err := b.SignIn(t.Context(), session.SignIn{Login: "new", Password: password, Mode: auth.ModeToken})
	want(t, err, auth.CodePasswordChange)
	var e *auth.Error
	errors.As(err, &e)
	token, _ := e.Data["password_change_token"].(string)
	_, err = b.ByToken(t.Context(), token, false)
	want(t, err, auth.CodeInvalidToken)
	who, err := b.ByChangeToken(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.ChangePassword(t.Context(), session.PasswordChange{User: who, Current: password, New: "the second password"}); err != nil {
		t.Fatal(err)
	}
	_, err = b.ByChangeToken(t.Context(), token)
	want(t, err, auth.CodeInvalidToken)
	if _, err := b.SignIn(t.Context(), session.SignIn{Login: "new", Password: "the second password", Mode: auth.ModeToken}); err != nil {
		t.Error(err)
	}
}

// TestGuessing: parallel guesses can't slip past the throttle together.
func TestGuessing(t *testing.T) {
	b := setUp(t)
	codes := map[auth.Code]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_, err := b.SignIn(context.Background(), session.SignIn{Login: "ada", Password: "wrong password", Mode: auth.ModeToken,
				Request: session.Request{Address: "192.0.2.66"}})
			var e *auth.Error
			mu.Lock()
			defer mu.Unlock()
			if errors.As(err, &e) {
				codes[e.Code]++
			}
		})
	}
	wg.Wait()
	if codes[auth.CodeTooMany] < 30 || codes[auth.CodeInvalidCredentials] == 0 {
		t.Errorf("of 50 guesses at once: %v; most must be throttled", codes)
	}
}

func TestEndSession(t *testing.T) {
	b := setUp(t)
	mine := b.signIn("", auth.ModeToken)
	other := b.signIn(orders, auth.ModeToken)
	who, err := b.ByToken(t.Context(), mine.AccessToken, false)
	if err != nil {
		t.Fatal(err)
	}
	sid := b.claims(other.AccessToken, orders).SessionID
	if _, err := b.EndSession(t.Context(), who, sid, session.Request{}); err != nil {
		t.Errorf("by its sid: %v", err)
	}
	_, err = b.refresh(other.RefreshToken)
	want(t, err, auth.CodeSessionEnded)
	_, err = b.EndSession(t.Context(), who, "ses_none", session.Request{})
	want(t, err, auth.CodeNotFound)
	stranger := who
	stranger.User.ID = "usr_stranger"
	_, err = b.EndSession(t.Context(), stranger, mine.SessionID, session.Request{})
	want(t, err, auth.CodeNotFound)
	b.mustRefresh(mine.RefreshToken)
}

func TestDisabledUserIsOutAtOnce(t *testing.T) {
	b := setUp(t)
	out := b.signIn("", auth.ModeToken)
	user, err := b.store.UserByID(t.Context(), b.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	user.Disabled = true
	end := &auth.Ending{UserID: user.ID, NewEpoch: auth.Random128(), Reason: "disabled"}
	if _, err := b.store.UpdateUser(t.Context(), user, user.UpdatedAt, end, b.clock.Now(), auth.Event{}); err != nil {
		t.Fatal(err)
	}
	_, err = b.refresh(out.RefreshToken)
	want(t, err, auth.CodeSessionEnded)
	_, err = b.ByToken(t.Context(), out.AccessToken, false)
	want(t, err, auth.CodeInvalidToken)
}

// TestOrganisation: roles in an organisation count in its tokens alone.
func TestOrganisation(t *testing.T) {
	b := setUp(t)
	acme, umbrella := auth.Org{ID: "org_1", Slug: "acme"}, auth.Org{ID: "org_2", Slug: "umbrella"}
	if err := errors.Join(
		b.store.CreateOrg(t.Context(), acme, auth.Event{}), b.store.CreateOrg(t.Context(), umbrella, auth.Event{}),
		b.store.CreateRole(t.Context(), auth.Role{ID: "rol_1", Name: "buyer", Permissions: []string{"orders.write"}}, auth.Event{}),
		b.putMember(auth.Member{OrgID: acme.ID, UserID: b.user.ID, Roles: []string{"buyer"}}),
	); err != nil {
		t.Fatal(err)
	}
	signIn := func(org string) (session.Tokens, error) {
		return b.SignIn(t.Context(), session.SignIn{Login: "ada", Password: password, Audience: orders, Mode: auth.ModeToken, Org: org})
	}
	check := func(name, asked, org string, roles, permissions int) {
		t.Helper()
		out, err := signIn(asked)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if c := b.claims(out.AccessToken, orders); c.Org != org || len(c.Roles) != roles || len(c.Permissions) != permissions {
			t.Errorf("%s: org %q, roles %v, permissions %v", name, c.Org, c.Roles, c.Permissions)
		}
	}
	check("the only one", "", "acme", 1, 1)
	check("by its slug", "acme", "acme", 1, 1)
	_, err := signIn("umbrella")
	want(t, err, auth.CodeInvalid)
	if err := b.putMember(auth.Member{OrgID: umbrella.ID, UserID: b.user.ID}); err != nil {
		t.Fatal(err)
	}
	check("one of two, unnamed", "", "", 0, 0)
	check("one of two, by its id", umbrella.ID, "umbrella", 0, 0)
	out, err := signIn("acme")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.RemoveMember(t.Context(), acme.ID, b.user.ID, nil, b.clock.Now(), auth.Event{}); err != nil {
		t.Fatal(err)
	}
	if c := b.claims(b.mustRefresh(out.RefreshToken).AccessToken, orders); c.Org != "" || len(c.Roles) != 0 {
		t.Errorf("who left has org %q and roles %v at the next refresh", c.Org, c.Roles)
	}
}
