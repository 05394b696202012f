package oauth_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// The tokens say how and when the person signed in. What the client wished
// changes nothing, and refuses nobody (OpenID Connect Core, section 3.1.2.1): a
// client for which the claim is not enough decides so itself.
func TestAuthenticationContext(t *testing.T) {
	s := start(t)
	s.person()
	app := s.appClient("app", `,"skip_consent":true,"audiences":["`+orders+`"]`)
	b := s.browser()
	b.code(app)
	signedIn := s.clock().Unix()
	for _, wish := range [][]string{
		nil, {"acr_values", "urn:writ:acr:pwd"}, {"acr_values", "phr phrh"}, {"acr_values", "0", "prompt", "none"},
		{"claims", `{"id_token":{"acr":{"essential":true,"values":["phr"]}}}`}, // not supported, and discovery says so
	} {
		s.advance(time.Second)
		a := s.redeem(app, b.code(app, wish...)).is(200)
		id := s.idToken(app, a.str("id_token"), "n-1")
		access, err := s.accessToken(orders, a.str("access_token"))
		if err != nil {
			t.Fatal(err)
		}
		if id.ACR != "urn:writ:acr:pwd" || !slices.Equal(id.AMR, []string{"pwd"}) || id.AuthTime.Time().Unix() != signedIn {
			t.Errorf("%v: ID token %+v", wish, id)
		}
		if access.ACR != id.ACR || !slices.Equal(access.AMR, id.AMR) || access.AuthTime != id.AuthTime {
			t.Errorf("%v: access token %+v", wish, access)
		}
		fresh := s.refreshAs(app, a.str("refresh_token")).is(200)
		if again := s.idToken(app, fresh.str("id_token"), ""); again.ACR != id.ACR || again.AuthTime != id.AuthTime {
			t.Errorf("%v: refreshed %+v", wish, again)
		}
	}
	b.get(app.request("acr_values", strings.Repeat("x", 321))).tells("invalid_request")
}

// What a client's tokens say of the sign-in stays as it was when the person came
// from it (RFC 9068, section 2.2.1; OpenID Connect Core, section 12.2). When they
// sign in again for another application, or for the same, who has stolen the
// refresh token passes no API's demand for a recent sign-in; and clients compare
// the auth_time of a refreshed ID token with that of the first.
func TestAuthenticationContextOfRefreshes(t *testing.T) {
	s := start(t)
	s.person()
	app := s.appClient("app", `,"skip_consent":true,"scope":"openid read","audiences":["`+orders+`"]`)
	other := s.appClient("other", `,"skip_consent":true`)
	service := s.service("orders-service", `,"grant_types":["urn:ietf:params:oauth:grant-type:token-exchange"],"scope":"read","audiences":["`+orders+`","`+stock+`"]`)
	b := s.browser()
	first := s.redeem(app, b.code(app, "scope", "openid read")).is(200)
	signedIn := s.clock().Unix()
	s.advance(time.Minute)
	b.signInAt(b.own(b.get(other.request("prompt", "login"))))
	again := s.clock().Unix()
	s.advance(time.Minute)

	check := func(what, token string, want int64) {
		t.Helper()
		access, err := s.accessToken(orders, token)
		if err != nil || access.AuthTime.Time().Unix() != want {
			t.Errorf("%s: auth_time %v, want %d: %v", what, access.AuthTime, want, err)
		}
	}
	fresh := s.refreshAs(app, first.str("refresh_token")).is(200)
	check("the refreshed access token", fresh.str("access_token"), signedIn)
	if id := s.idToken(app, fresh.str("id_token"), ""); id.AuthTime.Time().Unix() != signedIn {
		t.Errorf("the refreshed ID token: auth_time %v, want %d", id.AuthTime, signedIn)
	}
	onward := s.tokens(service, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "resource": {orders},
		"subject_token": {fresh.str("access_token")}, "subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"}}).is(200)
	check("the exchanged token", onward.str("access_token"), signedIn)

	second := s.redeem(app, b.code(app, "scope", "openid read")).is(200)
	check("the token of a later code", second.str("access_token"), again)
	check("and refreshed", s.refreshAs(app, second.str("refresh_token")).is(200).str("access_token"), again)
	s.restart()
	check("the first, refreshed again", s.refreshAs(app, fresh.str("refresh_token")).is(200).str("access_token"), signedIn)
}
