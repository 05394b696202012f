package page

import (
	"context"
	"errors"
	"net/http"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/credential"
	"github.com/writ-auth/writ/server/internal/directory"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/caller"
	"github.com/writ-auth/writ/server/internal/edge/view"
	"github.com/writ-auth/writ/server/internal/session"
)

// accountView is what the page of one's own account shows.
type accountView struct {
	Name, Email, Username, Login string
	Sessions                     []sessionView
	More                         bool // sessions than those
	Consents                     []applicationView
	Done                         string // the message of what was just done
	Problem                      string
	Least                        int
}

type applicationView struct {
	ID, Name string
	Access   []view.Access
}

func (d *Door) showAccount(w http.ResponseWriter, r *http.Request) error {
	form, err := edge.ReadQuery(r)
	if err != nil {
		return err
	}
	who, _, err := d.Callers.Browser(r)
	if err != nil {
		return err
	}
	if who == nil {
		return edge.SeeOther(w, "/login")
	}
	shows := accountView{}
	switch form["done"] {
	case "profile", "password", "session", "consent":
		shows.Done = "account.saved." + form["done"]
	}
	return d.showAccountOf(w, r, http.StatusOK, *who, shows)
}

func (d *Door) showAccountOf(w http.ResponseWriter, r *http.Request, status int, who session.Identity, shows accountView) (err error) {
	u := who.User
	shows.Name, shows.Email, shows.Username, shows.Login, shows.Least = u.Name, u.Email, u.Username, loginOf(u), credential.MinCharacters
	if shows.Sessions, shows.More, err = d.sessions(r.Context(), who); err != nil {
		return err
	}
	if shows.Consents, err = d.applications(r.Context(), u.ID); err != nil {
		return err
	}
	return d.View.Show(w, r, status, view.Page{Name: view.Account, Data: shows})
}

// applications lists what a person allowed, by application.
func (d *Door) applications(ctx context.Context, userID string) ([]applicationView, error) {
	consents, err := d.Requests.List(ctx, userID)
	if err != nil {
		return nil, err
	}
	var list []applicationView
	var client *auth.Registration
	for _, c := range consents { // in order of the clients
		if len(list) == 0 || list[len(list)-1].ID != c.ClientID {
			client, err = d.Clients.Registration(ctx, c.ClientID)
			if errors.Is(err, auth.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			list = append(list, applicationView{ID: c.ClientID, Name: view.NameOf(client.Client)})
		}
		last := &list[len(list)-1]
		last.Access = append(last.Access, d.accessOf(client, c))
	}
	return list, nil
}

// accessOf says what was allowed as the page said that asked for it; of an API
// that the client may not use any more there is but the address.
func (d *Door) accessOf(client *auth.Registration, c auth.Consent) view.Access {
	access := view.AccessOf(client, c.Audience, c.Scope)
	if access.API == "" && c.Audience != d.Callers.Issuer {
		access.API = c.Audience
	}
	return access
}

// account is a POST of the page: of our own pages, and of who is signed in. act
// answers what was done, or "" if it has answered itself.
func (d *Door) account(act func(w http.ResponseWriter, r *http.Request, who session.Identity, form edge.Form) (done string, err error)) func(http.ResponseWriter, *http.Request) error {
	return edge.OwnPages(d.Callers.Issuer, func(w http.ResponseWriter, r *http.Request) error {
		form, err := edge.ReadForm(w, r)
		if err != nil {
			return err
		}
		who, _, err := d.Callers.Browser(r)
		if err != nil {
			return err
		}
		if who == nil {
			return edge.SeeOther(w, "/login")
		}
		done, err := act(w, r, *who, form)
		if err != nil {
			status, problem := d.View.Refusal(w, r, "", err)
			if problem == "" {
				return err
			}
			return d.showAccountOf(w, r, status, *who, accountView{Problem: problem})
		}
		if done == "" {
			return nil
		}
		return edge.SeeOther(w, "/account?done="+done)
	})
}

func (d *Door) saveProfile(_ http.ResponseWriter, r *http.Request, who session.Identity, form edge.Form) (string, error) {
	name := form["name"]
	_, err := d.Directory.UpdateSelf(r.Context(), who.User.ID, directory.SelfFields{Name: &name}, caller.From(r).Address)
	return "profile", err
}

// savePassword changes the password, which ends every session, that of this
// browser too, and signs its owner in again here, in a session of its own.
func (d *Door) savePassword(w http.ResponseWriter, r *http.Request, who session.Identity, form edge.Form) (string, error) {
	if err := d.replacePassword(r, who.User, form); err != nil {
		return "", err
	}
	err := d.enter(w, r, loginOf(who.User), form["new"], "") // the session of the cookie has just ended
	if view.Shown(err) != nil {
		return "", d.showChanged(w, r, filled{}, loginOf(who.User), err)
	}
	return "password", err
}

func (d *Door) endSession(w http.ResponseWriter, r *http.Request, who session.Identity, form edge.Form) (string, error) {
	id := form["id"]
	if _, err := d.Sessions.EndSession(r.Context(), who, id, caller.From(r)); err != nil {
		return "", err
	}
	if id == who.Session.ID {
		d.Callers.Cookies.Clear(w, edge.SessionCookie)
	}
	return "session", nil
}

func (d *Door) withdraw(_ http.ResponseWriter, r *http.Request, who session.Identity, form edge.Form) (string, error) {
	_, err := d.Requests.Revoke(r.Context(), who.User.ID, form["client_id"], caller.From(r).Address)
	return "consent", err
}

func (d *Door) signOutEverywhere(w http.ResponseWriter, r *http.Request, who session.Identity, _ edge.Form) (string, error) {
	if _, err := d.Sessions.SignOutEverywhere(r.Context(), who, caller.From(r)); err != nil {
		return "", err
	}
	d.Callers.Cookies.Clear(w, edge.SessionCookie)
	return "", edge.SeeOther(w, "/oauth/logout") // where nobody is signed in any more
}
