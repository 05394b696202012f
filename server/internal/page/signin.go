package page

import (
	"net/http"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/authorization"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/caller"
	"github.com/writ-auth/writ/server/internal/edge/view"
	"github.com/writ-auth/writ/server/internal/session"
)

// signInView is what the page of signing in shows.
type signInView struct {
	Application, Host string // who waits; "": nobody
	Device            bool   // who waits is a device, whose name is shown later
	Ticket            string
	Login             string // what was typed, or is hinted at
	Choice            string // who is signed in and may simply go on
	Problem           string
	Signup            bool // strangers may make accounts
}

// maxLogin bounds what throttling remembers of a request.
const maxLogin = 320

func (d *Door) showSignIn(w http.ResponseWriter, r *http.Request) error {
	form, req, err := d.query(r)
	if err != nil {
		return err
	}
	who, _, err := d.Callers.Browser(r)
	if err != nil {
		return err
	}
	if req == nil && who != nil {
		return d.View.Show(w, r, http.StatusOK, view.Page{Name: view.SignedIn, Data: struct{ Name string }{view.PersonOf(who.User)}})
	}
	shows := signInView{Ticket: form["ticket"]}
	if req != nil {
		shows.Login = req.LoginHint
		if who != nil && req.MayChoose(*who) {
			shows.Choice = view.PersonOf(who.User)
		}
	}
	return d.showForm(w, r, http.StatusOK, req, shows)
}

func (d *Door) showForm(w http.ResponseWriter, r *http.Request, status int, req *authorization.Request, shows signInView) error {
	if req != nil {
		edge.KeepOpener(w)
		shows.Application, shows.Host, shows.Device = view.NameOf(req.Client.Client), view.HostOf(req.RedirectURI), req.Device
	}
	shows.Signup = d.Signup
	return d.View.Show(w, r, status, view.Page{Name: view.SignIn, Locales: locales(req), Targets: target(req), Data: shows})
}

func (d *Door) signIn(w http.ResponseWriter, r *http.Request) error {
	in, err := d.read(w, r)
	if err != nil {
		return err
	}
	if in.Form["continue"] != "" && in.req != nil {
		return d.choose(w, r, *in.req)
	}
	login, password := in.Form["login"], in.Form["password"]
	if login == "" || len(login) > maxLogin || password == "" {
		return d.refuse(w, r, in, auth.Invalid("login", "Type your e-mail address or user name, and your password."))
	}
	err = d.enter(w, r, login, password, in.cookie)
	if token := changeToken(err); token != "" {
		return d.showPassword(w, r, http.StatusOK, in.req, passwordView{Ticket: in.Form["ticket"], Change: token, Login: login})
	}
	if err != nil {
		return d.refuse(w, r, in, err)
	}
	return d.onward(w, in.req)
}

// enter signs somebody in in this browser. cookie is what it presents by now.
func (d *Door) enter(w http.ResponseWriter, r *http.Request, login, password, cookie string) error {
	out, err := d.Sessions.SignInBrowser(r.Context(), session.SignIn{Request: caller.From(r), Login: login, Password: password}, cookie)
	if err != nil {
		return err
	}
	// Who had the cookies of another mode is now somebody else, or the same.
	for _, other := range []edge.Cookie{edge.AccessCookie, edge.RefreshCookie} {
		if value, err := d.Callers.Cookies.Read(r, other); err != nil || value != "" {
			d.Callers.Cookies.Clear(w, other)
		}
	}
	return d.Callers.Cookies.Set(w, edge.SessionCookie, out.Cookie, out.RefreshIn)
}

// choose goes on as who is signed in.
func (d *Door) choose(w http.ResponseWriter, r *http.Request, req authorization.Request) error {
	who, _, err := d.Callers.Browser(r)
	if err != nil {
		return err
	}
	if who != nil {
		req.Chosen = who.Session.ID
	}
	return d.goOn(w, req)
}

// refuse shows the form again with what was wrong, and never the password.
func (d *Door) refuse(w http.ResponseWriter, r *http.Request, in filled, err error) error {
	status, problem := d.View.Refusal(w, r, locales(in.req), err)
	if problem == "" {
		return err
	}
	return d.showForm(w, r, status, in.req, signInView{Ticket: in.Form["ticket"], Login: in.Form["login"], Problem: problem})
}
