package load

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/writ-auth/writ/internal/base64url"
	"github.com/writ-auth/writ/jwk"
	"github.com/writ-auth/writ/jwt"
)

// application is a client that people sign in for.
type application struct {
	ID     string `json:"client_id"`
	Secret string `json:"client_secret"`
}

// callback is where its people return to, which nobody does (RFC 2606).
const callback = "https://app.bench.invalid/cb"

// makeApplication makes a client that needs no consent. Its ID tokens are ES256,
// as what they are compared with; the default, RS256, measures RSA.
func (s *subject) makeApplication(ctx context.Context, keys *jwk.Set) error {
	err := s.make(ctx, "clients", map[string]any{"client_id": s.name + "-app", "client_name": s.name, "skip_consent": true, "audiences": []string{s.Audience},
		"grant_types": []string{"authorization_code", "refresh_token"}, "redirect_uris": []string{callback},
		"token_endpoint_auth_method": "client_secret_basic", "id_token_signed_response_alg": "ES256"}, &s.App, &s.App.ID)
	if err != nil {
		return err
	}
	s.identities, err = jwt.NewVerifier[jwt.IDClaims](keys, jwt.IDToken(s.Issuer, s.App.ID))
	return err
}

// browserSignIn signs in as a page does, and keeps the cookie.
type browserSignIn struct {
	request []byte
	cookie  string
}

func (b *browserSignIn) Request(dst []byte) []byte { return append(dst, b.request...) }

func (b *browserSignIn) follow(f fields) { b.cookie, _, _ = strings.Cut(f.cookie, ";") }

func (b *browserSignIn) Answer(status int, body []byte) error {
	if err := want(status, body); err != nil {
		return err
	}
	if !strings.Contains(b.cookie, "=") {
		return errors.New("a sign-in with mode session sets no cookie")
	}
	return nil
}

// browser begins a session in a browser, for one connection's flows.
func (s *subject) browser(ctx context.Context) (*codeFlow, error) {
	body, err := json.Marshal(map[string]string{"email": s.User.Email, "password": s.User.Password, "mode": "session"})
	if err != nil {
		return nil, err
	}
	in := &browserSignIn{request: newHead(s.target, http.MethodPost, "/v1/login", "Content-Type", typeJSON, "Sec-Fetch-Site", "same-origin").with(nil, string(body))}
	if _, err := s.once(ctx, in); err != nil {
		return nil, fmt.Errorf("sign in a browser: %w", err)
	}
	return newCodeFlow(s, in.cookie), nil
}

// codeFlow is what happens when a person who is signed in opens an application:
// the browser asks for a code, and the application exchanges it for tokens. One
// task is two requests.
type codeFlow struct {
	inspector
	app      string // client_id
	line     string // of the browser's request, up to the nonce
	rest     string // of that request
	exchange head
	verifier string // of PKCE

	number   uint64 // of the flow, which is its nonce and state
	location string // where the browser was sent
	code     string // that waits to be exchanged
	asked    bool   // the request under way is the second
	identity string // the last ID token
	nonce    string // of that one
}

func newCodeFlow(s *subject, cookie string) *codeFlow {
	const verifier = "writ-bench-writ-bench-writ-bench-writ-bench"
	sum := sha256.Sum256([]byte(verifier))
	query := url.Values{"response_type": {"code"}, "client_id": {s.App.ID}, "redirect_uri": {callback}, "scope": {"openid"},
		"code_challenge": {base64url.Encode(sum[:])}, "code_challenge_method": {"S256"}}
	return &codeFlow{
		inspector: inspector{want: claims{Issuer: s.Issuer, Subject: s.User.ID, ClientID: s.App.ID, Audience: s.Audience}},
		app:       s.App.ID, verifier: verifier,
		line:     "GET /oauth/authorize?" + query.Encode() + "&state=",
		rest:     " HTTP/1.1\r\nHost: " + s.target.Host + "\r\nUser-Agent: writ-bench\r\nCookie: " + cookie + "\r\n\r\n",
		exchange: newHead(s.target, http.MethodPost, "/oauth/token", "Content-Type", typeForm, "Authorization", basic(s.App.ID, s.App.Secret)),
	}
}

// Request is the browser's, or the application's if there is a code. After a
// failure the next one begins anew.
func (f *codeFlow) Request(dst []byte) []byte {
	code := f.code
	f.code, f.asked = "", code != ""
	if code != "" {
		return f.exchange.with(dst, "grant_type=authorization_code&redirect_uri=", url.QueryEscape(callback), "&code_verifier=", f.verifier, "&code=", url.QueryEscape(code))
	}
	f.number++
	number := strconv.FormatUint(f.number, 10)
	dst = append(append(dst, f.line...), number...)
	return append(append(append(dst, "&nonce="...), number...), f.rest...)
}

func (f *codeFlow) follow(to fields) { f.location = to.location }

func (f *codeFlow) more() bool { return f.code != "" }

// Answer judges the redirect, or the tokens.
func (f *codeFlow) Answer(status int, body []byte) error {
	if f.asked {
		return f.exchanged(status, body)
	}
	if status != http.StatusSeeOther {
		return errors.Join(want(status, body), errors.New("the browser was not sent back with a code"))
	}
	to, err := url.Parse(f.location)
	if err != nil {
		return err
	}
	answer := to.Query()
	f.code = answer.Get("code")
	if !strings.HasPrefix(f.location, callback+"?") || f.code == "" || answer.Get("state") != strconv.FormatUint(f.number, 10) || answer.Get("iss") != f.want.Issuer {
		f.code = ""
		return errors.New("the browser was sent back with something else than the code of its request")
	}
	return nil
}

func (f *codeFlow) exchanged(status int, body []byte) error {
	if err := want(status, body); err != nil {
		return err
	}
	var out struct {
		AccessToken  string `json:"access_token"`
		TokenType    string `json:"token_type"`
		RefreshToken string `json:"refresh_token"`
		IDToken      string `json:"id_token"`
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return err
	}
	if out.TokenType != "Bearer" || out.RefreshToken == "" {
		return errors.New("the answer is not that of a code")
	}
	f.want.Session = ""
	if err := f.lookAtNew(out.AccessToken); err != nil {
		return err
	}
	return f.identify(out.IDToken, out.AccessToken)
}

// identify looks at the ID token: that it is about the person and this flow, and
// belongs to the access token.
func (f *codeFlow) identify(token, access string) error {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	var got struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience string `json:"aud"`
		Nonce    string `json:"nonce"`
		Hash     string `json:"at_hash"`
		Session  string `json:"sid"`
	}
	if err := decodeSegment(payload, &got); err != nil {
		return fmt.Errorf("the ID token's payload: %w", err)
	}
	sum := sha256.Sum256([]byte(access))
	if got.Issuer != f.want.Issuer || got.Subject != f.want.Subject || got.Audience != f.app || got.Session != f.want.Session ||
		got.Nonce != strconv.FormatUint(f.number, 10) || got.Hash != base64url.Encode(sum[:16]) {
		return fmt.Errorf("the ID token says %+v", got)
	}
	f.identity, f.nonce = token, got.Nonce
	return nil
}

// verifyIdentity checks the signature of a connection's last ID token.
func (s *subject) verifyIdentity(ctx context.Context, f *codeFlow) error {
	if f.identity == "" {
		return nil
	}
	if _, err := s.identities.VerifyNonce(ctx, f.identity, f.nonce); err != nil {
		return fmt.Errorf("an ID token that was handed out is not good: %w", err)
	}
	return nil
}
