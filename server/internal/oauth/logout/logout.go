// Package logout is the door /oauth/logout (OpenID Connect RP-Initiated Logout
// 1.0): an application sends a browser here to end its session, which is every
// application's.
//
// Any site can send a browser here. So the session ends at once only where the
// application shows an ID token that was made in this very session; else the
// person is asked on a page that listens to nobody but itself.
package logout

import (
	"net/http"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/authorization"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/caller"
	"github.com/writ-auth/writ/server/internal/edge/view"
	"github.com/writ-auth/writ/server/internal/session"
)

// Path is where applications send browsers.
const Path = "/oauth/logout"

const (
	pathGoOn    = Path + "/continue"
	pathConfirm = Path + "/confirm"
)

// Options are what a Door is made of; every field is required.
type Options struct {
	Requests *authorization.Service
	Sessions *session.Service
	Callers  *caller.Finder
	View     *view.View
}

// Door is the end-session endpoint.
type Door struct{ Options }

// New makes the door.
func New(opts Options) *Door { return &Door{opts} }

type route struct {
	pattern string
	serve   func(http.ResponseWriter, *http.Request) error
}

func (d *Door) routes() []route {
	return []route{{"GET " + Path, d.get}, {"POST " + Path, d.post}, {"GET " + pathGoOn, d.goOn}, {"POST " + pathConfirm, edge.OwnPages(d.Callers.Issuer, d.confirm)}}
}

// Register adds the door's routes to mux.
func (d *Door) Register(mux *http.ServeMux) {
	for _, r := range d.routes() {
		mux.Handle(r.pattern, edge.PageHandler{Serve: r.serve, Show: d.View.Fail})
	}
}

// Routes lists the patterns that clients use, for the documents that describe
// them; the others are for our own pages.
func Routes() []string { return []string{"GET " + Path, "POST " + Path} }

func (d *Door) get(w http.ResponseWriter, r *http.Request) error {
	form, err := edge.ReadQuery(r)
	if err != nil {
		return err
	}
	wish, err := d.Requests.ParseLogout(r.Context(), form)
	if err != nil {
		return err
	}
	return d.carryOut(w, r, wish)
}

// post goes on with a GET, with which the browser sends its cookie.
func (d *Door) post(w http.ResponseWriter, r *http.Request) error {
	form, err := edge.ReadForm(w, r)
	if err != nil {
		return err
	}
	wish, err := d.Requests.ParseLogout(r.Context(), form)
	if err != nil {
		return err
	}
	ticket, err := d.Requests.SealLogout(wish)
	if err != nil {
		return err
	}
	return edge.SeeOther(w, pathGoOn+"?ticket="+ticket)
}

func (d *Door) goOn(w http.ResponseWriter, r *http.Request) error {
	form, err := edge.ReadQuery(r)
	if err != nil {
		return err
	}
	wish, err := d.Requests.OpenLogout(r.Context(), form["ticket"])
	if err != nil {
		return err
	}
	return d.carryOut(w, r, wish)
}

// carryOut ends the session if it is certain that it is meant, and asks if not.
// Where nobody is signed in, an ID token still ends what its client has.
func (d *Door) carryOut(w http.ResponseWriter, r *http.Request, wish authorization.Logout) error {
	who, _, err := d.Callers.Browser(r)
	if err != nil {
		return err
	}
	meant, err := d.Requests.Meant(r.Context(), wish)
	switch {
	case err != nil:
		return err
	case who == nil && meant == nil:
		return d.done(w, r, wish)
	case who == nil:
		if _, err := d.Sessions.EndGrant(r.Context(), *meant, "logout", caller.From(r)); err != nil {
			return err
		}
		return d.done(w, r, wish)
	case meant != nil && meant.SessionID == who.Session.ID:
		return d.end(w, r, wish, who.Session)
	}
	return d.ask(w, r, wish, *who)
}

func (d *Door) ask(w http.ResponseWriter, r *http.Request, wish authorization.Logout, who session.Identity) error {
	wish.Asked = who.Session.ID
	ticket, err := d.Requests.SealLogout(wish)
	if err != nil {
		return err
	}
	page := view.Page{Name: view.Logout}
	shows := asking{Name: view.PersonOf(who.User), Ticket: ticket}
	if wish.Client != nil {
		shows.Application = view.NameOf(wish.Client.Client)
	}
	if wish.ReturnTo != "" {
		page.Targets = []string{wish.ReturnTo}
	}
	page.Data = shows
	return d.View.Show(w, r, http.StatusOK, page)
}

// asking is what the page shows that asks.
type asking struct{ Name, Application, Ticket string }

func (d *Door) confirm(w http.ResponseWriter, r *http.Request) error {
	form, err := edge.ReadForm(w, r)
	if err != nil {
		return err
	}
	wish, err := d.Requests.OpenLogout(r.Context(), form["ticket"])
	if err != nil {
		return err
	}
	who, _, err := d.Callers.Browser(r)
	switch {
	case err != nil:
		return err
	case form["answer"] != "yes":
		return edge.SeeOther(w, "/login")
	case who == nil:
		return d.done(w, r, wish)
	case who.Session.ID != wish.Asked:
		return auth.Errorf(auth.CodeForbidden, "This page was made for another sign-in. Go back to the application and start again.")
	}
	return d.end(w, r, wish, who.Session)
}

// end ends the session with all that applications have of it, in one act.
func (d *Door) end(w http.ResponseWriter, r *http.Request, wish authorization.Logout, session auth.Session) error {
	if _, err := d.Sessions.EndBrowser(r.Context(), session, caller.From(r)); err != nil {
		return err
	}
	d.Callers.Cookies.Clear(w, edge.SessionCookie)
	return d.done(w, r, wish)
}

func (d *Door) done(w http.ResponseWriter, r *http.Request, wish authorization.Logout) error {
	if back := wish.Back(); back != "" {
		return edge.SeeOther(w, back)
	}
	return d.View.Show(w, r, http.StatusOK, view.Page{Name: view.SignedOut})
}
