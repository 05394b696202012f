package oauth_test

import (
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
