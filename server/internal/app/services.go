package app

import (
	"net/http"
	"time"

	"github.com/writ-auth/writ/server/internal/clientauth"
	"github.com/writ-auth/writ/server/internal/edge"
	"github.com/writ-auth/writ/server/internal/exchange"
	"github.com/writ-auth/writ/server/internal/introspection"
	"github.com/writ-auth/writ/server/internal/issuance"
	"github.com/writ-auth/writ/server/internal/limit"
	"github.com/writ-auth/writ/server/internal/oauth/clientkeys"
	"github.com/writ-auth/writ/server/internal/oauth/introspect"
	"github.com/writ-auth/writ/server/internal/oauth/revoke"
	"github.com/writ-auth/writ/server/internal/oauth/status"
	"github.com/writ-auth/writ/server/internal/oauth/token"
	"github.com/writ-auth/writ/server/internal/possession"
	"github.com/writ-auth/writ/server/internal/statuslist"
)

// openClients makes what knows clients by their credentials.
func (a *App) openClients() (*clientauth.Service, error) {
	return clientauth.New(clientauth.Options{
		Issuer: a.cfg.Issuer, Clients: a.store, Assertions: a.store, Keys: a.clientKeys, Audit: a.store,
		// Not the throttle of people: a service with an old secret would slow
		// down the sign-in of everybody at its address.
		Throttle: limit.NewShared(a.now, a.redis, "clients"), Now: a.now,
	})
}

// verifier answers the client whose credentials a request has. One whose
// credentials are wrong gets what strangers get.
func verifier(clients *clientauth.Service) func(*http.Request) (string, bool) {
	return func(r *http.Request) (string, bool) {
		c := clientauth.Credentials{Authorization: r.Header.Values("Authorization")}
		if addr := edge.ClientAddress(r); addr.IsValid() {
			c.Address = addr.String()
		}
		client, err := clients.Authenticate(r.Context(), c)
		if err != nil || client.Public() {
			return "", false
		}
		return client.ID(), true
	}
}

// openProofs makes what judges proofs of possession.
func (a *App) openProofs() (err error) {
	a.proofs, err = possession.New(possession.Options{Issuer: a.cfg.Issuer, Keys: a.keys, Used: a.store, Audit: a.store, Now: a.now})
	return err
}

// openServices mounts the endpoints that clients call: token, introspection and
// revocation.
func (a *App) openServices(mux *http.ServeMux, clients *clientauth.Service) error {
	tokens, err := introspection.New(introspection.Options{
		Issuer: a.cfg.Issuer, Keys: a.keys, Sessions: a.sessions, Clients: a.store, Log: a.store, Now: a.now,
		Remember: a.remember(),
	})
	if err != nil {
		return err
	}
	issuer := issuance.New(issuance.Options{Mint: a.mint, Marks: a.store, Keys: a.keys, AccessTTL: a.cfg.AccessTTL, Now: a.now})
	exchanger := exchange.New(exchange.Options{
		Tokens: tokens, Sessions: a.sessions, Clients: a.store, Mint: a.mint, Issuance: issuer, Audit: a.store, Now: a.now,
	})
	token.New(token.Options{
		Clients: clients, Issuer: issuer, Codes: a.authorization, Sessions: a.sessions, Exchange: exchanger, Signers: clients, Devices: a.devices,
		Allowances: a.authorization, Proofs: a.proofs,
	}).Register(mux)
	introspect.New(introspect.Options{Issuer: a.cfg.Issuer, Clients: clients, Tokens: tokens}).Register(mux)
	clientkeys.New(clientkeys.Options{Clients: clients, Registry: a.store, Keys: a.clientKeys}).Register(mux)
	revoke.New(revoke.Options{Clients: clients, Tokens: tokens, Revocations: a.log}).Register(mux)
	status.New(statuslist.New(statuslist.Options{Issuer: a.cfg.Issuer, Store: a.store, Keys: a.keys, Now: a.now})).Register(mux)
	return nil
}

// remember is for how long what was read stays true while nothing is revoked on
// this node. Another node's entry comes with the notification of its commit;
// should that be lost, after this long.
func (a *App) remember() time.Duration {
	if a.cfg.Postgres() {
		return 200 * time.Millisecond
	}
	return time.Second
}
