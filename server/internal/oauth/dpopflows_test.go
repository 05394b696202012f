package oauth_test

import (
	"net/url"
	"strings"
	"testing"
)

// A pushed request may bring its key as a proof or by name; the code is for
// that key.
func TestPossessionPushed(t *testing.T) {
	s := start(t)
	s.person()
	app, h, thief := s.public("app"), s.holder(), s.holder()
	const parURL = issuer + "/oauth/par"
	push := func(jkt string, changes ...with) *answer {
		t.Helper()
		v, err := url.ParseQuery(strings.TrimPrefix(app.request("dpop_jkt", jkt), "/oauth/authorize?"))
		if err != nil {
			t.Fatal(err)
		}
		return s.send("POST", "/oauth/par", formType, v.Encode(), changes...)
	}
	proof := func() with { return header("DPoP", h.proof("POST", parURL, "", h.nonce)) }
	push("", header("DPoP", h.proof("POST", parURL, "", ""))).fails(400, "use_dpop_nonce")
	push("", h.atToken()).fails(400, "invalid_dpop_proof")
	push(thief.signer.Thumbprint(), proof()).fails(400, "invalid_dpop_proof")
	used := proof()
	for n, a := range []*answer{push("", used), push(h.signer.Thumbprint(), proof()), push(h.signer.Thumbprint())} {
		b := s.browser()
		page := b.own(b.get(app.pushed(a.is(201).str("request_uri"))))
		code := s.hide(b.signInAt(page).back().Get("code"))
		s.redeemWith(app, code).fails(400, "invalid_grant")
		s.redeemWith(app, code, thief.atToken()).fails(400, "invalid_grant")
		if a := s.redeemWith(app, code, h.atToken()).is(200); a.str("token_type") != "DPoP" {
			t.Errorf("%d: %s", n, a.text)
		}
	}
	push("", used).fails(400, "invalid_dpop_proof")
}

// An exchange never loosens what a token is bound to: the key stays that of the
// token, and only a token without one is bound to the service's.
func TestPossessionExchange(t *testing.T) {
	s := startExchanging(t)
	s.person()
	app, h, own := s.public("app"), s.holder(), s.holder()
	b := s.browser()
	bound := s.redeemWith(app, b.code(app, "resource", orders, "scope", "openid read"), h.atToken()).is(200).str("access_token")
	free := s.redeemWith(app, b.code(app, "resource", orders, "scope", "openid read")).is(200).str("access_token")
	exchange := func(token string, changes ...with) *answer {
		t.Helper()
		return s.tokensWith(s.orders, url.Values{"grant_type": {grantExchange}, "subject_token": {token}, "subject_token_type": {kindAccess}, "audience": {stock}}, changes...)
	}
	for name, c := range map[string]struct {
		token   string
		changes []with
		kind    string
		key     string
	}{
		"bound":                    {bound, nil, "DPoP", h.signer.Thumbprint()},
		"bound, with the same key": {bound, []with{h.atToken()}, "DPoP", h.signer.Thumbprint()},
		"free":                     {free, nil, "Bearer", ""},
		"free, with a key":         {free, []with{own.atToken()}, "DPoP", own.signer.Thumbprint()},
	} {
		a := exchange(c.token, c.changes...).is(200)
		if got := s.boundTo(stock, a.str("access_token")); got != c.key || a.str("token_type") != c.kind {
			t.Errorf("%s: %s, bound to %q, want %s and %q", name, a.str("token_type"), got, c.kind, c.key)
		}
	}
	exchange(bound, own.atToken()).fails(400, "invalid_request")
}
