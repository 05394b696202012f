package device

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/authorization"
	flow "github.com/writ-auth/writ/server/internal/device"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/caller"
	"github.com/writ-auth/writ/server/internal/edge/view"
	"github.com/writ-auth/writ/server/internal/mint"
)

const (
	pathAnswer  = authorization.PathDevice + "/answer"
	pathAllowed = authorization.PathDevice + "/allowed"
	pathRefused = authorization.PathDevice + "/refused"
)

type route struct {
	pattern string
	serve   func(http.ResponseWriter, *http.Request) error
}

func (d *Door) pages() []route {
	return []route{
		{"GET " + authorization.PathDevice, d.show},
		{"POST " + authorization.PathDevice, edge.OwnPages(d.Callers.Issuer, d.typed)},
		{"POST " + pathAnswer, edge.OwnPages(d.Callers.Issuer, d.answer)},
		{"GET " + pathAllowed, d.done(view.DeviceAllowed)},
		{"GET " + pathRefused, d.done(view.DeviceRefused)},
	}
}

// entry is what the page shows on which a code is typed.
type entry struct{ Typed, Problem string }

// question is what the page shows that asks.
type question struct {
	Application, ID, Code, Name string
	Scopes                      []scope
	API                         string // what the access token is for; "": the person's data alone
	Ticket                      string
}

type scope struct{ Text, Name string }

// show asks for a code, or, where the address has one, whether its device is
// allowed: nothing is allowed by an address alone (RFC 8628, section 3.3.1).
func (d *Door) show(w http.ResponseWriter, r *http.Request) error {
	form, err := edge.ReadQuery(r)
	if err != nil {
		return err
	}
	typed := form["user_code"]
	who, _, err := d.Callers.Browser(r)
	switch {
	case err != nil:
		return err
	case who == nil:
		ticket, err := d.Requests.ForDevice(typed)
		if err != nil {
			return err
		}
		return edge.SeeOther(w, "/login?ticket="+ticket)
	case typed == "":
		return d.View.Show(w, r, http.StatusOK, view.Page{Name: view.Device, Data: entry{}})
	}
	q, err := d.Devices.Ask(r.Context(), typed, *who, caller.From(r).Address)
	if err != nil {
		return d.refuse(w, r, typed, err)
	}
	return d.View.Show(w, r, http.StatusOK, view.Page{Name: view.DeviceAsk, Data: question{
		Application: nameOf(q.Client.Client), ID: q.Client.Client.ID, Code: q.UserCode, Name: personOf(who.User),
		Scopes: scopesOf(q.Scope), API: apiOf(q), Ticket: q.Ticket,
	}})
}

// refuse shows the form again with what was wrong.
func (d *Door) refuse(w http.ResponseWriter, r *http.Request, typed string, err error) error {
	var e *auth.Error
	if !errors.As(err, &e) || edge.Status(e.Code) == http.StatusInternalServerError {
		return err
	}
	status := edge.Status(e.Code)
	if e.Code == auth.CodeInvalid {
		status = http.StatusUnprocessableEntity
	}
	edge.RetryAfter(w.Header(), e)
	return d.View.Show(w, r, status, view.Page{Name: view.Device, Data: entry{typed, d.View.Problem(r, "", e)}})
}

// typed goes on with what a person typed.
func (d *Door) typed(w http.ResponseWriter, r *http.Request) error {
	form, err := edge.ReadForm(w, r)
	if err != nil {
		return err
	}
	return edge.SeeOther(w, authorization.PathDevice+"?user_code="+url.QueryEscape(form["user_code"]))
}

func (d *Door) answer(w http.ResponseWriter, r *http.Request) error {
	form, err := edge.ReadForm(w, r)
	if err != nil {
		return err
	}
	who, _, err := d.Callers.Browser(r)
	if err != nil {
		return err
	}
	answer := form["answer"]
	switch {
	case who == nil:
		return edge.SeeOther(w, authorization.PathDevice)
	case answer != "allow" && answer != "deny":
		return auth.Invalid("answer", "The page was not filled in.")
	}
	if err := d.Devices.Answer(r.Context(), form["ticket"], *who, answer == "allow", caller.From(r).Address); err != nil {
		return err
	}
	if answer == "allow" {
		return edge.SeeOther(w, pathAllowed)
	}
	return edge.SeeOther(w, pathRefused)
}

func (d *Door) done(page view.Name) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		return d.View.Show(w, r, http.StatusOK, view.Page{Name: page})
	}
}

func nameOf(c auth.Client) string {
	if c.Name != "" {
		return c.Name
	}
	return c.ID
}

func personOf(u auth.User) string {
	for _, name := range []string{u.Name, u.Email, u.Username} {
		if name != "" {
			return name
		}
	}
	return u.ID
}

func apiOf(q flow.Question) string {
	api := q.Client.API(q.Audience)
	switch {
	case api == nil:
		return ""
	case api.Name != "":
		return api.Name
	}
	return api.Audience
}

// scopesOf names what a device asks for by the messages of the page of consent.
func scopesOf(names []string) []scope {
	list := []scope{}
	for _, name := range names {
		switch name {
		case mint.ScopeOpenID, mint.ScopeProfile, mint.ScopeEmail, "org", "roles", "permissions":
			list = append(list, scope{Text: "consent.scope." + name})
		default:
			list = append(list, scope{Text: "consent.scope.other", Name: name})
		}
	}
	if len(list) == 0 {
		list = append(list, scope{Text: "consent.scope.none"})
	}
	return list
}
