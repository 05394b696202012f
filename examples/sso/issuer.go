package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/writ-auth/writ/jwks"
	"github.com/writ-auth/writ/jwt"
)

// issuer is Writ, as an application sees it that is registered there.
type issuer struct {
	metadata
	clientID, secret, redirectURI string
	client                        *http.Client
	idTokens                      *jwt.Verifier[jwt.IDClaims]
	logoutTokens                  *jwt.Verifier[logoutClaims]
}

// metadata is what of the discovery document is needed here.
type metadata struct {
	Issuer        string `json:"issuer"`
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	EndSession    string `json:"end_session_endpoint"`
}

// logoutClaims are a log-out token's (OpenID Connect Back-Channel Logout 1.0,
// section 2.4).
type logoutClaims struct {
	jwt.Claims
	SessionID string                     `json:"sid,omitzero"`
	Events    map[string]json.RawMessage `json:"events,omitzero"`
	Nonce     *json.RawMessage           `json:"nonce,omitzero"`
}

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

func discover(ctx context.Context, s settings, secret string) (*issuer, error) {
	i := &issuer{clientID: s.clientID, secret: secret, redirectURI: s.origin + "/callback", client: &http.Client{Timeout: 10 * time.Second}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.issuer+"/.well-known/openid-configuration", nil)
	if err != nil {
		return nil, err
	}
	if err := i.fetch(req, &i.metadata); err != nil {
		return nil, err
	}
	if i.Issuer != s.issuer { // byte for byte, or it is somebody else's document
		return nil, fmt.Errorf("the document at %s is about %q", s.issuer, i.Issuer)
	}
	keys, err := jwks.New(jwks.Config{Issuer: s.issuer})
	if err != nil {
		return nil, err
	}
	var errID, errLogout error
	i.idTokens, errID = jwt.NewVerifier[jwt.IDClaims](keys, jwt.IDToken(s.issuer, s.clientID))
	i.logoutTokens, errLogout = jwt.NewVerifier[logoutClaims](keys, jwt.Expect{Issuer: s.issuer, Audience: []string{s.clientID},
		Type: "logout+jwt", Required: []string{"iat", "jti", "events"}, MaxAge: 5 * time.Minute, Leeway: 30 * time.Second})
	return i, errors.Join(errID, errLogout)
}

// fetch carries out a request whose answer is JSON.
func (i *issuer) fetch(req *http.Request, dst any) error {
	res, err := i.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", req.URL, res.Status)
	}
	return json.Unmarshal(body, dst)
}

// authorizationURL is where the browser goes to sign in. Only who knows the
// verifier behind its hash can use the code that comes of it (PKCE, RFC 7636).
func (i *issuer) authorizationURL(p pending) string {
	sum := sha256.Sum256([]byte(p.verifier))
	return i.Authorization + "?" + url.Values{
		"response_type": {"code"}, "client_id": {i.clientID}, "redirect_uri": {i.redirectURI}, "scope": {"openid profile"},
		"state": {p.state}, "nonce": {p.nonce}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode()
}

// tokens is what a code is exchanged for.
type tokens struct {
	Access string `json:"access_token"`
	ID     string `json:"id_token"`
}

// redeem exchanges the code of a sign-in, and checks who signed in.
func (i *issuer) redeem(ctx context.Context, code string, p pending) (tokens, jwt.IDClaims, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {i.redirectURI}, "code_verifier": {p.verifier}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.Token, strings.NewReader(form.Encode()))
	if err != nil {
		return tokens{}, jwt.IDClaims{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(i.clientID), url.QueryEscape(i.secret)) // RFC 6749, section 2.3.1
	var got tokens
	if err := i.fetch(req, &got); err != nil {
		return tokens{}, jwt.IDClaims{}, err
	}
	token, err := i.idTokens.VerifyNonce(ctx, got.ID, p.nonce)
	if err != nil {
		return tokens{}, jwt.IDClaims{}, err
	}
	return got, token.Claims(), nil
}

// endSessionURL is where the browser goes to sign out of everything. The ID
// token shows that it is this session that is meant.
func (i *issuer) endSessionURL(idToken, returnTo string) string {
	return i.EndSession + "?" + url.Values{"id_token_hint": {idToken}, "post_logout_redirect_uri": {returnTo}}.Encode()
}

// ended reads a log-out token: the sign-in that is over, as this application's
// ID tokens named it (sid).
func (i *issuer) ended(ctx context.Context, raw string) (sid string, err error) {
	token, err := i.logoutTokens.Verify(ctx, raw)
	if err != nil {
		return "", err
	}
	claims := token.Claims()
	if _, ok := claims.Events[logoutEvent]; !ok || claims.Nonce != nil || claims.SessionID == "" {
		return "", errors.New("the token is about something else")
	}
	return claims.SessionID, nil
}

// same compares what a browser brought with what it was given.
func same(a, b string) bool { return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
