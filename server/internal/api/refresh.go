package api

import (
	"net/http"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/caller"
	"github.com/writ-auth/writ/server/internal/session"
)

// refreshing is the body of POST /v1/refresh, which may come without one.
type refreshing struct {
	RefreshToken string `json:"refresh_token"`
	Audience     string `json:"audience"`
}

// refresh answers as the sign-in did. A refusal leaves the cookies as they are:
// another tab may have just been given better ones.
func (d *Door) refresh(w http.ResponseWriter, r *http.Request) error {
	var in refreshing
	if _, err := edge.ReadOptionalJSON(w, r, &in); err != nil {
		return err
	}
	c, err := d.Callers.Read(r)
	if err != nil {
		return err
	}
	switch {
	case in.RefreshToken != "" && c.Refresh != "":
		return auth.Errorf(auth.CodeInvalid, "The request has a refresh token in the body and another in a cookie; send one.")
	case in.RefreshToken == "" && c.Refresh == "" && c.Session != "":
		return d.renew(w, r, c.Session)
	case in.RefreshToken == "" && c.Refresh == "":
		return auth.Errorf(auth.CodeUnauthenticated, "There is no refresh token.")
	}
	out, err := d.Sessions.Refresh(r.Context(), session.Refresh{Request: caller.From(r), Token: in.RefreshToken + c.Refresh,
		Cookie: c.Refresh != "", ClientID: auth.ClientWrit, Audience: in.Audience})
	if err != nil {
		return err
	}
	return d.signedIn(w, out)
}

// renew makes a browser keep the opaque cookie of a session for as long as the
// session now lives, so that pages can refresh without knowing the mode.
func (d *Door) renew(w http.ResponseWriter, r *http.Request, cookie string) error {
	who, err := d.Sessions.ByCookie(r.Context(), cookie)
	if err != nil {
		return err
	}
	now := d.Now()
	left := d.Sessions.Left(who.Session, now)
	return d.signedIn(w, session.Tokens{Mode: auth.ModeSession, Cookie: cookie, ExpiresIn: left, RefreshIn: left,
		RefreshExpiry: now.Add(left), SessionID: who.Session.ID, User: who.User})
}
