package app

import (
	"context"
	"net/http"

	"github.com/writ-auth/writ/server/internal/backchannel"
	"github.com/writ-auth/writ/server/internal/clientauth"
	"github.com/writ-auth/writ/server/internal/oauth/par"
)

// openFlows mounts the endpoints that clients call before a person is asked.
func (a *App) openFlows(mux *http.ServeMux, clients *clientauth.Service) {
	par.New(clients, a.authorization, a.proofs).Register(mux)
}

// TellOfLogouts tells applications of what has ended, until ctx ends. Run does
// so; it is for those who serve the handlers themselves.
func (a *App) TellOfLogouts(ctx context.Context) {
	backchannel.New(backchannel.Options{
		Logouts: a.store, Clients: a.store, Marks: a.store, Keys: a.keys, Mint: a.mint, Outbound: a.outbound,
		News: a.store.Published, Logger: a.logger, Now: a.now,
	}).Run(ctx)
}
