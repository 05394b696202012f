package app

import (
	"context"
	"crypto/tls"

	"github.com/writ-auth/writ/server/internal/keyring"
	"github.com/writ-auth/writ/server/internal/store"
)

// RunKeys looks after the signing keys as Run does, without a listener.
func (a *App) RunKeys(ctx context.Context) { a.keys.Run(ctx, a.logger) }

// Keys is what the server verifies its own tokens with.
func (a *App) Keys() *keyring.Ring { return a.keys }

// WatchEvery is how often the files of the certificate are looked at.
const WatchEvery = watchEvery

// Certificate is what the public port shows.
func Certificate(l *Listeners) *tls.Certificate { return l.certificate.current.Load() }

// Store is the server's database.
func (a *App) Store() *store.Store { return a.store }
