package e2e

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	adaEmail = "ada@example.com"
	appURL   = "https://app.example/cb"
)

// relyingParty makes a client that signs people in, and answers its secret.
func (s *server) relyingParty(id string, members map[string]any) string {
	s.t.Helper()
	body := map[string]any{"grant_types": []string{"authorization_code", "refresh_token"}, "audiences": []string{}, "scope": "openid profile email",
		"redirect_uris": []string{appURL}, "post_logout_redirect_uris": []string{"https://app.example/out"}}
	for name, value := range members {
		body[name] = value
	}
	return s.service(id, body)
}

// TestSignInWithGoOIDC signs a person in as most applications in Go do: with
// golang.org/x/oauth2 and coreos/go-oidc, from discovery on.
func TestSignInWithGoOIDC(t *testing.T) {
	s := running(t)
	id := s.addUser(adaEmail)
	for _, method := range []string{"client_secret_basic", "client_secret_post", "none"} {
		t.Run(method, func(t *testing.T) {
			s := s.in(t)
			client := "go-" + method
			p := s.goParty(client, s.relyingParty(client, map[string]any{"token_endpoint_auth_method": method}))
			ada := s.person(adaEmail)
			token, idToken := p.signIn(ada)
			if want := []string{"/login", "/consent"}; !slices.Equal(ada.forms, want) {
				t.Errorf("forms %v, want %v", ada.forms, want)
			}
			if idToken.Subject != id || token.RefreshToken == "" || time.Until(token.Expiry) < 14*time.Minute {
				t.Errorf("signed in as %q, refresh token %q, expires %v", idToken.Subject, token.RefreshToken, token.Expiry)
			}
			p.checkUserInfo(id, token)
			p.checkRefresh(token)
			p.checkLogout(ada, token)
		})
	}
}

// goParty is an application that is written with go-oidc.
type goParty struct {
	t        *testing.T
	s        *server
	provider *oidc.Provider
	config   oauth2.Config
}

func (s *server) goParty(id, secret string) *goParty {
	s.t.Helper()
	provider, err := oidc.NewProvider(s.t.Context(), s.url(""))
	if err != nil {
		s.t.Fatal(err)
	}
	return &goParty{s.t.(*testing.T), s, provider, oauth2.Config{ClientID: id, ClientSecret: secret, Endpoint: provider.Endpoint(),
		RedirectURL: appURL, Scopes: []string{oidc.ScopeOpenID, "profile", "email"}}}
}

// signIn runs the code flow with PKCE and nonce.
func (p *goParty) signIn(who *person) (*oauth2.Token, *oidc.IDToken) {
	p.t.Helper()
	verifier, state, nonce := oauth2.GenerateVerifier(), oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	back, page := who.visit(p.config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)))
	if back == nil {
		p.t.Fatalf("the browser did not come back: %s", page)
	}
	answer := back.Query()
	if answer.Get("state") != state || answer.Get("iss") != p.s.url("") || back.Path != "/cb" {
		p.t.Fatalf("came back to %s", back)
	}
	if _, err := p.config.Exchange(p.t.Context(), answer.Get("code"), oauth2.VerifierOption(oauth2.GenerateVerifier())); err == nil {
		p.t.Error("another verifier will do")
	}
	token, err := p.config.Exchange(p.t.Context(), answer.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		p.t.Fatal(err)
	}
	return token, p.verify(token, nonce)
}

func (p *goParty) verify(token *oauth2.Token, nonce string) *oidc.IDToken {
	p.t.Helper()
	raw, _ := token.Extra("id_token").(string)
	idToken, err := p.provider.VerifierContext(p.t.Context(), &oidc.Config{ClientID: p.config.ClientID}).Verify(p.t.Context(), raw)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := idToken.VerifyAccessToken(token.AccessToken); err != nil { // at_hash
		p.t.Error(err)
	}
	if idToken.Nonce != nonce {
		p.t.Errorf("nonce %q, want %q", idToken.Nonce, nonce)
	}
	return idToken
}

func (p *goParty) checkUserInfo(id string, token *oauth2.Token) {
	p.t.Helper()
	info, err := p.provider.UserInfo(p.t.Context(), oauth2.StaticTokenSource(token))
	if err != nil {
		p.t.Fatal(err)
	}
	if info.Subject != id {
		p.t.Errorf("userinfo is about %q, want %q", info.Subject, id)
	}
}

// checkRefresh lets the library refresh, as it does when the token is over.
func (p *goParty) checkRefresh(token *oauth2.Token) {
	p.t.Helper()
	over := *token
	over.Expiry = time.Now().Add(-time.Minute)
	fresh, err := p.config.TokenSource(p.t.Context(), &over).Token()
	if err != nil {
		p.t.Fatal(err)
	}
	if fresh.AccessToken == token.AccessToken || fresh.RefreshToken == token.RefreshToken || fresh.RefreshToken == "" {
		p.t.Errorf("nothing is new: %v", fresh)
	}
	p.verify(fresh, "")
}

// checkLogout signs out at the endpoint that discovery names.
func (p *goParty) checkLogout(who *person, token *oauth2.Token) {
	p.t.Helper()
	var more struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := p.provider.Claims(&more); err != nil || more.EndSession == "" {
		p.t.Fatalf("end_session_endpoint %q: %v", more.EndSession, err)
	}
	hint, _ := token.Extra("id_token").(string)
	back, page := who.visit(more.EndSession + "?" + url.Values{"id_token_hint": {hint}, "state": {"bye"},
		"post_logout_redirect_uri": {"https://app.example/out"}}.Encode())
	if back == nil || back.String() != "https://app.example/out?state=bye" {
		p.t.Fatalf("after log-out the browser is at %v: %s", back, page)
	}
	over := *token
	over.Expiry = time.Now().Add(-time.Minute)
	var refused *oauth2.RetrieveError
	if _, err := p.config.TokenSource(p.t.Context(), &over).Token(); !errors.As(err, &refused) || refused.ErrorCode != "invalid_grant" || refused.Response.StatusCode != http.StatusBadRequest {
		p.t.Errorf("a refresh after log-out: %v", err)
	}
}

// TestDeviceInGo signs a person in on a device, by golang.org/x/oauth2, with the
// endpoint that discovery names.
func TestDeviceInGo(t *testing.T) {
	s := running(t)
	id := s.addUser(adaEmail)
	p := s.goParty("go-tv", s.relyingParty("go-tv", map[string]any{"token_endpoint_auth_method": "none", "redirect_uris": []string{},
		"post_logout_redirect_uris": []string{}, "grant_types": []string{"urn:ietf:params:oauth:grant-type:device_code", "refresh_token"}}))
	shown, err := p.config.DeviceAuth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ada := s.person(adaEmail)
	ada.code = shown.UserCode
	if back, page := ada.visit(shown.VerificationURI); back != nil || !slices.Equal(ada.forms, []string{"/login", "/device", "/device/answer"}) {
		t.Fatalf("forms %v, and then %v: %s", ada.forms, back, page)
	}
	token, err := p.config.DeviceAccessToken(t.Context(), shown)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.verify(token, ""); got.Subject != id {
		t.Errorf("signed in as %q, want %q", got.Subject, id)
	}
	p.checkUserInfo(id, token)
	p.checkRefresh(token)
}
