package api

import (
	"net/http"
	"time"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/caller"
	"github.com/writ-auth/writ/server/internal/session"
)

// credentials are the body of POST /v1/login.
type credentials struct {
	Email    string    `json:"email"`
	Username string    `json:"username"`
	Password string    `json:"password"`
	Audience string    `json:"audience"`
	Org      string    `json:"org"`
	Mode     auth.Mode `json:"mode"`
}

// maxLogin bounds what throttling remembers of a request.
const maxLogin = 320

// check fills in the mode: a browser says Sec-Fetch-Site with every request,
// and a browser is better off with cookies.
func (c *credentials) check(r *http.Request) error {
	login := c.Email + c.Username
	switch {
	case c.Email != "" && c.Username != "":
		return auth.Invalid("username", "send either email or username")
	case login == "" || len(login) > maxLogin:
		return auth.Invalid("email", "email or username must be there, with at most %d bytes", maxLogin)
	case c.Password == "":
		return auth.Invalid("password", "password is missing")
	}
	switch c.Mode {
	case auth.ModeToken, auth.ModeCookie, auth.ModeSession:
		return nil
	case "":
		c.Mode = auth.ModeToken
		if len(r.Header.Values("Sec-Fetch-Site")) > 0 {
			c.Mode = auth.ModeCookie
		}
		return nil
	}
	return auth.Invalid("mode", "mode must be %q, %q or %q", auth.ModeToken, auth.ModeCookie, auth.ModeSession)
}

// login signs in. It takes nothing from cookies that are there already: who
// planted one in a victim's browser learns nothing of the session that begins.
func (d *Door) login(w http.ResponseWriter, r *http.Request) error {
	var in credentials
	if err := edge.ReadJSON(w, r, &in); err != nil {
		return err
	}
	if err := in.check(r); err != nil {
		return err
	}
	guard := d.Callers.Guard
	if in.Mode != auth.ModeToken { // a cookie will be set
		guard = d.Callers.SameOrigin
	}
	if err := guard(r); err != nil {
		return err
	}
	out, err := d.Sessions.SignIn(r.Context(), session.SignIn{Request: caller.From(r), Login: in.Email + in.Username,
		Password: in.Password, Audience: in.Audience, Org: in.Org, Mode: in.Mode})
	if err != nil {
		return err
	}
	if d.Cookies.Presented(r) {
		d.replace(w, in.Mode)
	}
	return d.signedIn(w, out)
}

// replace makes the browser forget the cookies of the other mode, so that it
// never presents two people. A sign-in for tokens leaves cookies alone.
func (d *Door) replace(w http.ResponseWriter, mode auth.Mode) {
	switch mode {
	case auth.ModeCookie:
		d.Cookies.Clear(w, edge.SessionCookie)
	case auth.ModeSession:
		d.Cookies.Clear(w, edge.AccessCookie)
		d.Cookies.Clear(w, edge.RefreshCookie)
	}
}

// signedIn is the answer to a sign-in and a refresh.
type signedIn struct {
	AccessToken      string    `json:"access_token,omitempty"`
	TokenType        string    `json:"token_type,omitempty"`
	ExpiresIn        int64     `json:"expires_in"`
	RefreshToken     string    `json:"refresh_token,omitempty"`
	RefreshExpiresIn int64     `json:"refresh_expires_in,omitzero"`
	SessionID        string    `json:"session_id"`
	Mode             auth.Mode `json:"mode"`
	User             user      `json:"user"`
}

// signedIn hands out tokens the way their mode wants it.
func (d *Door) signedIn(w http.ResponseWriter, out session.Tokens) error {
	body := signedIn{TokenType: "Bearer", ExpiresIn: seconds(out.ExpiresIn), RefreshExpiresIn: seconds(out.RefreshIn),
		SessionID: out.SessionID, Mode: out.Mode, User: newUser(out.User)}
	var err error
	switch out.Mode {
	case auth.ModeToken:
		body.AccessToken, body.RefreshToken = out.AccessToken, out.RefreshToken
	case auth.ModeCookie:
		err = d.Cookies.Set(w, edge.AccessCookie, out.AccessToken, out.ExpiresIn)
		if err == nil && out.RefreshToken != "" {
			err = d.Cookies.Set(w, edge.RefreshCookie, out.RefreshToken, out.RefreshIn)
		}
	default:
		body.TokenType = ""
		err = d.Cookies.Set(w, edge.SessionCookie, out.Cookie, out.RefreshIn)
	}
	if err != nil {
		return err
	}
	return edge.WriteJSON(w, http.StatusOK, body)
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
