// Package page is the door of what people see: signing up and in, allowing an
// application what it asks for, and their own account. Pages work without
// JavaScript.
//
// Every POST must come from our own pages (see [edge.SameOrigin]), signing in
// too: a site that could sign its visitors in as somebody else would watch what
// they do there. No address to return to is ever taken from a parameter: a
// request that waits for the person travels as a sealed ticket.
package page

import (
	"net/http"
	"strings"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/authorization"
	"github.com/writ-auth/writ/server/internal/directory"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/caller"
	"github.com/writ-auth/writ/server/internal/edge/view"
	"github.com/writ-auth/writ/server/internal/session"
)

// Options are what a Door is made of; every field is required.
type Options struct {
	Requests  *authorization.Service
	Sessions  *session.Service
	Directory *directory.Service
	Clients   auth.Registry
	Callers   *caller.Finder
	View      *view.View
	Signup    bool // strangers may make accounts
}

// Door serves the pages.
type Door struct{ Options }

// New makes the door.
func New(opts Options) *Door { return &Door{opts} }

type route struct {
	pattern string
	serve   func(http.ResponseWriter, *http.Request) error
}

func (d *Door) routes() []route {
	return []route{
		{"GET /login", d.showSignIn},
		{"POST /login", edge.OwnPages(d.Callers.Issuer, d.signIn)},
		{"POST /login/password", edge.OwnPages(d.Callers.Issuer, d.changePassword)},
		{"GET /signup", d.showSignUp},
		{"POST /signup", edge.OwnPages(d.Callers.Issuer, d.signUp)},
		{"GET /account", d.showAccount},
		{"POST /account/profile", d.account(d.saveProfile)},
		{"POST /account/password", d.account(d.savePassword)},
		{"POST /account/session", d.account(d.endSession)},
		{"POST /account/consent", d.account(d.withdraw)},
		{"POST /account/everywhere", d.account(d.signOutEverywhere)},
		{"GET /consent", d.showConsent},
		{"POST /consent", edge.OwnPages(d.Callers.Issuer, d.consent)},
		{view.Route, d.View.ServeAsset},
	}
}

// Register adds the door's routes to mux.
func (d *Door) Register(mux *http.ServeMux) {
	for _, r := range d.routes() {
		mux.Handle(r.pattern, edge.PageHandler{Serve: r.serve, Show: d.View.Fail})
	}
	mux.Handle("GET /{$}", edge.Handler(start))
}

// start leads who opens the issuer's bare address in a browser to their account.
// A program hears what it hears at every address where there is nothing: a probe
// must not take a page for an API.
func start(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Vary", "Accept")
	if !wantsPage(r) {
		return auth.Errorf(auth.CodeNotFound, "there is nothing at this address")
	}
	return edge.SeeOther(w, "/account")
}

// wantsPage reports whether a request names HTML among what it accepts, as
// browsers do. What takes anything (*/*) is curl, a probe or a program.
func wantsPage(r *http.Request) bool {
	for _, line := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			kind, _, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(kind), "text/html") {
				return true
			}
		}
	}
	return false
}

// filled is a form that somebody filled in to get in.
type filled struct {
	edge.Form
	req    *authorization.Request // that waits for them; nil: none does
	cookie string                 // of the session that the browser has by now, whosever it is
}

// read reads such a form. A cookie that is not ours to understand is refused
// before anything is done.
func (d *Door) read(w http.ResponseWriter, r *http.Request) (in filled, err error) {
	if in.Form, err = edge.ReadForm(w, r); err != nil {
		return in, err
	}
	if in.req, err = d.open(r, in.Form["ticket"]); err != nil {
		return in, err
	}
	in.cookie, err = d.Callers.Cookies.Read(r, edge.SessionCookie)
	return in, err
}

// query reads the address of a page on the way in.
func (d *Door) query(r *http.Request) (edge.Form, *authorization.Request, error) {
	form, err := edge.ReadQuery(r)
	if err != nil {
		return nil, nil, err
	}
	req, err := d.open(r, form["ticket"])
	return form, req, err
}

// open answers the request that waits; nil: there is no ticket.
func (d *Door) open(r *http.Request, ticket string) (*authorization.Request, error) {
	if ticket == "" {
		return nil, nil
	}
	req, err := d.Requests.Open(r.Context(), ticket)
	return &req, err
}

// onward goes on with the request that waits; where none does, with the page of
// one's own account, which sent whoever was not signed in yet to sign in.
func (d *Door) onward(w http.ResponseWriter, req *authorization.Request) error {
	if req == nil {
		return edge.SeeOther(w, "/account")
	}
	return d.goOn(w, *req)
}

// goOn sends the browser back to where requests are decided.
func (d *Door) goOn(w http.ResponseWriter, req authorization.Request) error {
	edge.KeepOpener(w)
	ticket, err := d.Requests.Seal(req)
	if err != nil {
		return err
	}
	return edge.SeeOther(w, "/oauth/authorize/continue?ticket="+ticket)
}

// target is where a page's forms end up besides here.
func target(req *authorization.Request) []string {
	if req == nil {
		return nil
	}
	return []string{req.RedirectURI}
}

// locales are the languages that an application wants pages in.
func locales(req *authorization.Request) string {
	if req == nil {
		return ""
	}
	return req.Locales
}
