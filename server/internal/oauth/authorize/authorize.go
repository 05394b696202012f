// Package authorize is the door /oauth/authorize (RFC 6749, section 3.1; OpenID
// Connect Core, section 3.1.2): a client sends a browser here, and gets it back
// with a code or an error.
//
// Other sites may send anything here, by GET and by POST, with the browser's
// cookies: that is what single sign-on is. So nothing is changed here but that a
// code is made for a client and a person who allowed it; signing in and
// allowing have pages of their own, which listen to nobody but themselves.
package authorize

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/writ-auth/writ/server/internal/authorization"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/caller"
	"github.com/writ-auth/writ/server/internal/edge/view"
)

// Path is where clients send browsers; goOn is where our pages do.
const (
	Path = "/oauth/authorize"
	goOn = "/oauth/authorize/continue"
)

// Options are what a Door is made of; every field is required.
type Options struct {
	Requests *authorization.Service
	Callers  *caller.Finder
	View     *view.View
	Now      func() time.Time
}

// Door is the authorization endpoint.
type Door struct{ Options }

// New makes the door.
func New(opts Options) *Door { return &Door{opts} }

type route struct {
	pattern string
	serve   func(http.ResponseWriter, *http.Request) error
}

func (d *Door) routes() []route {
	return []route{{"GET " + Path, d.get}, {"POST " + Path, d.post}, {"GET " + goOn, d.goOn}}
}

// Register adds the door's routes to mux.
func (d *Door) Register(mux *http.ServeMux) {
	for _, r := range d.routes() {
		mux.Handle(r.pattern, edge.PageHandler{Serve: kept(r.serve), Show: d.View.Fail})
	}
	// A pattern of GET takes HEAD too, and whoever looks whether an address is
	// there would be given a code, in a header.
	for path, allow := range map[string]string{Path: "GET, POST", goOn: "GET"} {
		mux.HandleFunc("HEAD "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", allow)
			w.WriteHeader(http.StatusMethodNotAllowed)
		})
	}
}

// kept lets applications do all this in a window that they open for it.
func kept(serve func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		edge.KeepOpener(w)
		return serve(w, r)
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
	req, done, err := d.parse(w, r, form)
	if done || err != nil {
		return err
	}
	return d.step(w, r, req)
}

// post goes on with a GET: a browser sends no SameSite=Lax cookie with another
// site's POST, so that here nobody seems to be signed in.
func (d *Door) post(w http.ResponseWriter, r *http.Request) error {
	form, err := edge.ReadForm(w, r)
	if err != nil {
		return err
	}
	req, done, err := d.parse(w, r, form)
	if done || err != nil {
		return err
	}
	return d.to(w, goOn, req)
}

// parse reads a request. done: it was refused, and the client was told.
func (d *Door) parse(w http.ResponseWriter, r *http.Request, form edge.Form) (req authorization.Request, done bool, err error) {
	req, err = d.Requests.Parse(r.Context(), form)
	var refusal *authorization.Refusal
	if errors.As(err, &refusal) {
		return req, true, d.answer(w, r, d.Requests.Refuse(req, refusal))
	}
	return req, false, err
}

// goOn takes a request up again that our pages had.
func (d *Door) goOn(w http.ResponseWriter, r *http.Request) error {
	form, err := edge.ReadQuery(r)
	if err != nil {
		return err
	}
	req, err := d.Requests.Open(r.Context(), form["ticket"])
	if err != nil {
		return err
	}
	return d.step(w, r, req)
}

// step does what is next for the request in this browser.
func (d *Door) step(w http.ResponseWriter, r *http.Request, req authorization.Request) error {
	who, cookie, err := d.Callers.Browser(r)
	if err != nil {
		return err
	}
	step, err := d.Requests.Decide(r.Context(), req, who, caller.From(r))
	if err != nil {
		return err
	}
	switch step.Next {
	case authorization.NextSignIn, authorization.NextChoose:
		return d.to(w, "/login", req)
	case authorization.NextAgree:
		return d.to(w, "/consent", req)
	}
	if who != nil { // a session in use is kept as long as it lives
		if err := d.Callers.Cookies.Set(w, edge.SessionCookie, cookie, d.Callers.Sessions.Left(who.Session, d.Now())); err != nil {
			return err
		}
	}
	return d.answer(w, r, step.Answer)
}

// to sends the browser to a page of our own.
func (d *Door) to(w http.ResponseWriter, path string, req authorization.Request) error {
	ticket, err := d.Requests.Seal(req)
	if err != nil {
		return err
	}
	return edge.SeeOther(w, path+"?ticket="+ticket)
}

// answer brings the client its answer by way of the browser.
func (d *Door) answer(w http.ResponseWriter, r *http.Request, a authorization.Answer) error {
	if a.Mode == authorization.ModeFormPost {
		return d.View.Show(w, r, http.StatusOK, view.Page{Name: view.Send, Targets: []string{a.RedirectURI}, Data: sending{
			Host: view.HostOf(a.RedirectURI), Action: a.RedirectURI, Values: a.Values}})
	}
	return edge.SeeOther(w, withQuery(a.RedirectURI, a.Values))
}

// sending is what the page shows that carries an answer.
type sending struct {
	Host, Action string
	Values       []authorization.Value
}

// withQuery adds parameters to an address, of which every byte stays as it was
// registered.
func withQuery(address string, values []authorization.Value) string {
	var b strings.Builder
	b.WriteString(address)
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	for _, v := range values {
		b.WriteString(separator + v.Name + "=" + url.QueryEscape(v.Text))
		separator = "&"
	}
	return b.String()
}
