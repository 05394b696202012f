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

// consentView is what the page shows on which a person allows something.
type consentView struct {
	Application, Host, Target string
	Name                      string // the person
	view.Access
	Ticket string
}

// asked answers the request that somebody is to agree to, without which there is
// nothing to ask (unlike open), and who is signed in; nil: nobody is any more.
func (d *Door) asked(r *http.Request, form edge.Form) (req authorization.Request, who *session.Identity, err error) {
	if req, err = d.Requests.Open(r.Context(), form["ticket"]); err != nil {
		return req, nil, err
	}
	who, _, err = d.Callers.Browser(r)
	return req, who, err
}

func (d *Door) showConsent(w http.ResponseWriter, r *http.Request) error {
	form, err := edge.ReadQuery(r)
	if err != nil {
		return err
	}
	req, who, err := d.asked(r, form)
	if err != nil {
		return err
	}
	if who == nil {
		return d.goOn(w, req)
	}
	edge.KeepOpener(w)
	req.Asked = who.Session.ID // the answer counts in this session alone
	ticket, err := d.Requests.Seal(req)
	if err != nil {
		return err
	}
	return d.View.Show(w, r, http.StatusOK, view.Page{Name: view.Consent, Locales: req.Locales, Targets: target(&req), Data: consentView{
		Application: view.NameOf(req.Client.Client), Host: req.ClientID, Target: view.HostOf(req.RedirectURI), Name: view.PersonOf(who.User),
		Access: view.AccessOf(req.Client, req.Audience, req.Scope), Ticket: ticket,
	}})
}

// consent takes the person's answer. It must have been given on the page that
// was shown to this session: who has another's page can't answer it.
func (d *Door) consent(w http.ResponseWriter, r *http.Request) error {
	form, err := edge.ReadForm(w, r)
	if err != nil {
		return err
	}
	req, who, err := d.asked(r, form)
	if err != nil {
		return err
	}
	if who == nil {
		return d.goOn(w, req)
	}
	if req.Asked != who.Session.ID {
		return auth.Errorf(auth.CodeForbidden, "This page was made for another sign-in. Go back to the application and start again.")
	}
	switch form["answer"] {
	case "allow":
		if req, err = d.Requests.Agree(r.Context(), req, *who, caller.From(r)); err != nil {
			return err
		}
	case "deny":
		req.Agreed, req.Denied = "", who.Session.ID
	default:
		return auth.Invalid("answer", "The page was not filled in.")
	}
	return d.goOn(w, req)
}
