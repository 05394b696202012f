package device

import (
	"net/http"
	"net/url"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/authorization"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/caller"
	"github.com/writ-auth/writ/server/internal/edge/view"
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
	view.Access
	Ticket string
}

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
		Application: view.NameOf(q.Client.Client), ID: q.Client.Client.ID, Code: q.UserCode, Name: view.PersonOf(who.User),
		Access: view.AccessOf(q.Client, q.Audience, q.Scope), Ticket: q.Ticket,
	}})
}

// refuse shows the form again with what was wrong.
func (d *Door) refuse(w http.ResponseWriter, r *http.Request, typed string, err error) error {
	status, problem := d.View.Refusal(w, r, "", err)
	if problem == "" {
		return err
	}
	return d.View.Show(w, r, status, view.Page{Name: view.Device, Data: entry{typed, problem}})
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
