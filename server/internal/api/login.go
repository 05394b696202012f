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

// signedIn answers a sign-in and a refresh: it hands out tokens the way their mode
// wants it.
func (d *Door) signedIn(w http.ResponseWriter, out session.Tokens) (err error) {
	kind := "Bearer"
	switch out.Mode {
	case auth.ModeToken:
	case auth.ModeCookie:
		err = d.Cookies.Set(w, edge.AccessCookie, out.AccessToken, out.ExpiresIn)
		if err == nil && out.RefreshToken != "" {
			err = d.Cookies.Set(w, edge.RefreshCookie, out.RefreshToken, out.RefreshIn)
		}
		out.AccessToken, out.RefreshToken = "", ""
	default:
		kind, out.AccessToken, out.RefreshToken = "", "", ""
		err = d.Cookies.Set(w, edge.SessionCookie, out.Cookie, out.RefreshIn)
	}
	if err != nil {
		return err
	}
	var body edge.Object
	body.TextIf("access_token", out.AccessToken)
	body.TextIf("token_type", kind)
	body.Int("expires_in", seconds(out.ExpiresIn))
	body.TextIf("refresh_token", out.RefreshToken)
	if n := seconds(out.RefreshIn); n != 0 {
		body.Int("refresh_expires_in", n)
	}
	body.Text("session_id", out.SessionID)
	body.Text("mode", string(out.Mode))
	body.Object("user", newUser(out.User).addTo)
	body.Send(w, http.StatusOK)
	return nil
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
