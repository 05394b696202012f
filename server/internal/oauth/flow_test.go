package oauth_test

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// The whole way: an unknown browser, the pages, the code, the tokens, userinfo,
// a refresh, and the second application that asks for no password.
func TestCodeFlow(t *testing.T) {
	s := start(t)
	id := s.person()
	one := s.appClient("one", `,"client_name":"First","scope":"openid profile email read","audiences":["`+orders+`"]`)
	two := s.appClient("two", `,"client_name":"Second"`)
	b := s.browser()

	page := b.own(b.get(one.request("scope", "openid profile read", "login_hint", "ad<a"))).page(200, "Sign in")
	if !strings.Contains(page.text, `value="ad&lt;a"`) || !strings.Contains(page.text, "First") || !strings.Contains(page.text, "app.example") {
		t.Errorf("the page names neither application nor hint: %s", page.text)
	}
	consent := b.signInAt(page).page(200, "Allow access?")
	for _, want := range []string{"First", "Ada Lovelace", "See your name", "<code>read</code>", orders} {
		if !strings.Contains(consent.text, want) {
			t.Errorf("the page of consent lacks %q: %s", want, consent.text)
		}
	}
	back := b.allow(consent).back()
	if back.Get("state") != "st" || !strings.HasPrefix(back.Get("code"), "writ_ac_") {
		t.Fatalf("answer %v", back)
	}
	signedIn := s.clock()
	s.advance(10 * time.Second)
	a := s.redeem(one, s.hide(back.Get("code"))).is(200)
	if a.header.Get("Cache-Control") != "no-store" || a.str("token_type") != "Bearer" || a.str("scope") != "openid profile read" {
		t.Errorf("answer %s", a.text)
	}
	access, err := s.accessToken(orders, a.str("access_token"))
	if err != nil {
		t.Fatal(err)
	}
	if access.Subject != id || access.ClientID != "one" || !slices.Equal(access.Scope, []string{"openid", "profile", "read"}) || access.Name != "Ada Lovelace" {
		t.Errorf("access token %+v", access)
	}
	claims := s.idToken(one, a.str("id_token"), "n-1")
	if claims.Subject != id || claims.SessionID != access.SessionID || claims.AuthTime.Time().Unix() != signedIn.Unix() ||
		!slices.Equal(claims.AMR, []string{"pwd"}) || claims.Name != "Ada Lovelace" || claims.Email != "" || claims.AccessTokenHash == "" {
		t.Errorf("ID token %+v", claims)
	}

	fresh := s.refreshAs(one, a.str("refresh_token")).is(200)
	if fresh.str("refresh_token") == a.str("refresh_token") || fresh.str("scope") != "openid profile read" {
		t.Errorf("refreshed: %s", fresh.text)
	}
	if again := s.idToken(one, fresh.str("id_token"), ""); again.Subject != id || again.Nonce != "" || again.AuthTime != claims.AuthTime {
		t.Errorf("the refreshed ID token %+v", again)
	}

	second := b.own(b.get(two.request()))
	a = s.redeem(two, b.s.hide(b.allow(second).back().Get("code"))).is(200)
	if got := s.idToken(two, a.str("id_token"), "n-1"); got.Subject != id || got.AuthTime != claims.AuthTime {
		t.Errorf("the second application's ID token %+v", got)
	}
	info := s.send("GET", "/oauth/userinfo", "", "", bearer(a.str("access_token"))).is(200)
	if len(info.body) != 1 || info.str("sub") != id {
		t.Errorf("userinfo %s", info.text)
	}
	if code := b.get(two.request()).back().Get("code"); code == "" { // remembered
		t.Error("the second application was asked again")
	} else {
		s.hide(code)
	}
}
