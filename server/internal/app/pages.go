package app

import (
	"net/http"

	"github.com/writ-auth/writ/server/internal/authorization"
	"github.com/writ-auth/writ/server/internal/edge/caller"
	"github.com/writ-auth/writ/server/internal/edge/view"
	"github.com/writ-auth/writ/server/internal/keyring"
	"github.com/writ-auth/writ/server/internal/oauth/authorize"
	"github.com/writ-auth/writ/server/internal/oauth/logout"
	"github.com/writ-auth/writ/server/internal/oauth/userinfo"
	"github.com/writ-auth/writ/server/internal/page"
)

// newAuthorization makes what decides about the requests that come by way of a
// browser.
func (a *App) newAuthorization(sealer *keyring.Sealer) *authorization.Service {
	return authorization.New(authorization.Options{
		Issuer: a.cfg.Issuer, Clients: a.store, Codes: a.store, Consents: a.store, Audit: a.store,
		Sessions: a.sessions, Keys: a.keys, Sealer: sealer, Now: a.now,
	})
}

// openPages mounts what browsers are sent to, and what clients ask about people.
func (a *App) openPages(mux *http.ServeMux, callers *caller.Finder) error {
	pages, err := view.New(view.Theme{})
	if err != nil {
		return err
	}
	authorize.New(authorize.Options{Requests: a.authorization, Callers: callers, View: pages, Now: a.now}).Register(mux)
	logout.New(logout.Options{Requests: a.authorization, Sessions: a.sessions, Callers: callers, View: pages}).Register(mux)
	page.New(page.Options{
		Requests: a.authorization, Sessions: a.sessions, Directory: a.directory, Clients: a.store, Callers: callers, View: pages, Signup: a.cfg.Signup,
	}).Register(mux)
	userinfo.New(a.sessions, a.proofs).Register(mux)
	return nil
}
