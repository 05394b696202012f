package app

import (
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/writ-auth/writ/server/internal/authorization"
	"github.com/writ-auth/writ/server/internal/clientauth"
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
func (a *App) openPages(mux *http.ServeMux, clients *clientauth.Service, callers *caller.Finder) error {
	pages, err := a.newView()
	if err != nil {
		return err
	}
	authorize.New(authorize.Options{Requests: a.authorization, Callers: callers, View: pages, Now: a.now}).Register(mux)
	logout.New(logout.Options{Requests: a.authorization, Sessions: a.sessions, Callers: callers, View: pages}).Register(mux)
	page.New(page.Options{
		Requests: a.authorization, Sessions: a.sessions, Directory: a.directory, Clients: a.store, Callers: callers, View: pages, Signup: a.cfg.Signup,
	}).Register(mux)
	a.openDevices(mux, clients, callers, pages)
	userinfo.New(a.sessions, a.proofs).Register(mux)
	return nil
}

// newView makes the pages as they are configured to look.
func (a *App) newView() (*view.View, error) {
	theme := view.Theme{Name: a.cfg.BrandName, Accent: a.cfg.BrandColor}
	if a.cfg.BrandLogo != "" {
		var err error
		if theme.Logo, err = readLogo(a.cfg.BrandLogo); err != nil {
			return nil, fmt.Errorf("reading brand-logo: %w", err)
		}
	}
	pages, err := view.New(theme)
	if err != nil {
		return nil, fmt.Errorf("brand-logo or brand-color: %w", err)
	}
	return pages, nil
}

// readLogo reads a file, of which one byte too much is enough to refuse it.
func readLogo(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, view.MaxLogo+1))
}
