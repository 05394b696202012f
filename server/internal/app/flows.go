package app

import (
	"net/http"

	"github.com/writ-auth/writ/server/internal/clientauth"
	"github.com/writ-auth/writ/server/internal/oauth/par"
)

// openFlows mounts the endpoints that clients call before a person is asked.
func (a *App) openFlows(mux *http.ServeMux, clients *clientauth.Service) {
	par.New(clients, a.authorization, a.proofs).Register(mux)
}
