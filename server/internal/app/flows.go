package app

import (
	"context"
	"net/http"

	"github.com/writ-auth/writ/server/internal/backchannel"
	"github.com/writ-auth/writ/server/internal/clientauth"
	"github.com/writ-auth/writ/server/internal/device"
	"github.com/writ-auth/writ/server/internal/edge/caller"
	"github.com/writ-auth/writ/server/internal/edge/view"
	"github.com/writ-auth/writ/server/internal/keyring"
	devicedoor "github.com/writ-auth/writ/server/internal/oauth/device"
	"github.com/writ-auth/writ/server/internal/oauth/par"
)

// openFlows mounts the endpoints that clients call before a person is asked.
func (a *App) openFlows(mux *http.ServeMux, clients *clientauth.Service) {
	par.New(clients, a.authorization, a.proofs).Register(mux)
}

// newDevices makes the device flow.
func (a *App) newDevices(sealer *keyring.Sealer) *device.Service {
	return device.New(device.Options{
		Issuer: a.cfg.Issuer, Devices: a.store, Clients: a.store, Requests: a.authorization, Sessions: a.sessions,
		Sealer: sealer, Redis: a.redis, Now: a.now,
	})
}

// openDevices mounts where devices begin, and the pages about them.
func (a *App) openDevices(mux *http.ServeMux, clients *clientauth.Service, callers *caller.Finder, pages *view.View) {
	devicedoor.New(devicedoor.Options{Clients: clients, Devices: a.devices, Requests: a.authorization, Callers: callers, View: pages}).Register(mux)
}

// TellOfLogouts tells applications of what has ended, until ctx ends. Run does
// so; it is for those who serve the handlers themselves.
func (a *App) TellOfLogouts(ctx context.Context) {
	backchannel.New(backchannel.Options{
		Logouts: a.store, Clients: a.store, Marks: a.store, Keys: a.keys, Mint: a.mint, Outbound: a.outbound,
		News: a.store.Published, Logger: a.logger, Now: a.now,
	}).Run(ctx)
}
