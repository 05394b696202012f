package page

import (
	"net/http"

	"github.com/writ-auth/writ/server/internal/auth"
	"github.com/writ-auth/writ/server/internal/authorization"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/edge/caller"
	"github.com/writ-auth/writ/server/internal/edge/view"
	"github.com/writ-auth/writ/server/internal/mint"
)

// consentView is what the page shows on which a person allows something.
type consentView struct {
	Application, Host, Target string
	Name                      string // the person
	Scopes                    []scopeView
	API                       string // what the access token is for; "": the person's data alone
	Ticket                    string
}

// scopeView is a scope in words: the message, and the name of one that has none.
type scopeView struct{ Text, Name string }

func (d *Door) showConsent(w http.ResponseWriter, r *http.Request) error {
	form, err := edge.ReadQuery(r)
	if err != nil {
		return err
	}
	req, err := d.Requests.Open(r.Context(), form["ticket"])
	if err != nil {
		return err
	}
	who, _, err := d.Callers.Browser(r)
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
		Application: nameOf(req.Client.Client), Host: req.ClientID, Target: hostOf(req.RedirectURI), Name: personOf(who.User),
		Scopes: scopesOf(req), API: apiOf(req), Ticket: ticket,
	}})
}

// consent takes the person's answer. It must have been given on the page that
// was shown to this session: who has another's page can't answer it.
func (d *Door) consent(w http.ResponseWriter, r *http.Request) error {
	form, err := edge.ReadForm(w, r)
	if err != nil {
		return err
	}
	req, err := d.Requests.Open(r.Context(), form["ticket"])
	if err != nil {
		return err
	}
	who, _, err := d.Callers.Browser(r)
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

// scopesOf says in words what a client asks for.
func scopesOf(req authorization.Request) []scopeView {
	list := []scopeView{}
	for _, name := range req.Scope {
		switch name {
		case mint.ScopeOpenID, mint.ScopeProfile, mint.ScopeEmail, "org", "roles", "permissions":
			list = append(list, scopeView{Text: "consent.scope." + name})
		default:
			list = append(list, scopeView{Text: "consent.scope.other", Name: name})
		}
	}
	if len(list) == 0 {
		list = append(list, scopeView{Text: "consent.scope.none"})
	}
	return list
}

func apiOf(req authorization.Request) string {
	api := req.Client.API(req.Audience)
	switch {
	case api == nil:
		return ""
	case api.Name != "":
		return api.Name
	}
	return api.Audience
}
